"""The complaint: a feature that the model ignores and that is correlated with one that it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.caveats.gap_cases import MODEL_KINDS, Case, alone
from benchmarks.caveats.gap_scores import judged, unused_figures
from benchmarks.caveats.gap_worlds import GaussianBlock, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.caveats import Figure

CORRELATIONS = (0.0, 0.5, 0.8, 0.9, 0.99, -0.99, 1.0)


def _pair(rho: float) -> Callable[[np.random.Generator], World]:
    def make(_: np.random.Generator) -> World:
        return World((GaussianBlock(np.array([[1.0, rho], [rho, 1.0]]), ("normal", "normal")), *alone(4)))

    return make


COMPLAINT_CASES: tuple[Case, ...] = tuple(
    Case(id=f"C1 complaint {rho}, {kind}", world=_pair(rho), model=kind, complaint=True)
    for rho in CORRELATIONS
    for kind in MODEL_KINDS
)


def score_complaint(seeds: Iterable[int], n: int = 500) -> list[Figure]:
    """How often the second opinion says that the ignored feature has conditional credit, and is right.

    Args:
        seeds: One game of each case for each seed.
        n: Background rows.
    """
    return unused_figures([judged(case.make(seed, n)) for seed in seeds for case in COMPLAINT_CASES], "complaint")
