"""Whether and how a model relies on its features: rows get other values, and the output moves or does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.donors import joint_codes, near_donors, random_donors, survey
from xaisvc.structure.noise import measure_noise
from xaisvc.structure.probes import Library, make_library
from xaisvc.structure.usage import usage_upper, usage_upper_new_rows
from xaisvc.types.reliance import FeatureReliance, Hindrance, Reliance, Swaps, Use
from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.structure.donors import Landscape
    from xaisvc.structure.noise import Noise
    from xaisvc.types.table import Column

    Score = Callable[[Table], NDArray[np.float64]]

RARE_RATE = 0.01
RARE_EFFECT = 0.5
"""A feature that moves the output this rarely and this far, in standard deviations of the output, is rarely used."""

_ROWS = 2000
_FIRST = 300
_CLEAR_RATE = 0.03
"""From this share of random swaps that moved the output on, more swaps would change no verdict."""
_NEAR = 100
_AIMED = 100
_BATCH_ROWS = 4096
_CHECKED = 16
_REPEATS = 3
_DROWNED = 0.05
"""If effects up to this share of the output's standard deviation drown in noise, nothing seen means nothing."""
_CHECK_BELOW = 100.0


def study_reliance(  # noqa: PLR0913 - what is studied, what is known, and how hard to look
    table: Table,
    score: Score,
    proven_unused: frozenset[str],
    rng: np.random.Generator,
    *,
    swaps: int = 3000,
    clusters: Sequence[tuple[str, ...]] = (),
    categories: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Reliance:
    """Find out which features move the output, by giving rows other values of one feature (or group) at a time.

    Random swaps draw a background row and a donor among the rows with another value, both uniformly and with
    replacement: with k of m such swaps moving the output, the usage rate in the background is below the upper limit of
    Clopper and Pearson (Biometrika 26, 1934), the 95 % quantile of Beta(k + 1, m - k), which for k = 0 is
    1 - 0.05^(1/m). Every feature gets 300 of them; one that moved the output in less than 3 % of these gets the
    rest. Near swaps take the donor from the most similar rows. Aimed swaps go where splits could be: beyond the range,
    to its ends, to extreme quantiles, to missing, to every category and, where nothing is seen, between the values of
    the rows; on real rows, on rows with one value beyond its range and on made-up rows. They can find what random swaps
    cannot, and count for no rate.

    An output has moved if it differs by more than the model's own noise: 1e-5 of the output's standard deviation, 16
    steps of single precision, and 10 times the largest difference between outputs of the same row in batches of other
    composition, taken at outputs of similar size. Rare and faint effects are scored again three times in other batches
    and must come out alike.

    Work: at most 2 * swaps + 100 rows for each feature and group (600 if proven or clearly used), plus 4,500, in
    batches of at most 4,096; at most 2,000 rows of the background are used. With swaps = 300 that is about 600 rows a
    feature, with 3,000 it is 6,000.

    Args:
        table: The background.
        score: Explained output of some rows, in its space; float64, (n,). Need not be exact to the last bits.
        proven_unused: Features that the model's graph proves cannot reach the output. They get a check of their own.
        rng: Source of randomness.
        swaps: Random swaps per feature where little or nothing is seen, at least 1.
        clusters: Groups of linked features that are also swapped together.
        categories: Category feature to its declared values: those that no background row has are tried too.

    Returns:
        What can be said of each feature and group. Nothing but `proven_unused` says that a feature is not used.
    """
    sample = table if len(table) <= _ROWS else table.take(np.sort(rng.choice(len(table), _ROWS, replace=False)))
    names = table.feature_ids
    if len(sample) < 2:  # noqa: PLR2004 - a swap takes two rows
        return Reliance(
            features=tuple(_unknown((name,), proven_unused, Hindrance.FEW_ROWS) for name in names),
            groups=tuple(_unknown(tuple(group), proven_unused, Hindrance.FEW_ROWS) for group in clusters),
            output_sd=0.0,
            noise=0.0,
        )
    place = {name: column for column, name in enumerate(names)}
    units = [(column,) for column in range(len(names))] + [tuple(place[name] for name in group) for group in clusters]
    bench = _bench(sample, score, units, categories, max(1, swaps), rng)
    proven = [all(names[column] in proven_unused for column in unit) for unit in units]
    logs = bench.study(proven)
    entries = [
        bench.verdict(log, tuple(names[column] for column in unit), known)
        for log, unit, known in zip(logs, units, proven, strict=True)
    ]
    features, groups = entries[: len(names)], entries[len(names) :]
    return Reliance(
        features=tuple(features),
        groups=tuple(_with_members(group, features) for group in groups),
        output_sd=bench.spread,
        noise=float(bench.noise.largest),
        refuted=tuple(
            name
            for name, entry in zip(names, features, strict=True)
            if name in proven_unused and entry.use is not Use.PROVEN_UNUSED
        ),
        model_rows=bench.rows_scored,
    )


@dataclass(frozen=True, slots=True)
class _Tries:
    """Swaps of one unit: rows, donors and what came of them. Effects that are not finite are NaN."""

    rows: NDArray[np.intp]
    donors: NDArray[np.intp]
    effects: NDArray[np.float64]
    floors: NDArray[np.float64]

    @property
    def moved(self) -> NDArray[np.bool_]:
        return self.effects > self.floors

    def summary(self, *, believed: bool) -> Swaps:
        finite = np.isfinite(self.effects)
        moved = self.moved & believed
        effects = np.where(moved, self.effects, 0.0)
        return Swaps(
            count=int(finite.sum()),
            moved=int(moved.sum()),
            mean_effect=float(effects.sum() / max(1, finite.sum())),
            largest_effect=float(effects.max(initial=0.0)),
        )

    def joined(self, other: _Tries) -> _Tries:
        return _Tries(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.donors, other.donors]),
            np.concatenate([self.effects, other.effects]),
            np.concatenate([self.floors, other.floors]),
        )


@dataclass(slots=True)
class _Log:
    """What was tried on one unit."""

    random: _Tries
    near: _Tries
    aimed: _Tries
    distinct: int
    believed: bool = True

    @property
    def kinds(self) -> tuple[_Tries, _Tries, _Tries]:
        return self.random, self.near, self.aimed


@dataclass(slots=True)
class _Bench:
    """The rows that are swapped, their outputs and the model."""

    library: Library
    landscape: Landscape
    score: Score
    units: Sequence[tuple[int, ...]]
    swaps: int
    rng: np.random.Generator
    outputs: NDArray[np.float64]
    noise: Noise
    spread: float
    rows_scored: int

    def study(self, proven: Sequence[bool]) -> list[_Log]:
        """Swap every unit: all of them a little, and more where nothing or little was seen."""
        every = range(len(self.units))
        first = min(self.swaps, _FIRST)
        near, aimed = min(self.swaps // 4, _NEAR), min(self.swaps // 3, _AIMED)
        tried = self._tried(
            [self._random(u, first) for u in every]
            + [self._near(u, near) for u in every]
            + [self._aimed(u, 0, aimed) for u in every]
        )
        count = len(self.units)
        logs = [_Log(tried[u], tried[count + u], tried[2 * count + u], self._distinct(u)) for u in every]
        again = [u for u in every if not proven[u] and self._unclear(logs[u])]
        rest = self.swaps - first
        spare = max(0, self.swaps - near - aimed - 2 * _CHECKED * _REPEATS)
        more = self._tried([self._random(u, rest) for u in again] + [self._aimed(u, aimed, spare) for u in again])
        for position, u in enumerate(again):
            logs[u].random = logs[u].random.joined(more[position])
            logs[u].aimed = logs[u].aimed.joined(more[len(again) + position])
        for u in every:
            logs[u].believed = self._comes_out_alike(u, logs[u])
        return logs

    def verdict(self, log: _Log, features: tuple[str, ...], proven: bool) -> FeatureReliance:  # noqa: FBT001 - a fact
        """What can be said of one unit."""
        random, near, aimed = (tries.summary(believed=log.believed) for tries in log.kinds)
        moved = random.moved + near.moved + aimed.moved
        largest = max(random.largest_effect, near.largest_effect, aimed.largest_effect)
        hindrance = None
        if moved:
            rare = random.rate < RARE_RATE and largest > RARE_EFFECT * self.spread
            use = Use.RARELY_USED if rare else Use.USED
        elif proven:
            use = Use.PROVEN_UNUSED
        else:
            hindrance = self._hindrance(log, random)
            use = Use.CANNOT_TELL if hindrance else Use.NO_EFFECT_SEEN
        return FeatureReliance(
            features=features,
            use=use,
            random=random,
            near=near,
            aimed=aimed,
            usage_upper=1.0 if hindrance else usage_upper(random.moved, random.count),
            usage_upper_new_rows=1.0
            if hindrance
            else usage_upper_new_rows(random.moved, random.count, len(self.landscape.codes)),
            hindrance=hindrance,
        )

    def _hindrance(self, log: _Log, random: Swaps) -> Hindrance | None:
        if log.distinct < 2:  # noqa: PLR2004 - a swap takes two values
            return Hindrance.CONSTANT
        if random.count == 0:
            return Hindrance.NOT_FINITE
        drowned = bool(np.median(log.random.floors) > _DROWNED * self.spread > 0.0)
        return Hindrance.NOISE if drowned or not log.believed else None

    def _distinct(self, unit: int) -> int:
        return int(joint_codes(self.landscape.codes[:, list(self.units[unit])]).max(initial=-1)) + 1

    def _unclear(self, log: _Log) -> bool:
        random = log.random
        return log.distinct > 1 and int(random.moved.sum()) < _CLEAR_RATE * max(1, len(random.effects))

    def _random(self, unit: int, count: int) -> _Plan:
        codes = joint_codes(self.landscape.codes[:, list(self.units[unit])])
        rows = self.rng.integers(len(codes), size=count)
        return _Plan(unit, rows, random_donors(codes, rows, self.rng))

    def _near(self, unit: int, count: int) -> _Plan:
        rows = self.rng.integers(len(self.landscape.codes), size=count)
        if self._distinct(unit) < 2:  # noqa: PLR2004 - a swap takes two values
            return _Plan(unit, rows, np.full(count, -1, dtype=np.intp))
        return _Plan(unit, rows, near_donors(self.landscape, self.units[unit], rows, self.rng))

    def _aimed(self, unit: int, start: int, count: int) -> _Plan:
        return _Plan(unit, *self.library.aimed(self.units[unit], start, count))

    def _tried(self, plans: Sequence[_Plan]) -> list[_Tries]:
        """Carry out plans, several together in one batch. Swaps without a donor are left out."""
        plans = [plan.possible() for plan in plans]
        unit = np.repeat([plan.unit for plan in plans], [len(plan.rows) for plan in plans]).astype(np.intp)
        rows = np.concatenate([plan.rows for plan in plans]) if plans else np.zeros(0, dtype=np.intp)
        donors = np.concatenate([plan.donors for plan in plans]) if plans else np.zeros(0, dtype=np.intp)
        after = self._swapped(unit, rows, donors)
        before = self.outputs[rows]
        finite = np.isfinite(after) & np.isfinite(before)
        effects = np.full(len(rows), np.nan)
        effects[finite] = np.abs(after[finite] - before[finite])
        floors = np.maximum(self.noise.floor(before), self.noise.floor(after))
        found = []
        start = 0
        for plan in plans:
            here = slice(start, start + len(plan.rows))
            found.append(_Tries(rows[here], donors[here], effects[here], floors[here]))
            start = here.stop
        return found

    def _swapped(self, unit: NDArray[np.intp], rows: NDArray[np.intp], donors: NDArray[np.intp]) -> NDArray[np.float64]:
        """Outputs of the rows with their units' values taken from the donors; float64, (k,)."""
        found = np.empty(len(rows))
        names = self.library.table.feature_ids
        for start in range(0, len(rows), _BATCH_ROWS):
            here = slice(start, start + _BATCH_ROWS)
            columns: dict[str, Column] = dict(self.library.table.take(rows[here]).columns)
            own = unit[here]
            for number in np.unique(own):
                chosen = np.flatnonzero(own == number)
                for column in self.units[number]:
                    name = names[column]
                    values = columns[name] if columns[name].flags.writeable else columns[name].copy()
                    values[chosen] = self.library.table.columns[name][donors[here][chosen]]
                    columns[name] = values
            found[here] = _scored(self.score, Table(columns))
            self.rows_scored += len(own)
        return found

    def _comes_out_alike(self, unit: int, log: _Log) -> bool:
        """Whether the effects of a unit, if they are rare or faint, come out alike in other batches."""
        moved = [tries.moved for tries in log.kinds]
        effects = np.concatenate([tries.effects[at] for tries, at in zip(log.kinds, moved, strict=True)])
        if not len(effects):
            return True
        floors = np.concatenate([tries.floors[at] for tries, at in zip(log.kinds, moved, strict=True)])
        rare = moved[0].sum() < _CLEAR_RATE * max(1, len(moved[0]))
        if not rare and (effects > _CHECK_BELOW * floors).any():
            return True
        rows = np.concatenate([tries.rows[at] for tries, at in zip(log.kinds, moved, strict=True)])
        donors = np.concatenate([tries.donors[at] for tries, at in zip(log.kinds, moved, strict=True)])
        best = np.argsort(-effects / floors, kind="stable")[:_CHECKED]
        alike = np.ones(len(best), dtype=bool)
        own = np.concatenate([rows[best], rows[best]])
        given = np.concatenate([donors[best], rows[best]])  # the second half keeps its own value
        for _ in range(_REPEATS):
            order = self.rng.permutation(len(own))
            outputs = np.empty(len(own))
            outputs[order] = self._swapped(np.full(len(own), unit, dtype=np.intp), own[order], given[order])
            with np.errstate(invalid="ignore"):  # an output that is not finite now and then is not alike
                effect = np.abs(outputs[: len(best)] - outputs[len(best) :])
                alike &= np.abs(effect - effects[best]) <= effects[best] / 2
        return bool(alike.any())


def _bench(  # noqa: PLR0913, PLR0917 - what is studied
    sample: Table,
    score: Score,
    units: Sequence[tuple[int, ...]],
    categories: Mapping[str, Sequence[str]],
    swaps: int,
    rng: np.random.Generator,
) -> _Bench:
    """Rows to swap, with their outputs and the model's noise."""
    landscape = survey(sample)
    library = make_library(sample, landscape, categories, rng, made_up=min(max(100, swaps // 4), 500))
    rows = library.table.take(slice(0, library.bases))
    outputs = _scored(score, rows)
    real = outputs[: len(sample)]
    finite = real[np.isfinite(real)]
    spread = float(finite.std()) if len(finite) else 0.0
    noise, extra = measure_noise(score, rows, outputs, spread, rng)
    return _Bench(
        library=library,
        landscape=landscape,
        score=score,
        units=units,
        swaps=swaps,
        rng=rng,
        outputs=outputs,
        noise=noise,
        spread=spread,
        rows_scored=len(outputs) + extra,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """Swaps to carry out: rows and donors, places in the library; -1 for no donor."""

    unit: int
    rows: NDArray[np.intp]
    donors: NDArray[np.intp]

    def possible(self) -> _Plan:
        keep = self.donors >= 0
        return _Plan(self.unit, self.rows[keep], self.donors[keep])


def _scored(score: Score, table: Table) -> NDArray[np.float64]:
    return np.asarray(score(table), dtype=np.float64).reshape(len(table))


def _unknown(features: tuple[str, ...], proven_unused: frozenset[str], hindrance: Hindrance) -> FeatureReliance:
    if all(feature in proven_unused for feature in features):
        return FeatureReliance(features=features, use=Use.PROVEN_UNUSED)
    return FeatureReliance(features=features, use=Use.CANNOT_TELL, hindrance=hindrance)


def _with_members(group: FeatureReliance, features: Sequence[FeatureReliance]) -> FeatureReliance:
    """A group is used if a member is, even where swapping all together cancels out."""
    members = {entry.use for entry in features if entry.features[0] in group.features}
    for use in (Use.USED, Use.RARELY_USED):
        if use in members and group.use is not Use.USED:
            return replace(group, use=use, hindrance=None)
    return group
