from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from xaisvc.views.charts_points import beeswarm, plots
from xaisvc.views.document import Beeswarm, Cloud, Plot, Plots, Span, Swarm

LEVELS = ("low", "middle", "high", "none")


def _swarms(*swarms: Swarm, levels: tuple[str, str, str, str] = LEVELS) -> ET.Element:
    chart = Beeswarm(
        title="Swarm", description="Points.", swarms=swarms, below="lowered", above="raised", levels=levels, own="mine"
    )
    return ET.fromstring(str(beeswarm(chart, "s1")))  # noqa: S314 - our own drawing, in a test


def _plots(*found: Plot) -> ET.Element:
    chart = Plots(title="Plots", description="Points.", plots=found, others="others", own="mine")
    return ET.fromstring(str(plots(chart, "p1")))  # noqa: S314 - our own drawing, in a test


def _points(element: ET.Element, name: str) -> list[tuple[float, float]]:
    """Where the points of a class are, in the units of their drawing."""
    found = []
    for path in element.iter("path"):
        if path.attrib["class"] == name and "h0" in path.attrib["d"]:
            found += [(float(x), float(y)) for x, y in re.findall(r"M(\S+) (\S+?)h0", path.attrib["d"])]
    return found


def _row(root: ET.Element, place: int) -> ET.Element:
    return [element for element in root.iter("div") if element.attrib.get("class") == "row"][place]


def test_points_of_all_swarms_share_a_scale_with_a_margin_of_two_percent() -> None:
    first = Swarm(label="a", text="t", cloud=Cloud(((-1.0, 0.0), (3.0, 1.0))))
    root = _swarms(first, Swarm(label="b", text="t", cloud=Cloud(((1.0, 0.5),)), own=2.0))

    assert _points(_row(root, 0), "dot low") == [(2.0, 17.0)]
    assert _points(_row(root, 0), "dot high") == [(98.0, 17.0)]
    assert _points(_row(root, 1), "dot middle") == [(50.0, 17.0)]
    assert set(_points(_row(root, 1), "own")) == {(74.0, 17.0)}


@pytest.mark.parametrize(("level", "widths"), [(0.0, [5.2, 2.4]), (0.5, [3.2]), (1.0, [5.2]), (None, [])])
def test_a_level_is_in_the_form_of_its_point_and_not_only_in_its_colour(
    level: float | None, widths: list[float]
) -> None:
    root = _swarms(Swarm(label="a", text="t", cloud=Cloud(((1.0, level),))))
    drawn = [float(path.attrib["stroke-width"]) for path in _row(root, 0).iter("path") if "h0" in path.attrib["d"]]

    dashes = [path for path in _row(root, 0).iter("path") if "v2" in path.attrib["d"]]

    assert widths == drawn
    assert [path.attrib["d"] for path in dashes] == ([] if level is not None else ["M98.00 16v2"])


def test_points_that_would_cover_each_other_are_piled_up() -> None:
    cloud = Cloud(tuple((value, 0.0) for value in (0.0, 1.0, 1.0, 1.0, 1.0, 2.0)))
    points = _points(_row(_swarms(Swarm(label="a", text="t", cloud=cloud)), 0), "dot low")

    assert [y for x, y in points if x == 50.0] == [17.0, 21.0, 13.0, 25.0]
    assert [y for x, y in points if x != 50.0] == [17.0, 17.0]


def test_points_stay_inside_however_many_there_are() -> None:
    cloud = Cloud(tuple((0.5, 0.0) for _ in range(200)))
    for x, y in _points(_row(_swarms(Swarm(label="a", text="t", cloud=cloud)), 0), "dot low"):
        assert 0 < x < 100
        assert 3 < y < 31


def test_the_key_leaves_out_what_has_no_word() -> None:
    root = _swarms(Swarm(label="a", text="t", cloud=Cloud(())), levels=("low", "", "high", ""))

    assert [
        "".join(element.itertext()).strip() for element in root.iter("span") if element.attrib.get("class") == "entry"
    ] == ["low", "high", "mine"]


def test_plots_share_the_scale_of_heights_and_have_their_own_of_values() -> None:
    wide = Plot(label="a", text="t", cloud=Cloud(((0.0, 0.0), (10.0, 4.0))), own=(5.0, 2.0))
    low = Plot(label="b", text="t", cloud=Cloud(((1.0, 1.0), (3.0, 2.0))))
    first, second = (element for element in _plots(wide, low).iter("div") if element.attrib.get("class") == "plot")

    assert _points(first, "dot middle") == [(2.0, 98.0), (98.0, 2.0)]
    assert set(_points(first, "own")) == {(50.0, 50.0)}
    assert _points(second, "dot middle") == [(2.0, 74.0), (98.0, 50.0)]


def test_levels_are_lines_from_the_smallest_to_the_largest_with_a_dot_at_the_mean() -> None:
    plot = Plot(label="a", text="t", spans=(Span(label="A", text="t", low=-1.0, middle=0.0, high=3.0, own=1.0),))
    row = _row(_plots(plot), 0)
    lines = [path.attrib["d"] for path in row.iter("path") if path.attrib["class"] == "range"]

    assert lines == ["M2.00 11H98.00"]
    assert _points(row, "dot middle") == [(26.0, 11.0)]
    assert set(_points(row, "own")) == {(50.0, 11.0)}


@pytest.mark.parametrize("points", [(), ((0.0, 0.0),), ((1.0, 1e300), (1.0, -1e300)), ((-1e300, 1.0), (1e300, 1.0))])
def test_odd_points_stay_inside(points: tuple[tuple[float, float], ...]) -> None:
    for x, y in _points(_plots(Plot(label="a", text="t", cloud=Cloud(points))), "dot middle"):
        assert 0 <= x <= 100
        assert 0 <= y <= 100


def test_hostile_texts_are_inert() -> None:
    hostile = '"><script>alert(1)</script>'
    root = _swarms(Swarm(label=hostile, text=hostile, cloud=Cloud(())), levels=(hostile,) * 4)
    drawn = _plots(
        Plot(label=hostile, text=hostile, ends=(hostile,) * 4, cloud=Cloud(())),
        Plot(label=hostile, text=hostile, spans=(Span(label=hostile, text=hostile, low=0.0, middle=0.0, high=0.0),)),
    )

    assert not list(root.iter("script"))
    assert not list(drawn.iter("script"))
    assert sum(hostile in text for text in drawn.itertext()) == 10
