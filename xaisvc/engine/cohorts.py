"""What many explanations say together: for callers of a service, and for users of the library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from threading import Lock
from typing import TYPE_CHECKING

from xaisvc.cohorts import Memory, Told, Wish, check_segments, concatenate, summarise
from xaisvc.engine.batch import ExplanationBatch
from xaisvc.engine.cohort_request import BUSINESS_MANAGER, CohortRequest, CohortSelection
from xaisvc.engine.cohort_rows import Asked, Reading, read_batch, read_records
from xaisvc.engine.cohort_store import CohortStore, check_open
from xaisvc.engine.cohort_tellings import telling_key, tellings
from xaisvc.engine.permissions import check_numbers, no_such_bundle, permitted_audience
from xaisvc.engine.viewing import audiences, find_audience
from xaisvc.errors import InvalidRequestError, LimitExceededError
from xaisvc.types import LOCAL, Caller
from xaisvc.types.cohort import MIN_CELL, Period

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from xaisvc.cohorts import Columns
    from xaisvc.engine.cohort_store import Group
    from xaisvc.engine.cohort_tellings import TellingKey
    from xaisvc.engine.stored import RecordSource
    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.types.cohort import Cohort
    from xaisvc.views import Audience

__all__ = ["CohortRequest", "CohortSelection", "Cohorts", "FoundCohort", "cohort_of", "description_of"]

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCohort:
    """A cohort with what is needed to show it.

    Attributes:
        cohort: What may be told.
        description: The bundle as it was described when the explanations were made.
    """

    cohort: Cohort
    description: BundleDescription


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Gathered:
    """What was found for a request, before it is decided what of it may be told."""

    asked: Asked
    group: Group
    columns: Columns
    wish: Wish


class Cohorts:
    """Tells callers what many explanations say together.

    Args:
        source: Where records are read.
        folder: Folder of audiences; those that come with xaisvc if None.
        now: The time of day, in UTC.
        recall: Whether what other processes told, and this one before it was started, counts as told. It is read from
            the records of views.
    """

    def __init__(
        self, source: RecordSource, folder: Path | None, now: Callable[[], datetime], *, recall: bool = True
    ) -> None:
        self._source = source
        self._folder = folder
        self._now = now
        self._memory = Memory()
        self._recall = recall
        self._recalling = Lock()
        self._known: set[tuple[str, TellingKey]] = set()

    def cohort(self, request: CohortRequest, caller: Caller) -> Cohort:
        """What may be told of the explanations.

        Of explanations that answer different questions (another version of the model, another method or other players),
        a period's most frequent one is told of, and `left_out` says how many others there are; named ones must all
        answer the same.

        Raises:
            NotFoundError: If the audience, the model or an explanation does not exist for this caller.
            NotAllowedError: If the caller names explanations and may not see each of them in full.
            InvalidRequestError: If the request contradicts itself, or the cohort is too small or too close to an
                earlier one of the same tenant.
            LimitExceededError: If the explanations are too many.
            StoreError: If the store cannot be read.
        """
        return self.find(request, caller).cohort

    def find(self, request: CohortRequest, caller: Caller) -> FoundCohort:
        """As `cohort`, with the bundle's description."""
        audience = permitted_audience(audiences(self._folder), request.audience, caller)
        if not caller.may_use_bundle(request.model):
            raise no_such_bundle(request.model)
        if request.selection.ids or (request.against is not None and request.against.ids):
            check_numbers(caller, "cohorts of named explanations")
        found = self._gather(request, audience, caller)
        if self._recall:
            self._recall_told(request.model, caller)
        question = found.group.reading.question
        with self._memory.lock:
            told = self._memory.told((caller.tenant, request.model, found.asked.output))
            cohort = summarise(found.columns, question, found.wish, told)
        self._known.add((caller.tenant, telling_key(request, today=self._today())))
        return FoundCohort(cohort=cohort, description=found.group.description)

    def _gather(self, request: CohortRequest, audience: Audience, caller: Caller) -> _Gathered:
        store = CohortStore(self._source, audience, request.model, caller)
        own, period, total = self._find(store, request, request.selection, "")
        asked, group = own
        check_segments(request.segment_by, group.reading.question)
        columns = group.columns()
        other, other_period = None, Period()
        if request.against is not None:
            (_, found), other_period, _ = self._find(store, request, request.against, "against.", like=asked)
            other = found.columns()
        persons = dict(zip(group.ids, columns.persons.tolist(), strict=True))
        wish = Wish(
            segment_by=request.segment_by,
            period=period,
            left_out=(total - group.count, total),
            other=other,
            other_period=other_period,
            uses=store.uses(persons),
        )
        return _Gathered(asked=asked, group=group, columns=columns, wish=wish)

    def _recall_told(self, model: str, caller: Caller) -> None:
        """Remembers what was told by others, by finding it again. Whatever was told then counts, and never less.

        A cohort that can no longer be found, because its explanations are gone or its audience is, is passed over.
        """
        reader = LOCAL if caller == LOCAL else Caller(id=caller.id, tenant=caller.tenant)
        with self._recalling:
            for request in tellings(self._source, model, caller.tenant):
                key = (caller.tenant, telling_key(request, today=request.selection.until))
                if key in self._known:
                    continue
                self._known.add(key)
                audience = audiences(self._folder).get(request.audience)
                if audience is None:
                    continue
                fresh = Told()
                try:
                    found = self._gather(request, audience, reader)
                    summarise(found.columns, found.group.reading.question, found.wish, fresh)
                except (InvalidRequestError, LimitExceededError):
                    continue
                with self._memory.lock:
                    told = self._memory.told((caller.tenant, model, found.asked.output))
                    for name, sets in fresh.sets.items():
                        for persons in sets:
                            told.add({name: persons})

    def _today(self) -> str:
        return self._now().date().isoformat()

    def _find(
        self,
        store: CohortStore,
        request: CohortRequest,
        selection: CohortSelection,
        prefix: str,
        like: Asked | None = None,
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

    def _period(self, selection: CohortSelection, prefix: str) -> Period:
        """Whole days that are over: what a day holds must not change between two requests."""
        today = self._today()
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
    named = request.selection if request.against is None or not prefix else request.against
    today = "" if named.ids or named.until else " up to yesterday (a day counts when it is over)"
    about = f" about output '{request.output}'" if request.output else ""
    alike = " that answer the same question as the cohort that they are compared with" if like is not None else ""
    return InvalidRequestError.of(
        f"{prefix}selection",
        f"holds fewer than {MIN_CELL} explanations of '{request.model}'{about}{alike}{today}; ask for "
        "a longer period or for more records",
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
    audience: str = BUSINESS_MANAGER,
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
        audience: Whose view it is.
        folder: Folder of audiences; those that come with xaisvc if None.

    Returns:
        The cohort as the audience may see it.

    Raises:
        InvalidRequestError: If the description is missing, or the records are too few or answer different questions.
    """
    own, asked, columns = _read(records, description, "records", find_audience(audience, folder))
    other = None
    if against is not None:
        _, other_asked, other = _read(
            against, description or description_of(records), "against", find_audience(audience, folder)
        )
        if not asked.is_like(other_asked):
            raise InvalidRequestError.of(
                "against", "answers another question (bundle, output, space, method or players) than the records"
            )
    return summarise(columns, own.question, Wish(segment_by=tuple(segment_by), seed=seed, other=other))


def description_of(records: ExplanationBatch | Iterable[ExplanationRecord]) -> BundleDescription | None:
    """The bundle of a batch; None for records, which do not hold it."""
    return records.provenance.description if isinstance(records, ExplanationBatch) else None


def _read(
    records: ExplanationBatch | Iterable[ExplanationRecord],
    description: BundleDescription | None,
    place: str,
    audience: Audience,
) -> tuple[Reading, Asked, Columns]:
    known = description or description_of(records)
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
