"""Asks the model about changed rows, and whether they are rows that the background supports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.types.schema import Adverse
from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.counterfactuals.axes import Axis
    from xaisvc.types import ModelFunction, SupportFunction
    from xaisvc.types.support import RowSupport
    from xaisvc.types.table import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The favourable side of a threshold.

    Attributes:
        threshold: Prediction from which the decision is adverse, in the unit of the output tensor.
        adverse: Side of it that is adverse; the threshold itself belongs to it.
        margin: How far beyond the threshold a prediction must be to count as favourable: more than the rounding by
            which a row's answer depends on the rows that are scored with it. Above 0.
    """

    threshold: float
    adverse: Adverse
    margin: float

    def is_adverse(self, predictions: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each prediction leads to the adverse decision; bool, (n,)."""
        return predictions >= self.threshold if self.adverse is Adverse.HIGHER else predictions <= self.threshold

    def is_reached(self, predictions: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each prediction leads to the favourable one, and by more than the margin; bool, (n,)."""
        if self.adverse is Adverse.HIGHER:
            return predictions <= self.threshold - self.margin
        return predictions >= self.threshold + self.margin

    def weakest(self, predictions: NDArray[np.float64]) -> float:
        """The one closest to being adverse."""
        return float(predictions.max() if self.adverse is Adverse.HIGHER else predictions.min())


class Trials:
    """Collects changed rows, so that the model is asked about many at once."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._counts: list[int] = []
        self._changes: list[tuple[slice, str, Column]] = []
        self._count = 0

    def __len__(self) -> int:
        """Number of changed rows."""
        return self._count

    def add(self, row: int, changes: Mapping[str, Column]) -> slice:
        """Adds changed copies of a row.

        Args:
            row: Place of the row.
            changes: Feature id to its values in the copies, (m,) each.

        Returns:
            Where the copies stand.
        """
        count = len(next(iter(changes.values())))
        place = slice(self._count, self._count + count)
        self._changes += [(place, feature, values) for feature, values in changes.items()]
        self._rows.append(row)
        self._counts.append(count)
        self._count += count
        return place

    def table(self, rows: Table) -> tuple[Table, NDArray[np.intp]]:
        """The changed rows, and which row each comes from; intp."""
        origins = np.repeat(np.array(self._rows, dtype=np.intp), self._counts)
        columns: dict[str, Column] = {name: values[origins] for name, values in rows.columns.items()}
        for place, feature, values in self._changes:
            columns[feature][place] = values
        return Table(columns), origins


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was found of m changed rows.

    Attributes:
        predictions: The model's answers, in the unit of the output tensor; float64, (m,).
        reached: Whether they are favourable; bool, (m,).
        good: Whether they are, and the background supports the row as much as the original; bool, (m,).
    """

    predictions: NDArray[np.float64]
    reached: NDArray[np.bool_]
    good: NDArray[np.bool_]


class Judge:
    """Judges changed copies of some rows.

    Args:
        rows: The original rows.
        axes: What may change in them.
        goal: What is wanted.
        score: The model, in the unit of the output tensor.
        support: The background's support.
    """

    def __init__(
        self, rows: Table, axes: Sequence[Axis], goal: Goal, score: ModelFunction, support: SupportFunction
    ) -> None:
        self._rows = rows
        self._axes = axes
        self._goal = goal
        self._score = score
        self._support = support
        self._own = support(rows)
        self.model_rows = 0

    def __call__(self, trials: Trials) -> Verdicts:
        """Scores changed rows, and looks where those lie that change the decision."""
        table, origins = trials.table(self._rows)
        predictions = self._score(table)
        self.model_rows += len(table)
        reached = self._goal.is_reached(predictions)
        good = np.zeros(len(table), dtype=np.bool_)
        places = np.flatnonzero(reached)
        if len(places):
            good[places] = self._is_supported(table.take(places), origins[places])
        return Verdicts(predictions, reached, good)

    def _is_supported(self, table: Table, origins: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether rows are no further out of the background than the rows they come from.

        No value may be out of range or unknown that was not so before; one that is changed must be known, and no
        further from the background's median if it is out of range. Values that do not go together are taken only if
        those of the original did not either, and went together even less.
        """
        found, own = self._support(table), _taken(self._own, origins)
        worse = (found.out_of_range & ~own.out_of_range).any(axis=1)
        worse |= (found.unknown & ~own.unknown).any(axis=1)
        worse |= found.implausible & ~(found.discord <= own.discord + _ROUNDING)
        for axis in self._axes:
            now, before = table.columns[axis.feature], self._rows.columns[axis.feature][origins]
            changed = np.asarray(now != before)
            worse |= changed & found.unknown[:, axis.place]
            if not axis.targets:
                gap = np.abs(cast("NDArray[np.float64]", now) - axis.centre)
                gap_before = np.abs(cast("NDArray[np.float64]", before) - axis.centre)
                worse |= changed & found.out_of_range[:, axis.place] & (gap > gap_before)
        return np.asarray(~worse)


_ROUNDING = 1e-9
"""Discords are sums of some hundred terms of size 1: those that differ by less are the same, summed otherwise."""


def _taken(support: RowSupport, places: NDArray[np.intp]) -> RowSupport:
    return type(support)(
        out_of_range=support.out_of_range[places],
        unknown=support.unknown[places],
        surprise=support.surprise[places],
        discord=support.discord[places],
        implausible=support.implausible[places],
    )
