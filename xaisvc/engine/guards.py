"""What is checked once per output, before any of its explanations: that the model can be explained at all.

Both checks run on the background and on hybrids of its rows, because hybrids are what every method really scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution import additive_output
from xaisvc.errors import ModelOutputError
from xaisvc.types import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.engine.scoring import ScoringModel
    from xaisvc.types import AdditiveModel

MOST_ROWS = 200
ALONE_ROWS = 8
RELATIVE_TOLERANCE = 1e-5
"""Of the largest answer, at least of 1: float32 rounding in another order stays below 2e-7 (measured)."""


def probe_rows(background: Table) -> Table:
    """Up to `MOST_ROWS` background rows and as many hybrids: every feature shifted by another number of rows."""
    rows = background.take(slice(0, MOST_ROWS))
    count = len(rows)
    hybrids = Table(
        {name: np.roll(values, 1 + i * 7 % max(count - 1, 1)) for i, (name, values) in enumerate(rows.columns.items())}
    )
    return Table.concat([rows, hybrids])


def check_rows_apart(model: ScoringModel, rows: Table) -> None:
    """Checks that a row's answer depends on that row alone.

    Raises:
        ModelOutputError: If it changes with the order or the number of the rows around it, or from call to call.
    """
    together = model(rows)
    turned = model(rows.take(slice(None, None, -1)))[::-1]
    picked = np.linspace(0, len(rows) - 1, min(ALONE_ROWS, len(rows))).astype(np.intp)
    alone = np.concatenate([model(rows.take([int(i)])) for i in picked])
    gap = max(_gap(together, turned), _gap(together[picked], alone))
    if gap > RELATIVE_TOLERANCE:
        raise ModelOutputError(
            "the model's answer for a row changes with the rows around it or from call to call (largest difference "
            f"{gap:.3g} of the output's size), so no attribution of it means anything; export the model in inference "
            "mode, without operations across rows"
        )


def why_misread(model: ScoringModel, additive: AdditiveModel, rows: Table) -> str:
    """Why the additive model is not what the graph computes, one sentence; empty if it is."""
    gap = _gap(model(rows), additive_output(additive, rows))
    if gap <= RELATIVE_TOLERANCE:
        return ""
    return (
        "the sum of trees and linear terms read from the graph differs from the graph's own answers (by up to "
        f"{gap:.3g} of the output's size)"
    )


def _gap(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Largest difference, relative to the largest answer, at least to 1. NaN counts as infinitely far."""
    scale = max(1.0, float(np.abs(first).max(initial=0.0)))
    difference = np.abs(first - second) / scale
    return float(np.where(np.isnan(difference), np.inf, difference).max(initial=0.0))
