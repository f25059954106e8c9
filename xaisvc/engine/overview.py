"""How a bundle's model answers overall, from a sample of its background: computed when first asked for, and kept."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution import plan
from xaisvc.engine.seeds import RowSeeds, plan_seed
from xaisvc.types import Kind, Settings
from xaisvc.types.overview import (
    AssociationMap,
    Dependence,
    LevelEffect,
    Merge,
    Overview,
    PlayerOverview,
    PlayerStability,
    Profile,
    SwarmPoint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xaisvc.attribution import Plan
    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.types import Attribution, Feature, Output, Players, Problem, Space, Table
    from xaisvc.types.association import Association
    from xaisvc.types.table import Column

EXACT_ROWS = 200
"""Sampled background rows where an exact method attributes them."""

SAMPLED_ROWS = 50
"""Sampled background rows where a sampling method has to."""

DRAWN_FEATURES = 30
"""Most features of the association map: with more, no cell could be told from its neighbour."""

DEPENDENCE_FEATURES = 6
"""Features of which the dependence is told."""

DECIDED = 1e-12
"""Variance of attributions, as a share of their mean square, below which they count as constant: float64 rounding."""

_BINS = 10
_FEWEST = 2


def make_overview(  # noqa: PLR0913 - what is explained, then how, by name
    loaded: LoadedBundle,
    output: Output,
    space: Space,
    players: Players,
    *,
    clock: Callable[[], float] = time.monotonic,
    threads: int = 1,
) -> Overview | None:
    """How the model answers overall; None for players that a caller made up.

    At most 200 background rows, evenly spaced, are attributed by the method that `auto` picks, 50 if it samples. The
    same for the same bundle, output, space and players, and kept.

    Args:
        loaded: The bundle on its device.
        output: What is explained.
        space: Unit of the explained number.
        players: Who shares the credit.
        clock: Monotonic clock in seconds.
        threads: Threads that rows are spread over.

    Raises:
        ModelOutputError: If the model's answers cannot be explained.
    """
    if players.kind == "custom":
        return None
    loaded.studies.association()  # takes seconds once, and must not keep others from what is kept here
    loaded.studies.spread(output, space, players)
    make = partial(_overview, loaded, output, space, players, clock, threads)
    return loaded.once(("overview", output.id, space, players.kind), make)


def _overview(  # noqa: PLR0913, PLR0917 - the arguments of `make_overview`
    loaded: LoadedBundle, output: Output, space: Space, players: Players, clock: Callable[[], float], threads: int
) -> Overview:
    background, features = loaded.bundle.background, loaded.bundle.description.features
    problem = loaded.problem(output, space, players)
    chosen = plan(problem, "auto", None)
    sample = background.take(_spaced(len(background), EXACT_ROWS if chosen.method.exact else SAMPLED_ROWS))
    found = _attributed(loaded, problem, chosen, sample, clock, threads)
    sizes = np.abs(found.values).mean(axis=0)
    order = np.argsort(-sizes, kind="stable").tolist()
    kinds = {feature.id: feature for feature in features}
    single = [place for place in order if len(players.members[place]) == 1 and sizes[place] > 0]
    spread = loaded.studies.spread(output, space, players)
    stability = (
        {}
        if spread is None
        else {
            name: PlayerStability(background_error=error, interplay=share)
            for name, error, share in zip(
                players.names, spread.background_errors.tolist(), spread.interplay.tolist(), strict=True
            )
        }
    )
    return Overview(
        rows=len(sample),
        background_rows=len(background),
        method=found.method,
        exact=found.exact,
        model_rows=int(found.model_evaluations.sum()),
        players=tuple(
            _player(players.names[place], players.members[place], found.values[:, place], sample, kinds)
            for place in order
        ),
        dependence=tuple(
            _dependence(kinds[players.members[place][0]], sample, found.values[:, place])
            for place in single[:DEPENDENCE_FEATURES]
        ),
        association=draw_association(
            loaded.studies.association(), [name for place in order for name in players.members[place]]
        ),
        profiles={feature.id: profile(feature, background.columns[feature.id]) for feature in features},
        stability=stability,
    )


def _spaced(b: int, most: int) -> NDArray[np.intp]:
    """Places of at most `most` of b rows, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, b - 1, min(b, most)).round().astype(np.intp))


def _attributed(  # noqa: PLR0913, PLR0917 - what is attributed, and how
    loaded: LoadedBundle, problem: Problem, chosen: Plan, sample: Table, clock: Callable[[], float], threads: int
) -> Attribution:
    digest = loaded.bundle.digests.model
    settings = Settings(
        budget=None,
        seed=0,
        row_seeds=RowSeeds(0, digest, sample),
        plan_seed=plan_seed(0, digest),
        clock=clock,
        threads=threads,
    )
    return chosen.method.attribute(problem, sample, settings)


def _player(
    name: str, members: tuple[str, ...], values: NDArray[np.float64], sample: Table, features: dict[str, Feature]
) -> PlayerOverview:
    sizes = np.abs(values)
    n = len(values)
    levels: list[float | None] = [None] * n
    trend = None
    if len(members) == 1 and features[members[0]].kind is not Kind.CATEGORY:
        column = np.asarray(sample.columns[members[0]], dtype=np.float64)
        levels = _levels(column)
        trend = _spearman(column, values)
    by_value = sorted(zip(values.tolist(), levels, strict=True), key=lambda pair: (pair[0], pair[1] or 0.0))
    return PlayerOverview(
        player=name,
        features=members,
        mean_abs=float(sizes.mean()),
        mean_abs_error=float(sizes.std(ddof=1) / np.sqrt(n)) if n >= _FEWEST else 0.0,
        points=tuple(SwarmPoint(value=value, level=level) for value, level in by_value),
        trend=trend,
    )


def _levels(column: NDArray[np.float64]) -> list[float | None]:
    """Share of the other values that are below each value, ties by half; None where it is missing or all are equal."""
    from scipy.stats import rankdata  # noqa: PLC0415 - heavy: loaded when used

    known = ~np.isnan(column)
    count = int(known.sum())
    found: list[float | None] = [None] * len(column)
    if count < _FEWEST or np.ptp(column[known]) == 0:
        return found
    ranks = (rankdata(column[known]) - 1) / (count - 1)
    for place, rank in zip(np.flatnonzero(known).tolist(), ranks.tolist(), strict=True):
        found[place] = rank
    return found


def _spearman(column: NDArray[np.float64], values: NDArray[np.float64]) -> float | None:
    """Spearman's rank correlation of the rows that have a value; None if either is constant."""
    from scipy.stats import rankdata  # noqa: PLC0415 - heavy: loaded when used

    known = ~np.isnan(column)
    if known.sum() < _FEWEST:
        return None
    one, other = (rankdata(numbers[known]) - (known.sum() + 1) / 2 for numbers in (column, values))
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum() / size) if size > 0 else None


def _dependence(feature: Feature, sample: Table, values: NDArray[np.float64]) -> Dependence:
    column = sample.columns[feature.id]
    if feature.kind is Kind.CATEGORY:
        names = np.array(["" if value is None else str(value) for value in column])
        sets = [(name, values[names == name]) for name in dict.fromkeys(names.tolist())]
        levels = sorted(
            (
                LevelEffect(
                    level=name, rows=len(some), mean=float(some.mean()), low=float(some.min()), high=float(some.max())
                )
                for name, some in sets
            ),
            key=lambda effect: (-effect.rows, effect.level),
        )
        return Dependence(feature=feature.id, levels=tuple(levels), interplay=_left([some for _, some in sets]))
    numbers = np.asarray(column, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(numbers))
    order = known[np.lexsort((values[known], numbers[known]))]
    edges = np.quantile(numbers[order], np.linspace(0, 1, _BINS + 1)[1:-1]) if len(order) else np.zeros(0)
    bins = np.searchsorted(np.unique(edges), numbers[order], side="left")
    return Dependence(
        feature=feature.id,
        points=tuple(zip(numbers[order].tolist(), values[order].tolist(), strict=True)),
        interplay=_left([values[order][bins == one] for one in np.unique(bins)]),
    )


def _left(sets: Sequence[NDArray[np.float64]]) -> float | None:
    """Share of the variance that is within the sets; None if there is none to share."""
    everything = np.concatenate(sets) if sets else np.zeros(0)
    if len(everything) < _FEWEST:
        return None
    total = float(((everything - everything.mean()) ** 2).sum())
    if total <= DECIDED * float((everything**2).sum()):
        return None
    within = sum(float(((one - one.mean()) ** 2).sum()) for one in sets)
    return min(1.0, within / total)


def profile(feature: Feature, column: Column) -> Profile:
    """How a feature is spread over the b rows of its background column."""
    b = len(column)
    if feature.kind in {Kind.CATEGORY, Kind.BOOLEAN}:
        present = [str(value) for value in column if value is not None and value == value]  # noqa: PLR0124 - not NaN
        shares = sorted(
            ((name, count / len(present)) for name, count in Counter(present).items()),
            key=lambda item: (-item[1], item[0]),
        )
        return Profile(feature=feature.id, rows=b, missing=1 - len(present) / b, shares=dict(shares))
    numbers = np.asarray(column, dtype=np.float64)
    known = numbers[~np.isnan(numbers)]
    quantiles = np.quantile(known, np.linspace(0, 1, 101)).tolist() if len(known) else []
    return Profile(feature=feature.id, rows=b, missing=1 - len(known) / b, quantiles=tuple(quantiles))


def draw_association(study: Association, ranked: Sequence[str]) -> AssociationMap:
    """The part of a study that can be drawn: the features with the largest attributions, as a dendrogram orders them.

    Args:
        study: How the features of the background go together.
        ranked: Their ids, most important first.
    """
    from xaisvc.structure.clusters import average_linkage  # noqa: PLC0415 - heavy: loaded when used

    place = {name: i for i, name in enumerate(study.features)}
    chosen = sorted(place[name] for name in ranked[:DRAWN_FEATURES])
    effect = study.effect[np.ix_(chosen, chosen)]
    leaves, merges = _dendrogram(average_linkage(effect), len(chosen))
    places = [chosen[leaf] for leaf in leaves]
    drawn = np.ix_(places, places)
    return AssociationMap(
        features=tuple(study.features[i] for i in places),
        effect=tuple(map(tuple, study.effect[drawn].tolist())),
        linked=tuple(map(tuple, study.linked[drawn].tolist())),
        merges=merges,
        clusters=tuple(tuple(study.features[i] for i in cluster) for cluster in study.clusters),
        left_out=len(study.features) - len(places),
        rows=study.n_rows,
        power=study.power,
        detectable=study.detectable,
    )


def _dendrogram(linkage: NDArray[np.float64], f: int) -> tuple[list[int], tuple[Merge, ...]]:
    """The order of f leaves, and every merge with where it is drawn; larger sets come first."""
    members: dict[int, list[int]] = {leaf: [leaf] for leaf in range(f)}
    sides: list[tuple[int, int, float]] = []
    for step, (one, other, distance, _) in enumerate(linkage.tolist()):
        first, second = sorted((int(one), int(other)), key=lambda node: (-len(members[node]), members[node][0]))
        members[f + step] = members[first] + members[second]
        sides.append((first, second, distance))
    leaves = members[f + len(sides) - 1] if sides else list(range(f))
    at: dict[int, float] = {leaf: float(row) for row, leaf in enumerate(leaves)}
    heights: dict[int, float] = dict.fromkeys(range(f), 0.0)
    drawn = []
    for step, (first, second, distance) in enumerate(sides):
        height = max(distance, heights[first], heights[second])
        drawn.append(
            Merge(
                first=leaves.index(members[first][0]),
                left=at[first],
                right=at[second],
                left_height=heights[first],
                right_height=heights[second],
                height=height,
            )
        )
        at[f + step] = (at[first] + at[second]) / 2
        heights[f + step] = height
    return leaves, tuple(drawn)
