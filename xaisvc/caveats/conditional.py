"""The conditional second opinion of explained rows: the gap between both value functions, and what follows from it.

A plan made at registration gives the gap from the row's own columns, so an explanation costs microseconds more and no
model row, whatever its method.

Measured on 60 games of seven or eight columns with 500 background rows that no scale or threshold was chosen on, sets
found by the screen (`benchmarks/caveats/gap_scores.py` says what counts): gap recall 0.984 at 0.4 % false alarms, sign
0.973 at 0.13 %, unused players 1.0 at 0.15 %; 97.5 % of intervals hold both true values at a mean half-width of
0.043 T. What limits it is a network whose features outside a set bend what happens inside: there, gap 0.979 at 1.0 %,
sign 0.949 at 0.25 %, and 94.9 % of intervals at 0.058 T.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.types.second_opinion import Gaps, SecondOpinion, Thresholds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.second_opinion import LinkedPlan, OpinionPlan
    from xaisvc.types.table import Table

    Floats = NDArray[np.float64]

SEEN_SCALE: Final = 1.3
"""What the deviation from leaving out groups is multiplied with; all four scales by maximum likelihood on development
games."""

FLOOR_SCALE: Final = 0.8
"""What the posterior deviation is multiplied with."""

INTERPLAY_SCALE: Final = 0.35
"""What the root mean square of `LinkedPlan.interplay` is multiplied with."""

OUTSIDE_SCALE: Final = 0.2
"""What `LinkedPlan.outside` is multiplied with for each used player outside the set."""

MEDIUM_SHARE: Final = 0.10
"""Share of T that has to move between players for severity 2."""

_TOP: Final = 3


def conditional_gaps(plan: OpinionPlan, rows: Table) -> Gaps:
    """Conditional minus interventional Shapley values.

    Args:
        plan: Of the bundle, its output and the players.
        rows: n rows of raw features.

    Returns:
        Gaps of n rows and p players, and of the sum of each set's players. A row's numbers do not depend on the rows
        beside it.
    """
    n, p = len(rows), plan.n_players
    values, errors = np.zeros((n, p)), np.zeros((n, p))
    totals, total_errors = np.zeros((n, len(plan.sets))), np.zeros((n, len(plan.sets)))
    linked = np.zeros(p, dtype=np.bool_)
    spill = np.zeros(p)
    for k, one in enumerate(plan.sets):
        found, places = _read(one, rows), list(one.players)
        linked[places] = True
        others = np.ones(p, dtype=np.bool_)
        others[places] = False
        spill[others] += one.outside**2
        left_out = found[:, :, 1:]
        g = left_out.shape[2]
        middle = left_out.mean(axis=2, keepdims=True)
        seen = np.sqrt((g - 1) / g * ((left_out - middle) ** 2).sum(axis=2))
        values[:, places], totals[:, k] = found[:, :-1, 0], found[:, -1, 0]
        floor = np.hypot(FLOOR_SCALE * one.floor, INTERPLAY_SCALE * one.interplay)
        errors[:, places] = np.hypot(SEEN_SCALE * seen[:, :-1], floor)
        total_errors[:, k] = np.hypot(SEEN_SCALE * seen[:, -1], INTERPLAY_SCALE * one.outside)
    errors[:, ~linked] = OUTSIDE_SCALE * np.sqrt(spill[~linked])
    for unstudied in plan.unstudied:
        linked[list(unstudied)] = True
        errors[:, list(unstudied)] = np.inf
    return Gaps(
        values=values,
        errors=errors,
        sets=tuple(one.players for one in plan.sets),
        totals=totals,
        total_errors=total_errors,
        linked=linked,
    )


def _read(one: LinkedPlan, rows: Table) -> Floats:
    from xaisvc.caveats.conditional_kernel import set_gaps  # noqa: PLC0415 (heavy: loaded when used)

    both = [column.compare(rows.columns[column.feature]) for column in one.columns]
    scores = np.ascontiguousarray(np.stack([scores for scores, _ in both], axis=1))
    codes = np.ascontiguousarray(np.stack([codes for _, codes in both], axis=1))
    by_level = np.array([column.by_level for column in one.columns])
    weights = np.concatenate([one.weights, one.weights.sum(axis=0, keepdims=True)])
    found = np.empty((len(rows), len(weights), one.slopes.shape[1] // 2))
    set_gaps(
        (scores, codes),
        (one.scores, one.codes, by_level, one.owner),
        (one.cuts, one.kernels, weights),
        (one.slopes, one.intercepts),
        found,
    )
    return found


def second_opinion(  # noqa: PLR0913 - what is known of the values, of the players, and what counts
    values: Floats,
    standard_errors: Floats,
    gaps: Gaps,
    unused: NDArray[np.bool_],
    *,
    relied: NDArray[np.bool_] | None = None,
    thresholds: Thresholds | None = None,
) -> SecondOpinion:
    """What both value functions together allow to be said.

    Args:
        values: Interventional Shapley values; float64, (n, p), in output units.
        standard_errors: Of these, all sources that the reader is to be told of; float64, (n, p).
        gaps: Conditional minus interventional values.
        unused: Players that the model is proven, or was never seen, to use; bool, (p,).
        relied: Players that the model relies on materially; bool, (p,), None if nobody looked.
        thresholds: When to speak; None for the measured defaults.

    Returns:
        The opinion; a player of whom nothing can be told has an infinite interval and never speaks.
    """
    limits = thresholds or Thresholds()
    told = np.asarray(np.isfinite(gaps.errors).all(axis=0))
    # An unused player that goes with nothing has no credit of either kind, whatever the others do.
    errors = np.where(told & (gaps.linked | ~unused), gaps.errors, 0.0)
    conditional = values + gaps.values
    total = np.abs(values).sum(axis=1, keepdims=True)
    size = np.abs(gaps.values)
    gap = told & (size > np.maximum(limits.gap_share * total, limits.gap_errors * errors)) & (total > 0)
    least = np.minimum(np.abs(values), np.abs(conditional))
    sign = (
        told
        & (values * conditional < 0)
        & (least > limits.sign_share * total)
        & (np.abs(conditional) > limits.sign_errors * errors)
    )
    credited = (
        told
        & unused
        & (np.abs(conditional) > np.maximum(limits.unused_share * total, limits.unused_errors * errors))
        & (total > 0)
    )
    hidden = (
        np.zeros_like(gap) if relied is None else gap & relied & (np.abs(conditional) < limits.hidden_share * total)
    )
    near, far = limits.interval_errors * standard_errors, limits.interval_errors * np.hypot(errors, standard_errors)
    low, high = np.minimum(values - near, conditional - far), np.maximum(values + near, conditional + far)
    top_changes = _top_changes(values, conditional, errors) & gap.any(axis=1)
    moved = np.divide(size.sum(axis=1) / 2, total[:, 0], out=np.zeros(len(values)), where=total[:, 0] > 0)
    speaks = gap.any(axis=1) | sign.any(axis=1) | credited.any(axis=1)
    prominent = (credited & _is_top(conditional)).any(axis=1)
    severity = np.where(sign.any(axis=1) | top_changes | prominent, 3, np.where(moved > MEDIUM_SHARE, 2, 1))
    sums, sum_errors = _sums(values, gaps), _sum_errors(standard_errors, gaps)
    reach = limits.interval_errors * np.hypot(gaps.total_errors, sum_errors)
    sum_near = limits.interval_errors * sum_errors
    return SecondOpinion(
        conditional=conditional,
        low=np.where(told, low, -np.inf),
        high=np.where(told, high, np.inf),
        gap=gap,
        sign=sign,
        unused=credited,
        hidden=hidden,
        top_changes=top_changes,
        moved=moved,
        severity=np.where(speaks, severity, 0).astype(np.int8),
        told=told,
        sets=gaps.sets,
        set_values=sums,
        set_low=np.minimum(sums - sum_near, sums + gaps.totals - reach),
        set_high=np.maximum(sums + sum_near, sums + gaps.totals + reach),
    )


def _sums(values: Floats, gaps: Gaps) -> Floats:
    return np.stack([values[:, list(one)].sum(axis=1) for one in gaps.sets], axis=1) if gaps.sets else gaps.totals


def _sum_errors(errors: Floats, gaps: Gaps) -> Floats:
    """Standard errors of sums as if their parts erred together: members of a set mostly do."""
    return _sums(errors, gaps)


def _is_top(values: Floats) -> NDArray[np.bool_]:
    """Which players are among the three largest; ties go to the first."""
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :_TOP]
    found = np.zeros(values.shape, dtype=np.bool_)
    np.put_along_axis(found, order, values=True, axis=1)
    return found


def _top_changes(values: Floats, conditional: Floats, errors: Floats) -> NDArray[np.bool_]:
    """Whether the three largest are others, by more than the error of the two that change places; bool, (n,)."""
    p = values.shape[1]
    if p <= _TOP:
        return np.zeros(len(values), dtype=np.bool_)
    before, after = _is_top(values), _is_top(conditional)
    size = np.abs(conditional)
    rows = np.arange(len(values))
    comes = np.where(after & ~before, size, -np.inf)
    goes = np.where(before & ~after, size, np.inf)
    new, old = comes.argmax(axis=1), goes.argmin(axis=1)
    lead = size[rows, new] - size[rows, old]
    changed = (after != before).any(axis=1)
    return np.asarray(changed & (lead > np.hypot(errors[rows, new], errors[rows, old])))
