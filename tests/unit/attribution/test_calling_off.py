"""Plans of many coalitions stop between pieces of their making once nobody waits; counted, not timed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.attribution.games import matrix_problem, n_model_rows, normal, settings, table, twisted
from xaisvc.attribution import METHODS
from xaisvc.attribution.designs import (
    MOST_SOLVED,
    ROWS_PER_PAIR,
    background_sample,
    generator_of,
    grouped_sequence,
    pair_sequence,
)
from xaisvc.attribution.permutation import order_projection, random_orders, walk
from xaisvc.attribution.pilot import default_prior, fit_prior
from xaisvc.attribution.projections import _factorised, posterior_projection
from xaisvc.errors import AbandonedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SEED = bytes(32)
P = 20


@dataclass
class Interest:
    """Counts how often it is asked, and is gone after so many times."""

    lasts: int = 10**9
    asked: int = 0

    def __call__(self) -> None:
        self.asked += 1
        if self.asked > self.lasts:
            raise AbandonedError("gone")


def _singles_and_more(q: int, p: int = P) -> NDArray[np.bool_]:
    return pair_sequence(p, q, SEED)


def _fit(check: Callable[[], None]) -> object:
    masks = _singles_and_more(96)
    odd = generator_of(SEED, 1).normal(size=(8, 96))
    return fit_prior(masks, odd, odd.sum(axis=1), check)


def _project(check: Callable[[], None]) -> object:
    masks = _singles_and_more(MOST_SOLVED)
    return posterior_projection(masks, default_prior(P), generator_of(SEED, 2), None, check)


def _project_groups(check: Callable[[], None]) -> object:
    masks, groups = grouped_sequence(P, 1500, 4, SEED)
    return posterior_projection(masks, default_prior(P), generator_of(SEED, 2), groups, check)


def _project_orders(check: Callable[[], None]) -> object:
    return order_projection(walk(random_orders(P, 4000, SEED)), generator_of(SEED, 3), check)


# What is made, and how often it must ask at least: once for each block of its work.
PIECES: dict[str, tuple[Callable[[Callable[[], None]], object], int]] = {
    "pairs": (lambda check: pair_sequence(P, 50_000, SEED, check), 50),
    "pairs of groups": (lambda check: grouped_sequence(P, 20_000, 4, SEED, check), 20),
    "background rows": (lambda check: background_sample(1000, 20_000, SEED, check), 20_000 * ROWS_PER_PAIR // 1000),
    "pilot": (_fit, 12),  # candidates
    "projection": (_project, 2 * 5 + 3),  # five blocks of the covariance, twice five of its factor
    "projection of groups": (_project_groups, 3 * 3),
    "orders": (lambda check: random_orders(P, 5000, SEED, check), 20),
    "walk": (lambda check: walk(random_orders(P, 500, SEED), check=check), 2),
    "projection of orders": (_project_orders, 10),
}


@pytest.mark.parametrize("name", PIECES)
def test_making_a_plan_asks_whether_it_is_wanted(name: str) -> None:
    make, at_least = PIECES[name]
    interest = Interest()
    make(interest)

    assert interest.asked >= at_least


@pytest.mark.parametrize("name", PIECES)
def test_making_a_plan_ends_at_the_first_no(name: str) -> None:
    make, at_least = PIECES[name]
    interest = Interest(lasts=at_least // 2)
    with pytest.raises(AbandonedError):
        make(interest)

    assert interest.asked == at_least // 2 + 1


@pytest.mark.parametrize("method", ["kernel", "permutation"])
def test_a_method_asks_while_it_plans(method: str) -> None:
    """None of the questions below comes from scoring coalitions: no model row has been scored but the background's."""
    problem = matrix_problem(twisted(P), normal(1, 5, P))
    rows = table(normal(2, 1, P))
    scored: list[int] = []

    def check() -> None:
        scored.append(n_model_rows(problem))
        if len(scored) == 25:
            raise AbandonedError("gone")

    with pytest.raises(AbandonedError):
        METHODS[method].attribute(problem, rows, replace(settings(rows, budget=60_000), check=check))

    assert scored == [scored[0]] * 25
    assert scored[0] <= len(problem.background)


@pytest.mark.parametrize("q", [1700, 1201, 1200])
def test_a_factor_in_blocks_is_the_factor(q: int) -> None:
    root = generator_of(SEED, 4).normal(size=(q, 40))
    matrix = root @ root.T + np.eye(q)
    expected = np.linalg.cholesky(matrix)

    found = _factorised(matrix, Interest())

    # Both round differently: some thousand products in sums of about 40, at 2^-53 each.
    assert np.abs(found - expected).max() < 1e-11
    assert (np.triu(found, 1) == 0.0).all()


def test_a_projection_in_blocks_is_the_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = _singles_and_more(1250)
    in_blocks = posterior_projection(masks, default_prior(P), generator_of(SEED, 2))
    monkeypatch.setattr("xaisvc.attribution.projections._AT_ONCE", 10_000)
    at_once = posterior_projection(masks, default_prior(P), generator_of(SEED, 2))

    # Rounding only: the smallest eigenvalue of the covariance is 0.1, its largest some hundred.
    assert in_blocks.weights == pytest.approx(at_once.weights, rel=0, abs=1e-12)
    assert in_blocks.scale == pytest.approx(at_once.scale, rel=1e-9)
