"""Designs of a model that is the logistic function of a weighted sum of columns, evaluated by a compiled loop.

With s_i(x) the part of the log-odds that player i's columns make,

    v(S) = mean over z of 1 / (1 + exp(-(c + sum over i in S of s_i(x) + sum over i not in S of s_i(z))))

The sums over the background do not depend on the row, so a mixed row costs a product, a sum and a division; see
`link_kernel`. All of it is float64: only the columns and f(x) come from the graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.observed import sigmoid
from xaisvc.attribution.parallel import in_threads
from xaisvc.attribution.projecting import BLOCK_ROWS
from xaisvc.engine.chunks import LANE_ROWS
from xaisvc.engine.graph_pairs import refuse
from xaisvc.types import PairValues

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from xaisvc.attribution.projecting import Projector
    from xaisvc.engine.mixed_model import MixedModel
    from xaisvc.types import CoalitionDesign, Players, Problem, Projected, Table

    Array = NDArray[np.generic]
    Numbers = NDArray[np.float64]

BLOCK_MIXED_ROWS = 2**22
"""Mixed rows after which the work can be given up: some milliseconds."""

_BLOCK_NUMBERS = 2**16
"""Coalition values that are worked out together: half the second-level cache."""

_WORTH_A_THREAD = 2**22
"""Mixed rows from which on a second thread is worth starting: half a millisecond of work."""

_PRODUCTS = 4
"""Products of a projection that take as long as a mixed row."""

_LARGEST_PART = 1e30
"""A part that is infinite or close to it: one of each sign in a coalition must not make a sum that is no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTable:
    """A design of m coalitions, both of each pair, with what the background makes of it.

    With t_z the part of the log-odds that the players not in S take from background row z, and c the middle of all t_z,

        exp(-(s + t_z)) = exp(-(s + c)) * exp(-(t_z - c))

    so that a row needs one exponential for each coalition: the second factors do not depend on it.

    Attributes:
        owners: For each layer, the player of each column; -1 for a column that is the same in every row.
        weights: For each layer, its weights; float64.
        masks: 1 where a coalition holds a player; float64, (p, m).
        middle: c of each coalition; float64, (m,).
        factors: exp(-(t_z - c)); float64, (b, m).
        wide: Coalitions whose t_z lie farther apart than `link_kernel.MOST_SPREAD`.
        wide_sums: t_z of these; float64, (wide, b).
    """

    owners: tuple[NDArray[np.intp], ...]
    weights: tuple[Numbers, ...]
    masks: Numbers
    middle: Numbers
    factors: Numbers
    wide: NDArray[np.intp]
    wide_sums: Numbers

    @staticmethod
    def size(design: CoalitionDesign, n_background: int) -> int:
        """Bytes that the table of a design takes, at most."""
        each = n_background if design.background is None else int(design.background.shape[1])
        return 2 * len(design) * (2 * each + int(design.masks.shape[1])) * 8

    @staticmethod
    def of(mixed: MixedModel, design: CoalitionDesign, players: Players) -> LinkTable:
        """Makes the table of a design.

        Args:
            mixed: The model taken apart, a plan that is a link.
            design: The design.
            players: Who the columns belong to.
        """
        from xaisvc.engine.link_kernel import MOST_SPREAD  # noqa: PLC0415 (heavy: loaded when used)

        owner = {name: i for i, members in enumerate(players.members) for name in members}
        owners = tuple(
            np.array([-1 if name is None else owner[name] for name in tensor.owners], dtype=np.intp)
            for tensor in mixed.plan.tensors
        )
        weights = tuple(layer.weights[:, 0].astype(np.float64) for layer in mixed.plan.layers)
        # One player more, who is in no coalition: columns that are the same in every row.
        parts = _parts(mixed.background, mixed, owners, weights, len(players) + 1)
        masks = np.concatenate([design.masks, ~design.masks])
        away = np.concatenate([~masks, np.ones((len(masks), 1), dtype=np.bool_)], axis=1).astype(np.float64)
        constant = sum(float(layer.bias[0]) for layer in mixed.plan.layers)
        sums = constant + away @ parts.T
        if design.background is not None:
            sums = np.take_along_axis(sums, np.concatenate([design.background, design.background]), axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            low, high = sums.min(axis=1), sums.max(axis=1)
            middle = (low + high) / 2
            wide = np.flatnonzero(high - low > MOST_SPREAD)
            factors = np.exp(-(sums - middle[:, None]).T)
        return LinkTable(
            owners=owners,
            weights=weights,
            masks=np.ascontiguousarray(masks.T, dtype=np.float64),
            middle=middle,
            factors=np.ascontiguousarray(factors),
            wide=wide,
            wide_sums=sums[wide],
        )

    @property
    def n_bytes(self) -> int:
        """Size of the arrays."""
        return self.masks.nbytes + self.factors.nbytes + self.wide_sums.nbytes

    def means(self, parts: Numbers, found: Numbers) -> None:
        """Coalition values of n rows.

        Args:
            parts: See `parts`; float64, (n, p).
            found: Written to; float64, (n, m).
        """
        from xaisvc.attribution.sum_kernel import add_parts  # noqa: PLC0415 (heavy: loaded when used)
        from xaisvc.engine.link_kernel import (  # noqa: PLC0415 (heavy: loaded when used)
            FARTHEST,
            ROWS_AT_ONCE,
            fill_distances,
            link_means,
        )

        count, m = found.shape
        step = max(ROWS_AT_ONCE, _BLOCK_NUMBERS // max(m, 1) // ROWS_AT_ONCE * ROWS_AT_ONCE)
        own = np.empty((min(step, count + -count % ROWS_AT_ONCE), m))
        for start in range(0, count, step):
            block = slice(start, min(start + step, count))
            rows = block.stop - start
            some = np.zeros((rows + -rows % ROWS_AT_ONCE, parts.shape[1]))
            some[:rows] = parts[block]
            fill_distances(some, self.masks, self.middle, FARTHEST, own[: len(some)])
            link_means(np.exp(own[:rows], out=own[:rows]), self.factors, found[block])
        if self.wide.size:
            totals = np.zeros((len(found), self.wide.size))
            add_parts(parts, np.ascontiguousarray(self.masks[:, self.wide]), totals)
            for k, total, sums in zip(self.wide.tolist(), totals.T, self.wide_sums, strict=True):
                found[:, k] = sigmoid(total[:, None] + sums).mean(axis=1)

    def parts(self, columns: Mapping[str, Array], mixed: MixedModel) -> Numbers:
        """What each player's columns make of the log-odds of n rows; float64, (n, p)."""
        p = self.masks.shape[0]
        return np.ascontiguousarray(_parts(columns, mixed, self.owners, self.weights, p + 1)[:, :p])


def _parts(
    columns: Mapping[str, Array],
    mixed: MixedModel,
    owners: tuple[NDArray[np.intp], ...],
    weights: tuple[Numbers, ...],
    n_players: int,
) -> Numbers:
    """Parts of the log-odds by player, the last one for columns of nobody; float64, (n, n_players)."""
    found: Numbers | None = None
    for layer, own, weight in zip(mixed.plan.layers, owners, weights, strict=True):
        matrix = columns[layer.tensor]
        weighted = np.clip(matrix.astype(np.float64) * weight, -_LARGEST_PART, _LARGEST_PART)
        total = np.zeros((len(matrix), n_players)) if found is None else found
        for column, player in enumerate(own.tolist()):  # no matrix product: its bits may depend on the rows beside
            total[:, player] += weighted[:, column]
        found = total
    if found is None:
        raise AssertionError("a link is taken of at least one layer")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPairs:
    """A design evaluated by a `LinkTable`; rows are spread over threads in blocks."""

    problem: Problem
    design: CoalitionDesign
    mixed: MixedModel
    table: LinkTable
    threads: int = 1

    @property
    def detail(self) -> str:
        """How the model is taken apart."""
        return self.mixed.detail

    def __call__(self, rows: Table, check: Callable[[], None]) -> PairValues:
        """Evaluates n rows; see `PairFunction`."""
        q, count, table = len(self.design), len(rows), self.table
        outputs, parts = self._read(rows, check)
        values = np.empty((count, 2 * q))

        def run(block: slice) -> None:
            check()
            table.means(parts[block], values[block])

        if q:
            in_threads(run, *self._blocks(count, 0))
        on, off = values[:, :q], values[:, q:]
        if not (np.isfinite(outputs).all() and np.isfinite(values).all()):
            refuse(self.problem, self.design, rows, outputs, on, off)
        return PairValues(on=on, off=off, outputs=outputs)

    def projected(self, rows: Table, check: Callable[[], None], projector: Projector) -> Projected:
        """Attributes n rows; see `ProjectedFunction`. A block of rows is projected before the next is evaluated.

        So a row has the same bits as if all were evaluated first, and their values need not leave the cache.
        """
        q, count, table = len(self.design), len(rows), self.table
        outputs, parts = self._read(rows, check)
        found = projector.room(outputs)

        def run(part: slice) -> bool:
            values, is_finite = np.empty((BLOCK_ROWS, 2 * q)), True
            for start in range(part.start, min(part.stop, count), BLOCK_ROWS):
                check()
                block = slice(start, min(start + BLOCK_ROWS, part.stop, count))
                some = values[: block.stop - start]
                table.means(parts[block], some)
                is_finite = is_finite and bool(np.isfinite(some).all())
                projector.fill(some[:, :q], some[:, q:], found, block)
            return is_finite

        are_finite = in_threads(run, *self._blocks(count, projector.products))
        if not (np.isfinite(outputs).all() and all(are_finite)):
            self(rows, check)  # says which row it is, and where
        return found

    def _read(self, rows: Table, check: Callable[[], None]) -> tuple[Numbers, Numbers]:
        """f(x) of n rows, and what each player's columns make of their log-odds."""
        check()
        count = len(rows)
        # Whole lanes of rows: so a row's bits do not depend on how many there are; see `LANE_ROWS`.
        filled = np.minimum(np.arange(-(-count // LANE_ROWS) * LANE_ROWS), count - 1)
        feeds = {name: value[filled] for name, value in self.mixed.scoring.feeds(rows).items()}
        outputs = self.mixed.scoring.answers(feeds, len(filled))[:count]
        found = self.mixed.columns(feeds)
        return outputs, self.table.parts({name: value[:count] for name, value in found.items()}, self.mixed)

    def _blocks(self, count: int, products: int) -> tuple[list[slice], int]:
        """Rows that are worked through together, and the threads that they are worth.

        Args:
            count: Number of rows.
            products: Products of a projection for each of them.
        """
        each = self.table.factors.size + products // _PRODUCTS
        step = max(1, BLOCK_MIXED_ROWS // max(each, 1))
        if count * each > _WORTH_A_THREAD:
            step = min(step, -(-count // self.threads))
        return [slice(start, start + step) for start in range(0, count, step)], self.threads


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProjected:
    """A design evaluated by a `LinkTable`, and its projection."""

    pairs: LinkPairs
    projector: Projector

    @property
    def detail(self) -> str:
        """How the model is taken apart."""
        return self.pairs.detail

    def __call__(self, rows: Table, check: Callable[[], None]) -> Projected:
        """Attributes n rows; see `ProjectedFunction`."""
        return self.pairs.projected(rows, check, self.projector)
