"""A few short rules that stand in for the model, and how far they do."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.cohorts.partition import is_only_missing, union
from xaisvc.cohorts.proportions import percent
from xaisvc.types.cohort import MIN_CELL, Condition, Rule, Rules, Strength

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.cohorts.partition import Partition
    from xaisvc.types.cohort import Cell

MOST_RULES = 3
_HELD_OUT = 3  # one of three records
_NOISE = 2.0
"""Standard deviations of pure chance by which a rule must gain on the records that it is made from."""
_BEYOND_CHANCE = 1.6448536269514722
"""One-sided 95 % quantile of the normal distribution, for the records that rules are judged on."""
_MOSTLY, _NEARLY_ALWAYS = 2 / 3, 0.9


@dataclass(frozen=True, slots=True, eq=False)
class _Tests:
    """c conditions and what passes them.

    Attributes:
        conditions: The conditions.
        passes: Whether a record passes; float32 of 0 and 1, (n, c).
        feature: Place of each condition's feature; intp, (c,).
    """

    conditions: tuple[Condition, ...]
    passes: NDArray[np.float32]
    feature: NDArray[np.intp]


def find_rules(
    partitions: Sequence[Partition], decisions: NDArray[np.bool_], predictions: NDArray[np.float64], seed: int
) -> Rules | None:
    """Looks for one to three rules of one or two conditions that tell which decision the model makes.

    A third of the records is held out, drawn by a hash of the seed and of what may be shown of a record, so that
    neither order nor what is withheld has a part in it. On the others, rules are taken one after the other: each time
    the one with the largest gain, which is the number of records that it adds to those where
    rules and model agree, less two standard deviations of chance. Conditions are made of the cells of partitions, and
    what a rule covers, leaves of each of its conditions, or shares with another rule, is nothing or large enough to be
    told. Rules are then judged on the held-out records.

    Args:
        partitions: How the cohort is cut by each feature that rules may name.
        decisions: The model's decision; bool, (n,).
        predictions: The model's output; float64, (n,).
        seed: Draws the held-out records.

    Returns:
        The rules, with `outcome` left for the caller: `true` or `false`, the decision of those who pass. None if they
        get no more held-out decisions right than the most frequent decision does, but for chance (McNemar 1947,
        one-sided 5 %).
    """
    if not partitions:
        return None
    held_out = draw_held_out(partitions, predictions, seed)
    n_fitted, n_judged = int((~held_out).sum()), int(held_out.sum())
    if min(n_fitted, n_judged) < MIN_CELL:
        return None
    mostly = int(decisions[~held_out].sum()) * 2 > n_fitted
    target = decisions != mostly
    tests = _make_tests(partitions)
    allowed = _allowed(tests, held_out)
    chosen = _cover(tests, allowed, target, ~held_out)
    return _judge(tests, chosen, target, held_out, outcome=not mostly) if chosen else None


def draw_held_out(partitions: Sequence[Partition], predictions: NDArray[np.float64], seed: int) -> NDArray[np.bool_]:
    """Which records rules are judged on: about a third; bool, (n,). See `find_rules`."""
    drawn = _mixed(predictions.view(np.uint64), seed)
    for partition in partitions:
        drawn = _mixed(drawn ^ partition.codes.astype(np.uint64), seed)
    return np.asarray(drawn % np.uint64(_HELD_OUT) == 0)


def _mixed(numbers: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Well mixed numbers (the finaliser of SplitMix64; Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        mixed = numbers + np.uint64(0x9E3779B97F4A7C15) * np.uint64(2 * (seed % 2**62) + 1)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def _make_tests(partitions: Sequence[Partition]) -> _Tests:
    conditions: list[Condition] = []
    passes: list[NDArray[np.float32]] = []
    features: list[int] = []
    for place, partition in enumerate(partitions):
        for cells in _unions(partition):
            told: Cell = union([partition.cells[i] for i in cells])
            conditions.append(Condition(feature=partition.by, cell=told))
            passes.append(np.isin(partition.codes, cells).astype(np.float32))
            features.append(place)
    return _Tests(tuple(conditions), np.stack(passes, axis=1), np.array(features, dtype=np.intp))


def _unions(partition: Partition) -> list[list[int]]:
    """Sets of cells that a condition can name: from one end of what is ordered, else one cell or all others."""
    everything = list(range(len(partition.cells)))
    if partition.ordered:
        missing = [i for i in everything if is_only_missing(partition.cells[i])]
        row = [i for i in everything if i not in missing]
        found = [row[:i] for i in range(1, len(row))] + [row[i:] for i in range(1, len(row))] + [[i] for i in missing]
    else:
        found = [[i] for i in everything] + [[j for j in everything if j != i] for i in everything]
    return [list(one) for one in dict.fromkeys(map(tuple, found))]


def _allowed(tests: _Tests, held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pairs of conditions make a rule that can be told; one with itself is a rule of one; bool, (c, c)."""
    both = _count(tests.passes)
    each, n = np.diag(both), len(held_out)
    left = each[:, None] - both
    told_apart = (left == 0) | (left >= MIN_CELL)
    enough = (both >= MIN_CELL) & (n - both >= MIN_CELL) & (_count(tests.passes[held_out]) >= MIN_CELL)
    other_feature = (tests.feature[:, None] != tests.feature[None, :]) | np.eye(len(each), dtype=np.bool_)
    return np.asarray(enough & told_apart & told_apart.T & other_feature)


def _count(passes: NDArray[np.float32], weights: NDArray[np.float32] | None = None) -> NDArray[np.int64]:
    """Sum of weights over the records that pass both of two conditions; exact, as counts are far below 2^24."""
    weighted = passes if weights is None else passes * weights[:, None]
    return np.rint(passes.T @ weighted).astype(np.int64)


def _cover(
    tests: _Tests, allowed: NDArray[np.bool_], target: NDArray[np.bool_], fitted: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Takes rules one after the other, as pairs of conditions."""
    allowed = np.triu(allowed)
    passes, wanted = tests.passes[fitted], target[fitted]
    open_ = np.ones(len(wanted), dtype=np.bool_)
    chosen: list[tuple[int, int]] = []
    masks: list[NDArray[np.bool_]] = []
    while len(chosen) < MOST_RULES:
        gains = _count(passes, np.where(open_, np.where(wanted, 1, -1), 0).astype(np.float32))
        reached = _count(passes, open_.astype(np.float32))
        worth = np.where(allowed, gains - _NOISE * np.sqrt(reached), -np.inf)
        place = int(np.argmax(worth))
        one, two = divmod(place, len(worth))
        if worth[one, two] <= 0:
            break
        mask = _passing(tests, (one, two))
        allowed[one, two] = False
        if all(can_stand(mask, other) for other in masks):
            chosen.append((one, two))
            masks.append(mask)
            open_ &= ~mask[fitted]
    return chosen


def _passing(tests: _Tests, rule: tuple[int, int]) -> NDArray[np.bool_]:
    return np.asarray(tests.passes[:, rule[0]] * tests.passes[:, rule[1]] > 0)


def can_stand(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Whether what two rules cover leaves nobody or enough, taken from each other."""
    parts = (int((mask & ~other).sum()), int((other & ~mask).sum()))
    return all(part == 0 or part >= MIN_CELL for part in parts)


def _judge(
    tests: _Tests,
    chosen: Sequence[tuple[int, int]],
    target: NDArray[np.bool_],
    held_out: NDArray[np.bool_],
    *,
    outcome: bool,
) -> Rules | None:
    masks = [_passing(tests, rule) for rule in chosen]
    says, wanted = np.logical_or.reduce(masks)[held_out], target[held_out]
    gained, lost = int((says & wanted).sum()), int((says & ~wanted).sum())
    beyond, n = int(wanted.sum()), len(wanted)
    if gained <= lost or gained - lost <= _BEYOND_CHANCE * math.sqrt(gained + lost):
        return None
    rules = []
    for rule, mask in zip(chosen, masks, strict=True):
        right, reached = int((mask[held_out] & wanted).sum()), int(mask[held_out].sum())
        if 2 * right <= reached:  # one that does not hold makes the others doubtful: nothing is picked by its result
            return None
        strength = _strength(right / reached)
        told = min(right, reached - right) >= MIN_CELL
        rules.append(
            Rule(
                conditions=tuple(tests.conditions[i] for i in dict.fromkeys(rule)),
                covers=percent(float(mask.mean())),
                strength=strength,
                precision=percent(right / reached) if told else None,
            )
        )
    return Rules(
        outcome=str(outcome).lower(),
        rules=tuple(rules),
        fidelity=percent((gained - lost) / beyond),
        agreement=percent((n - beyond + gained - lost) / n),
    )


def _strength(share: float) -> Strength:
    if share >= _NEARLY_ALWAYS:
        return Strength.NEARLY_ALWAYS
    return Strength.MOSTLY if share >= _MOSTLY else Strength.MORE_OFTEN


def named(rules: Rules, outcome: str) -> Rules:
    """The same rules with another word for their outcome."""
    return replace(rules, outcome=outcome)
