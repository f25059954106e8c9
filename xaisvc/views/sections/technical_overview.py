"""Sections for data scientists about the model over its background: importance, and dependence on values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types.supplements import Supplement
from xaisvc.views.cells import EMPTY, Cell, number_cell, signed_cell, signed_number
from xaisvc.views.document import Beeswarm, Cloud, Plot, Plots, Span, Swarm, Table
from xaisvc.views.kept import Same, SectionWords, kept, said
from xaisvc.views.sections.technical_common import absent, columns, name_cell, note, rank_cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import Feature
    from xaisvc.types.overview import Dependence, Overview, PlayerOverview
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block

_KEPT = 1024
_MOST_LEVELS = 8
_IMPORTANCE = ("rank", "mean_abs", "error", "share", "trend", "own_value", "own_rank")


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How the model uses its players over a sample of the background: a beeswarm, and the means behind it.

    Attributes:
        max_players: Most players in the chart; the table always holds every player.
    """

    type: ClassVar[str] = "importance"
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.OVERVIEW})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "absent": (),
        "chart": ("rows", "background", "method"),
        "description": ("players", "rows"),
        "shows": (),
        "shows_not": (),
        "below": (),
        "above": (),
        "low": (),
        "middle": (),
        "high": (),
        "no_level": (),
        "own": (),
        "mean": ("value",),
        "caption": ("space", "rows", "model_rows"),
        "rank": (),
        "player": (),
        "mean_abs": (),
        "error": (),
        "share": (),
        "trend": (),
        "own_value": (),
        "own_rank": (),
    }
    reasons: ClassVar[bool] = False

    max_players: int = 15

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The beeswarm, what it shows, and the table."""
        overview = context.view.supplements.overview
        if overview is None:
            return (absent(context),)
        own = {one.player: one.value for one in context.view.record.attribution.players}
        shown = overview.players[: self.max_players]
        words = SectionWords.of(context)
        chart = Beeswarm(
            title=said(words, "chart", rows=overview.rows, background=overview.background_rows, method=overview.method),
            description=said(words, "description", players=len(shown), rows=overview.rows),
            swarms=tuple([swarm.at(own.get(swarm.label)) for swarm in _swarms(words, shown)]),
            below=context.say("below"),
            above=context.say("above"),
            levels=(context.say("low"), context.say("middle"), context.say("high"), context.say("no_level")),
            own=context.say("own"),
        )
        return (chart, note(context), _importance_table(context, overview, own))


def _importance_table(context: SectionContext, overview: Overview, own: Mapping[str, float]) -> Table:
    ranked = sorted(own, key=lambda name: -abs(own[name]))
    place = {name: rank for rank, name in enumerate(ranked, start=1)}
    rows = [
        (*overall, signed_cell(own[one.player]), _place_cell(place[one.player]))
        if one.player in own
        else (*overall, EMPTY, EMPTY)
        for one, overall in zip(overview.players, _importance_cells(overview.players), strict=True)
    ]
    words = SectionWords.of(context)
    caption = said(
        words,
        "caption",
        space=context.view.record.attribution.space.value,
        rows=overview.rows,
        model_rows=overview.model_rows,
    )
    heads = columns(words, ("player",), _IMPORTANCE)
    return Table(caption=caption, columns=heads, rows=tuple(rows))


@lru_cache(maxsize=_KEPT)
def _place_cell(rank: int) -> Cell:
    """The cell of a rank, as a whole number."""
    return Cell(text=str(rank), number=rank)


@lru_cache(maxsize=_KEPT)
def _importance_cells(players: tuple[PlayerOverview, ...]) -> tuple[tuple[Cell, ...], ...]:
    """What the table says of each player of an overview, whatever the case."""
    total = sum(one.mean_abs for one in players) or 1.0
    return tuple(
        (
            name_cell(one.player),
            rank_cell(rank),
            number_cell(one.mean_abs, 6),
            number_cell(one.mean_abs_error, 2),
            Cell(text=f"{100 * one.mean_abs / total:.1f}%", number=one.mean_abs / total),
            Cell(text="" if one.trend is None else f"{one.trend:+.2f}", number=one.trend),
        )
        for rank, one in enumerate(players, start=1)
    )


@kept(_KEPT)
def _swarms(words: SectionWords, players: tuple[PlayerOverview, ...]) -> tuple[Swarm, ...]:
    """The lines of players, without a case. One cloud for one player of one overview, so that it is drawn once."""
    return tuple(
        Swarm(label=one.player, text=words.say("mean", value=f"{one.mean_abs:.3g}"), cloud=_swarm_cloud(one))
        for one in players
    )


@lru_cache(maxsize=_KEPT)
def _swarm_cloud(player: PlayerOverview) -> Cloud:
    return Cloud(tuple((point.value, point.level) for point in player.points))


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencePlots:
    """How the attributions of the strongest features go with their values, over the sample of the background.

    Attributes:
        max_plots: Most features that are plotted.
    """

    type: ClassVar[str] = "dependence"
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.OVERVIEW})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "absent": (),
        "chart": ("rows",),
        "description": ("features", "rows"),
        "shows": (),
        "shows_not": (),
        "others": (),
        "own": (),
        "left": ("share",),
        "no_left": (),
        "level": ("mean", "rows"),
        "missing": (),
        "rest": ("levels",),
    }
    reasons: ClassVar[bool] = False

    max_plots: int = 6

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The plots, and what they show."""
        overview = context.view.supplements.overview
        if overview is None or not overview.dependence:
            return (absent(context),)
        shown = overview.dependence[: self.max_plots]
        own = {p.features[0]: p.value for p in context.view.record.attribution.players if len(p.features) == 1}
        ends = [end for one in shown for end in (*_extent(one), own.get(one.feature, 0.0))]
        heights = min(0.0, *ends), max(0.0, *ends)
        words = SectionWords.of(context)
        chart = Plots(
            title=said(words, "chart", rows=overview.rows),
            description=said(words, "description", features=len(shown), rows=overview.rows),
            plots=tuple([_plot(context, words, one, own.get(one.feature), heights) for one in shown]),
            others=context.say("others"),
            own=context.say("own"),
        )
        return (chart, note(context))


def _plot(
    context: SectionContext, words: SectionWords, one: Dependence, own: float | None, heights: tuple[float, float]
) -> Plot:
    view = context.view
    feature = view.description.feature(one.feature)
    value = view.record.row.get(one.feature)
    known = _known(words, one, Same(feature))
    if one.levels:
        here = "" if value is None else str(value)
        spans = [
            span.at(own) if level.level == here else span
            for level, span in zip(one.levels, known.spans, strict=False)  # the rarest levels are not drawn
        ]
        return Plot(label=one.feature, text=known.text, spans=tuple(spans))
    left, right = known.ends
    if isinstance(value, float):
        if not one.points or value < one.points[0][0]:
            left = view.value(feature)
        if not one.points or value > one.points[-1][0]:
            right = view.value(feature)
    return Plot(
        label=one.feature,
        text=known.text,
        ends=(left, right, signed_number(heights[0], 2), signed_number(heights[1], 2)),
        cloud=_plot_cloud(one),
        own=(value, own) if isinstance(value, float) and own is not None else None,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What a plot says whatever the case.

    Attributes:
        text: What is to be read from it.
        ends: The smallest and the largest value of the points, in words.
        spans: The spans of the most frequent levels.
    """

    text: str
    ends: tuple[str, str] = ("", "")
    spans: tuple[Span, ...] = ()


@kept(_KEPT)
def _known(words: SectionWords, one: Dependence, feature: Same[Feature]) -> _Known:
    """What the plot of a feature says whatever the case."""
    language = words.language
    text = words.say("no_left") if one.interplay is None else words.say("left", share=one.interplay)
    if not one.levels:
        ends = [language.value(feature.one, point[0]) for point in (one.points[:1] + one.points[-1:])] or ["", ""]
        return _Known(text, ends=(ends[0], ends[-1]))
    left = len(one.levels) - _MOST_LEVELS
    rest = (words.say("rest", levels=left),) if left > 0 else ()
    spans = tuple(
        Span(
            label=language.value(feature.one, level.level) if level.level else words.say("missing"),
            text=words.say("level", mean=signed_number(level.mean, 2), rows=level.rows),
            low=level.low,
            middle=level.mean,
            high=level.high,
        )
        for level in one.levels[:_MOST_LEVELS]
    )
    return _Known(" ".join((text, *rest)), spans=spans)


@lru_cache(maxsize=_KEPT)
def _extent(one: Dependence) -> tuple[float, float]:
    """The smallest and the largest attribution of a plot."""
    found = [0.0, *(y for _, y in one.points), *(end for level in one.levels for end in (level.low, level.high))]
    return min(found), max(found)


@lru_cache(maxsize=_KEPT)
def _plot_cloud(one: Dependence) -> Cloud:
    """One object for one feature of one overview, so that it is drawn once."""
    return Cloud(one.points)
