"""Coalitions as arrays, and the Shapley value from all of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from tests.unit.attribution.games import normal
from xaisvc.attribution.coalitions import all_coalitions, all_pairs_values, coalitions_of_size, shapley_values


def test_all_coalitions_count_in_binary() -> None:
    expected = [[0, 0], [1, 0], [0, 1], [1, 1]]

    assert expected == all_coalitions(2).astype(int).tolist()


@pytest.mark.parametrize(("p", "size"), [(5, 1), (5, 2), (7, 3)])
def test_coalitions_of_a_size_are_all_of_them(p: int, size: int) -> None:
    found = {frozenset(np.flatnonzero(mask).tolist()) for mask in coalitions_of_size(p, size)}

    assert found == {frozenset(members) for members in combinations(range(p), size)}


def test_halves_come_once_per_complementary_pair() -> None:
    found = coalitions_of_size(4, 2)

    assert len(found) == 3
    assert len({mask.tobytes() for mask in np.concatenate([found, ~found])}) == 6


@pytest.mark.parametrize("p", [1, 2, 4])
def test_pairs_in_any_order_give_the_values_of_all_coalitions(p: int) -> None:
    values = normal(p, 1, 2**p)[0]
    codes = np.random.default_rng(p).permutation(np.arange(1, 2 ** (p - 1)))
    codes = np.where(np.arange(len(codes)) % 2, codes, 2**p - 1 - codes)

    found = all_pairs_values(
        all_coalitions(p)[codes], values[codes], values[2**p - 1 - codes], values[0], values[2**p - 1]
    )

    assert (found == shapley_values(values, p)).all()
