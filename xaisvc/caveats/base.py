"""What every caveat rule sees, and the form of a rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from xaisvc.types import Attribution, BundleDescription, Caveat, Output, Players, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class CaveatContext:
    """One call's rows and everything known about them.

    Attributes:
        description: The bundle.
        output: The output that was explained.
        rows: The n rows explained.
        background: The b background rows.
        background_predictions: Output tensor for the background, in the tensor's unit; float64, (b,).
        predictions: Output tensor for the rows, in the tensor's unit; float64, (n,).
        players: Who shares the credit.
        attribution: The numbers.
        association: Strength of association between features in the background, in [0, 1]; float64, (f, f), features in
            the order of the schema.
    """

    description: BundleDescription
    output: Output
    rows: Table
    background: Table
    background_predictions: NDArray[np.float64]
    predictions: NDArray[np.float64]
    players: Players
    attribution: Attribution
    association: NDArray[np.float64]

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


class CaveatRule(Protocol):
    """One thing that can be the matter with an attribution. Rules keep no state."""

    @property
    def kind(self) -> str:
        """Stable name of the caveats it makes."""
        ...

    def find(self, context: CaveatContext) -> list[tuple[Caveat, ...]]:
        """The caveats of each row of the context, in order; an empty tuple where there is nothing to say."""
        ...
