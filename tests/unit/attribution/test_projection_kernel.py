"""Products of a constant matrix with the numbers of rows."""

from __future__ import annotations

import numpy as np
import pytest

from xaisvc.attribution.projection_kernel import ROWS_AT_ONCE, products


@pytest.mark.parametrize("lines", [0, 1, 2, 6, 7, 15])
@pytest.mark.parametrize("width", [0, 1, 37, 256])
@pytest.mark.parametrize("blocks", [1, 3])
def test_products_are_those_of_a_matrix_product(lines: int, width: int, blocks: int) -> None:
    rng = np.random.default_rng(lines + 10 * width)
    matrix, rows = rng.normal(size=(lines, width)), rng.normal(size=(blocks * ROWS_AT_ONCE, width))
    found = np.full((len(rows), lines), np.nan)

    products(matrix, rows, found)

    # float64 sums of up to 256 numbers in another order
    np.testing.assert_allclose(found, rows @ matrix.T, rtol=0, atol=1e-12)


def test_a_row_has_the_same_bits_in_any_place_and_company() -> None:
    rng = np.random.default_rng(0)
    matrix, rows = rng.normal(size=(9, 333)), rng.normal(size=(12, 333))
    whole = np.empty((12, 9))
    products(matrix, rows, whole)

    for i in range(12):
        for place in range(ROWS_AT_ONCE):
            alone = np.zeros((ROWS_AT_ONCE, 333))
            alone[place] = rows[i]
            found = np.empty((ROWS_AT_ONCE, 9))
            products(matrix, alone, found)

            np.testing.assert_array_equal(found[place], whole[i])
