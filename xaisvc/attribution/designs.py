"""Which coalitions all rows of a plan share.

One endless sequence of complementary pairs for each number of players and seed; a budget takes its first pairs, so a
larger budget keeps what a smaller one has evaluated. All single players come first: they carry most of what small
budgets can say about each player. Then come all sizes alike, which is sampling by leverage scores (Musco & Witter,
"Provably accurate Shapley value estimation via leverage score sampling", ICLR 2025, section 3): a pair of sizes s and
p - s has the leverage 1 / C(p, s), so every size gets the same share. A size whose pairs have all come is left out, so
outer sizes are enumerated as soon as the budget covers them. Within a size, shuffled players are dealt out to
coalitions, so that every player is in equally many.

Which background rows a pair sees: all of them, those of one group, or a sample. The games of two groups differ, and
what they differ by averages out over pairs of both, so at equal model rows many pairs that see a group each say more
than few that see everything (ADR 9 has figures).
"""

from __future__ import annotations

import math
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.coalitions import coalitions_of_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Sizes with at most this many pairs are put in order once and for all, the rest is dealt until enough pairs differ.
_MOST_LISTED = 16_384
# Shufflings of all players made at a time. Fixed, so that a stream is the same however much of it is asked for.
_BLOCK_SHUFFLINGS = 256
# Background rows up to which a budget pays for all of them in every coalition, and rows that a pair sees beyond.
FULL_BACKGROUND_ROWS = 200
ROWS_PER_PAIR = 50
# Groups of the background: on development cases groups of four or more rows were about as good as smaller ones, which
# make larger plans.
_LEAST_IN_GROUP = 4
_MOST_GROUPS = 10
_MOST_GROUPS_IN_STAGES = 4  # plans of the largest stages grow with them
# Fewer players are enumerated by the last stage, over the whole background; all stages before it see that too, so that
# nothing is evaluated twice.
_FEWEST_PLAYERS_IN_STAGES = 17
# Pairs that are solved together at most (see `projections`), which bounds the groups of a budget.
MOST_SOLVED = 2304

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def nobody_leaves() -> None:
    """The check of a plan that cannot be called off."""


def n_pairs_of(p: int) -> int:
    """Complementary pairs of p players without the one of nobody and everybody."""
    return int(2 ** (p - 1) - 1)


def generator_of(seed: bytes, *stream: int) -> np.random.Generator:
    """A generator that gives the same numbers for the same seed and stream on every machine."""
    return np.random.Generator(np.random.PCG64([int.from_bytes(seed, "little"), *stream]))


def pair_sequence(p: int, n_pairs: int, seed: bytes, check: Callable[[], None] = nobody_leaves) -> NDArray[np.bool_]:
    """The first pairs of the sequence, one coalition of each; bool, (n_pairs, p).

    Args:
        p: Number of players.
        n_pairs: How many, at most `n_pairs_of(p)`.
        seed: The plan's 32 bytes.
        check: Called between pieces of work; raises AbandonedError once nobody waits.
    """
    if n_pairs == 0:
        return np.zeros((0, p), dtype=np.bool_)
    singles = coalitions_of_size(p, 1)
    singles = singles[generator_of(seed, p, 1).permutation(len(singles))]
    left = n_pairs - len(singles)
    if left <= 0:
        return singles[:n_pairs]
    sizes = np.arange(2, p // 2 + 1)
    counts = [comb(p, size) // (2 if 2 * size == p else 1) for size in sizes.tolist()]
    # Pair k of a size arrives at time (k + start) / rate; starts are spread evenly whatever the number of sizes is.
    rates = np.where(2 * sizes == p, 0.5, 1.0).astype(np.float64)
    starts = np.asarray((np.arange(1, len(sizes) + 1) * _GOLDEN) % 1.0, dtype=np.float64)
    taken = _arrived(left, counts, rates, starts)
    times = np.concatenate([(np.arange(n) + start) / rate for n, start, rate in zip(taken, starts, rates, strict=True)])
    masks = np.concatenate(
        [_class_pairs(p, size, n, seed, check) for size, n in zip(sizes.tolist(), taken, strict=True)]
    )
    check()
    order = np.argsort(times, kind="stable")[:left]
    check()
    return np.concatenate([singles, masks[order]])


def n_groups_of(n_background: int, p: int, n_pairs: int, *, in_stages: bool) -> int:
    """Groups of equal size that the background is cut into; 1 if every pair is to see all of it.

    Args:
        n_background: Rows of the background.
        p: Number of players.
        n_pairs: Pairs that the budget pays for over the whole background; with g groups it pays for g times as many.
        in_stages: Whether larger designs go on from this one, which must not depend on their size then.
    """
    if n_background > FULL_BACKGROUND_ROWS or n_pairs == 0:
        return 1
    # Below four coalitions for each player no pilot tells groups apart, and trees lose what networks gain.
    if p < _FEWEST_PLAYERS_IN_STAGES if in_stages else n_pairs < 2 * p:
        return 1
    most = _MOST_GROUPS_IN_STAGES if in_stages else min(_MOST_GROUPS, MOST_SOLVED // n_pairs)
    most = min(most, n_background // _LEAST_IN_GROUP) if n_pairs < n_pairs_of(p) else 1
    return max((n for n in range(2, most + 1) if n_background % n == 0), default=1)


def grouped_sequence(
    p: int, n_pairs: int, n_groups: int, seed: bytes, check: Callable[[], None] = nobody_leaves
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The first pairs of a sequence for groups of the background, and the group of each.

    As `pair_sequence`, but a size whose pairs have all come starts anew, each pair with another group than before,
    until every pair has met every group: outer sizes are few pairs of much weight, and what the groups differ by must
    average out there too.

    Args:
        p: Number of players.
        n_pairs: How many, at most `n_groups * n_pairs_of(p)`.
        n_groups: Groups.
        seed: The plan's 32 bytes.
        check: Called between pieces of work; raises AbandonedError once nobody waits.

    Returns:
        Bool, (n_pairs, p), and int64, (n_pairs,).
    """
    sizes = np.arange(1, p // 2 + 1)
    counts = [comb(p, size) // (2 if 2 * size == p else 1) for size in sizes.tolist()]
    n_first = min(n_pairs, counts[0])
    rates = np.where(2 * sizes == p, 0.5, 1.0).astype(np.float64)
    starts = np.asarray((np.arange(len(sizes)) * _GOLDEN) % 1.0, dtype=np.float64)
    room = [n_groups * count for count in counts]
    room[0] -= n_first
    taken = _arrived(n_pairs - n_first, room, rates, starts)
    masks, groups, times = [], [], []
    for i, (size, count, n) in enumerate(zip(sizes.tolist(), counts, taken, strict=True)):
        begin = n_first if i == 0 else 0
        items = np.arange(begin + n)
        n_unlike = min(begin + n, count)
        own = pair_sequence(p, n_unlike, seed, check) if i == 0 else _class_pairs(p, size, n_unlike, seed, check)
        dealt = _dealt_groups(n_groups, n_unlike, generator_of(seed, p, 9, size, n_groups))
        place, n_before = items % max(n_unlike, 1), items // max(n_unlike, 1)
        masks.append(own[place])
        groups.append((dealt[place] + n_before) % n_groups)
        times.append(np.concatenate([np.full(begin, -1.0), (np.arange(n) + starts[i]) / rates[i]]))
    order = np.argsort(np.concatenate(times), kind="stable")[:n_pairs]
    return np.concatenate(masks)[order], np.concatenate(groups)[order]


def _dealt_groups(n_groups: int, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Shuffled groups dealt out one after the other; int64, (n,)."""
    blocks = [rng.permutation(n_groups) for _ in range(-(-n // n_groups))]
    return np.concatenate([np.empty(0, dtype=np.int64), *blocks])[:n]


def group_rows(n_background: int, n_groups: int, seed: bytes) -> NDArray[np.int64]:
    """The background rows of each group, each in one; int64, (n_groups, n_background / n_groups)."""
    return generator_of(seed, n_background, n_groups, 10).permutation(n_background).reshape(n_groups, -1)


def background_sample(
    n_background: int, n_pairs: int, seed: bytes, check: Callable[[], None] = nobody_leaves
) -> NDArray[np.int64] | None:
    """Background rows of each pair of a design; int64, (n_pairs, ROWS_PER_PAIR), or None for all rows in every pair.

    Shuffled backgrounds are dealt out one after the other, so all rows are used equally often, up to one.

    Args:
        n_background: Rows of the background.
        n_pairs: Pairs of the design.
        seed: The plan's 32 bytes.
        check: Called between pieces of work; raises AbandonedError once nobody waits.
    """
    if n_background <= FULL_BACKGROUND_ROWS:
        return None
    rng = generator_of(seed, n_background, 2)
    wanted = n_pairs * ROWS_PER_PAIR
    dealt: list[NDArray[np.int64]] = []
    n_dealt = 0
    tail = np.empty(0, dtype=np.int64)
    while n_dealt < wanted:
        check()
        # A pair must not see a row twice: what the shuffling before left over goes first, its rows last in this one.
        shuffled = rng.permutation(n_background)
        n_missing = -n_dealt % ROWS_PER_PAIR
        if n_missing:
            clash = np.isin(shuffled, tail)
            fresh = shuffled[~clash][:n_missing]
            shuffled = np.concatenate([fresh, shuffled[~np.isin(shuffled, fresh)]])
        dealt.append(shuffled)
        n_dealt += n_background
        n_over = n_dealt % ROWS_PER_PAIR
        tail = shuffled[len(shuffled) - n_over :]
    return np.concatenate(dealt)[:wanted].reshape(n_pairs, ROWS_PER_PAIR)


def _arrived(wanted: int, counts: list[int], rates: NDArray[np.float64], starts: NDArray[np.float64]) -> list[int]:
    """How many pairs of each size have arrived when at least `wanted` have; at most one more of each than needed."""

    def by(time: float) -> list[int]:
        arrived = np.maximum(0, np.floor(time * rates - starts).astype(np.int64) + 1)
        return [min(int(n), count) for n, count in zip(arrived, counts, strict=True)]

    low, high = 0, 2 * wanted + 2  # the slowest size brings one pair in two units of time
    while low < high:
        middle = (low + high) // 2
        if sum(by(middle)) >= wanted:
            high = middle
        else:
            low = middle + 1
    return by(high)


def _class_pairs(p: int, size: int, n: int, seed: bytes, check: Callable[[], None]) -> NDArray[np.bool_]:
    """The first n pairs of one size, in the order of its own stream; bool, (n, p)."""
    if n == 0:
        return np.zeros((0, p), dtype=np.bool_)
    count = comb(p, size) // (2 if 2 * size == p else 1)
    rng = generator_of(seed, p, 3, size)
    # Of a small size half is dealt and the rest listed: dealing on would mostly repeat what is there.
    n_dealt = min(n, count // 2) if count <= _MOST_LISTED else n
    seen: dict[bytes, None] = {}
    while len(seen) < n_dealt:
        check()
        seen.update(dict.fromkeys(_dealt(p, size, rng)))
    keys = list(seen)[:n_dealt]
    if n == n_dealt:
        return _unpacked(keys, p)
    everyone = coalitions_of_size(p, size)
    known = set(keys)
    rest = [index for index, row in enumerate(np.packbits(everyone, axis=1)) if row.tobytes() not in known]
    shuffled = generator_of(seed, p, 4, size).permutation(rest)
    return np.concatenate([_unpacked(keys, p), everyone[shuffled]])[:n]


def _dealt(p: int, size: int, rng: np.random.Generator) -> list[bytes]:
    """Coalitions dealt from a block of shuffled players, packed to bits; of two halves the one with player 0."""
    hands = 1 if 2 * size == p else p // size
    shuffled = rng.permuted(np.tile(np.arange(p), (_BLOCK_SHUFFLINGS, 1)), axis=1)
    members = shuffled[:, : hands * size].reshape(-1, size)
    masks = np.zeros((len(members), p), dtype=np.bool_)
    np.put_along_axis(masks, members, values=True, axis=1)
    if 2 * size == p:
        masks ^= ~masks[:, :1]
    return [row.tobytes() for row in np.packbits(masks, axis=1)]


def _unpacked(keys: list[bytes], p: int) -> NDArray[np.bool_]:
    packed = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), -1)
    return np.unpackbits(packed, axis=1, count=p).astype(np.bool_)
