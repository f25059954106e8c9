"""Rows that the background does not support: values out of range or unknown, or values that do not go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding, by_players
from xaisvc.types import Caveat, Gate, Severity

if TYPE_CHECKING:
    from xaisvc.caveats.base import CaveatContext


@dataclass(frozen=True, slots=True)
class InputOutOfRange:
    """Speaks when values lie outside the background's widened range, are new to it, or do not go together.

    The attribution then compares the row with rows that are unlike it, and the model may never have seen its like.
    No reasons are given for such a row: what it holds is to be checked first.
    """

    kind: str = "input_out_of_range"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding for single values, one for rows as a whole; see `CaveatRule.find`."""
        support = context.support
        outside = support.out_of_range | support.unknown
        found: tuple[Finding, ...] = ()
        if outside.any():

            def caveat(names: tuple[str, ...], message: str, row: int) -> Caveat:
                return Caveat(
                    kind=self.kind,
                    severity=Severity.CARE,
                    players=names,
                    message=message,
                    evidence=self._figures(context, row),
                    gates=(Gate.NO_REASONS,),
                )

            found = by_players(context, context.facts.owners_of(outside), caveat, _say)
        density = context.studies.support.density
        # A row with a value from outside is told that; its other values have nothing to go together with.
        implausible = np.asarray(support.implausible & ~outside.any(axis=1))
        if density is None or not implausible.any():
            return found

        def together(row: int) -> Caveat:
            return Caveat(
                kind=self.kind,
                severity=Severity.CARE,
                message=_TOGETHER,
                evidence={"discord": float(support.discord[row]), "limit": density.limit},
                gates=(Gate.NO_REASONS,),
            )

        return (*found, Finding(implausible, together))

    @staticmethod
    def _figures(context: CaveatContext, row: int) -> dict[str, float]:
        """How many values it is, and how far the farthest number is outside, in widths of the background's range."""
        support, seen = context.support, context.studies.support
        places = np.flatnonzero(support.out_of_range[row])
        columns = list(context.rows.columns.values())
        values = np.array([float(columns[j][row]) for j in places])
        beyond = np.maximum(seen.lows[places] - values, values - seen.highs[places])
        with np.errstate(over="ignore"):
            widths = beyond / np.maximum(seen.highs[places] - seen.lows[places], _NARROW)
        excess = float(widths.max(initial=0.0))
        return {
            "features": float((support.out_of_range[row] | support.unknown[row]).sum()),
            "unknown": float(support.unknown[row].sum()),
            "largest_excess_in_ranges": min(excess, _MOST),
        }


_NARROW = 1e-12
"""Width of the range of a feature that is constant in the background."""

_MOST = float(np.finfo(np.float64).max)  # infinite numbers have no place in evidence

_TOGETHER = (
    "each value of this row occurs in the background, but they do not go together as its rows' values do, so this "
    "attribution compares the row with rows that are unlike it; check the input"
)


def _say(names: tuple[str, ...]) -> str:
    return (
        f"{', '.join(names)}: the background holds no such value, so this attribution compares the row with rows that "
        "are unlike it; check the input"
    )
