"""Closed cases of both outcomes that are like this one: what is alike, what differs, and how they ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from xaisvc.types.supplements import Supplement
from xaisvc.views.document import Cell, Column, Notice, Paragraph, Table
from xaisvc.views.sections.alert import closing_day
from xaisvc.views.sections.evidence import is_unlike
from xaisvc.views.selection import visible_features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import Feature
    from xaisvc.types.supplements import NearCase
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block

    Weights: TypeAlias = Mapping[str, tuple[Feature, float]]

ALIKE_WITHIN = 0.05
"""Values that are no further apart than so many of the closed cases lie between them count as alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCases:
    """The nearest closed cases of either outcome, as many of one as of the other.

    Attributes:
        maximum: Most cases of each outcome.
        facts: Most facts named as alike, and as different.
    """

    type: ClassVar[str] = "past_cases"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "intro": ("confirmed", "cleared"),
        "remote": (),
        "remote_text": (),
        "remote_usual": (),
        "none": (),
        "no_confirmed": (),
        "no_cleared": (),
        "caption_confirmed": (),
        "caption_cleared": (),
        "case": (),
        "case_value": ("reference", "closed"),
        "case_unnamed": ("closed",),
        "finding": (),
        "no_finding": (),
        "alike": (),
        "different": (),
        "nothing_alike": (),
        "nothing_different": (),
        "same": ("fact", "value"),
        "other": ("fact", "there", "here"),
    }
    reasons: ClassVar[bool] = True
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.SIMILAR_CASES})

    maximum: int = 3
    facts: int = 3

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """A table for each outcome, both of the same length where there are enough cases."""
        near = context.view.supplements.similar_cases
        if near is None:
            return (Paragraph(text=context.say("none")),)
        confirmed, cleared = near.on_file
        weights = _weights(context)
        blocks: list[Block] = []
        if near.remote:
            text = "remote_text" if is_unlike(context.view) else "remote_usual"
            blocks.append(Notice(tone="care", title=context.say("remote"), text=context.say(text)))
        blocks.append(Paragraph(text=context.say("intro", confirmed=confirmed, cleared=cleared)))
        for name, cases in (("confirmed", near.confirmed), ("cleared", near.cleared)):
            if cases:
                blocks.append(self._table(context, name, cases[: self.maximum], weights))
            else:
                blocks.append(Paragraph(text=context.say(f"no_{name}")))
        return tuple(blocks)

    def _table(self, context: SectionContext, name: str, cases: tuple[NearCase, ...], weights: Weights) -> Table:
        columns = ("case", "finding", "alike", "different")
        return Table(
            caption=context.say(f"caption_{name}"),
            columns=tuple(Column(label=context.say(key)) for key in columns),
            rows=tuple(self._row(context, case, weights) for case in cases),
        )

    def _row(self, context: SectionContext, case: NearCase, weights: Weights) -> tuple[Cell, ...]:
        closed = closing_day(case.closed)
        named = (
            context.say("case_value", reference=case.reference, closed=closed)
            if case.reference
            else context.say("case_unnamed", closed=closed)
        )
        alike, apart = self._compared(context, case, weights)
        return (
            Cell(text=named),
            Cell(text=case.finding_in(context.view.language.code) or context.say("no_finding")),
            Cell(text="; ".join(_other(context, one, case) for one in alike) or context.say("nothing_alike")),
            Cell(text="; ".join(_other(context, one, case) for one in apart) or context.say("nothing_different")),
        )

    def _compared(
        self, context: SectionContext, case: NearCase, weights: Weights
    ) -> tuple[list[Feature], list[Feature]]:
        """The facts to name as alike and as different: those that weigh most, in the order of the schema."""
        near = context.view.supplements.similar_cases
        beyond = near.beyond if near is not None else ()
        alike: dict[str, float] = {}
        apart: dict[str, float] = {}
        for name, (_, weight) in weights.items():
            part = case.parts.get(name)
            if part is None:
                continue
            if name in beyond:  # ranks do not tell how far beyond all cases it lies
                apart[name] = weight
            elif part <= ALIKE_WITHIN:
                alike[name] = weight
            else:
                apart[name] = weight * part
        chosen = (set(sorted(side, key=lambda name: -side[name])[: self.facts]) for side in (alike, apart))
        same, other = ([weights[name][0] for name in weights if name in names] for names in chosen)
        return same, other


def _weights(context: SectionContext) -> Weights:
    """The visible facts that moved the model, in the order of the schema, each with its part of its player's share.

    A player of several features shares its attribution evenly among them.
    """
    view = context.view
    sizes = {
        name: abs(player.value) / len(player.features)
        for player in view.record.attribution.players
        for name in player.features
    }
    return {
        feature.id: (feature, sizes[feature.id])
        for feature in visible_features(view.description, view.audience)
        if sizes.get(feature.id, 0.0) > 0 and feature.id in view.record.row
    }


def _other(context: SectionContext, feature: Feature, case: NearCase) -> str:
    """A fact of a closed case, with the one here unless it is the same."""
    language = context.view.language
    here, there = (language.value(feature, row[feature.id]) for row in (context.view.record.row, case.row))
    if here == there:
        return context.say("same", fact=feature.label(language.code), value=here)
    return context.say("other", fact=feature.label(language.code), there=there, here=here)
