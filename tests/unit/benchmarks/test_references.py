"""The truth that errors are measured against."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from benchmarks.performance.references import enumerate_values


def test_enumeration_gives_the_mean_over_all_orders() -> None:
    d = 4
    worth = np.random.default_rng(2).normal(size=2**d)

    def value(masks: np.ndarray) -> np.ndarray:
        return worth[masks @ (1 << np.arange(d))]

    orders = list(permutations(range(d)))
    expected = np.zeros(d)
    for order in orders:
        before = 0
        for player in order:
            expected[player] += (worth[before | (1 << player)] - worth[before]) / len(orders)
            before |= 1 << player

    # Sums of a few dozen float64 numbers near 1.
    np.testing.assert_allclose(enumerate_values(value, d), expected, rtol=0, atol=1e-12)
