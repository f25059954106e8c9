"""Players that the graph proves to be without influence take no part and get exactly 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.attribution.games import alone, matrix_problem, n_model_rows, normal, settings, table, twisted
from xaisvc.attribution import METHODS, plan
from xaisvc.attribution.active import active_players, inert_text
from xaisvc.types import Players, Problem

SAMPLED = ["kernel", "permutation"]


def _problem(p: int, used: int, inert: frozenset[str]) -> Problem:
    """A twisted game of the first features of p, the others of no influence."""
    game = twisted(used)
    return replace(matrix_problem(lambda matrix: game(matrix[:, :used]), normal(0, 6, p)), inert=inert)


@pytest.mark.parametrize("name", SAMPLED)
def test_inert_players_get_exactly_zero_and_the_others_what_they_get_without_them(name: str) -> None:
    rows = table(normal(1, 2, 14))
    inert = frozenset(f"x{j}" for j in range(10, 14))
    few = table(normal(1, 2, 14)[:, :10])
    small = matrix_problem(twisted(10), normal(0, 6, 14)[:, :10])

    found = METHODS[name].attribute(_problem(14, 10, inert), rows, settings(rows, budget=400))
    expected = METHODS[name].attribute(small, few, settings(few, budget=400))

    assert (found.values[:, 10:] == 0.0).all()
    assert (found.standard_errors[:, 10:] == 0.0).all()
    # The same coalitions and the same map; products with more columns may round in another order.
    assert found.values[:, :10] == pytest.approx(expected.values, rel=0, abs=1e-12)
    assert found.values.sum(axis=1) + found.base_values == pytest.approx(found.outputs, rel=0, abs=1e-12)
    assert "4 of 14 players cannot reach the output" in found.detail


def test_without_the_proof_the_estimate_is_small_and_not_zero() -> None:
    """What the rule is for: the twin without it fails the test above."""
    rows = table(normal(1, 2, 14))

    found = METHODS["kernel"].attribute(_problem(14, 10, frozenset()), rows, settings(rows, budget=400))

    assert (found.values[:, 10:] != 0.0).any()


def test_enumeration_leaves_inert_players_out_and_reaches_further() -> None:
    inert = frozenset(f"x{j}" for j in range(4, 20))
    problem = _problem(20, 4, inert)
    rows = table(normal(1, 1, 20))

    chosen = plan(problem, "auto", None).method
    found = chosen.attribute(problem, rows, settings(rows))

    assert (chosen.name, found.exact) == ("exact", True)
    assert (found.values[:, 4:] == 0.0).all()
    assert n_model_rows(problem) == 14 * 6 + 6 + 1


def test_a_group_is_inert_only_if_all_of_its_features_are() -> None:
    players = Players(names=("a", "b"), members=(("x0", "x1"), ("x2",)), kind="custom")
    problem = replace(matrix_problem(twisted(3), normal(0, 6, 3), players=players), inert=frozenset({"x1", "x2"}))

    assert active_players(problem).tolist() == [0]


def test_a_model_of_nothing_gives_zeros() -> None:
    problem = replace(
        matrix_problem(lambda matrix: np.ones(len(matrix)), normal(0, 6, 3)), inert=frozenset(["x0", "x1", "x2"])
    )
    rows = table(normal(1, 2, 3))

    found = METHODS["kernel"].attribute(problem, rows, settings(rows))

    assert (found.values == 0.0).all()
    assert (found.base_values == 1.0).all()


def test_nothing_is_said_where_everybody_matters() -> None:
    problem = matrix_problem(twisted(3), normal(0, 6, 3), players=alone(("x0", "x1", "x2")))

    assert inert_text(active_players(problem), 3) == ""
