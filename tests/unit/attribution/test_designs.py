"""The sequence of pairs that all rows of a plan share, and the background rows of each pair."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from xaisvc.attribution.designs import ROWS_PER_PAIR, background_sample, n_pairs_of, pair_sequence

SEED = bytes(range(32))


def _keys(masks: np.ndarray) -> list[bytes]:
    return [min(mask.tobytes(), (~mask).tobytes()) for mask in masks]


@pytest.mark.parametrize("p", [1, 2, 3, 4, 5, 6, 7, 11])
def test_all_pairs_come_once(p: int) -> None:
    masks = pair_sequence(p, n_pairs_of(p), SEED)

    assert masks.shape == (2 ** (p - 1) - 1, p)
    assert len(set(_keys(masks))) == len(masks)
    assert masks.any(axis=1).all()
    assert not masks.all(axis=1).any()


@pytest.mark.parametrize("p", [5, 14, 30, 100])
def test_a_larger_budget_goes_on_from_a_smaller_one(p: int) -> None:
    most = min(700, n_pairs_of(p))
    many = pair_sequence(p, most, SEED)

    for n in (1, p - 1, p + 2, most // 2):
        assert (pair_sequence(p, n, SEED) == many[:n]).all()


def test_single_players_come_first() -> None:
    masks = pair_sequence(20, 25, SEED)

    assert (masks[:20].sum(axis=1) == 1).all()
    assert (masks[:20].sum(axis=0) == 1).all()
    assert (masks[20:].sum(axis=1) > 1).all()


def test_sizes_get_the_same_share_until_all_their_pairs_have_come() -> None:
    p = 14
    sizes = pair_sequence(p, 1000, SEED).sum(axis=1)
    counts = {size: int(((sizes == size) | (sizes == p - size)).sum()) for size in range(1, 8)}

    # 14, 91 and 364 pairs of the outer sizes; the rest shares 1000 - 14 - 91: 4 and a half shares of 199.
    assert counts[1] == comb(14, 1)
    assert counts[2] == comb(14, 2)
    assert max(counts[size] for size in (3, 4, 5, 6)) - min(counts[size] for size in (3, 4, 5, 6)) <= 1
    assert counts[7] == pytest.approx(counts[6] / 2, abs=1)


def test_players_are_in_equally_many_coalitions_of_a_size() -> None:
    masks = pair_sequence(30, 1500, SEED)
    of_ten = masks[masks.sum(axis=1) == 10]
    times = of_ten.sum(axis=0)

    # Three coalitions of ten are dealt from one shuffling of thirty, so only the last deal can be uneven.
    assert times.max() - times.min() <= 1


def test_another_seed_gives_other_pairs() -> None:
    one, other = (set(_keys(pair_sequence(30, 500, seed)[30:])) for seed in (SEED, bytes(32)))

    assert len(one & other) < 50


def test_a_million_possible_pairs_of_a_size_are_dealt_not_listed() -> None:
    masks = pair_sequence(100, 3000, SEED)

    assert len(set(_keys(masks))) == 3000


class TestBackgroundSample:
    def test_a_small_background_is_seen_as_a_whole(self) -> None:
        assert background_sample(200, 40, SEED) is None

    @pytest.mark.parametrize("n_background", [201, 333, 1000])
    def test_every_row_is_used_equally_often_and_no_pair_sees_one_twice(self, n_background: int) -> None:
        picks = background_sample(n_background, 400, SEED)

        assert picks is not None
        assert picks.shape == (400, ROWS_PER_PAIR)
        assert all(len(set(row.tolist())) == ROWS_PER_PAIR for row in picks)
        times = np.bincount(picks.ravel(), minlength=n_background)
        assert times.max() - times.min() <= 1

    def test_a_larger_design_goes_on_from_a_smaller_one(self) -> None:
        many, few = background_sample(333, 400, SEED), background_sample(333, 17, SEED)

        assert many is not None
        assert few is not None
        assert (many[:17] == few).all()
