"""The screen: for every two features, the probability of what is seen if they were independent, and how strong it is.

A column becomes functions of its ranks or levels (ranks.py); all pairs come from products of matrices of these. The
tests of a pair share its error by fixed weights, p = min_t p_t / w_t, most of it going to the correlation of normal
scores, which needs it: other shapes show far larger statistics where they show at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xaisvc.structure.association_levels import level_tests
from xaisvc.structure.association_nulls import chi_squared_tail, explained_tail, trace_tail
from xaisvc.structure.association_sums import Columns, correlate, linear_tail
from xaisvc.structure.ranks import N_SHAPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.structure.ranks import Variable

    Numbers = NDArray[np.float64]
    Places = NDArray[np.intp]

FEWEST_ROWS = 50
"""Rows with both values below which nothing is said about a pair."""

VALUES_WEIGHT = 0.8
"""Share of a pair's error for the values where missingness is tested too."""

LINEAR_WEIGHT = 0.9
"""Share of a pair's error for the correlation of normal scores; the other tests share the rest."""

LOW_WEIGHT = 0.03
CURVE_WEIGHT = 0.025
GRID_WEIGHT = 0.02

_AT_ONCE = 48
_LOW = 2
_FEWEST_SET = 20
_RARE = 0.15  # share of a flag below which its sums over curved functions have too heavy a tail for Fisher's F
_EXACT = 1.0 - 1e-9  # squared correlations above this are 1 but for rounding


class Screened(NamedTuple):
    """What the screen found for every pair of features, symmetric, (f, f).

    Attributes:
        p_value: Probability for the pair alone, all its tests together; NaN if nothing can be told; float64.
        effect: Strength in [0, 1]; 0 if nothing can be told; float64.
        n: Rows with both values; float64.
        by_missingness: Whether only missing values tie the pair, not the values themselves; bool.
    """

    p_value: Numbers
    effect: Numbers
    n: Numbers
    by_missingness: NDArray[np.bool_]


@dataclass(slots=True)
class Evidence:
    """Tests of every pair of v variables, gathered one after the other.

    Attributes:
        smallest: min_t p_t / w_t so far; float64, (v, v).
        weight: Sum of the weights of the tests that applied to a pair in either order; float64, (v, v).
        directed: Sum of the weights of the tests that applied to a pair in this order; float64, (v, v).
        squared: Largest share of variance explained, corrected for chance; float64, (v, v).
    """

    smallest: Numbers
    weight: Numbers
    directed: Numbers
    squared: Numbers

    @classmethod
    def none(cls, v: int) -> Evidence:
        """Nothing tested yet."""
        return cls(np.full((v, v), np.inf), np.zeros((v, v)), np.zeros((v, v)), np.zeros((v, v)))

    def test(self, rows: Places, columns: Places, p: Numbers, weight: float, *, directed: bool) -> None:
        """Adds a test of some variables with others.

        Args:
            rows: Some variables; intp, (a,).
            columns: Others; intp, (b,).
            p: Tails, NaN where the test does not apply; float64, (a, b).
            weight: The test's share of the pair's error.
            directed: Whether the pair in the other order is another test; if not, it is tested in both orders.
        """
        applies = ~np.isnan(p)
        at = np.ix_(rows, columns)
        found = np.where(applies, np.nan_to_num(p, nan=1.0) / weight, np.inf)
        self.smallest[at] = np.minimum(self.smallest[at], found)
        (self.directed if directed else self.weight)[at] += weight * applies

    def explain(self, rows: Places, columns: Places, r_squared: Numbers, df: Numbers, n: Numbers) -> None:
        """Adds a strength: a share of variance, corrected for the df functions that explain it in n rows."""
        left = n - 1.0 - df
        corrected = 1.0 - (1.0 - r_squared) * (n - 1.0) / np.maximum(left, 1.0)
        corrected = np.where(left >= _FEWEST_SET, np.where(r_squared > _EXACT, 1.0, corrected), 0.0)
        at = np.ix_(rows, columns)
        self.squared[at] = np.maximum(self.squared[at], np.clip(corrected, 0.0, 1.0))

    def p_value(self) -> Numbers:
        """All tests of a pair together; 1 where none applied; float64, symmetric (v, v)."""
        smallest = np.minimum(self.smallest, self.smallest.T)
        weight = self.weight + self.directed + self.directed.T
        tested = weight > 0
        return np.where(tested, np.minimum(np.where(tested, smallest, 1.0) * weight, 1.0), 1.0)

    def effect(self) -> Numbers:
        """Strength of every pair; float64, symmetric (v, v)."""
        return np.asarray(np.sqrt(np.maximum(self.squared, self.squared.T)))


def screen(variables: Sequence[Variable], f: int) -> Screened:
    """Tests every pair of f features, values and missingness.

    Args:
        variables: As made by `variables_of`.
        f: Number of features.
    """
    if not variables:
        return Screened(np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0), dtype=np.bool_))
    evidence = Evidence.none(len(variables))
    present = np.stack([variable.present for variable in variables], axis=1).astype(np.float64)
    _scored(variables, present, evidence)
    level_tests(variables, present, evidence)
    p, effect, n = evidence.p_value(), evidence.effect(), present.T @ present
    p[n < FEWEST_ROWS] = np.nan
    effect[n < FEWEST_ROWS] = 0.0
    return _by_feature(variables, f, p, effect, n)


def _scored(variables: Sequence[Variable], present: Numbers, evidence: Evidence) -> None:
    """Pairs of columns with an order: numbers and flags."""
    scored = np.array([i for i, v in enumerate(variables) if v.kind in {"ordered", "flag"}], dtype=np.intp)
    ordered = np.array([i for i, v in enumerate(variables) if v.kind == "ordered"], dtype=np.intp)
    if not len(scored):
        return
    lines = Columns.of(variables, scored, [variables[i].linear for i in scored], present)
    r, n = correlate(lines, lines)
    evidence.test(scored, scored, linear_tail(lines, lines, r, n), LINEAR_WEIGHT, directed=False)
    evidence.explain(scored, scored, r.r**2, np.ones_like(n), n)
    if not len(ordered):
        return
    shapes = Columns.of(variables, ordered, [variables[i].shapes for i in ordered], present)
    k = np.array([variables[i].n_shapes for i in ordered], dtype=np.float64)
    r, n = correlate(lines, shapes)
    explained = (r.r**2).reshape(len(scored), len(ordered), N_SHAPES).sum(axis=2)
    df = np.broadcast_to(k, explained.shape)
    enough = np.minimum(r.row_sums, n - r.row_sums)
    few = (enough < _FEWEST_SET) | (enough < _RARE * n)
    rare = np.array([variables[i].kind == "flag" for i in scored])[:, None] & few
    applies = (df > 1) & ~rare & (scored[:, None] != ordered[None, :])
    evidence.test(
        scored, ordered, np.where(applies, explained_tail(explained, df, n), np.nan), CURVE_WEIGHT, directed=True
    )
    evidence.explain(scored, ordered, np.where(applies, explained, 0.0), df, n)
    for start in range(0, len(ordered), _AT_ONCE):
        block = slice(start, start + _AT_ONCE)
        rows = ordered[block]
        r, n = correlate(shapes.take(block, N_SHAPES), shapes)
        squares = (r.r**2).reshape(len(rows), N_SHAPES, len(ordered), N_SHAPES)
        low = squares[:, :_LOW, :, :_LOW]
        one, other = k[block][:, None], k[None, :]
        both = (one >= _LOW) & (other >= _LOW) & (rows[:, None] != ordered[None, :])
        rest = low.sum(axis=(1, 3)) - low[:, 0, :, 0]
        p = np.where(both, chi_squared_tail((n - 1.0) * rest, np.full_like(n, _LOW**2 - 1.0)), np.nan)
        evidence.test(rows, ordered, p, LOW_WEIGHT, directed=False)
        strongest = low.max(axis=(1, 3))
        evidence.explain(rows, ordered, np.where(both, strongest, 0.0), np.full_like(n, float(_LOW**2)), n)
        total = squares.sum(axis=(1, 3))
        both = (one * other > 1) & (rows[:, None] != ordered[None, :])
        evidence.test(
            rows, ordered, np.where(both, trace_tail(total, one, other, n), np.nan), GRID_WEIGHT, directed=False
        )


def _by_feature(variables: Sequence[Variable], f: int, p: Numbers, effect: Numbers, n: Numbers) -> Screened:
    """Puts the values and the missingness of two features together.

    A pair's missingness has up to three tests: where one is missing against the other's values, the reverse, and where
    both are missing. Its strength counts by how often values are missing.
    """
    place = np.full(f, -1, dtype=np.intp)
    share = np.zeros(f)
    for at, variable in enumerate(variables[f:], start=f):
        place[variable.feature] = at
        share[variable.feature] = _spread(variable)
    values, strongest = p[:f, :f], effect[:f, :f].copy()
    smallest, by_missingness = values.copy(), np.zeros((f, f), dtype=np.bool_)
    has = place >= 0
    if has.any():
        all_of, apart = np.arange(f), ~np.eye(f, dtype=np.bool_)
        crossed, both = np.ix_(place, all_of), np.ix_(place, place)
        parts = (
            (p[crossed], effect[crossed] * share[:, None], has[:, None] & apart),
            (p[crossed].T, effect[crossed].T * share[None, :], has[None, :] & apart),
            (p[both], effect[both] * np.sqrt(np.outer(share, share)), has[:, None] & has[None, :] & apart),
        )
        tests, least, strength = np.zeros((f, f)), np.ones((f, f)), np.zeros((f, f))
        for part, strong, applies in parts:
            known = applies & ~np.isnan(part)
            tests += known
            least = np.where(known, np.fmin(least, part), least)
            strength = np.where(known, np.maximum(strength, strong), strength)
        tested = tests > 0
        of_missing = np.where(tested, least * tests / (1.0 - VALUES_WEIGHT), np.inf)
        of_values = np.where(tested, values / VALUES_WEIGHT, values)
        smallest = np.where(tested, np.minimum(np.fmin(of_values, of_missing), 1.0), values)
        by_missingness = tested & ~(of_values <= of_missing)
        strongest = np.maximum(strongest, strength)
    np.fill_diagonal(smallest, 0.0)
    np.fill_diagonal(strongest, 1.0)
    np.fill_diagonal(by_missingness, val=False)
    return Screened(p_value=smallest, effect=strongest, n=n[:f, :f], by_missingness=by_missingness)


def _spread(flag: Variable) -> float:
    """How much a missingness matters: 1 if half of the values are missing, near 0 if nearly none or nearly all are."""
    share = float(flag.codes.mean())
    return 2.0 * float(np.sqrt(share * (1.0 - share)))
