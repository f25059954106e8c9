"""Several methods asked about the same rows, each told where it and the first one disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

from xaisvc.caveats import method_disagreement
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.engine.batch import ExplanationBatch
    from xaisvc.types import Caveat

_FEWEST = 2


def check_methods(methods: Sequence[str]) -> None:
    """Refuses what cannot be compared.

    Raises:
        InvalidRequestError: If fewer than two methods are named, or one twice.
    """
    if isinstance(methods, str) or len(methods) < _FEWEST or len(set(methods)) < len(methods):
        raise InvalidRequestError.of("methods", "name two methods or more to compare, each once, such as tree and lime")


def compared(batches: Mapping[str, ExplanationBatch]) -> dict[str, ExplanationBatch]:
    """The batches of several methods for the same rows and players, with what they disagree on among the caveats.

    Args:
        batches: Method, as it was asked for, to its batch. All others are compared with the first.
    """
    (name, first), *others = batches.items()
    between = {
        other: method_disagreement(first.attribution, batch.attribution, first.players) for other, batch in others
    }
    found = {name: replace(first, caveats=_Joined([first.caveats, *between.values()]))}
    found |= {other: replace(batch, caveats=_Joined([batch.caveats, between[other]])) for other, batch in others}
    return found


class _Joined(Sequence[tuple["Caveat", ...]]):
    """The caveats of n rows from several sources: one tuple per row, most severe first."""

    def __init__(self, parts: Sequence[Sequence[tuple[Caveat, ...]]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts[0])

    @overload
    def __getitem__(self, index: int) -> tuple[Caveat, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[Caveat, ...], ...]: ...

    def __getitem__(self, index: int | slice) -> tuple[Caveat, ...] | tuple[tuple[Caveat, ...], ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        found = [caveat for part in self._parts for caveat in part[index]]
        return tuple(sorted(found, key=lambda caveat: caveat.severity.rank))
