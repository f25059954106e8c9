"""Permutation sampling: the map of shared orders against walking them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.attribution.games import matrix_problem, n_model_rows, normal, settings, table, twisted
from xaisvc.attribution import METHODS, permutation
from xaisvc.attribution.permutation import order_projection, random_orders, walk
from xaisvc.types import Deadline, ErrorTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.types import Budget

SEED = bytes(32)


class Store:
    """A plan store without bounds, for what is worth no file."""

    def __init__(self) -> None:
        self.kept: dict[str, object] = {}

    def keep(self, key: str, make: Callable[[], object], n_bytes: Callable[[object], int]) -> object:
        if key not in self.kept:
            self.kept[key] = make()
            assert n_bytes(self.kept[key]) > 0
        return self.kept[key]


@pytest.mark.parametrize(("p", "n_orders"), [(3, 8), (5, 20), (9, 40)])
def test_the_map_is_the_mean_contribution_over_orders_and_their_reverses(p: int, n_orders: int) -> None:
    values = normal(p, 1, 2**p)[0]
    orders = random_orders(p, n_orders, SEED)
    walked = walk(orders)
    codes = walked.masks @ (1 << np.arange(p))
    odd = (values[codes] - values[2**p - 1 - codes]) / 2
    expected = np.zeros(p)
    for order in [*orders.tolist(), *orders[:, ::-1].tolist()]:
        before = 0
        for player in order:
            expected[player] += values[before | 1 << player] - values[before]
            before |= 1 << player
    expected /= 2 * n_orders

    projection = order_projection(walked, np.random.default_rng(0))
    found = projection.weights @ odd + projection.share * (values[-1] - values[0])

    assert found == pytest.approx(expected, rel=0, abs=1e-13)
    assert len({min(code, 2**p - 1 - code) for code in codes.tolist()}) == len(codes)


@pytest.mark.parametrize("p", [3, 64, 65])
def test_pairs_are_told_apart_in_the_order_of_their_appearance(p: int) -> None:
    """As a walk with a dictionary finds them; 64 players are the most whose coalition is one number."""
    orders = np.concatenate([random_orders(p, 12, SEED)] * 2)
    known: dict[bytes, int] = {}
    pairs, masks = [], []
    for order in orders.tolist():
        mask = np.zeros(p, dtype=np.bool_)
        for player in order[:-1]:
            mask[player] = True
            key = min(mask.tobytes(), (~mask).tobytes())
            if key not in known:
                known[key] = len(known)
                masks.append(mask.copy())
            pairs.append(known[key])

    found = walk(orders)

    assert found.pairs.ravel().tolist() == pairs
    assert (found.masks == np.array(masks)).all()


def test_a_larger_budget_goes_on_from_a_smaller_one() -> None:
    many, few = walk(random_orders(9, 40, SEED)), walk(random_orders(9, 11, SEED))

    assert (many.orders[:11] == few.orders).all()
    assert (many.masks[: len(few.masks)] == few.masks).all()


def test_a_player_whose_contribution_never_showed_has_an_error_all_the_same() -> None:
    """Majority of 40 players: each order shows two of them deciding, so 8 orders leave at least 24 without a trace."""
    problem = matrix_problem(lambda matrix: (matrix.sum(axis=1) > 20).astype(np.float64), np.zeros((1, 40)))
    rows = table(np.ones((1, 40)))

    found = METHODS["permutation"].attribute(problem, rows, settings(rows, budget=8 * 78))

    silent = np.abs(found.values[0]) < 1e-12
    assert silent.sum() >= 24
    assert (np.abs(found.values[0] - 1 / 40) <= 1.96 * found.standard_errors[0])[silent].all()


@pytest.mark.parametrize("n_background", [40, 300])
def test_a_kept_plan_is_made_once_and_changes_no_bit(n_background: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, store = matrix_problem(twisted(12), normal(1, n_background, 12)), Store()
    keeping = replace(problem, plans=store)  # type: ignore[arg-type] # no files
    rows, others = table(normal(2, 2, 12)), table(normal(3, 2, 12))
    expected = METHODS["permutation"].attribute(problem, others, settings(others, budget=400))
    METHODS["permutation"].attribute(keeping, rows, settings(rows, budget=400))
    assert len(store.kept) == 2  # design and projection
    monkeypatch.setattr(permutation, "random_orders", None)  # would be called if something were made again

    found = METHODS["permutation"].attribute(keeping, others, settings(others, budget=400))

    assert (found.values == expected.values).all()
    assert (found.standard_errors == expected.standard_errors).all()
    assert len(store.kept) == 2


def test_plans_of_other_budgets_players_backgrounds_and_seeds_are_apart() -> None:
    store = Store()
    for players, n_background, budget, seed in ((12, 40, 400, 0), (12, 40, 300, 0), (11, 40, 400, 0), (12, 40, 400, 1)):
        made = matrix_problem(twisted(players), normal(1, n_background, players))
        problem = replace(made, plans=store)  # type: ignore[arg-type] # as above
        rows = table(normal(2, 1, players))
        METHODS["permutation"].attribute(problem, rows, settings(rows, budget=budget, seed=seed))

    assert len(store.kept) == 4 * 2


def test_orders_share_no_sample_of_the_background() -> None:
    orders = random_orders(4, 30, SEED)

    apart = walk(orders, merge=False)

    assert len(apart.masks) == 30 * 3
    assert len(walk(orders).masks) == 7
    assert sorted(apart.pairs.ravel().tolist()) == list(range(90))


def test_a_coalition_that_comes_up_again_is_not_evaluated_again() -> None:
    problem, rows = matrix_problem(twisted(3), normal(1, 5, 3)), table(normal(2, 1, 3))

    found = METHODS["permutation"].attribute(problem, rows, settings(rows, budget=400))

    # 100 orders of three players, but six coalitions between nobody and everybody.
    assert n_model_rows(problem) == found.model_evaluations[0] == 6 * 5 + 5 + 1


@pytest.mark.parametrize("budget", [None, ErrorTarget(1e-9), Deadline(1e6)])
def test_orders_that_met_all_coalitions_give_the_shapley_value_itself(budget: Budget | None) -> None:
    problem, rows = matrix_problem(twisted(4), normal(1, 5, 4)), table(normal(2, 3, 4))

    found = METHODS["permutation"].attribute(problem, rows, settings(rows, budget=budget))

    assert found.exact
    assert (found.values == METHODS["exact"].attribute(problem, rows, settings(rows)).values).all()
    assert not found.standard_errors.any()
    assert "these are all coalitions, so the values are exact and more orders would change nothing" in found.detail


def test_a_stage_that_meets_no_new_coalition_evaluates_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders that never meet one pair go on to the cap, and pay for the others once."""
    monkeypatch.setattr("xaisvc.attribution.permutation.random_orders", lambda p, n, *_: np.tile(np.arange(p), (n, 1)))
    monkeypatch.setattr("xaisvc.attribution.permutation.MAX_COALITIONS", 400)
    problem, rows = matrix_problem(twisted(4), normal(1, 5, 4)), table(normal(2, 1, 4))

    found = METHODS["permutation"].attribute(problem, rows, settings(rows, budget=ErrorTarget(1e-300)))

    assert n_model_rows(problem) == found.model_evaluations[0] == 6 * 5 + 5 + 1


@pytest.mark.parametrize(("p", "said"), [(3, True), (12, False)])
def test_it_says_where_enumeration_costs_less(p: int, said: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Orders never share samples of a large background, so they do not come to an end as enumeration does."""
    problem, rows = matrix_problem(twisted(p), normal(1, 300, p)), table(normal(2, 1, p))

    found = METHODS["permutation"].attribute(problem, rows, settings(rows))

    assert not found.exact
    assert (f"All {2**p - 2:,} coalitions over the whole background cost less" in found.detail) == said
