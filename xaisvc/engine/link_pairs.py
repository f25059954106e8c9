"""Designs of a model that is the link of a weighted sum, evaluated by a graph of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.parallel import in_threads
from xaisvc.engine.graph_pairs import refuse
from xaisvc.graphs.explainer import OUTPUTS, VALUES
from xaisvc.types import PairValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.engine.layout import Layout
    from xaisvc.engine.mixed_model import MixedModel
    from xaisvc.types import CoalitionDesign, LoadedModel, Problem, Runtime, Table

# Rows of one call of the graph; a row takes about 0.1 ms for 512 coalitions and 100 background rows.
BLOCK_MIXED_ROWS = 2**21


@dataclass(frozen=True, slots=True)
class LinkModel:
    """A loaded graph of `link_graph`, and its size."""

    model: LoadedModel
    n_bytes: int

    @staticmethod
    def of(layout: Layout, runtime: Runtime) -> LinkModel:
        """Loads the graph of a design."""
        graph = layout.link_graph()
        return LinkModel(runtime.load(graph, device="cpu"), len(graph))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPairs:
    """A design evaluated by `link_graph`; rows are spread over threads in blocks."""

    problem: Problem
    design: CoalitionDesign
    mixed: MixedModel
    model: LoadedModel
    threads: int = 1

    @property
    def detail(self) -> str:
        """How the graph is cut."""
        return self.mixed.detail

    def __call__(self, rows: Table, check: Callable[[], None]) -> PairValues:
        """Evaluates n rows; see `PairFunction`."""
        encoded = self.mixed.scoring.feeds(rows)
        feeds = {info.name: encoded[info.name] for info in self.model.inputs}
        q = len(self.design)
        values = np.empty((len(rows), 2 * q))
        outputs = np.empty(len(rows))
        own = self.design.background
        per_row = 2 * q * (len(self.problem.background) if own is None else own.shape[1])
        most = max(1, BLOCK_MIXED_ROWS // max(per_row, 1))
        step = min(most, -(-len(rows) // self.threads)) if len(rows) else 1

        def run(block: slice) -> None:
            check()
            found = self.model.run({name: value[block] for name, value in feeds.items()}, [VALUES, OUTPUTS])
            # The graph of an empty design has one coalition all the same.
            values[block], outputs[block] = found[VALUES][:, : 2 * q], found[OUTPUTS]

        in_threads(run, [slice(start, start + step) for start in range(0, len(rows), step)], self.threads)
        on, off = values[:, :q], values[:, q:]
        if not (np.isfinite(outputs).all() and np.isfinite(values).all()):
            refuse(self.problem, self.design, rows, outputs, on, off)
        return PairValues(on=on, off=off, outputs=outputs)
