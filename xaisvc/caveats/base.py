"""What every caveat rule sees, and the form of a rule."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xaisvc.caveats.conditional import second_opinion
from xaisvc.caveats.facts import Kept, PlayerFacts
from xaisvc.caveats.leading import are_top
from xaisvc.caveats.numbers import sums_of_parts
from xaisvc.caveats.support_row import ReadRows, RowScreen, read_rows, read_support
from xaisvc.caveats.thresholds import CaveatThresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.types import Attribution, BundleDescription, Finding, Output, Players, Table
    from xaisvc.types.second_opinion import SecondOpinion
    from xaisvc.types.studies import Studies
    from xaisvc.types.support import RowSupport
    from xaisvc.types.units import UnitChanges


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
    def leading(self) -> NDArray[np.bool_]:
        """Which players lead each row's explanation; bool, (n, p)."""
        return are_top(self.attribution.values)

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
            together=self.facts.together,
            thresholds=self.thresholds.opinion,
        )

    @cached_property
    def part_sums(self) -> NDArray[np.float64]:
        """Sums that hold under both value functions; see `sums_of_parts`. Only where there is a second opinion."""
        opinion = self.opinion
        if opinion is None:
            raise AssertionError("rules ask for sums only where there is an opinion")
        return sums_of_parts(self, opinion)

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


class CaveatRule(Protocol):
    """One thing that can be the matter with an attribution. Rules keep no state.

    A message is the same for all rows with the same kind, severity and players: it may hold names and what was found
    about the bundle. Figures of the row are evidence.
    """

    @property
    def kind(self) -> str:
        """Stable name of the caveats it makes."""
        ...

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """What is the matter with the rows of the context, decided for all rows at once.

        Of what is said of the same row, the first finding comes first among those of the same severity.
        """
        ...
