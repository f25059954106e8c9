from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from xaisvc.engine.quality.charts import Line, interval_chart, line_chart, matrix_chart


def drawn(markup: str) -> list[ET.Element]:
    """The drawings of a figure, which must be well formed."""
    return list(ET.fromstring(markup).iter("svg"))  # noqa: S314 - what was just made here


def test_a_line_goes_through_its_points_from_corner_to_corner() -> None:
    chart = line_chart(
        [Line("one", ((0.0, 0.0, None, None), (0.5, 0.5, 0.4, 0.6), (1.0, 1.0, None, None)))], title="t", x="x", y="y"
    )
    points = next(one.get("points", "") for one in drawn(chart)[0].iter("polyline"))
    places = [tuple(map(float, pair.split(","))) for pair in points.split()]

    assert places == [(64.0, 256.0), (286.0, 134.0), (508.0, 12.0)]


def test_a_logarithmic_axis_leaves_out_what_it_cannot_show() -> None:
    chart = line_chart(
        [Line("one", ((1.0, 0.0, None, None), (10.0, 1e-3, None, None), (1000.0, 1e-1, None, None)))],
        title="t", x="x", y="y", log_x=True, log_y=True,
    )  # fmt: skip
    points = next(one.get("points", "") for one in drawn(chart)[0].iter("polyline"))

    assert points.split() == ["64.0,256.0", "508.0,12.0"]
    labels = {one.text for one in drawn(chart)[0].iter("text")}
    assert {"10", "100", "1,000", "0.001", "0.01", "0.1"} <= labels


def test_a_short_logarithmic_axis_has_marks_between_powers_of_ten() -> None:
    chart = line_chart(
        [Line("one", ((12_000.0, 1.0, None, None), (60_000.0, 2.0, None, None)))], title="t", x="x", y="y", log_x=True
    )

    assert {"20,000", "50,000"} <= {one.text for one in drawn(chart)[0].iter("text")}


def test_names_are_text_and_nothing_else() -> None:
    chart = line_chart([Line("<b>&", ((0.0, 0.0, None, None), (1.0, 1.0, None, None)))], title="t", x="x", y="y")

    assert "<b>" not in chart
    assert "&lt;b&gt;&amp;" in chart


def test_nothing_to_draw_is_said() -> None:
    assert "Nothing to draw" in line_chart([], title="t", x="x", y="y")
    assert "Nothing to draw" in interval_chart([], title="t", x="x")


def test_a_matrix_shows_its_numbers_and_leaves_gaps_white() -> None:
    chart = matrix_chart(["a", "b"], [[1.0, None], [None, 0.25]], title="t")
    cells = [one.get("fill") for one in drawn(chart)[0].iter("rect")]
    texts = [one.text for one in drawn(chart)[0].iter("text")]

    assert cells[1] == cells[2] == "rgb(255,255,255)"
    assert cells[0] == "rgb(0,114,178)"
    assert "1.00" in texts
    assert "0.25" in texts


def test_bars_begin_at_zero() -> None:
    chart = interval_chart([("up", 2.0, 1.0, 3.0), ("down", -1.0, -1.0, -1.0)], title="t", x="x")
    bars = [(float(one.get("x", "")), float(one.get("width", ""))) for one in drawn(chart)[0].iter("rect")]

    # from -1 to 3 over 150 to 500: zero is at 237.5
    assert bars == [(237.5, 175.0), (150.0, 87.5)]
    assert re.search(r"up: 2<", chart)
