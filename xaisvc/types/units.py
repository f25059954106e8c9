"""What unit each feature seems to be in, and which rows or batches seem to be in another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A way to get from one unit to another: new = factor x old + offset.

    Attributes:
        name: What it is, for people, for example `thousandfold (for example seconds to milliseconds)`.
        factor: Factor.
        offset: Offset, in the new unit.
        weight: How common it is, relative to the others.
    """

    name: str
    factor: float
    offset: float = 0.0
    weight: float = 1.0


_RATIOS: tuple[tuple[float, str, float], ...] = (
    (1000.0, "a thousand (for example seconds and milliseconds, euros and thousands of euros)", 1.0),
    (100.0, "a hundred (for example euros and cents, shares and per cent)", 1.0),
    (10.0, "ten", 0.3),
    (1e6, "a million (for example euros and millions of euros)", 0.5),
    (60.0, "60 (for example hours and minutes, minutes and seconds)", 0.7),
    (3600.0, "3,600 (hours and seconds)", 0.5),
    (24.0, "24 (days and hours)", 0.5),
    (7.0, "7 (weeks and days)", 0.3),
    (12.0, "12 (for example years and months, feet and inches)", 1.0),
    (52.18, "52 (years and weeks)", 0.3),
    (30.44, "30.4 (months and days)", 0.3),
    (365.25, "365 (years and days)", 0.5),
    (2.54, "2.54 (inches and centimetres)", 0.7),
    (1.609344, "1.609 (miles and kilometres)", 0.7),
    (2.2046226, "2.205 (kilograms and pounds)", 0.7),
    (3.2808399, "3.281 (metres and feet)", 0.5),
    (4.5461, "4.546 (gallons and litres)", 0.2),
)

CONVERSIONS: tuple[Conversion, ...] = (
    *(Conversion(name=f"times {name}", factor=factor, weight=weight) for factor, name, weight in _RATIOS),
    *(Conversion(name=f"divided by {name}", factor=1 / factor, weight=weight) for factor, name, weight in _RATIOS),
    Conversion(name="degrees Celsius to Fahrenheit", factor=1.8, offset=32.0, weight=0.5),
    Conversion(name="degrees Fahrenheit to Celsius", factor=1 / 1.8, offset=-32.0 / 1.8, weight=0.5),
    Conversion(name="degrees Celsius to kelvins", factor=1.0, offset=273.15, weight=0.3),
    Conversion(name="kelvins to degrees Celsius", factor=1.0, offset=-273.15, weight=0.3),
    Conversion(name="the other sign", factor=-1.0, weight=0.3),
)
"""Changes of unit that can be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What is known of the units of p features from b background rows.

    Attributes:
        rows: Number of rows studied.
        features: Ids of the features.
        judged: Whether a change of unit can be seen: numbers with at least 10 values, none of which is most of them;
            bool, (p,).
        positive: Whether no value is negative; a change of unit then keeps zeros, which are left out; bool, (p,).
        probabilities: At which the quantiles are; float64, (g,).
        quantiles: Of the values (of the positive ones where `positive`), NaN where not judged; float64, (p, g).
        counts: Number of values behind the quantiles; float64, (p,).
        grids: Largest of 1, 0.5, 0.1, 0.05 and 0.01 of which all values are multiples; 0 for none; float64, (p,).
        floors: A single value below, or between 0 and it where `positive`, is suspicious; float64, (p,).
        ceilings: A single value above is suspicious; float64, (p,).
        critical: Standard errors from which the mean of a batch is no chance.
    """

    rows: int
    features: tuple[str, ...]
    judged: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    counts: NDArray[np.float64]
    grids: NDArray[np.float64]
    floors: NDArray[np.float64]
    ceilings: NDArray[np.float64]
    critical: float


class ChangeKind(StrEnum):
    """What a batch's change looks like."""

    UNIT = "unit"
    SWAPPED = "swapped"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchChange:
    """One feature whose values in a batch are not the background's.

    Attributes:
        feature: Its id.
        kind: Another unit, another feature's values, or a shift that no known unit explains.
        conversion: From the background's unit to the batch's; None unless `kind` is unit.
        alternatives: Other conversions that fit as well.
        swapped_with: The feature whose values these seem to be; None unless `kind` is swapped.
        ratio: Median of the batch over the median of the background; NaN if they have not the same sign.
        ratio_error: Its relative standard error.
        standard_errors: How far the mean normal score of the batch is from 0, in standard errors.
        off_grid: Share of the batch's values that are not on the background's grid.
        values: Number of values of the batch behind it.
    """

    feature: str
    kind: ChangeKind
    conversion: Conversion | None
    alternatives: tuple[Conversion, ...]
    swapped_with: str | None
    ratio: float
    ratio_error: float
    standard_errors: float
    off_grid: float
    values: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChanges:
    """Changes of unit in n rows of p features.

    Attributes:
        row_conversions: Place in `CONVERSIONS` of the change that best explains a suspicious value; -1 for values that
            are not suspicious, or that no conversion explains; int16, (n, p).
        suspicious: Whether each value is so far out that a slip of the unit may explain it; bool, (n, p).
        batch: Features whose values are off in the batch as a whole; empty below 16 rows.
    """

    row_conversions: NDArray[np.int16]
    suspicious: NDArray[np.bool_]
    batch: tuple[BatchChange, ...]

    def __post_init__(self) -> None:
        """Locks the arrays."""
        self.row_conversions.setflags(write=False)
        self.suspicious.setflags(write=False)


def off_grid(values: NDArray[np.float64], grid: float) -> NDArray[np.bool_]:
    """Which values are no multiple of a grid, as far as float32 data can tell; bool, same shape."""
    steps = values / grid
    return np.asarray(np.abs(steps - np.rint(steps)) > np.minimum(1e-6 + 1e-7 * np.abs(steps), 0.2))
