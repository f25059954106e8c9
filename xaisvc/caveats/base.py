"""What every caveat rule sees, and the form of a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import compress
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np

from xaisvc.caveats.conditional import second_opinion
from xaisvc.caveats.facts import Kept, PlayerFacts
from xaisvc.caveats.support_row import ReadRows, RowScreen, read_rows, read_support
from xaisvc.caveats.thresholds import CaveatThresholds
from xaisvc.types import Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Attribution, BundleDescription, Caveat, Output, Players, Table
    from xaisvc.types.second_opinion import SecondOpinion
    from xaisvc.types.studies import Studies
    from xaisvc.types.support import RowSupport
    from xaisvc.types.units import UnitChanges

_KEPT_PIECES = 4

_ORDER = {Severity.UNRELIABLE: 0, Severity.CARE: 1, Severity.INFO: 2}


@dataclass(frozen=True, kw_only=True)
class CaveatContext:
    """One call's rows and everything known about them.

    Attributes:
        description: The bundle.
        output: The output that was explained.
        rows: The n rows explained, features in the order of the bundle's schema.
        background_predictions: Output tensor for the background, in the tensor's unit, ascending; float64, (b,).
        predictions: Output tensor for the rows, in the tensor's unit; float64, (n,).
        players: Who shares the credit, p of them.
        attribution: The numbers.
        studies: What was studied once for the bundle, the output and the players.
        screen: What follows from `studies.support` alone.
        thresholds: When to speak.
        kept: Keeps what follows from the studies and the players; the same one for all calls of a bundle saves that
            work.
    """

    description: BundleDescription
    output: Output
    rows: Table
    background_predictions: NDArray[np.float64]
    predictions: NDArray[np.float64]
    players: Players
    attribution: Attribution
    studies: Studies
    screen: RowScreen
    thresholds: CaveatThresholds = field(default_factory=CaveatThresholds)
    kept: Kept = field(default_factory=Kept)

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

    @property
    def is_surrogate(self) -> bool:
        """Whether the numbers are weights of a local surrogate, as LIME's are."""
        return self.attribution.value_function == "local_surrogate"

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """Absolute attributions; float64, (n, p)."""
        return np.abs(self.attribution.values)

    @cached_property
    def largest(self) -> NDArray[np.float64]:
        """Largest absolute attribution of each row; float64, (n,)."""
        return np.asarray(self.sizes.max(axis=1, initial=0.0))

    @cached_property
    def totals(self) -> NDArray[np.float64]:
        """Total absolute attribution T of each row; float64, (n,)."""
        return np.asarray(self.sizes.sum(axis=1))

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Each player's share of the row's total absolute attribution; float64, (n, p), zero if the total is zero."""
        totals = self.totals
        return np.asarray(self.sizes / np.where(totals > 0, totals, 1.0)[:, None])

    @cached_property
    def facts(self) -> PlayerFacts:
        """What the studies say of the players."""
        return self.kept.facts(self.studies, self.players, self.thresholds.info_association)

    @property
    def unused(self) -> NDArray[np.bool_]:
        """Players all of whose features are proven to be unused; bool, (p,)."""
        return self.facts.unused

    @property
    def relied(self) -> NDArray[np.bool_]:
        """Players that the model was seen to use, if rarely; bool, (p,)."""
        return self.facts.relied

    @cached_property
    def _read(self) -> ReadRows:
        return read_rows(self.screen, self.rows)

    @cached_property
    def support(self) -> RowSupport:
        """How the rows lie in the support of the background."""
        return read_support(self.screen, self._read)

    @cached_property
    def units(self) -> UnitChanges:
        """Single values that a change of unit may explain; nothing about the rows together."""
        return self.facts.units.changes(self._read.values)

    @cached_property
    def opinion(self) -> SecondOpinion | None:
        """What the conditional values say; None where there are none: LIME, and players that nobody studied."""
        reader = self.facts.reader
        if reader is None or not self.compared:
            return None
        errors = self.attribution.standard_errors
        if self.studies.spread is not None:
            errors = np.hypot(errors, self.studies.spread.background_errors)
        return second_opinion(
            self.attribution.values,
            errors,
            reader.gaps(self.rows),
            self.unused,
            relied=self.relied,
            thresholds=self.thresholds.opinion,
        )

    @property
    def compared(self) -> bool:
        """Whether there is a second opinion."""
        return self.facts.reader is not None and not self.is_surrogate

    @property
    def differing(self) -> SecondOpinion | None:
        """The second opinion, unless it cannot differ: no players go together, and none is proven to be unused."""
        facts = self.facts
        if not self.compared or not (facts.unused_any or facts.linked_any):
            return None
        return self.opinion

    def names(self, chosen: Sequence[bool] | NDArray[np.bool_]) -> tuple[str, ...]:
        """Names of some players.

        Args:
            chosen: Whether each player is meant; p of them.
        """
        return tuple(compress(self.players.names, chosen))

    def named(self, places: Sequence[int]) -> tuple[str, ...]:
        """Names of the players at some places."""
        return tuple(self.players.names[i] for i in places)


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
    """One thing that can be the matter with an attribution. Rules keep no state.

    A message is the same for all rows with the same kind, severity and players, so that it is made once and not for
    each row: it may hold names and what was found about the bundle. Figures of the row are evidence.
    """

    @property
    def kind(self) -> str:
        """Stable name of the caveats it makes."""
        ...

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """What is the matter with the rows of the context, decided for all rows at once."""
        ...


def everywhere(context: CaveatContext, caveat: Caveat) -> tuple[Finding, ...]:
    """The same caveat for every row."""
    return (Finding(np.ones(len(context.rows), dtype=np.bool_), lambda _: caveat),)


def by_players(
    context: CaveatContext, chosen: NDArray[np.bool_], caveat: Callable[[tuple[str, ...], str, int], Caveat], say: Say
) -> tuple[Finding, ...]:
    """A finding about players that differ from row to row.

    Args:
        context: The rows.
        chosen: The players it is about; bool, (n, p). It speaks where there are any.
        caveat: Makes the caveat from the players' names, the message and the row's index.
        say: Makes the message from the players' names; asked once for the same players.
    """
    speaks = np.asarray(chosen.any(axis=1))
    if not speaks.any():
        return ()
    said = cache(say)

    def make(row: int) -> Caveat:
        names = context.names(chosen[row].tolist())
        return caveat(names, said(names), row)

    return (Finding(speaks, make),)


class Say(Protocol):
    """Puts into words what is said of some players."""

    def __call__(self, names: tuple[str, ...], /) -> str:
        """The sentence."""
        ...


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

    Which rows of a piece have caveats is decided for all of them at once when somebody first reads one; the texts and
    figures of a row are made when that row is read. The findings of a few pieces are kept, so that reading in order
    looks at each piece once, and memory does not grow with the rows. Safe to use from several threads.

    Args:
        cut: Cuts the rows into pieces; asked when somebody first reads.
        count: Rows n.
    """

    def __init__(self, cut: Callable[[], Pieces], count: int) -> None:
        self._cut = cut
        self._count = count
        self._known: dict[int, tuple[Finding, ...]] = {}

    @cached_property
    def _pieces(self) -> Pieces:
        return self._cut()

    def _found(self, piece: int) -> tuple[Finding, ...]:
        """The findings of a piece. Two threads may both look; they find the same."""
        known = self._known.get(piece)
        if known is None:
            start = piece * self._pieces.rows
            known = self._pieces.find(start, min(start + self._pieces.rows, self._count))
            if len(self._known) >= _KEPT_PIECES:
                self._known.pop(next(iter(self._known.copy()), -1), None)
            self._known[piece] = known
        return known

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
        piece, row = divmod(place, self._pieces.rows)
        found = [finding.caveat(row) for finding in self._found(piece) if finding.speaks[row]]
        if len(found) > 1:
            found.sort(key=_severity)
        return tuple(found)


def _severity(caveat: Caveat) -> int:
    return _ORDER[caveat.severity]
