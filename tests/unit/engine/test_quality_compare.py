from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from xaisvc.engine.quality.compare import compare, paired_difference, read_report
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from pathlib import Path


def scores(numerators: list[float | None], denominators: list[float | None] | None = None) -> dict[str, Any]:
    return {"numerators": numerators, "denominators": denominators, "shape": "plain"}


def measure(value: float, half: float) -> dict[str, float | int]:
    return {"value": value, "low": value - half, "high": value + half, "n_rows": 50}


def report(**measures: dict[str, float | int]) -> dict[str, Any]:
    return {
        "kind": "xaisvc quality report",
        "form": 2,
        "digests": {"model": "m"},
        "settings": {"seed": 0, "threads": 2, "budget": 256, "rows": 50, "output": "y"},
        "machine": {"processor": "p", "cpus": 2},
        "signal": {"strength": "weak"},
        "methods": [{"name": "auto", "kind": "ours", "measures": measures, "rows_per_s": 100.0}],
    }


def test_the_interval_adds_both_ends_in_squares() -> None:
    found = compare(report(relative_error=measure(0.5, 0.3)), report(relative_error=measure(0.6, 0.4)))
    one = found.differences[0]

    assert one.difference == pytest.approx(0.1)
    assert (one.low, one.high) == pytest.approx((0.1 - 0.5, 0.1 + 0.5))
    assert one.verdict == "no clear difference"


def test_verdicts_follow_the_direction_of_the_metric() -> None:
    first = report(relative_error=measure(0.5, 0.01), noise_credit=measure(0.1, 0.01), entropy=measure(1.0, 0.01))
    second = report(relative_error=measure(0.1, 0.01), noise_credit=measure(0.5, 0.01), entropy=measure(2.0, 0.01))

    assert {one.measure: one.verdict for one in compare(first, second).differences} == {
        "relative_error": "better",
        "noise_credit": "worse",
        "entropy": "changed",
    }


def test_times_of_unlike_machines_are_refused() -> None:
    first, second = report(), report()
    assert compare(first, second).times == {"auto": {"rows_per_s": (100.0, 100.0)}}

    second["machine"]["processor"] = "q"
    second["settings"]["threads"] = 1
    found = compare(first, second)
    assert found.times == {}
    assert found.no_times == "times are not compared: processor and threads differ"
    second["settings"]["threads"] = 2
    assert compare(first, second).no_times == "times are not compared: processor differs"


def test_what_else_differs_is_named() -> None:
    second = report()
    second["digests"]["model"] = "n"
    second["settings"]["seed"] = 3

    assert compare(report(), second).unlike == ("model (digest)", "seed")


def test_another_space_is_named() -> None:
    assert compare({**report(), "space": "probability"}, {**report(), "space": "log_odds"}).unlike == ("space",)


def test_a_model_without_a_sure_signal_is_told_before_any_number() -> None:
    none, strong = ({**report(), "signal": {"strength": one, "statement": one.upper()}} for one in ("none", "strong"))

    assert compare(none, strong).signals == ("first report: NONE",)
    assert compare(strong, none).signals == ("second report: NONE",)
    assert compare(strong, {**report(), "signal": None}).signals == ()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"kind": "else"}), encoding="utf-8")
    with pytest.raises(InvalidRequestError, match="is no quality report of form 2; measure again"):
        read_report(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InvalidRequestError, match="is no JSON file"):
        read_report(path)
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        read_report(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    ("changed", "lacking"),
    [
        ({"digests": None}, "digests"),
        ({"machine": "mine"}, "machine"),
        ({"methods": {}}, "methods"),
        ({"methods": [{"name": "auto"}]}, "methods"),
        ({"methods": [{"name": "auto", "kind": "ours", "scores": {}}]}, "measures"),
        ({"methods": [{"name": "auto", "kind": "ours", "measures": {}}]}, "scores"),
        ({"methods": [{"name": "auto", "kind": "ours", "measures": {"entropy": {}}, "scores": {}}]}, "measures"),
        (
            {"methods": [{"name": "auto", "kind": "ours", "measures": {"entropy": measure(1, 1)}, "scores": {}}]},
            "scores",
        ),
    ],
)
def test_damaged_reports_are_refused(tmp_path: Path, changed: dict[str, Any], lacking: str) -> None:
    path = tmp_path / "damaged.json"
    whole = report()
    whole["methods"][0]["scores"] = {}
    path.write_text(json.dumps(whole), encoding="utf-8")
    assert read_report(path) == whole

    path.write_text(json.dumps({**whole, **changed}), encoding="utf-8")
    with pytest.raises(InvalidRequestError, match=f"is a damaged quality report: '{lacking}' is missing or of another"):
        read_report(path)


def test_a_measure_that_is_not_known_here_is_not_judged() -> None:
    found = compare(report(my_own=measure(1.0, 0.1)), report(my_own=measure(2.0, 0.1))).differences[0]

    assert (found.measure, found.verdict) == ("my_own", "changed")


def test_reports_on_the_same_rows_are_compared_row_by_row() -> None:
    rng = np.random.default_rng(0)
    level = rng.normal(scale=10.0, size=40)  # rows differ far more than the reports do
    reports = []
    for numerators in (level, level[:30] + 0.1 + 0.01 * rng.normal(size=30)):
        one = report(entropy=measure(float(numerators.mean()), 3.0))
        one["digests"]["rows"] = "r"
        one["methods"][0]["scores"] = {"entropy": scores(numerators.tolist())}
        reports.append(one)
    found = compare(*reports).differences[0]

    # the first 30 rows are in both; what is left of their noise is 0.01 / sqrt(30)
    assert found.paired_rows == 30
    assert found.difference == pytest.approx(0.1, abs=0.005)
    assert 0.09 < found.low < found.difference < found.high < 0.11
    assert found.verdict == "changed"

    reports[1]["settings"]["seed"] = 1  # other rows come first then
    other = compare(*reports).differences[0]
    assert other.paired_rows == 0
    assert other.low == pytest.approx(other.difference - np.hypot(3.0, 3.0))


def test_rows_without_a_number_are_left_out_of_pairs() -> None:
    found = paired_difference(
        "relative_error", scores([1.0, None, 3.0], [1.0, 1.0, 1.0]), scores([2.0, 9.0, None], [1.0, 1.0, 1.0])
    )

    assert found is not None
    assert (found.value, found.low, found.high, found.n_rows) == (1.0, 1.0, 1.0, 1)
    assert paired_difference("entropy", scores([None]), scores([1.0])) is None


def test_rows_under_test_of_another_number_are_no_pairs() -> None:
    assert paired_difference("remove_and_retrain", scores([1.0] * 3), scores([1.0] * 4)) is None
    assert paired_difference("entropy", scores([1.0] * 3), scores([1.0] * 4)) is not None


def test_numbers_in_the_unit_of_two_models_are_not_judged() -> None:
    first = report(largest_error=measure(0.5, 0.01), sum_gap=measure(1e-7, 1e-9))
    second = report(largest_error=measure(0.1, 0.01), sum_gap=measure(2e-7, 1e-9))
    assert [one.verdict for one in compare(first, second).differences] == ["better", "no clear difference"]

    second["digests"]["model"] = "n"
    assert compare(first, second).differences[0].verdict == "changed"


def test_nothing_is_called_better_between_two_seeds() -> None:
    first, second = report(relative_error=measure(0.5, 0.01)), report(relative_error=measure(0.1, 0.01))
    same = compare(first, second)
    assert (same.differences[0].verdict, same.no_verdicts) == ("better", "")

    second["settings"]["seed"] = 7
    other = compare(first, second)
    assert other.differences[0].verdict == "changed"
    assert (other.differences[0].low, other.differences[0].high) == (same.differences[0].low, same.differences[0].high)
    assert other.no_verdicts.startswith("the seeds differ (0 and 7): rows, sets and everything sampled")
    assert "measure both with the same --seed" in other.no_verdicts
    second["methods"][0]["measures"] = first["methods"][0]["measures"]
    assert compare(first, second).differences[0].verdict == "no clear difference"


def test_what_stands_beside_methods_is_not_compared() -> None:
    first = report(entropy=measure(1.0, 0.1))
    first["methods"][0].update(name="random", kind="null")

    assert compare(first, first).differences == ()
