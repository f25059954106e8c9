from __future__ import annotations

import numpy as np
import pytest

from xaisvc.structure.clusters import average_linkage, components, cut, linked_sets


def _effects(f: int, **pairs: float) -> np.ndarray:
    """Effects by pair, named like `e01` for features 0 and 1."""
    effect = np.eye(f)
    for name, value in pairs.items():
        i, j = int(name[1]), int(name[2])
        effect[i, j] = effect[j, i] = value
    return effect


def test_merges_are_means_of_distances() -> None:
    merges = average_linkage(_effects(3, e01=0.9, e02=0.3, e12=0.5))

    assert merges.tolist() == [[0.0, 1.0, pytest.approx(0.1), 2.0], [2.0, 3.0, pytest.approx(0.6), 3.0]]


@pytest.mark.parametrize("f", [0, 1])
def test_fewer_than_two_features_merge_nothing(f: int) -> None:
    assert average_linkage(np.eye(f)).shape == (0, 4)
    assert components(np.eye(f, dtype=bool)) == tuple((place,) for place in range(f))


def test_a_cut_makes_the_merges_that_are_strong_enough() -> None:
    merges = average_linkage(_effects(4, e01=0.9, e02=0.3, e12=0.5, e23=0.1))

    assert cut(merges, 4, 0.95) == ((0,), (1,), (2,), (3,))
    assert cut(merges, 4, 0.9) == ((0, 1), (2,), (3,))  # exactly at the threshold
    assert cut(merges, 4, 0.4) == ((0, 1, 2), (3,))
    assert cut(merges, 4, 0.0) == ((0, 1, 2, 3),)


def test_linked_features_form_chains_and_further_edges_join_them() -> None:
    effect = _effects(10, e01=0.5, e12=0.5, e45=0.5)

    sets, between = linked_sets(effect > 0, effect, [(5, 7)])

    assert sets == ((0, 1, 2), (4, 5, 7))
    assert between == 0.0


def test_a_set_of_more_than_two_in_five_is_split_and_what_is_left_between_is_told() -> None:
    # Two tight triples joined by one weak pair: 6 of 10 features in one chain.
    pairs = {"e01": 0.6, "e02": 0.6, "e12": 0.6, "e34": 0.5, "e35": 0.5, "e45": 0.5, "e23": 0.2}
    effect = _effects(10, **pairs)

    sets, between = linked_sets(effect > 0, effect, [])

    assert sets == ((0, 1, 2), (3, 4, 5))
    assert between == 0.2


def test_copies_stay_together_however_many_they_are() -> None:
    effect = np.full((8, 8), 0.95)
    np.fill_diagonal(effect, 1.0)

    sets, between = linked_sets(effect > 0, effect, [])

    assert sets == (tuple(range(8)),)
    assert between == 0.0


def test_a_factor_behind_everything_is_split_into_small_sets() -> None:
    rng = np.random.default_rng(0)
    effect = 0.3 + 0.05 * rng.random((20, 20))
    effect = (effect + effect.T) / 2
    np.fill_diagonal(effect, 1.0)

    sets, between = linked_sets(effect > 0, effect, [])

    assert all(len(members) <= 8 for members in sets)
    assert between > 0.3


def test_three_features_are_never_split() -> None:
    effect = _effects(3, e01=0.1, e12=0.1)

    assert linked_sets(effect > 0, effect, []) == (((0, 1, 2),), 0.0)
