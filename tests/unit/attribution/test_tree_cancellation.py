"""Trees that cancel: leaves far larger than the output they leave over."""

from __future__ import annotations

import time

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.oracle.onnx_models import bind, enumerate_shapley, matrix_features, table
from xaisvc.attribution.tree import TreeMethod
from xaisvc.attribution.tree_cells import read_cells
from xaisvc.attribution.tree_plan import TreePlan, make_arrays
from xaisvc.attribution.tree_steady import are_steady
from xaisvc.types import Settings, TreeTerm

SETTINGS = Settings(budget=None, seed=0, row_seeds=(), clock=time.monotonic)


def _stumps(unit: float, big: float) -> bytes:
    """(big - big + unit) if x0 > 0 else unit, and unit if x1 > 0 in a tree of its own; float64."""
    leaves = np.array([0.0, big, unit, -big, 0.0, unit])
    node = helper.make_node(
        "TreeEnsemble", ["X"], ["Y"], domain="ai.onnx.ml", n_targets=1, aggregate_function=1, post_transform=0,
        nodes_featureids=[0, 0, 1], nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [3], [0, 0, 0]),
        nodes_splits=numpy_helper.from_array(np.zeros(3)), tree_roots=[0, 1, 2],
        nodes_truenodeids=[0, 2, 4], nodes_falsenodeids=[1, 3, 5], nodes_trueleafs=[1] * 3, nodes_falseleafs=[1] * 3,
        leaf_targetids=[0] * 6, leaf_weights=numpy_helper.from_array(leaves),
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, 2])],
        [helper.make_tensor_value_info("Y", TensorProto.DOUBLE, [None, 1])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


@pytest.mark.parametrize(("unit", "big"), [(1.0, 1e3), (1.0, 1e6), (1e-6, 0.1), (1e-6, 100.0)])
def test_trees_that_cancel_are_as_exact_as_the_definition(unit: float, big: float) -> None:
    model = _stumps(unit, big)
    background = table(np.random.default_rng(0).normal(size=(7, 2)))
    rows = table(np.array([[1.0, 1.0], [-1.0, 1.0]]))
    problem = bind(model, background, features=matrix_features(model, 2))

    found = TreeMethod().attribute(problem, rows, SETTINGS).values

    for i in range(2):
        expected = enumerate_shapley(problem, rows.take(slice(i, i + 1)))
        assert np.abs(found[i] - expected).max() <= 1e-6 * unit  # `unit` is the spread of each tree pair


@pytest.mark.parametrize(("unit", "big"), [(1.0, 1e3), (1e-6, 0.1)])
def test_tables_of_such_trees_would_be_wrong(unit: float, big: float) -> None:
    """What walking them is for: the same trees through tables, as if they were steady."""
    model = _stumps(unit, big)
    background = table(np.random.default_rng(0).normal(size=(7, 2)))
    problem = bind(model, background, features=matrix_features(model, 2))
    assert problem.additive is not None
    term = next(term for term in problem.additive.terms if isinstance(term, TreeTerm))
    matrix = np.asarray(term.columns(background), dtype=np.float64)
    leaves = [np.flatnonzero(term.trees.leaf_value).astype(np.int32)]

    cells = read_cells(term.trees, double=True)

    assert not are_steady(term.trees, term.trees.leaf_value[None], leaves, matrix, cells)
    assert TreePlan(make_arrays(term.trees, term.trees.leaf_value[None], np.arange(2), matrix, double=True)).trees == 0


def test_numbers_beyond_float32_are_walked_and_right() -> None:
    model = _stumps(1e-42, 0.0)
    background = table(np.random.default_rng(0).normal(size=(7, 2)))
    row = table(np.array([[1.0, 1.0]]))
    problem = bind(model, background, features=matrix_features(model, 2))

    found = TreeMethod().attribute(problem, row, SETTINGS).values

    expected = enumerate_shapley(problem, row)
    assert np.abs(found[0] - expected).max() <= 1e-6 * np.abs(expected).max()
