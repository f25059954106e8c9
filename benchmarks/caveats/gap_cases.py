"""Models in worlds with known conditional laws: what both value functions say, worked out without any estimator.

Truth of a row is enumerated: all coalitions, each over the same quasi-random draws from the exact conditional law and,
for the interventional value, from the law without conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from benchmarks.caveats.gap_worlds import CategoryBlock, CurveBlock, GaussianBlock, World
from xaisvc.types import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROWS = 8
"""Rows that are explained in each game."""

DRAWS = 512
"""Draws of a coalition's value; a power of two, from a scrambled Sobol sequence."""

HIDDEN = 16


@dataclass(frozen=True, kw_only=True)
class Game:
    """A model, the background and rows of its world.

    Attributes:
        world: Where rows come from.
        used: Columns that the model reads; bool, (p,).
        score: The model as a function of rows with categories as codes; (n, p) to (n,).
        background: float64, (b, p).
        rows: Rows to explain; float64, (n, p).
        seed: Of the draws that truth is worked out from.
    """

    world: World
    used: NDArray[np.bool_]
    score: Callable[[Floats], Floats]
    background: Floats
    rows: Floats
    seed: int

    def table(self, rows: Floats) -> Table:
        """Rows as a table; columns are named c0, c1 and so on."""
        made = {}
        for j, levels in enumerate(self.world.levels):
            numbers = np.ascontiguousarray(rows[:, j], dtype=np.float64)
            made[f"c{j}"] = np.array([f"level {int(k)}" for k in numbers], dtype=object) if levels else numbers
        return Table(made)

    def matrix(self, table: Table) -> Floats:
        """The rows of a table, categories as codes; float64, (n, p)."""
        columns = [
            np.array([float(str(value).split()[1]) for value in values]) if values.dtype == np.object_ else values
            for values in table.columns.values()
        ]
        return np.column_stack(columns)

    @cached_property
    def truth(self) -> tuple[Floats, Floats]:
        """Interventional and conditional Shapley values of the rows; float64, (n, p) each."""
        return self.group_truth(tuple((j,) for j in range(self.world.width)))

    def group_truth(self, players: tuple[tuple[int, ...], ...]) -> tuple[Floats, Floats]:
        """Both values for players that hold these columns, all of them together."""
        from scipy.stats import qmc  # noqa: PLC0415 (heavy: loaded when used)

        p, c = self.world.width, len(players)
        subsets = columns_of(players, p)
        uniforms = qmc.Sobol(p, rng=np.random.default_rng(self.seed)).random(DRAWS)
        free = self.world.sample(uniforms)
        weights = shapley_matrix(c)
        marginal, conditional = np.empty((len(self.rows), c)), np.empty((len(self.rows), c))
        for i, row in enumerate(self.rows):
            hybrids = np.where(subsets[:, None, :], row, free)
            given = np.stack([self.world.given(row, frozenset(np.flatnonzero(s).tolist()), uniforms) for s in subsets])
            marginal[i] = weights @ self.score(hybrids.reshape(-1, p)).reshape(len(subsets), -1).mean(axis=1)
            conditional[i] = weights @ self.score(given.reshape(-1, p)).reshape(len(subsets), -1).mean(axis=1)
        return marginal, conditional


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A family of games.

    Attributes:
        id: Its name.
        world: Draws the blocks.
        model: "linear", "gbm" or "mlp".
        unused: How many columns the model ignores.
        complaint: Whether the ignored column is the second of the first block, as in the complaint; else any.
    """

    id: str
    world: Callable[[np.random.Generator], World]
    model: str
    unused: int = 2
    complaint: bool = False

    def make(self, seed: int, n: int) -> Game:
        """The game of a seed, with n background rows."""
        rng = np.random.default_rng([crc32(self.id.encode()), seed])
        world = self.world(rng)
        p = world.width
        used = np.ones(p, dtype=np.bool_)
        used[1 if self.complaint else rng.permutation(p)[: self.unused]] = False
        score = _MODELS[self.model](world, used, rng)
        rows = world.sample(rng.random((n + ROWS, p)))
        return Game(
            world=world, used=used, score=score, background=rows[:n], rows=rows[n:], seed=int(rng.integers(2**31))
        )


def all_subsets(p: int) -> NDArray[np.bool_]:
    """All coalitions; bit j of its place says whether one holds player j; bool, (2^p, p)."""
    return (np.arange(2**p)[:, None] >> np.arange(p) & 1).astype(np.bool_)


def columns_of(players: tuple[tuple[int, ...], ...], p: int) -> NDArray[np.bool_]:
    """The columns that each of `all_subsets` of some players holds; bool, (2^players, p)."""
    found = np.zeros((2 ** len(players), p), dtype=np.bool_)
    for k, own in enumerate(players):
        found[:, list(own)] = all_subsets(len(players))[:, [k]]
    return found


def shapley_matrix(p: int) -> Floats:
    """Shapley values as a map of the values of `all_subsets`; float64, (p, 2^p)."""
    from math import factorial  # noqa: PLC0415 (only here)

    sizes = all_subsets(p).sum(axis=1)
    weight = np.array([factorial(s) * factorial(p - s - 1) / factorial(p) if s < p else 0.0 for s in range(p + 1)])
    found = np.zeros((p, 2**p))
    for j in range(p):
        without = np.flatnonzero(~(np.arange(2**p) >> j & 1).astype(np.bool_))
        found[j, without] = -weight[sizes[without]]
        found[j, without | 1 << j] = weight[sizes[without]]
    return found


def _encoded(world: World, x: Floats) -> Floats:
    parts = []
    for j, levels in enumerate(world.levels):
        parts.append(np.eye(levels)[x[:, j].astype(int)] if levels else x[:, [j]])
    return np.concatenate(parts, axis=1)


def _frame(world: World, used: NDArray[np.bool_], rng: np.random.Generator) -> Callable[[Floats], Floats]:
    """Columns as a model reads them: of unit variance, levels apart, ignored ones left out."""
    sample = _encoded(world, world.sample(rng.random((2000, world.width))))
    middle, spread = sample.mean(axis=0), np.maximum(sample.std(axis=0), 1e-9)
    keep = np.repeat(used, [max(n, 1) for n in world.levels])
    return lambda x: ((_encoded(world, x) - middle) / spread)[:, keep]


def _linear(world: World, used: NDArray[np.bool_], rng: np.random.Generator) -> Callable[[Floats], Floats]:
    frame = _frame(world, used, rng)
    width = frame(world.sample(rng.random((2, world.width)))).shape[1]
    weights = rng.choice([-1.0, 1.0], width) * rng.uniform(0.4, 1.5, width)
    return lambda x: frame(x) @ weights


def _mlp(world: World, used: NDArray[np.bool_], rng: np.random.Generator) -> Callable[[Floats], Floats]:
    frame = _frame(world, used, rng)
    width = frame(world.sample(rng.random((2, world.width)))).shape[1]
    first = rng.normal(size=(width, HIDDEN)) / np.sqrt(width)
    bias, second = rng.normal(size=HIDDEN) * 0.5, rng.normal(size=HIDDEN)
    return lambda x: np.tanh(frame(x) @ first * 1.5 + bias) @ second


def _gbm(world: World, used: NDArray[np.bool_], rng: np.random.Generator) -> Callable[[Floats], Floats]:
    import lightgbm  # noqa: PLC0415 (heavy: loaded when used)

    frame = _frame(world, used, rng)
    x = frame(world.sample(rng.random((2000, world.width))))
    weights = rng.choice([-1.0, 1.0], x.shape[1]) * rng.uniform(0.4, 1.5, x.shape[1])
    a, b = rng.permutation(x.shape[1])[:2]
    target = x @ weights + np.sin(1.5 * x[:, a]) + 0.5 * x[:, a] * x[:, b] + 0.3 * rng.normal(size=len(x))
    settings = {
        "num_leaves": 8,
        "learning_rate": 0.15,
        "num_threads": 1,
        "verbose": -1,
        "deterministic": True,
        "min_data_in_leaf": 20,
    }
    booster = lightgbm.train(settings, lightgbm.Dataset(x, target), num_boost_round=40)
    return lambda z: np.asarray(booster.predict(frame(z), num_threads=1))


_MODELS = {"linear": _linear, "mlp": _mlp, "gbm": _gbm}


def alone(count: int) -> tuple[GaussianBlock, ...]:
    """Columns that go with nothing."""
    return (GaussianBlock(correlation=np.eye(1), margins=("normal",)),) * count


def _correlations(rng: np.random.Generator, d: int, low: float, high: float) -> Floats:
    """A random correlation matrix whose entries have sizes between low and high, as far as it stays positive."""
    while True:
        signs = rng.choice([-1.0, 1.0], d)
        found = np.eye(d)
        for i, j in combinations(range(d), 2):
            found[i, j] = found[j, i] = rng.uniform(low, high) * signs[i] * signs[j]
        if np.linalg.eigvalsh(found)[0] > 0.02:  # noqa: PLR2004 (far enough from singular)
            return found


def copula_world(rng: np.random.Generator) -> World:
    """D1: three columns with a copula, a curve, three alone; one in four worlds has no dependence at all."""
    strength = (0.0, 0.0) if rng.random() < 0.25 else (0.5, 0.95)  # noqa: PLR2004 (the notes' share)
    margins = tuple(rng.choice(["normal", "exponential", "cubic", "falling"], 3).tolist())
    block = GaussianBlock(correlation=_correlations(rng, 3, *strength), margins=margins)
    return World((block, *(alone(2) if strength[1] == 0.0 else (CurveBlock(noise=0.3),)), *alone(3)))


def _categories(rng: np.random.Generator) -> World:
    """D3: a category that drives two numbers, and four alone."""
    levels = int(rng.integers(3, 7))
    shares = rng.dirichlet(np.full(levels, 4.0))
    return World((CategoryBlock(shares=shares, means=1.5 * rng.normal(size=(levels, 2)), noise=0.6), *alone(4)))


def factor_world(rng: np.random.Generator) -> World:
    """D4: one factor behind four columns, and four alone."""
    loads = rng.choice([-1.0, 1.0], 4) * rng.uniform(0.5, 0.95, 4)
    correlation = np.outer(loads, loads)
    np.fill_diagonal(correlation, 1.0)
    return World((GaussianBlock(correlation=correlation, margins=("normal",) * 4), *alone(4)))


def _independent(_: np.random.Generator) -> World:
    return World(alone(8))


def _across(rho: float) -> Callable[[np.random.Generator], World]:
    """D5: two blocks of three that are correlated with each other by about rho, and two alone."""

    def make(rng: np.random.Generator) -> World:
        inside = np.full((6, 6), rho)
        for start in (0, 3):
            inside[start : start + 3, start : start + 3] = rng.uniform(0.7, 0.9)
        np.fill_diagonal(inside, 1.0)
        return World((GaussianBlock(inside, ("normal",) * 6), *alone(2)))

    return make


MODEL_KINDS = ("linear", "gbm", "mlp")

GAP_CASES: tuple[Case, ...] = (
    *(Case(id=f"D1 copula and curve, {kind}", world=copula_world, model=kind) for kind in MODEL_KINDS),
    *(Case(id=f"D3 category, {kind}", world=_categories, model=kind, unused=1) for kind in MODEL_KINDS),
    *(Case(id=f"D4 factor, {kind}", world=factor_world, model=kind) for kind in MODEL_KINDS),
    *(Case(id=f"D0 independent, {kind}", world=_independent, model=kind) for kind in MODEL_KINDS),
)

ACROSS_CASES: tuple[Case, ...] = tuple(
    Case(id=f"D5 between blocks {rho}, {kind}", world=_across(rho), model=kind)
    for rho in (0.0, 0.1, 0.2, 0.3, 0.5)
    for kind in MODEL_KINDS
)

ACROSS_PLAYERS = ((0, 1, 2), (3, 4, 5), (6,), (7,))
"""Their blocks as players."""
