"""Which tensors hold finite numbers in every row, so that a product with zero is zero.

Converters write a column of ones as a column times zero, plus one; binning of several columns shares one such column.
Of a number that may be missing or infinite that is no proof, since both times zero are no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.graph import ML_DOMAIN, Graph, int_attribute
from xaisvc.graphs.rearrange import data_operands

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

_MOVES = frozenset(
    {"Identity", "Concat", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Gather", "Slice", "Split", "Transpose"}
    | {"ArrayFeatureExtractor", "FeatureVectorizer"}
)
_FLOAT, _DOUBLE, _STRING = 1, 11, 8
_WIDE = frozenset({_FLOAT, _DOUBLE})
"""Element types that hold every number that a row may have."""


class Finite:
    """Follows copies of the inputs through a graph, node by node in its order.

    Args:
        graph: The graph.
        is_finite: Whether all features behind a tensor have a finite number of float32's range in every row.
    """

    def __init__(self, graph: Graph, is_finite: Callable[[str], bool]) -> None:
        self._graph = graph
        self._is_finite = is_finite
        self._copies = {name for name in graph.inputs if graph.element(name) not in {0, _STRING}}
        self._imputed: set[str] = set()

    def follow(self, node: NodeProto) -> None:
        """Takes note of a node's outputs."""
        if node.op_type == "Imputer" and node.domain == ML_DOMAIN:
            if node.input[0] in self._copies | self._imputed and _leaves_none(node):
                self._imputed.update(node.output)
            return
        is_move = node.op_type in _MOVES or (node.op_type == "Cast" and int_attribute(node, "to", 0) in _WIDE)
        names = data_operands(self._graph, node) if is_move and node.input else []
        for kept in (self._copies, self._imputed):
            if names and all(name in kept for name in names):
                kept.update(node.output)

    def is_zero(self, node: NodeProto) -> bool:
        """Whether a node multiplies a finite number with zero."""
        if node.op_type != "Mul" or node.domain not in {"", "ai.onnx"}:
            return False
        constants = [self._graph.constant(name) for name in node.input]
        if not any(constant is not None and not np.any(constant) for constant in constants):
            return False
        others = [name for name, constant in zip(node.input, constants, strict=True) if constant is None]
        return all(name in self._imputed or (name in self._copies and self._is_finite(name)) for name in others)


def _leaves_none(node: NodeProto) -> bool:
    """Whether an imputer takes every missing number away, and puts finite ones in."""
    replaced = next((a.f for a in node.attribute if a.name == "replaced_value_float"), 0.0)
    imputed = next((list(a.floats) for a in node.attribute if a.name == "imputed_value_floats"), [])
    return bool(np.isnan(replaced)) and bool(imputed) and bool(np.isfinite(imputed).all())
