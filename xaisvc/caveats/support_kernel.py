"""The compiled reading of a density: how surprising many rows are, each worked out as if it were alone."""

from __future__ import annotations

import math

import numpy as np

from xaisvc.compiled import compiled

MOST = 1e4
"""Largest square of what an equation leaves, in its standard deviations."""


@compiled(numpy_errors=True)
def beyond(values, floors, ceilings, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Marks values outside the bounds of their feature; NaN is outside none.

    Args:
        values: float64, (p, n).
        floors: float64, (p,).
        ceilings: float64, (p,).
        found: Written to: bool, (p, n).

    Returns:
        Whether any is.
    """
    anywhere = False
    for j in range(len(values)):
        for i in range(values.shape[1]):
            found[j, i] = values[j, i] < floors[j] or values[j, i] > ceilings[j]
            anywhere |= found[j, i]
    return anywhere


@compiled(fastmath={"reassoc", "contract"}, numpy_errors=True)
def _form(precision, scores):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """The quadratic form z P z of a symmetric P."""
    total = 0.0
    for i in range(len(scores)):
        own = scores[i]
        if own != 0.0:
            row, across = precision[i], 0.0
            for j in range(i):
                across += row[j] * scores[j]
            total += own * (own * row[i] + 2.0 * across)
    return total


@compiled(fastmath={"reassoc", "contract"}, numpy_errors=True)
def _interpolated(score, reach, grid):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Value of a grid over equal steps from -reach to reach."""
    place = (score + reach) / (2.0 * reach) * (len(grid) - 1)
    low = min(max(int(place), 0), len(grid) - 2)
    return grid[low] + (grid[low + 1] - grid[low]) * (place - low)


@compiled(fastmath={"reassoc", "contract"}, numpy_errors=True)
def surprises(values, margins, precision, equations, blocks, pairs, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, C901, PLR0912, PLR0913, PLR0915, PLR0917 (compiled)
    """Surprise of rows, and the part of it that is about how values go together; see `Density`.

    Args:
        values: Numbers and places of levels, not finite where there is none; float64, (p, n).
        margins: `breaks`, (p, g), `counts` of finite ones, int64, (p,), `start`, `base` and `slope`, (p, g + 1), as in
            `RowScreen`, and the reach.
        precision: float64, (p, p).
        equations: `targets`, int64, `logs`, bool, `weights`, `offsets`, `spreads` and `centres` of `Density`.
        blocks: Where each block's members end, int64, (b,); members, int64; degrees of freedom, float64, (b,);
            precisions, one block's rows after the other's, float64, (members, largest); grids, float64, (b, grid).
        pairs: Places of the pairs' features, int64, (e, 2); `tables`, (e, c, c); whether a feature is discrete, bool,
            (p,); width of a cell.
        found: Written to: surprise and discord; float64, (n,) both.
    """
    breaks, counts, start, base, slope, reach = margins
    targets, logs, weights, offsets, spreads, centres = equations
    ends, members, freedoms, precisions, grids = blocks
    edges, tables, discrete, step = pairs
    surprise, discord = found
    p, n = values.shape
    scores, interval = np.empty(p), np.empty(p, dtype=np.int64)
    longest = 0
    for b in range(len(ends)):
        longest = max(longest, ends[b] - (ends[b - 1] if b else 0))
    student = np.empty(longest)
    last = tables.shape[1] - 1
    for row in range(n):
        plain = 0.0
        for j in range(p):
            value = values[j, row]
            scores[j] = 0.0
            interval[j] = -1
            if math.isfinite(value):
                low, high = 0, counts[j]
                while low < high:
                    middle = (low + high) // 2
                    if breaks[j, middle] < value:
                        low = middle + 1
                    else:
                        high = middle
                interval[j] = low
                scores[j] = base[j, low] + slope[j, low] * (value - start[j, low])
                plain += scores[j] * scores[j]
        total = 0.5 * _form(precision, scores)
        for e in range(len(targets)):
            own = values[targets[e], row]
            if not math.isfinite(own) or (logs[e] and own <= 0.0):
                continue
            left = offsets[e]
            for j in range(p):
                value = values[j, row]
                if not math.isfinite(value) or (logs[e] and value <= 0.0):
                    value = centres[e, j]
                elif logs[e] and weights[e, j] != 0.0:
                    value = math.log(value)
                left += weights[e, j] * value
            left /= spreads[e]
            total += 0.5 * min(left * left, MOST)
        first = 0
        for b in range(len(ends)):
            q, freedom = ends[b] - first, freedoms[b]
            margin, normal = 0.0, 0.0
            for i in range(q):
                score = scores[members[first + i]]
                student[i] = _interpolated(score, reach, grids[b])
                margin += math.log1p(student[i] * student[i] / freedom)
                normal += score * score
            form = max(_form(precisions[first : first + q, :q], student[:q]), 0.0)
            total += (freedom + q) / 2 * math.log1p(form / freedom) - (freedom + 1) / 2 * margin + 0.5 * normal
            first = ends[b]
        for e in range(len(edges)):
            one, other = last, last
            for side in range(2):
                j = edges[e, side]
                if interval[j] >= 0:
                    cell = interval[j] if discrete[j] else np.int64((scores[j] + reach) / step)
                    cell = min(cell, last - 1)
                    if side == 0:
                        one = cell
                    else:
                        other = cell
            total += tables[e, one, other]
        surprise[row] = total
        discord[row] = total - 0.5 * plain
