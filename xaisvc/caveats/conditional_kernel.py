"""The compiled second opinion: gaps of many rows and what follows from them, each row as if it were alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from xaisvc.caveats.conditional import TOP
from xaisvc.types.second_opinion import MISMATCH, SMOOTH_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable


def _compiled(function: Callable[..., Any], **options: Any) -> Any:  # noqa: ANN401 (what numba returns has no type)
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # nowhere to keep it: compiled anew by every process
        return njit(**options)(function)


def _summed_freely(function: Callable[..., Any]) -> Any:  # noqa: ANN401 (what numba returns has no type)
    return _compiled(function, fastmath={"reassoc", "contract"})


@_compiled
def interpolated(value, knots, scores, first, last):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Score of a value between the knots at places `first` to before `last`; that of the nearest one beyond them."""
    if value <= knots[first]:
        return scores[first]
    if value >= knots[last - 1]:
        return scores[last - 1]
    low, high = first, last - 1  # knots[low] < value < knots[high]
    while high - low > 1:
        middle = (low + high) // 2
        if knots[middle] <= value:
            low = middle
        else:
            high = middle
    return scores[low] + (scores[high] - scores[low]) * (value - knots[low]) / (knots[high] - knots[low])


@_summed_freely
def set_gaps(raw, columns, centres, cuts, sums, scales, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, C901, PLR0912, PLR0913, PLR0915, PLR0917 (compiled)
    """Gaps of one set's players and of their sum, with their errors.

    See `LinkedPlan` for the formula and for what is not said here.

    Args:
        raw: Values of numbers, codes of categories; float64, (columns, n).
        columns: `is_number`, bool, `ends`, int64, (columns + 1,), between which each column's knots are, `knots` and
            their `scores`, float64, `by_level`, float64, and `owner`, int64, ascending.
        centres: Scores, float64, and codes, int64; (columns, u) each.
        cuts: `cuts`, bool, (a, c); `kernels`, float64, (a, 3); weights of each player and of their sum, float64,
            (c + 1, a, 2).
        sums: `slopes`, float64, (a, 2 * (1 + g), u); `intercepts`, float64, (a, 2 * (1 + g)).
        scales: Places of the players, int64, (c,); smallest error of each player and of their sum, float64, (c + 1,);
            what the deviation from leaving out groups is multiplied with; place of the set.
        found: Written to: values and errors of all players, float64, (n, p) each; of the sum of each set, (n, sets)
            each.
    """
    is_number, ends, knots, knot_scores, by_level, owner = columns
    at, at_codes = centres
    held, kernels, weights = cuts
    slopes, intercepts = sums
    places, floors, seen_scale, own = scales
    values, errors, totals, total_errors = found
    n_columns, n = raw.shape
    u = at.shape[1]
    n_cuts, c = held.shape
    n_sums = slopes.shape[1] // 2
    g = n_sums - 1
    linear, product = np.empty((c, u)), np.empty((c, u))
    width = np.zeros(c)
    for j in range(n_columns):
        width[owner[j]] += 1.0
    lines, kernel = np.empty(u), np.empty(u)
    gaps = np.empty((c + 1, n_sums))
    for row in range(n):
        linear[:] = 0.0
        product[:] = 1.0
        for j in range(n_columns):
            score, value = 0.0, raw[j, row]
            if not is_number[j]:
                code = np.int64(value)
            elif np.isnan(value):
                code = np.int64(0)
            else:
                code = np.int64(1)
                if ends[j + 1] > ends[j]:
                    score = interpolated(value, knots, knot_scores, ends[j], ends[j + 1])
            level, player = by_level[j], owner[j]
            line, factor, centre, centre_code = linear[player], product[player], at[j], at_codes[j]
            for i in range(u):
                same = centre_code[i] == code and code >= 0
                away = (score - centre[i]) / SMOOTH_LENGTH
                line[i] += score * centre[i] + level if same else 0.0
                factor[i] *= 1.0 / (1.0 + away * away) if same else MISMATCH
        gaps[:] = 0.0
        for k in range(n_cuts):
            kernel[:] = 1.0
            lines[:] = 0.0
            held_columns = 0.0
            for player in range(c):
                if held[k, player]:
                    held_columns += width[player]
                    line, factor = linear[player], product[player]
                    for i in range(u):
                        lines[i] += line[i]
                        kernel[i] *= factor[i]
            flat, smooth, rough = kernels[k, 0] / held_columns, kernels[k, 1], kernels[k, 2]
            for i in range(u):
                e = kernel[i]
                kernel[i] = flat * lines[i] + smooth * e + rough * e * e * e * e
            for s in range(n_sums):
                first, last = slopes[k, 2 * s], slopes[k, 2 * s + 1]
                one, other = 0.0, 0.0
                for i in range(u):
                    one += kernel[i] * first[i]
                    other += kernel[i] * last[i]
                one += intercepts[k, 2 * s]
                other += intercepts[k, 2 * s + 1]
                for player in range(c + 1):
                    gaps[player, s] += weights[player, k, 0] * one + weights[player, k, 1] * other
        for player in range(c + 1):
            mean = 0.0
            for s in range(1, n_sums):
                mean += gaps[player, s]
            mean /= max(g, 1)
            spread = 0.0
            for s in range(1, n_sums):
                spread += (gaps[player, s] - mean) ** 2
            seen = seen_scale * math.sqrt((g - 1) / max(g, 1) * spread)
            error = math.hypot(seen, floors[player])
            if player < c:
                values[row, places[player]] = gaps[player, 0]
                errors[row, places[player]] = error
            else:
                totals[row, own] = gaps[player, 0]
                total_errors[row, own] = error


@_compiled
def leading(sizes, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Marks the three largest of some sizes; ties go to the first."""
    found[:] = False
    for _ in range(min(TOP, len(sizes))):
        best = -1
        for j in range(len(sizes)):
            if not found[j] and (best < 0 or sizes[j] > sizes[best]):
                best = j
        found[best] = True


@_compiled
def judge(known, players, sets, limits, numbers, flags):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, C901, PLR0912, PLR0913, PLR0915, PLR0917 (compiled)
    """What `second_opinion` says of rows.

    Args:
        known: Values, standard errors, gaps and their errors; float64, (n, p) each.
        players: Whether players are told of, linked, unused, and relied on; bool, (p,) each.
        sets: Places of the players of each set, one set after the other, and where each set ends, int64; gaps of the
            sets' sums and their errors, float64, (n, sets) each.
        limits: The thresholds in the order of their class, as floats, and the share of T that makes a severity of 2.
        numbers: Written to: conditional, low, high, (n, p) each; moved, (n,); set_values, set_low, set_high, (n, sets)
            each.
        flags: Written to: gap, sign, unused, hidden, bool, (n, p) each; top_changes, bool, (n,); severity, int8, (n,).
    """
    values, standard_errors, gaps, gap_errors = known
    told, linked, unused, relied = players
    members, ends, totals, total_errors = sets
    gap_share, gap_reach, sign_share, sign_reach, unused_share, unused_reach, hidden_share, reach, medium = limits
    conditional, low, high, moved, set_values, set_low, set_high = numbers
    differs, flips, credited, hidden, top_changes, severity = flags
    n, p = values.shape
    sizes, others, errors = np.empty(p), np.empty(p), np.empty(p)
    before, after = np.empty(p, dtype=np.bool_), np.empty(p, dtype=np.bool_)
    for row in range(n):
        total, shifted = 0.0, 0.0
        for j in range(p):
            total += abs(values[row, j])
            shifted += abs(gaps[row, j])
        moved[row] = shifted / 2 / total if total > 0 else 0.0
        any_gap, any_sign, any_credited = False, False, False
        for j in range(p):
            value, own = values[row, j], standard_errors[row, j]
            # An unused player that goes with nothing has no credit of either kind, whatever the others do.
            error = gap_errors[row, j] if told[j] and (linked[j] or not unused[j]) else 0.0
            other, size = value + gaps[row, j], abs(gaps[row, j])
            sizes[j], others[j], errors[j] = abs(value), abs(other), error
            conditional[row, j] = other
            gap = told[j] and size > max(gap_share * total, gap_reach * error) and total > 0
            sign = (
                told[j]
                and value * other < 0
                and min(sizes[j], others[j]) > sign_share * total
                and others[j] > sign_reach * error
            )
            credit = told[j] and unused[j] and others[j] > max(unused_share * total, unused_reach * error) and total > 0
            differs[row, j], flips[row, j], credited[row, j] = gap, sign, credit
            hidden[row, j] = gap and relied[j] and others[j] < hidden_share * total
            any_gap, any_sign, any_credited = any_gap or gap, any_sign or sign, any_credited or credit
            if told[j]:
                near, far = reach * own, reach * math.hypot(error, own)
                low[row, j], high[row, j] = min(value - near, other - far), max(value + near, other + far)
            else:
                low[row, j], high[row, j] = -np.inf, np.inf
        top_changes[row], prominent = False, False
        if any_gap or any_credited:
            leading(sizes, before)
            leading(others, after)
            new, old = -1, -1
            for j in range(p):
                if after[j] and not before[j] and (new < 0 or others[j] > others[new]):
                    new = j
                if before[j] and not after[j] and (old < 0 or others[j] < others[old]):
                    old = j
                prominent = prominent or (credited[row, j] and after[j])
            if any_gap and new >= 0:
                top_changes[row] = others[new] - others[old] > math.hypot(errors[new], errors[old])
        if any_sign or top_changes[row] or prominent:
            severity[row] = 3
        elif any_gap or any_credited:
            severity[row] = 2 if moved[row] > medium else 1
        else:
            severity[row] = 0
        start = 0
        for k in range(len(ends)):
            middle, error = 0.0, 0.0
            for place in range(start, ends[k]):
                middle += values[row, members[place]]
                error += standard_errors[row, members[place]]
            start = ends[k]
            far, near = reach * math.hypot(total_errors[row, k], error), reach * error
            set_values[row, k] = middle
            set_low[row, k] = min(middle - near, middle + totals[row, k] - far)
            set_high[row, k] = max(middle + near, middle + totals[row, k] + far)
