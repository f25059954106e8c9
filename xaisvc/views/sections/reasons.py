"""Reasons of two directions, the opposing one never left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from xaisvc.views.audience import choice
from xaisvc.views.context import SOURCE_MESSAGES
from xaisvc.views.document import Bullets, Paragraph, Reason, Reasons
from xaisvc.views.language import exact
from xaisvc.views.selection import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block, Link, Side
    from xaisvc.views.entries import Entry
    from xaisvc.views.selection import Selection, Sign

STRONG_SHARE = 0.30
"""Share of the visible influence from which a reason is called strong."""

CLEAR_SHARE = 0.10
"""Share from which it is called clear; below, slight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideReasons:
    """The reasons that led to the outcome, then those that spoke against it.

    Attributes:
        first: Which direction comes first: that of the `outcome`, or always the `adverse` one. Without a decision or a
            bad direction, what raised the output comes first.
        max_first: Most reasons of the first direction.
        max_second: Most reasons of the second direction. The strongest is given however small it is.
        floor: Least share of the visible influence for a reason.
        certainty: Least ratio of a reason's size to its standard error.
        numbers: How a reason's size is given: not at all, as one of three words, or exactly.
        level: Whether reasons are concepts or single features.
        values: Whether the facts behind a reason are given.
        origins: Whether it is said where each fact comes from and what day it is from, as far as that is known.
    """

    type: ClassVar[str] = "reasons"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "against": (),
        "favour": (),
        "raised": (),
        "lowered": (),
        "none": (),
        "none_opposing": (),
        "intro": (),
        "together": ("facts",),
        "offset": ("facts",),
        "kept_back": (),
        "strong": (),
        "clear": (),
        "slight": (),
        "direction.against": (),
        "direction.favour": (),
        "direction.raised": (),
        "direction.lowered": (),
        **SOURCE_MESSAGES,
    }
    reasons: ClassVar[bool] = True

    first: Literal["outcome", "adverse"] = choice("outcome", "adverse")
    max_first: int = 3
    max_second: int = 2
    floor: float = 0.05
    certainty: float = 2.0
    numbers: Literal["none", "words", "exact"] = choice("none", "words", "exact")
    level: Literal["concept", "feature"] = choice("concept", "feature")
    values: bool = True
    origins: bool = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Two lists, each with words for when it is empty, and what caveats kept from being in one of them."""
        view = context.view
        selection = view.selection(self.level)
        adverse_first = self.first == "adverse" or view.record.output.adverse is not False
        against: Sign = view.against or 1
        sign, other = (against, _opposite(against)) if adverse_first else (_opposite(against), against)
        rule = Rule(maximum=self.max_first, floor=self.floor, certainty=self.certainty)
        leading = selection.reasons(sign, rule)
        opposing = selection.reasons(other, replace(rule, maximum=self.max_second))
        if not opposing and self.max_second:
            opposing = selection.reasons(other, Rule(maximum=1, floor=0.0))
        kept_back = selection.kept_back(self.floor)
        labels = tuple(entry.label for entry in sorted(kept_back, key=lambda entry: entry.order))
        return (
            Paragraph(text=context.say("intro")),
            self._list(context, selection, leading, sign, "none"),
            self._list(context, selection, opposing, other, "none_opposing"),
            *((Bullets(title=context.say("kept_back"), items=labels),) if labels else ()),
        )

    def _list(
        self, context: SectionContext, selection: Selection, entries: tuple[Entry, ...], sign: Sign, empty: str
    ) -> Reasons:
        against = context.view.against
        if against is None:
            title, side = ("raised" if sign > 0 else "lowered"), "none"
        else:
            title, side = ("against", "against") if sign == against else ("favour", "for")
        return Reasons(
            title=context.say(title),
            items=tuple(
                self._reason(context, selection, entry, name)
                for entry, name in zip(entries, self.names(context, entries), strict=True)
            ),
            empty=context.say(empty),
            side=cast("Side", side),
        )

    def names(self, context: SectionContext, entries: tuple[Entry, ...]) -> tuple[str, ...]:
        """What the reasons of one list are called."""
        del context
        return tuple(entry.label for entry in entries)

    def links(self, context: SectionContext, entry: Entry) -> tuple[Link, ...]:
        """Where on the page the facts behind a reason stand."""
        del context, entry
        return ()

    def _reason(self, context: SectionContext, selection: Selection, entry: Entry, name: str) -> Reason:
        direction = context.direction(entry.value)
        if self.numbers == "exact":
            direction = f"{direction} ({exact(entry.value)})"
        elif self.numbers == "words":
            share = abs(entry.value) / selection.total
            size = "strong" if share >= STRONG_SHARE else "clear" if share >= CLEAR_SHARE else "slight"
            direction = f"{direction}, {context.say(size)}"
        return Reason(
            label=name,
            direction=direction,
            facts=context.entry_facts(entry, origins=self.origins) if self.values else (),
            note=context.entry_note(entry),
            links=self.links(context, entry),
        )


def _opposite(sign: Sign) -> Sign:
    return -1 if sign > 0 else 1
