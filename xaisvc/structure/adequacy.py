"""Whether a background has rows enough, recent enough and different enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import InvalidInputError
from xaisvc.types.schema import MAX_AGE_DAYS
from xaisvc.types.support import Adequacy, Enough

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from xaisvc.types.table import Table

FEW_ROWS, ENOUGH_ROWS = 100, 500


def study_adequacy(
    table: Table,
    *,
    today: date,
    as_of: date | None = None,
    outputs: NDArray[np.float64] | None = None,
    max_age_days: int = MAX_AGE_DAYS,
) -> Adequacy:
    """Number, age and variety of background rows, and how well they fix the base value.

    With d_i the deviation of output i from the mean and g a set of equal rows, the standard error of the mean is
    sqrt(sum_g (sum_{i in g} d_i)^2) / b, the cluster-robust one; effective rows are sum_i d_i^2 over that sum, times b.

    Args:
        table: The background, b rows.
        today: Day of the study.
        as_of: Day the rows are from; None if not known.
        outputs: The model's outputs for the rows; float64, (b,); None if not known.
        max_age_days: Days after which a background is stale.

    Raises:
        InvalidInputError: If there are no rows, not one output for each, or the rows are from after `today`.
    """
    if not len(table):
        raise InvalidInputError("the background has no rows")
    if outputs is not None and len(outputs) != len(table):
        raise InvalidInputError(f"{len(outputs)} outputs for {len(table)} background rows: give one for each row")
    if as_of is not None and as_of > today:
        raise InvalidInputError(f"the background is dated {as_of.isoformat()}, which is after {today.isoformat()}")
    rows = len(table)
    distinct = table.distinct()
    like = np.arange(rows) if distinct is None else distinct[1]
    age = None if as_of is None else (today - as_of).days
    base, error, effective, carrying = _base_value(outputs, like)
    return Adequacy(
        rows=rows,
        distinct_rows=int(like.max()) + 1,
        enough=Enough.TOO_FEW if rows < FEW_ROWS else Enough.REDUCED if rows < ENOUGH_ROWS else Enough.ENOUGH,
        as_of="" if as_of is None else as_of.isoformat(),
        age_days=age,
        stale=None if age is None else age > max_age_days,
        base_value=base,
        base_error=error,
        effective_rows=effective,
        carrying_rows=carrying,
    )


def _base_value(outputs: NDArray[np.float64] | None, like: NDArray[np.intp]) -> tuple[float, float, float, float]:
    """Mean, its standard error, effective and carrying rows."""
    nan = float("nan")
    if outputs is None or not np.isfinite(outputs).all():
        return nan, nan, nan, nan
    base = float(outputs.mean())
    deviation = outputs - base
    squares = float((deviation**2).sum())
    if squares <= len(outputs) * (1e-12 * max(abs(base), 1e-300)) ** 2:  # equal but for rounding
        return base, 0.0, nan, nan
    together = float((np.bincount(like, deviation) ** 2).sum())
    error = float(np.sqrt(together)) / len(outputs)
    carrying = squares**2 / float((deviation**4).sum())
    return base, error, len(outputs) * squares / together if together > 0 else nan, carrying
