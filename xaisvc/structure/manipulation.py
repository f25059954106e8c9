"""Whether a model relies on other features in made-up rows than in real ones, as one does that hides what it uses."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.structure.donors import near_donors, survey
from xaisvc.types.reliance import Manipulation, Sign
from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.structure.donors import Landscape
    from xaisvc.types.table import Column

    Score = Callable[[Table], NDArray[np.float64]]

LIMITS = MappingProxyType({"hybrids": (0.06, 1.8), "noise": (0.20, 2.5)})
"""By kind of made-up rows: distance of the profiles and ratio of a feature's shares that honest models stay below.

Chosen on development models, where honest ones that answer with numbers reached 0.05 and 1.2 with hybrids, 0.10 and
1.7 with noise. Honest ones that answer with rare labels come closer.
"""
SILENCE = 2.6
"""Honest models with varied outputs move at most 2.3 times as much in real rows as in made-up ones (development)."""

_ROWS = 2000
_SWAPS = 150
_ROUNDS = 8
_MODEL_ROWS = 600_000
_FEWEST_ROWS = 30
_CHANGES = 40
"""Fewer changes in either kind of row say too little: their spread is no measure of their error any more."""
_CHANGES_FOR_SILENCE = 100
_COMMON = 0.7
"""If one value makes up more than this share of the outputs, made-up rows may all have it without any deceit."""
_QUANTILE = 2.33
"""Of the normal law: one-sided 99 %, as the limit is looked at after every round."""
_SURE = 2.5
"""Standard errors that a ratio must keep away: there are two ratios for each feature and kind of row."""
_SHARE = 0.01
"""A share this small is as good as none, so ratios are taken of q + 0.01."""
_NEGLIGIBLE = 1e-5
"""Changes below this share of the output's standard deviation are the noise of single precision."""
_FLAG = 2
_TINY = float(np.finfo(np.float64).tiny)


def study_manipulation(
    table: Table, score: Score, rng: np.random.Generator, *, whole: frozenset[str] = frozenset()
) -> Manipulation:
    """Compare which features move the output in plausible rows with which do in rows as SHAP and LIME make them up.

    A scaffolded model (Slack et al., AIES 2020, arXiv 1911.02508) recognises made-up rows and answers them with another
    model. The same swap, from the value of a real row to that of a similar row, is made in three places: in the real
    row, so that it stays plausible; in a hybrid, whose values come from as many random rows (SHAP); and in a row with
    normal noise of the column's standard deviation on all numbers (LIME). In an additive model the same swap does the
    same everywhere. With p and q the shares of features in all absolute changes in real and in made-up rows, the
    distance is

        D = (|p - q|^2 - V) / (|p|^2 - V_p + |q|^2 - V_q),

    where the V take out what the variance of the means adds to each square: 0 for equal profiles, 1 for profiles with
    no feature in common. The model is suspected if, for hybrids (noise in brackets),

    - the lower 99 % limit of D exceeds 0.06 (0.20), or
    - a feature's share is 1.8 (2.5) times as large in one kind of row as in the other, by (p - 2.5 se) against
      (q + 2.5 se + 0.01), or the other way round, or
    - the output moves 2.6 times as much in real rows as in made-up ones, 2.5 standard errors apart, and no value makes
      up more than 70 % of the outputs: labels that are rare in real rows may well be absent from made-up ones.

    The first two ask for 40 changes in either kind of row, the last for 100 in real rows.

    Outputs further outside their 1 % and 99 % quantiles than these are apart are taken to be there, so that no single
    change decides.

    Swaps are made in rounds of 150 per feature until all this is clear, at most eight times.

    Work: 600 to 4,800 model rows per feature and at most 600,000 in all (one round at least), in batches of 600, plus
    150 a round and the background, of which at most 2,000 rows are used.

    Args:
        table: The background, n rows.
        score: Explained output of some rows, in its space; float64, (n,).
        rng: Source of randomness.
        whole: Features that the model takes as whole numbers only; noise on them is rounded.

    Returns:
        What was found; `suspected` is None with fewer than 30 rows or 2 features that vary, if nothing moves the
        output, or if the distance is too uncertain.
    """
    table = table if len(table) <= _ROWS else table.take(np.sort(rng.choice(len(table), _ROWS, replace=False)))
    landscape = survey(table)
    active = [column for column in range(len(table.columns)) if landscape.distinct(column) > 1]
    if len(table) < _FEWEST_ROWS:
        return Manipulation(suspected=None, reason=f"fewer than {_FEWEST_ROWS} rows")
    if len(active) < 2:  # noqa: PLR2004 - profiles of one feature are always alike
        return Manipulation(suspected=None, reason="fewer than 2 features vary")
    outputs = _scored(score, table)
    finite = outputs[np.isfinite(outputs)]
    if not len(finite):
        return Manipulation(suspected=None, reason="the output is not a finite number", model_rows=len(table))
    varied = float(np.unique(finite, return_counts=True)[1].max()) <= _COMMON * len(finite)
    bounds = _bounds(finite)
    scene = _Scene(table, landscape, score, whole, np.clip(outputs, *bounds), bounds, active)
    tallies = {kind: _Tally.empty(len(active)) for kind in LIMITS}
    findings: dict[str, _Finding] = {}
    swaps = 0
    for _ in range(min(_ROUNDS, max(1, _MODEL_ROWS // (4 * _SWAPS * len(active))))):
        changes = scene.changes(rng)
        swaps += _SWAPS
        for kind, tally in tallies.items():
            tally.add(changes["real"], changes[kind])
        findings = {kind: _finding(tally, *LIMITS[kind], varied=varied) for kind, tally in tallies.items()}
        if any(finding.suspected for finding in findings.values()) or all(f.clear for f in findings.values()):
            break
    kind = max(findings, key=lambda name: (findings[name].suspected, findings[name].excess))
    names = [table.feature_ids[column] for column in active]
    rows = len(table) + swaps * (4 * len(active) + 1)
    return _told(findings, kind, names, swaps, rows)


@dataclass(slots=True)
class _Tally:
    """Sums over swaps of the changes in real rows (a) and in made-up rows (b), for each feature; float64, (6, 2, d).

    Of both kinds of row: how many changes, how many are not 0, their sum, the sum of their squares, and the largest;
    last the sum of the products of both.
    """

    sums: NDArray[np.float64]

    @staticmethod
    def empty(d: int) -> _Tally:
        return _Tally(np.zeros((6, 2, d)))

    def add(self, real: NDArray[np.float64], made_up: NDArray[np.float64]) -> None:
        """Count absolute changes, (m, d); swaps with a change that is not finite are left out."""
        finite = np.isfinite(real) & np.isfinite(made_up)
        both = np.where(finite, np.stack([real, made_up]), 0.0)
        self.sums[0] += finite.sum(axis=0)
        self.sums[1] += (both > 0).sum(axis=1)
        self.sums[2] += both.sum(axis=1)
        self.sums[3] += (both**2).sum(axis=1)
        self.sums[4] = np.maximum(self.sums[4], both.max(axis=1))
        self.sums[5] += (both[0] * both[1]).sum(axis=0)

    def profiles(self) -> _Profiles:
        """Shares of the features with their errors."""
        count = np.maximum(self.sums[0], 1.0)
        mean = self.sums[2] / count
        totals = mean.sum(axis=1)
        scale = np.where(totals > 0.0, totals, 1.0)[:, None]
        shares = mean / scale
        squared = np.maximum(self.sums[3] / count - mean**2, 0.0) / count / scale**2
        common = (self.sums[5, 0] / count[0] - mean[0] * mean[1]) / count[0] / scale[0] / scale[1]
        # a share falls where another rises: its derivative is 1 - p for its own mean and -p for the others
        own = squared * (1.0 - 2.0 * shares) + shares**2 * squared.sum(axis=1, keepdims=True)
        both = common * (1.0 - shares.sum(axis=0)) + shares[0] * shares[1] * common.sum()
        # one change more: what nothing seen may hide
        size = np.where(self.sums[1] > 0, self.sums[2] / np.maximum(self.sums[1], 1.0), self.sums[4].max(axis=0))
        unseen = size / count
        return _Profiles(
            shares=shares,
            squared_errors=own,
            squared_errors_of_gap=np.maximum(own.sum(axis=0) - 2 * both, 0.0),
            errors=np.maximum(np.sqrt(squared), unseen / scale),
            totals=totals,
            total_errors=np.maximum(np.sqrt(squared.sum(axis=1)) * scale[:, 0], unseen.max(axis=1)),
        )


@dataclass(frozen=True, slots=True)
class _Profiles:
    """Shares of the features in all changes, in real and in made-up rows, and how certain they are.

    Attributes:
        shares: They add to 1 for each kind of row, or are 0; float64, (2, d).
        squared_errors: Of the shares; float64, (2, d).
        squared_errors_of_gap: Of the difference between real and made-up rows; float64, (d,).
        errors: Of the shares, allowing for one change that was not seen; float64, (2, d).
        totals: Mean changes summed over the features; float64, (2,).
        total_errors: Their errors; float64, (2,).
    """

    shares: NDArray[np.float64]
    squared_errors: NDArray[np.float64]
    squared_errors_of_gap: NDArray[np.float64]
    errors: NDArray[np.float64]
    totals: NDArray[np.float64]
    total_errors: NDArray[np.float64]

    def distance(self) -> tuple[float, float]:
        """D and its standard error; infinite if the changes are too few."""
        p, q = self.shares
        size = float((self.shares**2 - self.squared_errors).sum())
        if size <= 0.0:
            return 0.0, np.inf
        gap = (p - q) ** 2
        own = self.squared_errors_of_gap
        error = float(np.sqrt((2 * own**2 + 4 * own * gap).sum()))
        return float((gap - own).sum()) / size, error / size

    def ratios(self, sure: float) -> NDArray[np.float64]:
        """Larger share to smaller, each `sure` standard errors towards the other: real to made-up and back; (2, d)."""
        low = np.maximum(self.shares - sure * self.errors, 0.0)
        high = self.shares + sure * self.errors + _SHARE
        return np.stack([low[0] / high[1], low[1] / high[0]])

    def silence(self, sure: float) -> float:
        """How much more the output moves in real rows than in made-up ones."""
        low, high = self.totals - sure * self.total_errors, self.totals + sure * self.total_errors
        return float(max(low[0], 0.0) / max(high[1], _TINY))


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one kind of made-up rows shows."""

    profiles: _Profiles
    distance: float
    lower: float
    signs: tuple[Sign, ...]
    enough: bool
    clear: bool
    excess: float

    @property
    def suspected(self) -> bool:
        return bool(self.signs)


def _finding(tally: _Tally, farthest: float, steepest: float, *, varied: bool) -> _Finding:
    profiles = tally.profiles()
    value, error = profiles.distance()
    changes = tally.sums[1].sum(axis=1)
    enough = bool(changes.min() >= _CHANGES)
    signs = {
        Sign.PROFILE: enough and value - _QUANTILE * error > farthest,
        Sign.FEATURE: enough and bool((profiles.ratios(_SURE) > steepest).any()),
        Sign.SILENCE: varied and changes[0] >= _CHANGES_FOR_SILENCE and profiles.silence(_SURE) > SILENCE,
    }
    near = enough and value + _QUANTILE * error < farthest
    even = not (profiles.ratios(1.0) > steepest).any() and profiles.silence(1.0) < SILENCE
    return _Finding(
        profiles=profiles,
        distance=value,
        lower=value - _QUANTILE * error,
        signs=tuple(sign for sign, seen in signs.items() if seen),
        enough=enough,
        clear=near and even,
        excess=float(max((value - _QUANTILE * error) / farthest, profiles.ratios(_SURE).max(initial=0.0) / steepest)),
    )


@dataclass(frozen=True, slots=True)
class _Scene:
    """The model and its background."""

    table: Table
    landscape: Landscape
    score: Score
    whole: frozenset[str]
    outputs: NDArray[np.float64]
    bounds: tuple[float, float]
    active: list[int]

    def changes(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Absolute changes of the output by the same swaps in rows of each kind; float64, (m, d) each."""
        n, names = len(self.table), self.table.feature_ids
        own = np.column_stack([_shuffled(n, rng) for _ in names])
        hybrid = {name: values[own[:, j]] for j, (name, values) in enumerate(self.table.columns.items())}
        noise = self._noise(own, rng)
        before = self._scored(Table(hybrid))
        finite = np.concatenate([self.outputs, before])
        finite = finite[np.isfinite(finite)]
        least = _NEGLIGIBLE * float(finite.std()) if len(finite) else 0.0
        found = {kind: np.zeros((_SWAPS, len(self.active))) for kind in ("real", *LIMITS)}
        for place, column in enumerate(self.active):
            name, rows = names[column], own[:, column]
            values = self.table.columns[name]
            given = values[near_donors(self.landscape, (column,), rows, rng)]
            parts = [
                Table({**self.table.take(rows).columns, name: given}),
                Table({**hybrid, name: given}),
                Table({**noise, name: given}),
                Table({**noise, name: values[rows]}),
            ]
            real, mixed, noisy, quiet = np.split(self._scored(Table.concat(parts)), 4)
            with np.errstate(invalid="ignore"):  # changes that are not finite are left out when they are counted
                found["real"][:, place] = np.abs(real - self.outputs[rows])
                found["hybrids"][:, place] = np.abs(mixed - before)
                found["noise"][:, place] = np.abs(noisy - quiet)
        return {kind: np.where(change < least, 0.0, change) for kind, change in found.items()}

    def _scored(self, table: Table) -> NDArray[np.float64]:
        return np.clip(_scored(self.score, table), *self.bounds)

    def _noise(self, own: NDArray[np.intp], rng: np.random.Generator) -> dict[str, Column]:
        """Rows as LIME makes them: normal noise on numbers; categories and flags from random rows."""
        origin = rng.integers(len(self.table), size=len(own))
        found: dict[str, Column] = {}
        for column, (name, values) in enumerate(self.table.columns.items()):
            if values.dtype == np.object_ or self.landscape.distinct(column) <= _FLAG:
                found[name] = values[own[:, column]]
                continue
            numbers = cast("NDArray[np.float64]", values)
            noisy = numbers[origin] + np.nanstd(numbers) * rng.normal(size=len(own))
            found[name] = np.round(noisy) if name in self.whole else noisy
        return found


def _shuffled(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Places of rows, each as often as another; intp, (m,)."""
    return rng.permutation(np.resize(rng.permutation(n), _SWAPS)).astype(np.intp)


def _told(findings: dict[str, _Finding], kind: str, names: list[str], swaps: int, rows: int) -> Manipulation:
    finding = findings[kind]
    if not finding.profiles.totals.any():
        return Manipulation(suspected=None, reason="no swap moved the output", swaps=swaps, model_rows=rows)
    clear = all(
        other.clear or (other.enough and other.distance < LIMITS[name][0] / 2) for name, other in findings.items()
    )
    reason = "" if finding.suspected or clear else "too few swaps moved the output to compare real and made-up rows"
    p, q = finding.profiles.shares
    hidden, decoys = finding.profiles.ratios(2.0) > 1.0
    order = np.argsort(-np.abs(p - q), kind="stable")
    return Manipulation(
        suspected=True if finding.suspected else (False if clear else None),
        reason=reason,
        signs=finding.signs,
        distance=finding.distance,
        distance_lower=max(finding.lower, -1.0),
        made_up=kind,
        real={name: float(share) for name, share in zip(names, p, strict=True)},
        off={name: float(share) for name, share in zip(names, q, strict=True)},
        hidden=tuple(names[j] for j in order if hidden[j] and finding.suspected),
        decoys=tuple(names[j] for j in order if decoys[j] and finding.suspected),
        swaps=swaps,
        model_rows=rows,
    )


def _bounds(outputs: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(outputs, (0.01, 0.99))
    if low == high:
        return -np.inf, np.inf
    return float(2 * low - high), float(2 * high - low)


def _scored(score: Score, table: Table) -> NDArray[np.float64]:
    return np.asarray(score(table), dtype=np.float64).reshape(len(table))
