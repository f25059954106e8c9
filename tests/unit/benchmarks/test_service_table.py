"""The documentation's figures on load and faults come from the results file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.service.__main__ import PAGE
from benchmarks.service.results import merge, read
from benchmarks.service.table import BEGIN, END, NOTHING, render, replace_section

if TYPE_CHECKING:
    from pathlib import Path


def _result(value: float, *, holds: bool = True) -> dict[str, Any]:
    figure = {"name": "rows per second", "value": value, "unit": "rows/s", "target": 1000, "at_least": True}
    return {
        "what": "many calls",
        "checks": {"no answer is wrong": holds, "no restart": True},
        "figures": [
            {**figure, "met": value >= 1000},
            {"name": "p50", "value": 12.345, "unit": "ms", "target": None, "at_least": True, "met": None},
        ],
        "details": [],
    }


def test_the_page_holds_the_figures_of_the_results_file() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert replace_section(page, render(read())) == page, "run: python -m benchmarks.service"


def test_figures_stand_beside_what_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    merge(path, "hits", _result(1234.5))
    merge(path, "slow hits", _result(876.54, holds=False))
    section = render(read(path))

    assert "**hits**: many calls; all 2 checks hold." in section
    assert "| rows per second | 1,234 rows/s | at least 1,000 |" in section
    assert "| p50 | 12.3 ms |  |" in section
    assert "**slow hits**: many calls; not so: no answer is wrong." in section
    assert "| rows per second | 877 rows/s | at least 1,000: missed |" in section


def test_a_later_result_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    merge(path, "hits", _result(1234.5))
    merge(path, "hits", _result(4321.0))

    assert "4,321 rows/s" in render(read(path))
    assert "1,234" not in render(read(path))


def test_a_page_with_another_figure_is_stale(tmp_path: Path) -> None:
    merge(tmp_path / "results.json", "hits", _result(2000.0))
    section = render(read(tmp_path / "results.json"))
    fresh = replace_section(f"before\n{BEGIN}\nold\n{END}\nafter\n", section)

    assert fresh.startswith("before\n")
    assert fresh.endswith(f"{END}\nafter\n")
    assert replace_section(fresh, section) == fresh
    other = fresh.replace("2,000 rows/s", "9,000 rows/s")
    assert other != fresh
    assert replace_section(other, section) != other


def test_without_results_the_page_says_so(tmp_path: Path) -> None:
    assert render(read(tmp_path / "none.json")) == NOTHING


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the markers"):
        replace_section("no markers here", "figures")
