"""A projection applied to coalition values of many rows, block by block; see `Projection`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.parallel import in_threads
from xaisvc.types.sampling import Projected

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.sampling import PairValues, Projection

    Numbers = NDArray[np.float64]

BLOCK_ROWS = 16
"""Rows that are projected together: the lines of a projection are read once for them, and their values stay in the
second-level cache."""

_WORTH_A_THREAD = 2**24
"""Products from which on a second thread is worth starting: half a millisecond of work."""


def project(projection: Projection, pairs: PairValues, none: float, threads: int = 1) -> Projected:
    """Applies a projection to the coalition values of n rows; see `Projection`.

    Args:
        projection: Of the design that `pairs` come from.
        pairs: Coalition values.
        none: v0.
        threads: Threads that rows are spread over.
    """
    projector, count = Projector(projection=projection, none=none), len(pairs.outputs)
    found = projector.room(pairs.outputs)
    step = BLOCK_ROWS
    if count * projector.products > _WORTH_A_THREAD:
        step = max(step, -(-count // threads))
    else:
        threads = 1

    def run(part: slice) -> None:
        for start in range(part.start, min(part.stop, count), BLOCK_ROWS):
            block = slice(start, min(start + BLOCK_ROWS, part.stop))
            projector.fill(pairs.on[block], pairs.off[block], found, block)

    in_threads(run, [slice(start, start + step) for start in range(0, count, step)], threads)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Projector:
    """A projection made ready for blocks of rows. Each row's numbers are those that it would have alone.

    Attributes:
        projection: The projection.
        none: v0.
    """

    projection: Projection
    none: float

    @property
    def products(self) -> int:
        """Products that a row takes."""
        projection = self.projection
        return projection.weights.size + projection.energy.size + projection.spread.size

    def room(self, outputs: Numbers) -> Projected:
        """Where blocks are written to, for rows of which f(x) is known; float64, (n,)."""
        shape = (len(outputs), len(self.projection.share))
        return Projected(values=np.empty(shape), standard_errors=np.empty(shape), outputs=outputs)

    def fill(self, on: Numbers, off: Numbers, found: Projected, block: slice) -> None:
        """Writes a block of rows.

        Args:
            on: v(S_k) of its rows; float64, (r, q).
            off: v(not S_k); float64, (r, q).
            found: From `room`; the block's rows of `values` and `standard_errors` are written.
            block: The rows.
        """
        from xaisvc.attribution.projection_kernel import ROWS_AT_ONCE  # noqa: PLC0415 (heavy: loaded when used)

        projection = self.projection
        count, (p, q) = len(on), projection.weights.shape
        odd = np.zeros((-(-count // ROWS_AT_ONCE) * ROWS_AT_ONCE, q))
        np.subtract(on, off, out=odd[:count])
        odd /= 2.0
        total = (found.outputs[block] - self.none)[:, None]
        np.add(_products(projection.weights, odd)[:count], projection.share * total, out=found.values[block])
        energy = _products(projection.energy, odd)[:count] + projection.energy_share * total
        variance = projection.scale**2 * (energy**2).sum(axis=1, keepdims=True)
        if len(projection.spread):
            spread = _products(projection.spread.reshape(-1, q), odd)[:count].reshape(count, -1, p)
            variance += ((spread + projection.spread_share * total[:, None]) ** 2).sum(axis=1)
        np.sqrt(variance, out=found.standard_errors[block])


def _products(matrix: Numbers, rows: Numbers) -> Numbers:
    """The product of rows, whole blocks of them, with a turned matrix; see `projection_kernel`."""
    from xaisvc.attribution.projection_kernel import products  # noqa: PLC0415 (heavy: loaded when used)

    found = np.empty((len(rows), len(matrix)))
    # One type of array means one compiled function: a read-only matrix would have its own compiled anew.
    products(matrix.reshape(matrix.shape), rows, found)
    return found
