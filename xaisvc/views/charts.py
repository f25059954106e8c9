"""Bar charts as SVG, drawn here so that a page needs nothing from outside and says the same to every reader.

Direction is in the position, the sign and the word of each bar as well as in its colour. Positions are percentages of
the drawing's width and text is not scaled, so one drawing fits a phone and a wide page.
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

_ROW_HEIGHT = 46
_LEGEND_HEIGHT = 30
_BAR_TOP = 22
_BAR_HEIGHT = 14
_BAR_AREA = 62.0  # percent of the width; the rest is for the values, so that no text can meet a bar or another text
_MAX_LABEL = 44


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values to percentages of the drawing's width."""

    low: float
    high: float

    def at(self, value: float) -> float:
        span = self.high - self.low
        return _BAR_AREA * ((value - self.low) / span) if span > 0 else 0.0


def bar_chart(chart: BarChart, identifier: str) -> Markup:
    """Draws a chart.

    Args:
        chart: The bars. The scale is set by them alone: no bar that is not there can be read from it.
        identifier: Unique in the page; names the title and the description for assistive technology.

    Returns:
        One `svg` element.
    """
    ends = [value for bar in chart.bars for value in (bar.value, bar.mark) if value is not None]
    scale = _Scale(min((0.0, *ends)), max((0.0, *ends)))
    top = _LEGEND_HEIGHT if chart.below else 0
    up = VERMILLION if chart.below else BLUE
    head = Markup(
        '<svg class="bars" role="img" width="100%" height="{height}" aria-labelledby="{id}-title {id}-desc">'
        '<title id="{id}-title">{title}</title><desc id="{id}-desc">{desc}</desc>'
    ).format(height=top + _ROW_HEIGHT * len(chart.bars), id=identifier, title=chart.title, desc=chart.description)
    bars = [_bar(bar, top + i * _ROW_HEIGHT, scale, up) for i, bar in enumerate(chart.bars)]
    return Markup("").join([head, _legend(chart) if chart.below else "", *bars, Markup("</svg>")])


def _legend(chart: BarChart) -> Markup:
    return Markup(
        '<g class="legend"><text x="0" y="15" fill="{}">\u25c0 {}</text>'
        '<text x="100%" y="15" text-anchor="end" fill="{}">{} \u25b6</text></g>'
    ).format(BLUE, chart.below, VERMILLION, chart.above)


def _bar(bar: Bar, y: int, scale: _Scale, up: str) -> Markup:
    start, end = sorted((scale.at(0.0), scale.at(bar.value)))
    label = bar.label if len(bar.label) <= _MAX_LABEL else bar.label[: _MAX_LABEL - 1].rstrip() + "\u2026"
    drawn = Markup(
        '<g><text class="label" x="0" y="{label_y}" fill="{ink}">{label}</text>'
        '<text class="value" x="100%" y="{value_y}" text-anchor="end" fill="{ink}">{text}</text>'
        '<rect class="{side}" x="{x}%" y="{bar_y}" width="{width}%" height="{height}" fill="{fill}"/>'
    ).format(
        label_y=y + 15,
        value_y=y + _BAR_TOP + _BAR_HEIGHT - 2,
        bar_y=y + _BAR_TOP,
        height=_BAR_HEIGHT,
        ink=INK,
        label=label,
        text=bar.text,
        side="up" if bar.value >= 0 else "down",
        x=_number(start),
        width=_number(end - start),
        fill=up if bar.value >= 0 else BLUE,
    )
    drawn += _line("axis", scale.at(0.0), y, 1)
    if bar.mark is not None:
        drawn += _line("mark", scale.at(bar.mark), y, 3)
    return drawn + Markup("</g>")


def _line(name: str, x: float, y: int, width: int) -> Markup:
    """An upright line across one bar."""
    return Markup(
        '<line class="{name}" x1="{x}%" x2="{x}%" y1="{top}" y2="{bottom}" stroke="{ink}" stroke-width="{width}"/>'
    ).format(name=name, x=_number(x), top=y + _BAR_TOP - 4, bottom=y + _BAR_TOP + _BAR_HEIGHT + 4, ink=INK, width=width)


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
