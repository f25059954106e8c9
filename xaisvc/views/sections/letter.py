"""Sections of a letter to the person concerned: the decision, its main reasons, their own information."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, ClassVar

from xaisvc.errors import XaisvcError
from xaisvc.types.supplements import Supplement
from xaisvc.views.context import SOURCE_MESSAGES
from xaisvc.views.document import Facts, Paragraph, Reason, Reasons
from xaisvc.views.gates import unused_features
from xaisvc.views.selection import Rule, visible_features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block, Fact, Side
    from xaisvc.views.entries import Entry
    from xaisvc.views.selection import Sign


REASONS_RULE = "adverse-concepts-by-size/1"
"""Names the rule by which principal reasons are chosen and ordered, so that a letter can say which one it was.

Version 1: concepts that counted the way of the decision, by the sum of their values against the background, largest
first; as many as declared, each above the declared share of what may be shown.
"""


class HeldForReviewError(XaisvcError):
    """A section cannot be given truthfully, so the whole view is held for a person. Never leaves `views`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, and when."""

    type: ClassVar[str] = "decision"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {"title": (), "adverse": (), "favourable": (), "undecided": ()}
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """One paragraph."""
        outcome = {True: "adverse", False: "favourable", None: "undecided"}[context.view.record.output.adverse]
        return (Paragraph(text=context.say(outcome), role="lead"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalReasons:
    """The main reasons, strongest first: against the person if the decision was, for them if it was in their favour.

    The rule: entries of the decision's direction, by size, the first `maximum` above the floor. Size is relative to the
    background, so the rule is complete only with who that is drawn from. A list that would not be the true beginning of
    that order, because a principal reason must be withheld or a caveat keeps it back, is not given at all; nor is one
    after a decision against the person that would not be chosen by the rule that a jurisdiction pack asks for.

    Attributes:
        maximum: Most reasons; a jurisdiction pack can ask for fewer.
        floor: Least share of the visible influence for a reason.
        certainty: Least ratio of a reason's size to its standard error.
    """

    type: ClassVar[str] = "principal_reasons"
    rule: ClassVar[str] = REASONS_RULE
    may_hold: ClassVar[bool] = True
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "adverse": (),
        "favourable": (),
        "undecided": (),
        "none": (),
        "compared.population": (),
        "compared.approved_near_threshold": (),
        "together": ("facts",),
        "offset": ("facts",),
        "direction.against": (),
        "direction.favour": (),
        "direction.raised": (),
        "direction.lowered": (),
    }
    reasons: ClassVar[bool] = True

    maximum: int = 4
    floor: float = 0.05
    certainty: float = 2.0

    def _rule(self, context: SectionContext) -> Rule:
        pack = context.view.pack
        maximum = self.maximum if pack is None else min(self.maximum, pack.max_reasons)
        return Rule(maximum=maximum, floor=self.floor, certainty=self.certainty)

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """One list.

        Raises:
            HeldForReviewError: If the decision is adverse and its true first reasons cannot all be shown, or if there
                are none to show; or if it may be, and they are not chosen by the rule of the pack.
        """
        adverse = context.view.record.output.adverse
        if adverse is not False and not keeps_to_pack(context):
            raise HeldForReviewError
        if adverse is None or context.view.against is None:
            return self._undecided(context)
        against = context.view.against
        sign: Sign = against if adverse else -1 if against > 0 else 1
        selection, rule = context.view.selection("concept"), self._rule(context)
        entries = selection.reasons(sign, rule)
        if adverse and (not entries or selection.misses_principal(against, entries, rule)):
            raise HeldForReviewError
        side: Side = "against" if adverse else "for"
        return self._blocks(context, "adverse" if adverse else "favourable", entries, side)

    def _undecided(self, context: SectionContext) -> tuple[Block, ...]:
        """What weighed most in either direction, when no decision is known; it may still be an adverse one."""
        selection, rule = context.view.selection("concept"), self._rule(context)
        found = [*selection.reasons(1, rule), *selection.reasons(-1, rule)]
        entries = tuple(entry for entry in selection.entries if entry in found)[: rule.maximum]
        against = context.view.against
        if against is not None:
            shown = [entry for entry in entries if entry.value * against > 0]
            if selection.misses_principal(against, shown, rule):
                raise HeldForReviewError
        return self._blocks(context, "undecided", entries, "none")

    @staticmethod
    def _blocks(context: SectionContext, lead: str, entries: tuple[Entry, ...], side: Side) -> tuple[Block, ...]:
        items = tuple(
            Reason(
                label=entry.label,
                direction=context.direction(entry.value) if side == "none" else "",
                facts=context.entry_facts(entry),
                note=context.entry_note(entry),
            )
            for entry in entries
        )
        reasons = Reasons(title="", items=items, empty=context.say("none"), side=side)
        if not items:
            return (reasons,)
        drawn_from = context.view.description.background_drawn_from
        compared = context.sentences(f"compared.{drawn_from}") if drawn_from else ()
        return (Paragraph(text=" ".join((context.say(lead), *compared))), reasons)


def keeps_to_pack(context: SectionContext) -> bool:
    """Whether reasons are chosen by the rule that the jurisdiction pack asks for; also so if no pack speaks."""
    pack = context.view.pack
    return pack is None or not pack.rule_problem(context.view.description)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnInformation:
    """The person's own information that the model used, by where it is from, and how to put it right.

    What the model is proven not to use is not in it, in no letter: a caveat says so only where something would credit
    it, and stands in where the bundle of then is no longer served.
    """

    type: ClassVar[str] = "own_information"
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.UNUSED})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "intro": (),
        **SOURCE_MESSAGES,
        "none": (),
        "correct": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The facts, those of one origin and day together, then what to do if one is wrong."""
        view = context.view
        unused = unused_features(view.record) | (view.supplements.unused or frozenset())
        by_origin: dict[str, dict[date | None, list[Fact]]] = {}
        for feature in visible_features(view.description, view.audience):
            if feature.id in view.record.row and feature.id not in unused:
                day = view.record.fact_dates.get(feature.id)
                by_day = by_origin.setdefault(feature.origin(view.language.code), {})
                by_day.setdefault(day, []).append(context.fact(feature, as_of=day))
        if not by_origin:
            return _paragraphs(context, "none")
        lists = [
            Facts(title=context.source(origin, day), rows=tuple(rows))
            for origin, by_day in by_origin.items()
            for day, rows in sorted(by_day.items(), key=lambda item: item[0] or date.min)
        ]
        return (
            Paragraph(text=context.say("intro")),
            *sorted(lists, key=lambda one: bool(one.title)),  # without a heading first
            *_paragraphs(context, "correct"),
        )


def _paragraphs(context: SectionContext, key: str) -> tuple[Paragraph, ...]:
    return tuple(Paragraph(text=text) for text in context.sentences(key))
