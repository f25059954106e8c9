"""Beeswarms and small plots of points, drawn so that they fit any width and can be read without colours.

Points are zero-length strokes with round ends in a drawing that is stretched to the width of the page: their places
stretch, they do not. A point of a low level is a ring, of a high level a disc, of a middle level a small disc; one
without a level is an upright dash.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from xaisvc.views.charts import BLUE, INK, VERMILLION, Scale, directions, element, number, opened, worded
from xaisvc.views.escaping import all_escaped, escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from markupsafe import Markup

    from xaisvc.views.figures import Beeswarm, Cloud, Plot, Plots, Span, Swarm

SOFT = "#515C69"
PAPER = "#FFFFFF"

_SWARM_HEIGHT = 34
_LANE = 4
_LANES = (0, 1, -1, 2, -2, 3, -3)
_DOTS = {lane: f" {_SWARM_HEIGHT // 2 + _LANE * lane:g}h0" for lane in _LANES}
_DASHES = {lane: f" {_SWARM_HEIGHT // 2 + _LANE * lane - 1:g}v2" for lane in _LANES}
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
_DOT = (("dot middle", SOFT, 4.0),)
_MEAN = (("dot middle", SOFT, 7.0),)


def beeswarm(chart: Beeswarm, identifier: str) -> Markup:
    """Draws a beeswarm.

    Args:
        chart: The lines. One scale for all, set by their points and the marked case.
        identifier: Unique in the page; names the words that assistive technology reads.
    """
    general = Scale.of((0.0, *_ends(chart.swarms)))
    scale = Scale.of((*general, *[swarm.own for swarm in chart.swarms if swarm.own is not None]))
    # What is drawn on a scale that the case itself has widened is of that case, and not kept.
    draw = _swarmed if scale == general else _swarmed.__wrapped__
    return element(
        opened(chart.title, chart.description, identifier, "bars swarms"),
        directions(chart.below, chart.above),
        key((*zip(_STROKES, chart.levels, strict=True), ("own", chart.own))),
        *[
            _swarm(swarm, said, draw(swarm.cloud, scale), scale)
            for swarm, said in zip(chart.swarms, worded(chart.swarms), strict=True)
        ],
    )


def plots(chart: Plots, identifier: str) -> Markup:
    """Draws small plots beside each other.

    Args:
        chart: The plots, all on one scale of attributions.
        identifier: Unique in the page; names the words that assistive technology reads.
    """
    heights = [end for plot in chart.plots if plot.cloud for end in plot.cloud.heights]
    spans = [end for plot in chart.plots for span in plot.spans for end in (span.low, span.high)]
    general = Scale.of((0.0, *heights, *spans))
    scale = Scale.of((*general, *[plot.own[1] for plot in chart.plots if plot.own]))
    is_general = scale == general
    return element(
        opened(chart.title, chart.description, identifier, "plots"),
        key((("middle", chart.others), ("own", chart.own))),
        *[
            _spans(plot, scale, is_general=is_general) if plot.spans else _scatter(plot, scale, is_general=is_general)
            for plot in chart.plots
        ],
    )


def key(entries: Iterable[tuple[str, str]]) -> str:
    """What the kinds of points stand for; entries without a word are left out."""
    found = [
        '<span class="entry"><svg width="14" height="14" aria-hidden="true">'
        f"{_stroked(_sign(kind), _OWN if kind == 'own' else _STROKES[kind])}</svg> {escaped(word)}</span>"
        for kind, word in entries
        if word
    ]
    return f'<p class="points">{" ".join(found)}</p>'


def _sign(kind: str) -> str:
    return "M7.00 6v2" if kind == "none" else "M7.00 7h0"


def _ends(swarms: Iterable[Swarm]) -> Iterable[float]:
    for swarm in swarms:
        if swarm.cloud.points:
            yield swarm.cloud.points[0][0]
            yield swarm.cloud.points[-1][0]


def _swarm(swarm: Swarm, said: str, drawn: str, scale: Scale) -> str:
    own = ""
    if swarm.own is not None:
        own = _stroked(f"M{number(_inner(scale.at(swarm.own)))} {_SWARM_HEIGHT / 2:g}h0", _OWN)
    return f'<div class="row">{said}{drawn}{own}</svg></div>'


@lru_cache(maxsize=1024)
def _swarmed(cloud: Cloud, scale: Scale) -> str:
    """A canvas with zero and the points of a line, to be closed. Kept: the points are those of a bundle, not of a case.

    Points are piled up where they are dense.
    """
    ends = dict.fromkeys(_LANES, float("-inf"))
    paths: dict[str, list[str]] = {name: [] for name in _STROKES}
    at = scale.at
    for value, level in cloud.points:
        x = _inner(at(value))
        for lane in _LANES:
            if ends[lane] + _PERCENT_OF_DOT <= x:
                break
        else:
            lane = min(_LANES, key=ends.__getitem__)
        ends[lane] = x
        if level is None:
            paths["none"].append(f"M{x:.2f}{_DASHES[lane]}")
        else:
            kind = "low" if level < _LOW else "high" if level > _HIGH else "middle"
            paths[kind].append(f"M{x:.2f}{_DOTS[lane]}")
    drawn = "".join(_stroked("".join(found), _STROKES[name]) for name, found in paths.items() if found)
    return f"{_canvas(_SWARM_HEIGHT)}{_axis(f'M{_inner(scale.at(0.0)):.2f} 0V{_SWARM_HEIGHT}')}{drawn}"


def _scatter(plot: Plot, scale: Scale, *, is_general: bool) -> str:
    points = plot.cloud.points if plot.cloud else ()
    ends = (points[0][0], points[-1][0]) if points else ()
    across = Scale.of((*ends, *((plot.own[0],) if plot.own else ())))
    draw = _scattered if is_general and across == ends else _scattered.__wrapped__
    drawn = "" if plot.cloud is None else draw(plot.cloud, across, scale)
    own = "" if plot.own is None else _stroked(_point(plot.own, across, scale), _OWN)
    zero = _axis(f"M0 {_PLOT_SIZE - _inner(scale.at(0.0)):.2f}H100")
    label, text, left, right, bottom, top = all_escaped((plot.label, plot.text, *plot.ends))
    return (
        f'<div class="plot"><p><span class="label">{label}</span></p><div class="plane"><p class="y">'
        f"<span>{top}</span> <span>{bottom}</span></p>{_canvas(_PLOT_SIZE)}{zero}{drawn}{own}</svg>"
        f'<p class="x"><span>{left}</span> <span>{right}</span></p></div><p class="text">{text}</p></div>'
    )


@lru_cache(maxsize=256)
def _scattered(cloud: Cloud, across: Scale, scale: Scale) -> str:
    return _stroked("".join([_point((x, y), across, scale) for x, y in cloud.points if y is not None]), _DOT)


def _point(place: tuple[float, float], across: Scale, scale: Scale) -> str:
    return f"M{_inner(across.at(place[0])):.2f} {_PLOT_SIZE - _inner(scale.at(place[1])):.2f}h0"


def _spans(plot: Plot, scale: Scale, *, is_general: bool) -> str:
    draw = _spanned if is_general else _spanned.__wrapped__
    lines = "".join(
        [
            _span(span, said, draw(span.low, span.middle, span.high, scale), scale)
            for span, said in zip(plot.spans, worded(plot.spans), strict=True)
        ]
    )
    label, text = all_escaped((plot.label, plot.text))
    return (
        f'<div class="plot"><p><span class="label">{label}</span></p><div class="spans">{lines}</div>'
        f'<p class="text">{text}</p></div>'
    )


def _span(span: Span, said: str, drawn: str, scale: Scale) -> str:
    own = "" if span.own is None else _stroked(f"M{_inner(scale.at(span.own)):.2f} {_SPAN_HEIGHT / 2:g}h0", _OWN)
    return f'<div class="row">{said}{drawn}{own}</svg></div>'


@lru_cache(maxsize=1024)
def _spanned(low: float, middle: float, high: float, scale: Scale) -> str:
    """A canvas with zero, a span and its mean, to be closed. Kept: they are those of a bundle, not of a case."""
    height = _SPAN_HEIGHT / 2
    left, at, right = (_inner(scale.at(value)) for value in (low, middle, high))
    return (
        f"{_canvas(_SPAN_HEIGHT)}{_axis(f'M{_inner(scale.at(0.0)):.2f} 0V{_SPAN_HEIGHT}')}"
        f'<path class="range" d="M{left:.2f} {height:g}H{right:.2f}" stroke="{SOFT}" stroke-width="2" fill="none" '
        f'vector-effect="non-scaling-stroke"/>{_stroked(f"M{at:.2f} {height:g}h0", _MEAN)}'
    )


def _inner(percent: float) -> float:
    return _MARGIN / 2 + percent * (100 - _MARGIN) / 100


def _canvas(height: int) -> str:
    """A canvas, to be filled and closed."""
    return (
        f'<svg viewBox="0 0 100 {height}" preserveAspectRatio="none" width="100%" height="{height}" aria-hidden="true">'
    )


def _stroked(path: str, strokes: tuple[tuple[str, str, float], ...]) -> str:
    return _strokes(strokes) % ((path,) * len(strokes))


@lru_cache(maxsize=16)
def _strokes(strokes: tuple[tuple[str, str, float], ...]) -> str:
    """Strokes along one path, with `%s` for it."""
    return "".join(
        f'<path class="{name}" d="%s" stroke="{colour}" stroke-width="{width:g}" stroke-linecap="round" '
        'vector-effect="non-scaling-stroke"/>'
        for name, colour, width in strokes
    )


def _axis(path: str) -> str:
    return (
        f'<path class="axis" d="{path}" stroke="{INK}" stroke-width="1" fill="none" '
        'vector-effect="non-scaling-stroke"/>'
    )
