"""Robustness: what attributions make of a broken model, of columns that mean nothing and of copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation.agreement import rank_agreement
from xaisvc.evaluation.measures import RowScores
from xaisvc.evaluation.shapes import check_shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def randomised_similarity(values: Floats, randomised: Floats) -> RowScores:
    """Spearman correlation of absolute attributions before and after the model's parameters were randomised.

    As `rank_agreement`: the mean over rows. Model-parameter randomisation test of Adebayo et al. 2018. Unit: none.
    Range: -1 to 1; near 0 is right, 1 wrong: an explanation that survives the destruction of the model was not about
    the model. Somewhat above 0 is no failure where the same players hardly vary, or are unused, in both models.

    Args:
        values: float64, (n, p).
        randomised: Attributions by the same method for the randomised model; float64, (n, p).
    """
    return rank_agreement(values, randomised)


def unused_credit(values: Floats, unused: NDArray[np.bool_]) -> RowScores:
    """Share of the absolute attributions that goes to players that the model ignores, over all rows.

    sum of |values| over unused players / sum of |values|: what the dummy axiom (Shapley 1953) says is 0. Unit: none.
    Range: 0 to 1, lower is better.

    Args:
        values: float64, (n, p).
        unused: Whether a player is proven to be ignored; bool, (p,).
    """
    check_shapes(values=(values, "n p"), unused=(unused, "p"))
    if np.asarray(unused).dtype != np.bool_:  # numbers would be taken as places of players
        raise InvalidRequestError.of("unused", "must be true or false for each player; convert it with astype(bool)")
    size = np.abs(values)
    return RowScores(size[:, unused].sum(axis=1), size.sum(axis=1))


def copy_asymmetry(values: Floats, original: int, copy: int) -> RowScores:
    """How unequally a column and its copy are treated that enter the model alike.

    sum of |values_original - values_copy| / sum of (|values_original| + |values_copy|), over rows: the symmetry axiom
    (Shapley 1953) says 0. Unit: none. Range: 0 to 1, lower is better; 1 is all credit to one of the two, or opposite
    signs.

    Args:
        values: float64, (n, p).
        original: Player of the column.
        copy: Player of its copy.
    """
    one, other = values[:, original], values[:, copy]
    return RowScores(np.abs(one - other), np.abs(one) + np.abs(other))
