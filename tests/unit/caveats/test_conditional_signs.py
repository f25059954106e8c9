"""Signs under both value functions where they are known in closed form: a linear model of seven normal columns."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from xaisvc.caveats.conditional import conditional_gaps, second_opinion
from xaisvc.structure.amortised import study_second_opinion
from xaisvc.types import CoalitionDesign, PairValues, Table
from xaisvc.types.second_opinion import Thresholds

C, RHO, BACKGROUND = 7, 0.7, 500
SLOPES = np.array([-1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -0.2])


class LinearGames:
    """Coalition values of a linear model over the background, or over the rows of it that a design names."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x

    def __call__(self, rows: Table, design: CoalitionDesign) -> PairValues:
        own = np.stack(list(rows.columns.values()), axis=1).astype(np.float64) * SLOPES
        stand_ins = self.x if design.background is None else self.x[design.background[0]]
        rest = stand_ins.mean(axis=0) * SLOPES
        on, off = (own @ held.T + rest @ ~held.T for held in (design.masks, ~design.masks))
        return PairValues(on=on, off=off, outputs=own.sum(axis=1))


def table(x: np.ndarray) -> Table:
    return Table({f"c{j}": x[:, j].copy() for j in range(C)})


def drawn(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sqrt(RHO) * rng.normal(size=(n, 1)) + np.sqrt(1 - RHO) * rng.normal(size=(n, C))


def truth(rows: np.ndarray) -> np.ndarray:
    """Conditional Shapley values: E[x_k | x_A] = RHO / (1 + (a - 1) RHO) * sum of x_A for all k outside A."""
    value = {}
    for code in range(2**C):
        held = (code >> np.arange(C) & 1).astype(np.bool_)
        a = int(held.sum())
        told = RHO / (1 + (a - 1) * RHO) * rows[:, held].sum(axis=1) if a else np.zeros(len(rows))
        value[code] = rows[:, held] @ SLOPES[held] + told * SLOPES[~held].sum()
    found = np.zeros(rows.shape)
    for code, own in value.items():
        a = code.bit_count()
        for j in range(C):
            if not code >> j & 1:
                found[:, j] += factorial(a) * factorial(C - a - 1) / factorial(C) * (value[code | 1 << j] - own)
    return found


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Threads of numerical libraries only get in each other's way with matrices as small as these."""
    threadpool_limits(1)


@pytest.fixture(scope="module")
def judged() -> dict[str, np.ndarray]:
    """What is said of 40 rows, each with its true values."""
    background, rows = drawn(1, BACKGROUND), drawn(2, 40)
    plan = study_second_opinion(
        table(background),
        [(f"c{j}",) for j in range(C)],
        [tuple(range(C))],
        LinearGames(background),
        np.random.default_rng(3),
    )
    gaps = conditional_gaps(plan, table(rows))
    values = (rows - background.mean(axis=0)) * SLOPES
    errors = np.tile(np.abs(SLOPES) * background.std(axis=0) / np.sqrt(BACKGROUND), (len(rows), 1))
    nobody = np.zeros(C, dtype=np.bool_)
    bold = Thresholds(sign_share=0.0, sign_errors=0.0)
    shares = [one / np.abs(rows * SLOPES).sum(axis=1, keepdims=True) for one in (rows * SLOPES, truth(rows))]
    return {
        "interventional": shares[0],
        "conditional": shares[1],
        "said": second_opinion(values, errors, gaps, nobody).sign,
        "bold": second_opinion(values, errors, gaps, nobody, thresholds=bold).sign,
    }


def test_a_sign_that_differs_by_enough_is_spoken_of(judged: dict[str, np.ndarray]) -> None:
    one, other = judged["interventional"], judged["conditional"]
    differs = (one * other < 0) & (np.minimum(np.abs(one), np.abs(other)) > 0.05)

    assert differs.sum() > 20
    assert judged["said"][differs].all()


def test_a_sign_that_is_the_same_is_not_spoken_of(judged: dict[str, np.ndarray]) -> None:
    same = judged["interventional"] * judged["conditional"] > 0

    assert not judged["said"][same].any()
    # Estimates do lie on the wrong side of 0: without a margin they would be spoken of.
    assert judged["bold"][same].any()


def test_stand_ins_that_are_few_move_nothing_in_a_model_that_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    background, found = drawn(4, 160), []
    for few in (120, 30):
        monkeypatch.setattr("xaisvc.structure.amortised.MOST_STAND_INS", (500, few))
        plan = study_second_opinion(
            table(background),
            [(f"c{j}",) for j in range(C)],
            [tuple(range(C))],
            LinearGames(background),
            np.random.default_rng(5),
        )
        found.append(conditional_gaps(plan, table(background[:20])).values)

    # Slopes are kept in float32: sums of a hundred products of size 1 are off by less than 1e-4.
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
    assert np.abs(found[0]).max() > 0.3
