"""Values and batches that seem to be in another unit than the background's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_rows
from xaisvc.caveats.unit_change import FACTORS, OFFSETS, likelihoods, possible_conversions, unit_change
from xaisvc.types import Caveat, Gate, Severity
from xaisvc.types.units import CONVERSIONS, ChangeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding, Table
    from xaisvc.types.units import BatchChange, Units

KIND = "unit_change"


CLEAR = 20.0
"""A conversion is named alone where it is so many times as likely as any other that fits."""

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class UnitChange:
    """Speaks of a single value far beyond its range that a known change of unit brings back into it.

    One value proves no change of unit, so the words are "may be", and seldom tells which: a conversion is named alone
    only where no other is plausible, else the likeliest ones are. If it is one, the model answered about another
    person: that asks for care, and no reasons are given until somebody has looked. It does not make the numbers
    unreliable: they are right for the row as it was given.
    """

    kind: str = KIND

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding per feature and conversions that may explain it; see `CaveatRule.find`."""
        found = context.units.row_conversions
        if (found < 0).all():
            return ()
        findings: list[Finding] = []
        for feature in np.flatnonzero((found >= 0).any(axis=0)).tolist():
            findings += self._found(context, feature, np.flatnonzero(found[:, feature] >= 0))
        return tuple(findings)

    def _found(self, context: CaveatContext, feature: int, rows: NDArray[np.intp]) -> tuple[Finding, ...]:
        studied, n = context.studies.units, len(context.rows)
        name = studied.features[feature]
        values = context.rows.columns[name].astype(np.float64)
        possible = possible_conversions(context.description.feature(name).unit)
        shares = likelihoods(studied, feature, values[rows], possible)
        best = np.zeros(n, dtype=np.intp)
        best[rows] = shares.argmax(axis=1)
        likelihood = np.zeros(n)
        likelihood[rows] = shares.max(axis=1)
        plausible, of_row = np.unique(_plausible(shares), axis=0, return_inverse=True)
        variants = np.zeros(n, dtype=np.intp)
        variants[rows] = of_row.reshape(-1)
        speaks = likelihood > 0  # no value that only a temperature could explain, where it is none

        def figures(own: NDArray[np.intp]) -> Figures:
            converted = (values[own] - OFFSETS[best[own]]) / FACTORS[best[own]]
            return Figures({"value": values[own], "converted": converted, "likelihood": likelihood[own]})

        return by_rows(
            self.kind,
            speaks,
            lambda variant: Words(Severity.CARE, _message(name, plausible[variant].tolist()), (Gate.NO_REASONS,)),
            figures,
            players=(context.players.names[int(context.facts.owners[feature])],),
            variants=variants,
        )


def _plausible(shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places of the plausible conversions, likeliest first, then -1; one more than are named; intp, (k, 4)."""
    order = np.argsort(-shares, axis=1, kind="stable")[:, : MOST_NAMED + 1]
    own = np.take_along_axis(shares, order, axis=1)
    return np.where((own > 0) & (own * CLEAR > own[:, :1]), order, -1)


def _message(name: str, plausible: list[int]) -> str:
    names = [CONVERSIONS[place].name for place in plausible[:MOST_NAMED] if place >= 0]
    start = f"{name} is far outside its range and may be in another unit than the background"
    if len(names) == 1:
        return f"{start}: {names[0]}; check the input"
    more = ", and others" if plausible[MOST_NAMED] >= 0 else ""
    return f"{start}; one value does not tell which, the likeliest first: {'; '.join(names)}{more}; check the input"


def batch_changes(units: Units, rows: Table) -> tuple[Caveat, ...]:
    """Caveats of a batch as a whole: features in which it is not like the background.

    They belong to the batch and to none of its rows, whose answers do not depend on each other. Sixteen rows are enough
    to find a change of unit and, mostly, to name it.

    Args:
        units: What is known of the features' units.
        rows: The batch, features in the order of the schema.

    Returns:
        One caveat per feature, or pair of swapped features, whose id is its player; empty below 16 rows.
    """
    changes = unit_change(units, rows).batch
    swapped = {change.feature for change in changes if change.kind is ChangeKind.SWAPPED}
    found = []
    for change in changes:
        other = change.swapped_with
        if other is not None and other in swapped and other < change.feature:
            continue  # said of the other one
        found.append(_batch_caveat(change))
    return tuple(found)


def _batch_caveat(change: BatchChange) -> Caveat:
    figures = {
        "ratio": change.ratio,
        "ratio_error": change.ratio_error,
        "standard_errors": change.standard_errors,
        "off_grid": change.off_grid,
        "values": float(change.values),
    }
    players: tuple[str, ...] = (change.feature,)
    severity = Severity.CARE
    gates: tuple[Gate, ...] = (Gate.NO_REASONS,)
    if change.kind is ChangeKind.UNIT and change.conversion is not None:
        names = [one.name for one in (change.conversion, *change.alternatives)]
        which = ", or ".join([*names[:MOST_NAMED], *(["another"] if len(names) > MOST_NAMED else [])])
        message = f"{change.feature} is in another unit in this batch than in the background: {which}"
        figures |= {"factor": change.conversion.factor, "offset": change.conversion.offset}
    elif change.kind is ChangeKind.SWAPPED and change.swapped_with is not None:
        players = (change.feature, change.swapped_with)
        message = f"{change.feature} and {change.swapped_with} hold each other's values in this batch"
    else:
        message = (
            f"{change.feature} is shifted in this batch against the background, and no known change of unit explains "
            "it: another population, or another way of recording"
        )
        severity, gates = Severity.INFO, ()
    return Caveat(
        kind=KIND,
        severity=severity,
        players=players,
        message=message,
        evidence={name: value for name, value in figures.items() if math.isfinite(value)},
        gates=gates,
    )
