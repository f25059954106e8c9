"""Designs evaluated by an explainer graph, one explained row at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from xaisvc.attribution.masking import HYBRID_ROWS, hybrid_rows, score
from xaisvc.attribution.parallel import in_threads
from xaisvc.errors import ModelOutputError
from xaisvc.types import PairValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.engine.layout import Layout
    from xaisvc.engine.mixed_model import MixedModel, RowSession
    from xaisvc.graphs import Tables
    from xaisvc.types import CoalitionDesign, Problem, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPairs:
    """A design evaluated by a graph, one row at a time."""

    problem: Problem
    design: CoalitionDesign
    mixed: MixedModel
    session: RowSession
    layout: Layout
    threads: int = 1

    @property
    def detail(self) -> str:
        """How the graph is cut."""
        return self.mixed.detail

    def __call__(self, rows: Table, check: Callable[[], None]) -> PairValues:
        """Evaluates n rows; see `PairFunction`."""
        layout = self.layout
        encoded = self.mixed.scoring.feeds(rows)
        feeds = [{name: value[i : i + 1] for name, value in encoded.items()} for i in range(len(rows))]
        size, count = layout.chunks.size, layout.chunks.count
        values = np.empty((len(rows), count * size))
        outputs = np.empty(len(rows))
        pieces = layout.chunks.pieces
        # Tables that are too large to be kept are made piece by piece and shared by the rows of the call.
        groups = [pieces] if layout.is_kept or len(rows) == 1 else [(piece,) for piece in pieces]
        for group in groups:
            shared = layout.piece(group[0]) if len(group) == 1 else None

            def run(item: tuple[int, slice], shared: Tables | None = shared) -> None:
                index, piece = item
                check()
                tables = shared or layout.piece(piece)
                found, output = self.session.run(feeds[index], tables)
                values[index, piece.start * size : piece.stop * size] = found
                if piece.start == 0:
                    alone = score(self.problem, rows.take([index]), "explained rows")[0] if output is None else output
                    outputs[index] = alone

            in_threads(run, [(index, piece) for index in range(len(rows)) for piece in group], self.threads)
        on, off = values[:, : layout.n_pairs], values[:, layout.n_pairs : 2 * layout.n_pairs]
        if not (np.isfinite(outputs).all() and np.isfinite(on).all() and np.isfinite(off).all()):
            refuse(self.problem, self.design, rows, outputs, on, off)
        return PairValues(on=on, off=off, outputs=outputs)


def refuse(  # noqa: PLR0913, PLR0917 - what was asked and what came out
    problem: Problem,
    design: CoalitionDesign,
    rows: Table,
    outputs: NDArray[np.float64],
    on: NDArray[np.float64],
    off: NDArray[np.float64],
) -> NoReturn:
    """Raises what the plain way says of the first row whose answers are not finite.

    Raises:
        ModelOutputError: Always.
    """
    bad = ~(np.isfinite(outputs) & np.isfinite(on).all(axis=1) & np.isfinite(off).all(axis=1))
    index = int(np.argmax(bad))
    row = rows.take([index])
    score(problem, row, "explained rows")
    for masks, found in ((design.masks, on[index]), (~design.masks, off[index])):
        for k in np.flatnonzero(~np.isfinite(found))[:1]:
            picks = None if design.background is None else design.background[[k]]
            score(problem, hybrid_rows(row, problem.background, masks[[k]], problem.players, picks), HYBRID_ROWS)
    raise ModelOutputError(
        f"the model answered a number that is not finite for {HYBRID_ROWS}, but only in some batches; attributions "
        "need finite answers: check how the model treats missing and unusual values"
    )
