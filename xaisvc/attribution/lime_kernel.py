"""The compiled fit of LIME on binary columns, row after row.

`surrogate.fit_surrogate` computes the same in plain numpy from the same samples, and is the oracle in the tests.
"""

from __future__ import annotations

import numpy as np

from xaisvc.attribution.lime_bits import BYTE, agree, count_pairs, predict, project, project_blocks
from xaisvc.compiled import compiled

# How many of the largest weights are watched by the stability numbers.
TOP = 3
N_DIAGNOSTICS = 4


@compiled()
def _factor(sums, means, mass, chosen, alpha, lower):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Cholesky factor of Z'WZ - mass means means' + alpha over the chosen columns, into `lower`, (q, q)."""
    for a in range(chosen.size):
        i = chosen[a]
        for b in range(a + 1):
            j = chosen[b]
            total = sums[i, j] - mass * means[i] * means[j]
            if a == b:
                total += alpha
            for k in range(b):
                total -= lower[a, k] * lower[b, k]
            lower[a, b] = np.sqrt(total) if a == b else total / lower[b, b]


@compiled()
def _substitute(lower, right):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Solves lower lower' x = right in place for each column of `right`, (q, c)."""
    q, c = right.shape
    for a in range(q):
        for k in range(a):
            factor = lower[a, k]
            for b in range(c):
                right[a, b] -= factor * right[k, b]
        for b in range(c):
            right[a, b] /= lower[a, a]
    for a in range(q - 1, -1, -1):
        for k in range(a + 1, q):
            factor = lower[k, a]
            for b in range(c):
                right[a, b] -= factor * right[k, b]
        for b in range(c):
            right[a, b] /= lower[a, a]


@compiled()
def _solve(sums, projected, mass, total, chosen, alpha, lower, weights):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Writes the ridge weights, 0 for columns not chosen; returns the intercept. `lower` keeps the factor."""
    p, q = weights.size, chosen.size
    means = np.empty(p)
    for i in range(p):
        means[i] = sums[i, i] / mass
    _factor(sums, means, mass, chosen, alpha, lower)
    right = np.empty((q, 1))
    for a in range(q):
        right[a, 0] = projected[chosen[a]] - means[chosen[a]] * total
    _substitute(lower, right)
    weights[:] = 0.0
    intercept = total / mass
    for a in range(q):
        weights[chosen[a]] = right[a, 0]
        intercept -= right[a, 0] * means[chosen[a]]
    return intercept


@compiled()
def _explained(relative, fitted, classes, class_weights, start, stop):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Weighted share of the variance that the fit explains; 1 for a constant that is met, 0 for one that is not."""
    mass, centre = 0.0, 0.0
    for s in range(start, stop):
        weight = class_weights[classes[s]]
        mass += weight
        centre += weight * relative[s]
    centre /= mass
    left, total = 0.0, 0.0
    for s in range(start, stop):
        weight = class_weights[classes[s]]
        left += weight * (relative[s] - fitted[s]) ** 2
        total += weight * (relative[s] - centre) ** 2
    if total == 0.0:
        return 1.0 if left == 0.0 else 0.0
    return 1.0 - left / total


@compiled()
def _largest(weights, top):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Writes the places of the largest weights by size into `top`; of equals, the first."""
    for t in range(top.size):
        best, size = -1, -1.0
        for i in range(weights.size):
            if abs(weights[i]) > size:
                taken = False
                for k in range(t):
                    taken = taken or top[k] == i
                if not taken:
                    best, size = i, abs(weights[i])
        top[t] = best


@compiled()
def _stability(weights, moves, chosen, resamples):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Mean overlap of the largest weights between resamples and the fit, and the share of them that change sign."""
    n, q, n_blocks = resamples.shape[0], chosen.size, moves.shape[1]
    # Whole vectors of eight, so that the loop over columns has no remainder.
    width = (q + 7) // 8 * 8
    by_block = np.zeros((n_blocks, width))
    for a in range(q):
        for b in range(n_blocks):
            by_block[b, a] = moves[a, b]
    fit, resampled = np.empty(q), np.empty(width)
    for a in range(q):
        fit[a] = weights[chosen[a]]
    top = np.empty(min(TOP, q), dtype=np.int64)
    other = np.empty(min(TOP, q), dtype=np.int64)
    _largest(fit, top)
    overlap, flips = 0.0, 0
    for r in range(n):
        for a in range(width):
            resampled[a] = fit[a] if a < q else 0.0
        for b in range(n_blocks):
            times = resamples[r, b]
            for a in range(width):
                resampled[a] += times * by_block[b, a]
        _largest(resampled[:q], other)
        common = 0
        for k in range(top.size):
            for t in range(top.size):
                common += top[k] == other[t]
            flips += np.sign(resampled[top[k]]) != np.sign(fit[top[k]])
        overlap += common / (2 * top.size - common)
    return overlap / n, flips / (n * top.size)


@compiled()
def _move(octets, pulls, starts, sums, mass, chosen, lower, gradients, moves):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """Writes what one more of each block adds to the weights, to first order, into `moves`, (q, blocks).

    That is one step of Newton's method: A^-1 times the block's gradient, the sum of its weighted residuals `pulls`
    times its centred columns.
    """
    project_blocks(octets, pulls, starts, gradients)
    for b in range(starts.size - 1):
        total = 0.0
        for s in range(starts[b], starts[b + 1]):
            total += pulls[s]
        for a in range(chosen.size):
            i = chosen[a]
            moves[a, b] = gradients[i, b] - sums[i, i] / mass * total
    _substitute(lower, moves)


@compiled()
def _spread(moves, m, chosen, errors):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Writes the standard errors over resamples, 0 for columns not chosen; see `surrogate.bootstrap_errors`."""
    q, n_blocks = moves.shape
    scale = n_blocks / (n_blocks - 1) * m / (m - q - 1)
    errors[:] = 0.0
    for a in range(q):
        centre, spread = 0.0, 0.0
        for b in range(n_blocks):
            centre += moves[a, b] / n_blocks
        for b in range(n_blocks):
            spread += (moves[a, b] - centre) ** 2
        errors[chosen[a]] = np.sqrt(scale * spread)


@compiled()
def add_up(codes, own, first, members, class_weights, answers, output, sums, projected):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """The sums of one row's fit, as `lime_selection` needs them.

    Args:
        codes: Bin of each feature in each draw; draw 0 stands for the row; unsigned, (f, m).
        own: The row's own bins, (f,).
        first: Where each player's features begin in `members`; int64, (p + 1,).
        members: Features of all players; int64.
        class_weights: Weight of a draw that differs on c players; float64, (p + 1,).
        answers: f of each draw; float64, (m,).
        output: f of the row.
        sums: Receives the lower triangle of Z'WZ; float64, (p, p).
        projected: Receives Z'W(f - output); float64, (p,).

    Returns:
        1'W1, 1'W(f - output) and (f - output)'W(f - output).
    """
    p, m = first.size - 1, codes.shape[1]
    octets = np.empty(((p + BYTE - 1) // BYTE, m), dtype=np.uint8)
    classes = np.empty(m, dtype=np.int16)
    agree(codes, own, first, members, octets, classes)
    mass = count_pairs(octets, classes, 0, m, class_weights, sums)
    weighted = np.zeros(m)
    total, squares = 0.0, 0.0
    for s in range(1, m):
        relative = answers[s] - output
        weighted[s] = class_weights[classes[s]] * relative
        total += weighted[s]
        squares += weighted[s] * relative
    project(octets, weighted, 0, m, projected)
    return mass, total, squares


@compiled()
def fit_rows(  # type: ignore[no-untyped-def] # noqa: ANN201, PLR0913, PLR0917 (one compiled pass)
    codes,  # noqa: ANN001
    own,  # noqa: ANN001
    first,  # noqa: ANN001
    members,  # noqa: ANN001
    class_weights,  # noqa: ANN001
    answers,  # noqa: ANN001
    outputs,  # noqa: ANN001
    starts,  # noqa: ANN001
    n_fit,  # noqa: ANN001
    resamples,  # noqa: ANN001
    alpha,  # noqa: ANN001
    selected,  # noqa: ANN001
    weights,  # noqa: ANN001
    errors,  # noqa: ANN001
    intercepts,  # noqa: ANN001
    diagnostics,  # noqa: ANN001
):
    """Fits one surrogate to each of n rows. A row's numbers are made from its own bins and output and nothing else.

    Args:
        codes: See `add_up`.
        own: Each row's own bins, (n, f).
        first: See `add_up`.
        members: See `add_up`.
        class_weights: See `add_up`.
        answers: See `add_up`.
        outputs: f of each row; float64, (n,).
        starts: Where the blocks of the bootstrap begin and the last one ends; int64, (blocks + 1,).
        n_fit: Blocks that the held-out fit uses.
        resamples: Times that a resample holds each block, less 1; float64, (resamples, blocks).
        alpha: Ridge penalty.
        selected: Players that may have a weight; bool, (n, p).
        weights: Receives the weights; float64, (n, p).
        errors: Receives their standard errors; float64, (n, p).
        intercepts: Receives the intercepts; float64, (n,).
        diagnostics: Receives fidelity, r2, overlap of the largest and share of sign flips; float64, (n, 4).
    """
    n, p, m, n_blocks = own.shape[0], first.size - 1, codes.shape[1], starts.size - 1
    split = starts[n_fit]
    octets = np.empty(((p + BYTE - 1) // BYTE, m), dtype=np.uint8)
    classes = np.empty(m, dtype=np.int16)
    sums, held_sums, lower = np.empty((p, p)), np.empty((p, p)), np.zeros((p, p))
    projected, held_projected, part = np.empty(p), np.empty(p), np.empty(p)
    relative, weighted, fitted = np.empty(m), np.empty(m), np.empty(m)
    gradients = np.empty((p, n_blocks))
    places = np.empty(p, dtype=np.int64)
    for r in range(n):
        q = 0
        for i in range(p):
            if selected[r, i]:
                places[q] = i
                q += 1
        chosen = places[:q]
        agree(codes, own[r], first, members, octets, classes)
        total, held_total = 0.0, 0.0
        relative[0] = 0.0
        weighted[0] = 0.0
        for s in range(1, m):
            relative[s] = answers[s] - outputs[r]
            weighted[s] = class_weights[classes[s]] * relative[s]
        for s in range(split):
            total += weighted[s]
        for s in range(split, m):
            held_total += weighted[s]

        mass = count_pairs(octets, classes, 0, split, class_weights, sums)
        project(octets, weighted, 0, split, projected)
        offset = _solve(sums, projected, mass, total, chosen, alpha, lower[:q, :q], part)
        predict(octets, part, offset, split, m, fitted)
        diagnostics[r, 0] = _explained(relative, fitted, classes, class_weights, split, m)

        mass += count_pairs(octets, classes, split, m, class_weights, held_sums)
        project(octets, weighted, split, m, held_projected)
        total += held_total
        for i in range(p):
            projected[i] += held_projected[i]
            for j in range(i + 1):
                sums[i, j] += held_sums[i, j]
        offset = _solve(sums, projected, mass, total, chosen, alpha, lower[:q, :q], weights[r])
        intercepts[r] = offset + outputs[r]
        predict(octets, weights[r], offset, 0, m, fitted)
        diagnostics[r, 1] = _explained(relative, fitted, classes, class_weights, 0, m)

        for s in range(m):
            weighted[s] = class_weights[classes[s]] * (relative[s] - fitted[s])
        moves = np.empty((q, n_blocks))
        _move(octets, weighted, starts, sums, mass, chosen, lower[:q, :q], gradients, moves)
        _spread(moves, m, chosen, errors[r])
        overlap, flips = _stability(weights[r], moves, chosen, resamples)
        diagnostics[r, 2] = overlap
        diagnostics[r, 3] = flips
