"""The conditional second opinion of explained rows: the gap between both value functions, and what follows from it.

A plan made at registration gives the gap from the row's own columns, so an explanation costs microseconds more and no
model row, whatever its method.

A sign is said to change where the value v and the conditional one w lie on either side of 0 and

    |v| > s T,  |w| > max(s T, k sigma)

with s = `Thresholds.sign_share`, k = `Thresholds.sign_errors` and sigma the stated error of the gap. s is half the
share from which on a sign matters, 0.05: a value found there comes as likely from a true one of 0 as from one of
0.05 T, however large its normal error is (the ratio of likelihoods is 1; Neyman & Pearson 1933). A larger k misses more
changes than a larger s for the same false alarms.

The sum of a set is uncertain by how much its players' values err together: the standard error of the sum over the
background, as `PlayerSpread.background_covariance` has it, not the sum of their standard errors.

Measured on 60 games of seven or eight columns with 500 background rows that no scale or threshold was chosen on, sets
found by the screen (`benchmarks/caveats/gap_scores.py` says what counts): gap recall 0.984 at 0.4 % false alarms, sign
0.973 at 0.13 %, unused players 1.0 at 0.15 %; 97.5 % of intervals hold both true values at a mean half-width of
0.043 T. What limits it is a network whose features outside a set bend what happens inside: there, gap 0.979 at 1.0 %,
sign 0.949 at 0.25 %, and 94.9 % of intervals at 0.058 T.

Sets of 8 to 60 players (`benchmarks/caveats/large_set_cases.py`): see docs/adr/0020-the-second-opinion.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from xaisvc.types.second_opinion import Gaps, SecondOpinion, Thresholds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.second_opinion import ComparedColumn, LinkedPlan, OpinionPlan
    from xaisvc.types.table import Table

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

_Scalar = TypeVar("_Scalar", bound=np.generic)

SEEN_SCALE: Final = 1.3
"""What the deviation from leaving out groups is multiplied with; all four scales by maximum likelihood on development
games."""

FLOOR_SCALE: Final = 0.8
"""What the posterior deviation is multiplied with."""

INTERPLAY_SCALE: Final = 0.35
"""What the root mean square of `LinkedPlan.interplay` is multiplied with."""

TOTAL_SCALE: Final = 0.8
"""What `LinkedPlan.outside` is multiplied with for the sum of a set: chosen so that intervals of the sum hold both
values in 97 of 100 rows of trees and networks, on development games."""

OUTSIDE_SCALE: Final = 0.2
"""What `LinkedPlan.outside` is multiplied with for each used player outside the set."""

MEDIUM_SHARE: Final = 0.10
"""Share of T that has to move between players for severity 2."""

_LANES, _SUMS = 8, 3  # what `summed` takes at once


class _Codes(dict[object, float]):
    """Levels of a category to their codes; 0 for a missing one, -1 for one that the plan does not know."""

    def __missing__(self, level: object) -> float:
        return 0.0 if level is None else -1.0


class _Knots(dict[object, float]):
    """Levels on a scale to the knots that the kernel finds their scores at, as if they were numbers; else NaN."""

    def __missing__(self, level: object) -> float:
        return float("nan")


def _places(column: ComparedColumn) -> _Codes | _Knots:
    if len(column.scores):
        return _Knots({level: float(knot) for knot, level in enumerate(column.levels)})
    return _Codes({level: code for code, level in enumerate(column.levels, start=1)})


def _knots(column: ComparedColumn) -> Floats:
    return column.knots if column.is_number else np.arange(len(column.scores), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Set:
    """One studied set, with everything that its kernel reads side by side; see `set_gaps`."""

    features: tuple[str, ...]
    places: tuple[_Codes | _Knots | None, ...]
    columns: tuple[NDArray[np.bool_], NDArray[np.int64], Floats, Floats, Singles, NDArray[np.int64], NDArray[np.bool_]]
    centres: tuple[Singles, Singles]
    cuts: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Singles, bool]
    sums: tuple[Singles, Singles]
    entries: tuple[NDArray[np.int64], NDArray[np.int64], Floats, int]
    scales: tuple[NDArray[np.int64], Floats, float, int]

    @classmethod
    def of(cls, one: LinkedPlan, place: int) -> _Set:
        floor = np.hypot(FLOOR_SCALE * one.floor, INTERPLAY_SCALE * one.interplay)
        units, parents, added = _tree(one.cuts)
        widths = one.cuts.astype(np.int64) @ np.bincount(one.owner, minlength=one.cuts.shape[1])
        a, m, n_each, u = one.slopes.shape
        slopes = np.zeros((a, _whole(m * n_each, _SUMS), _whole(u, _LANES)), dtype=np.float32)
        slopes[:, : m * n_each, :u] = one.slopes.reshape(a, m * n_each, u)
        into, cut, function = np.nonzero(one.weights)
        order = np.lexsort((into, function, cut))
        counts = np.bincount(cut * m + function, minlength=a * m)
        return cls(
            features=tuple(column.feature for column in one.columns),
            places=tuple(None if column.is_number else _places(column) for column in one.columns),
            columns=(
                np.array([column.is_number or len(column.scores) > 0 for column in one.columns], dtype=np.bool_),
                np.cumsum([0, *(len(column.scores) for column in one.columns)], dtype=np.int64),
                np.concatenate([_knots(column) for column in one.columns], dtype=np.float64),
                np.concatenate([column.scores for column in one.columns], dtype=np.float64),
                np.array([column.by_level for column in one.columns], dtype=np.float32),
                units[one.owner],
                np.asarray((one.codes == 1).all(axis=1)),
            ),
            centres=(_filled(one.scores), _filled(one.codes)),
            cuts=(parents, added, widths, one.kernels.astype(np.float32), one.by_product),
            sums=(slopes, one.intercepts.reshape(a, m * n_each).astype(np.float32)),
            entries=(
                np.cumsum([0, *counts.tolist()], dtype=np.int64),
                into[order].astype(np.int64),
                one.weights[into, cut, function][order],
                n_each,
            ),
            scales=(
                np.array(one.players, dtype=np.int64),
                np.append(floor, TOTAL_SCALE * one.outside),
                SEEN_SCALE,
                place,
            ),
        )

    def raw(self, rows: Table) -> Floats:
        """Numbers, and codes of categories; float64, (columns, n)."""
        found = np.empty((len(self.features), len(rows)))
        for j, (feature, places) in enumerate(zip(self.features, self.places, strict=True)):
            values = rows.columns[feature]
            if places is None:
                found[j] = values
            else:
                found[j] = np.fromiter(map(places.__getitem__, values), np.float64, len(values))
        return found


@dataclass(frozen=True, slots=True)
class GapReader:
    """Reads gaps by a plan. What does not depend on the rows is worked out once, by `GapReader.of`."""

    sets: tuple[_Set, ...]
    players: tuple[tuple[int, ...], ...]
    linked: NDArray[np.bool_]
    errors: Floats

    @classmethod
    def of(cls, plan: OpinionPlan) -> GapReader:
        """Prepares a plan.

        Args:
            plan: Of the bundle, its output and the players.
        """
        linked, spill = np.zeros(plan.n_players, dtype=np.bool_), np.zeros(plan.n_players)
        for one in plan.sets:
            linked[list(one.players)] = True
            others = np.ones(plan.n_players, dtype=np.bool_)
            others[list(one.players)] = False
            spill[others] += one.outside**2
        errors = np.where(linked, 0.0, OUTSIDE_SCALE * np.sqrt(spill))
        for unstudied in plan.unstudied:
            linked[list(unstudied)] = True
            errors[list(unstudied)] = np.inf
        return cls(
            sets=tuple(_Set.of(one, k) for k, one in enumerate(plan.sets)),
            players=tuple(one.players for one in plan.sets),
            linked=linked,
            errors=errors,
        )

    def gaps(self, rows: Table) -> Gaps:
        """Conditional minus interventional Shapley values; see `conditional_gaps`."""
        n, p, k = len(rows), len(self.linked), len(self.sets)
        values, errors = np.zeros((n, p)), np.empty((n, p))
        errors[:] = self.errors
        totals, total_errors = np.zeros((n, k)), np.zeros((n, k))
        if self.sets:
            from xaisvc.caveats.conditional_kernel import set_gaps  # noqa: PLC0415 (heavy: loaded when used)

            for one in self.sets:
                found = (values, errors, totals, total_errors)
                raw = one.raw(rows)
                set_gaps(raw, one.columns, one.centres, one.cuts, one.sums, one.entries, one.scales, found)
        return Gaps(
            values=values,
            errors=errors,
            sets=self.players,
            totals=totals,
            total_errors=total_errors,
            linked=self.linked,
        )


def _tree(cuts: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """How cuts are put together: units of the players, and of each cut the one that it extends and the unit it adds."""
    if len(cuts) == 1:
        nothing = np.zeros(1, dtype=np.int64)
        return np.zeros(cuts.shape[1], dtype=np.int64), nothing - 1, nothing
    place = {cut.tobytes(): k for k, cut in enumerate(cuts)}
    last = cuts.shape[1] - 1 - cuts[:, ::-1].argmax(axis=1)
    before = cuts.copy()
    before[np.arange(len(cuts)), last] = False
    parents = [place[cut.tobytes()] if cut.any() else -1 for cut in before]
    return np.arange(cuts.shape[1]), np.array(parents, dtype=np.int64), last.astype(np.int64)


def _whole(count: int, of: int) -> int:
    return -(-count // of) * of


def _filled(values: NDArray[_Scalar]) -> Singles:
    found = np.zeros((len(values), _whole(values.shape[1], _LANES)), dtype=np.float32)
    found[:, : values.shape[1]] = values
    return found


def _writable(values: NDArray[_Scalar]) -> NDArray[_Scalar]:
    """The same numbers in the form that kernels are compiled for, copied only if need be."""
    flags = values.flags
    return values if flags.c_contiguous and flags.writeable else np.array(values, order="C")


def conditional_gaps(plan: OpinionPlan, rows: Table) -> Gaps:
    """Conditional minus interventional Shapley values.

    Args:
        plan: Of the bundle, its output and the players.
        rows: n rows of raw features.

    Returns:
        Gaps of n rows and p players, and of the sum of each set's players. A row's numbers do not depend on the rows
        beside it.
    """
    return GapReader.of(plan).gaps(rows)


def second_opinion(  # noqa: PLR0913 - what is known of the values, of the players, and what counts
    values: Floats,
    standard_errors: Floats,
    gaps: Gaps,
    unused: NDArray[np.bool_],
    *,
    relied: NDArray[np.bool_] | None = None,
    together: Floats | None = None,
    thresholds: Thresholds | None = None,
) -> SecondOpinion:
    """What both value functions together allow to be said.

    Args:
        values: Interventional Shapley values; float64, (n, p), in output units.
        standard_errors: Of these, all sources that the reader is to be told of; float64, (n, p).
        gaps: Conditional minus interventional values.
        unused: Players that the model is proven, or was never seen, to use; bool, (p,).
        relied: Players that the model relies on materially; bool, (p,), None if nobody looked.
        together: Standard error of the sum of each set's interventional values, as a share of the sum of their standard
            errors; float64, (sets,), in [0, 1]. None for 1, as if all erred alike.
        thresholds: When to speak; None for the measured defaults.

    Returns:
        The opinion; a player of whom nothing can be told has an infinite interval and never speaks.
    """
    limits = thresholds or Thresholds()
    n, p = values.shape
    quiet = np.zeros((n, p), dtype=np.bool_)
    if not (gaps.linked.any() or unused.any()):
        reach = limits.interval_errors * np.hypot(gaps.errors, standard_errors)
        return SecondOpinion(
            conditional=values,
            low=values - reach,
            high=values + reach,
            gap=quiet,
            sign=quiet,
            unused=quiet,
            hidden=quiet,
            top_changes=np.zeros(n, dtype=np.bool_),
            moved=np.zeros(n),
            severity=np.zeros(n, dtype=np.int8),
            told=np.ones(p, dtype=np.bool_),
            sets=(),
            set_values=gaps.totals,
            set_low=gaps.totals,
            set_high=gaps.totals,
        )
    from xaisvc.caveats.conditional_kernel import judge  # noqa: PLC0415 (heavy: loaded when used)

    told = np.asarray(np.isfinite(gaps.errors).all(axis=0))
    found = SecondOpinion(
        conditional=np.empty((n, p)),
        low=np.empty((n, p)),
        high=np.empty((n, p)),
        gap=quiet,
        sign=np.empty_like(quiet),
        unused=np.empty_like(quiet),
        hidden=np.empty_like(quiet),
        top_changes=np.empty(n, dtype=np.bool_),
        moved=np.empty(n),
        severity=np.empty(n, dtype=np.int8),
        told=told,
        sets=gaps.sets,
        set_values=np.empty(gaps.totals.shape),
        set_low=np.empty(gaps.totals.shape),
        set_high=np.empty(gaps.totals.shape),
    )
    judge(
        tuple(map(_writable, (values, standard_errors, gaps.values, gaps.errors))),
        (told, gaps.linked, _writable(unused), np.zeros(p, dtype=np.bool_) if relied is None else _writable(relied)),
        (
            *_laid_out(gaps.sets),
            gaps.totals,
            gaps.total_errors,
            np.ones(len(gaps.sets)) if together is None else _writable(together),
        ),
        (
            limits.gap_share,
            limits.gap_errors,
            limits.sign_share,
            limits.sign_errors,
            limits.unused_share,
            limits.unused_errors,
            limits.hidden_share,
            limits.interval_errors,
            MEDIUM_SHARE,
        ),
        (found.conditional, found.low, found.high, found.moved, found.set_values, found.set_low, found.set_high),
        (found.gap, found.sign, found.unused, found.hidden, found.top_changes, found.severity),
    )
    return found


@lru_cache(maxsize=64)
def _laid_out(sets: tuple[tuple[int, ...], ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the sets' players, one set after the other, and where each ends."""
    members = np.array([place for one in sets for place in one], dtype=np.int64)
    return members, np.cumsum([len(one) for one in sets], dtype=np.int64)
