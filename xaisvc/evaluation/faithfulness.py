"""Faithfulness: do attributions say what the model does when features are taken away?

All functions take arrays. In them n rows, p players, m sets of players, g steps of a curve, d draws of what stands in;
f(x) is the model's answer in the explained space and v(S) its answer when only the players in S keep the row's values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.evaluation.measures import RowScores
from xaisvc.evaluation.shapes import check_shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Masks = NDArray[np.bool_]


def faithfulness_correlation(values: Floats, removed: Masks, drops: Floats) -> RowScores:
    """Correlation between summed attributions and the drop of the output when their players are taken away.

    For a row, the Pearson correlation over m sets S of sum over j in S of values[j] and f(x) - v(not S); the number is
    its mean over rows. Bhatt, Weller and Moura 2020, faithfulness (there all sets have one size; here any size, so that
    large sets count too). Unit: none. Range: -1 to 1, higher is better. A row has no number where either side is
    constant up to rounding or a value is not finite.

    Args:
        values: float64, (n, p), in the explained unit.
        removed: The sets S; bool, (m, p).
        drops: f(x) - v(not S) in the explained unit; float64, (n, m).
    """
    check_shapes(values=(values, "n p"), removed=(removed, "m p"), drops=(drops, "n m"))
    return RowScores(_correlation(values @ removed.T.astype(np.float64), drops))


def faithfulness_estimate(values: Floats, single_drops: Floats) -> RowScores:
    """Correlation between attributions and the drop when one player alone is taken away.

    For a row, the Pearson correlation over the p players of values[j] and f(x) - v(all but j); the number is its mean
    over rows. Alvarez-Melis and Jaakkola 2018 (faithfulness). Unit: none. Range: -1 to 1, higher is better; with two
    players always -1 or 1. Players that stand in for each other drop little one by one, so a good attribution can
    score low where they do. A row has no number where either side is constant up to rounding.

    Args:
        values: float64, (n, p).
        single_drops: float64, (n, p).
    """
    check_shapes(values=(values, "n p"), single_drops=(single_drops, "n p"))
    return RowScores(_correlation(values, single_drops))


def infidelity(values: Floats, removed: Masks, drops: Floats) -> RowScores:
    """Mean squared gap between summed attributions and the drop of the output.

    (1/m) sum over S of (sum over j in S of values[j] - (f(x) - v(not S)))^2: Yeh et al. 2019 (infidelity), with the
    indicator of S as the perturbation, since attributions here are amounts and not slopes. The number is the mean over
    rows. Unit: the explained unit squared. Range: 0 to infinity, lower is better. Interactions leave a remainder for
    every attribution, and so does the chance of the donors that v(not S) is averaged over: true Shapley values are
    seldom at 0 either.

    Args:
        values: float64, (n, p).
        removed: The sets S; bool, (m, p).
        drops: float64, (n, m).
    """
    check_shapes(values=(values, "n p"), removed=(removed, "m p"), drops=(drops, "n m"))
    gaps = values @ removed.T.astype(np.float64) - drops
    return RowScores((gaps**2).mean(axis=1))


def infidelity_share(values: Floats, removed: Masks, drops: Floats) -> RowScores:
    """Infidelity over that of saying nothing: sum of squared gaps / sum of squared drops, over rows and sets.

    Unit: none. Range: 0 to infinity, lower is better; 1 is what attributions of zero reach, and worse ones are above
    it. The remainder of `infidelity` is in it. Arguments as there.
    """
    check_shapes(values=(values, "n p"), removed=(removed, "m p"), drops=(drops, "n m"))
    gaps = values @ removed.T.astype(np.float64) - drops
    return RowScores((gaps**2).mean(axis=1), (drops**2).mean(axis=1))


def curve(outputs: Floats, full: Floats, empty: Floats) -> Floats:
    """Where between v(nobody) and f(x) the answer stands at each step, over all rows.

    sum over rows of s * (v - v(nobody)) / sum over rows of |f(x) - v(nobody)|, where s is the sign of f(x) - v(nobody).
    0 is nobody's answer and 1 the row's own; values beyond either are possible. Unit: none. Rows where a number is not
    finite are left out, as by `curve_area`.

    Args:
        outputs: v at each step, mean over draws; float64, (n, g).
        full: f(x); float64, (n,).
        empty: v(nobody); float64, (n,).

    Returns:
        float64, (g,); NaN where no row goes any way.
    """
    check_shapes(outputs=(outputs, "n g"), full=(full, "n"), empty=(empty, "n"))
    known = np.isfinite(full) & np.isfinite(empty) & np.isfinite(outputs).all(axis=1)
    way = (full - empty)[known]
    heights = (np.sign(way)[:, None] * (outputs - empty[:, None])[known]).sum(axis=0)
    length = np.abs(way).sum()
    return np.asarray(heights / length if length > 0 else np.full(heights.shape, np.nan))


def curve_area(outputs: Floats, full: Floats, empty: Floats, shares: Floats, *, inserting: bool) -> RowScores:
    """Area under an insertion or deletion curve, both ends included.

    The trapezoid rule over the share of players kept (insertion) or removed (deletion), from 0 to 1, of `curve`.
    Petsiuk, Das and Saenko 2018 (causal metric); here signed and over tabular players, most supporting player first.
    Insertion: higher is better; deletion: lower is better. Unit: none. A random order gives about 0.5 where effects
    add up. The range has no ends: a path may lead beyond v(nobody) and f(x). Rows where those two are equal count
    nothing.

    Args:
        outputs: v at each inner step, mean over draws; float64, (n, g).
        full: f(x); float64, (n,).
        empty: v(nobody); float64, (n,).
        shares: Share of players inserted or removed at each step, ascending, without 0 and 1; float64, (g,).
        inserting: Whether the curve goes from nobody to the row or the other way.
    """
    check_shapes(outputs=(outputs, "n g"), full=(full, "n"), empty=(empty, "n"), shares=(shares, "g"))
    way = full - empty
    heights = np.sign(way)[:, None] * (outputs - empty[:, None])
    begin, end = (np.zeros_like(way), np.abs(way)) if inserting else (np.abs(way), np.zeros_like(way))
    heights = np.column_stack([begin, heights, end])
    grid = np.concatenate([[0.0], shares, [1.0]])
    areas = ((heights[:, 1:] + heights[:, :-1]) / 2.0) @ np.diff(grid)
    return RowScores(areas, np.abs(way))


def prediction_gap(outputs: Floats, full: Floats) -> RowScores:
    """Mean absolute change of the output over draws and over the numbers k of players that are replaced.

    mean over k and draws of |f(x) - f(x')|: Agarwal et al. 2022 (OpenXAI), averaged over k as they
    do with the area over k. With the k most important players replaced it is the gap on important features (PGI,
    higher is better); with all others replaced it is the gap on unimportant ones (PGU, lower is better). They add
    normal noise where values are replaced here. Unit: the explained unit. Range: 0 to infinity.

    Args:
        outputs: f(x') of each k and draw; float64, (n, g, d).
        full: f(x); float64, (n,).
    """
    check_shapes(outputs=(outputs, "n g d"), full=(full, "n"))
    return RowScores(np.abs(outputs - full[:, None, None]).mean(axis=(1, 2)))


def importance_towards(values: Floats, full: Floats, empty: Floats) -> Floats:
    """Attributions in the direction of the row's own answer, for ordering players; float64, (n, p).

    values where f(x) is at least v(nobody), -values where it is below: the largest supports the row's answer most.

    Args:
        values: float64, (n, p).
        full: f(x); float64, (n,).
        empty: v(nobody); float64, (n,).
    """
    check_shapes(values=(values, "n p"), full=(full, "n"), empty=(empty, "n"))
    return np.asarray(values * np.where(full >= empty, 1.0, -1.0)[:, None])


def _correlation(one: Floats, other: Floats) -> Floats:
    """Pearson correlation of each line of two matrices; NaN where a line is constant."""
    a = one - one.mean(axis=1, keepdims=True)
    b = other - other.mean(axis=1, keepdims=True)
    spread = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    tiny = 1e-12 * np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))  # rounding of a constant line is no spread
    found = np.divide((a * b).sum(axis=1), spread, out=np.full(len(one), np.nan), where=spread > tiny)
    return np.asarray(np.clip(found, -1.0, 1.0))  # rounding can go beyond
