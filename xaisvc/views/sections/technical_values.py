"""Sections for data scientists about one row's attributions: from the base value to the output, and every number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types import Space
from xaisvc.views.document import Bar, BarChart, Cell, Fact, Facts, Paragraph, Table
from xaisvc.views.document import Waterfall as WaterfallChart
from xaisvc.views.language import exact
from xaisvc.views.sections.technical_common import LOCAL_SURROGATE, SIDES, column, name_cell, note, number, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import PlayerValue
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
        steps = [_bar(context, _with_value(context, player), player.value) for player in shown]
        if rest:
            steps.append(_bar(context, context.say("rest", players=len(rest)), sum(player.value for player in rest)))
        residual = found.output - found.base_value - sum(player.value for player in ranked)
        if abs(residual) > _ROUNDING * max(abs(found.output), abs(found.base_value), 1e-300):
            steps.append(_bar(context, context.say("residual"), residual))
        line = _threshold(context)
        space = found.space.value
        chart = WaterfallChart(
            title=context.say("chart", space=space),
            description=context.say("description", steps=len(steps), players=len(ranked), space=space),
            start=Bar(label=context.say("base"), value=found.base_value, text=number(found.base_value, 6)),
            steps=tuple(steps),
            end=Bar(label=context.say("output_place"), value=found.output, text=number(found.output, 6)),
            below=context.say("below"),
            above=context.say("above"),
            line=line,
            line_label="" if line is None else context.say("line", value=number(line)),
        )
        return (chart, note(context))


def _bar(context: SectionContext, label: str, value: float) -> Bar:
    return Bar(label=label, value=value, text=signed(context, value))


def _with_value(context: SectionContext, player: PlayerValue) -> str:
    """`duration_months = 48 months`; a player of several features by its name alone."""
    if len(player.features) > 1:
        return player.player
    view = context.view
    feature = view.description.feature(player.features[0])
    return context.say("step", player=player.player, value=view.value(feature))


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
        usual = {player.player: _usual(context, player) for player in ranked}
        marked = any(usual[player.player] is not None for player in shown)
        chart = BarChart(
            title=context.say("chart"),
            description=context.say("description", bars=len(shown), players=len(ranked), space=found.space.value),
            bars=tuple(
                Bar(
                    label=player.player,
                    value=player.value,
                    text=signed(context, player.value),
                    mark=_beside(player.value, usual[player.player]),
                )
                for player in shown
            ),
            below=context.say("below"),
            above=context.say("above"),
            mark=context.say("mark") if marked else "",
        )
        columns = (
            column(context.say("player")),
            column(context.say("value")),
            column(context.say("attribution"), numeric=True),
            column(context.say("error"), numeric=True),
            column(context.say("usual"), numeric=True),
            column(context.say("class")),
        )
        table = Table(
            caption=context.say("caption", space=found.space.value),
            columns=columns,
            rows=tuple(_row(context, player, usual[player.player]) for player in ranked),
            exported=True,
        )
        return (chart, note(context), table)


def _usual(context: SectionContext, player: PlayerValue) -> float | None:
    """A player's mean absolute attribution over the portfolio: the record's, else that of the overview."""
    overview = context.view.supplements.overview
    if player.portfolio_mean_abs is not None or overview is None:
        return player.portfolio_mean_abs
    return overview.usual(player.player)


def _beside(value: float, usual: float | None) -> float | None:
    """Where the usual size is marked: on the side of the bar."""
    return None if usual is None else math.copysign(usual, value)


def _row(context: SectionContext, player: PlayerValue, usual: float | None) -> tuple[Cell, ...]:
    view = context.view
    features = [view.description.feature(name) for name in player.features]
    values = [view.value(feature) for feature in features]
    single = view.record.row.get(player.features[0]) if len(player.features) == 1 else None
    classes = dict.fromkeys(f.sensitivity.value if f.sensitivity else context.say("no_class") for f in features)
    return (
        name_cell(player.player),
        Cell(text="; ".join(values), number=single if isinstance(single, float) else None),
        Cell(text=number(player.value, 6), number=player.value),
        Cell(text=f"{player.standard_error:.2g}", number=player.standard_error),
        Cell(text="" if usual is None else f"{usual:.6g}", number=usual),
        Cell(text=", ".join(classes)),
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
