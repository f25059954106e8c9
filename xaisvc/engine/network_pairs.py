"""Designs evaluated by a compiled network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.attribution.parallel import in_threads
from xaisvc.types import PairValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.engine.network import NetworkDesign, NetworkModel
    from xaisvc.types import PairFunction, Table

ROWS_TOGETHER: Final = 32
"""Explained rows that go through a piece of a design together; between them the work can be given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPairs:
    """A design evaluated by a compiled network, row by row.

    Attributes:
        model: The network.
        design: The design laid out for it.
        otherwise: The design evaluated by the model's graph, for rows with columns that are not finite.
        threads: Threads that rows and pieces of the design are spread over.
    """

    model: NetworkModel
    design: NetworkDesign
    otherwise: Callable[[], PairFunction]
    threads: int = 1

    @property
    def detail(self) -> str:
        """How coalitions are evaluated."""
        return "Coalitions are evaluated inside the model's graph, its dense layers compiled into one loop."

    def __call__(self, rows: Table, check: Callable[[], None]) -> PairValues:
        """Evaluates n rows; see `PairFunction`."""
        model, q = self.model, self.design.n_pairs
        encoded = model.scoring.feeds(rows)
        alone = [{name: value[i : i + 1] for name, value in encoded.items()} for i in range(len(rows))]
        # One row at a time: what a runtime makes of a row may depend on the number of rows by a rounding.
        columns = np.concatenate([model.columns(feeds) for feeds in alone]) if alone else np.empty((0, 0), np.float32)
        found = [model.output(feeds) for feeds in alone]
        outputs = np.array([np.nan if output is None else output for output in found])
        values = np.empty((len(rows), 2 * q))
        blocks = [slice(start, start + ROWS_TOGETHER) for start in range(0, len(rows), ROWS_TOGETHER)]

        def run(item: tuple[slice, slice]) -> None:
            block, piece = item
            check()
            values[block, piece] = self.design.values(columns[block], piece)

        in_threads(run, [(block, piece) for block in blocks for piece in self.design.pieces], self.threads)
        pairs = PairValues(on=values[:, :q], off=values[:, q:], outputs=outputs)
        bad = np.flatnonzero(~(np.isfinite(outputs) & np.isfinite(values).all(axis=1)))
        return mended(pairs, rows, bad.tolist(), check, self.otherwise) if len(bad) else pairs


def mended(
    pairs: PairValues, rows: Table, bad: list[int], check: Callable[[], None], otherwise: Callable[[], PairFunction]
) -> PairValues:
    """Rows that came to no number once more in the model's graph, which says why or knows better."""
    again = otherwise()(rows.take(bad), check)
    pairs.on[bad], pairs.off[bad], pairs.outputs[bad] = again.on, again.off, again.outputs
    return pairs
