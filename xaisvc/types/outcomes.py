"""What became of past cases: closed cases of both outcomes, outcomes per band of predictions, and cases like a row."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.types.table import Table

_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedCases:
    """c cases that people looked into and closed, of both outcomes.

    Attributes:
        rows: Their features as they were when the model saw them; c rows.
        confirmed: Whether the suspicion was confirmed; otherwise the case was cleared; bool, (c,).
        closed: Day on which each was closed, in days since 1970-01-01; int64, (c,).
        references: Name of each case in the bank's own files, empty if it has none; never a person's name.
        findings: What was found, in a few words, empty if nothing was noted.
        digest: SHA-256 of the file that they come from.
    """

    rows: Table
    confirmed: NDArray[np.bool_]
    closed: NDArray[np.int64]
    references: tuple[str, ...]
    findings: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        """Number of cases c."""
        return len(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class BandOutcome:
    """What became of the cases of one band of predictions.

    Attributes:
        band: Id of the band.
        cases: Cases that fell into it.
        confirmed: How many of them were confirmed later.
    """

    band: str
    cases: int
    confirmed: int

    @property
    def share(self) -> float | None:
        """Share of the cases that were confirmed; None without a case."""
        return self.confirmed / self.cases if self.cases else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the share, as `wilson_interval` has it; None without a case."""
        return wilson_interval(self.confirmed, self.cases) if self.cases else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeBands:
    """What became of the cases of each band of one output, counted over a period after the model was trained.

    Attributes:
        output: Id of the output.
        first: First day of the period.
        last: Last day of the period.
        bands: One for each band of the output, in its order.
    """

    output: str
    first: date
    last: date
    bands: tuple[BandOutcome, ...]

    def band(self, band_id: str | None) -> BandOutcome | None:
        """What became of the cases of a band, or None if there is no such band."""
        return next((found for found in self.bands if found.band == band_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """For n rows the k nearest closed cases of one outcome.

    Attributes:
        places: Positions among the closed cases, nearest first; intp, (n, k), where k is smaller than asked for if
            there are fewer cases.
        distances: Their distances, from 0 (the same in every feature) to 1; float64, (n, k).
        parts: What each feature adds before it is weighted, from 0 (the same) to 1; float64, (n, k, p).
    """

    places: NDArray[np.intp]
    distances: NDArray[np.float64]
    parts: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarCases:
    """For n rows the closed cases of either outcome that are nearest to them.

    Attributes:
        confirmed: The nearest that were confirmed.
        cleared: The nearest that were cleared.
        weights: Weight of each feature in the distance; a row sums to 1; float64, (n, p).
        remote: Whether the nearest case of either outcome, all features counting the same, is further away than 95 % of
            the closed cases are from the one nearest to them: nothing like this row is on file; bool, (n,).
    """

    confirmed: Neighbours
    cleared: Neighbours
    weights: NDArray[np.float64]
    remote: NDArray[np.bool_]


def wilson_interval(hits: int, cases: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of independent cases (Wilson, JASA 22, 1927, page 210).

    With q = hits / cases, n = cases and z the 97.5 % point of the normal distribution, the ends are

        (q + z^2 / 2n -+ z sqrt(q (1 - q) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    >>> low, high = wilson_interval(0, 100)
    >>> low, round(high, 4)
    (0.0, 0.037)

    Args:
        hits: Cases that count, from 0 to `cases`.
        cases: Cases in all, at least 1.
    """
    share, z2 = hits / cases, _NORMAL_95**2
    middle = (share + z2 / (2 * cases)) / (1 + z2 / cases)
    reach = _NORMAL_95 / (1 + z2 / cases) * sqrt(share * (1 - share) / cases + z2 / (4 * cases**2))
    return 0.0 if hits == 0 else middle - reach, 1.0 if hits == cases else middle + reach
