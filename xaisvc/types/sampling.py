"""The values of sampling: which coalitions are evaluated, and the linear map from their values to attributions.

Coalitions are shared by all rows of a plan, so the map from coalition values to attributions is constant: it can be
part of an ONNX graph, and it is worked out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from xaisvc.types.table import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class CoalitionDesign:
    """q complementary pairs of coalitions of p players, and the background rows that each pair is averaged over.

    The empty coalition and that of all players are no part of it: their values are v0 and f(x).

    Attributes:
        masks: One coalition of each pair, True where a player keeps the row's values; bool, (q, p).
        background: Background rows that stand in for absent players, the same for both coalitions of a pair; int64,
            (q, d). None for all rows of the background in every pair.
    """

    masks: NDArray[np.bool_]
    background: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Number of pairs q."""
        return len(self.masks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Attributions as a constant linear map of a design's coalition values.

    With y_k = (v(S_k) - v(not S_k)) / 2 and total = f(x) - v0,

        values            = weights @ y + share * total
        standard_errors^2 = sum over r of (spread[r] @ y + spread_share[r] * total)^2
                            + scale^2 * |energy @ y + energy_share * total|^2

    Values sum to total: the columns of `weights` sum to 0 and `share` sums to 1.

    Attributes:
        weights: float64, (p, q).
        share: float64, (p,).
        spread: Maps to the deviations of r replicates, scaled to standard errors; float64, (r, p, q), r may be 0.
        spread_share: float64, (r, p).
        scale: float64, (p,).
        energy: float64, (e, q), e may be 0.
        energy_share: float64, (e,).
    """

    weights: NDArray[np.float64]
    share: NDArray[np.float64]
    spread: NDArray[np.float64]
    spread_share: NDArray[np.float64]
    scale: NDArray[np.float64]
    energy: NDArray[np.float64]
    energy_share: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairValues:
    """Coalition values of n rows for a design of q pairs.

    Attributes:
        on: v(S_k), the mean output over the pair's background rows; float64, (n, q).
        off: v(not S_k); float64, (n, q).
        outputs: f(x) of each row; float64, (n,).
    """

    on: NDArray[np.float64]
    off: NDArray[np.float64]
    outputs: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """What a projection makes of n rows.

    Attributes:
        values: float64, (n, p).
        standard_errors: float64, (n, p).
        outputs: f(x) of each row; float64, (n,).
    """

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    outputs: NDArray[np.float64]


class PairFunction(Protocol):
    """A design made ready to be evaluated. Safe to call from several threads."""

    @property
    def detail(self) -> str:
        """How it runs, one sentence for the answer's method detail; empty if there is nothing to say."""
        ...

    def __call__(self, rows: Table, check: Callable[[], None]) -> PairValues:
        """Evaluates n rows; a row's numbers are the same bits in any company.

        Args:
            rows: n rows of raw features.
            check: Called often; raises AbandonedError once nobody waits.

        Raises:
            ModelOutputError: If the model's answers are not finite.
        """
        ...


class ProjectedFunction(Protocol):
    """A design and its projection made ready as one function. Safe to call from several threads."""

    @property
    def detail(self) -> str:
        """As `PairFunction.detail`."""
        ...

    def __call__(self, rows: Table, check: Callable[[], None]) -> Projected:
        """Attributes n rows; see `PairFunction`."""
        ...


class CoalitionGames(Protocol):
    """Evaluates designs on one model, background and set of players."""

    @property
    def none(self) -> float:
        """v0: the mean output over the background."""
        ...

    def evaluate(self, design: CoalitionDesign) -> PairFunction:
        """Makes a design ready."""
        ...

    def attribute(self, design: CoalitionDesign, projection: Projection) -> ProjectedFunction:
        """Makes a design and its projection ready, as one graph where that is faster."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudDraws:
    """m draws that surround any row; the first stands for the row itself.

    Attributes:
        size: m.
        moves: What is added to the row's number in each draw, for numeric features; float64, (m,) each.
        whole: Numeric features that are rounded to whole numbers after it, except in the first draw.
        values: The value in each draw, for all other features; (m,) each, the first as any other.
    """

    size: int
    moves: Mapping[str, NDArray[np.float64]]
    whole: frozenset[str]
    values: Mapping[str, Column]

    @property
    def n_bytes(self) -> int:
        """Memory that they take."""
        return sum(part.nbytes for part in (*self.moves.values(), *self.values.values()))

    def only(self, names: Collection[str]) -> CloudDraws:
        """The draws of some features."""
        return CloudDraws(
            size=self.size,
            moves={name: moves for name, moves in self.moves.items() if name in names},
            whole=self.whole.intersection(names),
            values={name: values for name, values in self.values.items() if name in names},
        )

    def around(self, rows: Table, place: int, chunk: slice, names: Iterable[str]) -> Table:
        """Some draws around the row at `place` as rows of a table, with the features `names`."""
        drawn: dict[str, Column] = {}
        for name in names:
            own = rows.columns[name][place]
            if name in self.moves:
                numbers = np.asarray(own + self.moves[name][chunk], dtype=np.float64)
                column: Column = np.round(numbers) if name in self.whole else numbers
            else:
                column = self.values[name][chunk]
                column = column.copy() if chunk.start == 0 else column
            if chunk.start == 0:
                column[0] = own
            drawn[name] = column
        return Table(drawn)


class Cloud(Protocol):
    """Draws made ready for a model. Safe to call from several threads."""

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        ...

    @property
    def most_draws(self) -> int:
        """Draws to ask about in one call: few enough that work can be given up between calls."""
        ...

    def __call__(self, rows: Table, place: int, chunk: slice) -> NDArray[np.float64]:
        """Asks the model about some draws around a row: the same numbers as for `CloudDraws.around` as model rows.

        Args:
            rows: Rows of raw features.
            place: The row among them.
            chunk: The draws, start and stop given.

        Returns:
            The explained number of each draw; float64, (stop - start,).

        Raises:
            ModelOutputError: If the model's answers are not finite.
        """
        ...


class CloudModel(Protocol):
    """A model that is asked about the same draws around many rows."""

    def prepare(self, draws: CloudDraws) -> Cloud:
        """Makes draws ready."""
        ...


class TableLookUp(Protocol):
    """Looks up the tables of a tree plan on a device. Safe to call from several threads."""

    def add(
        self,
        arrays: Mapping[str, NDArray[np.generic]],
        matrix: NDArray[np.float64],
        values: NDArray[np.float64],
        *,
        double: bool,
    ) -> bool:
        """Adds the attributions of n rows.

        Args:
            arrays: Arrays of a tree plan; never changed by anybody.
            matrix: Column matrix of the rows as the model compares it; float64, (n, c).
            values: Added to, in output units; float64, (k, n, p).
            double: Whether the model compares float64 numbers; otherwise `matrix` holds float32 numbers.

        Returns:
            Whether it was done; False where the caller's own look-up is the better way, and `values` are as they were.
        """
        ...


class PlanStore(Protocol):
    """Keeps what a bundle alone decides, so that it is worked out once. Never holds anything of a request."""

    def keep(self, key: str, make: Callable[[], object], n_bytes: Callable[[object], int]) -> object:
        """The value for `key`, made when first asked for and kept in memory within a bound.

        Args:
            key: Holds everything beside the bundle's digests that decides the value; text.
            make: Makes it.
            n_bytes: Its size in bytes.
        """
        ...

    def keep_arrays(
        self, key: str, make: Callable[[], Mapping[str, NDArray[np.generic]]]
    ) -> Mapping[str, NDArray[np.generic]]:
        """As `keep`, for arrays that are worth a file: kept on disk too, and read-only when they come from there."""
        ...
