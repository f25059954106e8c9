"""The conditional second opinion: what is prepared once for a bundle, and what it says of explained rows.

Interventional values answer "what did the model use", conditional values "what does this fact tell, its companions
included". They differ where players are dependent. A plan holds what is needed to say by how much, with its error, from
the row alone: no model row, no coalition value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.table import Column

SMOOTH_LENGTH: Final = 2.0
"""Distance of normal scores at which e_j of a `LinkedPlan` is a half."""

MISMATCH: Final = 0.3
"""e_j of two values that differ in code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedColumn:
    """How a column's values are compared: ranks of numbers as normal scores, categories by equality or on a scale.

    Attributes:
        feature: Its id.
        knots: Distinct numbers of the background, ascending; float64, (u,), empty for a category.
        scores: Normal scores of the knots' middle ranks; float64, (u,). Of a category, where each level stands on the
            scale of the number that levels stand for; float64, (levels,), empty if levels are compared by equality.
        levels: Levels of a category that have a code, from 1; all others share code -1, missing is 0. On a scale all
            levels have code 1, and others are like missing ones.
        is_number: Whether it is a number.
        by_level: What equality adds to the linear part of the kernel: 1 for categories compared by equality and for
            what else can be missing, else 0.
    """

    feature: str
    knots: NDArray[np.float64]
    scores: NDArray[np.float64]
    levels: tuple[str, ...]
    is_number: bool
    by_level: float

    def compare(self, values: Column) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Scores and codes of values: score 0 and a code for what is no number; float64 and int64, (n,) each.

        Numbers between knots are interpolated, numbers beyond the background's range take the score of its end.
        """
        if not self.is_number:
            place = {level: code for code, level in enumerate(self.levels, start=1)}
            found = [0 if value is None else place.get(str(value), -1) for value in values]
            codes = np.array(found, dtype=np.int64)
            if not len(self.scores):
                return np.zeros(len(values)), codes
            known = codes > 0
            return np.where(known, self.scores[codes - 1], 0.0), known.astype(np.int64)
        numbers = np.asarray(values, dtype=np.float64)
        missing = np.isnan(numbers)
        if not len(self.knots):
            return np.zeros(len(numbers)), np.where(missing, 0, 1)
        scores = np.interp(np.where(missing, self.knots[0], numbers), self.knots, self.scores)
        return np.where(missing, 0.0, scores), np.where(missing, 0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedPlan:
    """Everything about one set of c dependent players.

    For every cut A, a proper part of the set, D(A) = v_c(A) - v_m(A) is a function of the row's columns in A; the gaps
    of the players are weighted sums of D(A). A small set keeps D(A) of every cut: for A alone and for A with all
    players outside the set, or one function where both are the same. A larger set keeps what these sums were learnt to
    be: one function of all its columns for each player. Either is a kernel regression with u background rows as its
    centres,

        F_r(A)(x) = intercepts[A, r, 0] + sum over i of k_A(x, i) * slopes[A, r, 0, i]

        k_A(x, i) = linear[A] * mean of t_j + smooth[A] * E + rough[A] * E^4

    over the columns j of A, where E is the product of e_j if `by_product`, else their mean. With scores z and codes of
    the row and of centre i, and where codes are equal,

        t_j = z z' + by_level_j,    e_j = 1 / (1 + ((z - z') / SMOOTH_LENGTH)^2)

    else t_j = 0 and e_j = MISMATCH. Places 1 to g beside 0 are the same with one of g groups of rows left out.

    Attributes:
        players: Places of the set's players among all; c of them, ascending.
        columns: Columns of all these players, in the order of the players.
        owner: Place within the set of each column's player; int64, (columns,).
        scores: Of the centres; float64, (columns, u).
        codes: Of the centres; int64, (columns, u).
        cuts: Which players the functions read: the cuts of a small set, each one without its last player before it or
            empty, or everybody; bool, (a, c).
        by_product: Whether E is a product; always where there are several cuts.
        kernels: `linear`, `smooth` and `rough` of each cut; float64, (a, 3).
        slopes: In output units; float32, (a, m, 1 + g, u). Sums of u products in this precision are off by some 1e-6 of
            the gaps, which are known to some per cent.
        intercepts: float64, (a, m, 1 + g).
        weights: How gaps of the set's players follow from the functions; float64, (c, a, m).
        floor: Posterior standard deviation of each player's gap, with what few orders and learning the sums add;
            float64, (c,).
        interplay: Root mean square over background rows of what players outside the set change in the responses of
            each player's gap; float64, (c,), 0 for a model that adds up.
        outside: The same for the sum over the set's players, which the players outside gain or lose.
        studied: Cuts that were studied.
    """

    players: tuple[int, ...]
    columns: tuple[ComparedColumn, ...]
    owner: NDArray[np.int64]
    scores: NDArray[np.float64]
    codes: NDArray[np.int64]
    cuts: NDArray[np.bool_]
    by_product: bool
    kernels: NDArray[np.float64]
    slopes: NDArray[np.float32]
    intercepts: NDArray[np.float64]
    weights: NDArray[np.float64]
    floor: NDArray[np.float64]
    interplay: NDArray[np.float64]
    outside: float
    studied: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionPlan:
    """What a bundle's second opinion needs; made at registration.

    Attributes:
        n_players: Players p.
        sets: The sets of dependent players that were studied.
        unstudied: Sets of dependent players of which nothing can be told, by places; too many players, too few rows,
            rare levels.
        reason: Why not, one clause; empty if all were studied.
        n_background: Background rows that the plan rests on.
    """

    n_players: int
    sets: tuple[LinkedPlan, ...]
    unstudied: tuple[tuple[int, ...], ...]
    reason: str
    n_background: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """By how much conditional values differ from interventional ones.

    Attributes:
        values: Conditional minus interventional value, 0 for players outside all sets; float64, (n, p).
        errors: One standard deviation of it; float64, (n, p), infinite where nothing can be told.
        sets: Places of the players of each studied set.
        totals: Gap of the sum of each studied set's players; float64, (n, sets).
        total_errors: One standard deviation of it; float64, (n, sets).
        linked: Players of any set, studied or not; bool, (p,).
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    sets: tuple[tuple[int, ...], ...]
    totals: NDArray[np.float64]
    total_errors: NDArray[np.float64]
    linked: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a second opinion is worth a caveat; shares are of T, the sum of a row's absolute interventional values.

    Attributes:
        gap_share: A gap speaks from this share of T on.
        gap_errors: And from this many of its standard deviations.
        sign_share: Both values must be this large for a change of sign; see `xaisvc.caveats.conditional`.
        sign_errors: And the conditional one this many standard deviations from 0.
        unused_share: An unused player's conditional value speaks from this share of T on.
        unused_errors: And from this many of its standard deviations.
        hidden_share: A player that the model relies on hides behind others below this share of T.
        interval_errors: Standard deviations by which the interval reaches beyond each of the two values.
    """

    gap_share: float = 0.045
    gap_errors: float = 1.0
    sign_share: float = 0.025
    sign_errors: float = 0.5
    unused_share: float = 0.04
    unused_errors: float = 1.0
    hidden_share: float = 0.02
    interval_errors: float = 2.3


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion:
    """What the second opinion says of n rows and p players.

    Attributes:
        conditional: Conditional values; float64, (n, p).
        low: Lower end of the interval that is to hold both true values; float64, (n, p), -inf if nothing can be told.
        high: Upper end, as `low`.
        gap: Whether the two values differ by enough to speak; bool, (n, p).
        sign: Whether they differ in sign; bool, (n, p).
        unused: Whether an unused player has conditional credit; bool, (n, p).
        hidden: Whether a player that the model relies on has next to no conditional credit; bool, (n, p).
        top_changes: Whether the set of the three largest differs and a gap speaks; bool, (n,).
        moved: Share of T that moves between players, half the sum of absolute gaps; float64, (n,).
        severity: 0 nothing, 1 a value differs, 2 more than a tenth of T moves, 3 a sign or a top-three entry changes or
            an unused player would be among the top three; int8, (n,).
        told: Whether anything can be told of a player; bool, (p,).
        sets: Places of the players of each studied set.
        set_values: Sum of the interventional values of each set's players, the number that does not depend on how they
            share it; float64, (n, sets).
        set_low: Lower end of the interval that is to hold this sum by both value functions; float64, (n, sets).
        set_high: Upper end.
    """

    conditional: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    gap: NDArray[np.bool_]
    sign: NDArray[np.bool_]
    unused: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    top_changes: NDArray[np.bool_]
    moved: NDArray[np.float64]
    severity: NDArray[np.int8]
    told: NDArray[np.bool_]
    sets: tuple[tuple[int, ...], ...]
    set_values: NDArray[np.float64]
    set_low: NDArray[np.float64]
    set_high: NDArray[np.float64]
