"""Heat maps with a dendrogram: a square of cells that fits any width, its lines named by text of the page."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from xaisvc.views.charts import BLUE, INK, element, opened
from xaisvc.views.escaping import escaped

if TYPE_CHECKING:
    from markupsafe import Markup

    from xaisvc.views.figures import Grid, HeatMap

SHADES = 8
"""Steps between strength 0, which is not drawn, and 1."""

LINE = 20
"""Height of a line in pixels; the style sheets set the labels to the same."""


def heat_map(chart: HeatMap, identifier: str) -> Markup:
    """Draws a heat map and the tree beside it.

    Args:
        chart: The cells.
        identifier: Unique in the page; names the words that assistive technology reads.

    Returns:
        One `div` element: names of the lines, the cells, the tree, and what they mean.
    """
    least, most = map(escaped, chart.ends)
    return element(
        opened(chart.title, chart.description, identifier, "heat"),
        f'<p class="points"><span class="entry">{least} {_swatches()} {most}</span> <span class="entry">'
        f'<svg width="18" height="14" aria-hidden="true">{_marks("M9 7h0")}</svg> {escaped(chart.mark)}</span> '
        f'<span class="entry">{escaped(chart.tree)}</span></p>',
        _map(chart.labels, chart.grid),
    )


@lru_cache(maxsize=1)
def _swatches() -> str:
    """What each shade looks like."""
    return "".join(
        f'<svg width="18" height="14" aria-hidden="true">{_shade("M0 0h18v14h-18z", step)}</svg>'
        for step in range(1, SHADES + 1)
    )


@lru_cache(maxsize=64)
def _map(labels: tuple[str, ...], grid: Grid) -> str:
    """The names of the lines, the cells and the tree. Kept: they are those of a bundle, not of a case."""
    n = len(labels)
    names = "".join(
        f'<li><span class="label">{escaped(label)}</span> <span class="place">{place}</span></li>'
        for place, label in enumerate(labels, start=1)
    )
    places = "".join(f"<li>{place}</li>" for place in range(1, n + 1))
    return (
        f'<div class="map"><ol class="names">{names}</ol><div class="square"><ol class="places">{places}</ol>'
        f'{_canvas(n, n, cells(grid))}</div><div class="tree">{_canvas(1, n, branches(grid))}</div></div>'
    )


def cells(grid: Grid) -> str:
    """The cells, one path for each shade, in units of one cell."""
    paths: dict[int, list[str]] = {}
    dots: list[str] = []
    for row, line in enumerate(grid.cells):
        for column, strength in enumerate(line):
            step = round(SHADES * min(max(strength, 0.0), 1.0))
            if step:
                paths.setdefault(step, []).append(f"M{column} {row}h1v1h-1z")
            if grid.marked[row][column]:
                dots.append(f"M{column}.5 {row}.5h0")
    drawn = "".join(_shade("".join(found), step) for step, found in sorted(paths.items()))
    return drawn + (_marks("".join(dots)) if dots else "")


def branches(grid: Grid) -> str:
    """The dendrogram, its leaves at the left; across from height 0 to 1, down in units of one line."""
    path = "".join(
        f"M{first_height:.4f} {first + 0.5:g}H{height:.4f}V{second + 0.5:g}H{second_height:.4f}"
        for first, second, first_height, second_height, height in grid.branches
    )
    return (
        f'<path class="branch" d="{path}" stroke="{INK}" stroke-width="1.5" fill="none" '
        'vector-effect="non-scaling-stroke"/>'
    )


def _shade(path: str, step: int) -> str:
    return f'<path class="shade" d="{path}" fill="{BLUE}" fill-opacity="{step / SHADES:g}"/>'


def _marks(path: str) -> str:
    """A dark dot on a light ring, so that it stands out from every shade."""
    return "".join(
        f'<path class="{name}" d="{path}" stroke="{colour}" stroke-width="{width}" stroke-linecap="round" '
        'vector-effect="non-scaling-stroke"/>'
        for name, colour, width in (("hole", "#FFFFFF", 6), ("own", INK, 4))
    )


def _canvas(width: int, height: int, drawn: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" width="100%" height="{LINE * height}" '
        f'aria-hidden="true">{drawn}</svg>'
    )
