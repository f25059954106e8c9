"""Beeswarms and small plots of points, drawn so that they fit any width and can be read without colours.

Points are zero-length strokes with round ends in a drawing that is stretched to the width of the page: their places
stretch, they do not. A point of a low level is a ring, of a high level a disc, of a middle level a small disc; one
without a level is an upright dash.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from xaisvc.views.charts import BLUE, INK, VERMILLION, Scale, directions, element, number, opened, words
from xaisvc.views.escaping import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from markupsafe import Markup

    from xaisvc.views.figures import Beeswarm, Cloud, Plot, Plots, Span, Swarm

SOFT = "#515C69"
PAPER = "#FFFFFF"

_SWARM_HEIGHT = 34
_LANE = 4
_LANES = (0, 1, -1, 2, -2, 3, -3)
_PERCENT_OF_DOT = 0.85  # of a drawing 540 pixels wide: narrower ones let points overlap
_SPAN_HEIGHT = 22
_PLOT_SIZE = 100
_MARGIN = 4.0  # percent of a plot, so that no point is cut by its edge
_LOW, _HIGH = 1 / 3, 2 / 3

# Class of the points, then the strokes from below to above: colour and width in pixels.
_STROKES: Mapping[str, tuple[tuple[str, str, float], ...]] = {
    "low": (("dot low", BLUE, 5.2), ("hole", PAPER, 2.4)),
    "middle": (("dot middle", SOFT, 3.2),),
    "high": (("dot high", VERMILLION, 5.2),),
    "none": (("dot middle", SOFT, 1.8),),
}
_OWN = (("own", INK, 12.0), ("hole", PAPER, 8.0), ("own", INK, 4.5))


def beeswarm(chart: Beeswarm, identifier: str) -> Markup:
    """Draws a beeswarm.

    Args:
        chart: The lines. One scale for all, set by their points and the marked case.
        identifier: Unique in the page; names the words that assistive technology reads.
    """
    scale = Scale.of((0.0, *_ends(chart.swarms)))
    return element(
        opened(chart.title, chart.description, identifier, "bars swarms"),
        directions(chart.below, chart.above),
        key((*zip(_STROKES, chart.levels, strict=True), ("own", chart.own))),
        *(_swarm(swarm, scale) for swarm in chart.swarms),
    )


def plots(chart: Plots, identifier: str) -> Markup:
    """Draws small plots beside each other.

    Args:
        chart: The plots, all on one scale of attributions.
        identifier: Unique in the page; names the words that assistive technology reads.
    """
    heights = [
        value
        for plot in chart.plots
        for value in (
            *(plot.cloud.heights if plot.cloud else ()),
            *(place for span in plot.spans for place in (span.low, span.high)),
            *((plot.own[1],) if plot.own else ()),
        )
    ]
    scale = Scale.of((0.0, *heights))
    return element(
        opened(chart.title, chart.description, identifier, "plots"),
        key((("middle", chart.others), ("own", chart.own))),
        *(_spans(plot, scale) if plot.spans else _scatter(plot, scale) for plot in chart.plots),
    )


def key(entries: Iterable[tuple[str, str]]) -> str:
    """What the kinds of points stand for; entries without a word are left out."""
    found = [
        '<span class="entry"><svg width="14" height="14" aria-hidden="true">'
        f"{_stroked(_mark(kind, 7, 7), _OWN if kind == 'own' else _STROKES[kind])}</svg> {escaped(word)}</span>"
        for kind, word in entries
        if word
    ]
    return f'<p class="points">{" ".join(found)}</p>'


def _ends(swarms: Iterable[Swarm]) -> Iterable[float]:
    for swarm in swarms:
        if swarm.cloud.points:
            yield swarm.cloud.points[0][0]
            yield swarm.cloud.points[-1][0]
        if swarm.own is not None:
            yield swarm.own


def _swarm(swarm: Swarm, scale: Scale) -> str:
    drawn = _axis(f"M{_inner(scale.at(0.0)):.2f} 0V{_SWARM_HEIGHT}") + _dots(swarm.cloud, scale)
    if swarm.own is not None:
        drawn += _stroked(f"M{number(_inner(scale.at(swarm.own)))} {_SWARM_HEIGHT / 2:g}h0", _OWN)
    return f'<div class="row">{words(swarm.label, swarm.text)}{_canvas(_SWARM_HEIGHT, drawn)}</div>'


@lru_cache(maxsize=1024)
def _dots(cloud: Cloud, scale: Scale) -> str:
    """The points of a line, piled up where they are dense. Kept: they are those of a bundle, not of a case."""
    ends = dict.fromkeys(_LANES, float("-inf"))
    paths: dict[str, list[str]] = {name: [] for name in _STROKES}
    for value, level in cloud.points:
        x = _inner(scale.at(value))
        lane = next((one for one in _LANES if ends[one] + _PERCENT_OF_DOT <= x), None)
        if lane is None:
            lane = min(_LANES, key=ends.__getitem__)
        ends[lane] = x
        kind = "none" if level is None else "low" if level < _LOW else "high" if level > _HIGH else "middle"
        paths[kind].append(_mark(kind, x, _SWARM_HEIGHT // 2 + _LANE * lane))
    return "".join(_stroked("".join(found), _STROKES[name]) for name, found in paths.items() if found)


def _mark(kind: str, x: float, y: float) -> str:
    return f"M{x:.2f} {y - 1:g}v2" if kind == "none" else f"M{x:.2f} {y:g}h0"


def _scatter(plot: Plot, scale: Scale) -> str:
    points = plot.cloud.points if plot.cloud else ()
    across = Scale.of((*((points[0][0], points[-1][0]) if points else ()), *((plot.own[0],) if plot.own else ())))
    drawn = _axis(f"M0 {_PLOT_SIZE - _inner(scale.at(0.0)):.2f}H100")
    if plot.cloud is not None:
        drawn += _scattered(plot.cloud, across, scale)
    if plot.own is not None:
        drawn += _stroked(_point(plot.own, across, scale), _OWN)
    left, right, bottom, top = map(escaped, plot.ends)
    return (
        f'<div class="plot"><p><span class="label">{escaped(plot.label)}</span></p>'
        f'<div class="plane"><p class="y"><span>{top}</span> <span>{bottom}</span></p>{_canvas(_PLOT_SIZE, drawn)}'
        f'<p class="x"><span>{left}</span> <span>{right}</span></p></div><p class="text">{escaped(plot.text)}</p></div>'
    )


@lru_cache(maxsize=256)
def _scattered(cloud: Cloud, across: Scale, scale: Scale) -> str:
    return _stroked(
        "".join(_point((x, y), across, scale) for x, y in cloud.points if y is not None),
        (("dot middle", SOFT, 4.0),),
    )


def _point(place: tuple[float, float], across: Scale, scale: Scale) -> str:
    return f"M{_inner(across.at(place[0])):.2f} {_PLOT_SIZE - _inner(scale.at(place[1])):.2f}h0"


def _spans(plot: Plot, scale: Scale) -> str:
    lines = "".join(_span(span, scale) for span in plot.spans)
    return (
        f'<div class="plot"><p><span class="label">{escaped(plot.label)}</span></p><div class="spans">{lines}</div>'
        f'<p class="text">{escaped(plot.text)}</p></div>'
    )


def _span(span: Span, scale: Scale) -> str:
    middle = _SPAN_HEIGHT / 2
    low, at, high = (_inner(scale.at(value)) for value in (span.low, span.middle, span.high))
    drawn = _axis(f"M{_inner(scale.at(0.0)):.2f} 0V{_SPAN_HEIGHT}")
    drawn += (
        f'<path class="range" d="M{low:.2f} {middle:g}H{high:.2f}" stroke="{SOFT}" stroke-width="2" fill="none" '
        'vector-effect="non-scaling-stroke"/>'
    )
    drawn += _stroked(f"M{at:.2f} {middle:g}h0", (("dot middle", SOFT, 7.0),))
    if span.own is not None:
        drawn += _stroked(f"M{_inner(scale.at(span.own)):.2f} {middle:g}h0", _OWN)
    return f'<div class="row">{words(span.label, span.text)}{_canvas(_SPAN_HEIGHT, drawn)}</div>'


def _inner(percent: float) -> float:
    return _MARGIN / 2 + percent * (100 - _MARGIN) / 100


def _canvas(height: int, drawn: str) -> str:
    return (
        f'<svg viewBox="0 0 100 {height}" preserveAspectRatio="none" width="100%" height="{height}" '
        f'aria-hidden="true">{drawn}</svg>'
    )


def _stroked(path: str, strokes: Iterable[tuple[str, str, float]]) -> str:
    return "".join(
        f'<path class="{name}" d="{path}" stroke="{colour}" stroke-width="{width:g}" stroke-linecap="round" '
        'vector-effect="non-scaling-stroke"/>'
        for name, colour, width in strokes
    )


def _axis(path: str) -> str:
    return (
        f'<path class="axis" d="{path}" stroke="{INK}" stroke-width="1" fill="none" '
        'vector-effect="non-scaling-stroke"/>'
    )
