"""Whether float32 tables hold what trees say: not where their leaves are far larger than the sum they leave over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.additive import leaves_reached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.attribution.tree_cells import Cells
    from xaisvc.types import TreeEnsemble

_MOST_RATIO = 32.0
"""Root of the sum of squares of the trees' half-ranges over the sum's own spread. Entries are rounded to 6e-8 of
themselves, and most are far smaller than a half-range: seen is an error of 1.6e-6 of the spread at a ratio of 280."""

_SMALLEST, _LARGEST = 1e-30, 1e30
"""Sizes between which float32 neither underflows nor overflows in sums of entries."""

_BACKGROUND_ROWS = 64
_MADE_ROWS = 32


def centred(leaf_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values of one tree's leaves less the middle of their range: the same Shapley values from smaller numbers.

    Args:
        leaf_values: float64, (k, leaves).
    """
    return leaf_values - _middle(leaf_values)


def are_steady(
    trees: TreeEnsemble,
    leaf_values: NDArray[np.float64],
    leaves: Sequence[NDArray[np.int32]],
    background: NDArray[np.float64],
    cells: Cells,
) -> bool:
    """Whether float32 tables of centred leaves give values within 1e-6 of the spread of the sum.

    The spread is the standard deviation over some background rows and some rows made of thresholds, so that a
    background of one row has one too.

    Args:
        trees: The trees.
        leaf_values: Value of each leaf in each output; float64, (k, t).
        leaves: Nodes of the leaves of each tree that is to have tables.
        background: Column matrix of the background; float64, (b, c).
        cells: The trees' tests.
    """
    if not leaves:
        return True
    own = [leaf_values[:, nodes] for nodes in leaves]
    if not all(np.isfinite(values).all() for values in own):
        return False
    halves = np.array([np.abs(centred(values)).max(axis=1) for values in own])
    size = np.sqrt((halves**2).sum(axis=0))
    rows = np.concatenate([background[:_BACKGROUND_ROWS], _made_rows(background, cells)])
    reached = leaves_reached(trees, trees.roots, rows)
    middles = np.zeros(leaf_values.shape)
    for nodes, values in zip(leaves, own, strict=True):
        middles[:, nodes] = _middle(values)
    spread = (leaf_values - middles)[:, reached].sum(axis=2).std(axis=1)
    is_plain = (size == 0) | ((spread > _SMALLEST) & (size < _LARGEST))
    return bool((is_plain & (size <= _MOST_RATIO * spread)).all())


def _middle(leaf_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Middle of the range of one tree's leaves in each output; float64, (k, 1). Halved first: the sum may overflow."""
    halves = leaf_values / 2.0
    return np.asarray(halves.max(axis=1, keepdims=True) + halves.min(axis=1, keepdims=True))


def _made_rows(background: NDArray[np.float64], cells: Cells) -> NDArray[np.float64]:
    """Rows whose values lie at thresholds, the same for the same trees."""
    rng = np.random.Generator(np.random.PCG64(0))
    rows = np.repeat(background[:1], _MADE_ROWS, axis=0)
    for place, column in enumerate(cells.columns.tolist()):
        edges = cells.edges[cells.start[place] : cells.start[place + 1]]
        finite = edges[np.isfinite(edges)]
        if finite.size:
            with np.errstate(over="ignore"):
                values = np.concatenate([finite, np.nextafter(finite[:1], -np.inf)])
            rows[:, column] = values[rng.integers(values.size, size=_MADE_ROWS)]
    return rows
