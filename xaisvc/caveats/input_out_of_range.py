"""Rows that the background does not support: values out of range or unknown, or values that do not go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_players, by_rows
from xaisvc.caveats.wording import listed
from xaisvc.types import Gate, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding


@dataclass(frozen=True, slots=True)
class InputOutOfRange:
    """Speaks when values lie outside the background's widened range, are new to it, or do not go together.

    The attribution then compares the row with rows that are unlike it, and the model may never have seen its like.
    No reasons are given for such a row: what it holds is to be checked first.
    """

    kind: str = "input_out_of_range"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """Findings for single values, and for rows as a whole; see `CaveatRule.find`."""
        support = context.support
        outside = support.out_of_range | support.unknown
        found: tuple[Finding, ...] = ()
        if np.count_nonzero(outside):
            found = by_players(
                context,
                self.kind,
                context.facts.owners_of(outside),
                lambda names, _: Words(Severity.CARE, _say(names), (Gate.NO_REASONS,)),
                lambda rows: _figures(context, rows),
            )
        density = context.studies.support.density
        # A row with a value from outside is told that; its other values have nothing to go together with.
        if density is None or not np.count_nonzero(support.implausible):
            return found
        implausible = np.asarray(support.implausible & ~outside.any(axis=1))
        if not implausible.any():
            return found
        limit = density.limit
        return (
            *found,
            *by_rows(
                self.kind,
                implausible,
                lambda _: Words(Severity.CARE, _TOGETHER, (Gate.NO_REASONS,)),
                lambda rows: Figures({"discord": support.discord[rows], "limit": limit}),
            ),
        )


def _figures(context: CaveatContext, rows: NDArray[np.intp]) -> Figures:
    """How many values it is, and how far the farthest number is outside, in widths of the background's range."""
    support, seen = context.support, context.studies.support
    outside = support.out_of_range[rows]
    excess = np.zeros(len(rows))
    columns = list(context.rows.columns.values())
    for place in np.flatnonzero(outside.any(axis=0)).tolist():
        own = outside[:, place]
        values = columns[place][rows[own]].astype(np.float64)
        beyond = np.maximum(seen.lows[place] - values, values - seen.highs[place])
        with np.errstate(over="ignore"):
            widths = beyond / max(seen.highs[place] - seen.lows[place], _NARROW)
        excess[own] = np.maximum(excess[own], widths)
    return Figures(
        {
            "features": (outside | support.unknown[rows]).sum(axis=1).astype(np.float64),
            "unknown": support.unknown[rows].sum(axis=1).astype(np.float64),
            "largest_excess_in_ranges": np.minimum(excess, _MOST),
        }
    )


_NARROW = 1e-12
"""Width of the range of a feature that is constant in the background."""

_MOST = float(np.finfo(np.float64).max)  # infinite numbers have no place in evidence

_TOGETHER = (
    "each value of this row occurs in the background, but they do not go together as its rows' values do, so this "
    "attribution compares the row with rows that are unlike it; check the input"
)


def _say(names: tuple[str, ...]) -> str:
    return (
        f"{listed(names)}: the background holds no such value, so this attribution compares the row with rows that "
        "are unlike it; check the input"
    )
