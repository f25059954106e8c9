"""Rows in which something is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_players
from xaisvc.caveats.wording import listed
from xaisvc.types import Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding
    from xaisvc.types.table import Column


@dataclass(frozen=True, slots=True)
class MissingInput:
    """Speaks when values are missing: the model decided without them, and whoever can fill them in should know."""

    kind: str = "missing_input"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """The rows in which a value is missing; see `CaveatRule.find`."""
        features = context.description.features
        missing: dict[int, NDArray[np.bool_]] = {}
        for place, feature in enumerate(features):
            if feature.allow_missing:  # the schema lets no other feature be without a value
                found = _missing(context.rows.columns[feature.id])
                if found.any():
                    missing[place] = found
        if not missing:
            return ()
        absent = np.zeros((len(context.rows), len(features)), dtype=np.bool_)
        for place, found in missing.items():
            absent[:, place] = found
        return by_players(
            context,
            self.kind,
            context.facts.owners_of(absent),
            lambda names, _: Words(Severity.INFO, _say(names)),
            lambda rows: Figures({"features": absent[rows].sum(axis=1).astype(np.float64)}),
        )


def _missing(values: Column) -> NDArray[np.bool_]:
    if values.dtype == np.object_:
        return np.asarray(values == np.array(None))  # compared value by value
    return np.isnan(values.astype(np.float64, copy=False))


def _say(names: tuple[str, ...]) -> str:
    return f"a value is missing for {listed(names)}; the model answered without; find it, if it can be had"
