"""Two methods about the same rows."""

from __future__ import annotations

import numpy as np
import pytest

from xaisvc.caveats import CaveatThresholds, method_disagreement
from xaisvc.types import Attribution, Gate, Players, Severity

PLAYERS = Players(names=tuple("abcd"), members=tuple((name,) for name in "abcd"))


def _shap(*values: float, errors: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)) -> Attribution:
    return Attribution(
        values=np.array([values]),
        base_values=np.array([0.0]),
        outputs=np.array([sum(values)]),
        standard_errors=np.array([errors]),
        method="tree",
        exact=True,
        model_evaluations=np.array([1]),
    )


def _lime(*values: float, errors: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)) -> Attribution:
    return Attribution(
        values=np.array([values]),
        base_values=np.array([0.0]),
        outputs=np.array([1.0]),
        standard_errors=np.array([errors]),
        method="lime",
        exact=False,
        model_evaluations=np.array([1]),
        value_function="local_surrogate",
    )


LEFT_OUT = (
    "tree averages over the background, adds up, and says nothing about small changes; lime fits a line around the "
    "row, leaves out what is not linear, and does not add up"
)


def test_opposite_signs_ask_for_care() -> None:
    ((caveat,),) = method_disagreement(_shap(1.0, -0.5, 0.3, 0.2), _lime(0.8, 0.4, 0.3, 0.1), PLAYERS)

    assert (caveat.kind, caveat.severity, caveat.players) == ("method_disagreement", Severity.CARE, ("b",))
    assert caveat.gates == (Gate.NOT_A_REASON,)
    assert caveat.evidence == {"first": -0.5, "second": 0.4, "players": 1.0, "kendall_tau": 1.0}
    assert caveat.message == f"tree and lime give opposite signs to b; {LEFT_OUT}"


def test_another_leader_is_worth_a_word() -> None:
    ((caveat,),) = method_disagreement(_shap(1.0, 0.5, 0.3, 0.0), _lime(0.8, 0.4, 0.0, 0.3), PLAYERS)

    assert (caveat.severity, caveat.players, caveat.gates) == (Severity.INFO, ("c", "d"), ())
    # Of the six pairs (a, b), (a, c), (a, d), (b, c), (b, d) go the same way and (c, d) does not: (5 - 1) / 6.
    assert caveat.evidence == pytest.approx({"first": 0.0, "second": 0.3, "players": 2.0, "kendall_tau": 4 / 6})
    assert caveat.message == f"tree and lime differ on whether c, d is among the three largest; {LEFT_OUT}"


def test_agreement_is_silent() -> None:
    assert list(method_disagreement(_shap(1.0, -0.5, 0.3, 0.2), _lime(0.5, -0.3, 0.2, 0.1), PLAYERS)) == [()]


@pytest.mark.parametrize(
    ("second", "errors"),
    [
        ((0.8, 0.01, 0.3, 0.2), (0.0, 0.0, 0.0, 0.0)),  # below 1.5 % of the total
        ((0.8, 0.2, 0.3, 0.1), (0.0, 0.11, 0.0, 0.0)),  # within two standard errors of 0
    ],
)
def test_a_sign_that_nobody_vouches_for_conflicts_with_nothing(
    second: tuple[float, ...], errors: tuple[float, ...]
) -> None:
    found = method_disagreement(_shap(1.0, -0.5, 0.3, 0.2), _lime(*second, errors=errors), PLAYERS)

    assert all(caveat.severity is Severity.INFO for caveat in found[0])


def test_small_players_are_left_out() -> None:
    found = method_disagreement(_shap(1.0, 0.5, 0.03, 0.02), _lime(1.0, 0.5, -0.03, 0.04), PLAYERS)

    assert list(found) == [()]
    listening = CaveatThresholds(material_share=0.01)
    assert found is not None
    assert [
        caveat.players
        for caveat in method_disagreement(
            _shap(1.0, 0.5, 0.03, 0.02), _lime(1.0, 0.5, -0.03, 0.04), PLAYERS, listening
        )[0]
    ] == [("c",)]


def test_rows_of_zeros_agree() -> None:
    assert list(method_disagreement(_shap(0.0, 0.0, 0.0, 0.0), _lime(0.0, 0.0, 0.0, 0.0), PLAYERS)) == [()]


def test_one_material_player_has_no_rank() -> None:
    ((caveat,),) = method_disagreement(_shap(1.0, 0.0, 0.0, 0.0), _lime(-1.0, 0.0, 0.0, 0.0), PLAYERS)

    assert caveat.evidence == {"first": 1.0, "second": -1.0, "players": 1.0}
