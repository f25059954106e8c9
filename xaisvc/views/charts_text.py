"""The lines of a chart, for formats that do not draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from xaisvc.views.figures import BarChart, Beeswarm, Plots, Waterfall

if TYPE_CHECKING:
    from xaisvc.views.figures import HeatMap

    Chart: TypeAlias = BarChart | Waterfall | Beeswarm | Plots | HeatMap


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLine:
    """One line.

    Attributes:
        label: What it is about.
        text: What it says.
        value: Length of its bar; None if it has none.
    """

    label: str
    text: str
    value: float | None = None


def chart_lines(chart: Chart) -> tuple[ChartLine, ...]:
    """The lines of a chart from top to bottom; none for a heat map, which has a line for every pair."""
    if isinstance(chart, BarChart):
        return tuple(ChartLine(label=bar.label, text=bar.text, value=bar.value) for bar in chart.bars)
    if isinstance(chart, Waterfall):
        start, end = (ChartLine(label=bar.label, text=bar.text, value=0.0) for bar in (chart.start, chart.end))
        steps = (ChartLine(label=bar.label, text=bar.text, value=bar.value) for bar in chart.steps)
        return (start, *steps, end)
    if isinstance(chart, Beeswarm):
        return tuple(ChartLine(label=swarm.label, text=swarm.text) for swarm in chart.swarms)
    if isinstance(chart, Plots):
        return tuple(ChartLine(label=plot.label, text=plot.text) for plot in chart.plots)
    return ()
