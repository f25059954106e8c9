"""Bar charts and waterfalls, drawn here so that a page needs nothing from outside and says the same to every reader.

Direction is in the position, the sign and the word of each bar as well as in its colour. Words are text of the page, on
lines of their own above each bar, where they wrap as all text does; only bars are drawn, in percent of the width. So a
chart fits any width, and no bar can cover a word.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from xaisvc.views.escaping import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xaisvc.views.figures import Bar, BarChart, Waterfall

BLUE = "#0072B2"
VERMILLION = "#A84300"
INK = "#1B2430"

_ROW_HEIGHT = 22
_BAR_TOP = 4
_BAR_HEIGHT = 14
_STEP_HEIGHT = 26
_STEP_TOP = 20  # percent of the height


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to percentages of the drawing's width."""

    low: float
    high: float

    @staticmethod
    def of(values: Iterable[float]) -> Scale:
        """From the smallest to the largest of some values; all are at 0 % if they are equal."""
        found = tuple(values) or (0.0,)
        return Scale(min(found), max(found))

    def at(self, value: float) -> float:
        """Where a value is, in percent of the width."""
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
    scale = Scale.of((0.0, *(value for bar in chart.bars for value in (bar.value, bar.mark) if value is not None)))
    up = VERMILLION if chart.below else BLUE
    legend = [directions(chart.below, chart.above)] if chart.below else []
    return element(
        opened(chart.title, chart.description, identifier), *legend, *(_bar(b, scale, up) for b in chart.bars)
    )


def waterfall(chart: Waterfall, identifier: str) -> Markup:
    """Draws a waterfall: each bar begins where the one above it ended.

    Args:
        chart: The steps. The scale is set by the places that they pass, and the marked line.
        identifier: Unique in the page; names the words that assistive technology reads.

    Returns:
        One `div` element with the words and one `svg` for each step; it is one image to assistive technology.
    """
    places = [chart.start.value]
    for step in chart.steps:
        places.append(places[-1] + step.value)
    limit = [] if chart.line is None else [chart.line]
    scale = Scale.of((*places, chart.end.value, *limit))
    across = "".join(_upright("limit", scale.at(line), (0, 100), 1.5) for line in limit)
    rows = [_step_row(chart.start, _place(scale.at(chart.start.value), last=False), across)]
    rows += [
        _step_row(step, _step(scale.at(begin), scale.at(end), step.value), across)
        for step, (begin, end) in zip(chart.steps, itertools.pairwise(places), strict=True)
    ]
    rows.append(_step_row(chart.end, _place(scale.at(chart.end.value), last=True), across))
    legend = directions(chart.below, chart.above, chart.line_label if limit else "")
    return element(opened(chart.title, chart.description, identifier, "bars steps"), legend, *rows)


def element(head: str, *parts: str) -> Markup:
    """A chart from its opening tag and its parts, in all of which every text is escaped."""
    return Markup("\n".join((head, *parts, "</div>")))  # noqa: S704 - parts of this package, whose texts are escaped


def opened(title: str, description: str, identifier: str, name: str = "bars") -> str:
    """The opening tag of a chart, and the words that stand for it."""
    key = escaped(identifier)
    return (
        f'<div class="{name}" role="img" aria-labelledby="{key}-title {key}-desc">'
        f'<span id="{key}-title" hidden="">{escaped(title)}</span>'
        f'<span id="{key}-desc" hidden="">{escaped(description)}</span>'
    )


def words(label: str, text: str) -> str:
    """What stands beside a line of a chart."""
    return f'<p><span class="label">{escaped(label)}</span> <span class="value">{escaped(text)}</span></p>'


def directions(below: str, above: str, line: str = "") -> str:
    """The words for the two sides of zero, and for a marked line."""
    limit = f' <span class="limit">\u2506 {escaped(line)}</span>' if line else ""
    return (
        f'<p class="legend"><span class="below">\u25c0 {escaped(below)}</span> '
        f'<span class="above">{escaped(above)} \u25b6</span>{limit}</p>'
    )


def _step_row(bar: Bar, drawn: str, across: str) -> str:
    return (
        f'<div class="row">{words(bar.label, bar.text)}<svg width="100%" height="{_STEP_HEIGHT}" aria-hidden="true">'
        f"{drawn}{across}</svg></div>"
    )


def _step(begin: float, end: float, value: float) -> str:
    """A bar between two places, and the lines that join it to the rows above and below."""
    start, width = min(begin, end), abs(end - begin)
    side, fill = ("up", VERMILLION) if value >= 0 else ("down", BLUE)
    rect = (
        f'<rect class="{side}" x="{number(start)}%" y="{_STEP_TOP}%" width="{number(width)}%" '
        f'height="{100 - 2 * _STEP_TOP}%" fill="{fill}"/>'
    )
    return rect + _upright("join", begin, (0, 50), 1) + _upright("join", end, (50, 100), 1)


def _place(at: float, *, last: bool) -> str:
    """The mark of the start or the end, and the line that joins it to the row below or above."""
    join = _upright("join", at, (0, 50) if last else (50, 100), 1)
    return join + _upright("place", at, (_STEP_TOP // 2, 100 - _STEP_TOP // 2), 5)


def _upright(name: str, x: float, ends: tuple[int, int], width: float) -> str:
    dashes = ' stroke-dasharray="4 3"' if name == "limit" else ""
    return (
        f'<line class="{name}" x1="{number(x)}%" x2="{number(x)}%" y1="{ends[0]}%" y2="{ends[1]}%" stroke="{INK}" '
        f'stroke-width="{width:g}"{dashes}/>'
    )


def _bar(bar: Bar, scale: Scale, up: str) -> str:
    start, end = sorted((scale.at(0.0), scale.at(bar.value)))
    side, fill = ("up", up) if bar.value >= 0 else ("down", BLUE)
    mark = "" if bar.mark is None else _line("mark", scale.at(bar.mark), 3)
    return (
        f'<div class="row">{words(bar.label, bar.text)}<svg width="100%" height="{_ROW_HEIGHT}" aria-hidden="true">'
        f'<rect class="{side}" x="{number(start)}%" y="{_BAR_TOP}" width="{number(end - start)}%" '
        f'height="{_BAR_HEIGHT}" fill="{fill}"/>{_line("axis", scale.at(0.0), 1)}{mark}</svg></div>'
    )


def _line(name: str, x: float, width: int) -> str:
    """An upright line across one bar."""
    return (
        f'<line class="{name}" x1="{number(x)}%" x2="{number(x)}%" y1="0" y2="{_ROW_HEIGHT}" stroke="{INK}" '
        f'stroke-width="{width}"/>'
    )


def number(value: float) -> str:
    """A number of a drawing, to a thousandth."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
