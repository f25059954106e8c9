"""Which cohorts were told, by whichever process: read from the records of views."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from xaisvc.cohorts.overlap import KEPT_SETS
from xaisvc.engine.cohort_request import CohortRequest, CohortSelection
from xaisvc.records import EventKind

if TYPE_CHECKING:
    from xaisvc.engine.stored import RecordSource
    from xaisvc.records import Event

    TellingKey: TypeAlias = tuple[str | tuple[str, ...], ...]


def telling_key(request: CohortRequest, *, today: str) -> TellingKey:
    """What two requests have in common that tell the same of the same records.

    Args:
        request: The request.
        today: Stands for the end of a period that names none.
    """
    days: list[str] = []
    for one in (request.selection, request.against):
        days += ["", ""] if one is None else [one.since, one.until or today]
    return (request.model, request.audience, request.output, request.segment_by, *days)


def tellings(source: RecordSource, model: str, tenant: str) -> tuple[CohortRequest, ...]:
    """The last cohorts of days that a tenant was told of, each once, oldest first, with the days that were meant.

    Cohorts of named explanations are not among them: records keep a digest of the names.
    """
    found: dict[TellingKey, CohortRequest] = {}
    for event in source.events(kinds=(EventKind.VIEW,), bundle=model, with_parts=False):
        request = _request(event) if str(event.head.get("tenant", "")) == tenant else None
        if request is not None:
            key = telling_key(request, today="")
            found.pop(key, None)
            found[key] = request
    return tuple(found.values())[-KEPT_SETS:]


def _request(event: Event) -> CohortRequest | None:
    """The request behind a view of a cohort; None for other views, and for named explanations."""
    cohort = event.head.get("cohort")
    if not isinstance(cohort, dict):
        return None
    today = event.at[:10]
    selection, against = _selection(cohort.get("of"), today), _selection(cohort.get("against"), today)
    if selection is None or (against is None and cohort.get("against") is not None):
        return None
    return CohortRequest(
        model=event.bundle,
        selection=selection,
        against=against,
        output=str(cohort.get("output", "")),
        segment_by=tuple(str(one) for one in cohort.get("segment_by", ())),
        audience=str(event.head.get("audience", "")),
    )


def _selection(facts: object, today: str) -> CohortSelection | None:
    if not isinstance(facts, dict) or "named" in facts:
        return None
    return CohortSelection(since=str(facts.get("since", "")), until=str(facts.get("until", "")) or today)
