"""Requests for views of many explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError
from xaisvc.v1 import explanations_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.engine.cohort_request import CohortSelection
    from xaisvc.engine.commands import ViewRequest


def cohort_request(  # noqa: PLR0913 - one parameter per field of the message
    model: str,
    *,
    selection: CohortSelection | None,
    against: CohortSelection | None,
    output: str | None,
    segment_by: Sequence[str],
    view: ViewRequest,
    reader: str,
) -> explanations_pb2.RenderCohortRequest:
    """A request for a view of many explanations.

    Raises:
        InvalidRequestError: If a list is a single text, which would be read letter by letter.
    """
    lists = {"segment_by": segment_by}
    for name, one in (("selection", selection), ("against", against)):
        if one is not None:
            lists[f"{name}.ids"] = one.ids
    for name, texts in lists.items():
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise InvalidRequestError.of(name, "must be a list of texts", reason="WRONG_TYPE")
    return explanations_pb2.RenderCohortRequest(
        model=model,
        selection=None if selection is None else _message(selection),
        against=None if against is None else _message(against),
        output=output or "",
        segment_by=segment_by,
        audience=view.audience,
        format=view.format,
        language=view.language,
        reader=reader,
    )


def _message(selection: CohortSelection) -> explanations_pb2.CohortSelection:
    return explanations_pb2.CohortSelection(since=selection.since, until=selection.until, ids=selection.ids)
