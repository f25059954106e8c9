"""Cohorts: requests into the engine's values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.engine.cohort_request import BUSINESS_MANAGER, CohortRequest, CohortSelection
from xaisvc.engine.commands import ViewRequest
from xaisvc.errors import InvalidRequestError
from xaisvc.server.convert import DEFAULT_FORMAT, DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from xaisvc.v1 import explanations_pb2


def cohort_request(request: explanations_pb2.RenderCohortRequest) -> CohortRequest:
    """Reads which explanations are asked for.

    Raises:
        InvalidRequestError: If no model is named.
    """
    if not request.model:
        raise InvalidRequestError.of(
            "model", "no model is named; ModelService.ListModels lists the names", reason="REQUIRED"
        )
    return CohortRequest(
        model=request.model,
        selection=_selection(request.selection),
        against=_selection(request.against) if request.HasField("against") else None,
        output=request.output,
        segment_by=tuple(request.segment_by),
        audience=request.audience or BUSINESS_MANAGER,
    )


def view_request(request: explanations_pb2.RenderCohortRequest) -> ViewRequest:
    """Reads which view of them is asked for."""
    return ViewRequest(
        audience=request.audience or BUSINESS_MANAGER,
        format=request.format or DEFAULT_FORMAT,
        language=request.language or DEFAULT_LANGUAGE,
    )


def _selection(message: explanations_pb2.CohortSelection) -> CohortSelection:
    return CohortSelection(ids=tuple(message.ids), since=message.since, until=message.until)
