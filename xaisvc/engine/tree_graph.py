"""Exact tree values on a device: the tables of a plan as a graph, loaded once, run on rows piece by piece."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.tree_blocks import entries_bytes, lay_out_tables
from xaisvc.graphs.tree_explainer import COLUMNS, TREE_VALUES, tree_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xaisvc.types import Device, LoadedModel, Runtime

    Arrays = Mapping[str, NDArray[np.generic]]

CALL_BYTES = 2**29
"""Bound on what one call of a graph holds beside its tables: 4,000 to 16,000 rows of a large forest."""
KEPT_BYTES = 2**31
"""Bound on the tables kept on the device; the one used longest ago is given up first."""
MOST_GRAPH_BYTES = 1_900_000_000
"""Largest graph: a serialized model holds less than 2 GiB."""
PACKS = 32
"""Packs of subtrees in one step of the graph: enough that a step for a thousand rows keeps a GPU busy."""
LEAST_ROWS = 64
"""Rows from which on a graph is worth its calls: a run takes some milliseconds however few rows there are, in which the
compiled look-up explains about a hundred."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A graph on a device.

    Attributes:
        table: The plan's table; held, so that its number stays its own.
        model: The graph; None if there can be none.
        rows_per_call: Rows of one call.
        n_bytes: Size of the graph.
    """

    table: NDArray[np.generic]
    model: LoadedModel | None
    rows_per_call: int
    n_bytes: int


class TreeGraphs:
    """Looks up the tables of tree plans on a device. Safe to use from several threads.

    ONNX Runtime has no kernel for tree ensembles on CUDA; these graphs use operators of the main domain only.
    """

    def __init__(  # noqa: PLR0913 (bounds that tests make small)
        self,
        runtime: Runtime,
        device: Device,
        *,
        call_bytes: int = CALL_BYTES,
        kept_bytes: int = KEPT_BYTES,
        packs: int = PACKS,
        least_rows: int = LEAST_ROWS,
    ) -> None:
        """Makes no graph yet.

        Args:
            runtime: Runs the graphs.
            device: Where to run them.
            call_bytes: Bound on what one call holds beside the tables.
            kept_bytes: Bound on the tables kept; a single larger one is kept alone.
            packs: Packs of subtrees in one step.
            least_rows: Fewer rows are left to the caller.
        """
        self._runtime = runtime
        self._device: Device = device
        self._call_bytes = call_bytes
        self._kept_bytes = kept_bytes
        self._packs = packs
        self._least_rows = least_rows
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, bool, int, int], _Ready] = OrderedDict()

    def add(self, arrays: Arrays, matrix: NDArray[np.float64], values: NDArray[np.float64], *, double: bool) -> bool:
        """Adds the attributions of n rows: what `TreePlan.add` adds, up to 1e-6 of their scale.

        Args:
            arrays: Arrays of a plan with tables; never changed by anybody.
            matrix: Column matrix of n rows as the model compares it; float64, (n, c).
            values: Added to; float64, (k, n, p).
            double: Whether the model compares float64 numbers; otherwise `matrix` holds float32 numbers.

        Returns:
            Whether it was done; False where the caller's own look-up is quicker, or the tables are too large for a
            graph. Then `values` are as they were.

        Raises:
            RuntimeUnavailableError: If the device is not there.
            ModelOutputError: If a run fails.
        """
        if len(matrix) < self._least_rows:
            return False
        ready = self._ready(arrays, matrix.shape[1], values.shape[2], double=double)
        if ready.model is None:
            return False
        given = np.ascontiguousarray(matrix, dtype=np.float64 if double else np.float32)
        for start in range(0, len(given), ready.rows_per_call):
            piece = slice(start, start + ready.rows_per_call)
            answer = ready.model.run({COLUMNS: given[piece]}, [TREE_VALUES])
            found = np.asarray(answer[TREE_VALUES], dtype=np.float64)
            values[:, piece] += found.transpose(1, 0, 2)
        return True

    def _ready(self, arrays: Arrays, n_columns: int, n_players: int, *, double: bool) -> _Ready:
        key = (id(arrays["table"]), double, n_columns, n_players)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._make(arrays, n_columns, n_players, double=double)
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(ready.n_bytes for ready in self._kept.values()) > self._kept_bytes:
                self._kept.popitem(last=False)
            return self._kept[key]

    def _make(self, arrays: Arrays, n_columns: int, n_players: int, *, double: bool) -> _Ready:
        table = arrays["table"]
        if entries_bytes(arrays) > MOST_GRAPH_BYTES:
            return _Ready(table, None, 1, 0)
        tables = lay_out_tables(arrays, double=double, packs=self._packs)
        if tables.n_bytes > MOST_GRAPH_BYTES:
            return _Ready(table, None, 1, 0)
        graph = tree_graph(tables, n_columns, n_players)
        per_row = tables.bytes_per_row + 24 * n_players * tables.outputs
        rows = max(1, self._call_bytes // per_row)
        return _Ready(table, self._runtime.load(graph, device=self._device), rows, len(graph))
