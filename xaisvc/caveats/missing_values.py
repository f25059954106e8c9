"""Rows in which something is missing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding
from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types.table import Column


@dataclass(frozen=True, slots=True)
class MissingValues:
    """Speaks when values are missing: the model decided without them, and whoever can fill them in should know."""

    kind: str = "missing_values"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """The rows in which a value is missing; see `CaveatRule.find`."""
        missing = np.zeros(len(context.rows), dtype=bool)
        for feature in context.description.features:
            if feature.allow_missing:  # the schema lets no other feature be without a value
                missing |= _missing(context.rows.columns[feature.id])
        return (Finding(missing, partial(self._caveat, context)),) if missing.any() else ()

    def _caveat(self, context: CaveatContext, row: int) -> Caveat:
        missing = [feature for feature, value in context.rows.row(row).items() if value is None]
        return Caveat(
            kind=self.kind,
            severity=Severity.INFO,
            players=context.owners(missing),
            message=f"no value was given for {', '.join(missing)}; the model answered without",
            evidence={"features": float(len(missing))},
        )


def _missing(values: Column) -> NDArray[np.bool_]:
    if values.dtype == np.object_:
        return np.asarray(values == np.array(None))  # compared value by value
    return np.isnan(values.astype(np.float64, copy=False))
