"""Coalitions, their weights, and the stream of sampled pairs."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest

from xaisvc.attribution.coalitions import PairClasses, PairStream, all_coalitions, coalitions_of_size


def _stream(p: int, seed: int = 0) -> PairStream:
    return PairStream(PairClasses.of(p), np.random.default_rng(seed))


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


@pytest.mark.parametrize("p", [2, 3, 6, 7, 30])
def test_classes_hold_every_pair_with_the_shapley_kernel(p: int) -> None:
    classes = PairClasses.of(p)

    assert sum(classes.counts) == (2**p - 2) // 2
    for size, (count, weight) in enumerate(zip(classes.counts, classes.weights, strict=True), start=1):
        assert weight / count == pytest.approx((p - 1) / (comb(p, size) * size * (p - size)))


def test_outer_sizes_are_enumerated_first_and_only_when_sampling_would_cover_them() -> None:
    classes = PairClasses.of(12)  # 12, 66, 220, 495, 792 and 462 pairs

    assert classes.n_enumerated(20) == 1
    assert classes.n_enumerated(12 + 66) == 1  # the budget could, but nothing would be left for the rest
    assert classes.n_enumerated(300) == 2
    assert classes.n_enumerated(sum(classes.counts)) == 6


class TestPairStream:
    def test_pairs_are_distinct_up_to_complement(self) -> None:
        masks, counts = _stream(8).distinct(60, 1)
        keys = {min(mask.tobytes(), (~mask).tobytes()) for mask in masks}

        assert masks.shape == (60, 8)
        assert len(keys) == 60
        assert (counts >= 1).all()

    @pytest.mark.parametrize("after_class", [1, 2, 3])
    def test_enumerated_sizes_are_left_away(self, after_class: int) -> None:
        masks, _ = _stream(8).distinct(30, after_class)
        sizes = masks.sum(axis=1)

        assert (np.minimum(sizes, 8 - sizes) > after_class).all()

    def test_every_pair_can_be_had(self) -> None:
        masks, _ = _stream(6).distinct(10, 2)

        assert len(masks) == comb(6, 3) // 2

    def test_sizes_follow_the_kernel(self) -> None:
        p = 40
        classes = PairClasses.of(p)
        masks, counts = _stream(p).distinct(4000, 2)
        sizes = masks.sum(axis=1)
        shares = np.bincount(sizes, weights=counts, minlength=p // 2 + 1)[3:] / counts.sum()

        # 4,000 draws scatter a share by at most 0.007; four times that is allowed.
        assert shares == pytest.approx(classes.weights[2:] / classes.weights[2:].sum(), abs=0.03)

    def test_players_are_drawn_alike(self) -> None:
        masks, counts = _stream(40).distinct(4000, 1)
        size = masks.sum(axis=1, keepdims=True) * counts[:, None]
        share = (masks * counts[:, None]).sum(axis=0) / size.sum()

        # Each player is in a coalition of mean size 8 of 40 about 800 times: 4 % scatter, four times that is allowed.
        assert share == pytest.approx(np.full(40, 1 / 40), rel=0.16)

    def test_a_larger_request_starts_with_the_same_draws(self) -> None:
        stream = _stream(10)
        few, _ = stream.distinct(20, 1)
        many, _ = stream.distinct(200, 1)
        afresh, _ = _stream(10).distinct(200, 1)

        assert (many[:20] == few).all()
        assert (many == afresh).all()

    def test_leaving_a_class_away_keeps_the_other_draws(self) -> None:
        stream = _stream(10)
        both, _ = stream.distinct(100, 1)
        inner = both[np.minimum(both.sum(axis=1), 10 - both.sum(axis=1)) > 2]

        assert (stream.distinct(len(inner), 2)[0] == inner).all()
