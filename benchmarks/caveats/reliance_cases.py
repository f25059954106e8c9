"""Cases C2 to C4: features that a model uses always, rarely or never, with known truth.

C2 has features that no path, weight or live split leads to. C3 has features that matter in 2 %, 0.5 % and 0.1 % of
random swaps, in five ways. C4 has trained models that spread credit over correlated features.
"""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from benchmarks.caveats import Figure
from xaisvc.structure.donors import random_donors, survey
from xaisvc.structure.reliance import study_reliance
from xaisvc.types.reliance import Use
from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xaisvc.types.reliance import Reliance
    from xaisvc.types.table import Column

    Floats = NDArray[np.float64]
    Score = Callable[[Table], Floats]

SWAPS = 3000
WAYS = ("own", "gate", "gates", "level", "window")
"""How a feature is rarely used: above a cut of its own, above one of another, above those of two others, at one level
of a category, inside a narrow window of its own."""

_STRONG = 6
_UNUSED = 6
_SEEN = frozenset({Use.USED, Use.RARELY_USED})
_PAIRS = 20_000
_STEP = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class World:
    """One model with its background.

    Attributes:
        table: The background.
        score: The model.
        used: Features that the model uses, always or rarely.
        unused: Features that it does not use.
        rare: Of the used features those made to be rarely used, with their way.
        categories: Category features to their declared values.
        draw: Fresh rows of the same law.
    """

    table: Table
    score: Score
    used: frozenset[str]
    unused: frozenset[str]
    rare: dict[str, str]
    categories: dict[str, tuple[str, ...]]
    draw: Callable[[np.random.Generator, int], Table]


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of model.

    Attributes:
        id: Name of the case.
        rate: Usage rate of the rare features in random swaps; None for trained models.
    """

    id: str
    rate: float | None = None

    def make(self, rng: np.random.Generator, n: int) -> World:
        """A model and its background of n rows."""
        return _rare(rng, n, self.rate) if self.rate is not None else _trained(rng, n, self.id)

    def world(self, seed: int, n: int) -> World:
        """The model and background of a seed."""
        return self.make(np.random.default_rng([zlib.crc32(self.id.encode()), seed]), n)


RARE = (Case("C3-rare-2%", 0.02), Case("C3-rare-0.5%", 0.005), Case("C3-rare-0.1%", 0.001))
TRAINED = tuple(Case(name) for name in ("C2-linear", "C2-tree", "C2-dead-split", "C4-boosting", "C4-ridge", "C4-mlp"))
CASES = (*RARE, *TRAINED)


def _rare(rng: np.random.Generator, n: int, rate: float) -> World:
    """Strong, rare and unused features; unused ones are correlated with strong ones, outputs are single precision."""
    from scipy.stats import norm  # noqa: PLC0415 - heavy: loaded when used

    slopes = rng.normal(size=_STRONG)
    size = float(np.sqrt((slopes**2).sum()))
    above = float(norm.isf(rate))
    above_two = float(norm.isf(np.sqrt(rate)))
    own = float(norm.isf(rate / 2))
    start = float(rng.uniform(0.1, 0.9))
    window = (float(norm.ppf(start)), float(norm.ppf(start + rate / 2)))
    shaky = bool(rng.random() < 0.5)  # noqa: PLR2004 - half of the models

    def draw(source: np.random.Generator, count: int) -> Table:
        columns: dict[str, Column] = {f"strong {j}": source.normal(size=count) for j in range(_STRONG)}
        for j in range(3):
            columns[f"gate {j}"] = source.normal(size=count)
        for way in WAYS:
            columns[way] = source.normal(size=count)
        level = source.random(count)
        columns["level"] = np.where(level < rate / 2, "rare", np.where(level < 0.6, "a", "b")).astype(object)  # noqa: PLR2004
        for j in range(_UNUSED):
            partner = cast("Floats", columns[f"strong {j}"])
            columns[f"unused {j}"] = 0.95 * partner + 0.3 * source.normal(size=count)
        return Table(columns)

    def score(table: Table) -> Floats:
        c = {name: cast("Floats", values) for name, values in table.columns.items()}
        total = np.zeros(len(table))
        for j, slope in enumerate(slopes):
            total += slope * c[f"strong {j}"]
        total += size * (c["own"] > own)
        total += size * c["gate"] * (c["gate 0"] > above)
        total += size * c["gates"] * (c["gate 1"] > above_two) * (c["gate 2"] > above_two)
        total += size * (table.columns["level"] == "rare")
        total += size * ((c["window"] > window[0]) & (c["window"] < window[1]))
        single = total.astype(np.float32)
        if shaky:  # the last bits depend on the row's place in the batch and on the batch's size
            place = (np.arange(len(table)) * 7 + len(table)) % 3 - 1
            single = single * (1 + place * np.float32(_STEP))
        return single.astype(np.float64)

    table = draw(rng, n)
    unused = frozenset(f"unused {j}" for j in range(_UNUSED))
    return World(
        table,
        score,
        frozenset(table.feature_ids) - unused,
        unused,
        {way: way for way in WAYS},
        {"level": ("rare", "a", "b")},
        draw,
    )


def _trained(rng: np.random.Generator, n: int, kind: str) -> World:
    """A trained model of 8 columns in pairs with correlation 0.9; which it uses is read from the model itself."""
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.linear_model import Ridge  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.tree import DecisionTreeRegressor  # noqa: PLC0415 - heavy: loaded when used

    d = 8
    names = [f"x{j}" for j in range(d)]

    def draw(source: np.random.Generator, count: int) -> Table:
        z = np.repeat(source.normal(size=(count, d // 2)), 2, axis=1)
        x = np.sqrt(0.9) * z + np.sqrt(0.1) * source.normal(size=(count, d))
        return Table({name: np.ascontiguousarray(x[:, j]) for j, name in enumerate(names)})

    def matrix(table: Table) -> Floats:
        return np.column_stack([cast("Floats", table.columns[name]) for name in names])

    train = matrix(draw(rng, 800))
    y = 2 * train[:, 0] + train[:, 2] * (train[:, 4] > 0) + 0.5 * rng.normal(size=len(train))
    seed = int(rng.integers(2**31))
    used = np.ones(d, dtype=bool)
    predict: Callable[[Floats], Floats]
    if kind == "C2-linear":
        used = np.arange(d) % 2 == 0
        weights = np.where(used, rng.normal(size=d), 0.0)
        predict = lambda x: x @ weights  # noqa: E731 - three models, three lines
    elif kind in {"C2-tree", "C2-dead-split"}:
        model = DecisionTreeRegressor(max_depth=3, random_state=seed).fit(train, y)
        used = _live(model.tree_)
        if kind == "C2-dead-split":  # a split on x1 above it all with the same tree on both sides
            predict = lambda x: np.where(x[:, 1] > 0, model.predict(x), model.predict(x))  # noqa: E731
        else:
            predict = model.predict
    elif kind == "C4-boosting":
        model = GradientBoostingRegressor(n_estimators=60, max_features=0.5, random_state=seed).fit(train, y)
        used = model.feature_importances_ > 0
        predict = model.predict
    elif kind == "C4-ridge":
        predict = Ridge(1.0).fit(train, y).predict
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a network that has not converged is a model too
            predict = MLPRegressor(hidden_layer_sizes=(16,), max_iter=40, random_state=seed).fit(train, y).predict

    def score(table: Table) -> Floats:
        return np.asarray(predict(matrix(table)).astype(np.float32), dtype=np.float64)

    return World(
        draw(rng, n),
        score,
        frozenset(name for name, live in zip(names, used, strict=True) if live),
        frozenset(name for name, live in zip(names, used, strict=True) if not live),
        {},
        {},
        draw,
    )


def _live(tree: object) -> NDArray[np.bool_]:
    """Columns that a tree splits on, bool, (d,)."""
    features = np.asarray(tree.feature)  # type: ignore[attr-defined]
    return np.isin(np.arange(int(tree.n_features)), features[features >= 0])  # type: ignore[attr-defined]


def score_reliance(seeds: Sequence[int], n: int) -> list[Figure]:
    """What was said of used, rarely used and unused features, without any structural proof.

    Returns:
        Figures about all cases; the last of them counts model rows per feature.
    """
    called_unused = called_used = used = unused = rows = features = 0
    seen: dict[str, list[bool]] = {}
    for case in CASES:
        for seed in seeds:
            world = case.world(seed, n)
            found = _study(world, seed)
            use = {entry.features[0]: entry.use for entry in found.features}
            used += len(world.used)
            unused += len(world.unused)
            called_unused += sum(use[name] is Use.PROVEN_UNUSED for name in world.used)
            called_used += sum(use[name] in _SEEN for name in world.unused)
            rows += found.model_rows
            features += len(use)
            for name, way in world.rare.items():
                seen.setdefault(f"{case.id}, {way}", []).append(use[name] in _SEEN)
            for name in world.used - world.rare.keys():
                seen.setdefault(f"{case.id}, others", []).append(use[name] in _SEEN)
    figures = [
        Figure(f"reliance, {n} rows: used feature called unused", called_unused / max(used, 1), used, 0.0, "most"),
        Figure(f"reliance, {n} rows: unused feature called used", called_used / max(unused, 1), unused, 0.01, "most"),
    ]
    figures += [
        Figure(f"reliance, {n} rows: use seen, {name}", float(np.mean(hits)), len(hits)) for name, hits in seen.items()
    ]
    return [
        *figures,
        Figure(f"reliance, {n} rows: model rows per feature", rows / max(features, 1), features, kind="mean"),
    ]


def score_bounds(seeds: Sequence[int], n: int) -> list[Figure]:
    """How often the usage rate of a rare feature is below its 95 % limits, in the background and in fresh rows."""
    background: list[bool] = []
    fresh: list[bool] = []
    for case in RARE:
        for seed in seeds:
            world = case.world(seed, n)
            rng = np.random.default_rng([seed, 1])
            found = _study(world, seed)
            new = world.draw(rng, _PAIRS)
            for name in world.rare:
                entry = found.of(name)
                background.append(_rate(world, world.table, name, rng, found) <= entry.usage_upper)
                fresh.append(_rate(world, new, name, rng, found) <= entry.usage_upper_new_rows)
    return [
        Figure(
            f"reliance, {n} rows: limit covers the background's rate", float(np.mean(background)), len(background), 0.95
        ),
        Figure(f"reliance, {n} rows: limit covers the rate in new rows", float(np.mean(fresh)), len(fresh), 0.95),
    ]


def _study(world: World, seed: int) -> Reliance:
    rng = np.random.default_rng(seed)
    return study_reliance(world.table, world.score, frozenset(), rng, swaps=SWAPS, categories=world.categories)


def _rate(world: World, table: Table, name: str, rng: np.random.Generator, found: Reliance) -> float:
    """Share of many random swaps that move the output."""
    codes = survey(Table({name: table.columns[name]})).codes[:, 0]
    rows = rng.integers(len(table), size=_PAIRS)
    donors = random_donors(codes, rows, rng)
    keep = donors >= 0
    before = table.take(rows[keep])
    after = Table({**before.columns, name: table.columns[name][donors[keep]]})
    change = np.abs(world.score(after) - world.score(before))
    return float((change > 1e-3 * found.output_sd).mean()) if len(change) else 0.0
