"""Exact interventional SHAP values of tree ensembles, for raw features or groups of them, from the trees themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.linear import LinearPart, Matrices, chunks, finished, players_of_columns, why_not_additive
from xaisvc.attribution.masking import score
from xaisvc.errors import MethodNotApplicableError
from xaisvc.types import Attribution, LinearTerm, TreeMode, TreeTerm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Problem, Settings, Table, TreeEnsemble

    Matrix = NDArray[np.float32] | NDArray[np.float64]

_MOST_CELLS = 8_000_000
"""Largest number of pattern cells, rows times levels of the deepest tree, held at once: 9 bytes each, 72 MB."""


@dataclass(frozen=True, slots=True)
class TreeMethod:
    """Exact interventional SHAP values of a model read as trees, with or without linear terms beside them.

    A path of a tree is a set of conditions on columns. All conditions on columns of one player are one condition of
    that player, which holds or not for the explained row and for each background row; the Shapley values of this game
    have a closed form per leaf (see `tree_kernel`). Background rows with the same pattern at a leaf count together.
    The cost is rows times leaves times distinct patterns; memory is bounded whatever the number of rows.
    """

    name: str = field(default="tree", init=False)
    exact: bool = field(default=True, init=False)

    def why_not(self, problem: Problem) -> str:
        """Why the method cannot be used for a problem, one sentence; empty if it can."""
        if problem.additive is None:
            return problem.additive_reason or "the model is no sum of trees"
        terms = [term for term in problem.additive.terms if isinstance(term, TreeTerm)]
        if not terms:
            return "the model has no tree ensemble that depends on the row; method 'linear' explains it exactly"
        reason = why_not_additive(problem)
        if reason:
            return reason
        for term in terms:
            players = players_of_columns(term.owners, problem.players)
            most = _most_players(term.trees, players)
            limit = 62
            if most > limit:
                return f"a path of the trees tests {most} players, and at most {limit} are supported; use groups"
        return ""

    def attribute(self, problem: Problem, rows: Table, settings: Settings) -> Attribution:
        """Attributes the outputs of n rows.

        Args:
            problem: A model read as trees and linear terms, and its background.
            rows: n rows of raw features.
            settings: Only `max_batch_rows` matters: the method is exact and takes no budget.

        Returns:
            Values in the problem's space. `model_evaluations` is 1 per row: the row itself. The background goes through
            the preprocessing and the trees' conditions only, once per call.

        Raises:
            MethodNotApplicableError: If `why_not` is not empty.
            ModelOutputError: If a number is not finite.
            AdditivityError: If values and base value do not sum to the output.
        """
        reason = self.why_not(problem)
        if reason or problem.additive is None:
            raise MethodNotApplicableError.of("method", reason, "METHOD_NOT_APPLICABLE")
        linear = LinearPart([term for term in problem.additive.terms if isinstance(term, LinearTerm)], problem)
        background = Matrices(problem.background)
        walks = [
            _Walk(term, players_of_columns(term.owners, problem.players), background)
            for term in problem.additive.terms
            if isinstance(term, TreeTerm)
        ]
        values = np.zeros((len(rows), len(problem.players)))
        outputs = np.zeros(len(rows))
        for chunk in chunks(len(rows), settings.max_batch_rows):
            part = rows.take(chunk)
            matrices = Matrices(part)
            linear.add(matrices, values[chunk])
            for walk in walks:
                walk.add(matrices, values[chunk])
            outputs[chunk] = score(problem, part, "explained rows")
        trees = sum(walk.trees for walk in walks)
        return finished(
            method=self.name,
            values=values,
            base=problem.additive.constant + linear.base + sum(walk.base for walk in walks),
            outputs=outputs,
            detail=(
                f"all {trees} trees of the ONNX graph enumerated leaf by leaf over {len(problem.background)} "
                "background rows"
            ),
        )


class _Walk:
    """One tree term made ready for the kernel.

    Attributes:
        trees: Number of trees.
        base: Mean of the term over the background, in output units.
    """

    def __init__(self, term: TreeTerm, players: NDArray[np.int64], background: Matrices) -> None:
        self._term = term
        self._needed = int(term.trees.column.max(initial=-1)) + 1
        self._players = players
        self._depth = _depth(term.trees)
        self._members = _flat_members(term.trees)
        self._background = _compared(background(term.columns, self._needed))
        self.trees = int(term.trees.roots.size)
        nothing = np.zeros((0, self._background.shape[1]))
        self.base = self._run(nothing, np.zeros((0, 1 + int(players.max(initial=0)))))

    def add(self, matrices: Matrices, values: NDArray[np.float64]) -> None:
        """Adds the attributions of the term for n rows to `values`, float64, (n, p)."""
        self._run(_compared(matrices(self._term.columns, self._needed)), values)

    def _run(self, rows: NDArray[np.float64], values: NDArray[np.float64]) -> float:
        from xaisvc.attribution.tree_kernel import attribute_trees, weight_tables  # noqa: PLC0415 (heavy: loaded when used)

        trees = self._term.trees
        start, end, members = self._members
        gain, loss = weight_tables()
        most = max(1, _MOST_CELLS // (self._depth + 2))
        count = len(self._background)
        total = 0.0
        for chunk in chunks(len(rows), most) if len(rows) else [slice(0, 0)]:
            found = np.zeros((chunk.stop - chunk.start, values.shape[1]))
            total = 0.0
            for part in chunks(count, most):
                total += attribute_trees(
                    rows[chunk],
                    self._background[part],
                    self._players,
                    trees.roots,
                    trees.column,
                    trees.mode,
                    trees.threshold.astype(np.float64),
                    trees.true_child,
                    trees.false_child,
                    trees.missing_true,
                    start,
                    end,
                    members,
                    trees.leaf_value,
                    self._depth,
                    gain,
                    loss,
                    found,
                )
            values[chunk] += found / count
        return total / count


def _compared(matrix: Matrix) -> NDArray[np.float64]:
    """The numbers as ONNX Runtime compares them: double stays double, everything else is rounded to float32 first."""
    exact = matrix if matrix.dtype == np.float64 else matrix.astype(np.float32)
    return np.ascontiguousarray(exact, dtype=np.float64)


def _depth(trees: TreeEnsemble) -> int:
    """Branches on the longest path."""
    level = trees.roots[trees.mode[trees.roots] != TreeMode.LEAF]
    depth = 0
    while level.size:
        depth += 1
        below = np.concatenate([trees.true_child[level], trees.false_child[level]])
        level = below[trees.mode[below] != TreeMode.LEAF]
    return depth


def _flat_members(trees: TreeEnsemble) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The sets of MEMBER tests as one array, with start and end per node."""
    start = np.zeros(trees.mode.size, dtype=np.int64)
    end = np.zeros(trees.mode.size, dtype=np.int64)
    values: list[float] = []
    for node, members in trees.members.items():
        start[node] = len(values)
        values.extend(sorted(members))
        end[node] = len(values)
    return start, end, np.array(values, dtype=np.float64)


def _most_players(trees: TreeEnsemble, players: NDArray[np.int64]) -> int:
    """Largest number of players tested on one path, or an upper bound of it that is small."""
    tested = trees.column[trees.column >= 0]
    bound = min(_depth(trees), np.unique(players[tested]).size)
    small = 62
    if bound <= small:
        return int(bound)
    most = 0
    waiting: list[tuple[int, frozenset[int]]] = [(int(root), frozenset()) for root in trees.roots]
    while waiting:
        node, seen = waiting.pop()
        if trees.mode[node] == TreeMode.LEAF:
            most = max(most, len(seen))
            continue
        player = int(players[trees.column[node]])
        on_path = seen if player < 0 else seen | {player}
        waiting.extend((int(child), on_path) for child in (trees.true_child[node], trees.false_child[node]))
    return most
