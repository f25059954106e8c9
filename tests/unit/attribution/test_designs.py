"""The sequence of pairs that all rows of a plan share, and the background rows of each pair."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from xaisvc.attribution.designs import (
    MOST_SOLVED,
    ROWS_PER_PAIR,
    background_sample,
    group_rows,
    grouped_sequence,
    n_groups_of,
    n_pairs_of,
    pair_sequence,
)

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


class TestGroups:
    @pytest.mark.parametrize(("p", "n_groups"), [(6, 4), (7, 3), (14, 4)])
    def test_every_pair_meets_every_group_once(self, p: int, n_groups: int) -> None:
        n = n_groups * n_pairs_of(p)
        masks, groups = grouped_sequence(p, n, n_groups, SEED)

        unlike = {mask.tobytes() for mask in masks}
        assert len({(mask.tobytes(), int(group)) for mask, group in zip(masks, groups, strict=True)}) == n
        assert len(unlike) == n_pairs_of(p)
        assert not any((~mask).tobytes() in unlike for mask in masks)

    def test_a_larger_design_goes_on_from_a_smaller_one(self) -> None:
        many, few = grouped_sequence(14, 3000, 4, SEED), grouped_sequence(14, 333, 4, SEED)

        assert (many[0][:333] == few[0]).all()
        assert (many[1][:333] == few[1]).all()

    def test_single_players_come_first_and_groups_are_used_alike(self) -> None:
        masks, groups = grouped_sequence(30, 1200, 5, SEED)

        assert (masks[:30].sum(axis=1) == 1).all()
        # Groups are dealt within each of the 15 sizes; each leaves at most one more of a group than of another.
        counts = np.bincount(groups, minlength=5)
        assert counts.max() - counts.min() <= 15
        # Outer sizes have few pairs, which come again with another group: all sizes get their share.
        sizes = np.bincount(masks[30:].sum(axis=1), minlength=16)[1:]
        assert sizes[:14].max() - sizes[:14].min() <= 1

    def test_sizes_beyond_any_integer_are_dealt(self) -> None:
        masks, groups = grouped_sequence(100, 500, 2, SEED)

        assert len(np.unique(np.column_stack([masks, groups]), axis=0)) == 500

    def test_each_background_row_is_in_one_group(self) -> None:
        rows = group_rows(100, 10, SEED)

        assert rows.shape == (10, 10)
        assert sorted(rows.ravel().tolist()) == list(range(100))
        assert (rows != group_rows(100, 10, bytes([1] * 32))).any()

    def test_their_number_divides_the_background_and_keeps_plans_small(self) -> None:
        assert n_groups_of(100, 30, 64, in_stages=False) == 10
        assert n_groups_of(100, 30, 512, in_stages=False) == 4
        assert MOST_SOLVED >= 4 * 512
        assert n_groups_of(100, 30, 2000, in_stages=False) == 1
        assert n_groups_of(20, 30, 64, in_stages=False) == 5
        assert n_groups_of(20, 30, 59, in_stages=False) == 1  # fewer than two pairs for each player
        assert n_groups_of(97, 30, 64, in_stages=False) == 1  # a prime number of rows
        assert n_groups_of(300, 30, 64, in_stages=False) == 1  # sampled in another way
        assert n_groups_of(20, 4, n_pairs_of(4), in_stages=False) == 1  # all pairs over the whole background

    def test_stages_keep_their_number(self) -> None:
        assert {n_groups_of(100, 30, n, in_stages=True) for n in (32, 500, 30_000)} == {4}
        # Sixteen players are enumerated in the end, over the whole background.
        assert {n_groups_of(100, 16, n, in_stages=True) for n in (32, 500, n_pairs_of(16))} == {1}
