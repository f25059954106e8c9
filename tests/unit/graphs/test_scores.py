"""What ONNX Runtime makes of scores, classes, base values and links: each rule that is relied on, seen to hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper

from tests.unit.graphs.hand_made import ML, Grove, matrix_graph, run, stump, version_5
from xaisvc.graphs.scores import NodeScores, bare_copy, read_scores
from xaisvc.graphs.trees import read_trees

X = np.array([[0.0], [2.0], [0.5]], dtype=np.float32)
# Scores below 3 in float32.
ROUNDING = 1e-6


def half_weighted(class_id: int, **more: Any) -> NodeProto:
    """A stump whose true leaf alone has a weight."""
    lists = {"class_treeids", "class_nodeids", "class_ids", "class_weights"}
    node = stump([0.4, 0.3], [class_id], 2, **more)
    kept = [attribute for attribute in node.attribute if attribute.name not in lists]
    del node.attribute[:]
    node.attribute.extend(kept)
    votes = {"class_treeids": [0], "class_nodeids": [1], "class_ids": [class_id], "class_weights": [0.4]}
    node.attribute.extend(helper.make_attribute(name, value) for name, value in votes.items())
    return node


def linear(coefficients: list[float], intercepts: list[float], labels: int, **more: Any) -> NodeProto:
    classes = {"classlabels_ints": list(range(labels))} if labels else {}
    return helper.make_node(
        "LinearClassifier",
        ["X"],
        ["label", "scores"],
        domain=ML,
        coefficients=coefficients,
        intercepts=intercepts,
        **classes,
        **more,
    )


CLASSIFIERS = {
    "one mixed score": lambda **more: stump([-0.4, 0.3], [0], 2, **more),
    "one mixed score, base": lambda **more: stump([-0.4, 0.3], [0], 2, base_values=[0.1], **more),
    "one positive score": lambda **more: stump([0.4, 0.3], [0], 2, **more),
    "one positive score, base": lambda **more: stump([0.4, 0.3], [0], 2, base_values=[0.1], **more),
    "one score of the second class": lambda **more: stump([-0.4, 0.3], [1], 2, **more),
    "two scores": lambda **more: stump([-0.4, 0.5, 0.3, -0.2], [0, 1], 2, **more),
    "two scores, one base": lambda **more: stump([-0.4, 0.5, 0.3, -0.2], [0, 1], 2, base_values=[0.1], **more),
    "three scores": lambda **more: stump([-0.4, 0.5, 0.1, 0.3, -0.2, 0.2], [0, 1, 2], 3, **more),
    "three scores, base": lambda **more: stump(
        [-0.4, 0.5, 0.1, 0.3, -0.2, 0.2], [0, 1, 2], 3, base_values=[0.1, 0.2, 0.3], **more
    ),
    "three classes, two scored": lambda **more: stump([-0.4, 0.5, 0.3, -0.2], [0, 1], 3, **more),
    "one class": lambda **more: stump([-0.4, 0.3], [0], 1, **more),
    "linear, one row for two classes": lambda **more: linear([0.7], [0.1], 2, **more),
    "linear, one row": lambda **more: linear([0.7], [0.1], 0, **more),
    "linear, two rows": lambda **more: linear([-0.2, 0.7], [-0.1, 0.3], 2, **more),
    "linear, three rows": lambda **more: linear([-0.2, 0.7, 0.4], [-0.1, 0.3, 0.0], 3, **more),
}


def sums(node: NodeProto, target: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The sum behind a target, from the node's attributes."""
    if node.op_type == "LinearClassifier":
        lists = {a.name: np.array(a.floats) for a in node.attribute if a.floats}
        return X[:, 0] * lists["coefficients"][target] + lists["intercepts"][target]
    read = read_trees(node, target)
    leaves = read.trees.leaf_value[read.trees.mode == 0]
    return read.constant + np.where(X[:, 0] <= 1, leaves[0], leaves[1])


def linked(scores: NodeScores, raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if scores.link == "logistic":
        return 1 / (1 + np.exp(-raw))
    if scores.link == "softmax":
        return np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    return raw


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_columns_and_links_are_what_onnx_runtime_computes(name: str, transform: str) -> None:
    node = CLASSIFIERS[name](post_transform=transform)
    answers = run(matrix_graph([node], 1, ["scores"]), X, "scores")
    scores = read_scores(node)
    assert isinstance(scores, NodeScores)

    columns = [
        column.offset + (column.scale * sums(node, column.target) if column.target is not None else np.zeros(len(X)))
        for column in scores.columns
    ]
    expected = linked(scores, np.stack(columns, axis=1))

    assert expected == pytest.approx(answers, abs=ROUNDING)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_bare_copy_shows_each_sum_unchanged(name: str, transform: str) -> None:
    node = CLASSIFIERS[name](post_transform=transform)
    answers = run(matrix_graph([bare_copy(node, "_bare")], 1, ["scores_bare"]), X, "scores_bare")
    scores = read_scores(node)
    assert isinstance(scores, NodeScores)

    for target, column in scores.bare.items():
        assert answers[:, column] == pytest.approx(sums(node, target), abs=ROUNDING)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("targets", [1, 2])
def test_regressors(targets: int, transform: str) -> None:
    grove = Grove(2, targets=targets)
    node = grove.regressor(post_transform=transform, base_values=[0.5, -0.5][:targets])
    x = grove.rows(20)
    plain = run(matrix_graph([bare_copy(node, "_bare")], grove.width, ["Y_bare"]), x, "Y_bare").astype(np.float64)
    answers = run(matrix_graph([node], grove.width, ["Y"]), x, "Y")
    scores = read_scores(node)
    assert isinstance(scores, NodeScores)

    assert (scores.link == "none") == (targets == 1 or transform == "NONE")
    assert linked(scores, plain) == pytest.approx(answers, abs=ROUNDING)


REFUSED = {
    "probit": (stump([-0.4, 0.3], [0], 2, post_transform="PROBIT"), "PROBIT"),
    "softmax zero": (stump([-0.4, 0.3], [0], 2, post_transform="SOFTMAX_ZERO"), "SOFTMAX_ZERO"),
    "one score, two bases": (stump([-0.4, 0.3], [0], 2, base_values=[0.1, 0.2]), "base_values"),
    "score of the second class, base": (stump([-0.4, 0.3], [1], 2, base_values=[0.1]), "base_values"),
    "two scores, two bases": (stump([-0.4, 0.5, 0.3, -0.2], [0, 1], 2, base_values=[0.1, 0.2]), "base_values"),
    "second class, rows without a weight": (half_weighted(1), "get no weight for the second class"),
    "second class under a softmax": (half_weighted(1, post_transform="SOFTMAX"), "get no weight for the second class"),
    "unknown class": (stump([-0.4, 0.3], [5], 2), "classes that it does not have"),
    "maximum": (Grove(0).regressor(aggregate_function="MAX"), "MAX is not a sum"),
    "minimum": (Grove(0).regressor(aggregate_function="MIN"), "MIN is not a sum"),
    "maximum, version 5": (version_5(aggregate=3), "MAX is not a sum"),
    "link of version 5": (version_5(transform=1), "in different ways"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_sum_behind_a_known_link_is_refused_with_the_reason(name: str) -> None:
    node, reason = REFUSED[name]
    found = read_scores(node)

    assert isinstance(found, str)
    assert reason in found


def test_two_classes_need_a_weight_for_the_second_in_every_row() -> None:
    # One leaf votes for class 0 only and the other for class 1 only: ONNX Runtime then treats rows differently.
    node = stump([0.6, 0.4], [0], 2)
    lists = {"class_ids": [0, 1], "class_nodeids": [1, 2], "class_treeids": [0, 0]}
    kept = [attribute for attribute in node.attribute if attribute.name not in lists]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(helper.make_attribute(name, values) for name, values in lists.items())
    found = read_scores(node)

    assert isinstance(found, str)
    assert "no weight for the second class" in found
