"""What became of past cases: closed cases of both outcomes, outcomes per band of predictions, and cases like a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
        findings_in: Language to the findings in it, for languages beside the one that they are noted in.
    """

    rows: Table
    confirmed: NDArray[np.bool_]
    closed: NDArray[np.int64]
    references: tuple[str, ...]
    findings: tuple[str, ...]
    digest: str
    findings_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
        parts: Cases and confirmed cases of each part of the period, for example of each week; empty if only the sums
            are known.
    """

    band: str
    cases: int
    confirmed: int
    parts: tuple[tuple[int, int], ...] = ()

    @property
    def share(self) -> float | None:
        """Share of the cases that were confirmed; None without a case."""
        return self.confirmed / self.cases if self.cases else None

    @property
    def independent(self) -> float:
        """As many independent cases as these are worth, see `independent_cases`; all of them if no parts are known."""
        return independent_cases(self.parts) if self.parts else float(self.cases)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share, for as many cases as are independent; None without a case."""
        return None if self.share is None else wilson_interval(self.share, self.independent)


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


def independent_cases(parts: Sequence[tuple[int, int]]) -> float:
    """As many independent cases as the cases of k parts of a period are worth.

    Cases of one week are alike: a theft makes several, and thieves come in waves. With n_s cases and h_s confirmed ones
    in part s, N = sum n_s and q = sum h_s / N, the variance of q between parts is

        V = k / (k - 1) * sum_s (h_s - q n_s)^2 / N^2

    and q (1 - q) / N if all cases were independent. N is divided by V over that where V is larger (Kish, Survey
    Sampling, 1965, chapter 5).

    Args:
        parts: Cases and confirmed cases of each part; at least 2 parts.
    """
    k, total, hits = len(parts), sum(n for n, _ in parts), sum(h for _, h in parts)
    if not total:
        return 0.0
    share = hits / total
    between = k / (k - 1) * sum((h - share * n) ** 2 for n, h in parts) / total**2
    alone = share * (1 - share) / total
    return total / max(between / alone, 1.0) if alone > 0 else float(total)


def wilson_interval(share: float, cases: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of independent cases (Wilson, JASA 22, 1927, page 210).

    With q the share, n the cases and z the 97.5 % point of the normal distribution, the ends are

        (q + z^2 / 2n -+ z sqrt(q (1 - q) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    >>> low, high = wilson_interval(0.0, 100)
    >>> low, round(high, 4)
    (0.0, 0.037)

    Args:
        share: Share of the cases that count.
        cases: Cases in all, above 0.
    """
    z2 = _NORMAL_95**2
    middle = (share + z2 / (2 * cases)) / (1 + z2 / cases)
    reach = _NORMAL_95 / (1 + z2 / cases) * sqrt(share * (1 - share) / cases + z2 / (4 * cases**2))
    low = 0.0 if share == 0.0 else max(middle - reach, 0.0)
    return low, 1.0 if share == 1.0 else min(middle + reach, 1.0)
