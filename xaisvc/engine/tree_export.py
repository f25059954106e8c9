"""Writes the exact explainer of a sum of trees and linear terms as a graph that runs without xaisvc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution import METHODS
from xaisvc.attribution.linear import Matrices, players_of_columns
from xaisvc.attribution.tree_plan import DEFAULT_BYTES, make_arrays
from xaisvc.attribution.tree_walk import compared
from xaisvc.engine.tree_graph import MOST_GRAPH_BYTES
from xaisvc.errors import BundleError, InvalidRequestError
from xaisvc.graphs import NotAdditive, UncutError, read_additive
from xaisvc.graphs.tree_blocks import entries_bytes, lay_out_tables
from xaisvc.graphs.tree_model import LinearPart, TreePart, tree_explainer_model
from xaisvc.types import TreeTerm

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.types import Output, Players, Space, TreeEnsemble

PACKS = 2
"""Packs of subtrees in one step: on a CPU the numbers of a step should stay in the second-level cache."""


def exact_explainer_graph(
    loaded: LoadedBundle, output: Output, space: Space, players: Players, *, most_bytes: int = DEFAULT_BYTES
) -> ModelProto:
    """Makes one graph of a model and its exact attributions.

    Args:
        loaded: The bundle.
        output: The output.
        space: Unit of the numbers.
        players: Who shares the credit, p parties.
        most_bytes: Bound on the tables of one tree term, and so about the size of the file.

    Returns:
        A graph that reads n rows as the model does, with outputs in the order of `tree_explainer_model`: `values`,
        `standard_errors`, `base_values` and `outputs`.

    Raises:
        InvalidRequestError: If neither method `tree` nor `linear` can be used, or some trees are too large for tables.
        BundleError: If the model is older than the nodes that are needed.
    """
    problem = loaded.problem(output, space, players)
    reasons = [METHODS[name].why_not(problem) for name in ("tree", "linear")]
    description = loaded.bundle.description
    graph = read_additive(loaded.bundle.model, output, space, description.sources, finite=description.finite)
    if problem.additive is None or isinstance(graph, NotAdditive) or all(reasons):
        raise InvalidRequestError.of("method", f"no exact explainer can be written: {reasons[0]}")
    base = problem.additive.constant
    parts: list[TreePart | LinearPart] = []
    matrices = Matrices(problem.background)
    for term, found in zip(problem.additive.terms, graph.terms, strict=True):
        owners = players_of_columns(term.owners, players)
        if isinstance(term, TreeTerm):
            matrix = matrices(term.columns, int(term.trees.column.max(initial=-1)) + 1)
            part, mean = _tables(found.tensor, term.trees, owners, matrix, most_bytes)
            parts.append(part)
            base += mean
        else:
            matrix = matrices(term.columns, term.weights.size)[:, : term.weights.size]
            means = matrix.astype(np.float64).mean(axis=0)
            parts.append(LinearPart(tensor=found.tensor, weights=term.weights, means=means, players=owners))
            used = term.weights != 0
            base += float(means[used] @ term.weights[used])
    try:
        scorer = loaded.scoring(output, space).scorer
        return tree_explainer_model(graph.columns_model, scorer, parts, base=base, n_players=len(players))
    except UncutError as error:
        raise BundleError(f"no explainer graph can be made of this model: {error}", file="model.onnx") from None


def _tables(
    tensor: str,
    trees: TreeEnsemble,
    owners: NDArray[np.int64],
    matrix: NDArray[np.float32] | NDArray[np.float64],
    most_bytes: int,
) -> tuple[TreePart, float]:
    """A tree term's tables, and its mean over the background."""
    double = matrix.dtype == np.float64
    arrays = make_arrays(trees, trees.leaf_value[None], owners, compared(matrix), double=double, most_bytes=most_bytes)
    walked = int(arrays["walked"].size)
    if walked:
        raise _too_large(f"tables of {walked} of {trees.roots.size} trees")
    if entries_bytes(arrays) > MOST_GRAPH_BYTES:
        raise _too_large(f"tables of {trees.roots.size} trees with {entries_bytes(arrays) / 1e9:.1f} GB")
    tables = lay_out_tables(arrays, double=double, packs=PACKS)
    return TreePart(tensor=tensor, tables=tables), float(np.asarray(arrays["base"], dtype=np.float64)[0])


def _too_large(what: str) -> InvalidRequestError:
    return InvalidRequestError.of(
        "method",
        f"no exact explainer can be written: {what} would be too large for a file; use groups of features as players, "
        "or method 'kernel'",
    )
