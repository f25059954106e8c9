from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from xaisvc.engine.quality.compare import check_thresholds, compare, read_report
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from pathlib import Path


def measure(value: float, half: float) -> dict[str, float | int]:
    return {"value": value, "low": value - half, "high": value + half, "n_rows": 50}


def report(**measures: dict[str, float | int]) -> dict[str, Any]:
    return {
        "kind": "xaisvc quality report",
        "form": 1,
        "digests": {"model": "m"},
        "settings": {"seed": 0, "threads": 2, "budget": 256, "rows": 50, "output": "y"},
        "machine": {"processor": "p", "cpus": 2},
        "signal": {"strength": "weak"},
        "methods": [{"name": "auto", "measures": measures, "rows_per_s": 100.0}],
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


def test_what_else_differs_is_named() -> None:
    second = report()
    second["digests"]["model"] = "n"
    second["settings"]["seed"] = 3

    assert compare(report(), second).unlike == ("model (digest)", "seed")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"kind": "else"}), encoding="utf-8")
    with pytest.raises(InvalidRequestError, match="is no quality report of form 1; measure again"):
        read_report(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InvalidRequestError, match="is no JSON file"):
        read_report(path)
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        read_report(tmp_path / "nothing.json")


def test_thresholds_that_are_kept_and_that_are_not() -> None:
    found = report(relative_error=measure(0.05, 0.02), insertion_area=measure(0.9, 0.2))
    bounds: dict[str, Any] = {
        "methods": {"auto": {"relative_error": {"at_most": 0.06}, "insertion_area": {"at_least": 0.8}}},
        "signal": "weak",
    }
    assert check_thresholds(found, bounds) == ()

    # with `surely` the ends of the intervals count: 0.07 and 0.7
    breaches = check_thresholds(found, {**bounds, "surely": True})
    assert [(one.measure, one.bound, one.found) for one in breaches] == [
        ("relative_error", "at most 0.06", "0.07"),
        ("insertion_area", "at least 0.8", "0.7"),
    ]


def test_what_was_not_measured_is_not_kept() -> None:
    bounds = {"methods": {"kernel": {"relative_error": {"at_most": 1.0}}}, "signal": "strong"}
    breaches = check_thresholds(report(), bounds)

    assert [(one.method, one.found) for one in breaches] == [("kernel", None), ("the model", "weak")]
    without = deepcopy(report())
    without["signal"] = None
    assert check_thresholds(without, {"methods": {}, "signal": "weak"})[0].found is None


def test_exact_methods_do_not_depend_on_seeds() -> None:
    bounds = {"methods": {"auto": {"seed_spread": {"at_most": 0.01}, "budget_spread": {"at_most": 0.01}}}}
    found = report()
    assert len(check_thresholds(found, bounds)) == 2

    found["methods"][0]["exact"] = True
    assert check_thresholds(found, bounds) == ()


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({}, "must hold `methods`"),
        ({"methods": {}, "bounds": 1}, "thresholds.bounds: is not known"),
        (
            {"methods": {"auto": {"faith": {"at_least": 1}}}},
            "methods.auto.faith: is no measure; use one of: relative_error",
        ),
        ({"methods": {"auto": {"entropy": {"below": 1}}}}, "must hold at_least or at_most with a number"),
        ({"methods": {"auto": {"entropy": {"at_most": "1"}}}}, "methods.auto.entropy.at_most: must be a number"),
        ({"methods": {}, "signal": "some"}, "signal: 'some' is not one of none, weak, strong"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(bounds: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        check_thresholds(report(), bounds)
