"""The section for data scientists about everybody else: what each other audience gets of the record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types.supplements import Supplement
from xaisvc.views.document import Cell, Table
from xaisvc.views.sections.technical_common import absent, column, name_cell, note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        rows = []
        for one in others:
            counts = Counter(one.actions.values())
            withheld = counts["hide"] + counts["hold"] + counts["closed"]
            count = context.say("count", shown=counts["show"], general=counts["generalise"], withheld=withheld)
            unseen = _unseen(context, one)
            status = one.status if one.status in _STATUSES else "not_available"
            rows.append(
                (
                    Cell(text=_label(context, one)),
                    Cell(text=context.say(f"is.{status}"), marked=status == "held_for_review"),
                    Cell(text=count),
                    Cell(text=f"{100 * unseen:.0f}%", number=unseen),
                    Cell(text=", ".join(one.kept_back) or context.say("nothing")),
                )
            )
        columns = (
            *(column(context.say(key)) for key in ("audience", "status", "counts")),
            column(context.say("unseen"), numeric=True),
            column(context.say("kept_back")),
        )
        return Table(caption=context.say("caption"), columns=columns, rows=tuple(rows))

    @staticmethod
    def _features(context: SectionContext, others: Sequence[ReaderRights]) -> Table:
        rows = []
        words = {action: Cell(text=context.say(f"does.{action}"), marked=action != "show") for action in _ACTIONS}
        no_class = context.say("no_class")
        for feature in context.view.description.features:
            sensitivity = feature.sensitivity.value if feature.sensitivity else ""
            actions = [one.actions.get(feature.id, "hide") for one in others]
            rows.append(
                (
                    name_cell(feature.id),
                    Cell(text=sensitivity or no_class),
                    *(words[action] for action in actions),
                )
            )
        columns = (
            column(context.say("feature")),
            column(context.say("class")),
            *(column(_label(context, one)) for one in others),
        )
        return Table(caption=context.say("features"), columns=columns, rows=tuple(rows))


def _label(context: SectionContext, reader: ReaderRights) -> str:
    return reader.labels.get(context.view.language.code) or next(iter(reader.labels.values()), reader.audience)


def _unseen(context: SectionContext, reader: ReaderRights) -> float:
    """Share of the record's absolute attributions in players of which the reader is not shown every feature."""
    total = unseen = 0.0
    for player in context.view.record.attribution.players:
        total += abs(player.value)
        if any(reader.actions.get(name) != "show" for name in player.features):
            unseen += abs(player.value)
    return unseen / total if total > 0 else 0.0
