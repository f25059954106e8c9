"""The compiled second opinion: gaps of many rows and what follows from them, each row as if it were alone."""

from __future__ import annotations

import math

import numpy as np

from xaisvc.caveats.leading_kernel import leading
from xaisvc.compiled import compiled
from xaisvc.types.second_opinion import MISMATCH, SMOOTH_LENGTH

_SMOOTH = np.float32(SMOOTH_LENGTH)
_OTHER = np.float32(MISMATCH)
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@compiled(numpy_errors=True)
def interpolated(value, knots, scores, first, last):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Score of a value between the knots at places `first` to before `last`; that of the nearest one beyond them."""
    if value <= knots[first]:
        return scores[first]
    if value >= knots[last - 1]:
        return scores[last - 1]
    low, left = first, last - 1 - first  # knots[low] <= value < knots[low + left]
    while left > 1:
        half = left // 2
        low = low + half if knots[low + half] <= value else low
        left -= half
    high = low + 1
    return scores[low] + (scores[high] - scores[low]) * (value - knots[low]) / (knots[high] - knots[low])


@compiled(fastmath={"reassoc", "contract"}, numpy_errors=True)
def likened(score, code, j, centres, codes, level, plain, unit, line, near, product):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Adds t_j of a value and each centre to `line[unit]`; multiplies `near[unit]` with e_j, or adds it; all float32.

    Rows of arrays are named by their places: to take a row out first costs as much as the sums over it.
    """
    if plain and code == _ONE:
        if product:
            for i in range(centres.shape[1]):
                centre = centres[j, i]
                away = (score - centre) / _SMOOTH
                line[unit, i] += score * centre + level
                near[unit, i] *= _ONE / (_ONE + away * away)
        else:
            for i in range(centres.shape[1]):
                centre = centres[j, i]
                away = (score - centre) / _SMOOTH
                line[unit, i] += score * centre + level
                near[unit, i] += _ONE / (_ONE + away * away)
        return
    for i in range(centres.shape[1]):
        centre = centres[j, i]
        same = codes[j, i] == code and code >= _ZERO
        away = (score - centre) / _SMOOTH
        found = _ONE / (_ONE + away * away) if same else _OTHER
        line[unit, i] += score * centre + level if same else _ZERO
        near[unit, i] = near[unit, i] * found if product else near[unit, i] + found


@compiled(fastmath={"reassoc", "contract"}, numpy_errors=True)
def summed(kernel, k, slopes, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """found[s] = sum over i of slopes[k, s, i] * kernel[i]; float32, the number of s a multiple of 3."""
    for s in range(0, slopes.shape[1], 3):
        one, two, three = _ZERO, _ZERO, _ZERO
        for i in range(len(kernel)):
            own = kernel[i]
            one += own * slopes[k, s, i]
            two += own * slopes[k, s + 1, i]
            three += own * slopes[k, s + 2, i]
        found[s], found[s + 1], found[s + 2] = one, two, three


@compiled(fastmath={"reassoc", "contract"}, numpy_errors=True)
def set_gaps(raw, columns, centres, cuts, sums, entries, scales, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, C901, PLR0912, PLR0913, PLR0915, PLR0917 (compiled)
    """Gaps of one set's players and of their sum, with their errors.

    See `LinkedPlan` for the formula and for what is not said here. The number of centres u is filled up to a multiple
    of 8, that of the sums of a cut to one of 3, with slopes of 0.

    Args:
        raw: Values of numbers, codes of categories; float64, (columns, n).
        columns: `is_number`, bool, `ends`, int64, (columns + 1,), between which each column's knots are, `knots` and
            their `scores`, float64, `by_level`, float32, the unit of each column, int64, ascending, and whether all its
            centres are numbers, bool. A unit is what cuts are made of: a player, or all of them.
        centres: Scores and codes; float32, (columns, u) each.
        cuts: Place of the cut that each one extends, -1 for none, and the unit that it adds, int64, (a,) each; columns
            of each cut, int64, (a,); `kernels`, float32, (a, 3); whether E is a product.
        sums: Slopes, float32, (a, sums, u), and intercepts, float32, (a, sums); m times 1 + g sums, then nothing.
        entries: For each of the a times m functions where its entries begin, int64, (a * m + 1,); their players, int64,
            and weights, float64; 1 + g.
        scales: Places of the players, int64, (c,); smallest error of each player and of their sum, float64, (c + 1,);
            what the deviation from leaving out groups is multiplied with; place of the set.
        found: Written to: values and errors of all players, float64, (n, p) each; of the sum of each set, (n, sets)
            each.
    """
    is_number, ends, knots, knot_scores, by_level, unit_of, is_plain = columns
    at, at_codes = centres
    parents, added, widths, kernels, product = cuts
    slopes, intercepts = sums
    starts, receivers, weights, n_each = entries
    places, floors, seen_scale, own = scales
    values, errors, totals, total_errors = found
    n_columns, n = raw.shape
    u = at.shape[1]
    n_cuts, c = len(parents), len(places)
    functions = (len(starts) - 1) // n_cuts
    units = unit_of[n_columns - 1] + 1
    g = n_each - 1
    line, near = np.empty((units, u), dtype=np.float32), np.empty((units, u), dtype=np.float32)
    lines, nears = np.empty((n_cuts, u), dtype=np.float32), np.empty((n_cuts, u), dtype=np.float32)
    kernel, each = np.empty(u, dtype=np.float32), np.empty(slopes.shape[1], dtype=np.float32)
    gaps = np.empty((c + 1, n_each))
    for row in range(n):
        line[:] = _ZERO
        near[:] = _ONE if product else _ZERO
        for j in range(n_columns):
            score, value = 0.0, raw[j, row]
            if not is_number[j]:
                code = np.float32(value)
            elif np.isnan(value):
                code = _ZERO
            else:
                code = _ONE
                if ends[j + 1] > ends[j]:
                    score = interpolated(value, knots, knot_scores, ends[j], ends[j + 1])
            single, level, plain, unit = np.float32(score), by_level[j], is_plain[j], unit_of[j]
            likened(single, code, j, at, at_codes, level, plain, unit, line, near, product)
        gaps[:] = 0.0
        for k in range(n_cuts):
            parent, unit = parents[k], added[k]
            flat, smooth, rough = kernels[k, 0] / np.float32(widths[k]), kernels[k, 1], kernels[k, 2]
            own_line, own_near = lines[k], nears[k]
            if parent >= 0:
                before_line, before_near, unit_line, unit_near = lines[parent], nears[parent], line[unit], near[unit]
                for i in range(u):
                    own_line[i] = before_line[i] + unit_line[i]
                    own_near[i] = before_near[i] * unit_near[i]
            else:
                scale = _ONE if product else _ONE / np.float32(widths[k])
                unit_line, unit_near = line[unit], near[unit]
                for i in range(u):
                    own_line[i] = unit_line[i]
                    own_near[i] = unit_near[i] * scale
            for i in range(u):
                e = own_near[i]
                e2 = e * e
                kernel[i] = flat * own_line[i] + smooth * e + rough * e2 * e2
            summed(kernel, k, slopes, each)
            for r in range(functions):
                for entry in range(starts[k * functions + r], starts[k * functions + r + 1]):
                    player, weight = receivers[entry], weights[entry]
                    for s in range(n_each):
                        gaps[player, s] += weight * (each[r * n_each + s] + intercepts[k, r * n_each + s])
        for player in range(c):
            for s in range(n_each):
                gaps[c, s] += gaps[player, s]
        for player in range(c + 1):
            mean = 0.0
            for s in range(1, n_each):
                mean += gaps[player, s]
            mean /= max(g, 1)
            spread = 0.0
            for s in range(1, n_each):
                spread += (gaps[player, s] - mean) ** 2
            seen = seen_scale * math.sqrt((g - 1) / max(g, 1) * spread)
            error = math.hypot(seen, floors[player])
            if player < c:
                values[row, places[player]] = gaps[player, 0]
                errors[row, places[player]] = error
            else:
                totals[row, own] = gaps[player, 0]
                total_errors[row, own] = error


@compiled(numpy_errors=True)
def judge(known, players, sets, limits, numbers, flags):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, C901, PLR0912, PLR0913, PLR0915, PLR0917 (compiled)
    """What `second_opinion` says of rows.

    Args:
        known: Values, standard errors, gaps and their errors; float64, (n, p) each.
        players: Whether players are told of, linked, unused, and relied on; bool, (p,) each.
        sets: Places of the players of each set, one set after the other, and where each set ends, int64; gaps of the
            sets' sums and their errors, float64, (n, sets) each; which share of the sum of its players' standard errors
            is left in that of their sum, float64, (sets,).
        limits: The thresholds in the order of their class, as floats, and the share of T that makes a severity of 2.
        numbers: Written to: conditional, low, high, (n, p) each; moved, (n,); set_values, set_low, set_high, (n, sets)
            each.
        flags: Written to: gap, sign, unused, hidden, bool, (n, p) each; top_changes, bool, (n,); severity, int8, (n,).
    """
    values, standard_errors, gaps, gap_errors = known
    told, linked, unused, relied = players
    members, ends, totals, total_errors, together = sets
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
            error *= together[k]
            far, near = reach * math.hypot(total_errors[row, k], error), reach * error
            set_values[row, k] = middle
            set_low[row, k] = min(middle - near, middle + totals[row, k] - far)
            set_high[row, k] = max(middle + near, middle + totals[row, k] + far)
