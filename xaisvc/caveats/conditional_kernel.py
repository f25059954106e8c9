"""The compiled reading of a second opinion's plan: gaps of many rows, each worked out as if it were alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from xaisvc.types.second_opinion import MISMATCH, SMOOTH_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable


def _compiled(function: Callable[..., Any]) -> Any:  # noqa: ANN401 (what numba returns has no type)
    options: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract"}, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # nowhere to keep it: compiled anew by every process
        return njit(**options)(function)


@_compiled
def set_gaps(rows, centres, cuts, sums, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, C901 (compiled)
    """Gaps of one set's players and of their sum, with and without each group of background rows.

    See `LinkedPlan` for the formula and for what is not said here.

    Args:
        rows: Scores, float64, and codes, int64, of the rows; (n, columns) each.
        centres: Scores and codes, (columns, u) each; `by_level`, float64, and `owner`, int64, ascending, (columns,)
            each.
        cuts: `cuts`, bool, (a, c); `kernels`, float64, (a, 3); weights of each player and of their sum, float64,
            (c + 1, a, 2).
        sums: `slopes`, float64, (a, 2 * (1 + g), u); `intercepts`, float64, (a, 2 * (1 + g)).
        found: Written to; float64, (n, c + 1, 1 + g).
    """
    scores, codes = rows
    at, at_codes, by_level, owner = centres
    held, kernels, weights = cuts
    slopes, intercepts = sums
    n, n_columns = scores.shape
    u = at.shape[1]
    n_cuts, c = held.shape
    n_sums = slopes.shape[1] // 2
    linear, product = np.empty((c, u)), np.empty((c, u))
    width = np.zeros(c)
    for j in range(n_columns):
        width[owner[j]] += 1.0
    lines, kernel = np.empty(u), np.empty(u)
    for row in range(n):
        linear[:] = 0.0
        product[:] = 1.0
        for j in range(n_columns):
            own, code, level, player = scores[row, j], codes[row, j], by_level[j], owner[j]
            line, factor, centre, centre_code = linear[player], product[player], at[j], at_codes[j]
            for i in range(u):
                same = centre_code[i] == code and code >= 0
                away = (own - centre[i]) / SMOOTH_LENGTH
                line[i] += own * centre[i] + level if same else 0.0
                factor[i] *= 1.0 / (1.0 + away * away) if same else MISMATCH
        found[row] = 0.0
        for k in range(n_cuts):
            kernel[:] = 1.0
            lines[:] = 0.0
            columns = 0.0
            for player in range(c):
                if held[k, player]:
                    columns += width[player]
                    line, factor = linear[player], product[player]
                    for i in range(u):
                        lines[i] += line[i]
                        kernel[i] *= factor[i]
            flat, smooth, rough = kernels[k, 0] / columns, kernels[k, 1], kernels[k, 2]
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
                    found[row, player, s] += weights[player, k, 0] * one + weights[player, k, 1] * other
