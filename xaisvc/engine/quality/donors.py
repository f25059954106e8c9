"""On-manifold replacement for quality reports: donors among the background rows that are near in what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.structure.donors import survey
from xaisvc.types import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CANDIDATES: Final = 500
"""Most background rows that may stand in: an explained row looks at each of them for every mask."""
NEAREST: Final = 5
NEAREST_SHARE: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalReplacement:
    """Donors drawn from the background rows nearest to the row in the features that it keeps.

    An approximation of x_rest given x_S. Near is the Euclidean distance over the coordinates of
    `xaisvc.structure.donors` (ranks and indicators), each kept player weighted with its strongest squared association
    with a player that is taken away: features that have nothing to do with what is replaced do not decide. A donor is
    one of the nearest max(5, 2 %) rows and gives all values that are taken away, so these go together as in the data.
    Where no association is beyond chance every background row is near, which is background replacement.

    Attributes:
        candidates: Background rows that may stand in; intp, (b,).
        apart: Squared distance of explained rows and candidates for each player; float32, (n, p, b).
        links: Strongest squared association between players; float64, (p, p).
        lots: Breaks ties; float64, (n, b).
        drawn: Which of the nearest is taken, from 0 to 1; float64, (n, d).
    """

    candidates: NDArray[np.intp]
    apart: NDArray[np.float32]
    links: Floats
    lots: NDArray[np.float32]
    drawn: Floats

    @classmethod
    def of(
        cls,
        rows: Table,
        background: Table,
        members: tuple[tuple[int, ...], ...],
        n_draws: int,
        rng: np.random.Generator,
    ) -> ConditionalReplacement:
        """Measures how rows and background lie to each other. Memory: 4 bytes for each row, player and candidate."""
        chosen = np.sort(rng.permutation(len(background))[:CANDIDATES])
        candidates = background.take(chosen)
        b, n = len(candidates), len(rows)
        known = survey(background)
        both = survey(Table.concat([candidates, rows]))
        owner = np.empty(len(background.feature_ids), dtype=np.intp)
        for player, owned in enumerate(members):
            owner[list(owned)] = player
        p = len(members)
        apart = np.zeros((n, p, b), dtype=np.float32)
        for coordinate, column in enumerate(both.owners):
            values = both.places[:, coordinate].astype(np.float32)
            apart[:, owner[column], :] += (values[b:, None] - values[None, :b]) ** 2
        links = np.zeros((p, p))
        np.maximum.at(links, (owner[:, None], owner[None, :]), known.links)
        np.fill_diagonal(links, 0.0)
        drawn = (np.arange(n_draws) + rng.random((n, n_draws))) / n_draws
        lots = rng.random((n, b), dtype=np.float32) * np.float32(1e-4)
        return cls(candidates=chosen, apart=apart, links=links, lots=lots, drawn=drawn)

    @property
    def name(self) -> str:
        """See `Replacement`."""
        return "conditional"

    def donors(self, places: NDArray[np.intp], keep: NDArray[np.bool_]) -> NDArray[np.intp]:
        """See `Replacement`."""
        b = self.apart.shape[2]
        near = min(max(NEAREST, int(b * NEAREST_SHARE)), b)
        found = np.empty((len(places), keep.shape[1], self.drawn.shape[1]), dtype=np.intp)
        for i, place in enumerate(places):
            kept = keep[i]
            weights = np.where(kept, _strongest(self.links, ~kept), 0.0).astype(np.float32)
            distance = weights @ self.apart[place] + self.lots[place]
            nearest = np.argpartition(distance, near - 1, axis=1)[:, :near] if near < b else _all(len(kept), b)
            free = weights.max(axis=1) == 0  # nothing that is kept says anything about the rest
            chosen = nearest[:, (self.drawn[place] * near).astype(np.intp)]
            chosen[free] = (self.drawn[place] * b).astype(np.intp)
            found[i] = self.candidates[chosen]
        return found


def _strongest(links: Floats, absent: NDArray[np.bool_]) -> Floats:
    """For each mask and player the strongest link with a player that is absent; float64, (m, p)."""
    strongest = np.zeros(absent.shape)
    for player, link in enumerate(links):
        np.maximum(strongest, np.where(absent[:, player, None], link[None, :], 0.0), out=strongest)
    return strongest


def _all(m: int, b: int) -> NDArray[np.intp]:
    return np.broadcast_to(np.arange(b), (m, b))
