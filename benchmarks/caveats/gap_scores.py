"""The second opinion beside the truth of cases: recall, false alarms, coverage and width of intervals.

Shares are of T, the sum of a row's absolute interventional values. A value gap of more than 0.10 T is there, one below
0.02 T is not; between the two nothing is counted. A sign differs where both true values are beyond 0.05 T and on either
side of 0, and does not where they are on one side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.caveats import Figure
from benchmarks.caveats.gap_cases import ACROSS_CASES, ACROSS_PLAYERS, GAP_CASES, columns_of, shapley_matrix
from xaisvc.caveats.conditional import conditional_gaps, second_opinion
from xaisvc.structure.amortised import study_second_opinion
from xaisvc.structure.association import study_association
from xaisvc.structure.clusters import components
from xaisvc.types.sampling import PairValues

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from benchmarks.caveats.gap_cases import Game
    from xaisvc.structure.amortised import BackgroundGames
    from xaisvc.types.sampling import CoalitionDesign
    from xaisvc.types.second_opinion import Thresholds
    from xaisvc.types.table import Table

    Floats = NDArray[np.float64]
    Players = tuple[tuple[int, ...], ...]

PRESENT, ABSENT, MATERIAL = 0.10, 0.02, 0.05
"""Shares of T from which a gap is there, below which it is not, and from which a value has a sign that matters."""

TRUTH_ERROR = 0.002
"""Share of T by which the enumerated truth may be off: its 512 quasi-random draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was said of a game's rows beside the truth, in shares of T; (n, p) each.

    Attributes:
        marginal: True interventional values.
        conditional: True conditional values.
        low: Lower end of the interval.
        high: Upper end.
        gap: Whether a gap was spoken of.
        sign: Whether a change of sign was.
        unused: Whether credit of an unused player was.
        is_unused: Whether the model ignores the player.
    """

    marginal: Floats
    conditional: Floats
    low: Floats
    high: Floats
    gap: NDArray[np.bool_]
    sign: NDArray[np.bool_]
    unused: NDArray[np.bool_]
    is_unused: NDArray[np.bool_]


def background_games(game: Game, players: Players) -> BackgroundGames:
    """Coalition values of a game, evaluated on mixed rows."""
    owner = np.array([next(k for k, own in enumerate(players) if j in own) for j in range(game.world.width)])

    def evaluate(rows: Table, design: CoalitionDesign) -> PairValues:
        x = game.matrix(rows)
        on, off = np.empty((len(x), len(design))), np.empty((len(x), len(design)))
        for k, mask in enumerate(design.masks[:, owner]):
            stand_ins = game.background if design.background is None else game.background[design.background[k]]
            for held, found in ((mask, on), (~mask, off)):
                mixed = np.where(held, x[:, None, :], stand_ins)
                found[:, k] = game.score(mixed.reshape(-1, x.shape[1])).reshape(len(x), -1).mean(axis=1)
        return PairValues(on=on, off=off, outputs=game.score(x))

    return evaluate


def interventional(game: Game, players: Players) -> tuple[Floats, Floats]:
    """Shapley values of a game's rows over its background, enumerated, and their standard errors; (n, p) each."""
    p = game.world.width
    subsets, weights = columns_of(players, p), shapley_matrix(len(players))
    values, errors = np.empty((len(game.rows), len(players))), np.empty((len(game.rows), len(players)))
    for i, row in enumerate(game.rows):
        mixed = np.where(subsets[:, None, :], row, game.background).reshape(-1, p)
        each = weights @ game.score(mixed).reshape(len(subsets), -1)
        values[i], errors[i] = each.mean(axis=1), each.std(axis=1) / np.sqrt(each.shape[1])
    return values, errors


def judged(game: Game, players: Players | None = None, thresholds: Thresholds | None = None) -> Judged:
    """What the second opinion says of a game, its dependent players found by the screen.

    Args:
        game: The game.
        players: Columns of each player, all of them together; None for every column by itself.
        thresholds: When to speak; None for the defaults.
    """
    background, rng = game.table(game.background), np.random.default_rng(game.seed)
    names = background.feature_ids
    members = players or tuple((j,) for j in range(len(names)))
    linked = study_association(background, names, rng).linked
    by_player = np.array([[linked[np.ix_(one, other)].any() for other in members] for one in members])
    plan = study_second_opinion(
        background,
        [tuple(names[j] for j in own) for own in members],
        components(by_player),
        background_games(game, members),
        rng,
    )
    values, errors = interventional(game, members)
    unused = np.array([not game.used[list(own)].any() for own in members])
    gaps = conditional_gaps(plan, game.table(game.rows))
    opinion = second_opinion(values, errors, gaps, unused, thresholds=thresholds)
    marginal, conditional = game.truth if players is None else game.group_truth(players)
    true_total = np.abs(marginal).sum(axis=1, keepdims=True)
    total = np.abs(values).sum(axis=1, keepdims=True)
    return Judged(
        marginal=marginal / true_total,
        conditional=conditional / true_total,
        low=opinion.low / total,
        high=opinion.high / total,
        gap=opinion.gap,
        sign=opinion.sign,
        unused=opinion.unused,
        is_unused=np.broadcast_to(unused, values.shape),
    )


def score_gap(seeds: Iterable[int], n: int = 500) -> list[Figure]:
    """Value gap, sign, unused players and intervals over all cases of one sort or another of dependence.

    Args:
        seeds: One game of each case for each seed.
        n: Background rows.
    """
    every = [(case, judged(case.make(seed, n))) for seed in seeds for case in GAP_CASES]
    found = [one for _, one in every]
    alone = [one for case, one in every if case.id.startswith("D0")]
    marginal, conditional = _cells(found, "marginal"), _cells(found, "conditional")
    gap, sign, true = _cells(found, "gap"), _cells(found, "sign"), conditional - marginal
    differs = (marginal * conditional < 0) & (np.minimum(np.abs(marginal), np.abs(conditional)) > MATERIAL)
    any_caveat = np.concatenate([(one.gap | one.sign | one.unused).any(axis=1) for one in alone])
    return [
        _share("value gap, recall", gap, np.abs(true) > PRESENT, 0.98, least=True),
        _share("value gap, false alarms", gap, np.abs(true) < ABSENT, 0.01, least=False),
        _share("sign, recall", sign, differs, 0.97, least=True),
        _share("sign, false alarms", sign, marginal * conditional > 0, 0.002, least=False),
        *unused_figures(found, "attributed but unused"),
        _share("any caveat on independent data", any_caveat, np.ones_like(any_caveat), 0.01, least=False),
        *_interval_figures(found, ""),
    ]


def score_across(seeds: Iterable[int], n: int = 500) -> list[Figure]:
    """Two blocks as players, by the correlation between them: the gap of the block's value, and its interval.

    Args:
        seeds: One game of each case for each seed.
        n: Background rows.
    """
    found: dict[str, list[Judged]] = {}
    every_seed = tuple(seeds)
    for case in ACROSS_CASES:
        name = case.id.split(",")[0]
        found.setdefault(name, []).extend(judged(case.make(seed, n), ACROSS_PLAYERS) for seed in every_seed)
    figures = []
    for name, each in found.items():
        gap = np.concatenate([np.abs(one.conditional - one.marginal).max(axis=1) for one in each])
        figures += [Figure(f"{name}, largest group gap", float(gap.mean()), len(gap)), *_interval_figures(each, name)]
    return figures


def _cells(found: Sequence[Judged], field: str) -> Any:  # noqa: ANN401 (numbers or truth values)
    """One number for each row and player of all games."""
    return np.concatenate([getattr(one, field).ravel() for one in found])


def _interval_figures(found: Sequence[Judged], label: str) -> list[Figure]:
    low, high, marginal, conditional = (_cells(found, name) for name in ("low", "high", "marginal", "conditional"))
    inside = (low - TRUTH_ERROR <= np.minimum(marginal, conditional)) & (
        np.maximum(marginal, conditional) <= high + TRUTH_ERROR
    )
    label = f"{label}, " if label else ""
    return [
        _share(f"{label}interval holds both truths", inside, np.ones_like(inside), 0.97, least=True),
        Figure(
            f"{label}half-width of the interval, share of T", float((high - low).mean() / 2), high.size, 0.05, "most"
        ),
    ]


def unused_figures(found: Sequence[Judged], name: str) -> list[Figure]:
    """Recall and false alarms of conditional credit for unused players."""
    unused, is_unused = _cells(found, "unused"), _cells(found, "is_unused")
    credit = np.abs(_cells(found, "conditional"))
    return [
        _share(f"{name}, recall", unused, is_unused & (credit > PRESENT), 0.995, least=True),
        _share(f"{name}, false alarms", unused, is_unused & (credit < ABSENT), 0.01, least=False),
    ]


def _share(name: str, said: NDArray[np.bool_], where: NDArray[np.bool_], target: float, *, least: bool) -> Figure:
    count = int(where.sum())
    value = float(said[where].mean()) if count else float(least)
    return Figure(name, value, count, target, "least" if least else "most")
