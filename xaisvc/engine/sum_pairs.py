"""Designs of a model that is a sum of weighted columns and trees, evaluated without a mixed row; see `SumTable`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.linear import Matrices
from xaisvc.attribution.masking import score
from xaisvc.attribution.parallel import in_threads
from xaisvc.engine.chunks import LANE_ROWS
from xaisvc.engine.graph_pairs import refuse
from xaisvc.errors import ModelOutputError
from xaisvc.types import PairValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.attribution.sum_tables import SumTable
    from xaisvc.types import CoalitionDesign, ColumnFunction, Problem, Table

BLOCK_OPERATIONS = 2**24
"""Additions after which the work can be given up: some milliseconds."""

_WORTH_A_THREAD = 2**21
"""Additions from which on a second thread is worth starting: about a millisecond of work."""


class LaneMatrices:
    """The column matrices of some rows, made of whole lanes of them; see `LANE_ROWS`. Each preprocessing runs once."""

    def __init__(self, lanes: Table, count: int) -> None:
        self._matrices = Matrices(lanes)
        self._count = count

    def __call__(self, columns: ColumnFunction, needed: int) -> NDArray[np.float32] | NDArray[np.float64]:
        """The matrix that a preprocessing makes of the rows; see `Matrices`."""
        return self._matrices(columns, needed)[: self._count]


@dataclass(frozen=True, slots=True, kw_only=True)
class SumPairs:
    """A design evaluated by a `SumTable`; rows are spread over threads in blocks."""

    problem: Problem
    design: CoalitionDesign
    table: SumTable
    threads: int = 1

    @property
    def detail(self) -> str:
        """How coalitions are evaluated."""
        return "Coalitions are evaluated inside the model's graph, taken apart into the sum that it is."

    def __call__(self, rows: Table, check: Callable[[], None]) -> PairValues:
        """Evaluates n rows; see `PairFunction`."""
        check()
        q, count, table = len(self.design), len(rows), self.table
        # Whole lanes of rows: so a row's bits do not depend on how many there are.
        lanes = rows.take(np.minimum(np.arange(-(-count // LANE_ROWS) * LANE_ROWS), count - 1))
        outputs = self._outputs(lanes, rows)
        matrices = LaneMatrices(lanes, count)
        read = [matrices(columns, needed) for columns, needed in table.reads]
        values = np.empty((count, 2 * q))
        step = max(1, BLOCK_OPERATIONS // max(1, table.operations))
        if count * table.operations > _WORTH_A_THREAD:
            step = min(step, -(-count // self.threads))

        def run(block: slice) -> None:
            check()
            table.fill([matrix[block] for matrix in read], values[block])

        in_threads(run, [slice(start, start + step) for start in range(0, count, step)], self.threads)
        on, off = values[:, :q], values[:, q:]
        if not (np.isfinite(outputs).all() and np.isfinite(values).all()):
            refuse(self.problem, self.design, rows, outputs, on, off)
        return PairValues(on=on, off=off, outputs=outputs)

    def _outputs(self, lanes: Table, rows: Table) -> NDArray[np.float64]:
        """f(x) of each row, from the model itself.

        Raises:
            ModelOutputError: What the model says of the first row alone that it has no number for.
        """
        try:
            return score(self.problem, lanes, "explained rows")[: len(rows)]
        except ModelOutputError:
            for index in range(len(rows)):
                score(self.problem, rows.take([index]), "explained rows")
            raise
