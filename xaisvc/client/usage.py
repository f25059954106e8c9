"""How much the explanations of a model are used, as the service tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError
from xaisvc.v1 import feedback_pb2

if TYPE_CHECKING:
    import datetime as dt


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceUsage:
    """How much one audience uses the explanations of a model.

    Attributes:
        audience: Id of the audience; empty where feedback named none.
        opens: Views of stored explanations that were fetched.
        readers: Different readers who fetched one: by their pseudonyms, or by the caller where none was given.
        returning_readers: Those of them who came back on another day (UTC).
        agreed: Entries of feedback that agree with the model.
        deviated: Entries that deviate from it.
        not_used: Entries of decisions that were made without it.
        judgements_changed: Entries whose final judgement differs from the first.
        outcomes: Entries with a later outcome.
    """

    audience: str
    opens: int
    readers: int
    returning_readers: int
    agreed: int
    deviated: int
    not_used: int
    judgements_changed: int
    outcomes: int


def usage_request(model: str, since: dt.datetime | None, until: dt.datetime | None) -> feedback_pb2.GetUsageRequest:
    """A request for the usage of a model's explanations.

    Raises:
        InvalidRequestError: If a time says no time zone.
    """
    request = feedback_pb2.GetUsageRequest(model=model)
    for field, moment in (("since", since), ("until", until)):
        if moment is None:
            continue
        if moment.tzinfo is None:
            raise InvalidRequestError.of(
                field, "says no time zone; give it one, for example datetime(2026, 1, 31, tzinfo=UTC)"
            )
        getattr(request, field).FromDatetime(moment)
    return request


def audience_usage(message: feedback_pb2.AudienceUsage) -> AudienceUsage:
    """The usage in a message."""
    return AudienceUsage(
        audience=message.audience,
        opens=message.opens,
        readers=message.readers,
        returning_readers=message.returning_readers,
        agreed=message.agreed,
        deviated=message.deviated,
        not_used=message.not_used,
        judgements_changed=message.judgements_changed,
        outcomes=message.outcomes,
    )
