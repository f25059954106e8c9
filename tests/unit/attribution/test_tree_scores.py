"""Scores of trees against the walk from the root, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.attribution.test_tree_tables import ensemble_of, random_tree
from tests.unit.graphs.hand_made import version_5
from xaisvc.attribution.additive import leaves_reached
from xaisvc.attribution.tree_scores import MOST_LEAVES, TreeScores
from xaisvc.graphs.trees import read_trees
from xaisvc.types import TreeEnsemble, TreeMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPARISONS = (TreeMode.LEQ, TreeMode.LT, TreeMode.GT, TreeMode.GTE)
WIDTH = 4


def walked(trees: TreeEnsemble, rows: NDArray[Any]) -> NDArray[np.float64]:
    """Sums of the leaves' values in the order of the trees."""
    values = trees.leaf_value[leaves_reached(trees, trees.roots, rows)]
    return np.asarray(np.cumsum(values, axis=1)[:, -1])


def scored(trees: TreeEnsemble, rows: NDArray[Any]) -> NDArray[np.float64]:
    scores = TreeScores.of(trees, double=rows.dtype == np.float64)
    assert scores is not None
    totals = np.zeros(len(rows))
    scores.add(rows, totals)
    return totals


def random_ensemble(rng: np.random.Generator, sizes: list[int]) -> TreeEnsemble:
    """Trees of so many branches with every comparison, thresholds that values hit and both ways for missing ones."""
    trees = ensemble_of([random_tree(rng, size, WIDTH, "any") for size in sizes])
    branches = trees.mode != TreeMode.LEAF
    return replace(
        trees,
        mode=np.where(branches, rng.choice(COMPARISONS, branches.size), TreeMode.LEAF).astype(np.int8),
        threshold=np.where(branches, rng.integers(-4, 5, branches.size) / 4, 0).astype(np.float32),
        missing_true=rng.random(branches.size) < 0.5,
    )


def on_edges(rng: np.random.Generator, count: int, dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """Rows on thresholds, right beside them, without end, of either zero, and missing."""
    x = (rng.integers(-5, 6, (count, WIDTH)) / 4).astype(dtype)
    beside = np.nextafter(x, rng.choice([-np.inf, np.inf], x.shape).astype(dtype))
    x = np.where(rng.random(x.shape) < 0.3, beside, x)
    for value in (np.nan, np.inf, -np.inf, -0.0):
        x[rng.random(x.shape) < 0.05] = value
    return x.astype(dtype)


@settings(max_examples=80)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.sampled_from([0, 1, 5, 30, 31, 32, 40, 63, 64, 150]), min_size=1, max_size=6),
    rows=st.sampled_from([1, 7, 255, 256, 257, 600]),
    double=st.booleans(),
)
def test_scores_are_those_of_the_walk(seed: int, sizes: list[int], rows: int, double: bool) -> None:  # noqa: FBT001  hypothesis passes it by name
    rng = np.random.default_rng(seed)
    trees = random_ensemble(rng, sizes)
    x = on_edges(rng, rows, np.float64 if double else np.float32)

    assert np.array_equal(scored(trees, x), walked(trees, x))


def test_the_comparison_sees_one_threshold() -> None:
    rng = np.random.default_rng(2)
    trees = random_ensemble(rng, [30, 40])
    x = on_edges(rng, 300, np.float32)
    moved = trees.threshold.copy()
    moved[trees.roots[0]] = np.nextafter(moved[trees.roots[0]], np.float32(np.inf))

    assert not np.array_equal(scored(replace(trees, threshold=moved), x), walked(trees, x))


def test_a_row_has_the_same_bits_in_any_company() -> None:
    rng = np.random.default_rng(4)
    trees = random_ensemble(rng, [30, 70, 5])
    x = on_edges(rng, 700, np.float32)
    together = scored(trees, x)

    assert np.array_equal(together[[0, 300, 699]], [scored(trees, x[i : i + 1])[0] for i in (0, 300, 699)])
    assert np.array_equal(together[::-1], scored(trees, np.ascontiguousarray(x[::-1])))


def test_totals_are_added_to_and_rows_left_as_they_are() -> None:
    rng = np.random.default_rng(5)
    trees = random_ensemble(rng, [9])
    x = on_edges(rng, 20, np.float32)
    x.setflags(write=False)
    scores = TreeScores.of(trees, double=False)
    assert scores is not None
    totals = np.full(20, 3.0)
    scores.add(x, totals)

    assert totals == pytest.approx(walked(trees, x) + 3.0, abs=1e-12)
    assert scores.n_bytes > 0


def test_a_tree_with_too_many_leaves_is_not_laid_out() -> None:
    rng = np.random.default_rng(6)
    assert TreeScores.of(random_ensemble(rng, [3, MOST_LEAVES - 1]), double=False) is not None
    assert TreeScores.of(random_ensemble(rng, [3, MOST_LEAVES]), double=False) is None


def test_other_tests_than_comparisons_are_not_laid_out() -> None:
    rng = np.random.default_rng(7)
    trees = random_ensemble(rng, [3])
    equal, endless = trees.mode.copy(), trees.threshold.copy()
    equal[trees.roots[0]], endless[trees.roots[0]] = TreeMode.EQ, np.inf

    assert TreeScores.of(trees, double=False) is not None
    assert TreeScores.of(replace(trees, mode=equal), double=False) is None
    assert TreeScores.of(replace(trees, threshold=endless), double=False) is None
    assert TreeScores.of(read_trees(version_5(), 0).trees, double=False) is None
