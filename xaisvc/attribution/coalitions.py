"""Which coalitions to evaluate, and what the Shapley value is when all of them are known.

A coalition is a row of a bool array (m, p), True where a player keeps the explained row's values. For p players the
Shapley kernel gives a coalition of size s the weight (p - 1) / (C(p, s) s (p - s)) (Lundberg & Lee 2017, Theorem 2).
It is the same for a coalition and its complement, so they are always used as a pair, which removes the even part of
the game from the error (Covert & Lee 2021, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Draws made at a time. Fixed, so that a stream gives the same draws however they are asked for.
_BLOCK_DRAWS = 256


def all_coalitions(p: int) -> NDArray[np.bool_]:
    """Every coalition of p players; bool, (2^p, p). Row c holds player j if bit j of c is set."""
    return (np.arange(2**p, dtype=np.int64)[:, None] >> np.arange(p) & 1).astype(np.bool_)


def shapley_values(values: NDArray[np.float64], p: int) -> NDArray[np.float64]:
    """The Shapley value from its definition.

    phi_i = sum over S without i of |S|! (p - |S| - 1)! / p! * (v(S + i) - v(S)) (Shapley 1953). Computed from the
    differences, so a player that never changes v gets exactly 0.

    Args:
        values: v of every coalition in the order of `all_coalitions`; float64, (2^p,).
        p: Number of players.

    Returns:
        float64, (p,).
    """
    weights = np.array([1.0 / (p * comb(p - 1, size)) for size in range(p)])
    sizes = all_coalitions(p).sum(axis=1)
    found = np.empty(p)
    for player in range(p):
        pairs = values.reshape(2 ** (p - 1 - player), 2, 2**player)
        weight = weights[sizes.reshape(pairs.shape)[:, 0]]
        found[player] = (weight * (pairs[:, 1] - pairs[:, 0])).sum()
    return found


def coalitions_of_size(p: int, size: int) -> NDArray[np.bool_]:
    """Every coalition of one size, one per complementary pair if the size is p / 2; bool, (pairs, p)."""
    members = np.fromiter(chain.from_iterable(combinations(range(p), size)), dtype=np.intp).reshape(-1, size)
    if 2 * size == p:
        members = members[
            : len(members) // 2
        ]  # lexicographic: the first half holds player 0, the other the complements
    masks = np.zeros((len(members), p), dtype=np.bool_)
    np.put_along_axis(masks, members, values=True, axis=1)
    return masks


@dataclass(frozen=True, slots=True)
class PairClasses:
    """The complementary pairs of p players, by the smaller size: classes 1 to p // 2.

    Attributes:
        p: Number of players.
        counts: Pairs in each class.
        weights: Kernel weight of each class, the sum over its pairs; float64, (p // 2,).
    """

    p: int
    counts: tuple[int, ...]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, p: int) -> PairClasses:
        """The classes of p players."""
        sizes = range(1, p // 2 + 1)
        halves = [2 if 2 * size == p else 1 for size in sizes]
        return cls(
            p,
            tuple(comb(p, size) // half for size, half in zip(sizes, halves, strict=True)),
            np.array([(p - 1) / (size * (p - size) * half) for size, half in zip(sizes, halves, strict=True)]),
        )

    def n_enumerated(self, n_pairs: int) -> int:
        """How many classes, from the outside in, `n_pairs` pairs can cover in full.

        Class 1 always is: its pairs alone make the solve non-singular. A further class is covered once sampling would
        spend at least as many draws on it as it has pairs.
        """
        left = n_pairs - self.counts[0]
        done = 1
        while done < len(self.counts):
            share = self.weights[done] / self.weights[done:].sum()
            if left * share < self.counts[done]:
                break
            left -= self.counts[done]
            done += 1
        return done


class PairStream:
    """An endless seeded stream of pairs drawn by kernel weight, with replacement.

    Asking for more pairs, or for fewer classes, leaves the draws before as they were, so a growing budget keeps what
    it has evaluated. Lives for one row of one call and is never shared.
    """

    def __init__(self, classes: PairClasses, generator: np.random.Generator) -> None:
        self._classes = classes
        self._generator = generator
        self._blocks: list[tuple[NDArray[np.intp], NDArray[np.uint8]]] = []

    def distinct(self, n_pairs: int, after_class: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Draws from the classes after the first `after_class` until `n_pairs` pairs are distinct.

        Args:
            n_pairs: Distinct pairs wanted; fewer than these classes hold.
            after_class: Number of outer classes to leave away.

        Returns:
            One coalition of each distinct pair, bool, (n_pairs, p), in the order of the draws, and how often each was
            drawn, int64, (n_pairs,).
        """
        counts: dict[bytes, int] = {}
        block = 0
        while True:
            for packed in self._packed(block, after_class):
                key = packed.tobytes()
                if key not in counts and len(counts) == n_pairs:
                    return self._unpack(counts)
                counts[key] = counts.get(key, 0) + 1
            if len(counts) == n_pairs:
                return self._unpack(counts)
            block += 1

    def _unpack(self, counts: dict[bytes, int]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        packed = np.frombuffer(b"".join(counts), dtype=np.uint8).reshape(len(counts), -1)
        masks = np.unpackbits(packed, axis=1, count=self._classes.p).astype(np.bool_)
        return masks, np.fromiter(counts.values(), dtype=np.int64, count=len(counts))

    def _packed(self, block: int, after_class: int) -> NDArray[np.uint8]:
        """The draws of one block that fall into the wanted classes, one coalition of each pair, packed to bits."""
        while len(self._blocks) <= block:
            self._blocks.append(self._draw())
        sizes, packed = self._blocks[block]
        return packed[sizes > after_class]

    def _draw(self) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
        p, weights = self._classes.p, self._classes.weights
        sizes = 1 + self._generator.choice(len(weights), size=_BLOCK_DRAWS, p=weights / weights.sum())
        keys = self._generator.random((_BLOCK_DRAWS, p))
        last = np.take_along_axis(np.sort(keys, axis=1), sizes[:, None] - 1, axis=1)
        masks = keys <= last
        # Of two halves the one with player 0 speaks for the pair, so that a repeated pair is recognised.
        masks ^= ((2 * sizes == p) & ~masks[:, 0])[:, None]
        return sizes, np.packbits(masks, axis=1)
