"""Large sets of dependent features: factor worlds in which both value functions have a closed form for every coalition.

Columns are increasing functions of latent normal numbers z = L u + e with correlated factors u, so what a coalition
tells of the others is a normal law whose precision adds up column by column. Models add up functions of one column and
products of two, whose expectations are closed forms too. Shapley values are means over orders that are drawn once for a
game, the same for all its rows; their error is some thousandths of a player's own value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from benchmarks.caveats import DEFAULT, Figure, share
from benchmarks.caveats.gap_scores import ABSENT, MATERIAL, PRESENT, TRUTH_ERROR, Prepared, judged
from xaisvc.caveats.conditional import conditional_gaps
from xaisvc.structure.amortised import study_second_opinion
from xaisvc.structure.association import study_association
from xaisvc.types import Table
from xaisvc.types.sampling import PairValues

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xaisvc.types.association import Association
    from xaisvc.types.sampling import CoalitionDesign

    Floats = NDArray[np.float64]
    Sets = Sequence[Sequence[int]]

ROWS = 8
"""Rows that are explained in each game."""

ORDERS = 384
"""Orders that truth is a mean over; each is taken turned round too."""

ALONE = 3
"""Columns that go with nothing."""

STEPS = 3
"""Steps of the function of a column in models that are no straight lines."""


@dataclass(frozen=True, kw_only=True)
class FactorGame:
    """A model on factor data; p columns, k factors.

    Attributes:
        loads: L; float64, (p, k).
        factors: Covariance of u; float64, (k, k).
        slopes: Of the linear part of each column's function; float64, (p,).
        places: Where the steps of each column's function are; float64, (p, STEPS).
        heights: How high they are; float64, (p, STEPS).
        pairs: Columns whose product counts; int64, (m, 2).
        strengths: And by how much; float64, (m,).
        background: Latent numbers of the background; float64, (b, p).
        rows: Latent numbers of the rows to explain; float64, (n, p).
        seed: Of orders, and of the study.
    """

    loads: Floats
    factors: Floats
    slopes: Floats
    places: Floats
    heights: Floats
    pairs: NDArray[np.int64]
    strengths: Floats
    background: Floats
    rows: Floats
    seed: int

    @cached_property
    def own(self) -> Floats:
        """Variances of e; float64, (p,)."""
        return np.asarray(1.0 - np.einsum("pk,kl,pl->p", self.loads, self.factors, self.loads))

    @property
    def unused(self) -> NDArray[np.bool_]:
        """Columns that the model ignores; bool, (p,)."""
        found = (self.slopes == 0) & (self.heights == 0).all(axis=1)
        found[self.pairs.ravel()] = False
        return np.asarray(found)

    def table(self, latent: Floats) -> Table:
        """The columns as they are given, every third exponential: only ranks count."""
        p = latent.shape[1]
        return Table({f"c{j}": np.exp(latent[:, j]) if j % 3 == 1 else latent[:, j].copy() for j in range(p)})

    def latent(self, table: Table) -> Floats:
        """The latent numbers of a table."""
        columns = list(table.columns.values())
        both = [np.log(one.astype(np.float64)) if j % 3 == 1 else one for j, one in enumerate(columns)]
        return np.stack(both, axis=1).astype(np.float64)

    def single(self, latent: Floats) -> Floats:
        """What each column adds; float64, (n, p)."""
        above = latent[:, :, None] > self.places
        return np.asarray(latent * self.slopes + (above * self.heights).sum(axis=2))

    def products(self, latent: Floats) -> Floats:
        """What each pair adds; float64, (n, m)."""
        one, other = self.pairs.T
        return np.asarray(latent[:, one] * latent[:, other] * self.strengths)

    def games(self, rows: Table, design: CoalitionDesign) -> PairValues:
        """Coalition values over the background, in closed form."""
        x = self.latent(rows)
        stand_ins = self.background if design.background is None else self.background[design.background[0]]
        on, off = (self._values(x, stand_ins, masks) for masks in (design.masks, ~design.masks))
        return PairValues(on=on, off=off, outputs=self.single(x).sum(axis=1) + self.products(x).sum(axis=1))

    def _values(self, x: Floats, stand_ins: Floats, masks: NDArray[np.bool_]) -> Floats:
        found = self.single(x) @ masks.T + self.single(stand_ins).mean(axis=0) @ ~masks.T
        usual, mean = self.products(stand_ins).mean(axis=0), stand_ins.mean(axis=0)
        one, other = self.pairs.T
        held, with_other = masks[:, one], masks[:, other]
        found += self.products(x) @ (held & with_other).T + usual @ (~held & ~with_other).T
        found += (x[:, one] * mean[other] * self.strengths) @ (held & ~with_other).T
        return found + (mean[one] * x[:, other] * self.strengths) @ (~held & with_other).T

    def interventional(self) -> tuple[Floats, Floats]:
        """Shapley values over the background, and their standard errors; float64, (n, p) each."""
        values, errors = np.empty(self.rows.shape), np.empty(self.rows.shape)
        one, other = self.pairs.T
        usual = self.products(self.background)
        for i, row in enumerate(self.rows):
            each = self.single(row[None]) - self.single(self.background)
            both = (self.products(row[None]) - usual) / 2
            gain = (row[one] * self.background[:, other] - self.background[:, one] * row[other]) * self.strengths / 2
            np.add.at(each.T, one, (both + gain).T)
            np.add.at(each.T, other, (both - gain).T)
            values[i], errors[i] = each.mean(axis=0), each.std(axis=0) / np.sqrt(len(each))
        return values, errors

    def truth(self) -> tuple[Floats, Floats]:
        """Interventional and conditional Shapley values under the law itself; float64, (n, p) each."""
        p = self.rows.shape[1]
        rng = np.random.default_rng([self.seed, 1])
        half = np.stack([rng.permutation(p) for _ in range(ORDERS)])
        orders = np.concatenate([half, half[:, ::-1]])
        known = _Known.of(self, orders)
        conditional = np.stack([known.shapley(row) for row in self.rows])
        one, other = self.pairs.T
        correlation = np.einsum("mk,kl,ml->m", self.loads[one], self.factors, self.loads[other])
        marginal = self.single(self.rows) - self._expected(np.zeros(p), np.ones(p))
        both = (self.products(self.rows) - correlation * self.strengths) / 2
        np.add.at(marginal.T, one, both.T)
        np.add.at(marginal.T, other, both.T)
        return marginal, conditional

    def _expected(self, mean: Floats, deviation: Floats) -> Floats:
        """What each column adds on average if it is normal; float64, any shape and (..., p)."""
        from scipy.special import ndtr  # noqa: PLC0415 - heavy: loaded when used

        found = mean * self.slopes
        if self.heights.any():
            for k in range(STEPS):
                found = found + self.heights[:, k] * ndtr((mean - self.places[:, k]) / deviation)
        return np.asarray(found)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the beginnings of orders tell: weights of the factors' means, and variances that no row changes."""

    game: FactorGame
    orders: NDArray[np.int64]
    held: NDArray[np.bool_]
    covariance: Floats
    deviation: Floats

    @classmethod
    def of(cls, game: FactorGame, orders: NDArray[np.int64]) -> _Known:
        count, p = orders.shape
        held = np.zeros((count, p + 1, p), dtype=np.bool_)
        held[:, 1:] = (orders[:, :, None] == np.arange(p)).cumsum(axis=1)
        pieces = np.einsum("pk,pl->pkl", game.loads, game.loads) / game.own[:, None, None]
        precision = np.linalg.inv(game.factors) + np.einsum("oap,pkl->oakl", held, pieces)
        covariance = np.linalg.inv(precision)
        spread = np.einsum("pk,oakl,pl->oap", game.loads, covariance, game.loads)
        return cls(game, orders, held, covariance, np.sqrt(game.own + spread))

    def shapley(self, row: Floats) -> Floats:
        game = self.game
        total = (self.held * (row / game.own)) @ game.loads
        factors = np.einsum("oakl,oal->oak", self.covariance, total)
        mean = factors @ game.loads.T
        expected = game._expected(mean, self.deviation)  # noqa: SLF001 - of the same module
        values = np.where(self.held, game.single(row[None]), expected).sum(axis=2)
        for (one, other), strength in zip(game.pairs, game.strengths, strict=True):
            first = np.where(self.held[:, :, one], row[one], mean[:, :, one])
            second = np.where(self.held[:, :, other], row[other], mean[:, :, other])
            open_ones = ~self.held[:, :, one] & ~self.held[:, :, other]
            common = np.einsum("k,oakl,l->oa", game.loads[one], self.covariance, game.loads[other])
            values += strength * (first * second + open_ones * common)
        found = np.zeros(len(row))
        np.add.at(found, self.orders, np.diff(values, axis=1))
        return found / len(self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeCase:
    """A family of games.

    Attributes:
        size: Columns that depend on each other.
        model: "linear", "steps" or "pairs" (steps and products).
        blocks: Sets of columns with a factor of their own.
        between: Smallest and largest correlation of the factors.
    """

    size: int
    model: str
    blocks: int
    between: tuple[float, float]

    @property
    def id(self) -> str:
        """Its name."""
        low, high = self.between
        return f"{self.size} columns in {self.blocks} blocks correlated by {low:g} to {high:g}, {self.model}"

    def make(self, seed: int, n: int) -> FactorGame:
        """The game of a seed, with n background rows."""
        rng = np.random.default_rng([crc32(self.id.encode()), seed])
        p, k = self.size + ALONE, self.blocks
        common = np.sqrt(rng.uniform(*self.between, k))
        factors = np.outer(common, common)
        np.fill_diagonal(factors, 1.0)
        loads = np.zeros((p, k))
        owner = np.arange(self.size) % k
        loads[np.arange(self.size), owner] = rng.uniform(0.6, 0.97, self.size) * rng.choice([-1.0, 1.0], self.size)
        used = rng.random(p) > 0.25  # noqa: PLR2004 - a quarter of the columns is ignored
        size = np.where(used, rng.lognormal(0.0, 0.8, p) * rng.choice([-1.0, 1.0], p), 0.0)
        straight = self.model == "linear"
        pairs = rng.permutation(np.flatnonzero(used))[: 2 * (int(used.sum()) // 6)].reshape(-1, 2)
        pairs = pairs if self.model == "pairs" else pairs[:0]
        draws = rng.normal(size=(n + ROWS, k)) @ np.linalg.cholesky(factors).T @ loads.T
        own = np.sqrt(1.0 - np.einsum("pk,kl,pl->p", loads, factors, loads))
        latent = draws + rng.normal(size=draws.shape) * own
        return FactorGame(
            loads=loads,
            factors=factors,
            slopes=size if straight else 0.2 * size,
            places=rng.normal(size=(p, STEPS)),
            heights=np.zeros((p, STEPS)) if straight else size[:, None] * rng.uniform(0.2, 1.0, (p, STEPS)),
            pairs=pairs.astype(np.int64),
            strengths=0.5 * rng.lognormal(0.0, 0.5, len(pairs)) * rng.choice([-1.0, 1.0], len(pairs)),
            background=latent[:n],
            rows=latent[n:],
            seed=int(rng.integers(2**31)),
        )


LARGE_CASES: tuple[LargeCase, ...] = tuple(
    LargeCase(size=size, model=model, blocks=blocks, between=(0.3, 0.8))
    for size, blocks in ((8, 1), (12, 2), (24, 2), (30, 3), (40, 4), (60, 5))
    for model in ("linear", "steps", "pairs")
)

WEAK_CASES: tuple[LargeCase, ...] = tuple(
    LargeCase(size=24, model="steps", blocks=6, between=(rho, rho)) for rho in (0.05, 0.1, 0.2, 0.3, 0.5)
)
"""Blocks of four columns with weak links between the blocks."""


def prepared(game: FactorGame, sets: Callable[[Association], Sets] | None = None) -> Prepared:
    """Studies a game.

    Args:
        game: The game.
        sets: Its dependent players from how its features go together; None for all that really depend.
    """
    background, rng = game.table(game.background), np.random.default_rng(game.seed)
    names = background.feature_ids
    linked: Sets = [tuple(range(len(names) - ALONE))]
    if sets is not None:
        linked = sets(study_association(background, names, rng))
    plan = study_second_opinion(background, [(name,) for name in names], linked, game.games, rng)
    values, errors = game.interventional()
    marginal, conditional = game.truth()
    return Prepared(
        values=values,
        errors=errors,
        gaps=conditional_gaps(plan, game.table(game.rows)),
        unused=game.unused,
        marginal=marginal,
        conditional=conditional,
    )


def score_case(case: LargeCase, seed: int, n: int, sets: Callable[[Association], Sets] | None = None) -> list[Figure]:
    """Gaps, signs, unused players and intervals of one game.

    Args:
        case: Family of the game.
        seed: Which one of the family.
        n: Background rows.
        sets: As in `prepared`.
    """
    one = judged(prepared(case.make(seed, n), sets))
    gap, sides = np.abs(one.conditional - one.marginal), one.marginal * one.conditional
    flips = (sides < 0) & (np.minimum(np.abs(one.marginal), np.abs(one.conditional)) > MATERIAL)
    lower, upper = np.minimum(one.marginal, one.conditional), np.maximum(one.marginal, one.conditional)
    inside = (one.low - TRUTH_ERROR <= lower) & (upper <= one.high + TRUTH_ERROR)
    half = float((one.high - one.low).mean() / 2)
    credit = np.abs(one.conditional)
    credited, not_credited = one.is_unused & (credit > PRESENT), one.is_unused & (credit < ABSENT)
    label = f"set of {case.size}"
    return [
        _said(f"{label}: value gap, recall", one.gap, gap > PRESENT, 0.98),
        _said(f"{label}: value gap, false alarms", one.gap, gap < ABSENT, 0.01, least=False),
        _said(f"{label}: sign, recall", one.sign, flips, 0.97),
        _said(f"{label}: sign, false alarms", one.sign, sides > 0, 0.002, least=False),
        _said(f"{label}: attributed but unused, recall", one.unused, credited, 0.995),
        _said(f"{label}: attributed but unused, false alarms", one.unused, not_credited, 0.01, least=False),
        _said(f"{label}: interval holds both truths", inside, np.ones_like(inside), 0.97),
        Figure(f"{label}: half-width of the interval, share of T", half, inside.size, 0.05, "most", "mean"),
    ]


def score_large_sets(seeds: Sequence[int], n: int) -> list[Figure]:
    """All families of large sets.

    Args:
        seeds: Which games of each family.
        n: Background rows.
    """
    return [figure for seed in seeds for case in LARGE_CASES for figure in score_case(case, seed, n)]


def _said(name: str, said: NDArray[np.bool_], where: NDArray[np.bool_], target: float, *, least: bool = True) -> Figure:
    hits = said[where]
    return share(name, float(hits.sum()), hits.size, target, "least" if least else "most", DEFAULT)
