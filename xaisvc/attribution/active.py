"""Players that can matter: those that the graph does not prove to be without influence on the output.

An explanation that credits a feature the model never used is worse than none. A sampled estimate would give such a
player a small number; here it takes no part in any coalition and gets exactly 0, and the others share the budget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.attribution.sampling import Sampled
    from xaisvc.types import Problem, Table
    from xaisvc.types.sampling import (
        CoalitionDesign,
        CoalitionGames,
        PairFunction,
        Projected,
        ProjectedFunction,
        Projection,
    )


def active_players(problem: Problem) -> NDArray[np.intp]:
    """Places of the players with a feature that may reach the output; one at least, intp, (a,)."""
    found = [i for i, members in enumerate(problem.players.members) if not problem.inert.issuperset(members)]
    return np.array(found or [0], dtype=np.intp)


@dataclass(frozen=True, slots=True)
class ActiveGames:
    """The games of the a active players among p. The others take the background's values in one coalition of a pair.

    Attributes:
        games: The games of all players.
        active: Places of the active ones; intp, (a,).
        p: Number of all players.
    """

    games: CoalitionGames
    active: NDArray[np.intp]
    p: int

    @property
    def none(self) -> float:
        """v0: the mean output over the background."""
        return self.games.none

    def evaluate(self, design: CoalitionDesign) -> PairFunction:
        """Makes a design of the active players ready."""
        return self.games.evaluate(self._for_all(design))

    def attribute(self, design: CoalitionDesign, projection: Projection) -> ProjectedFunction:
        """Makes a design of the active players and its projection ready."""
        whole = projection_for_all(projection, self.active, self.p)
        return _Active(self.games.attribute(self._for_all(design), whole), self.active)

    def _for_all(self, design: CoalitionDesign) -> CoalitionDesign:
        masks = np.zeros((len(design), self.p), dtype=np.bool_)
        masks[:, self.active] = design.masks
        return replace(design, masks=masks)


@dataclass(frozen=True, slots=True)
class _Active:
    """Attributions of all players, cut to the active ones."""

    whole: ProjectedFunction
    active: NDArray[np.intp]

    @property
    def detail(self) -> str:
        """How it runs."""
        return self.whole.detail

    def __call__(self, rows: Table, check: Callable[[], None]) -> Projected:
        """Attributes n rows; see `ProjectedFunction`."""
        found = self.whole(rows, check)
        return replace(
            found, values=found.values[:, self.active], standard_errors=found.standard_errors[:, self.active]
        )


def only(games: CoalitionGames, active: NDArray[np.intp], p: int) -> CoalitionGames:
    """The games of the active players."""
    return games if len(active) == p else ActiveGames(games, active, p)


def projection_for_all(projection: Projection, active: NDArray[np.intp], p: int) -> Projection:
    """A projection for the active players as one for all p: the others get 0."""

    def lifted(array: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        shape = [*array.shape]
        shape[axis] = p
        found = np.zeros(shape)
        np.moveaxis(found, axis, 0)[active] = np.moveaxis(array, axis, 0)
        return found

    return replace(
        projection,
        weights=lifted(projection.weights, 0),
        share=lifted(projection.share, 0),
        spread=lifted(projection.spread, 1),
        spread_share=lifted(projection.spread_share, 1),
        scale=lifted(projection.scale, 0),
    )


def for_all(found: Sampled, active: NDArray[np.intp], p: int) -> Sampled:
    """An answer for the active players as one for all: the others get exactly 0."""
    if len(active) == p:
        return found
    values, errors = np.zeros((2, len(found.values), p))
    values[:, active], errors[:, active] = found.values, found.standard_errors
    return replace(found, values=values, standard_errors=errors)


def inert_text(active: NDArray[np.intp], p: int) -> str:
    """A sentence on players that got exactly 0; empty if there are none."""
    n = p - len(active)
    if not n:
        return ""
    return f" {n} of {p} players cannot reach the output, as the graph shows, and get exactly 0."
