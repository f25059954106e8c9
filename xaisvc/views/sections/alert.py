"""The evidence of a case as it is, before anybody says what to think of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xaisvc.views.document import Cell, Column, Paragraph, Table
from xaisvc.views.selection import visible_features
from xaisvc.views.support import position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import Feature
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block
    from xaisvc.views.support import Position

_MARKED = frozenset({"above", "below", "new", "missing"})
_FIRST = {"above": 0, "below": 0, "new": 0, "missing": 1, "high": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Every fact that may be seen, beside what past cases show; the unusual ones first. No score, no reasons.

    The order depends on the facts alone, so that the first judgement is the reader's own.
    """

    type: ClassVar[str] = "evidence"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "intro": (),
        "none": (),
        "caption": (),
        "fact": (),
        "value": (),
        "past": (),
        "missing": (),
        "above": ("bound",),
        "below": ("bound",),
        "new": (),
        "high": ("low", "high"),
        "within": ("low", "high"),
        "unknown": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """One table."""
        row = context.view.record.row
        features = [f for f in visible_features(context.view.description, context.view.audience) if f.id in row]
        if not features:
            return (Paragraph(text=context.say("none")),)
        placed = [(feature, position(context.view.record, feature)) for feature in features]
        placed.sort(key=lambda pair: _FIRST.get(pair[1], 3))  # stable: otherwise the order of the schema
        return (
            Paragraph(text=context.say("intro")),
            Table(
                caption=context.say("caption"),
                columns=(
                    Column(label=context.say("fact")),
                    Column(label=context.say("value")),
                    Column(label=context.say("past")),
                ),
                rows=tuple(_row(context, feature, where) for feature, where in placed),
            ),
        )


def _row(context: SectionContext, feature: Feature, where: Position) -> tuple[Cell, ...]:
    language = context.view.language
    return (
        Cell(text=feature.label(language.code)),
        Cell(text=language.value(feature, context.view.record.row[feature.id])),
        Cell(text=_compared(context, feature, where), marked=where in _MARKED),
    )


def _compared(context: SectionContext, feature: Feature, where: Position) -> str:
    language = context.view.language
    if feature.observed_range is None or where in {"missing", "new", "unknown"}:
        return context.say(where)
    low, high = (language.value(feature, bound) for bound in feature.observed_range)
    if where in {"above", "below"}:
        return context.say(where, bound=high if where == "above" else low)
    return context.say(where, low=low, high=high)
