"""The compiled arithmetic of LIME against the same in plain numpy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from xaisvc.attribution.lime_kernel import N_DIAGNOSTICS, add_up, fit_rows
from xaisvc.attribution.surrogate import (
    N_FIT_BLOCKS,
    RIDGE_ALPHA,
    WeightedSums,
    block_starts,
    draw_resamples,
    fit_surrogate,
    weights_at,
)

RESAMPLES = draw_resamples(np.random.default_rng(7))
NAMES = ("fidelity", "r2", "stability_top3_jaccard", "stability_sign_flips")


@dataclass(frozen=True)
class _Case:
    """Random draws, rows and players; players of several features among them where `grouped`."""

    p: int
    m: int
    n: int = 3
    grouped: bool = False
    codes_as: type = np.uint8

    def make(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(self.p * 1000 + self.m)
        sizes = rng.integers(1, 4, self.p) if self.grouped else np.ones(self.p, dtype=int)
        first = np.concatenate([[0], np.cumsum(sizes)])
        members = rng.permutation(first[-1])
        bins = 2 if self.grouped else 4
        codes = rng.integers(0, bins, (len(members), self.m)).astype(self.codes_as)
        own = rng.integers(0, bins, (self.n, len(members))).astype(self.codes_as)
        answers = rng.normal(size=self.m) + (codes[0] == 1) - 2.0 * (codes[-1] == 0)
        return codes, own, first, members, answers, rng.normal(size=self.n)


def _agreement(codes: np.ndarray, own: np.ndarray, first: np.ndarray, members: np.ndarray) -> np.ndarray:
    together = [np.all([codes[j] == own[j] for j in members[start:stop]], axis=0) for start, stop in pairwise(first)]
    agreement = np.column_stack(together).astype(np.float64)
    agreement[0] = 1.0
    return agreement


CASES = [
    _Case(1, 100),
    _Case(2, 101),
    _Case(7, 333, grouped=True),
    _Case(8, 640),
    _Case(9, 641),
    _Case(30, 1999),
    _Case(64, 700),
    _Case(65, 700, n=2),
    _Case(131, 900, n=1),
    _Case(5, 400, codes_as=np.uint32),
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("players", ["all", "every_other"])
def test_it_is_the_surrogate_of_the_same_sample(case: _Case, players: str) -> None:
    codes, own, first, members, answers, outputs = case.make()
    selected = np.ones((case.n, case.p), dtype=np.bool_)
    if players == "every_other":
        selected[:, 1::2] = False
    weights, errors = np.empty((case.n, case.p)), np.empty((case.n, case.p))
    intercepts, diagnostics = np.empty(case.n), np.empty((case.n, N_DIAGNOSTICS))

    fit_rows(
        codes,
        own,
        first,
        members,
        weights_at(np.arange(case.p + 1.0), case.p),
        answers,
        outputs,
        block_starts(case.m),
        N_FIT_BLOCKS,
        RESAMPLES,
        RIDGE_ALPHA,
        selected,
        weights,
        errors,
        intercepts,
        diagnostics,
    )

    for row in range(case.n):
        agreement = _agreement(codes, own[row], first, members)
        with_row = np.concatenate([outputs[row : row + 1], answers[1:]])
        truth = fit_surrogate(
            agreement,
            with_row,
            weights_at(((agreement - agreement[0]) ** 2).sum(axis=1), agreement.shape[1]),
            RESAMPLES,
            np.flatnonzero(selected[row]),
        )
        # Sums of some thousand numbers in another order: float64 rounding, a few units of 1e-16 each.
        assert weights[row] == pytest.approx(truth.weights, rel=0, abs=1e-11)
        assert errors[row] == pytest.approx(truth.standard_errors, rel=0, abs=1e-11)
        assert intercepts[row] == pytest.approx(truth.intercept, rel=0, abs=1e-11)
        assert diagnostics[row] == pytest.approx([truth.diagnostics[name] for name in NAMES], rel=0, abs=1e-10)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_sums_are_those_of_the_whole_sample(case: _Case) -> None:
    codes, own, first, members, answers, outputs = case.make()
    lower, projected = np.full((case.p, case.p), np.nan), np.full(case.p, np.nan)

    mass, total, squares = add_up(
        codes,
        own[0],
        first,
        members,
        weights_at(np.arange(case.p + 1.0), case.p),
        answers,
        outputs[0],
        lower,
        projected,
    )

    agreement = _agreement(codes, own[0], first, members)
    weights, relative = (
        weights_at(((agreement - agreement[0]) ** 2).sum(axis=1), agreement.shape[1]),
        answers - outputs[0],
    )
    relative[0] = 0.0
    products = (agreement * weights[:, None]).T @ agreement
    # Rounding of sums of some hundred to thousand numbers below 10.
    assert np.tril(lower) == pytest.approx(np.tril(products), rel=0, abs=1e-9)
    assert projected == pytest.approx(agreement.T @ (weights * relative), rel=0, abs=1e-9)
    assert [mass, total, squares] == pytest.approx(
        [weights.sum(), weights @ relative, weights @ relative**2], rel=0, abs=1e-9
    )
    assert WeightedSums.of(agreement, relative, weights).squares == pytest.approx(squares - total**2 / mass, abs=1e-9)


def test_a_rows_numbers_are_its_own() -> None:
    case = _Case(11, 500, n=6)
    codes, own, first, members, answers, outputs = case.make()

    def fit(rows: slice) -> np.ndarray:
        n = len(outputs[rows])
        weights, errors = np.empty((n, case.p)), np.empty((n, case.p))
        fit_rows(
            codes,
            own[rows],
            first,
            members,
            weights_at(np.arange(case.p + 1.0), case.p),
            answers,
            outputs[rows],
            block_starts(case.m),
            N_FIT_BLOCKS,
            RESAMPLES,
            RIDGE_ALPHA,
            np.ones((n, case.p), dtype=np.bool_),
            weights,
            errors,
            np.empty(n),
            np.empty((n, N_DIAGNOSTICS)),
        )
        return np.concatenate([weights, errors], axis=1)

    together = fit(slice(None))

    for row in range(case.n):
        assert (fit(slice(row, row + 1))[0] == together[row]).all()
