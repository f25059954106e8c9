"""Each rule speaks where it must and is silent where it must."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.caveats import CAVEATS, find_caveats
from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext
    from xaisvc.caveats import CaveatContext


def kinds(context: CaveatContext) -> dict[str, Caveat]:
    return {caveat.kind: caveat for caveat in find_caveats(context)[0]}


def test_all_rules_are_silent_when_nothing_is_the_matter(make_context: MakeContext) -> None:
    assert list(find_caveats(make_context())) == [()]


def test_kinds_are_unique() -> None:
    assert len({rule.kind for rule in CAVEATS}) == len(CAVEATS)


@pytest.mark.parametrize(
    ("strength", "severity"), [(0.49, None), (0.5, Severity.INFO), (0.69, Severity.INFO), (0.7, Severity.CARE)]
)
def test_correlated_features_by_strength(make_context: MakeContext, strength: float, severity: Severity | None) -> None:
    found = kinds(make_context(association={(0, 1): strength}))

    assert (found["correlated_features"].severity if found else None) == severity


def test_correlated_features_give_the_sum_that_can_be_relied_on(make_context: MakeContext) -> None:
    caveat = kinds(make_context(association={(0, 1): 0.9}))["correlated_features"]

    assert caveat.players == ("age", "income")
    assert caveat.evidence == {"association": 0.9, "sum_of_values": 0.5}


def test_a_chain_of_associations_is_one_caveat(make_context: MakeContext) -> None:
    caveats = find_caveats(make_context(association={(0, 1): 0.9, (1, 2): 0.6}))[0]

    assert [caveat.players for caveat in caveats] == [("age", "income", "job")]
    assert caveats[0].evidence["association"] == 0.9


def test_correlated_features_without_credit_are_not_worth_a_word(make_context: MakeContext) -> None:
    assert kinds(make_context(association={(1, 2): 0.9}, values=(1.0, 0.01, 0.01))) == {}


@pytest.mark.parametrize(
    ("changed", "players"),
    [
        ({"age": 101.0}, ("age",)),
        ({"age": -0.5, "income": 200.0}, ("age", "income")),
        ({"job": "astronaut"}, ("job",)),
    ],
)
def test_outside_background_names_the_players(
    make_context: MakeContext, changed: dict[str, float | str], players: tuple[str, ...]
) -> None:
    row: dict[str, float | str | None] = {"age": 40.0, "income": 50.0, "job": "clerk"}
    caveat = kinds(make_context(row=row | changed))["outside_background"]

    assert caveat.players == players
    assert caveat.severity is Severity.CARE


def test_the_ends_of_the_range_are_inside(make_context: MakeContext) -> None:
    assert kinds(make_context(row={"age": 0.0, "income": 100.0, "job": "manager"})) == {}


def test_a_missing_value_that_the_background_never_misses_is_outside_it(make_context: MakeContext) -> None:
    found = kinds(make_context(row={"age": float("nan"), "income": 50.0, "job": "clerk"}))

    assert found["outside_background"].players == ("age",)
    assert found["missing_values"].players == ("age",)
    assert found["missing_values"].severity is Severity.INFO


@pytest.mark.parametrize(
    ("error", "severity"), [(0.09, None), (0.1, Severity.CARE), (0.49, Severity.CARE), (0.5, Severity.UNRELIABLE)]
)
def test_not_converged_by_the_ratio_of_error_to_value(
    make_context: MakeContext, error: float, severity: Severity | None
) -> None:
    found = kinds(make_context(exact=False, standard_errors=(error, 0.0, 0.0)))

    assert (found["not_converged"].severity if found else None) == severity


def test_a_constant_model_has_nothing_to_converge_to(make_context: MakeContext) -> None:
    context = make_context(exact=False, values=(0.0, 0.0, 0.0), standard_errors=(1e-17, 1e-17, 0.0))

    assert kinds(context) == {}


def test_errors_around_zero_values_are_unreliable(make_context: MakeContext) -> None:
    context = make_context(exact=False, values=(0.0, 0.0, 0.0), standard_errors=(0.1, 0.0, 0.0))

    assert kinds(context)["not_converged"].severity is Severity.UNRELIABLE


@pytest.mark.parametrize(
    ("diagnostics", "severity"),
    [
        ({"stability_top3_jaccard": 0.9, "stability_sign_flips": 0.0}, Severity.INFO),
        ({"stability_top3_jaccard": 0.6, "stability_sign_flips": 0.0}, Severity.CARE),
        ({"stability_top3_jaccard": 0.9, "stability_sign_flips": 0.3}, Severity.CARE),
    ],
)
def test_lime_is_always_named_as_what_it_is(
    make_context: MakeContext, diagnostics: dict[str, float], severity: Severity
) -> None:
    context = make_context(
        exact=False, value_function="local_surrogate", diagnostics=diagnostics, standard_errors=(0.9, 0.0, 0.0)
    )

    assert {kind: caveat.severity for kind, caveat in kinds(context).items()} == {"local_surrogate": severity}


@pytest.mark.parametrize(("prediction", "speaks"), [(0.52, True), (0.48, True), (0.6, False), (0.4, False)])
def test_near_threshold_counts_cases_not_units(make_context: MakeContext, prediction: float, *, speaks: bool) -> None:
    assert ("near_threshold" in kinds(make_context(prediction=prediction))) is speaks


def test_where_few_people_are_a_far_prediction_is_not_near(make_context: MakeContext) -> None:
    # As in fraud: nearly everybody at 0, so hardly anybody lies between 0.5 and 0.99.
    context = make_context(prediction=0.99)
    rare = np.concatenate([np.zeros(98), [0.7, 0.8]])

    assert kinds(replace(context, background_predictions=rare)) == {}


def test_no_threshold_no_closeness(make_context: MakeContext) -> None:
    assert kinds(make_context(prediction=0.5, threshold=None)) == {}


@pytest.mark.parametrize(("rows", "speaks"), [(49, True), (50, False)])
def test_small_background(make_context: MakeContext, rows: int, *, speaks: bool) -> None:
    assert ("small_background" in kinds(make_context(background_rows=rows))) is speaks


def test_the_most_severe_comes_first(make_context: MakeContext) -> None:
    context = make_context(
        exact=False, standard_errors=(0.9, 0.0, 0.0), association={(0, 1): 0.9}, prediction=0.5, background_rows=60
    )
    severities = [caveat.severity for caveat in find_caveats(context)[0]]

    assert severities == [Severity.UNRELIABLE, Severity.CARE, Severity.INFO]


def test_shares_of_a_row_of_zeros_are_zero(make_context: MakeContext) -> None:
    np.testing.assert_array_equal(make_context(values=(0.0, 0.0, 0.0)).shares(), [[0.0, 0.0, 0.0]])
