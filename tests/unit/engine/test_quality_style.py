"""The page of a quality report can be read by day and by night."""

from __future__ import annotations

import re

import pytest

from xaisvc.engine.quality.charts import COLOURS, GREY, INK, NIGHT, Line, interval_chart, line_chart, matrix_chart
from xaisvc.engine.quality.style import SCHEMES, STYLE


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_measure_knows_black_on_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_reach_a_contrast_of_four_and_a_half(scheme: str) -> None:
    colours = SCHEMES[scheme]

    for ground in ("paper", "good", "care", "stop"):
        assert contrast(colours["ink"], colours[ground]) >= 4.5
    assert contrast(colours["soft"], colours["paper"]) >= 4.5


def test_lines_can_be_seen_by_night() -> None:
    paper = SCHEMES["dark"]["paper"]

    for colour in (*COLOURS, GREY):  # drawings need 3, words 4.5 (WCAG 2.2, 1.4.11 and 1.4.3)
        assert contrast(NIGHT.get(colour, colour), paper) >= 3.0, colour
    assert contrast("#6A3D9A", paper) < 3.0  # what a colour of the day is without its other one


def test_the_style_has_both_schemes() -> None:
    day, found, night = STYLE.partition("@media (prefers-color-scheme:dark)")

    assert found
    assert all(f"--{name}:{colour}" in day for name, colour in SCHEMES["light"].items())
    assert all(f"--{name}:{colour}" in night for name, colour in SCHEMES["dark"].items())
    assert contrast(SCHEMES["light"]["paper"], SCHEMES["dark"]["paper"]) > 10


def test_no_word_or_rule_of_a_drawing_stays_dark_by_night() -> None:
    line = Line("one", ((1.0, 1.0, 0.5, 1.5), (2.0, 2.0, None, None)), dots=((1.0, 1.0),))
    drawn = (
        line_chart([line], title="t", x="x", y="y")
        + matrix_chart(["a", "b"], [[1.0, 0.1], [0.1, 1.0]], title="t")
        + interval_chart([("up", 2.0, 1.0, 3.0)], title="t", x="x")
    )
    cells = {"1.00", "0.10"}  # on cells, which keep their colours

    for attributes, words in re.findall(r"<text ([^>]*)>([^<]*)</text>", drawn):
        assert ('class="ink"' in attributes) == (words not in cells), words
    for attributes in re.findall(r"<(?:line|rect|circle|polyline) ([^>]*)>", drawn):
        if INK in attributes or "#ddd" in attributes:
            assert 'class="' in attributes
