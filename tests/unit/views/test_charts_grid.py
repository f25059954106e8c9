from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from xaisvc.views.charts_grid import SHADES, branches, cells, heat_map
from xaisvc.views.document import Grid, HeatMap

HALF = ((1.0, 0.5), (0.5, 1.0))
MARKS = ((False, True), (True, False))


def _drawn(text: str) -> list[ET.Element]:
    return list(ET.fromstring(f"<svg>{text}</svg>"))  # noqa: S314 - our own drawing, in a test


def _map(grid: Grid, *labels: str) -> ET.Element:
    chart = HeatMap(
        title="Map", description="Cells.", labels=labels, grid=grid, ends=("none", "full"), mark="linked", tree="tree"
    )
    return ET.fromstring(str(heat_map(chart, "h1")))  # noqa: S314 - our own drawing, in a test


def test_cells_of_one_shade_are_one_path_in_units_of_a_cell() -> None:
    half, full, ring, dot = _drawn(cells(Grid(HALF, MARKS)))

    assert (half.attrib["fill-opacity"], half.attrib["d"]) == ("0.5", "M1 0h1v1h-1zM0 1h1v1h-1z")
    assert (full.attrib["fill-opacity"], full.attrib["d"]) == ("1", "M0 0h1v1h-1zM1 1h1v1h-1z")
    assert ring.attrib["d"] == dot.attrib["d"] == "M1.5 0.5h0M0.5 1.5h0"
    assert float(ring.attrib["stroke-width"]) > float(dot.attrib["stroke-width"])


@pytest.mark.parametrize(
    ("strength", "step"), [(0.0, 0), (0.06, 0), (0.07, 1), (0.5, 4), (0.95, 8), (2.0, 8), (-1.0, 0)]
)
def test_a_strength_has_the_nearest_shade(strength: float, step: int) -> None:
    found = _drawn(cells(Grid(((strength,),), ((False,),))))

    assert [float(path.attrib["fill-opacity"]) for path in found] == ([step / SHADES] if step else [])


def test_a_branch_joins_the_middles_of_its_sides_at_its_height() -> None:
    grid = Grid(HALF, MARKS, ((0.0, 1.0, 0.0, 0.0, 0.25), (0.5, 2.0, 0.25, 0.0, 1.0)))
    (path,) = _drawn(branches(grid))

    assert re.split("(?=M)", path.attrib["d"])[1:] == [
        "M0.0000 0.5H0.2500V1.5H0.0000",
        "M0.2500 1H1.0000V2.5H0.0000",
    ]


def test_lines_and_columns_are_named_by_the_same_numbers() -> None:
    root = _map(Grid(HALF, MARKS), "first", "second")
    names, places = root.iter("ol")

    assert ["".join(item.itertext()) for item in names] == ["first 1", "second 2"]
    assert [item.text for item in places] == ["1", "2"]
    assert (root.attrib["role"], root.attrib["aria-labelledby"]) == ("img", "h1-title h1-desc")


def test_a_map_of_nothing_is_drawn() -> None:
    assert _map(Grid((), ())) is not None


def test_hostile_texts_are_inert() -> None:
    hostile = "</ol><script>alert(1)</script>"
    root = _map(Grid(((1.0,),), ((False,),)), hostile)

    assert not list(root.iter("script"))
    assert any(hostile in text for text in root.itertext())
