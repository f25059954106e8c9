"""The documentation's figures on caveats come from the results file."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.caveats import Figure
from benchmarks.caveats.__main__ import PAGE, section
from benchmarks.caveats.table import BEGIN, END, NOTHING, number, render, replace_section


def _content(value: float = 0.9843, **others: Any) -> dict[str, Any]:
    one = {
        "study": "association", "name": "recall", "target": 0.98, "bound": "least", "kind": "share",
        "setting": "default", "value": value, "low": 0.97, "high": 0.992, "count": 1234, "seeds": 10,
        "met": value >= 0.98,
    }  # fmt: skip
    machine = {"processor": "a processor", "cores": 2}
    return {
        "suite": "held-out",
        "rows": 500,
        "runs": [{"date": "2026-01-01T00:00:00Z", "machine": machine}],
        "totals": [
            one,
            {**one, "name": "shape", "target": None, "met": None},
            {**one, "name": "mine", "setting": "yours"},
        ],
        "trade_off": [],
        "peers": None,
        "studies": {"association": {"cells": [{"cpu_s": 90.0}, {"cpu_s": 30.0}]}},
        **others,
    }


def test_the_page_holds_the_figures_of_the_results_file() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert replace_section(page, section()) == page, "run: python -m benchmarks.caveats table"


def test_figures_stand_beside_their_targets() -> None:
    text = render(_content())

    assert "| recall | 0.984 | 0.970 to 0.992 | 1,234 | at least 0.98 | yes |" in text
    assert "held-out seeds, 500 background rows, 2 cells, 2 minutes of processor time. 1 of 1 targets met." in text
    assert "**Dependent pairs found by the screen**" in text


def test_a_missed_target_is_plain_to_see() -> None:
    assert "| at least 0.98 | **no** |" in render(_content(0.9))


def test_only_default_thresholds_and_figures_with_a_target_are_shown() -> None:
    text = render(_content())

    assert "shape" not in text
    assert "mine" not in text


def test_it_says_where_the_code_changed_during_the_run() -> None:
    cells = [{"cpu_s": 1.0, "code": "old"}, {"cpu_s": 1.0, "code": "new"}]

    assert "The code changed between cells of units." in render(_content(studies={"units": {"cells": cells}}))
    assert "The code changed" not in render(_content(studies={"units": {"cells": cells[:1]}}))


def test_the_trade_off_is_shown() -> None:
    curve = [{"gap_share": 0.02, "recall": 0.99, "false_alarms": 0.03}, {"gap_share": 0.1, "recall": 0.5}]
    text = render(_content(trade_off=curve))

    assert "| `gap_share` | 0.02 | 0.1 |" in text
    assert "| recall | 0.990 | 0.500 |" in text
    assert "| false alarms | 0.030 |  |" in text


def test_packages_that_said_nothing_and_that_did_not_run_are_told_apart() -> None:
    told = {"status": "ran", "version": "1.0", "told": {"duplicate": 0}, "asked": {"duplicate": 4}, "said": []}
    tools = {"quiet": told, "absent": {"status": "not run", "why": "not installed"}}
    text = render(_content(peers={"cases": ["duplicate"], "tools": tools}))

    assert "| quiet 1.0 | 0 of 4 | nothing |" in text
    assert "| absent | not run | not installed |" in text


def test_without_figures_the_page_says_so() -> None:
    assert render(_content(totals=[])) == NOTHING


def test_a_page_with_another_figure_is_stale() -> None:
    fresh = replace_section(f"before\n{BEGIN}\nold\n{END}\nafter\n", render(_content()))

    assert fresh.startswith("before\n")
    assert replace_section(fresh, render(_content())) == fresh
    assert replace_section(fresh.replace("1,234", "1,235"), render(_content())) == fresh


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the markers"):
        replace_section("no markers", "figures")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1.0, "1"),
        (0.99961, "0.9996"),
        (0.98, "0.980"),
        (0.0013, "0.0013"),
        (0.00001, "0.00001"),
        (12.34, "12.3"),
        (1.5, "1.500"),
    ],
)
def test_numbers_have_the_decimals_that_tell_them_from_0_and_1(value: float, told: str) -> None:
    assert number(value) == told


def test_a_share_without_cases_meets_nothing() -> None:
    assert Figure("recall", 0.0, 0).met is None
