"""What many explanations say together: for callers of a service, and for users of the library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING

from xaisvc.cohorts import Memory, Wish, check_segments, concatenate, summarise
from xaisvc.engine.batch import ExplanationBatch
from xaisvc.engine.cohort_rows import Asked, Reading, read_batch, read_records
from xaisvc.engine.cohort_store import CohortStore, check_open
from xaisvc.engine.permissions import no_such_bundle, permitted_audience
from xaisvc.engine.viewing import audiences, find_audience
from xaisvc.errors import InvalidRequestError
from xaisvc.types.cohort import MIN_CELL, Period

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from xaisvc.cohorts import Columns
    from xaisvc.engine.cohort_store import Group
    from xaisvc.engine.stored import RecordSource
    from xaisvc.types import BundleDescription, Caller, ExplanationRecord
    from xaisvc.types.cohort import Cohort

AUDIENCE = "business_manager"
"""The audience that cohorts are for."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which explanations make a cohort: those with these ids, or those of whole days.

    Attributes:
        ids: Ids of explanations; empty for a period.
        since: First day in UTC, ISO 8601; empty for the first record.
        until: Day after the last one, at most today; empty for today, which is not complete and not included.
    """

    ids: tuple[str, ...] = ()
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRequest:
    """What a caller asks of the explanations of a model.

    Attributes:
        model: Name of the bundle.
        selection: Which explanations.
        against: Those to compare with; None for none.
        output: Id of the output; empty for the one most of the explanations are about.
        segment_by: Ids of features, or `band`.
    """

    model: str
    selection: Selection
    against: Selection | None = None
    output: str = ""
    segment_by: tuple[str, ...] = ()


class Cohorts:
    """Tells callers what many explanations say together.

    Args:
        source: Where records are read.
        folder: Folder of audiences; those that come with xaisvc if None.
        now: The time of day, in UTC.
    """

    def __init__(self, source: RecordSource, folder: Path | None, now: Callable[[], datetime]) -> None:
        self._source = source
        self._folder = folder
        self._now = now
        self._memory = Memory()

    def cohort(self, request: CohortRequest, caller: Caller) -> Cohort:
        """What may be told of the explanations.

        Of explanations that answer different questions (another version of the model, another method or other players),
        a period's most frequent one is told of, and `left_out` says how many others there are; named ones must all
        answer the same.

        Raises:
            NotFoundError: If the audience, the model or an explanation does not exist for this caller.
            InvalidRequestError: If the request contradicts itself, or the cohort is too small or too close to an
                earlier one of the same tenant.
            LimitExceededError: If the explanations are too many.
            StoreError: If the store cannot be read.
        """
        audience = permitted_audience(audiences(self._folder), AUDIENCE, caller)
        if not caller.may_use_bundle(request.model):
            raise no_such_bundle(request.model)
        store = CohortStore(self._source, audience, request.model, caller)
        own, period, total = self._find(store, request, request.selection, "")
        asked, group = own
        check_segments(request.segment_by, group.reading.question)
        columns = group.columns()
        other = None
        if request.against is not None:
            (_, found), _, _ = self._find(store, request, request.against, "against.", like=asked)
            other = found.columns()
        persons = dict(zip(group.ids, columns.persons.tolist(), strict=True))
        wish = Wish(
            segment_by=request.segment_by,
            period=period,
            left_out=(total - group.count, total),
            other=other,
            uses=store.uses(persons),
        )
        with self._memory.lock:
            told = self._memory.told((caller.tenant, request.model, asked.output))
            return summarise(columns, group.reading.question, wish, told)

    def _find(
        self, store: CohortStore, request: CohortRequest, selection: Selection, prefix: str, like: Asked | None = None
    ) -> tuple[tuple[Asked, Group], Period, int]:
        """The explanations of a selection that answer one question, its days, and the number of all."""
        if selection.ids:
            if selection.since or selection.until:
                raise InvalidRequestError.of(
                    f"{prefix}ids", "stands beside a period; name explanations, or days, not both"
                )
            period = Period()
            found = store.of_ids(selection.ids, f"{prefix}ids")
        else:
            period = self._period(selection, prefix)
            found = store.of_period(period)
        total = sum(group.count for group in found.values())
        fitting = {
            asked: group
            for asked, group in found.items()
            if (not request.output or asked.output == request.output) and (like is None or asked.is_like(like))
        }
        if not fitting:
            raise _too_few(prefix, request, like)
        if selection.ids and len(found) > 1:
            raise InvalidRequestError.of(
                f"{prefix}ids",
                "name explanations of different questions (another version of the model, output, method or players); "
                "name those of one",
                reason="MIXED",
            )
        return max(fitting.items(), key=lambda one: (one[1].count, one[0].digests.model)), period, total

    def _period(self, selection: Selection, prefix: str) -> Period:
        """Whole days that are over: what a day holds must not change between two requests."""
        today = self._now().date().isoformat()
        for name, value in (("since", selection.since), ("until", selection.until)):
            if value and not _is_day(value):
                raise InvalidRequestError.of(f"{prefix}{name}", f"{value!r} is no day; write it like {today}")
        until = selection.until or today
        if until > today:
            raise InvalidRequestError.of(
                f"{prefix}until", f"{until} is after today ({today}, in UTC); only days that are over are told of"
            )
        if selection.since and selection.since >= until:
            raise InvalidRequestError.of(
                f"{prefix}since", f"{selection.since} is not before the end of the period, {until}; name an earlier day"
            )
        return Period(since=selection.since, until=until)


def _too_few(prefix: str, request: CohortRequest, like: Asked | None) -> InvalidRequestError:
    about = f" about output '{request.output}'" if request.output else ""
    alike = " that answer the same question as the cohort that they are compared with" if like is not None else ""
    return InvalidRequestError.of(
        f"{prefix}selection",
        f"holds fewer than {MIN_CELL} explanations of '{request.model}'{about}{alike}; ask for a longer period or for "
        "more records",
        reason="TOO_FEW",
    )


def _is_day(value: str) -> bool:
    if not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def cohort_of(  # noqa: PLR0913 - the library's front door: two things to read, four named settings
    records: ExplanationBatch | Iterable[ExplanationRecord],
    description: BundleDescription | None = None,
    *,
    against: ExplanationBatch | Iterable[ExplanationRecord] | None = None,
    segment_by: Sequence[str] = (),
    seed: int = 0,
    folder: Path | None = None,
) -> Cohort:
    """What explanations say together, without a service.

    Nothing is remembered between two calls, so whoever asks twice can take the answers from each other; the service
    guards against that.

    Args:
        records: A batch, or records of one bundle, output, method and players.
        description: Their bundle; needed for records, known for a batch.
        against: Others to compare with.
        segment_by: Ids of features, or `band`.
        seed: Draws the records that rules are judged on.
        folder: Folder of audiences; those that come with xaisvc if None.

    Returns:
        The cohort as a business manager may see it.

    Raises:
        InvalidRequestError: If the description is missing, or the records are too few or answer different questions.
    """
    own, asked, columns = _read(records, description, "records", folder)
    other = None
    if against is not None:
        _, other_asked, other = _read(against, description or _description_of(records), "against", folder)
        if not asked.is_like(other_asked):
            raise InvalidRequestError.of(
                "against", "answers another question (bundle, output, space, method or players) than the records"
            )
    return summarise(columns, own.question, Wish(segment_by=tuple(segment_by), seed=seed, other=other))


def _description_of(records: ExplanationBatch | Iterable[ExplanationRecord]) -> BundleDescription | None:
    return records.provenance.description if isinstance(records, ExplanationBatch) else None


def _read(
    records: ExplanationBatch | Iterable[ExplanationRecord],
    description: BundleDescription | None,
    place: str,
    folder: Path | None,
) -> tuple[Reading, Asked, Columns]:
    audience = find_audience(AUDIENCE, folder)
    known = description or _description_of(records)
    if known is None:
        raise InvalidRequestError.of(
            "description", "is needed to read records: pass the bundle's description", reason="REQUIRED"
        )
    check_open(known, audience)
    if isinstance(records, ExplanationBatch):
        asked = Asked.of_batch(records)
        reading = Reading.of(asked, known, audience)
        return reading, asked, read_batch(records, reading)
    first: Asked | None = None
    chunks: list[Columns] = []
    numbered = enumerate(records)
    for _, chunk in groupby(numbered, key=lambda one: one[0] // _ROWS_AT_ONCE):
        own = [record for _, record in chunk]
        first = first or Asked.of_record(own[0])
        if any(Asked.of_record(record) != first for record in own):
            raise InvalidRequestError.of(
                place,
                "answer different questions (another version of the model, output, method or players); "
                "pass those of one",
                reason="MIXED",
            )
        chunks.append(read_records(own, Reading.of(first, known, audience)))
    if first is None:
        raise InvalidRequestError.of(place, f"holds fewer than {MIN_CELL} records; pass more", reason="TOO_FEW")
    return Reading.of(first, known, audience), first, concatenate(chunks)
