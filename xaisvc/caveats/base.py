"""What every caveat rule sees, and the form of a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np

from xaisvc.types import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from xaisvc.caveats.coverage import Coverage
    from xaisvc.types import Attribution, BundleDescription, Caveat, Output, Players, Table

_ORDER = {Severity.UNRELIABLE: 0, Severity.CARE: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaveatContext:
    """One call's rows and everything known about them.

    Attributes:
        description: The bundle.
        output: The output that was explained.
        rows: The n rows explained.
        coverage: What the b background rows cover.
        background_predictions: Output tensor for the background, in the tensor's unit, ascending; float64, (b,).
        predictions: Output tensor for the rows, in the tensor's unit; float64, (n,).
        players: Who shares the credit.
        attribution: The numbers.
        association: Strength of association between features in the background, in [0, 1]; float64, (f, f), features in
            the order of the schema.
    """

    description: BundleDescription
    output: Output
    rows: Table
    coverage: Coverage
    background_predictions: NDArray[np.float64]
    predictions: NDArray[np.float64]
    players: Players
    attribution: Attribution
    association: NDArray[np.float64]

    def part(self, start: int, stop: int) -> CaveatContext:
        """The context of the rows from `start` to before `stop`; views, no copies."""
        found = self.attribution
        piece = slice(start, stop)
        return replace(
            self,
            rows=self.rows.take(piece),
            predictions=self.predictions[piece],
            attribution=replace(
                found,
                values=found.values[piece],
                base_values=found.base_values[piece],
                outputs=found.outputs[piece],
                standard_errors=found.standard_errors[piece],
                model_evaluations=found.model_evaluations[piece],
                diagnostics=found.diagnostics[piece],
            ),
        )

    def shares(self) -> NDArray[np.float64]:
        """Each player's share of the row's total absolute attribution; float64, (n, p), zero if the total is zero."""
        magnitude = np.abs(self.attribution.values)
        total = magnitude.sum(axis=1, keepdims=True)
        shares: NDArray[np.float64] = magnitude / np.where(total > 0, total, 1.0)
        return shares

    def owners(self, features: Collection[str]) -> tuple[str, ...]:
        """Names of the players that hold any of these features."""
        pairs = zip(self.players.names, self.players.members, strict=True)
        return tuple(name for name, members in pairs if not set(features).isdisjoint(members))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is the matter with some rows.

    Attributes:
        speaks: Which rows it is the matter with; bool, (n,).
        caveat: Makes the caveat of such a row from the row's index. Called only when somebody reads it.
    """

    speaks: NDArray[np.bool_]
    caveat: Callable[[int], Caveat]


class CaveatRule(Protocol):
    """One thing that can be the matter with an attribution. Rules keep no state."""

    @property
    def kind(self) -> str:
        """Stable name of the caveats it makes."""
        ...

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """What is the matter with the rows of the context, decided for all rows at once."""
        ...


class RowCaveats(Sequence[tuple["Caveat", ...]]):
    """The caveats of n rows: one tuple per row, most severe first, then in the order of the rules.

    Which rows have caveats is decided for all rows at once when somebody first reads one; the texts and figures of a
    row are made when that row is read. Safe to use from several threads.

    Args:
        find: The findings of each piece of rows.
        piece_rows: Rows of a piece.
        count: Rows n.
    """

    def __init__(self, find: Callable[[], Sequence[tuple[Finding, ...]]], piece_rows: int, count: int) -> None:
        self._find = find
        self._piece_rows = piece_rows
        self._count = count

    @cached_property
    def _findings(self) -> Sequence[tuple[Finding, ...]]:
        # Two threads may both look; they find the same.
        return self._find()

    def __len__(self) -> int:
        """Number of rows n."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> tuple[Caveat, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[Caveat, ...], ...]: ...

    def __getitem__(self, index: int | slice) -> tuple[Caveat, ...] | tuple[tuple[Caveat, ...], ...]:
        """The caveats of one row, or of several for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(self._count)[index])
        place = range(self._count)[index]
        piece, row = divmod(place, self._piece_rows)
        found = [finding.caveat(row) for finding in self._findings[piece] if finding.speaks[row]]
        return tuple(sorted(found, key=lambda caveat: _ORDER[caveat.severity]))
