"""Which other values each feature may take: the list that a bundle declares, feature by feature."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.errors import BundleError
from xaisvc.types.schema import Direction, Kind

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from xaisvc.types.schema import BundleDescription, Change, Feature
    from xaisvc.types.table import Table

MAX_VALUES = 100_000
_EXACT = 2**53
_QUARTILES_APART = 1.349
"""Distance of a normal distribution's quartiles, in standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The values of one feature that may be offered, whatever the row.

    Attributes:
        feature: Id of the feature.
        place: Its place in the schema.
        values: Numbers that may be offered, ascending; float64, (g,); empty for a category.
        cells: Which of them the graph proves to have the same answer: equal numbers, never descending; intp, (g,).
        targets: Categories that may be offered; empty for other kinds.
        up: Whether larger values than the row's own may be offered.
        down: Whether smaller ones may.
        spread: What a change is measured in: the distance of the background's quartiles over 1.349, which is the
            standard deviation of normal values.
        centre: The background's median.
    """

    feature: str
    place: int
    values: NDArray[np.float64]
    cells: NDArray[np.intp]
    targets: tuple[str, ...]
    up: bool
    down: bool
    spread: float
    centre: float

    @property
    def sides(self) -> int:
        """Ladders that a row can have at most."""
        return 1 if self.targets else int(self.up) + int(self.down)


def make_axes(
    description: BundleDescription, background: Table, features: Collection[str] | None = None
) -> tuple[Axis, ...]:
    """The values that may be offered.

    Args:
        description: The bundle.
        background: Its b rows: bounds that the bundle leaves open, and what changes are measured in.
        features: Ids of the features that may be offered; all that the bundle declares changes for if left out.

    Returns:
        One axis for each feature with a declared change, in the order of the schema.

    Raises:
        BundleError: If a declaration has no finite list of values; what `load_bundle` takes has one, but for bounds
            that only the background gives.
    """
    return tuple(
        _axis(feature, feature.change, place, background)
        for place, feature in enumerate(description.features)
        if feature.change is not None and (features is None or feature.id in features)
    )


def _axis(feature: Feature, change: Change, place: int, background: Table) -> Axis:
    if feature.kind is Kind.CATEGORY:
        nothing = np.empty(0)
        return Axis(
            feature=feature.id,
            place=place,
            values=nothing,
            cells=nothing.astype(np.intp),
            targets=change.to,
            up=False,
            down=False,
            spread=1.0,
            centre=0.0,
        )
    seen = cast("NDArray[np.float64]", background.columns[feature.id])
    seen = seen[~np.isnan(seen)]
    values = _values(feature, change, seen)
    return Axis(
        feature=feature.id,
        place=place,
        values=values,
        cells=np.arange(len(values)),
        targets=(),
        up=change.direction is not Direction.DECREASE,
        down=change.direction is not Direction.INCREASE,
        spread=1.0 if feature.kind is Kind.BOOLEAN else _spread(seen, values),
        centre=float(np.median(seen)) if len(seen) else 0.0,
    )


def _values(feature: Feature, change: Change, seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole multiples of the step within the bounds, each the float64 that its decimal digits are read as."""
    if feature.kind is Kind.BOOLEAN:
        return np.array([0.0, 1.0])
    step = change.step
    if step is None:
        if feature.kind is Kind.NUMERIC:
            raise _unfit(feature, "needs 'step', the smallest difference that is worth offering")
        step = 1.0
    low = change.minimum if change.minimum is not None else float(seen.min(initial=np.inf))
    high = change.maximum if change.maximum is not None else float(seen.max(initial=-np.inf))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise _unfit(feature, "needs minimum and maximum, because the background holds no value of it")
    by = Fraction(repr(float(step)))
    first, last = ceil(Fraction(repr(float(low))) / by), floor(Fraction(repr(float(high))) / by)
    if last - first >= MAX_VALUES:
        raise _unfit(
            feature,
            f"allows {last - first + 1:,} values between the bounds, those of the background where none are declared; "
            f"at most {MAX_VALUES:,} can be offered: give a larger 'step' or bounds",
        )
    if max(abs(first), abs(last)) * by.numerator < _EXACT and by.denominator < _EXACT:
        return np.arange(first, last + 1) * by.numerator / by.denominator
    return np.array([float(k * by) for k in range(first, last + 1)], dtype=np.float64)


def _unfit(feature: Feature, what: str) -> BundleError:
    return BundleError(f"{what} in 'change'", file="bundle.yaml", field=f"feature '{feature.id}'")


def _spread(seen: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """What a change is measured in; the standard deviation where half of the values are equal, and so on."""
    if len(seen):
        low, high = np.quantile(seen, [0.25, 0.75])
        for found in (float(high - low) / _QUARTILES_APART, float(seen.std())):
            if found > 0.0:
                return found
    return float(np.ptp(values)) or 1.0 if len(values) else 1.0
