"""Feedback and usage: requests into the engine's values, and its answers into messages."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from xaisvc.engine.commands import Feedback
from xaisvc.errors import InvalidRequestError
from xaisvc.server.convert import timestamp
from xaisvc.v1 import feedback_pb2
from xaisvc.wire import VERDICT_FROM_WIRE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.timestamp_pb2 import Timestamp

    from xaisvc.records.usage import AudienceUsage


def feedback(request: feedback_pb2.SubmitRequest) -> Feedback:
    """Reads what a reader made of an explanation.

    Raises:
        InvalidRequestError: If no explanation is named, or the verdict is none of the known ones.
    """
    if not request.explanation_id:
        raise InvalidRequestError.of(
            "explanation_id", "no explanation is named; use the id that Explain answered", reason="REQUIRED"
        )
    if request.verdict not in VERDICT_FROM_WIRE:
        raise InvalidRequestError.of("verdict", f"{request.verdict} is no verdict of this protocol")
    return Feedback(
        explanation_id=request.explanation_id,
        audience=request.audience,
        reader=request.reader,
        verdict=VERDICT_FROM_WIRE[request.verdict],
        reason_code=request.reason_code,
        comment=request.comment,
        first_judgement=request.first_judgement,
        final_judgement=request.final_judgement,
        outcome=request.outcome,
    )


def submit_response(entry_id: str, at: str) -> feedback_pb2.SubmitResponse:
    """What was stored."""
    return feedback_pb2.SubmitResponse(id=entry_id, created_at=timestamp(at))


def model_name(request: feedback_pb2.GetUsageRequest) -> str:
    """The model whose usage is asked for.

    Raises:
        InvalidRequestError: If none is named.
    """
    if not request.model:
        raise InvalidRequestError.of(
            "model", "no model is named; ModelService.ListModels lists the names", reason="REQUIRED"
        )
    return request.model


def period(request: feedback_pb2.GetUsageRequest) -> tuple[str, str]:
    """Beginning and end of the period, ISO 8601 in UTC; empty for no bound.

    Raises:
        InvalidRequestError: If a time is outside the calendar.
    """
    since = _time("since", request.since) if request.HasField("since") else ""
    return since, _time("until", request.until) if request.HasField("until") else ""


def _time(field: str, given: Timestamp) -> str:
    try:
        found = given.ToDatetime(dt.UTC)
    except (ValueError, OverflowError):
        raise InvalidRequestError.of(field, "the time is outside the years 1 to 9999") from None
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def usage_response(found: Sequence[AudienceUsage]) -> feedback_pb2.GetUsageResponse:
    """Usage as a message."""
    return feedback_pb2.GetUsageResponse(
        audiences=[
            feedback_pb2.AudienceUsage(
                audience=one.audience,
                opens=one.opens,
                readers=one.readers,
                returning_readers=one.repeat_readers,
                agreed=one.agreements,
                deviated=one.overrides,
                not_used=one.not_used,
                judgements_changed=one.changed_judgements,
                outcomes=sum(one.outcomes.values()),
            )
            for one in found
        ],
    )
