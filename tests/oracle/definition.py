"""Shapley values from the definition: loops over sets, no code of ours, no speed."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


def shapley_by_definition(value: Callable[[frozenset[int]], float], p: int) -> NDArray[np.float64]:
    """phi_i = sum over S without i of |S|! (p - |S| - 1)! / p! * (v(S + i) - v(S))."""
    found = np.zeros(p)
    for player in range(p):
        others = [other for other in range(p) if other != player]
        for size in range(p):
            weight = factorial(size) * factorial(p - size - 1) / factorial(p)
            for members in combinations(others, size):
                before = frozenset(members)
                found[player] += weight * (value(before | {player}) - value(before))
    return found


def interventional_value(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    row: NDArray[np.float64],
    background: NDArray[np.float64],
    groups: Sequence[Sequence[int]],
) -> Callable[[frozenset[int]], float]:
    """v(S) = mean over background rows of f with the columns of the groups in S taken from the row."""

    def value(members: frozenset[int]) -> float:
        total = 0.0
        for stand_in in background:
            mixed = stand_in.copy()
            for group in members:
                for column in groups[group]:
                    mixed[column] = row[column]
            total += float(function(mixed[None, :])[0])
        return total / len(background)

    return value


def interactions_by_definition(value: Callable[[frozenset[int]], float], p: int) -> NDArray[np.float64]:
    """Off the diagonal half of the pairwise Shapley interaction index, on it the SHAP value less the rest of its line.

    I(i, j) = sum over S without i, j of |S|! (p - |S| - 2)! / (p - 1)! * (v(S+i+j) - v(S+i) - v(S+j) + v(S)).
    """
    found = np.zeros((p, p))
    for one, two in combinations(range(p), 2):
        others = [other for other in range(p) if other not in {one, two}]
        for size in range(p - 1):
            weight = factorial(size) * factorial(p - size - 2) / factorial(p - 1)
            for members in combinations(others, size):
                before = frozenset(members)
                change = value(before | {one, two}) - value(before | {one}) - value(before | {two}) + value(before)
                found[one, two] += weight * change / 2
        found[two, one] = found[one, two]
    found[np.diag_indices(p)] = shapley_by_definition(value, p) - found.sum(axis=1)
    return found
