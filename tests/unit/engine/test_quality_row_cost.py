from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.unit.attribution.tree_problems import random_trees, rows_of, sum_problem, tree_term
from xaisvc.engine.quality import row_cost
from xaisvc.engine.quality.row_cost import FEWEST_MODEL_ROWS, MOST_MODEL_ROWS, affordable_model_rows
from xaisvc.types import AdditiveModel, LinkedModel, TreeTerm

TREES = b"... TreeEnsembleRegressor ..."
SUM = AdditiveModel(constant=0.0, terms=(tree_term(random_trees(0)), tree_term(random_trees(1))))
PROBLEM = sum_problem(SUM, rows_of(2, 9))


def branches() -> float:
    """On the way to a leaf of each tree, added tree by tree, were all balanced and of the mean size."""
    total = 0.0
    for term in SUM.terms:
        assert isinstance(term, TreeTerm)
        trees = term.trees
        for _ in trees.roots:
            total += math.log2(len(trees.column) / len(trees.roots) + 1)
    return total


def test_a_call_passes_as_many_branches_whatever_the_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_cost, "BRANCHES", 1_000_000 * branches())

    assert affordable_model_rows(PROBLEM, TREES) == pytest.approx(1_000_000, abs=1)
    linked = replace(PROBLEM, additive=None, linked=LinkedModel(sums=(SUM,)))
    assert affordable_model_rows(linked, TREES) == pytest.approx(1_000_000, abs=1)


@pytest.mark.parametrize(("factor", "expected"), [(1.0, FEWEST_MODEL_ROWS), (1e9, MOST_MODEL_ROWS)])
def test_it_has_bounds(monkeypatch: pytest.MonkeyPatch, factor: float, expected: int) -> None:
    monkeypatch.setattr(row_cost, "BRANCHES", factor * branches())

    assert affordable_model_rows(PROBLEM, TREES) == expected


def test_trees_that_cannot_be_read_get_the_fewest_and_other_models_the_most() -> None:
    assert affordable_model_rows(replace(PROBLEM, additive=None), TREES) == FEWEST_MODEL_ROWS
    assert affordable_model_rows(replace(PROBLEM, additive=None), b"Gemm") == MOST_MODEL_ROWS
