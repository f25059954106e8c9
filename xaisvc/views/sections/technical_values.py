"""Sections for data scientists about one row's attributions: from the base value to the output, and every number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types import Space
from xaisvc.views.cells import Cell, number_cell, signed_cell, signed_number
from xaisvc.views.cleaning import clean
from xaisvc.views.document import Bar, BarChart, Column, Fact, Facts, Paragraph, Table
from xaisvc.views.document import Waterfall as WaterfallChart
from xaisvc.views.kept import Same, SectionWords, kept, pattern, said
from xaisvc.views.language import exact
from xaisvc.views.sections.technical_common import LOCAL_SURROGATE, SIDES, columns, name_cell, note, signer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.types import BundleDescription, PlayerValue
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block

_ROUNDING = 1e-6
"""Share of the largest number from which a residual is more than float32 rounding of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """How the explained number comes about, from the base value on.

    Attributes:
        max_steps: Most players with a step of their own; all others are one step.
    """

    type: ClassVar[str] = "waterfall"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "chart": ("space",),
        "description": ("steps", "players", "space"),
        "shows": (),
        "shows_not": (),
        "base": (),
        "output_place": (),
        "step": ("player", "value"),
        "rest": ("players",),
        "residual": (),
        "line": ("value",),
        **SIDES,
    }
    reasons: ClassVar[bool] = True

    max_steps: int = 15

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The chart, and what it shows."""
        found = context.view.record.attribution
        ranked = sorted(found.players, key=lambda player: -abs(player.value))
        # One player less than all would be no rest but that player.
        shown = ranked if len(ranked) <= self.max_steps + 1 else ranked[: self.max_steps]
        rest = ranked[len(shown) :]
        words = SectionWords.of(context)
        signed, named = signer(words), pattern(words, "step", "player", "value")
        steps = [
            Bar(label=_with_value(context, named, player), value=player.value, text=signed(player.value))
            for player in shown
        ]
        if rest:
            value = sum(player.value for player in rest)
            steps.append(Bar(label=context.say("rest", players=len(rest)), value=value, text=signed(value)))
        residual = found.output - found.base_value - sum(player.value for player in ranked)
        if abs(residual) > _ROUNDING * max(abs(found.output), abs(found.base_value), 1e-300):
            steps.append(Bar(label=context.say("residual"), value=residual, text=signed(residual)))
        line = _threshold(context)
        space = found.space.value
        chart = WaterfallChart(
            title=said(words, "chart", space=space),
            description=context.say("description", steps=len(steps), players=len(ranked), space=space),
            start=Bar(label=context.say("base"), value=found.base_value, text=signed_number(found.base_value, 6)),
            steps=tuple(steps),
            end=Bar(label=context.say("output_place"), value=found.output, text=signed_number(found.output, 6)),
            below=context.say("below"),
            above=context.say("above"),
            line=line,
            line_label="" if line is None else context.say("line", value=signed_number(line)),
        )
        return (chart, note(context))


def _with_value(context: SectionContext, named: str, player: PlayerValue) -> str:
    """`duration_months = 48 months`; a player of several features by its name alone."""
    if len(player.features) > 1:
        return player.player
    view = context.view
    value = view.value(view.description.feature(player.features[0]))
    return named % {"player": clean(player.player), "value": clean(value)}


def _threshold(context: SectionContext) -> float | None:
    """The decision threshold in the unit of the explained number; None without one, or without a known link."""
    view = context.view
    threshold, space, tensor = view.output.threshold, view.record.attribution.space, view.record.output.prediction_space
    if threshold is None or space is tensor:
        return threshold
    if space is Space.LOG_ODDS and tensor is Space.PROBABILITY and 0 < threshold < 1:
        return math.log(threshold / (1 - threshold))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributionTable:
    """The largest attributions as signed bars, and all of them as a table.

    Attributes:
        max_bars: Most bars in the chart; the table always holds every player.
    """

    type: ClassVar[str] = "attributions"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "chart": (),
        "description": ("bars", "players", "space"),
        "shows": (),
        "shows_not": (),
        "mark": (),
        "caption": ("space",),
        "player": (),
        "value": (),
        "attribution": (),
        "error": (),
        "usual": (),
        "class": (),
        "no_class": (),
        **SIDES,
    }
    reasons: ClassVar[bool] = True

    max_bars: int = 15

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Chart and table, both by absolute value."""
        found = context.view.record.attribution
        ranked = sorted(found.players, key=lambda player: -abs(player.value))
        shown = ranked[: self.max_bars]
        words = SectionWords.of(context)
        signed = signer(words)
        usual = _usual(context, ranked)
        marked = any(usual[player.player] is not None for player in shown)
        chart = BarChart(
            title=context.say("chart"),
            description=said(words, "description", bars=len(shown), players=len(ranked), space=found.space.value),
            bars=tuple(
                [
                    Bar(
                        label=player.player,
                        value=player.value,
                        text=signed(player.value),
                        mark=_beside(player.value, usual[player.player]),
                    )
                    for player in shown
                ]
            ),
            below=context.say("below"),
            above=context.say("above"),
            mark=context.say("mark") if marked else "",
        )
        classes = _classes(Same(context.view.description), context.say("no_class"))
        table = Table(
            caption=said(words, "caption", space=found.space.value),
            columns=_heads(words),
            rows=tuple([_row(context, player, usual[player.player], classes) for player in ranked]),
            exported=True,
        )
        return (chart, note(context), table)


@kept(256)
def _heads(words: SectionWords) -> tuple[Column, ...]:
    return (*columns(words, ("player", "value"), ("attribution", "error", "usual")), Column(label=words.say("class")))


@lru_cache(maxsize=64)
def _classes(description: Same[BundleDescription], no_class: str) -> Mapping[str, Cell]:
    """Feature id to the cell of its class. Kept: classes are of a bundle, not of a case."""
    return MappingProxyType(
        {one.id: Cell(text=one.sensitivity.value if one.sensitivity else no_class) for one in description.one.features}
    )


def _usual(context: SectionContext, players: Sequence[PlayerValue]) -> dict[str, float | None]:
    """Players' mean absolute attributions over the portfolio: the record's, else those of the overview."""
    overview = context.view.supplements.overview
    known = {} if overview is None else {one.player: one.mean_abs for one in overview.players}
    return {
        one.player: known.get(one.player) if one.portfolio_mean_abs is None else one.portfolio_mean_abs
        for one in players
    }


def _beside(value: float, usual: float | None) -> float | None:
    """Where the usual size is marked: on the side of the bar."""
    return None if usual is None else math.copysign(usual, value)


def _row(
    context: SectionContext, player: PlayerValue, usual: float | None, classes: Mapping[str, Cell]
) -> tuple[Cell, ...]:
    view = context.view
    values = [view.value(view.description.feature(name)) for name in player.features]
    if len(player.features) == 1:
        single, class_cell = view.record.row.get(player.features[0]), classes[player.features[0]]
    else:
        single = None
        class_cell = Cell(text=", ".join(dict.fromkeys(classes[name].text for name in player.features)))
    return (
        name_cell(player.player),
        Cell(text="; ".join(values), number=single if isinstance(single, float) else None),
        signed_cell(player.value, 6),
        number_cell(player.standard_error, 2),
        number_cell(usual, 6),
        class_cell,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Whether the numbers add up, and the method's own diagnostics."""

    type: ClassVar[str] = "checks"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "additivity": (),
        "surrogate": (),
        "sum": (),
        "explained": (),
        "residual": (),
        "diagnostics": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Base value plus attributions beside the explained number, and their difference."""
        found = context.view.record.attribution
        total = found.base_value + sum(player.value for player in found.players)
        kind = "surrogate" if found.value_function == LOCAL_SURROGATE else "additivity"
        rows = (("sum", total), ("explained", found.output), ("residual", found.output - total))
        blocks: list[Block] = [
            Paragraph(text=context.say(kind)),
            Facts(rows=tuple(Fact(label=context.say(key), value=exact(value)) for key, value in rows)),
        ]
        if found.diagnostics:
            diagnostics = tuple(Fact(label=name, value=exact(value)) for name, value in found.diagnostics.items())
            blocks.append(Facts(title=context.say("diagnostics"), rows=diagnostics))
        return tuple(blocks)
