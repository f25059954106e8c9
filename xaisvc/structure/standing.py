"""Where values lie among those of the background: how many rows have less, and how many the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types.supplements import FactStanding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xaisvc.types.table import Table


class Standings:
    """The values of a background, ready to be compared with. Safe to use from several threads.

    Args:
        background: b rows; missing values are not counted.
    """

    def __init__(self, background: Table) -> None:
        self._sorted: dict[str, NDArray[np.float64]] = {}
        self._counts: dict[str, Mapping[str, int]] = {}
        for name, values in background.columns.items():
            if values.dtype == np.object_:
                levels, counts = np.unique([str(value) for value in values if value is not None], return_counts=True)
                self._counts[name] = dict(zip(levels.tolist(), counts.tolist(), strict=True))
            else:
                numbers = values.astype(np.float64)
                self._sorted[name] = np.sort(numbers[~np.isnan(numbers)])

    def of(self, row: Mapping[str, float | str | None]) -> dict[str, FactStanding]:
        """Where the values of one row lie.

        Args:
            row: Feature id to value: float, text, or None for missing; features that the background lacks are left out.
        """
        found = {}
        for name, value in row.items():
            if name in self._counts:
                counts = self._counts[name]
                equal = 0 if value is None else counts.get(str(value), 0)
                found[name] = FactStanding(rows=sum(counts.values()), below=0, equal=equal, missing=value is None)
            elif name in self._sorted:
                found[name] = _standing(self._sorted[name], value)
        return found


def far_outside(rows: Table, row: Mapping[str, float | str | None]) -> tuple[str, ...]:
    """Ids of the features whose value lies far from all rows: beyond their range by more than its width, or never met.

    Args:
        rows: Rows to compare with; missing values are left out, and features without any value.
        row: Feature id to value; what is missing is not outside.
    """
    found = []
    for name, values in rows.columns.items():
        value = row.get(name)
        if value is None:
            continue
        if values.dtype == np.object_:
            if value not in {known for known in values if known is not None}:
                found.append(name)
            continue
        numbers = values.astype(np.float64)
        low, high = np.nanmin(numbers, initial=np.inf), np.nanmax(numbers, initial=-np.inf)
        if low <= high and not low - (high - low) <= float(value) <= high + (high - low):
            found.append(name)
    return tuple(found)


def _standing(known: NDArray[np.float64], value: float | str | None) -> FactStanding:
    """Where a number lies among sorted ones."""
    if value is None:
        return FactStanding(rows=len(known), below=0, equal=0, missing=True)
    below, up_to = (int(np.searchsorted(known, float(value), side=side)) for side in ("left", "right"))
    return FactStanding(rows=len(known), below=below, equal=up_to - below)
