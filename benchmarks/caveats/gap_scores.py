"""The second opinion beside the truth of cases: recall, false alarms, coverage and width of intervals.

Shares are of T, the sum of a row's absolute interventional values. A value gap of more than 0.10 T is there, one below
0.02 T is not; between the two nothing is counted. A sign differs where both true values are beyond 0.05 T and on either
side of 0, and does not where they are on one side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.caveats import DEFAULT, Figure, share
from benchmarks.caveats.gap_cases import ACROSS_PLAYERS, columns_of, shapley_matrix
from xaisvc.caveats.conditional import conditional_gaps, second_opinion
from xaisvc.structure.amortised import study_second_opinion
from xaisvc.structure.association import study_association
from xaisvc.structure.clusters import components
from xaisvc.types.sampling import PairValues
from xaisvc.types.second_opinion import Thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.caveats.gap_cases import Case, Game
    from xaisvc.structure.amortised import BackgroundGames
    from xaisvc.types.sampling import CoalitionDesign
    from xaisvc.types.second_opinion import Gaps
    from xaisvc.types.table import Table

    Floats = NDArray[np.float64]
    Players = tuple[tuple[int, ...], ...]

PRESENT, ABSENT, MATERIAL = 0.10, 0.02, 0.05
"""Shares of T from which a gap is there, below which it is not, and from which a value has a sign that matters."""

CURVE = "gap_share="
"""How the settings of the trade-off curve are named."""

UNUSED = "attributed but unused"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A game's values, their gaps and the truth, before any threshold; (n, p) each unless said.

    Attributes:
        values: Interventional values.
        errors: Their standard errors.
        gaps: What the second opinion says.
        unused: Players that the model ignores; bool, (p,).
        marginal: True interventional values.
        conditional: True conditional values.
    """

    values: Floats
    errors: Floats
    gaps: Gaps
    unused: NDArray[np.bool_]
    marginal: Floats
    conditional: Floats


def prepared(game: Game, players: Players | None = None) -> Prepared:
    """Studies a game, its dependent players found by the screen.

    Args:
        game: The game.
        players: Columns of each player, all of them together; None for every column by itself.
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
    marginal, conditional = game.truth if players is None else game.group_truth(players)
    return Prepared(
        values=values,
        errors=errors,
        gaps=conditional_gaps(plan, game.table(game.rows)),
        unused=np.array([not game.used[list(own)].any() for own in members]),
        marginal=marginal,
        conditional=conditional,
    )


def judged(found: Prepared, thresholds: Thresholds | None = None) -> Judged:
    """What the second opinion says of a game.

    Args:
        found: The game.
        thresholds: When to speak; None for the defaults.
    """
    opinion = second_opinion(found.values, found.errors, found.gaps, found.unused, thresholds=thresholds)
    true_total = np.abs(found.marginal).sum(axis=1, keepdims=True)
    total = np.abs(found.values).sum(axis=1, keepdims=True)
    return Judged(
        marginal=found.marginal / true_total,
        conditional=found.conditional / true_total,
        low=opinion.low / total,
        high=opinion.high / total,
        gap=opinion.gap,
        sign=opinion.sign,
        unused=opinion.unused,
        is_unused=np.broadcast_to(found.unused, found.values.shape),
    )


def score_gap(
    case: Case, seed: int, n: int, settings: Mapping[str, Thresholds], curve: Sequence[float] = ()
) -> list[Figure]:
    """Value gap, sign, unused players and intervals of one game.

    Args:
        case: Family of the game.
        seed: Which one of the family.
        n: Background rows.
        settings: Thresholds to judge by, by their name.
        curve: Other gap thresholds, as shares of T, for the curve of recall against false alarms.
    """
    found = prepared(case.make(seed, n))
    figures = []
    for name, thresholds in settings.items():
        one = judged(found, thresholds)
        figures += [*_gap_figures(one, name), *_sign_figures(one, name), *unused_figures(one, UNUSED, name)]
        if case.id.startswith("D0"):
            figures.append(_said("second opinion speaks on independent data, per row", _spoken(one), None, 0.01, name))
        figures += _interval_figures(one, "", name)
    for threshold in curve:
        one = judged(found, replace(Thresholds(), gap_share=threshold))
        figures += _gap_figures(one, f"{CURVE}{threshold:g}")
    return figures


def score_across(case: Case, seed: int, n: int) -> list[Figure]:
    """Two blocks as players, by the correlation between them: the gap of the block's value, and its interval.

    Args:
        case: Family of the game.
        seed: Which one of the family.
        n: Background rows.
    """
    one = judged(prepared(case.make(seed, n), ACROSS_PLAYERS))
    name = case.id.split(",")[0]
    gap = float(np.abs(one.conditional - one.marginal).max(axis=1).mean())
    largest = Figure(f"{name}: largest group gap, share of T", gap, len(one.gap), kind="mean")
    return [largest, *_interval_figures(one, f"{name}: ", DEFAULT)]


def unused_figures(one: Judged, name: str, setting: str) -> list[Figure]:
    """Recall and false alarms of conditional credit for unused players."""
    credit = np.abs(one.conditional)
    return [
        _said(f"{name}, recall", one.unused, one.is_unused & (credit > PRESENT), 0.995, setting, least=True),
        _said(f"{name}, false alarms", one.unused, one.is_unused & (credit < ABSENT), 0.01, setting),
    ]


def _gap_figures(one: Judged, setting: str) -> list[Figure]:
    true = np.abs(one.conditional - one.marginal)
    return [
        _said("value gap, recall", one.gap, true > PRESENT, 0.98, setting, least=True),
        _said("value gap, false alarms", one.gap, true < ABSENT, 0.01, setting),
    ]


def _sign_figures(one: Judged, setting: str) -> list[Figure]:
    sides = one.marginal * one.conditional
    differs = (sides < 0) & (np.minimum(np.abs(one.marginal), np.abs(one.conditional)) > MATERIAL)
    return [
        _said("sign, recall", one.sign, differs, 0.97, setting, least=True),
        _said("sign, false alarms", one.sign, sides > 0, 0.002, setting),
    ]


def _spoken(one: Judged) -> NDArray[np.bool_]:
    return np.asarray((one.gap | one.sign | one.unused).any(axis=1))


def _interval_figures(one: Judged, label: str, setting: str) -> list[Figure]:
    lower, upper = np.minimum(one.marginal, one.conditional), np.maximum(one.marginal, one.conditional)
    told = np.isfinite(one.low) & np.isfinite(one.high)
    inside = (one.low - TRUTH_ERROR <= lower) & (upper <= one.high + TRUTH_ERROR)
    width, count = float((one.high - one.low)[told].sum()), int(told.sum())
    half = width / 2 / max(count, 1)
    return [
        _said(f"{label}interval holds both truths", inside, told, 0.97, setting, least=True),
        Figure(f"{label}half-width of the interval, share of T", half, count, 0.05, "most", "mean", setting),
    ]


def _said(  # noqa: PLR0913 - what a share is made of
    name: str,
    said: NDArray[np.bool_],
    where: NDArray[np.bool_] | None,
    target: float,
    setting: str,
    *,
    least: bool = False,
) -> Figure:
    hits = said if where is None else said[where]
    return share(name, float(hits.sum()), hits.size, target, "least" if least else "most", setting)
