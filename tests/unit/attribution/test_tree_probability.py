from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.definition import shapley_by_definition
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
    table,
    tree_problem,
    tree_term,
)
from xaisvc.attribution import METHODS, plan
from xaisvc.attribution.tree_probability import explain_linked, linked_cells, why_not_linked
from xaisvc.attribution.tree_probability_kernel import _zeta
from xaisvc.errors import AbandonedError, AdditivityError, MethodNotApplicableError
from xaisvc.types import AdditiveModel, Attribution, Deadline, Players, Problem, Table, TreeTerm

if TYPE_CHECKING:
    from collections.abc import Callable

# Probabilities in float64: a few hundred roundings of numbers of size 1.
ROUNDING = 1e-12


def trees_of(seed: int, **more: int) -> AdditiveModel:
    return AdditiveModel(constant=0.25, terms=(tree_term(random_trees(seed, **more)),))


def explained(problem: Problem, rows: Table) -> Attribution:
    return explain_linked(problem, rows, SETTINGS, method="exact")


def by_definition(problem: Problem, rows: Table) -> np.ndarray:
    p = len(problem.players)
    return np.array([shapley_by_definition(game(problem, rows.take([i])), p) for i in range(len(rows))])


@pytest.mark.parametrize("players", [None, GROUPS], ids=["features", "groups"])
@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_random_trees_under_a_link_follow_the_definition(seed: int, classes: int, players: Players | None) -> None:
    problem = linked_problem(
        [trees_of(seed + 10 * i, depth=6) for i in range(classes)], rows_of(seed, 9), players=players
    )
    rows = table(rows_of(seed + 100, 4))
    found = explained(problem, rows)

    assert found.values == pytest.approx(by_definition(problem, rows), abs=ROUNDING)
    assert found.base_values == pytest.approx(np.full(4, problem.model(problem.background).mean()), abs=ROUNDING)
    assert found.base_values + found.values.sum(axis=1) == pytest.approx(problem.model(rows), abs=ROUNDING)
    assert found.exact
    assert not found.standard_errors.any()
    assert found.model_evaluations.tolist() == [1] * 4


@given(
    seed=st.integers(0, 10_000),
    trees=st.integers(1, 3),
    depth=st.integers(0, 4),
    backs=st.integers(1, 5),
    classes=st.integers(1, 2),
)
@settings(max_examples=25)
def test_any_small_trees_follow_the_definition(seed: int, trees: int, depth: int, backs: int, classes: int) -> None:
    sums = [trees_of(seed + i, trees=trees, depth=depth) for i in range(classes)]
    problem = linked_problem(sums, rows_of(seed + 1, backs))
    rows = table(rows_of(seed + 2, 1))

    assert explained(problem, rows).values == pytest.approx(by_definition(problem, rows), abs=ROUNDING)


def test_trees_and_linear_terms_under_a_link_follow_the_definition() -> None:
    both = AdditiveModel(constant=-1.0, terms=(tree_term(random_trees(4)), linear_term([0.5, 0.0, -2.0, 1.0])))
    line = AdditiveModel(constant=0.5, terms=(linear_term([0.0, 1.0, 0.0, -1.0]),))
    rows = table(rows_of(5, 3))

    for sums in ([both], [line], [line, both]):
        problem = linked_problem(sums, rows_of(4, 8))
        assert explained(problem, rows).values == pytest.approx(by_definition(problem, rows), abs=ROUNDING)


def test_paths_of_more_players_than_one_kind_follow_the_definition() -> None:
    # Deep conjunctions: nine players that only the row passes, or only the background row, or half of each.
    problem = linked_problem(
        [AdditiveModel(constant=-2.0, terms=(tree_term(chain(9, 5.0), 9),))],
        np.array([[1.0] * 9, [-1.0] * 9, [1.0, -1] * 4 + [1.0], [-1.0, 1] * 4 + [-1.0]]),
    )
    rows = table(np.array([[-1.0] * 9, [1.0] * 9, [-1.0] * 5 + [1.0] * 4]))

    assert explained(problem, rows).values == pytest.approx(by_definition(problem, rows), abs=ROUNDING)


def test_a_player_that_changes_nothing_gets_exactly_zero() -> None:
    # x1 has no test; x2 is tested, and both children are equal leaves.
    same = replace(chain(1, 3.0), column=np.array([2, -1, -1], dtype=np.int32), leaf_value=np.array([0.0, 3.0, 3.0]))
    model = AdditiveModel(constant=0.0, terms=(tree_term(chain(1, 2.0), 3), tree_term(same, 3)))
    problem = linked_problem([model], np.array([[1.0, 1, 1], [-1, 1, -1], [1, -1, 1]]))
    found = explained(problem, table(np.array([[-1.0, -1, -1]]))).values[0]

    assert found[1] == 0.0
    assert found[2] == pytest.approx(0.0, abs=1e-16)  # one rounding of the two leaves that cancel
    assert found[0] > 0.01


def test_a_row_like_all_of_the_background_gets_zeros() -> None:
    problem = linked_problem([trees_of(2)], np.zeros((3, WIDTH)))
    found = explained(problem, table(np.zeros((1, WIDTH))))

    assert found.values.tolist() == [[0.0] * WIDTH]
    assert found.base_values == pytest.approx(found.outputs, abs=ROUNDING)


def test_margins_beyond_what_exp_can_hold_give_probabilities_of_zero_and_one() -> None:
    far = AdditiveModel(constant=-800.0, terms=(tree_term(chain(2, 1600.0), 2),))
    background = np.ones((2, 2))

    for sums in ([far], [far, AdditiveModel(constant=0.0, terms=(linear_term([0.0, 1e-9]),))]):
        problem = linked_problem(sums, background)
        safe = replace(
            problem, model=lambda rows: (np.stack(list(rows.columns.values())) <= 0).all(axis=0).astype(float)
        )
        found = explained(safe, table(np.zeros((1, 2))))
        assert found.values == pytest.approx(np.array([[0.5, 0.5]]), abs=ROUNDING)


def test_pieces_threads_company_and_repeated_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = linked_problem([trees_of(5, depth=5), trees_of(6, depth=5)], rows_of(5, 23))
    matrix = rows_of(6, 7)
    rows = table(np.concatenate([matrix, matrix[2:4]]))
    whole = explained(problem, rows)
    threaded = explain_linked(problem, rows, replace(SETTINGS, threads=2, max_batch_rows=3), method="exact")
    alone = explained(problem, rows.take([3]))
    monkeypatch.setattr("xaisvc.attribution.tree_probability._TESTS_AT_ONCE", 300)
    monkeypatch.setattr("xaisvc.attribution.tree_probability._CELLS_AT_ONCE", 8)
    pieces = explained(problem, rows)

    assert (threaded.values == whole.values).all()
    assert (alone.values[0] == whole.values[3]).all()
    assert (whole.values[7:] == whole.values[2:4]).all()
    assert pieces.values == pytest.approx(whole.values, abs=ROUNDING)
    assert pieces.base_values == pytest.approx(whole.base_values, abs=ROUNDING)


def test_what_the_rows_do_not_change_is_kept_for_each_set_of_players() -> None:
    kept: dict[str, object] = {}
    sizes: list[int] = []

    class Store:
        def keep(self, key: str, make: Callable[[], object], n_bytes: Callable[[object], int]) -> object:
            if key not in kept:
                kept[key] = make()
                sizes.append(n_bytes(kept[key]))
            return kept[key]

        def keep_arrays(self, key: str, make: Callable[[], object]) -> object:
            raise NotImplementedError

    problem = linked_problem([trees_of(0)], rows_of(0, 9))
    stored = replace(problem, plans=Store())  # type: ignore[arg-type]
    rows = table(rows_of(1, 2))
    first, second = explained(stored, rows), explained(stored, rows)
    grouped = explained(replace(stored, players=GROUPS), rows)

    assert (first.values == explained(problem, rows).values).all()
    assert (second.values == first.values).all()
    assert grouped.values.shape == (2, 2)
    assert len(kept) == 2
    assert min(sizes) > 9 * 4  # at least one byte for each test of each background row


def test_no_rows_give_no_values() -> None:
    found = explained(linked_problem([trees_of(0)], rows_of(0, 5)), table(np.empty((0, WIDTH))))

    assert found.values.shape == (0, WIDTH)


def test_the_transform_sums_over_all_subsets() -> None:
    for k in range(6):
        numbers = np.random.default_rng(k).normal(size=2**k)
        found = numbers.copy()
        _zeta(found, k)
        expected = [sum(numbers[t] for t in range(2**k) if t & s == t) for s in range(2**k)]
        assert found == pytest.approx(expected, abs=ROUNDING)


def test_work_that_nobody_waits_for_stops() -> None:
    def gone() -> None:
        raise AbandonedError("gone")

    problem = linked_problem([trees_of(0)], rows_of(0, 5))
    with pytest.raises(AbandonedError):
        explain_linked(problem, table(rows_of(1, 1)), replace(SETTINGS, check=gone), method="exact")


def test_a_model_that_answers_otherwise_is_refused() -> None:
    problem = linked_problem([trees_of(0)], rows_of(0, 5))
    wrong = replace(problem, model=lambda rows: problem.model(rows) * 0.5)

    with pytest.raises(AdditivityError, match="so the values are not returned"):
        explained(wrong, table(rows_of(1, 1)))


def _wide(width: int, backs: int) -> Problem:
    """A logistic model that depends on `width` players."""
    line = AdditiveModel(constant=0.0, terms=(linear_term([0.1] * width),))
    return linked_problem([line], np.random.default_rng(0).normal(size=(backs, width)))


class TestLimits:
    def test_players_that_the_model_depends_on_are_counted(self) -> None:
        assert linked_cells(_wide(5, 3)) == 2**5 * 3
        ignored = linked_problem(
            [AdditiveModel(constant=0.0, terms=(linear_term([0.1] * 5 + [0.0] * 30),))], np.ones((3, 35))
        )
        assert linked_cells(ignored) == 2**5 * 3
        assert why_not_linked(ignored) == ""
        assert METHODS["exact"].why_not(ignored) == ""

    def test_too_many_players_are_refused_with_the_way_out(self) -> None:
        assert why_not_linked(_wide(20, 128)) == ""
        assert METHODS["exact"].why_not(_wide(21, 1)) == (
            "the model depends on 21 players, and 2^21 coalitions are too many: the exact values of a probability stop "
            "at 20 players; group them, or ask for space 'log_odds'"
        )

    def test_too_much_work_is_refused_before_any_is_done(self) -> None:
        problem = _wide(20, 129)
        reason = (
            "20 players that the model depends on and 129 background rows need 135,266,304 evaluations of the link for "
            "each explained row, and the exact values of a probability stop at 134,217,728; group players, or ask for "
            "space 'log_odds'"
        )
        assert why_not_linked(problem) == reason
        with pytest.raises(MethodNotApplicableError, match="135,266,304 evaluations"):
            explained(problem, table(np.zeros((1, 20))))

    def test_a_number_that_is_no_link_of_sums_has_no_such_values(self) -> None:
        problem = tree_problem(random_trees(0), rows_of(0, 5))

        assert why_not_linked(problem) == "the explained number is no link of sums of trees and linear terms"
        assert linked_cells(problem) == 0

    def test_a_column_that_mixes_players_is_named(self) -> None:
        mixed = TreeTerm(
            columns=tree_term(chain(1)).columns, owners=(frozenset({"x0", "x1"}), frozenset({"x1"})), trees=chain(1)
        )
        problem = linked_problem([AdditiveModel(constant=0.0, terms=(mixed,))], np.ones((2, 2)))

        assert "mixes the players 'x0', 'x1'" in why_not_linked(problem)

    def test_what_cannot_be_read_is_enumerated_by_the_model(self) -> None:
        mixed = TreeTerm(
            columns=tree_term(chain(2)).columns, owners=(frozenset({"x0", "x1"}), frozenset({"x1"})), trees=chain(2)
        )
        problem = linked_problem([AdditiveModel(constant=0.0, terms=(mixed,))], np.ones((2, 2)))
        found = METHODS["exact"].attribute(problem, table(np.zeros((1, 2))), replace(SETTINGS, row_seeds=(bytes(32),)))

        assert found.model_evaluations[0] > 1
        assert found.values == pytest.approx(by_definition(problem, table(np.zeros((1, 2)))), abs=ROUNDING)


class TestPlans:
    def test_a_boosted_probability_is_explained_exactly_whatever_the_budget(self) -> None:
        for budget in (None, 100):
            found = plan(_wide(16, 100), "auto", budget)
            assert found.method is METHODS["exact"]
            assert found.reason.startswith("auto chose 'exact': exact for this model")

    def test_beyond_what_is_affordable_it_is_sampled_and_the_reason_says_so(self) -> None:
        found = plan(_wide(18, 129), "auto", None)

        assert found.method is METHODS["kernel"]
        assert (
            "not exact: the exact values of this probability need 33,816,576 evaluations of the link for each row, and "
            "'auto' spends at most 33,554,432; ask for method 'exact' to have them all the same"
        ) in found.reason
        assert plan(_wide(18, 129), "exact", None).method is METHODS["exact"]

    def test_too_many_players_are_sampled_and_the_reason_says_so(self) -> None:
        found = plan(_wide(21, 1), "auto", None)

        assert found.method is METHODS["kernel"]
        assert "the model depends on 21 players" in found.reason

    def test_a_deadline_needs_a_method_that_can_stop_early(self) -> None:
        assert plan(_wide(16, 100), "auto", Deadline(0.1)).method is METHODS["kernel"]

    def test_the_exact_method_reads_the_sums_and_says_so(self) -> None:
        problem = linked_problem([trees_of(0), trees_of(1)], rows_of(0, 5))
        found = METHODS["exact"].attribute(problem, table(rows_of(1, 1)), SETTINGS)

        assert found.method == "exact"
        assert found.detail == (
            "all 2^4 coalitions of the 4 players that the model depends on over 5 background rows, read from 8 trees "
            "under the softmax link instead of from model rows"
        )
