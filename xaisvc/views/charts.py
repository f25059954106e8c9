"""Bar charts and waterfalls, drawn here so that a page needs nothing from outside and says the same to every reader.

Direction is in the position, the sign and the word of each bar as well as in its colour. Words are text of the page, on
lines of their own above each bar, where they wrap as all text does; only bars are drawn, in percent of the width. So a
chart fits any width, and no bar can cover a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from markupsafe import Markup

from xaisvc.views.escaping import all_escaped, escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xaisvc.views.figures import Bar, BarChart, Span, Swarm, Waterfall

BLUE = "#0072B2"
VERMILLION = "#A84300"
INK = "#1B2430"

_ROW_HEIGHT = 22
_BAR_TOP = 4
_BAR_HEIGHT = 14
_STEP_HEIGHT = 26
_STEP_TOP = 20  # percent of the height


def _upright(name: str, ends: tuple[int, int], width: float) -> str:
    """An upright line across a step, with `%s` twice for its place."""
    dashes = ' stroke-dasharray="4 3"' if name == "limit" else ""
    return (
        f'<line class="{name}" x1="%s%%" x2="%s%%" y1="{ends[0]}%%" y2="{ends[1]}%%" stroke="{INK}" '
        f'stroke-width="{width:g}"{dashes}/>'
    )


def _line(name: str, width: int) -> str:
    """An upright line across a bar, with `%s` twice for its place."""
    return f'<line class="{name}" x1="%s%%" x2="%s%%" y1="0" y2="{_ROW_HEIGHT}" stroke="{INK}" stroke-width="{width}"/>'


# What is drawn of each line of a chart, with `%s` for words, places and lengths: a page has dozens of lines.
_WORDS: Final = '<p><span class="label">%s</span> <span class="value">%s</span></p>'
_BAR: Final = (
    f'<div class="row">%s<svg width="100%%" height="{_ROW_HEIGHT}" aria-hidden="true"><rect class="%s" x="%s%%" '
    f'y="{_BAR_TOP}" width="%s%%" height="{_BAR_HEIGHT}" fill="%s"/>{_line("axis", 1)}%s</svg></div>'
)
_MARK: Final = _line("mark", 3)
_STEP_ROW: Final = f'<div class="row">%s<svg width="100%%" height="{_STEP_HEIGHT}" aria-hidden="true">%s%s</svg></div>'
_STEP: Final = (
    f'<rect class="%s" x="%s%%" y="{_STEP_TOP}%%" width="%s%%" height="{100 - 2 * _STEP_TOP}%%" fill="%s"/>'
    f"{_upright('join', (0, 50), 1)}{_upright('join', (50, 100), 1)}"
)
_LIMIT: Final = _upright("limit", (0, 100), 1.5)
_PLACE: Final = _upright("place", (_STEP_TOP // 2, 100 - _STEP_TOP // 2), 5)
_START: Final = _upright("join", (50, 100), 1) + _PLACE
_END: Final = _upright("join", (0, 50), 1) + _PLACE
_UP: Final = ("up", VERMILLION)
_DOWN: Final = ("down", BLUE)


class Scale(NamedTuple):
    """Values to percentages of the drawing's width. A tuple, as drawings are kept by their scales."""

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
    bars = chart.bars
    scale = Scale.of([0.0, *[bar.value for bar in bars], *[bar.mark for bar in bars if bar.mark is not None]])
    up = _UP if chart.below else ("up", BLUE)
    zero = scale.at(0.0)
    axis = number(zero)
    rows = []
    for bar, said in zip(bars, worded(bars), strict=True):
        at = scale.at(bar.value)
        side, fill = up if bar.value >= 0 else _DOWN
        mark = "" if bar.mark is None else _MARK % ((number(scale.at(bar.mark)),) * 2)
        rows.append(_BAR % (said, side, number(min(zero, at)), number(abs(at - zero)), fill, axis, axis, mark))
    legend = [directions(chart.below, chart.above)] if chart.below else []
    return element(opened(chart.title, chart.description, identifier), *legend, *rows)


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
    across = "".join([_LIMIT % ((number(scale.at(line)),) * 2) for line in limit])
    at = [scale.at(place) for place in places]
    x = [number(place) for place in at]
    last = number(scale.at(chart.end.value))
    first, *said, final = worded((chart.start, *chart.steps, chart.end))
    rows = [_STEP_ROW % (first, _START % ((x[0],) * 4), across)]
    for i, step in enumerate(chart.steps):
        side, fill = _UP if step.value >= 0 else _DOWN
        begin, end = x[i], x[i + 1]
        start = end if at[i + 1] < at[i] else begin
        drawn = _STEP % (side, start, number(abs(at[i + 1] - at[i])), fill, begin, begin, end, end)
        rows.append(_STEP_ROW % (said[i], drawn, across))
    rows.append(_STEP_ROW % (final, _END % ((last,) * 4), across))
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


def worded(lines: Sequence[Bar | Span | Swarm]) -> list[str]:
    """What stands beside each line of a chart."""
    texts = all_escaped([text for one in lines for text in (one.label, one.text)])
    return [_WORDS % pair for pair in zip(texts[::2], texts[1::2], strict=True)]


def directions(below: str, above: str, line: str = "") -> str:
    """The words for the two sides of zero, and for a marked line."""
    limit = f' <span class="limit">\u2506 {escaped(line)}</span>' if line else ""
    return (
        f'<p class="legend"><span class="below">\u25c0 {escaped(below)}</span> '
        f'<span class="above">{escaped(above)} \u25b6</span>{limit}</p>'
    )


def number(value: float) -> str:
    """A number of a drawing, to a thousandth."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
