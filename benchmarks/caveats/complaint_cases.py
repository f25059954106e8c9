"""The complaint: a feature that the model ignores and that is correlated with one that it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.caveats.gap_cases import MODEL_KINDS, Case, alone
from benchmarks.caveats.gap_scores import judged, prepared, unused_figures
from benchmarks.caveats.gap_worlds import GaussianBlock, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.caveats import Figure
    from xaisvc.types.second_opinion import Thresholds

CORRELATIONS = (0.0, 0.5, 0.8, 0.9, 0.99, -0.99, 1.0)


def pair_world(rho: float) -> Callable[[np.random.Generator], World]:
    """Two columns with correlation rho, and four alone."""

    def make(_: np.random.Generator) -> World:
        return World((GaussianBlock(np.array([[1.0, rho], [rho, 1.0]]), ("normal", "normal")), *alone(4)))

    return make


COMPLAINT_CASES: tuple[Case, ...] = tuple(
    Case(id=f"C1 complaint {rho}, {kind}", world=pair_world(rho), model=kind, complaint=True)
    for rho in CORRELATIONS
    for kind in MODEL_KINDS
)


def score_complaint(case: Case, seed: int, n: int, settings: Mapping[str, Thresholds]) -> list[Figure]:
    """Whether the second opinion says that the ignored feature has conditional credit, and is right.

    Args:
        case: Family of the game.
        seed: Which one of the family.
        n: Background rows.
        settings: Thresholds to judge by, by their name.
    """
    found = prepared(case.make(seed, n))
    return [
        figure
        for name, thresholds in settings.items()
        for figure in unused_figures(judged(found, thresholds), "complaint", name)
    ]
