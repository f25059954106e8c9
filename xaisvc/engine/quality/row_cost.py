"""How many model rows a report may spend on a call, from what a model is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.types import TreeTerm

if TYPE_CHECKING:
    from xaisvc.types import Problem

FEWEST_MODEL_ROWS: Final = 200_000
MOST_MODEL_ROWS: Final = 60_000_000
BRANCHES: Final = 500_000_000
"""About a second on two cores. In branches and not in seconds, so that the same seed explains the same rows on every
machine."""


def affordable_model_rows(problem: Problem, model: bytes) -> int:
    """Most model rows that one call of a sampled method may take.

    For trees, so many rows that `BRANCHES` are passed: a tree of n nodes counts as log2(n + 1), the branches on the way
    to a leaf if the tree is balanced. Trees that cannot be read get
    `FEWEST_MODEL_ROWS`, a model without trees `MOST_MODEL_ROWS`.

    Args:
        problem: The model as it was read.
        model: Bytes of the ONNX file.

    Returns:
        Between `FEWEST_MODEL_ROWS` and `MOST_MODEL_ROWS`.
    """
    if b"TreeEnsemble" not in model:
        return MOST_MODEL_ROWS
    sums = (problem.additive,) if problem.additive is not None else problem.linked.sums if problem.linked else ()
    passed = sum(
        trees.roots.size * float(np.log2(trees.column.size / trees.roots.size + 1))
        for found in sums
        for trees in (term.trees for term in found.terms if isinstance(term, TreeTerm))
    )
    return int(np.clip(BRANCHES / passed, FEWEST_MODEL_ROWS, MOST_MODEL_ROWS)) if passed else FEWEST_MODEL_ROWS
