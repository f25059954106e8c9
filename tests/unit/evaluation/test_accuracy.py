from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from xaisvc.evaluation import Polynomial, copy_asymmetry, largest_error, relative_error, sum_gap, unused_credit


def test_errors_by_hand() -> None:
    values, truth = np.array([[1.0, 2.0], [0.0, 5.0]]), np.array([[1.0, 0.0], [3.0, 4.0]])  # errors (0, 2), (-3, 1)

    assert relative_error(values, truth).value() == pytest.approx(np.sqrt((4 + 10) / (1 + 25)))
    assert relative_error(np.zeros((2, 2)), truth).value() == 1.0
    assert largest_error(values, truth).value() == 2.5
    assert sum_gap(values, np.array([1.0, 1.0]), np.array([4.0, 4.0])).numerators.tolist() == [0.0, 2.0]


def test_credit_of_unused_columns_and_copies_by_hand() -> None:
    values = np.array([[1.0, -3.0, 1.0], [2.0, 2.0, 0.0]])

    assert unused_credit(values, np.array([False, False, True])).value() == pytest.approx(1 / 9)
    assert copy_asymmetry(values, 0, 2).value() == pytest.approx((0 + 2) / (2 + 2))


def test_closed_form_values_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(4)
    model = Polynomial(terms=(((0,), 2.0), ((1, 2), -1.0), ((0, 2, 3), 0.7)), constant=0.4)
    x, z = rng.normal(size=(3, 4)), rng.normal(size=(7, 4))

    def value(row: np.ndarray, kept: frozenset[int]) -> float:
        mixed = z.copy()
        mixed[:, list(kept)] = row[list(kept)]
        return float(model(mixed).mean())

    expected = np.zeros((3, 4))
    orders = list(permutations(range(4)))
    for i, row in enumerate(x):
        for order in orders:
            for place, j in enumerate(order):
                before = frozenset(order[:place])
                expected[i, j] += (value(row, before | {j}) - value(row, before)) / len(orders)

    # both are sums of a few products of numbers near 1
    assert model.shapley_values(x, z) == pytest.approx(expected, abs=1e-12)
