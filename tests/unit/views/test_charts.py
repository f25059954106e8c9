from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from xaisvc.views.charts import BLUE, VERMILLION, bar_chart, waterfall
from xaisvc.views.document import Bar, BarChart, Waterfall


def _chart(*bars: Bar, below: str = "lowered", mark: str = "") -> BarChart:
    return BarChart(title="Largest", description="What is shown.", bars=bars, below=below, above="raised", mark=mark)


def _parsed(chart: BarChart) -> ET.Element:
    return ET.fromstring(str(bar_chart(chart, "c1")))  # noqa: S314 - our own drawing, in a test


def _words(root: ET.Element, name: str) -> list[str | None]:
    return [element.text for element in root.iter("span") if element.attrib.get("class") == name]


def _percent(element: ET.Element, name: str) -> float:
    return float(element.attrib[name].rstrip("%"))


def test_a_chart_names_and_describes_itself() -> None:
    root = _parsed(_chart(Bar(label="a", value=1.0, text="+1 raised")))
    words = {element.attrib.get("id"): element.text for element in root.iter("span")}

    assert (root.attrib["role"], root.attrib["aria-labelledby"]) == ("img", "c1-title c1-desc")
    assert (words["c1-title"], words["c1-desc"]) == ("Largest", "What is shown.")
    assert all(element.attrib["aria-hidden"] == "true" for element in root.iter("svg"))


def test_direction_is_in_position_word_and_colour() -> None:
    root = _parsed(_chart(Bar(label="a", value=3.0, text="+3 raised"), Bar(label="b", value=-1.0, text="-1 lowered")))
    up, down = root.iter("rect")

    assert (_percent(up, "x"), _percent(up, "width"), up.attrib["fill"]) == (25.0, 75.0, VERMILLION)
    assert (_percent(down, "x"), _percent(down, "width"), down.attrib["fill"]) == (0.0, 25.0, BLUE)
    assert _words(root, "value") == ["+3 raised", "-1 lowered"]
    assert (_words(root, "below"), _words(root, "above")) == (["\u25c0 lowered"], ["raised \u25b6"])


def test_words_are_text_of_the_page_and_never_drawn() -> None:
    """Drawn text cannot wrap, so in a narrow page it would run into a bar or over the edge."""
    root = _parsed(_chart(Bar(label="x" * 90, value=1.0, text="t")))

    assert not list(root.iter("text"))
    assert _words(root, "label") == ["x" * 90]


@pytest.mark.parametrize("values", [(), (0.0,), (0.0, 0.0), (1e-300, 2e-300), (5.0,), (-5.0,), (1e300, -1e300)])
def test_every_bar_stays_inside_the_drawing(values: tuple[float, ...]) -> None:
    root = _parsed(_chart(*(Bar(label="x", value=value, text="t") for value in values)))
    for bar in root.iter("rect"):
        assert 0 <= _percent(bar, "x") <= 100
        assert 0 <= _percent(bar, "x") + _percent(bar, "width") <= 100.01  # each is rounded to a thousandth


def test_marks_share_the_scale_of_the_bars() -> None:
    root = _parsed(_chart(Bar(label="a", value=0.2, text="20%", mark=0.4), below="", mark="usual"))
    mark = next(line for line in root.iter("line") if line.attrib["class"] == "mark")

    assert _percent(next(root.iter("rect")), "width") == 50.0
    assert _percent(mark, "x1") == 100.0


def test_hostile_texts_are_inert() -> None:
    hostile = '"><script>alert(1)</script>'
    root = _parsed(_chart(Bar(label=hostile, value=1.0, text=hostile)))

    assert {"div", "p", "span", "svg", "rect", "line"} == {element.tag for element in root.iter()}
    assert (_words(root, "label"), _words(root, "value")) == ([hostile], [hostile])


def _waterfall(start: float, end: float, *steps: float, line: float | None = None) -> ET.Element:
    chart = Waterfall(
        title="Way",
        description="From there to here.",
        start=Bar(label="base", value=start, text="b"),
        steps=tuple(Bar(label=f"step {i}", value=value, text="t") for i, value in enumerate(steps)),
        end=Bar(label="output", value=end, text="o"),
        below="lowered",
        above="raised",
        line=line,
        line_label="threshold",
    )
    return ET.fromstring(str(waterfall(chart, "w1")))  # noqa: S314 - our own drawing, in a test


def test_each_step_of_a_waterfall_begins_where_the_one_above_ended() -> None:
    root = _waterfall(1.0, 3.0, 4.0, -2.0)  # the scale goes from 1 to 5
    up, down = root.iter("rect")
    places = [line for line in root.iter("line") if line.attrib["class"] == "place"]

    assert (_percent(up, "x"), _percent(up, "width"), up.attrib["fill"]) == (0.0, 100.0, VERMILLION)
    assert (_percent(down, "x"), _percent(down, "width"), down.attrib["fill"]) == (50.0, 50.0, BLUE)
    assert [_percent(line, "x1") for line in places] == [0.0, 50.0]
    assert _words(root, "label") == ["base", "step 0", "step 1", "output"]


def test_the_steps_of_a_waterfall_are_joined() -> None:
    rows = list(_waterfall(0.0, 2.0, 4.0, -2.0).iter("svg"))
    joins = [[line for line in row.iter("line") if line.attrib["class"] == "join"] for row in rows]
    below = [_percent(found[-1], "x1") for found in joins[:-1]]
    above = [_percent(found[0], "x1") for found in joins[1:]]

    assert below == above == [0.0, 100.0, 50.0]


def test_a_marked_line_of_a_waterfall_is_on_its_scale_and_in_words() -> None:
    root = _waterfall(0.0, 2.0, 2.0, line=-2.0)
    limits = [line for line in root.iter("line") if line.attrib["class"] == "limit"]

    assert [_percent(line, "x1") for line in limits] == [0.0, 0.0, 0.0]
    assert _percent(next(root.iter("rect")), "x") == 50.0
    assert _words(root, "limit") == ["\u2506 threshold"]
    assert _words(_waterfall(0.0, 2.0, 2.0), "limit") == []


@pytest.mark.parametrize("steps", [(), (0.0,), (1e300, -1e300), (1e-300,)])
def test_every_step_stays_inside_the_drawing(steps: tuple[float, ...]) -> None:
    for bar in _waterfall(0.0, 0.0, *steps).iter("rect"):
        assert 0 <= _percent(bar, "x") <= 100
        assert _percent(bar, "x") + _percent(bar, "width") <= 100.01  # each is rounded to a thousandth
