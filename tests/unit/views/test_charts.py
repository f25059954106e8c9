from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from xaisvc.views.charts import BLUE, VERMILLION, bar_chart
from xaisvc.views.document import Bar, BarChart


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
