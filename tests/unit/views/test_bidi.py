"""Names that run from right to left do not change the order of what stands beside them."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest

from tests.unit.views.blocks import view_of
from xaisvc.views.bidi import END, START, isolated
from xaisvc.views.cells import Cell
from xaisvc.views.document import (
    Bar,
    BarChart,
    Column,
    Fact,
    Facts,
    Link,
    Reason,
    Reasons,
    Table,
)
from xaisvc.views.render import render_view

HEBREW, ARABIC = "\u05d4\u05db\u05e0\u05e1\u05d4", "\u062f\u062e\u0644"
NAME = f"{START}{HEBREW}{END}"


@pytest.mark.parametrize("text", [HEBREW, ARABIC, f"Loan {HEBREW}", f"3 {ARABIC}"])
def test_a_text_with_a_letter_from_right_to_left_is_isolated(text: str) -> None:
    assert isolated(text) == f"{START}{text}{END}"


@pytest.mark.parametrize("text", ["", "Income", "Re\u00efnt\u00e9gratie \u20ac 3", "\u6536\u5165", "\u0394 1"])
def test_no_other_text_is_touched(text: str) -> None:
    assert isolated(text) is text


def blocks(name: str) -> tuple[Facts | Reasons | Table | BarChart, ...]:
    return (
        Facts(rows=(Fact(label=name, value="300", note=name, source=name), Fact(label="Age", value=name))),
        Facts(rows=(Fact(label=name, value="7"),), quiet=True),
        Reasons(
            items=(
                Reason(
                    label=name,
                    direction="up",
                    facts=(Fact(label=name, value="12", source=name),),
                    links=(Link(text=name, anchor="a"),),
                ),
                Reason(label=name, direction="up", facts=(Fact(label="Age", value=name),)),
            ),
            empty="",
            title="Why",
        ),
        Table(
            caption="All",
            columns=(Column(label=name), Column(label="Sum", numeric=True)),
            rows=((Cell(text=name), Cell(text="-0.5")), (Cell(text="Age"), Cell(text="12"))),
        ),
        BarChart(title="Sizes", description="d", bars=(Bar(label=name, text="+0.2", value=0.2),)),
    )


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_every_name_beside_another_text_is_isolated_and_nothing_else_changes(form: str) -> None:
    page, latin = (render_view(view_of(*blocks(name)), form) for name in (HEBREW, "abcde"))

    assert HEBREW in page
    assert page.count(NAME) == page.count(HEBREW) == page.count(START)
    assert page.replace(NAME, "abcde") == latin  # also the columns: the marks take no place
    assert START not in latin


def test_a_name_over_several_lines_is_isolated_on_each() -> None:
    long = " ".join([HEBREW] * 40)
    page = render_view(view_of(Facts(rows=(Fact(label="Age", value=long), Fact(label="Sum", value="7")))), "text")

    lines = [line for line in page.splitlines() if HEBREW in line]
    assert len(lines) > 3
    for line in lines:
        assert (line.count(START), line.count(END)) == (1, 1)
        assert all(unicodedata.bidirectional(ch) not in {"R", "AL"} for ch in line.partition(START)[0])
    assert "".join(lines).count(HEBREW) == 40


def test_pages_and_data_stay_as_they_are() -> None:
    view = view_of(*blocks(HEBREW))

    assert START not in render_view(view, "html")
    assert START not in render_view(replace(view, title=HEBREW), "json")
