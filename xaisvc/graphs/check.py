"""What must hold of the model nodes of a graph before a runtime may load it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.errors import UnsafeModelError
from xaisvc.graphs.graph import ML_DOMAIN, Graph
from xaisvc.graphs.scores import PAIR, TREE_OPS
from xaisvc.graphs.trees import check_trees_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from onnx import NodeProto

_CLASSIFIERS = frozenset({"TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"})


def check_trees(model: bytes) -> None:
    """Checks every tree ensemble and classifier node of a model, those of subgraphs and functions included.

    ONNX Runtime follows the children of a tree node without end if they go round in circles, and ends the process where
    a classifier has a single class label given as text. Nodes that no root reaches are left alone, as it does.

    Args:
        model: Serialized ONNX model.

    Raises:
        UnsafeModelError: If the bytes are not an ONNX model, a tree ensemble is malformed (lists of different lengths,
            a child that does not exist, a node that is its own ancestor, a path of more than 10,000 branches, a
            negative column), or a classifier has fewer than two class labels as text.
    """
    parsed = Graph.parse(model).model
    for node in _all_nodes((*parsed.graph.node, *(node for function in parsed.functions for node in function.node))):
        if node.domain != ML_DOMAIN:
            continue
        if node.op_type in TREE_OPS:
            check_trees_of(node)
        if node.op_type in _CLASSIFIERS:
            _check_labels(node)


def _all_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """The nodes and those of their subgraphs, however deep."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            waiting.extend(attribute.g.node)
            waiting.extend(inner for graph in attribute.graphs for inner in graph.node)


def _check_labels(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.name == "classlabels_strings" and len(attribute.strings) < PAIR:
            name = node.name or next((output for output in node.output if output), "")
            msg = (
                f"holds a {node.op_type}, '{name}', with {len(attribute.strings)} class labels as text, and ONNX "
                "Runtime needs two or more; give integer labels, or convert the model again"
            )
            raise UnsafeModelError(msg, file="model.onnx")
