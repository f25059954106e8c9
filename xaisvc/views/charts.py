"""Bar charts, drawn here so that a page needs nothing from outside and says the same to every reader.

Direction is in the position, the sign and the word of each bar as well as in its colour. Words are text of the page, on
lines of their own above each bar, where they wrap as all text does; only bars are drawn, in percent of the width. So a
chart fits any width, and no bar can cover a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from xaisvc.views.document import Bar, BarChart

BLUE = "#0072B2"
VERMILLION = "#A84300"
INK = "#1B2430"

_ROW_HEIGHT = 22
_BAR_TOP = 4
_BAR_HEIGHT = 14


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values to percentages of the drawing's width."""

    low: float
    high: float

    def at(self, value: float) -> float:
        span = self.high - self.low
        return 100.0 * ((value - self.low) / span) if span > 0 else 0.0


def bar_chart(chart: BarChart, identifier: str) -> Markup:
    """Draws a chart.

    Args:
        chart: The bars. The scale is set by them alone: no bar that is not there can be read from it.
        identifier: Unique in the page; names the words that assistive technology reads.

    Returns:
        One `div` element with the words and one `svg` for each bar; it is one image to assistive technology.
    """
    ends = [value for bar in chart.bars for value in (bar.value, bar.mark) if value is not None]
    scale = _Scale(min((0.0, *ends)), max((0.0, *ends)))
    up = VERMILLION if chart.below else BLUE
    head = Markup(
        '<div class="bars" role="img" aria-labelledby="{id}-title {id}-desc">'
        '<span id="{id}-title" hidden="">{title}</span><span id="{id}-desc" hidden="">{desc}</span>'
    ).format(id=identifier, title=chart.title, desc=chart.description)
    bars = [_bar(bar, scale, up) for bar in chart.bars]
    return Markup("\n").join([head, *([_legend(chart)] if chart.below else []), *bars, Markup("</div>")])


def _legend(chart: BarChart) -> Markup:
    return Markup(
        '<p class="legend"><span class="below">\u25c0 {}</span> <span class="above">{} \u25b6</span></p>'
    ).format(chart.below, chart.above)


def _bar(bar: Bar, scale: _Scale, up: str) -> Markup:
    start, end = sorted((scale.at(0.0), scale.at(bar.value)))
    drawn = Markup(
        '<div class="row"><p><span class="label">{label}</span> <span class="value">{text}</span></p>'
        '<svg width="100%" height="{row_height}" aria-hidden="true">'
        '<rect class="{side}" x="{x}%" y="{bar_y}" width="{width}%" height="{height}" fill="{fill}"/>'
    ).format(
        label=bar.label,
        text=bar.text,
        row_height=_ROW_HEIGHT,
        bar_y=_BAR_TOP,
        height=_BAR_HEIGHT,
        side="up" if bar.value >= 0 else "down",
        x=_number(start),
        width=_number(end - start),
        fill=up if bar.value >= 0 else BLUE,
    )
    drawn += _line("axis", scale.at(0.0), 1)
    if bar.mark is not None:
        drawn += _line("mark", scale.at(bar.mark), 3)
    return drawn + Markup("</svg></div>")


def _line(name: str, x: float, width: int) -> Markup:
    """An upright line across one bar."""
    return Markup(
        '<line class="{name}" x1="{x}%" x2="{x}%" y1="0" y2="{bottom}" stroke="{ink}" stroke-width="{width}"/>'
    ).format(name=name, x=_number(x), bottom=_ROW_HEIGHT, ink=INK, width=width)


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
