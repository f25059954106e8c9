"""How attributions depend on the draw of the background and on the other players, measured once per bundle."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types.sampling import CoalitionDesign
from xaisvc.types.studies import PlayerSpread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.structure.amortised import BackgroundGames
    from xaisvc.types.table import Table

MOST_ROWS = 40
"""Background rows that are explained."""

FEWEST_ROWS = 16
"""Background rows below which nothing is told."""

MOST_STAND_INS = 320
"""Background rows that stand in for absent players."""

MOST_PARTS = 64
"""Parts of the background that are compared: a standard error from G parts is off by about 1 / sqrt(2 G) of itself."""

MOST_PAIRS = 2048
"""Pairs of coalitions that are evaluated in one go."""

_LEVEL = 0.975
_NOTHING = 1e-6  # share of the largest output below which a value is rounding of a float32 model


def study_spread(
    background: Table,
    outputs: NDArray[np.float64],
    n_players: int,
    games: BackgroundGames,
    rng: np.random.Generator,
) -> PlayerSpread:
    """Explains some background rows against parts of the background.

    For player i, first = v({i}) - v({}) and last = v(all) - v(all but i) are what it adds on its own and after all
    others; their mean is its Shapley value where no more than two players act together. With m_g that mean against part
    g of G disjoint parts of the background, each of d rows, the standard error against all b rows is

        sqrt(sum_g (m_g - mean)^2 / (G - 1) * d / b)

    as the variance of a mean of rows goes down with their number. It is widened by the ratio of the 97.5 % quantiles of
    Student's t with G - 1 degrees of freedom and of the normal distribution (2 % for 64 parts, 9 % for 15). Where
    coalitions are evaluated on mixed rows this takes at most 40 * 320 * 2 * p model rows.

    Args:
        background: b rows.
        outputs: The explained number of each of them; float64, (b,).
        n_players: Players p.
        games: Coalition values of background rows for the background rows that a design names.
        rng: Picks rows.

    Returns:
        The spread; errors are infinite for fewer than 16 rows, unless there is one player only.
    """
    b, p = len(background), n_players
    rows = np.sort(rng.choice(b, min(b, MOST_ROWS), replace=False))
    if b < FEWEST_ROWS or p < 2:  # noqa: PLR2004 - one player has no other
        alone = float(outputs.std(ddof=1) / np.sqrt(b)) if p == 1 and b > 1 else np.inf
        return replace(
            unknown_spread(p), background_errors=np.full(p, alone), background_covariance=np.full((p, p), alone**2)
        )
    count = min(MOST_PARTS, b // 2)
    size = min(b, MOST_STAND_INS) // count
    parts = np.sort(rng.permutation(b)[: count * size].reshape(count, size), axis=1).astype(np.int64)
    none = outputs[parts].mean(axis=1)[:, None, None]
    first, last = _ends(background.take(rows), outputs[rows], parts, p, games)
    first -= none
    middle = (first + last) / 2
    off = (middle - middle.mean(axis=0)).reshape(-1, p)
    covariance = off.T @ off / ((count - 1) * len(rows)) * (size / b) * _wider(count - 1) ** 2
    errors = np.sqrt(covariance.diagonal())
    whole_first, whole_last = first.mean(axis=0), last.mean(axis=0)
    differs = np.abs(whole_last - whole_first).mean(axis=0)
    size_of = (np.abs(whole_first) + np.abs(whole_last)).mean(axis=0)
    something = size_of > _NOTHING * max(float(np.abs(outputs).max()), 1e-300)
    interplay = np.divide(differs, size_of, out=np.zeros(p), where=something)
    model_rows = 2 * p * len(rows) * count * size
    return PlayerSpread(
        background_errors=errors,
        background_covariance=covariance,
        interplay=interplay,
        rows=len(rows),
        model_rows=model_rows,
    )


def _wider(freedom: int) -> float:
    """How much wider two standard errors have to be for not being known better than from so many degrees of freedom."""
    from scipy.special import ndtri, stdtrit  # noqa: PLC0415 - heavy: loaded when used

    return float(stdtrit(freedom, _LEVEL) / ndtri(_LEVEL))


def unknown_spread(n_players: int) -> PlayerSpread:
    """Nothing is known: infinite errors."""
    p = n_players
    return PlayerSpread(
        background_errors=np.full(p, np.inf),
        background_covariance=np.full((p, p), np.inf),
        interplay=np.zeros(p),
        rows=0,
        model_rows=0,
    )


def _ends(
    rows: Table, outputs: NDArray[np.float64], parts: NDArray[np.int64], p: int, games: BackgroundGames
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """v({i}) and v(all) - v(all but i) against each part; float64, (parts, rows, p) both."""
    on, off = np.empty((2, len(parts), len(rows), p))
    step = max(1, MOST_PAIRS // p)
    for start in range(0, len(parts), step):
        some = parts[start : start + step]
        design = CoalitionDesign(
            masks=np.tile(np.eye(p, dtype=np.bool_), (len(some), 1)), background=np.repeat(some, p, axis=0)
        )
        found = games(rows, design)
        for values, into in ((found.on, on), (found.off, off)):
            into[start : start + step] = values.reshape(len(rows), len(some), p).transpose(1, 0, 2)
    return on, outputs[:, None] - off
