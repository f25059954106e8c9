from __future__ import annotations

from dataclasses import replace
from math import factorial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.definition import interactions_by_definition
from tests.unit.attribution.tree_problems import (
    GROUPS,
    SETTINGS,
    WIDTH,
    chain,
    game,
    linear_term,
    linked_problem,
    random_trees,
    rows_of,
    sum_problem,
    table,
    tree_problem,
    tree_term,
)
from tests.unit.graphs.hand_made import version_5
from xaisvc.attribution.linear import LinearMethod
from xaisvc.attribution.tree import TreeMethod
from xaisvc.attribution.tree_interaction_kernel import pair_weights, single_weights
from xaisvc.attribution.tree_interactions import tree_interactions
from xaisvc.errors import AbandonedError, AdditivityError, LimitExceededError, MethodNotApplicableError
from xaisvc.graphs.trees import read_trees
from xaisvc.types import AdditiveModel, Players, Problem, Table, TreeTerm

# Sums of a few hundred float64 numbers of size 1, in two orders.
ROUNDING = 1e-12


def by_definition(problem: Problem, rows: Table) -> np.ndarray:
    p = len(problem.players)
    return np.array([interactions_by_definition(game(problem, rows.take([i])), p) for i in range(len(rows))])


@pytest.mark.parametrize("players", [None, GROUPS], ids=["features", "groups"])
@pytest.mark.parametrize("seed", range(6))
def test_random_trees_of_every_mode_with_missing_values_follow_the_definition(
    seed: int, players: Players | None
) -> None:
    problem = tree_problem(random_trees(seed, depth=6), rows_of(seed, 9), players=players)
    rows = table(rows_of(seed + 100, 4))
    found = tree_interactions(problem, rows, SETTINGS)

    assert found.values == pytest.approx(by_definition(problem, rows), abs=ROUNDING)
    assert found.base_values == pytest.approx(np.full(4, problem.model(problem.background).mean()), abs=ROUNDING)
    assert found.outputs == pytest.approx(problem.model(rows), abs=ROUNDING)


@given(seed=st.integers(0, 10_000), trees=st.integers(1, 3), depth=st.integers(0, 4), backs=st.integers(1, 5))
@settings(max_examples=25)
def test_any_small_trees_follow_the_definition(seed: int, trees: int, depth: int, backs: int) -> None:
    problem = tree_problem(random_trees(seed, trees=trees, depth=depth), rows_of(seed + 1, backs))
    rows = table(rows_of(seed + 2, 1))

    assert tree_interactions(problem, rows, SETTINGS).values == pytest.approx(
        by_definition(problem, rows), abs=ROUNDING
    )


def test_sets_follow_the_definition() -> None:
    background = np.array([[1, 0], [4, 1], [2, 0.5], [3, 0.6]])
    problem = tree_problem(read_trees(version_5(), 0).trees, background)
    rows = table(np.array([[2, 0.6], [1, 0.4], [np.nan, np.nan]]))
    found = tree_interactions(problem, rows, SETTINGS).values

    assert found == pytest.approx(by_definition(problem, rows), abs=ROUNDING)
    assert np.abs(found[:, 0, 1]).max() > 0.01


def test_several_columns_of_one_feature_are_one_player() -> None:
    # Columns 0 and 1 come from the same feature, column 3 from none.
    def columns(rows: Table) -> np.ndarray:
        first, second = rows.columns["x0"], rows.columns["x2"]
        return np.stack([first, 0.5 - first, second, np.full(len(rows), 0.5)], axis=1).astype(np.float32)

    trees = random_trees(3, depth=5)
    owners = (frozenset({"x0"}), frozenset({"x0"}), frozenset({"x2"}), frozenset[str]())
    problem = tree_problem(trees, np.zeros((1, WIDTH)))
    problem = replace(
        problem,
        model=lambda rows: TreeModel(trees)(columns(rows)),
        background=Table({"x0": np.array([-1.0, 0.5, 1.0]), "x2": np.array([0.0, 1.0, -0.5])}),
        players=Players(names=("x0", "x2"), members=(("x0",), ("x2",))),
        additive=AdditiveModel(constant=0.5, terms=(TreeTerm(columns=columns, owners=owners, trees=trees),)),
    )
    rows = Table({"x0": np.array([0.0]), "x2": np.array([-1.0])})

    assert tree_interactions(problem, rows, SETTINGS).values == pytest.approx(
        by_definition(problem, rows), abs=ROUNDING
    )


class TreeModel:
    """A sum of trees and 0.5 as a function of its columns."""

    def __init__(self, trees: Any) -> None:
        self._problem = tree_problem(trees, np.zeros((1, WIDTH)))

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        return self._problem.model(table(columns))


def test_lines_sum_to_the_values_of_the_tree_method_and_the_two_halves_are_the_same_bits() -> None:
    model = AdditiveModel(
        constant=-1.0, terms=(tree_term(random_trees(4, trees=9)), linear_term([0.5, 0.0, -2.0, 1.0]))
    )
    problem = sum_problem(model, rows_of(4, 12, missing=0.0))
    rows = table(rows_of(5, 6, missing=0.0))
    found = tree_interactions(problem, rows, SETTINGS)

    # The tree method may keep its tables in float32, which rounds to 6e-8 of their size.
    assert found.values.sum(axis=2) == pytest.approx(TreeMethod().attribute(problem, rows, SETTINGS).values, abs=1e-6)
    assert found.base_values + found.values.sum(axis=(1, 2)) == pytest.approx(problem.model(rows), abs=ROUNDING)
    assert (found.values == found.values.transpose(0, 2, 1)).all()
    assert found.values == pytest.approx(by_definition(problem, rows), abs=ROUNDING)


def test_a_linear_model_has_main_effects_alone() -> None:
    model = AdditiveModel(constant=1.0, terms=(linear_term([0.5, 0.0, -2.0, 1.0]),))
    problem = sum_problem(model, rows_of(1, 7))
    rows = table(rows_of(2, 3))
    found = tree_interactions(problem, rows, SETTINGS)
    diagonal = np.diagonal(found.values, axis1=1, axis2=2)

    assert np.count_nonzero(found.values) == np.count_nonzero(diagonal)
    assert diagonal == pytest.approx(LinearMethod().attribute(problem, rows, SETTINGS).values, abs=ROUNDING)


def test_players_that_the_trees_do_not_test_together_have_exactly_no_interaction() -> None:
    # Two stumps, on x0 and x1: the game is additive. x2 is never tested.
    first = chain(1, 2.0)
    second = replace(chain(1, -1.0), column=np.array([1, -1, -1], dtype=np.int32))
    model = AdditiveModel(constant=0.0, terms=(tree_term(first, 3), tree_term(second, 3)))
    problem = sum_problem(model, np.array([[1.0, 1, 1], [-1, 1, 1], [1, -1, 1]]))
    found = tree_interactions(problem, table(np.array([[-1.0, -1, -1]])), SETTINGS).values[0]

    assert found[~np.eye(3, dtype=bool)].tolist() == [0.0] * 6
    assert found[2, 2] == 0.0
    assert found[0, 0] == pytest.approx(2 * 2 / 3)


def test_rows_and_background_in_pieces_and_threads_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = tree_problem(random_trees(5, depth=5), rows_of(5, 23))
    rows = table(rows_of(6, 17))
    whole = tree_interactions(problem, rows, SETTINGS)
    threaded = tree_interactions(problem, rows, replace(SETTINGS, threads=2, max_batch_rows=4))
    monkeypatch.setattr("xaisvc.attribution.tree_interactions._CELLS_AT_ONCE", 400)
    pieces = tree_interactions(problem, rows, replace(SETTINGS, max_batch_rows=3))

    assert (threaded.values == whole.values).all()
    assert pieces.values == pytest.approx(whole.values, abs=ROUNDING)
    assert pieces.base_values == pytest.approx(whole.base_values, abs=ROUNDING)


def test_no_rows_give_no_values() -> None:
    found = tree_interactions(tree_problem(random_trees(0), rows_of(0, 5)), table(np.empty((0, WIDTH))), SETTINGS)

    assert found.values.shape == (0, WIDTH, WIDTH)
    assert found.outputs.shape == found.base_values.shape == (0,)


def test_the_detail_says_what_was_done() -> None:
    trees = tree_problem(random_trees(0), rows_of(0, 5))
    line = sum_problem(AdditiveModel(constant=0.0, terms=(linear_term([1.0] * WIDTH),)), rows_of(0, 5))
    rows = table(rows_of(1, 1))

    assert tree_interactions(trees, rows, SETTINGS).detail == (
        "exact pairwise interactions of 4 trees leaf by leaf over 5 background rows"
    )
    assert tree_interactions(line, rows, SETTINGS).detail == (
        "exact pairwise interactions of a linear model, which has none, over 5 background rows"
    )


def test_a_model_that_is_no_sum_is_refused_and_told_what_to_do() -> None:
    problem = replace(
        tree_problem(random_trees(0), rows_of(0, 5)), additive=None, additive_reason="the model is a network"
    )

    with pytest.raises(MethodNotApplicableError) as caught:
        tree_interactions(problem, table(rows_of(1, 1)), SETTINGS)

    assert str(caught.value) == (
        "method: there are no exact interaction values here: the model is a network; ask for attributions instead "
        "(`explain`), which need no sum"
    )


def test_a_probability_made_of_trees_is_referred_to_log_odds() -> None:
    model = AdditiveModel(constant=0.0, terms=(tree_term(random_trees(0)),))

    with pytest.raises(MethodNotApplicableError, match="ask for space 'log_odds', where the model is a sum, or ask"):
        tree_interactions(linked_problem([model], rows_of(0, 5)), table(rows_of(1, 1)), SETTINGS)


def test_a_column_that_mixes_players_is_named() -> None:
    mixed = TreeTerm(
        columns=tree_term(chain(1)).columns, owners=(frozenset({"x0", "x1"}), frozenset({"x1"})), trees=chain(1)
    )
    problem = sum_problem(AdditiveModel(constant=0.0, terms=(mixed,)), np.ones((2, 2)))

    with pytest.raises(MethodNotApplicableError, match="mixes the players 'x0', 'x1'"):
        tree_interactions(problem, table(np.zeros((1, 2))), SETTINGS)


def test_sixty_two_players_on_a_path_and_no_more() -> None:
    # The row passes every condition and the background none: a pure interaction of all, shared out evenly.
    problem = tree_problem(chain(62), np.ones((2, 62)))
    found = tree_interactions(problem, table(np.zeros((1, 62))), SETTINGS).values[0]
    pair = 0.5 / 61  # (62 - 2)! 0! / (62 - 1)!, halved

    assert found[~np.eye(62, dtype=bool)] == pytest.approx(np.full(62 * 61, pair), abs=ROUNDING)
    assert np.diagonal(found) == pytest.approx(np.full(62, 1 / 62 - 0.5), abs=ROUNDING)
    with pytest.raises(MethodNotApplicableError, match="63 branches deep over 63 players, and at most 62"):
        tree_interactions(tree_problem(chain(63), np.ones((2, 63))), table(np.zeros((1, 63))), SETTINGS)


def test_an_answer_that_would_be_too_large_is_refused_with_the_largest_number_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("xaisvc.attribution.tree_interactions.MAX_CELLS", 100)
    problem = tree_problem(random_trees(0), rows_of(0, 5))

    with pytest.raises(
        LimitExceededError, match=r"7 rows with 4 players have 112 interaction values, .* at most 6 rows"
    ):
        tree_interactions(problem, table(rows_of(1, 7)), SETTINGS)
    assert tree_interactions(problem, table(rows_of(1, 6)), SETTINGS).values.shape == (6, 4, 4)


def test_a_model_that_answers_otherwise_is_refused() -> None:
    problem = tree_problem(chain(2), np.ones((2, 2)))
    wrong = replace(problem, model=lambda rows: problem.model(rows) + 0.1)

    with pytest.raises(AdditivityError, match=r"row 0 sum to 1\.5 but the model's output is 1\.6"):
        tree_interactions(wrong, table(np.zeros((1, 2))), SETTINGS)


def test_work_that_nobody_waits_for_stops() -> None:
    def gone() -> None:
        raise AbandonedError("gone")

    with pytest.raises(AbandonedError):
        tree_interactions(
            tree_problem(chain(2), np.ones((2, 2))), table(np.zeros((1, 2))), replace(SETTINGS, check=gone)
        )


def test_weights_are_those_of_the_formulas() -> None:
    single, pair = single_weights(), pair_weights()

    for a in range(7):
        for c in range(7):
            m = a + c
            assert single[0, a, c] == pytest.approx(factorial(a - 1) * factorial(c) / factorial(m) if a else 0)
            assert single[1, a, c] == pytest.approx(-factorial(a) * factorial(c - 1) / factorial(m) if c else 0)
            rest = factorial(m - 1) if m else 1
            assert pair[0, a, c] == pytest.approx(factorial(a - 2) * factorial(c) / rest if a > 1 else 0)
            assert pair[1, a, c] == pytest.approx(-factorial(a - 1) * factorial(c - 1) / rest if a and c else 0)
            assert pair[2, a, c] == pytest.approx(factorial(a) * factorial(c - 2) / rest if c > 1 else 0)
