"""The README's figures come from the results file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import xaisvc
from benchmarks.performance.table import BEGIN, END, render, replace_section

ROOT = Path(xaisvc.__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "performance" / "results.json"


def _speed(tool: str, rate: float, rows: int) -> dict[str, object]:
    measured = {
        "budget": 0, "rows_wanted": rows, "rows": rows, "rows_per_s": rate, "median_s": rows / rate,
        "evaluations_per_row": 1.0, "max_difference_of_scale": 2e-8,
    }  # fmt: skip
    run = {"job": "speed", "case": "xgb", "tool": tool, "b": 100, "threads": 1}
    return {"run": run, "status": "done", "result": {"measured": [measured]}}


def _results(*runs: dict[str, object]) -> dict[str, object]:
    return {
        "date": "2026-01-01",
        "machine": {"processor": "a processor", "cores": 2, "python": "3.11.7"},
        "versions": {"onnxruntime": "1.0", "shap": "0.5"},
        "cases": {"xgb-v1": "some trees"},
        "runs": list(runs),
    }


def test_the_readme_holds_the_figures_of_the_results_file() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = render(json.loads(RESULTS.read_text(encoding="utf-8")))

    assert replace_section(readme, section) == readme, "run: python -m benchmarks.performance table"


def test_a_readme_with_another_figure_is_stale() -> None:
    section = render(_results(_speed("xaisvc-tree", 2000.0, 1000)))
    fresh = replace_section(f"before\n{BEGIN}\nold\n{END}\nafter\n", section)

    assert fresh.startswith("before\n")
    assert fresh.endswith(f"{END}\nafter\n")
    assert replace_section(fresh, section) == fresh
    other = fresh.replace("| 2,000 |", "| 9,000 |")
    assert other != fresh
    assert replace_section(other, section) != other


def test_ratios_are_of_the_measured_rates() -> None:
    section = render(_results(_speed("xaisvc-tree", 20_000.0, 1000), _speed("shap-tree", 50.0, 1000)))

    assert "| xgb, 100 | 50 | - | 20,000 | 400 | - | - / - | - | 2e-08 |" in section
    assert "a processor, 2 cores" in section


def test_what_an_explanation_costs_in_predictions_is_the_figure_of_pairs_with_one_thread() -> None:
    run = _speed("xaisvc-tree", 20_000.0, 1000)
    run["result"]["measured"][0]["cost_in_predictions"] = 2.46  # type: ignore[index]
    section = render(_results(run))

    assert "| xgb, 100 | - | - | 20,000 | - | - | - / - | 2.5 | 2e-08 |" in section


def _accuracy(**tools: tuple[float | None, float]) -> dict[str, object]:
    """Tools with the seconds at which they reached the target, and the error of their only step."""
    step = {"budget": 64, "coalitions_per_row": 64.0, "nmse_low": 0.0, "nmse_high": 1.0, "rank": 1.0, "coverage": None}
    result = {
        name.replace("_", "-"): {
            "measured": [{**step, "nmse": nmse}],
            "reached": {
                "seconds": seconds, "seconds_low": seconds, "seconds_high": None, "coalitions": 100.0, "at_most": False,
            },
        }
        for name, (seconds, nmse) in tools.items()
    }  # fmt: skip
    run = {"job": "accuracy", "case": "xgb", "tool": "", "b": 20, "threads": 1}
    return {"run": run, "status": "done", "result": {"tools": result}}


def test_times_are_compared_for_a_black_box_and_at_the_best_setting() -> None:
    tools = {
        "xaisvc_kernel": (2e-3, 1e-4), "xaisvc_auto": (1e-4, 0.0), "shap_kernel": (3e-2, 1e-4),
        "shap_permutation": (2e-2, 1e-4), "shap_tree": (5e-3, 0.0),
    }  # fmt: skip
    section = render(_results(_accuracy(**tools)))

    assert "| xgb, black box | 2, 2 to more (100) | 20, 20 to more (100) | shap Permutation | 10 |" in section
    assert "| xgb, best setting | 0.1, 0.1 to more (100) | 5, 5 to more (100) | shap TreeExplainer | 50 |" in section


def test_who_does_not_reach_the_target_is_said_to_have_come_how_far() -> None:
    section = render(_results(_accuracy(xaisvc_kernel=(2e-3, 1e-4), shap_kernel=(None, 2e-3))))

    assert "| xgb, black box | 2, 2 to more (100) | not reached: 2.0e-03 at 64 | - | - |" in section


def test_what_failed_is_left_out() -> None:
    failed = {**_speed("shap-tree", 50.0, 1000), "status": "failed", "why": "it could not"}
    section = render(_results(_speed("xaisvc-tree", 20_000.0, 1000), failed))

    assert "| xgb, 100 | - | - | 20,000 | - |" in section


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the markers"):
        replace_section("no markers here", "figures")
