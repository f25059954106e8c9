"""Sampled attributions whose error is large against what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, only, said
from xaisvc.types import Gate, Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

KIND = "estimator_noise"


@pytest.mark.parametrize(
    ("error", "severity", "gates"),
    [
        (0.09, None, ()),
        (0.1, Severity.CARE, ()),
        (0.49, Severity.CARE, ()),
        (0.5, Severity.UNRELIABLE, (Gate.NO_REASONS,)),
    ],
)
def test_the_ratio_of_error_to_value_decides(
    make_context: MakeContext, error: float, severity: Severity | None, gates: tuple[Gate, ...]
) -> None:
    found = said(make_context(exact=False, standard_errors=(error,)), KIND)

    assert [(caveat.severity, caveat.gates) for caveat in found] == ([] if severity is None else [(severity, gates)])


def test_it_is_said_of_the_noisy_players(make_context: MakeContext) -> None:
    caveat = only(make_context(exact=False, standard_errors=(0.2, 0.1, 0.01)))

    assert caveat.players == ("age", "income")
    assert caveat.evidence == {"largest_standard_error": 0.2, "largest_absolute_value": 1.0}
    assert caveat.message == (
        "sampling leaves a standard error of a tenth of the value or more for age, income, and the largest of them is "
        "large against the largest attribution of the row; raise the budget, or give an error target"
    )


def test_a_material_player_within_two_errors_is_no_reason(make_context: MakeContext) -> None:
    # Job's 0.25 is 14 % of the total and within two errors of 0.13; the largest value is far beyond.
    whole, single = said(make_context(exact=False, standard_errors=(0.01, 0.01, 0.13)), KIND)

    assert whole.severity is Severity.CARE
    assert (single.players, single.severity) == (("job",), Severity.CARE)
    assert single.gates == (Gate.NOT_A_REASON,)
    assert single.evidence == {"value": 0.25, "standard_error": 0.13}
    assert single.message == (
        "sampling leaves the sign of job open: the value is within two standard errors of 0; raise the budget, or give "
        "an error target"
    )


def test_where_no_reasons_are_given_no_player_is_named_besides(make_context: MakeContext) -> None:
    found = said(make_context(exact=False, standard_errors=(0.6, 0.4, 0.2)), KIND)

    assert [caveat.severity for caveat in found] == [Severity.UNRELIABLE]


def test_exact_values_and_lime_are_left_alone(make_context: MakeContext) -> None:
    assert kinds(make_context(exact=True, standard_errors=(0.9,))) == []
    assert said(make_context(lime=True, standard_errors=(0.9,)), KIND) == []


def test_a_constant_model_has_nothing_to_converge_to(make_context: MakeContext) -> None:
    assert kinds(make_context(exact=False, values=(0.0,), standard_errors=(1e-17, 1e-17))) == []


def test_errors_around_zero_values_are_unreliable(make_context: MakeContext) -> None:
    caveat = only(make_context(exact=False, values=(0.0,), standard_errors=(0.1,)))

    assert caveat.severity is Severity.UNRELIABLE
    assert caveat.players == ("age",)
