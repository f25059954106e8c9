"""Which method is chosen, and in which words."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.attribution.games import matrix_problem, n_model_rows, normal, settings, table, twisted
from xaisvc.attribution import METHODS, plan
from xaisvc.errors import InvalidRequestError, MethodNotApplicableError
from xaisvc.types import (
    AdditiveModel,
    Deadline,
    ErrorTarget,
    LinearTerm,
    Players,
    Problem,
    Table,
    TreeEnsemble,
    TreeTerm,
)


def _problem(p: int, b: int = 10) -> Problem:
    return matrix_problem(twisted(p), normal(0, b, p))


def _matrix(rows: Table) -> np.ndarray:
    return np.column_stack(list(rows.columns.values())).astype(np.float64)


def _with_terms(problem: Problem, *terms: LinearTerm | TreeTerm) -> Problem:
    return Problem(
        model=problem.model,
        background=problem.background,
        players=problem.players,
        space=problem.space,
        additive=AdditiveModel(constant=0.0, terms=terms),
    )


def _linear_term(p: int) -> LinearTerm:
    return LinearTerm(columns=_matrix, owners=tuple(frozenset({f"x{j}"}) for j in range(p)), weights=np.ones(p))


def _tree_term(p: int) -> TreeTerm:
    stump = TreeEnsemble(
        roots=np.array([0], dtype=np.int32),
        column=np.array([0, -1, -1], dtype=np.int32),
        mode=np.array([1, 0, 0], dtype=np.int8),
        threshold=np.array([0.0, 0.0, 0.0]),
        true_child=np.array([1, -1, -1], dtype=np.int32),
        false_child=np.array([2, -1, -1], dtype=np.int32),
        missing_true=np.zeros(3, dtype=np.bool_),
        members={},
        leaf_value=np.array([0.0, 1.0, 2.0]),
    )
    return TreeTerm(columns=_matrix, owners=tuple(frozenset({f"x{j}"}) for j in range(p)), trees=stump)


class TestAuto:
    def test_a_linear_model_gets_the_closed_form(self) -> None:
        assert plan(_with_terms(_problem(4), _linear_term(4)), "auto", None).method is METHODS["linear"]

    def test_trees_get_the_tree_method(self) -> None:
        found = plan(_with_terms(_problem(4), _tree_term(4)), "auto", None)

        assert found.method is METHODS["tree"]
        assert found.reason.startswith("auto chose 'tree': exact for this model (not linear: ")

    def test_few_players_are_enumerated(self) -> None:
        found = plan(_problem(11), "auto", None)

        assert found.method is METHODS["exact"]
        assert found.reason.startswith("auto chose 'exact': exact for this model (not linear: ")

    def test_more_players_than_the_default_budget_covers_are_sampled(self) -> None:
        found = plan(_problem(12), "auto", None)

        assert found.method is METHODS["kernel"]
        assert "not exact: 12 players have 4,094 coalitions, and the budget is 2,072)." in found.reason

    @pytest.mark.parametrize(("budget", "name"), [(4094, "exact"), (4093, "kernel"), (100, "kernel")])
    def test_the_budget_decides_what_is_few(self, budget: int, name: str) -> None:
        assert plan(_problem(12), "auto", budget).method.name == name

    def test_an_error_target_takes_exact_values_where_they_are_affordable(self) -> None:
        assert plan(_problem(8), "auto", ErrorTarget(0.1)).method.name == "exact"
        assert plan(_problem(13), "auto", ErrorTarget(0.1)).method.name == "kernel"

    def test_a_deadline_needs_a_method_that_can_stop_early(self) -> None:
        found = plan(_problem(8), "auto", Deadline(0.1))

        assert found.method.name == "kernel"
        assert "not exact: enumeration cannot stop at a deadline" in found.reason

    def test_a_budget_that_an_exact_method_does_not_need_is_said(self) -> None:
        assert "the budget is not used" in plan(_problem(4), "auto", 100).reason
        assert "budget" not in plan(_problem(4), "auto", None).reason


class TestByName:
    @pytest.mark.parametrize("name", ["exact", "kernel", "permutation", "lime", "lime_reference"])
    def test_what_applies_is_taken(self, name: str) -> None:
        found = plan(_problem(4), name, None)

        assert found.method is METHODS[name]
        assert found.reason == f"'{name}' was asked for."

    def test_an_exact_method_says_that_it_does_not_use_the_budget(self) -> None:
        expected = "'exact' was asked for; it is exact, so the budget is not used."

        assert expected == plan(_problem(4), "exact", 100).reason

    def test_an_unknown_name_lists_the_known_ones(self) -> None:
        with pytest.raises(InvalidRequestError) as caught:
            plan(_problem(4), "shap", None)

        assert str(caught.value) == (
            "method: unknown method 'shap'; use one of: auto, linear, tree, exact, kernel, permutation, lime, "
            "lime_selected, lime_continuous, lime_reference"
        )
        assert caught.value.violations[0].reason == "UNKNOWN_METHOD"

    def test_what_does_not_apply_says_why_and_what_does(self) -> None:
        with pytest.raises(MethodNotApplicableError) as caught:
            plan(_problem(20), "exact", None)

        assert str(caught.value) == (
            "method: 'exact' does not apply here: 20 players have 2^20 coalitions, and enumeration stops at 14 "
            "players; use 'kernel', or 'auto' to have it chosen"
        )

    def test_who_wants_lime_is_pointed_to_lime(self) -> None:
        players = Players(names=("both",), members=(("x0", "x1"),), kind="custom")
        problem = matrix_problem(twisted(2), normal(0, 10, 2), players=players)

        with pytest.raises(
            MethodNotApplicableError, match="'both' is a group; use 'lime', or 'auto' to have it chosen"
        ):
            plan(problem, "lime_reference", None)

    @pytest.mark.parametrize("name", ["linear", "tree"])
    def test_graph_methods_need_a_graph(self, name: str) -> None:
        with pytest.raises(MethodNotApplicableError, match=f"'{name}' does not apply here: .*; use 'exact', or 'auto'"):
            plan(_problem(4), name, None)


class TestWorkLimitOfEnumeration:
    def test_players_times_background_is_bounded(self) -> None:
        assert METHODS["exact"].why_not(_problem(14, b=244)) == ""
        assert METHODS["exact"].why_not(_problem(14, b=245)) == (
            "14 players and 245 background rows need 4,014,080 model rows for each explained row, and enumeration "
            "stops at 4,000,000"
        )

    def test_it_is_enforced_before_any_work(self) -> None:
        problem = _problem(15)
        rows = table(normal(1, 1, 15))

        with pytest.raises(MethodNotApplicableError, match="'exact' cannot be used: 15 players have 2\\^15 coalitions"):
            METHODS["exact"].attribute(problem, rows, settings(rows))
        assert n_model_rows(problem) == 0
