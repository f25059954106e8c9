"""Charts of explanations as matplotlib figures, for notebooks and reports: the numbers of the data scientist's page.

No figure is registered with pyplot, so none stays in memory once the caller lets go of it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from xaisvc.types import ExplanationRecord, PlayerValue
    from xaisvc.types.overview import Overview

RAISED = "#A84300"
LOWERED = "#0072B2"
INK = "#1B2430"
SOFT = "#515C69"

_ROW_INCHES = 0.32
_WIDTH_INCHES = 8.0
_LANES = 7
_ROUNDING = 1e-6  # share of the larger number from which a residual is more than float32 rounding of the model
_SPACING = 0.011
"""Share of the scale that a point of a beeswarm takes up."""


def waterfall_figure(record: ExplanationRecord, *, max_players: int = 15) -> Figure:
    """The way from the base value to the output: one bar for each of the largest players, one for all others.

    Args:
        record: The record.
        max_players: Most players with a bar of their own.

    Raises:
        InvalidRequestError: If `max_players` is no positive number.
    """
    _check_count(max_players)
    found = record.attribution
    ranked = sorted(found.players, key=lambda player: -abs(player.value))
    shown = ranked if len(ranked) <= max_players + 1 else ranked[:max_players]
    steps = [(_label(record, player), player.value) for player in shown]
    rest = ranked[len(shown) :]
    if rest:
        steps.append((f"{len(rest)} other players", sum(player.value for player in rest)))
    residual = found.output - found.base_value - sum(player.value for player in ranked)
    if abs(residual) > _ROUNDING * max(abs(found.output), abs(found.base_value)):
        steps.append(("residual, not attributed", residual))
    figure, axes = _canvas(len(steps) + 2)
    places = [found.base_value]
    for _, value in steps:
        places.append(places[-1] + value)
    for row, ((_, value), (begin, end)) in enumerate(zip(steps, pairwise(places), strict=True), start=1):
        axes.barh(row, end - begin, left=begin, color=RAISED if value >= 0 else LOWERED, height=0.62)
        axes.plot([end, end], [row, row + 1], color=INK, linewidth=0.8)
        axes.annotate(
            f"{value:+.4g}", (max(begin, end), row), (4, 0), textcoords="offset points", va="center", fontsize=8
        )
    last = len(steps) + 1
    axes.plot([places[0], places[0]], [0, 1], color=INK, linewidth=0.8)
    for row, place in ((0, found.base_value), (last, found.output)):
        axes.plot([place], [row], marker="|", markersize=14, markeredgewidth=3, color=INK)
        axes.annotate(f"{place:.6g}", (place, row), (6, 0), textcoords="offset points", va="center", fontsize=8)
    _name_rows(axes, ["base value", *(name for name, _ in steps), "output"])
    axes.set_xlabel(f"{record.output.id}, {found.space.value} ({found.method})")
    axes.use_sticky_edges = False
    axes.margins(x=0.1)
    return figure


def bars_figure(record: ExplanationRecord, *, max_players: int = 15) -> Figure:
    """The largest attributions as signed bars with two standard errors, and each player's usual size as a mark.

    Args:
        record: The record.
        max_players: Most players.

    Raises:
        InvalidRequestError: If `max_players` is no positive number.
    """
    _check_count(max_players)
    shown = sorted(record.attribution.players, key=lambda player: -abs(player.value))[:max_players]
    figure, axes = _canvas(len(shown))
    for row, player in enumerate(shown):
        axes.barh(row, player.value, color=RAISED if player.value >= 0 else LOWERED, height=0.62)
        if player.standard_error > 0:
            axes.errorbar(player.value, row, xerr=2 * player.standard_error, color=INK, capsize=3, linewidth=1)
        if player.portfolio_mean_abs is not None:
            usual = player.portfolio_mean_abs if player.value >= 0 else -player.portfolio_mean_abs
            axes.plot([usual], [row], marker="|", markersize=13, markeredgewidth=2.5, color=INK)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    _name_rows(axes, [_label(record, player) for player in shown])
    axes.set_xlabel(f"attribution, {record.attribution.space.value}; | mean |value| in the portfolio")
    return figure


def beeswarm_figure(overview: Overview, *, own: ExplanationRecord | None = None, max_players: int = 15) -> Figure:
    """The attributions of the sampled background rows, the level of the value in the form and colour of each point.

    Args:
        overview: The model over its background.
        own: A record that is marked in it.
        max_players: Most players.

    Raises:
        InvalidRequestError: If `max_players` is no positive number.
    """
    _check_count(max_players)
    shown = overview.players[:max_players]
    values = {player.player: player.value for player in own.attribution.players} if own is not None else {}
    figure, axes = _canvas(len(shown), row_inches=0.45)
    ends = [end for one in shown if one.points for end in (one.points[0].value, one.points[-1].value)]
    span = (max(ends, default=1.0) - min(ends, default=0.0)) or 1.0
    for row, one in enumerate(shown):
        heights = _piled([point.value / span for point in one.points])
        for kind, low, high in (
            ("low", -0.1, 1 / 3),
            ("middle", 1 / 3, 2 / 3),
            ("high", 2 / 3, 1.1),
            ("none", 0.0, 0.0),
        ):
            places = [
                (point.value, row + height)
                for point, height in zip(one.points, heights, strict=True)
                if (point.level is None if kind == "none" else point.level is not None and low <= point.level < high)
            ]
            if places:
                filled = {"low": "white", "middle": SOFT, "high": RAISED, "none": SOFT}[kind]
                edge = {"low": LOWERED, "middle": SOFT, "high": RAISED, "none": SOFT}[kind]
                across, up = [place for place, _ in places], [height for _, height in places]
                if kind == "none":
                    axes.scatter(across, up, s=16, c=SOFT, marker="|")
                else:
                    axes.scatter(across, up, s=8 if kind == "middle" else 14, c=filled, edgecolors=edge)
        if one.player in values:
            axes.plot([values[one.player]], [row], marker="D", markersize=7, color=INK, markerfacecolor="white")
    axes.axvline(0.0, color=INK, linewidth=0.8)
    _name_rows(axes, [one.player for one in shown])
    axes.set_xlabel(
        f"attribution over {overview.rows} background rows ({overview.method}); "
        "\u25e6 low, \u2022 high value, | no order"
    )
    return figure


def _piled(places: Sequence[float]) -> list[float]:
    """Heights of points in ascending places, so that near ones lie above each other."""
    ends = [float("-inf")] * _LANES
    heights = []
    for place in places:
        lane = next((i for i, end in enumerate(ends) if end + _SPACING <= place), None)
        if lane is None:
            lane = min(range(_LANES), key=ends.__getitem__)
        ends[lane] = place
        heights.append((lane + 1) // 2 * 0.11 * (1 if lane % 2 else -1))
    return heights


def _label(record: ExplanationRecord, player: PlayerValue) -> str:
    if len(player.features) > 1:
        return player.player
    value = record.row.get(player.features[0])
    shown = "missing" if value is None else value if isinstance(value, str) else f"{value:g}"
    return f"{player.player} = {shown}".replace("$", r"\$")  # a pair of dollars would be read as mathematics


def _canvas(rows: int, row_inches: float = _ROW_INCHES) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - heavy: loaded when used
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy: loaded when used

    figure = Figure(figsize=(_WIDTH_INCHES, 1.1 + row_inches * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure, axes


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="x", color="#D8DDE2", linewidth=0.6)
    axes.set_axisbelow(True)


def _check_count(count: int) -> None:
    if count < 1:
        raise InvalidRequestError.of("max_players", f"must be a whole number of at least 1, got {count!r}")
