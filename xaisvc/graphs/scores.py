"""What a tree or linear node computes before and after its link, column by column, as ONNX Runtime does it.

The ONNX text leaves much open for two classes; these rules were taken from what ONNX Runtime answers (they are tested
against it): one score for two classes becomes `[-s, s]`, or `[1 - s, s]` if no tree weight is negative; LOGISTIC makes
it `[sigmoid(-s), sigmoid(s)]`; SOFTMAX is not applied to a single score; a regressor with one target ignores every link
but PROBIT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from xaisvc.graphs.graph import (
    ML_DOMAIN,
    attributes,
    class_labels,
    floats_attribute,
    int_attribute,
    ints_attribute,
    text_attribute,
)

if TYPE_CHECKING:
    from onnx import NodeProto

Link: TypeAlias = Literal["none", "logistic", "softmax"]

TREE_OPS = frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble"})
LINEAR_OPS = frozenset({"LinearClassifier", "LinearRegressor"})
CLASSIFIER_OPS = frozenset({"TreeEnsembleClassifier", "LinearClassifier"})
PAIR = 2
"""Number of classes that makes a classifier binary."""


@dataclass(frozen=True, slots=True)
class ScoreColumn:
    """One column of a node's scores before the link: `offset + scale * score[target]`.

    Attributes:
        target: Which of the node's sums it shows; None if the column is constant.
        scale: 1 or -1.
        offset: Constant added.
    """

    target: int | None
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeScores:
    """The scores of one tree or linear node.

    Attributes:
        tensor: The output tensor that holds them.
        link: Function applied to the columns; what ONNX Runtime does, not what the attribute says.
        columns: The columns before the link.
        bare: Target to the column that shows its sum unchanged once `post_transform` is NONE.
    """

    tensor: str
    link: Link
    columns: tuple[ScoreColumn, ...]
    bare: dict[int, int]


def is_model_node(node: NodeProto | None) -> bool:
    """Whether a node is a tree ensemble or a linear model of ai.onnx.ml."""
    return node is not None and node.domain == ML_DOMAIN and node.op_type in TREE_OPS | LINEAR_OPS


def read_scores(node: NodeProto) -> NodeScores | str:
    """Reads the layout of a node's scores.

    Returns:
        The layout, or one sentence why the node's numbers are not sums behind a known link.
    """
    transform = _transform(node)
    if node.op_type in TREE_OPS and aggregate_function(node) in {"MIN", "MAX"}:
        return f"aggregate_function {aggregate_function(node)} is not a sum"
    if node.op_type in CLASSIFIER_OPS:
        return _classifier(node, transform)
    targets = int_attribute(node, "targets" if node.op_type == "LinearRegressor" else "n_targets", 1)
    if targets < 1:
        return f"{node.op_type} has no targets"
    if node.op_type == "TreeEnsemble" and targets > 1 and transform != "NONE":
        return f"the ONNX standard and ONNX Runtime read post_transform {transform} of TreeEnsemble in different ways"
    link = "none" if targets == 1 and transform != "PROBIT" else _link(transform)
    if link is None:
        return f"post_transform {transform} is not a link that can be taken off"
    columns = tuple(ScoreColumn(target) for target in range(targets))
    return NodeScores(node.output[0], link, columns, {target: target for target in range(targets)})


def _classifier(node: NodeProto, transform: str) -> NodeScores | str:
    labels = len(class_labels(node))
    link = _link(transform)
    if link is None:
        return f"post_transform {transform} is not a link that can be taken off"
    if len(node.output) < PAIR or not node.output[1]:
        return f"{node.op_type} gives labels only"
    tensor = node.output[1]
    if node.op_type == "LinearClassifier":
        return _linear_classifier(tensor, labels, len(floats_attribute(node, "intercepts")), link)
    if labels == 1:
        return _single(tensor, labels, link, positive=True)
    if labels != PAIR:
        return _plain_columns(tensor, labels, link)
    return _two_classes(node, tensor, sorted(set(ints_attribute(node, "class_ids") or [])), link)


def _linear_classifier(tensor: str, labels: int, rows: int, link: Link) -> NodeScores | str:
    if not rows:
        return "LinearClassifier without intercepts cannot be run"
    # ONNX Runtime shows a lone score as it is, or as a pair [1 - s, s].
    return _single(tensor, labels, link, positive=True) if rows == 1 else _plain_columns(tensor, rows, link)


def _plain_columns(tensor: str, width: int, link: Link) -> NodeScores:
    return NodeScores(tensor, link, tuple(ScoreColumn(i) for i in range(width)), {i: i for i in range(width)})


def _single(tensor: str, labels: int, link: Link, *, positive: bool) -> NodeScores:
    """One score s, shown alone (one label or none) or as a pair."""
    if labels != PAIR:
        return NodeScores(tensor, "none", (ScoreColumn(0),), {0: 0})
    applied: Link = "logistic" if link == "logistic" else "none"
    mirror = ScoreColumn(0, -1.0, 1.0 if positive and applied == "none" else 0.0)
    return NodeScores(tensor, applied, (mirror, ScoreColumn(0)), {0: 1})


def _two_classes(node: NodeProto, tensor: str, targets: list[int], link: Link) -> NodeScores | str:
    weights, base = class_weights(node), base_values(node)
    if not targets or targets[-1] >= PAIR or targets[0] < 0:
        return "TreeEnsembleClassifier gives weights to classes that it does not have"
    if base.size == PAIR or (base.size and targets == [1]):
        return "ONNX Runtime does not add the base_values of this two-class TreeEnsembleClassifier to its trees' sums"
    if targets == [0]:
        return _single(tensor, PAIR, link, positive=bool((weights >= 0).all()))
    if (link != "logistic" or 0 in targets) and not always_scores(node, 1):
        return "some rows get no weight for the second class, which ONNX Runtime treats in another way"
    if targets == [1]:
        return NodeScores(tensor, link, (ScoreColumn(None), ScoreColumn(1)), {1: 1})
    return _plain_columns(tensor, PAIR, link)


def always_scores(node: NodeProto, target: int) -> bool:
    """Whether at least one tree of the list form gives every row a weight for a class or target."""
    prefix = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    trees = np.asarray(ints_attribute(node, "nodes_treeids") or [], dtype=np.int64)
    modes = next((list(a.strings) for a in node.attribute if a.name == "nodes_modes"), [])
    is_leaf = np.array([mode == b"LEAF" for mode in modes], dtype=bool)
    if is_leaf.size != trees.size:
        return False
    ids = np.asarray(ints_attribute(node, f"{prefix}_ids") or [], dtype=np.int64)
    voting = np.asarray(ints_attribute(node, f"{prefix}_treeids") or [], dtype=np.int64)
    places = np.asarray(ints_attribute(node, f"{prefix}_nodeids") or [], dtype=np.int64)
    if not ids.size == voting.size == places.size:
        return False
    chosen = np.unique(np.stack([voting[ids == target], places[ids == target]]), axis=1)
    leaves, counts = np.unique(trees[is_leaf], return_counts=True)
    covered, votes = np.unique(chosen[0], return_counts=True)
    needed = dict(zip(leaves.tolist(), counts.tolist(), strict=True))
    return any(needed.get(tree) == vote for tree, vote in zip(covered.tolist(), votes.tolist(), strict=True))


def class_weights(node: NodeProto) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Leaf weights of a TreeEnsembleClassifier or TreeEnsembleRegressor; float64."""
    prefix = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    return _numbers(node, f"{prefix}_weights")


def base_values(node: NodeProto) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Base values of a tree node; float64, empty if it has none."""
    return _numbers(node, "base_values")


def _numbers(node: NodeProto, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A float attribute, or its `_as_tensor` form with doubles."""
    found = attributes_named(node, f"{name}_as_tensor")
    if found is not None:
        return np.asarray(found, dtype=np.float64).ravel()
    return floats_attribute(node, name)


def attributes_named(node: NodeProto, name: str) -> object | None:
    """One attribute as a plain value; None if the node does not have it."""
    from onnx import NodeProto as Proto  # noqa: PLC0415 (heavy: loaded when used)

    for attribute in node.attribute:
        if attribute.name == name:
            return attributes(Proto(attribute=[attribute]))[name]
    return None


def _link(transform: str) -> Link | None:
    links: dict[str, Link] = {"NONE": "none", "LOGISTIC": "logistic", "SOFTMAX": "softmax"}
    return links.get(transform)


def _transform(node: NodeProto) -> str:
    if node.op_type == "TreeEnsemble":
        names = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
        place = int_attribute(node, "post_transform", 0)
        return names[place] if 0 <= place < len(names) else "PROBIT"
    return text_attribute(node, "post_transform", "NONE")


def aggregate_function(node: NodeProto) -> str:
    """How a tree node joins its trees: SUM, AVERAGE, MIN or MAX."""
    if node.op_type == "TreeEnsemble":
        names = ("AVERAGE", "SUM", "MIN", "MAX")
        place = int_attribute(node, "aggregate_function", 1)
        return names[place] if 0 <= place < len(names) else "MAX"
    if node.op_type == "TreeEnsembleRegressor":
        return text_attribute(node, "aggregate_function", "SUM")
    return "SUM"


def bare_copy(node: NodeProto, suffix: str) -> NodeProto:
    """A copy of a node without its link, with `suffix` added to the names of its outputs."""
    from onnx import NodeProto as Proto  # noqa: PLC0415 (heavy: loaded when used)

    copy = Proto()
    copy.CopyFrom(node)
    copy.name = f"{node.name}{suffix}"
    kept = [attribute for attribute in node.attribute if attribute.name != "post_transform"]
    del copy.attribute[:]
    copy.attribute.extend(kept)
    renamed = [name + suffix if name else "" for name in node.output]
    del copy.output[:]
    copy.output.extend(renamed)
    return copy
