"""Random trees of ai.onnx.ml 5 with tests of sets, of the kinds that ONNX Runtime keeps apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from tests.unit.graphs.hand_made import ML, graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MEMBER = 6
MODES = (0, 1, 2, 3, 4, 5, MEMBER, MEMBER, MEMBER, MEMBER)
VALUES = np.array([*(np.arange(-10, 16) / 2), 0.3, 29, 30, 30.5, 31, 31.5, 33, 40.2, 1e10, -1e10, np.inf, -np.inf])


class SetTrees:
    """Random trees over `width` columns; a test of a set may stand on either side of another one.

    Attributes:
        sets: Members of each BRANCH_MEMBER node, in the order of nodes.
    """

    def __init__(self, seed: int, *, trees: int = 3, depth: int = 4, width: int = 3, double: bool = False) -> None:
        self._rng = np.random.default_rng(seed)
        self._double = double
        self.width = width
        self.sets: list[list[float]] = []
        self._nodes: list[tuple[Any, ...]] = []
        self._leaves: list[float] = []
        self._roots = [self._grow(depth) for _ in range(trees)]

    def _set(self) -> list[float]:
        """Members in any order, some twice: small numbers, fractions, negative or larger ones, many."""
        rng, kind = self._rng, self._rng.integers(5)
        if kind == 0:
            found = rng.integers(0, 7, size=rng.integers(1, 4)).astype(np.float64)
        elif kind == 1:
            found = rng.integers(0, 14, size=rng.integers(1, 4)) / 2
        elif kind == 2:
            found = rng.integers(-4, 40, size=rng.integers(1, 6)).astype(np.float64)
        elif kind == 3:
            found = rng.permutation(35)[: rng.integers(28, 35)].astype(np.float64)
        else:
            found = np.append(rng.integers(-2, 6, size=2), 10**9).astype(np.float64)
        return [float(value) for value in found]

    def _grow(self, depth: int) -> int:
        place = len(self._nodes)
        self._nodes.append(())
        mode = int(self._rng.choice(MODES))
        if mode == MEMBER:
            self.sets.append(self._set())
        children: list[int] = []
        for _ in range(2):
            if depth > 1 and self._rng.random() < 0.7:
                children += [self._grow(depth - 1), 0]
            else:
                children += [len(self._leaves), 1]
                self._leaves.append(float(np.float32(self._rng.normal())))
        column, split = int(self._rng.integers(self.width)), float(self._rng.integers(-4, 14) / 2)
        self._nodes[place] = (mode, column, split, *children, int(self._rng.integers(2)))
        return place

    def node(self, *, missing: bool = True) -> NodeProto:
        """The TreeEnsemble node; without `missing` it does not say where missing values go."""
        kind = TensorProto.DOUBLE if self._double else TensorProto.FLOAT
        modes, columns, splits, true, true_leaf, false, false_leaf, tracks = zip(*self._nodes, strict=True)
        count = len(modes)
        members = [value for values in self.sets for value in [*values, np.nan]]
        more: dict[str, Any] = {"nodes_missing_value_tracks_true": tracks} if missing else {}
        if members:
            more["membership_values"] = helper.make_tensor("b", kind, [len(members)], members)
        return helper.make_node(
            "TreeEnsemble",
            ["X"],
            ["Y"],
            domain=ML,
            n_targets=1,
            aggregate_function=1,
            post_transform=0,
            tree_roots=self._roots,
            nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [count], modes),
            nodes_featureids=columns,
            nodes_splits=helper.make_tensor("s", kind, [count], splits),
            nodes_truenodeids=true,
            nodes_trueleafs=true_leaf,
            nodes_falsenodeids=false,
            nodes_falseleafs=false_leaf,
            leaf_targetids=[0] * len(self._leaves),
            leaf_weights=helper.make_tensor("w", kind, [len(self._leaves)], self._leaves),
            **more,
        )

    def rows(self, count: int, *, missing: float = 0.1) -> NDArray[Any]:
        """Values at, near and far from the members, some missing."""
        x = self._rng.choice(VALUES, size=(count, self.width))
        x[self._rng.random(x.shape) < missing] = np.nan
        return x.astype(np.float64 if self._double else np.float32)


def set_model(nodes: Sequence[NodeProto], width: int, *, double: bool = False, output: str = "Y") -> bytes:
    """A model of one matrix X."""
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
    return graph(nodes, {"X": (kind, [None, width])}, [output], ml_version=5)
