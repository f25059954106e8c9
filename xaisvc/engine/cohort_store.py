"""Reads the explanations of a cohort from the record store, event by event."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xaisvc.cohorts import Use, concatenate
from xaisvc.engine.cohort_rows import Asked, Reading, persons_of, shown_columns
from xaisvc.engine.permissions import check_record, is_of_tenant, no_such_record
from xaisvc.errors import InvalidRequestError, LimitExceededError, NotFoundError, StoreError
from xaisvc.records import EventKind, decode_description
from xaisvc.records.answers import decode_answers, decode_frame, decode_row
from xaisvc.records.fact_dates import without_fact_dates
from xaisvc.records.usage import USAGE_KINDS
from xaisvc.types import Kind
from xaisvc.views.audience import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xaisvc.cohorts import Columns
    from xaisvc.engine.stored import RecordSource
    from xaisvc.records import Event
    from xaisvc.types import AnswerFrame, BundleDescription, Caller
    from xaisvc.types.cohort import Period
    from xaisvc.views import Audience

MOST_RECORDS = 100_000
"""Most records of one cohort: bounds memory and time."""

_ROWS_AT_ONCE = 4096
_PLACE = re.compile("0|[1-9][0-9]{0,8}")


@dataclass(slots=True)
class Group:
    """Explanations of one question.

    Attributes:
        reading: How they are read.
        description: Their bundle, as it was described then.
        chunks: Their columns.
        ids: Their ids, in the order of the rows.
        count: Number of explanations.
    """

    reading: Reading
    description: BundleDescription
    chunks: list[Columns] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of explanations."""
        return len(self.ids)

    def columns(self) -> Columns:
        """All columns."""
        return concatenate(self.chunks)


class CohortStore:
    """Reads cohorts for one audience and caller. Made anew for every request.

    Args:
        source: Where records are read.
        audience: Whose view it is.
        model: Name of the bundle.
        caller: Who asks.
    """

    def __init__(self, source: RecordSource, audience: Audience, model: str, caller: Caller) -> None:
        self._source = source
        self._audience = audience
        self._model = model
        self._caller = caller
        self._frames: dict[bytes, tuple[AnswerFrame, Asked, BundleDescription]] = {}

    def of_period(self, period: Period) -> dict[Asked, Group]:
        """The explanations of whole days, question by question.

        Raises:
            LimitExceededError: If they are too many.
            StoreError: If the store cannot be read.
        """
        heads = self._source.events(kinds=(EventKind.EXPLANATIONS,), bundle=self._model, with_parts=False)
        found, count = [], 0
        for event in heads:
            if period.since <= event.at < period.until and self._is_ours(event):
                found.append(event.id)
                count += len(event.parts)
                if count > MOST_RECORDS:
                    raise LimitExceededError(
                        f"since: the period has more than {MOST_RECORDS} explanations, the most that a cohort is made "
                        "from; ask for fewer days"
                    )
        wanted = ((event, range(len(event.parts))) for event in self._read(found))
        return self._groups(wanted)

    def of_ids(self, ids: Sequence[str], place: str) -> dict[Asked, Group]:
        """Named explanations, question by question. Those whose content was erased are left out.

        Args:
            ids: Their ids.
            place: Name of the list, as the caller wrote it.

        Raises:
            NotFoundError: If one of them is none for this caller; names its place.
            InvalidRequestError: If one belongs to another model.
            LimitExceededError: If they are too many.
            StoreError: If the store cannot be read.
        """
        if len(ids) > MOST_RECORDS:
            raise LimitExceededError(f"{place}: got {len(ids)}, but a cohort is made from at most {MOST_RECORDS}")
        parts: dict[str, dict[int, int]] = defaultdict(dict)
        for at, record_id in enumerate(ids):
            event_id, _, part = record_id.rpartition("-")
            if not _PLACE.fullmatch(part):
                raise NotFoundError(f"{place}[{at}]: {no_such_record()}")
            parts[event_id].setdefault(int(part), at)
        return self._groups(self._named(parts, place))

    def uses(self, persons: Mapping[str, int]) -> dict[str, Use]:
        """What each audience did with explanations, from views and feedback.

        Args:
            persons: Id of an explanation to what stands for the person behind it.
        """
        found: dict[str, Use] = {}
        for event in self._source.events(kinds=USAGE_KINDS, bundle=self._model, with_parts=False):
            person = persons.get(event.about)
            audience = _fact(event, "audience")
            if person is None or not audience or not self._is_ours(event) or not self._caller.may_read_as(audience):
                continue
            use = found.setdefault(audience, Use())
            if event.kind is EventKind.VIEW:
                use.opened.add(person)
                use.days.setdefault(_fact(event, "reader") or event.caller, set()).add(event.at[:10])
            elif _fact(event, "verdict"):
                use.verdicts[person] = _fact(event, "verdict")
        return found

    def _is_ours(self, event: Event) -> bool:
        return is_of_tenant(self._caller, _fact(event, "tenant"))

    def _read(self, ids: Iterable[str]) -> Iterable[Event]:
        for event_id in ids:
            event = self._source.get(event_id)
            if event is not None:
                yield event

    def _named(self, parts: Mapping[str, Mapping[int, int]], place: str) -> Iterable[tuple[Event, Sequence[int]]]:
        for event_id, wanted in parts.items():
            event = self._source.get(event_id)
            at = min(wanted.values())
            if event is None or event.kind is not EventKind.EXPLANATIONS:
                raise NotFoundError(f"{place}[{at}]: {no_such_record()}")
            try:
                check_record(self._caller, bundle=event.bundle, tenant=_fact(event, "tenant"))
            except NotFoundError as error:
                raise NotFoundError(f"{place}[{at}]: {error}") from None
            beyond = [where for part, where in wanted.items() if part >= len(event.parts)]
            if beyond:
                raise NotFoundError(f"{place}[{min(beyond)}]: {no_such_record()}")
            if event.bundle != self._model:
                raise InvalidRequestError.of(
                    f"{place}[{at}]", f"explains model '{event.bundle}', not '{self._model}'; name its own explanations"
                )
            yield event, sorted(wanted)

    def _groups(self, wanted: Iterable[tuple[Event, Sequence[int]]]) -> dict[Asked, Group]:
        """Decodes parts frame by frame, so that never more than some thousand rows are held as they were stored."""
        groups: dict[Asked, Group] = {}
        waiting: dict[bytes, list[tuple[str, bytes]]] = defaultdict(list)
        for event, places in wanted:
            own = waiting[event.frame]
            for place in places:
                part = event.parts[place]
                if part is not None:
                    own.append((f"{event.id}-{place}", without_fact_dates(part.content)))
            if len(own) >= _ROWS_AT_ONCE:
                self._add(groups, event.frame, waiting.pop(event.frame))
        for frame, rows in waiting.items():
            self._add(groups, frame, rows)
        return groups

    def _add(self, groups: dict[Asked, Group], encoded: bytes, rows: Sequence[tuple[str, bytes]]) -> None:
        if not rows:
            return
        _, asked, description = self._frame(encoded)
        group = groups.get(asked)
        if group is None:
            group = groups[asked] = Group(Reading.of(asked, description, self._audience), description)
        kinds = {feature.id: feature.kind is Kind.CATEGORY for feature in description.features}
        decoded = [decode_row(content, kinds) for _, content in rows]
        persons = persons_of(
            [content[: len(content) - len(rest)] for (_, content), (_, rest) in zip(rows, decoded, strict=True)]
        )
        features = shown_columns([row for row, _ in decoded], group.reading.shown)
        group.chunks.append(group.reading.columns(decode_answers([rest for _, rest in decoded]), features, persons))
        group.ids += [record_id for record_id, _ in rows]

    def _frame(self, encoded: bytes) -> tuple[AnswerFrame, Asked, BundleDescription]:
        found = self._frames.get(encoded)
        if found is None:
            frame = decode_frame(encoded)
            stored = self._source.get_description(frame.digests.schema)
            if stored is None:
                raise StoreError("the description of the bundle behind an explanation is not in the store")
            description = decode_description(stored)
            check_open(description, self._audience)
            found = self._frames[encoded] = (frame, Asked.of_frame(frame), description)
        return found


def check_open(description: BundleDescription, audience: Audience) -> None:
    """Refuses a bundle that an audience gets no view of.

    Raises:
        InvalidRequestError: If it is one; the same words whatever is in the bundle.
    """
    closed = any(audience.action(feature) is Action.CLOSED for feature in description.features)
    if closed or not description.concerns(audience.id):
        raise InvalidRequestError.of(
            "model", f"the audience '{audience.id}' gets no view of '{description.name}'; ask its owner", "CLOSED"
        )


def _fact(event: Event, name: str) -> str:
    value = event.head.get(name)
    return "" if value is None else str(value)
