"""Tables with known dependence between columns, and what the association study makes of them.

A screen table has 20 columns that are 10 dependent pairs; the other 180 pairs are independent. A null table has no
dependence at all. A redundancy table has 10 columns of which the first follows from some others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from zlib import crc32

import numpy as np

from benchmarks.caveats import Figure
from xaisvc.structure.association import link, study_association
from xaisvc.structure.association_pairs import screen
from xaisvc.structure.ranks import variables_of
from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Generator = np.random.Generator
    Column: TypeAlias = NDArray[np.float64] | NDArray[np.object_]

LEVELS = tuple("abcdefgh")


@dataclass(frozen=True, slots=True)
class Case:
    """A table with a known truth.

    Attributes:
        id: Name; with a seed it fixes the table.
        make: The columns for n rows.
        pairs: Pairs of columns that depend on each other; all other pairs do not.
        redundant: Column that follows from others; None if there is none.
        sources: Columns that it follows from.
    """

    id: str
    make: Callable[[Generator, int], Mapping[str, Column]]
    pairs: tuple[tuple[str, str], ...] = ()
    redundant: str | None = None
    sources: tuple[str, ...] = ()

    def table(self, seed: int, n: int) -> Table:
        """The table of n rows that belongs to a seed."""
        return Table(dict(self.make(np.random.default_rng([crc32(self.id.encode()), seed]), n)))


def _correlated(r: float) -> Callable[[Generator, int], tuple[Column, Column]]:
    def pair(rng: Generator, n: int) -> tuple[Column, Column]:
        x = rng.standard_normal(n)
        return x, r * x + np.sqrt(1 - r**2) * rng.standard_normal(n)

    return pair


def _heavy_tail(rng: Generator, n: int) -> tuple[Column, Column]:
    x = rng.standard_t(2, n)
    return x, np.sign(x) * x**2 + 2 * rng.standard_t(2, n)


def _quadratic(rng: Generator, n: int) -> tuple[Column, Column]:
    x = rng.standard_normal(n)
    return x, x**2 + 0.5 * rng.standard_normal(n)


def _sine(rng: Generator, n: int) -> tuple[Column, Column]:
    x = rng.uniform(-1, 1, n)
    return x, np.sin(2 * np.pi * x) + 0.5 * rng.standard_normal(n)


def _circle(rng: Generator, n: int) -> tuple[Column, Column]:
    angle, radius = rng.uniform(0, 2 * np.pi, n), 1 + 0.15 * rng.standard_normal(n)
    return radius * np.cos(angle), radius * np.sin(angle)


def _cross(rng: Generator, n: int) -> tuple[Column, Column]:
    x = rng.standard_normal(n)
    return x, x * rng.choice([-1.0, 1.0], n) + 0.3 * rng.standard_normal(n)


def _heteroscedastic(rng: Generator, n: int) -> tuple[Column, Column]:
    x = rng.standard_normal(n)
    return x, np.exp(0.7 * x) * rng.standard_normal(n)


def _category(rng: Generator, n: int, k: int) -> NDArray[np.intp]:
    return rng.integers(0, k, n)


def _named(codes: NDArray[np.intp], prefix: str = "") -> NDArray[np.object_]:
    return np.array([f"{prefix}{code}" for code in codes], dtype=object)


def _category_mean(rng: Generator, n: int) -> tuple[Column, Column]:
    c = _category(rng, n, 4)
    return _named(c), 0.7 * c + rng.standard_normal(n)


def _category_variance(rng: Generator, n: int) -> tuple[Column, Column]:
    c = _category(rng, n, 4)
    return _named(c), np.exp(0.5 * c) * rng.standard_normal(n)


def _categories(rng: Generator, n: int) -> tuple[Column, Column]:
    c = _category(rng, n, 4)
    return _named(c), _named(np.where(rng.random(n) < 0.5, c, _category(rng, n, 4)), "level ")  # noqa: PLR2004 - half


def _rare_flag(rng: Generator, n: int) -> tuple[Column, Column]:
    flag = rng.random(n) < 0.05  # noqa: PLR2004 - 1 in 20
    return flag.astype(float), rng.standard_normal(n) + 2.0 * flag


def _ordinal(rng: Generator, n: int) -> tuple[Column, Column]:
    x = rng.standard_normal(n)
    y = 0.6 * x + 0.8 * rng.standard_normal(n)
    return np.floor(np.clip(x + 2.5, 0, 4.9)), np.floor(np.clip(1.5 * y + 3, 0, 6.9))


def _flags(rng: Generator, n: int) -> tuple[Column, Column]:
    one = rng.random(n) < 0.3  # noqa: PLR2004 - share of ones
    return one.astype(float), np.where(rng.random(n) < 0.7, one, rng.random(n) < 0.3).astype(float)  # noqa: PLR2004 - shares


def _rare_flags(rng: Generator, n: int) -> tuple[Column, Column]:
    one = rng.random(n) < 0.04  # noqa: PLR2004 - share of ones
    kept = rng.random(n) < 0.8  # noqa: PLR2004 - share that carries over
    return one.astype(float), ((one & kept) | (rng.random(n) < 0.01)).astype(float)  # noqa: PLR2004 - share of noise


def _dates(rng: Generator, n: int) -> tuple[Column, Column]:
    days = np.floor(rng.uniform(15_000, 20_000, n))
    return days, np.round((days - 15_000) / 365 + 3 * rng.standard_normal(n))


def _missing_by_value(rng: Generator, n: int) -> tuple[Column, Column]:
    x = rng.standard_normal(n)
    y = rng.standard_normal(n)
    y[rng.random(n) < 0.3 / (1 + np.exp(-2 * x))] = np.nan
    return x, y


def _missing_together(rng: Generator, n: int) -> tuple[Column, Column]:
    x, c = rng.standard_normal(n), _named(_category(rng, n, 3))
    gone = rng.random(n) < 0.15  # noqa: PLR2004 - share missing
    x[gone & (rng.random(n) < 0.8)] = np.nan  # noqa: PLR2004 - most of them
    c[gone & (rng.random(n) < 0.8)] = None  # noqa: PLR2004 - most of them
    return x, c


def _zero_inflated(rng: Generator, n: int) -> tuple[Column, Column]:
    some = rng.random(n) < 0.2  # noqa: PLR2004 - share above zero
    x = np.where(some, rng.exponential(1.0, n), 0.0)
    return x, np.where(some & (rng.random(n) < 0.7), x + rng.exponential(0.5, n), 0.0)  # noqa: PLR2004 - most of them


def _rare_level(rng: Generator, n: int) -> tuple[Column, Column]:
    c = np.where(rng.random(n) < 0.05, 5, _category(rng, n, 5))  # noqa: PLR2004 - 1 in 20
    return _named(c), rng.standard_normal(n) + 2.5 * (c == 5)  # noqa: PLR2004 - the rare one


def _many_levels(rng: Generator, n: int) -> tuple[Column, Column]:
    c = _category(rng, n, n // 4)
    effect = rng.standard_normal(n // 4)
    return _named(c), effect[c] + 0.5 * rng.standard_normal(n)


def _nested_levels(rng: Generator, n: int) -> tuple[Column, Column]:
    c = _category(rng, n, n // 4)
    region = _category(rng, n // 4, 5)
    return _named(c), _named(region[c], "region ")


TEN = {
    "correlation 0.3": _correlated(0.3),
    "correlation 0.5": _correlated(0.5),
    "correlation 0.9": _correlated(0.9),
    "quadratic": _quadratic,
    "sine": _sine,
    "circle": _circle,
    "heteroscedastic": _heteroscedastic,
    "category mean": _category_mean,
    "two categories": _categories,
    "rare flag": _rare_flag,
}
"""The ten shapes of the screen's target."""

FURTHER = {
    "heavy tail": _heavy_tail,
    "cross": _cross,
    "category variance": _category_variance,
    "ordinal": _ordinal,
    "flags": _flags,
    "rare flags": _rare_flags,
    "dates": _dates,
    "missing by value": _missing_by_value,
    "missing together": _missing_together,
    "zero inflated": _zero_inflated,
    "rare level": _rare_level,
    "many levels": _many_levels,
    "nested levels": _nested_levels,
}
"""Shapes beyond them, of every kind of column."""


def _pairs_of(
    shapes: Mapping[str, Callable[[Generator, int], tuple[Column, Column]]],
) -> Callable[[Generator, int], dict[str, Column]]:
    def make(rng: Generator, n: int) -> dict[str, Column]:
        columns: dict[str, Column] = {}
        for name, shape in shapes.items():
            columns[f"{name}: x"], columns[f"{name}: y"] = shape(rng, n)
        return columns

    return make


def _truth(shapes: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((f"{name}: x", f"{name}: y") for name in shapes)


def _null_normal(rng: Generator, n: int) -> dict[str, Column]:
    return {f"x{j}": rng.standard_normal(n) for j in range(20)}


def _null_heavy(rng: Generator, n: int) -> dict[str, Column]:
    found: dict[str, Column] = {f"x{j}": rng.standard_t(1.5, n) for j in range(10)}
    return found | {f"y{j}": np.exp(2 * rng.standard_normal(n)) for j in range(10)}


def _null_mixed(rng: Generator, n: int) -> dict[str, Column]:
    found: dict[str, Column] = {f"normal{j}": rng.standard_normal(n) for j in range(5)}
    found |= {f"heavy{j}": rng.standard_t(2, n) for j in range(3)}
    found |= {f"integer{j}": rng.poisson(1.5 + j, n).astype(float) for j in range(4)}
    found |= {f"flag{j}": (rng.random(n) < share).astype(float) for j, share in enumerate((0.5, 0.2, 0.05))}
    found |= {f"category{j}": _named(_category(rng, n, k)) for j, k in enumerate((3, 6, 12))}
    return found | {f"date{j}": np.floor(rng.uniform(15_000, 20_000, n)) for j in range(2)}


def _null_rare(rng: Generator, n: int) -> dict[str, Column]:
    found: dict[str, Column] = {f"flag{j}": (rng.random(n) < 0.01 * (j + 1)).astype(float) for j in range(6)}  # shares
    found |= {f"zeros{j}": np.where(rng.random(n) < 0.03 * (j + 1), rng.lognormal(0, 2, n), 0.0) for j in range(4)}
    found |= {f"counts{j}": rng.poisson(0.05 * (j + 1), n).astype(float) for j in range(3)}
    for j, k in enumerate((8, 40, 200, 1000)):
        found[f"skewed{j}"] = _named(np.minimum(rng.zipf(1.6, n), k))
    found["levels"] = _named(_category(rng, n, n // 3))
    found["more levels"] = _named(_category(rng, n, n // 2))
    return found | {"normal": rng.standard_normal(n)}


def _null_missing(rng: Generator, n: int) -> dict[str, Column]:
    found = _null_mixed(rng, n)
    for place, values in enumerate(found.values()):
        gone = rng.random(n) < (0.0, 0.01, 0.05, 0.2, 0.5)[place % 5]
        values[gone] = None if values.dtype == object else np.nan
    return found


SCREEN_CASES = (
    Case("screen ten", _pairs_of(TEN), pairs=_truth(TEN)),
    Case("screen further", _pairs_of(FURTHER), pairs=_truth(FURTHER)),
)
NULL_CASES = (
    Case("null normal", _null_normal),
    Case("null heavy tail", _null_heavy),
    Case("null mixed", _null_mixed),
    Case("null rare", _null_rare),
    Case("null missing", _null_missing),
)


def _nine(
    rng: Generator, n: int, from_others: Callable[[dict[str, NDArray[np.float64]], Generator], NDArray[np.float64]]
) -> dict[str, Column]:
    others = {f"x{j}": rng.standard_normal(n) for j in range(1, 10)}
    return {"x0": from_others(others, rng), **others}


def _sum_of(k: int) -> Callable[[Generator, int], dict[str, Column]]:
    def make(rng: Generator, n: int) -> dict[str, Column]:
        return _nine(rng, n, lambda x, _: np.sum([x[f"x{j}"] for j in range(1, k + 1)], axis=0))

    return make


def _product(rng: Generator, n: int) -> dict[str, Column]:
    return _nine(rng, n, lambda x, own: x["x1"] * x["x2"] + 0.1 * own.standard_normal(n))


def _parity(rng: Generator, n: int) -> dict[str, Column]:
    return _nine(rng, n, lambda x, _: np.sign(x["x1"] * x["x2"]))


def _soft_parity(rng: Generator, n: int) -> dict[str, Column]:
    return _nine(rng, n, lambda x, own: np.sign(x["x1"] * x["x2"]) + 0.7 * own.standard_normal(n))


def _ratio(rng: Generator, n: int) -> dict[str, Column]:
    others = {f"x{j}": rng.lognormal(0, 0.6, n) for j in range(1, 10)}
    return {"x0": others["x1"] / others["x2"], **others}


def _duplicate(rng: Generator, n: int) -> dict[str, Column]:
    return _nine(rng, n, lambda x, _: -3 * x["x1"] + 7)


def _one_hot(rng: Generator, n: int) -> dict[str, Column]:
    c = _category(rng, n, 5)
    found: dict[str, Column] = {f"x{j}": (c == j).astype(float) for j in range(5)}
    return found | {f"x{j}": rng.standard_normal(n) for j in range(5, 10)}


def _quadratic_of_one(rng: Generator, n: int) -> dict[str, Column]:
    return _nine(rng, n, lambda x, own: x["x1"] ** 2 + 0.3 * own.standard_normal(n))


def _switch(rng: Generator, n: int) -> dict[str, Column]:
    return _nine(rng, n, lambda x, _: np.where(x["x3"] > 0, x["x1"], -x["x1"]) + 0.2 * np.abs(x["x2"]))


def _first(k: int) -> tuple[str, ...]:
    return tuple(f"x{j}" for j in range(1, k + 1))


REDUNDANCY_CASES = (
    Case("duplicate", _duplicate, redundant="x0", sources=_first(1)),
    Case("sum of 2", _sum_of(2), redundant="x0", sources=_first(2)),
    Case("sum of 4", _sum_of(4), redundant="x0", sources=_first(4)),
    Case("sum of 8", _sum_of(8), redundant="x0", sources=_first(8)),
    Case("ratio", _ratio, redundant="x0", sources=_first(2)),
    Case("quadratic", _quadratic_of_one, redundant="x0", sources=_first(1)),
    Case("product", _product, redundant="x0", sources=_first(2)),
    Case("parity", _parity, redundant="x0", sources=_first(2)),
    Case("soft parity", _soft_parity, redundant="x0", sources=_first(2)),
)
"""The nine shapes of the redundancy target."""

FURTHER_REDUNDANCY_CASES = (
    Case("one-hot set", _one_hot, redundant="x0", sources=_first(4)),
    Case("switch", _switch, redundant="x0", sources=("x1", "x3")),
)


def score_association(seeds: Sequence[int], n: int) -> list[Figure]:
    """Recall and false alarms of the screen and of the search for redundancy in tables of n rows.

    Args:
        seeds: One table per case and seed; four times as many null tables and a quarter of the redundancy tables.
        n: Rows.
    """
    return [*score_screen(seeds, n), *score_nulls(seeds, n), *score_redundancy(seeds[: max(len(seeds) // 4, 1)], n)]


def linked_pairs(table: Table) -> set[tuple[str, str]]:
    """Pairs of columns that the screen links, in the order of the columns."""
    names = table.feature_ids
    _, linked = link(screen(variables_of(table, names), len(names)))
    return {(names[i], names[j]) for i, j in zip(*np.nonzero(np.triu(linked, 1)), strict=True)}


def score_screen(seeds: Sequence[int], n: int) -> list[Figure]:
    """Recall by shape, and tables with a pair linked that is independent."""
    figures = []
    for case in SCREEN_CASES:
        found = [linked_pairs(case.table(seed, n)) for seed in seeds]
        recalls = [sum(pair in pairs for pairs in found) / len(found) for pair in case.pairs]
        target = {200: 0.95, 500: 0.995}.get(n) if case.id == "screen ten" else None
        figures.append(
            Figure(f"{case.id}, {n} rows: recall", float(np.mean(recalls)), len(recalls) * len(found), target)
        )
        figures += [
            Figure(f"{case.id}, {n} rows: recall, {pair[0].split(':')[0]}", recall, len(found))
            for pair, recall in zip(case.pairs, recalls, strict=True)
        ]
        wrong = [bool(pairs - set(case.pairs)) for pairs in found]
        figures.append(
            Figure(f"{case.id}, {n} rows: false alarm in a table", float(np.mean(wrong)), len(wrong), 0.01, "most")
        )
    return figures


def score_nulls(seeds: Sequence[int], n: int) -> list[Figure]:
    """Tables without dependence in which a pair is linked."""
    figures, wrong = [], []
    for case in NULL_CASES:
        # Rare events need more tables than the shapes do; 100,000 keeps the seeds apart.
        alarms = [bool(linked_pairs(case.table(seed + 100_000 * k, n))) for seed in seeds for k in range(4)]
        figures.append(Figure(f"{case.id}, {n} rows: false alarm in a table", float(np.mean(alarms)), len(alarms)))
        wrong += alarms
    name = f"all null tables, {n} rows: false alarm in a table"
    return [*figures, Figure(name, float(np.mean(wrong)), len(wrong), 0.01, "most")]


def score_redundancy(seeds: Sequence[int], n: int) -> list[Figure]:
    """Redundant columns found, their sources found, and tables with a redundancy that is none."""
    figures, found, complete, wrong = [], [], [], []
    for case in (*REDUNDANCY_CASES, *FURTHER_REDUNDANCY_CASES):
        truth = {case.redundant, *case.sources}
        hits = []
        for seed in seeds:
            table = case.table(seed, n)
            names = table.feature_ids
            study = study_association(table, names, np.random.default_rng(seed))
            by_name = {names[one.feature]: {names[i] for i in one.predictors} for one in study.redundancies}
            hits.append(case.redundant in by_name)
            complete.append(by_name.get(str(case.redundant), set()) >= set(case.sources))
            wrong.append(any(not {name, *sources} <= truth for name, sources in by_name.items()))
        figures.append(Figure(f"redundancy, {n} rows: recall, {case.id}", float(np.mean(hits)), len(hits)))
        if case in REDUNDANCY_CASES:
            found += hits
    alarms = []
    for case in NULL_CASES:
        for seed in seeds:
            table = case.table(seed, n)
            study = study_association(table, table.feature_ids, np.random.default_rng(seed))
            alarms.append(bool(study.redundancies))
    target = 1.0 if n >= 300 else None  # noqa: PLR2004 - the rows that the target names
    return [
        *figures,
        Figure(f"redundancy, {n} rows: recall over the nine shapes", float(np.mean(found)), len(found), target),
        Figure(f"redundancy, {n} rows: all sources named", float(np.mean(complete)), len(complete)),
        Figure(f"redundancy, {n} rows: a column named that has no part in it", float(np.mean(wrong)), len(wrong)),
        Figure(f"redundancy, {n} rows: false alarm in a null table", float(np.mean(alarms)), len(alarms), 0.01, "most"),
    ]
