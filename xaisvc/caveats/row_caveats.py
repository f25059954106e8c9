"""The caveats of many rows, looked for when somebody reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

from xaisvc.types import CaveatTable

if TYPE_CHECKING:
    from xaisvc.types import Caveat, Finding

_KEPT_PIECES = 4


@dataclass(frozen=True, slots=True)
class Pieces:
    """Rows cut into pieces that are looked at together.

    Attributes:
        rows: Rows of a piece.
        find: The findings of the rows from a first one to before a last one.
    """

    rows: int
    find: Callable[[int, int], tuple[Finding, ...]]


class RowCaveats(Sequence[tuple["Caveat", ...]]):
    """The caveats of n rows: one tuple per row, most severe first, then in the order of the rules.

    Which rows of a piece have caveats, and with which figures, is decided for all of them at once when somebody first
    reads one; the objects of a row are made when that row is read. A few pieces are kept, so that reading in order
    looks at each piece once, and memory does not grow with the rows. Safe to use from several threads.

    Args:
        cut: Cuts the rows into pieces; asked when somebody first reads.
        count: Rows n.
    """

    def __init__(self, cut: Callable[[], Pieces], count: int) -> None:
        self._cut = cut
        self._count = count
        self._known: dict[int, CaveatTable] = {}

    @cached_property
    def _pieces(self) -> Pieces:
        return self._cut()

    def _found(self, piece: int) -> CaveatTable:
        """The caveats of a piece. Two threads may both look; they find the same."""
        known = self._known.get(piece)
        if known is None:
            start = piece * self._pieces.rows
            stop = min(start + self._pieces.rows, self._count)
            known = CaveatTable.joined(self._pieces.find(start, stop), stop - start)
            if len(self._known) >= _KEPT_PIECES:
                self._known.pop(next(iter(self._known.copy()), -1), None)
            self._known[piece] = known
        return known

    @property
    def table(self) -> CaveatTable:
        """The caveats of all rows side by side, without an object for each."""
        if not self._count:
            return CaveatTable.none(0)
        return CaveatTable.concat([self._found(piece) for piece in range(-(-self._count // self._pieces.rows))])

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
        piece, row = divmod(range(self._count)[index], self._pieces.rows)
        return self._found(piece)[row]
