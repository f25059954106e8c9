"""What views and caveats compare a row with, worked out once per bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution import plan
from xaisvc.engine.seeds import RowSeeds
from xaisvc.types import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.types import Output, Players, Space

PORTFOLIO_ROWS = 100
"""Background rows that the portfolio's usual attributions are taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the background is predicted.

    Attributes:
        predictions: Output tensor for the background, in the tensor's unit, ascending; float64, (b,).
        adverse_share: Share of the background with the adverse decision; None without a threshold.
    """

    predictions: NDArray[np.float64]
    adverse_share: float | None


def standing(loaded: LoadedBundle, output: Output) -> Standing:
    """How the background is predicted."""

    def make() -> Standing:
        predictions = np.sort(loaded.background_predictions(output))
        decisions = [output.is_adverse(float(prediction)) for prediction in predictions]
        share = None if None in decisions else sum(map(bool, decisions)) / len(decisions)
        return Standing(predictions=predictions, adverse_share=share)

    return loaded.once(("standing", output.id), make)


def portfolio_mean_abs(
    loaded: LoadedBundle, output: Output, space: Space, players: Players, clock: Callable[[], float]
) -> NDArray[np.float64] | None:
    """Mean absolute attribution over the background where it costs little: an exact method, players kept once."""
    if players.kind == "custom":
        return None

    def make() -> NDArray[np.float64] | None:
        problem = loaded.problem(output, space, players)
        chosen = plan(problem, "auto", None)
        if chosen.method.name not in {"linear", "tree"}:
            return None
        sample = loaded.bundle.background.take(slice(0, PORTFOLIO_ROWS))
        seeds = RowSeeds(0, loaded.bundle.digests.model, sample)
        settings = Settings(budget=None, seed=0, row_seeds=seeds, clock=clock)
        mean: NDArray[np.float64] = np.abs(chosen.method.attribute(problem, sample, settings).values).mean(axis=0)
        return mean

    return loaded.once(("portfolio", output.id, space, players.kind), make)
