from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from xaisvc.views.charts import BLUE, VERMILLION, bar_chart
from xaisvc.views.document import Bar, BarChart

SVG = "{http://www.w3.org/2000/svg}"


def _chart(*bars: Bar, below: str = "lowered", mark: str = "") -> BarChart:
    return BarChart(title="Largest", description="What is shown.", bars=bars, below=below, above="raised", mark=mark)


def _parsed(chart: BarChart) -> ET.Element:
    drawn = str(bar_chart(chart, "c1")).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return ET.fromstring(drawn)  # noqa: S314 - our own drawing, in a test


def _percent(element: ET.Element, name: str) -> float:
    return float(element.attrib[name].rstrip("%"))


def test_a_chart_names_and_describes_itself() -> None:
    root = _parsed(_chart(Bar(label="a", value=1.0, text="+1 raised")))

    assert (root.attrib["role"], root.attrib["aria-labelledby"]) == ("img", "c1-title c1-desc")
    assert root.findtext(f"{SVG}title") == "Largest"
    assert root.findtext(f"{SVG}desc") == "What is shown."


def test_direction_is_in_position_word_and_colour() -> None:
    root = _parsed(_chart(Bar(label="a", value=3.0, text="+3 raised"), Bar(label="b", value=-1.0, text="-1 lowered")))
    up, down = root.findall(f".//{SVG}rect")

    assert (_percent(up, "x"), _percent(up, "width"), up.attrib["fill"]) == (15.5, 46.5, VERMILLION)
    assert (_percent(down, "x"), _percent(down, "width"), down.attrib["fill"]) == (0.0, 15.5, BLUE)
    assert {"+3 raised", "-1 lowered"} <= {text.text for text in root.iter(f"{SVG}text")}


@pytest.mark.parametrize("values", [(), (0.0,), (0.0, 0.0), (1e-300, 2e-300), (5.0,), (-5.0,), (1e300, -1e300)])
def test_every_bar_stays_inside_the_drawing(values: tuple[float, ...]) -> None:
    root = _parsed(_chart(*(Bar(label="x", value=value, text="t") for value in values)))
    for bar in root.findall(f".//{SVG}rect"):
        assert 0 <= _percent(bar, "x") <= 100
        assert 0 <= _percent(bar, "x") + _percent(bar, "width") <= 100.01  # each is rounded to a thousandth


def test_marks_share_the_scale_of_the_bars() -> None:
    root = _parsed(_chart(Bar(label="a", value=0.2, text="20%", mark=0.4), below="", mark="usual"))
    mark = next(line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "mark")

    assert _percent(root.findall(f".//{SVG}rect")[0], "width") == 31.0
    assert _percent(mark, "x1") == 62.0


def test_hostile_texts_are_inert() -> None:
    hostile = '"><script>alert(1)</script>'
    root = _parsed(_chart(Bar(label=hostile, value=1.0, text=hostile)))

    assert {"svg", "title", "desc", "g", "text", "rect", "line"} == {e.tag.removeprefix(SVG) for e in root.iter()}
    assert [hostile, hostile] == [
        e.text for e in root.iter(f"{SVG}text") if e.attrib.get("class") in {"label", "value"}
    ]


def test_long_labels_are_cut_with_a_sign() -> None:
    assert "\u2026" in str(bar_chart(_chart(Bar(label="x" * 90, value=1.0, text="t")), "c1"))
