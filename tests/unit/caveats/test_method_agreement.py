"""How far two methods agree about the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau

from xaisvc.caveats import CaveatThresholds, method_agreement, method_disagreement
from xaisvc.types import Attribution, Players, Severity

PLAYERS = Players(names=tuple("abcde"), members=tuple((name,) for name in "abcde"))
VALUES = arrays(np.float64, (4, 5), elements=st.sampled_from([-1.0, -0.5, -0.3, -0.02, 0.0, 0.02, 0.1, 0.3, 0.7]))


def _by(method: str, *rows: tuple[float, ...], error: float = 0.0) -> Attribution:
    values = np.array(rows)
    n = len(values)
    return Attribution(
        values=values,
        base_values=np.zeros(n),
        outputs=np.zeros(n),
        standard_errors=np.full(values.shape, error),
        method=method,
        exact=not error,
        model_evaluations=np.ones(n, dtype=np.int64),
    )


def test_each_number_is_that_of_its_row() -> None:
    first = _by("tree", (1.0, -0.5, 0.3, 0.2, 0.0), (1.0, 0.5, 0.3, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0))
    second = _by("lime", (0.8, 0.4, 0.1, 0.3, 0.0), (0.8, 0.4, 0.0, 0.3, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0))
    found = method_agreement(first, second)

    assert found.material_players.tolist() == [4, 4, 0]
    # Pairs of a, b, c, d: all but (c, d) go the same way.
    assert found.kendall_tau == pytest.approx([4 / 6, 4 / 6, np.nan], nan_ok=True)
    # Row 0: b of four has opposite signs. Row 1: none has; c and d are 0 under one.
    assert found.sign_agreement.tolist()[:2] == [3 / 4, 1.0]
    # Either row: a and b lead under both, c under the first only, d under the second only.
    assert found.leader_agreement.tolist()[:2] == [2 / 4, 2 / 4]
    assert np.isnan([found.sign_agreement[2], found.leader_agreement[2]]).all()


def test_a_sign_within_two_errors_of_zero_conflicts_with_nothing() -> None:
    first, second = (1.0, -0.5, 0.3, 0.2, 0.0), (0.8, 0.4, 0.3, 0.2, 0.0)

    assert method_agreement(_by("tree", first), _by("kernel", second, error=0.19)).sign_agreement == [3 / 4]
    assert method_agreement(_by("tree", first), _by("kernel", second, error=0.21)).sign_agreement == [1.0]


def test_whoever_listens_for_less_counts_more_players() -> None:
    first, second = _by("tree", (1.0, 0.5, 0.03, 0.02, 0.0)), _by("lime", (1.0, 0.5, -0.03, 0.04, 0.0))

    assert method_agreement(first, second).sign_agreement == [1.0]
    listening = method_agreement(first, second, CaveatThresholds(material_share=0.01))
    assert (listening.material_players, listening.sign_agreement) == ([4], [3 / 4])


@given(VALUES, VALUES)
def test_less_than_all_just_where_the_caveat_speaks(one: np.ndarray, other: np.ndarray) -> None:
    first, second = _by("tree", *one), _by("lime", *other)
    found = method_agreement(first, second)

    for row, told in enumerate(method_disagreement(first, second, PLAYERS)):
        severities = [caveat.severity for caveat in told]
        assert (found.sign_agreement[row] < 1) == (severities == [Severity.CARE])
        if not severities:
            assert not found.leader_agreement[row] < 1
        elif severities == [Severity.INFO]:
            assert found.leader_agreement[row] < 1
        for caveat in told:
            tau = found.kendall_tau[row]
            assert caveat.evidence.get("kendall_tau") == (None if np.isnan(tau) else tau)


@given(VALUES, VALUES)
def test_the_correlation_is_the_one_that_scipy_computes(one: np.ndarray, other: np.ndarray) -> None:
    found = method_agreement(_by("tree", *one), _by("lime", *other))

    shares = [np.abs(v) / np.maximum(np.abs(v).sum(axis=1, keepdims=True), 1e-300) for v in (one, other)]
    for row in range(len(one)):
        chosen = np.maximum(shares[0][row], shares[1][row]) >= CaveatThresholds().material_share
        sizes = np.abs(one[row, chosen]), np.abs(other[row, chosen])
        meaningless = any(len(set(values.tolist())) < 2 for values in sizes)
        expected = np.nan if meaningless else kendalltau(*sizes).statistic
        # Both are quotients of small whole numbers and roots of them: a few units in the last place.
        assert found.kendall_tau[row] == pytest.approx(expected, abs=1e-12, nan_ok=True)
