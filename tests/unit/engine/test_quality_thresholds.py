from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from xaisvc.engine.quality.thresholds import check_thresholds
from xaisvc.errors import InvalidRequestError


def measure(value: float, half: float) -> dict[str, float | int]:
    return {"value": value, "low": value - half, "high": value + half, "n_rows": 50}


def report(**measures: dict[str, float | int]) -> dict[str, Any]:
    return {
        "settings": {"seed": 0},
        "signal": {"strength": "weak"},
        "methods": [{"name": "auto", "measures": measures, "scores": {}}],
    }


def test_thresholds_that_are_kept_and_that_are_not() -> None:
    area = "insertion_area@background"
    found = report(**{"relative_error": measure(0.05, 0.02), area: measure(0.9, 0.2)})
    bounds: dict[str, Any] = {
        "methods": {"auto": {"relative_error": {"at_most": 0.06}, area: {"at_least": 0.8}}},
        "signal": "weak",
    }
    assert check_thresholds(found, bounds) == ()

    # with `surely` the ends of the intervals count: 0.07 and 0.7
    breaches = check_thresholds(found, {**bounds, "surely": True})
    assert [(one.measure, one.bound, one.found) for one in breaches] == [
        ("relative_error", "at most 0.06", "0.07"),
        (area, "at least 0.8", "0.7"),
    ]


@pytest.mark.parametrize(
    ("rows", "found"), [(16, []), (15, ["0.06 over 15 rows, which are too few to be sure (16 are needed)"])]
)
def test_few_rows_make_nothing_sure(rows: int, found: list[str]) -> None:
    few = report(relative_error={**measure(0.05, 0.01), "n_rows": rows})
    bounds: dict[str, Any] = {"methods": {"auto": {"relative_error": {"at_most": 0.1}}}}

    assert check_thresholds(few, bounds) == ()
    assert [one.found for one in check_thresholds(few, {**bounds, "surely": True})] == found


def test_what_was_not_measured_is_not_kept() -> None:
    bounds = {"methods": {"kernel": {"relative_error": {"at_most": 1.0}}}, "signal": "strong"}
    breaches = check_thresholds(report(), bounds)

    assert [(one.method, one.found) for one in breaches] == [("kernel", None), ("the model", "weak")]
    without = deepcopy(report())
    without["signal"] = None
    assert check_thresholds(without, {"methods": {}, "signal": "weak"})[0].found is None


def test_a_bound_on_the_signal_alone_is_enough() -> None:
    assert check_thresholds(report(), {"signal": "weak"}) == ()
    assert [one.measure for one in check_thresholds(report(), {"signal": "strong", "surely": True})] == ["signal"]


def missing(report_: dict[str, Any], method: str, measure: str, kind: str = "at_most") -> str:
    (breach,) = check_thresholds(report_, {"methods": {method: {measure: {kind: 0.5}}}})
    assert breach.found is None
    return str(breach)


def test_why_a_number_was_not_measured_is_said_and_what_there_is() -> None:
    found = report(entropy=measure(1.0, 0.1), sum_gap=measure(1.0, 0.1))
    found["methods"].append({"name": "kernel", "outcome": "refused", "why": "too few coalitions"})
    found["methods"][0]["notes"] = ["the randomised model: no node has weights", "stability: out of time. "]

    assert missing(found, "kernal", "entropy") == (
        "kernal: entropy was not measured, must be at most 0.5; the report has no method 'kernal'; it has: auto, kernel"
    )
    assert missing(found, "kernel", "entropy").endswith("; 'kernel' was refused: too few coalitions")
    for name, why in (
        ("relative_error", "it does not estimate the Shapley values that errors are measured against"),
        ("randomised_similarity", "the randomised model: no node has weights"),
        ("seed_spread", "stability: out of time"),
        ("remove_and_retrain", "it needs labels, which were not given"),
        ("insertion_area@background", "no row has a number of it"),
    ):
        assert missing(found, "auto", name).endswith(f"; {why}; of 'auto' the report has: entropy, sum_gap")
    assert "'random' has no such number in the report" in missing(found, "auto", "sum_gap", "over_random")
    found["methods"][0]["notes"] = []
    assert "only where a budget of coalitions can be halved" in missing(found, "auto", "budget_spread")


def test_why_nothing_is_known_of_the_signal_is_said() -> None:
    found = {**report(), "signal": None, "digests": {}}
    (breach,) = check_thresholds(found, {"signal": "weak"})
    assert str(breach) == (
        "the model: signal was not measured, must be at least weak; no labels were given; measure with --labels"
    )
    (breach,) = check_thresholds({**found, "digests": {"labels": "0"}}, {"signal": "weak"})
    assert "before the labels were looked at; go on with --resume" in str(breach)


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
        ([], "must hold `methods`, name of a method to its measures and bounds, or `signal`"),
        ({"methods": {}, "bounds": 1}, "thresholds.bounds: is not known"),
        ({"method": {"auto": {}}, "signal": "weak"}, "thresholds.method: is not known; use methods, surely and signal"),
        ({"methods": None, "signal": "weak"}, "must hold `methods`"),
        ({"surely": True}, "must hold `methods`"),
        (
            {"methods": {"auto": {"faith": {"at_least": 1}}}},
            "methods.auto.faith: is no measure; use one of: relative_error",
        ),
        ({"methods": {"auto": {"entropy": {"below": 1}}}}, "must hold at_least, at_most or over_random with"),
        ({"methods": {"auto": {"entropy": {"at_most": "1"}}}}, "methods.auto.entropy.at_most: must be a number"),
        (
            {"methods": {"auto": {"entropy": {"over_random": 0.1}}}},
            "over_random: has no meaning: no direction of it is",
        ),
        (
            {"methods": {"auto": {"insertion_area": {"at_least": 1}}}},
            "methods.auto.insertion_area: is never measured; name it insertion_area@background or insertion_area@cond",
        ),
        (
            {"methods": {"auto": {"relative_error@background": {"at_most": 1}}}},
            "relative_error@background: is never measured; name it relative_error$",
        ),
        ({"methods": {}}, "thresholds: holds no bound, so that every report would keep it; give one"),
        ({"methods": {}, "signal": "weak", "surely": "no"}, "surely: must be true or false, got 'no'"),
        ({"methods": {}, "signal": "some"}, "signal: 'some' is not one of none, weak, strong"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(bounds: Any, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        check_thresholds(report(), bounds)


def test_a_score_must_be_better_than_that_of_values_that_mean_nothing() -> None:
    correlation, area = "faithfulness_correlation@background", "deletion_area@conditional"
    found = report(**{correlation: measure(0.9, 0.1), area: measure(0.4, 0.1)})
    own = {correlation: [0.9, 0.8, 1.0, 0.9], area: [0.2, 0.6, 0.4, 0.4]}
    null = {correlation: [0.6, 0.8, 0.6, 0.8], area: [0.6, 0.6, 0.6, 0.6]}
    for method, scores in (("auto", own), ("random", null)):
        one = found["methods"][0] if method == "auto" else {"name": "random", "measures": {}}
        one["scores"] = {
            key: {"numerators": rows, "denominators": None, "shape": "plain"} for key, rows in scores.items()
        }
        found["methods"] = [found["methods"][0], one][: 1 if method == "auto" else 2]

    # 0.9 is 0.2 above 0.7; 0.4 is 0.2 below 0.6, and lower is better
    at = {"over_random": 0.15}
    bounds: dict[str, Any] = {"methods": {"auto": {correlation: at, area: at}}}
    assert check_thresholds(found, bounds) == ()
    more = {"over_random": 0.25}
    breaches = check_thresholds(found, {"methods": {"auto": {correlation: more, area: more}}})
    assert [(one.bound, one.found) for one in breaches] == [("better than random by 0.25", "0.2")] * 2
    # row by row it is 0 to 0.4, so four rows cannot be sure of 0.15
    assert len(check_thresholds(found, {**bounds, "surely": True})) == 2
    assert check_thresholds(found, {"methods": {"lime": {area: at}}})[0].found is None
