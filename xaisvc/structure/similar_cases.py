"""The closed cases of either outcome that are most like a row.

The distance is Gower's (A general coefficient of similarity and some of its properties, Biometrics 27, 1971, 857-871)
with ranks for numbers, so that no unit and no long tail decides:

    d(x, y) = sum_j w_j d_j(x, y),  sum_j w_j = 1

    d_j = |F_j(x_j) - F_j(y_j)|  for numbers and days, with F_j(v) the share of closed cases below v plus half of the
                                 share that has v itself
    d_j = 0 if equal, else 1     for categories and truth values
    d_j = 0 if both are missing, 1 if one is

Cases at equal distance come newest first, then in the order of their file. Everything is exhaustive search: an index
saves nothing over tens of thousands of cases and 20 features and more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.errors import InvalidInputError, InvalidRequestError
from xaisvc.types.outcomes import Neighbours, SimilarCases
from xaisvc.types.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types.outcomes import ClosedCases
    from xaisvc.types.schema import BundleDescription
    from xaisvc.types.table import Column, Table

MOST_NEIGHBOURS: Final = 50
REMOTE_SHARE: Final = 0.95
"""A row is remote if its nearest case is further away than that of this share of the closed cases."""
_MOST_SPACED: Final = 500
"""Cases whose distance to the nearest other is measured; of more, every so manieth is."""
_DISTANCES_AT_ONCE: Final = 60_000


class CaseIndex:
    """Closed cases, ready to be searched. Safe to use from several threads."""

    def __init__(
        self, description: BundleDescription, cases: ClosedCases, features: Sequence[str] | None = None
    ) -> None:
        """Ranks the cases, and measures how far apart they are.

        Args:
            description: The schema.
            cases: c closed cases of both outcomes.
            features: Ids of the p features that count, one or more: those that a reader may see, so that nothing else
                can be told from which cases are near. All of them if None.
        """
        compared = [description.feature(name) for name in features or description.feature_ids]
        self._names = tuple(feature.id for feature in compared)
        self._coders = tuple(
            _Coder(cases.rows.columns[feature.id], matched=feature.kind in {Kind.CATEGORY, Kind.BOOLEAN})
            for feature in compared
        )
        self._codes = self._coded(cases.rows)
        newest_first = np.argsort(-cases.closed, kind="stable")
        self._places = {
            outcome: newest_first[cases.confirmed[newest_first] == outcome].astype(np.intp) for outcome in (True, False)
        }
        self._remote_from = self._spacing()

    def nearest(self, rows: Table, *, k: int = 3, weights: NDArray[np.float64] | None = None) -> SimilarCases:
        """Finds the cases nearest to each row, of either outcome on its own.

        Args:
            rows: n validated rows.
            k: Cases of each outcome for each row, 1 to 50.
            weights: Weight of each feature, 0 or more, for example the sizes of its attributions; float64, (n, p). They
                are scaled to sum to 1 in each row; a row without any weight counts all features the same, as all rows
                do without this argument.

        Returns:
            What was found. A row's answer does not depend on the rows beside it.

        Raises:
            InvalidRequestError: If `k` is out of bounds.
            InvalidInputError: If `weights` does not fit the rows, or one is negative or not finite.
        """
        if not 1 <= k <= MOST_NEIGHBOURS:
            raise InvalidRequestError.of("k", f"must be 1 to {MOST_NEIGHBOURS} cases of each outcome, but is {k}")
        codes = self._coded(rows)
        equal = np.full((len(rows), len(self._coders)), 1 / len(self._coders))
        used = equal if weights is None else _scaled(weights, equal)
        found = {outcome: self._search(codes, used, among, k) for outcome, among in self._places.items()}
        plain = (
            found
            if weights is None
            else {outcome: self._search(codes, equal, among, 1) for outcome, among in self._places.items()}
        )
        nearest = np.minimum(plain[True].distances[:, 0], plain[False].distances[:, 0])
        return SimilarCases(
            confirmed=found[True], cleared=found[False], weights=used, remote=nearest > self._remote_from
        )

    def _coded(self, rows: Table) -> NDArray[np.float64]:
        """Ranks and numbers of categories, NaN for missing; float64, (p, n)."""
        return np.array([coder.code(rows.columns[name]) for name, coder in zip(self._names, self._coders, strict=True)])

    def _search(
        self,
        codes: NDArray[np.float64],
        weights: NDArray[np.float64],
        among: NDArray[np.intp],
        k: int,
    ) -> Neighbours:
        k = min(k, len(among))
        n = codes.shape[1]
        places = np.empty((n, k), dtype=np.intp)
        distances = np.empty((n, k))
        at_once = max(1, _DISTANCES_AT_ONCE // len(among))
        for first in range(0, n, at_once):
            chunk = slice(first, first + at_once)
            apart = self._distances(codes[:, chunk], weights[chunk], among)
            order = np.argsort(apart, axis=1, kind="stable")[:, :k]
            places[chunk] = among[order]
            distances[chunk] = np.take_along_axis(apart, order, axis=1)
        parts = np.empty((n, k, len(self._coders)))
        for j, coder in enumerate(self._coders):
            parts[:, :, j] = coder.apart(codes[j][:, None], self._codes[j][places])
        return Neighbours(places=places, distances=distances, parts=parts)

    def _distances(
        self, codes: NDArray[np.float64], weights: NDArray[np.float64], among: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Distances of rows to cases, feature by feature in the order of the schema; float64, (n, cases)."""
        total = np.zeros((codes.shape[1], len(among)))
        for j, coder in enumerate(self._coders):
            total += weights[:, j, None] * coder.apart(codes[j][:, None], self._codes[j][among][None, :])
        return total

    def _spacing(self) -> float:
        """The distance that 95 % of the cases do not exceed to the nearest other case, all features counting alike."""
        n_cases, p = self._codes.shape[1], len(self._coders)
        step = -(-n_cases // _MOST_SPACED)
        picked = np.arange(0, n_cases, step)
        everyone = np.arange(n_cases)
        nearest = np.empty(len(picked))
        at_once = max(1, _DISTANCES_AT_ONCE // n_cases)
        for first in range(0, len(picked), at_once):
            some = picked[first : first + at_once]
            apart = self._distances(self._codes[:, some], np.full((len(some), p), 1 / p), everyone)
            apart[np.arange(len(some)), some] = np.inf
            nearest[first : first + at_once] = apart.min(axis=1)
        return float(np.quantile(nearest, REMOTE_SHARE, method="higher"))


class _Coder:
    """Turns one feature's values into numbers whose distance is that of the values."""

    def __init__(self, values: Column, *, matched: bool) -> None:
        self._matched = matched
        self._numbers: Mapping[object, float] = {}
        self._sorted = np.empty(0)
        if values.dtype == np.object_:
            known = dict.fromkeys(value for value in values if value is not None)
            self._numbers = {value: float(i) for i, value in enumerate(known)}
        elif not matched:
            numbers = values.astype(np.float64)
            self._sorted = np.sort(numbers[~np.isnan(numbers)])

    def code(self, values: Column) -> NDArray[np.float64]:
        """The codes of values, NaN for missing; float64, (n,)."""
        if values.dtype == np.object_:
            missing, unknown = float("nan"), -1.0
            return np.array([missing if value is None else self._numbers.get(value, unknown) for value in values])
        numbers = values.astype(np.float64)
        if self._matched:
            return numbers
        below = np.searchsorted(self._sorted, numbers, side="left")
        up_to = np.searchsorted(self._sorted, numbers, side="right")
        ranks = (below + up_to) / (2 * max(len(self._sorted), 1))
        return np.where(np.isnan(numbers), np.nan, ranks)

    def apart(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distances from 0 to 1 between codes, which are broadcast against each other."""
        missing = np.isnan(left), np.isnan(right)
        apart = (left != right).astype(np.float64) if self._matched else np.abs(left - right)
        if missing[0].any() or missing[1].any():
            apart = np.where(missing[0] ^ missing[1], 1.0, np.where(missing[0] & missing[1], 0.0, apart))
        return apart


def _scaled(weights: NDArray[np.float64], equal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that sum to 1 in each row."""
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != equal.shape:
        raise InvalidInputError(f"weights of shape {given.shape} for rows and features of shape {equal.shape}")
    if not np.isfinite(given).all() or (given < 0).any():
        raise InvalidInputError("a weight is negative or not finite; give sizes, such as those of attributions")
    largest = given.max(axis=1, keepdims=True)
    relative = given / np.where(largest > 0, largest, 1.0)  # first, so that the sum of large weights stays finite
    total = relative.sum(axis=1, keepdims=True)
    return np.where(largest > 0, relative / np.where(total > 0, total, 1.0), equal)
