"""The section for data scientists about everybody else: what each other audience gets of the record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types.supplements import Supplement
from xaisvc.views.cells import Cell, share_cell
from xaisvc.views.document import Column, Table
from xaisvc.views.kept import Same, SectionWords, kept
from xaisvc.views.sections.technical_common import absent, columns, name_cell, note, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.types import BundleDescription
    from xaisvc.types.overview import ReaderRights
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block

_ACTIONS = ("show", "generalise", "hide", "hold", "closed")
_STATUSES = ("complete", "held_for_review", "not_available", "not_concerned", "many_only")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """What each other audience gets of this record, and what happens to each feature in its views."""

    type: ClassVar[str] = "readers"
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.READERS})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "absent": (),
        "caption": (),
        "audience": (),
        "status": (),
        "counts": (),
        "count": ("shown", "general", "withheld"),
        "unseen": (),
        "kept_back": (),
        "nothing": (),
        **{f"is.{word}": () for word in _STATUSES},
        "features": (),
        "feature": (),
        "class": (),
        "no_class": (),
        **{f"does.{word}": () for word in _ACTIONS},
        "shows": (),
        "shows_not": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """One line for each audience, then one for each feature."""
        readers = context.view.supplements.readers
        if readers is None:
            return (absent(context),)
        others = [one for one in readers if one.audience != context.view.audience.id]
        return (self._audiences(context, others), note(context), self._features(context, others))

    @staticmethod
    def _audiences(context: SectionContext, others: Sequence[ReaderRights]) -> Table:
        words = SectionWords.of(context)
        rows = []
        for one in others:
            told = _told(words, Same(one.actions))
            unseen = _unseen(context, told.shown)
            status = one.status if one.status in _STATUSES else "not_available"
            rows.append(
                (
                    name_cell(_label(context, one)),
                    _status_cells(words)[status],
                    told.counts,
                    share_cell(unseen),
                    Cell(text=", ".join(one.kept_back) or context.say("nothing")),
                )
            )
        return Table(caption=context.say("caption"), columns=_heads(words), rows=tuple(rows))

    @staticmethod
    def _features(context: SectionContext, others: Sequence[ReaderRights]) -> Table:
        readers = tuple([(_label(context, one), Same(one.actions)) for one in others])
        return _matrix(SectionWords.of(context), Same(context.view.description), readers)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of an audience whatever the case.

    Attributes:
        counts: How many features it is shown, knows by general words, and is not shown.
        shown: Those that it is shown.
    """

    counts: Cell
    shown: frozenset[str]


@kept(256)
def _told(words: SectionWords, actions: Same[Mapping[str, str]]) -> _Told:
    counts = Counter(actions.one.values())
    withheld = counts["hide"] + counts["hold"] + counts["closed"]
    text = words.say("count", shown=counts["show"], general=counts["generalise"], withheld=withheld)
    return _Told(Cell(text=text), frozenset(name for name, action in actions.one.items() if action == "show"))


@kept(256)
def _status_cells(words: SectionWords) -> Mapping[str, Cell]:
    return MappingProxyType(
        {one: Cell(text=words.say(f"is.{one}"), marked=one == "held_for_review") for one in _STATUSES}
    )


@kept(256)
def _heads(words: SectionWords) -> tuple[Column, ...]:
    return (*columns(words, ("audience", "status", "counts"), ("unseen",)), Column(label=words.say("kept_back")))


@kept(64)
def _matrix(
    words: SectionWords,
    description: Same[BundleDescription],
    readers: tuple[tuple[str, Same[Mapping[str, str]]], ...],
) -> Table:
    """What happens to each feature in the views of each reader. Kept: it is declared, whatever the case."""
    cells = verdicts(words, _ACTIONS, ("show",), "does.")
    rows = [
        (
            name_cell(feature.id),
            Cell(text=(feature.sensitivity.value if feature.sensitivity else "") or words.say("no_class")),
            *(cells[actions.one.get(feature.id, "hide")] for _, actions in readers),
        )
        for feature in description.one.features
    ]
    heads = (*columns(words, ("feature", "class")), *(Column(label=label) for label, _ in readers))
    return Table(caption=words.say("features"), columns=heads, rows=tuple(rows))


def _label(context: SectionContext, reader: ReaderRights) -> str:
    return reader.labels.get(context.view.language.code) or next(iter(reader.labels.values()), reader.audience)


def _unseen(context: SectionContext, shown: frozenset[str]) -> float:
    """Share of the record's absolute attributions in players of which the reader is not shown every feature."""
    total = unseen = 0.0
    for player in context.view.record.attribution.players:
        size = abs(player.value)
        total += size
        if not shown.issuperset(player.features):
            unseen += size
    return unseen / total if total > 0 else 0.0
