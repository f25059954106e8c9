"""What drove the outcomes of many records: each concept's share of the total absolute influence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.cohorts.proportions import share_between, student
from xaisvc.types.cohort import MIN_CELL, Driver, Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.cohorts.columns import Columns, Question

MOST_OF_ONE_PERSON = 0.5
"""Largest part of a sum that may come from one person."""

MOST_OF_ONE_CONCEPT = 0.6
"""Largest part of what is told together that may come from one concept."""

_FEWEST_TOGETHER = 3
UNRELIABLE = 2
"""Level of records whose explanation must not be relied on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Players that readers think of as one.

    Attributes:
        concept: Id of the concept, or name of the player that stands alone.
        features: Ids of its features.
        players: Places of its players.
    """

    concept: str
    features: tuple[str, ...]
    players: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Driven:
    """Shares of g concepts over the n records that may be relied on.

    Attributes:
        groups: The concepts; the last one may hold several, with an empty id.
        n: Number of records.
        shares: Share of the total absolute influence; float64, (g,).
        errors: Standard errors of `shares`; float64, (g,).
        against: Share of a concept's own influence that is towards the adverse side; float64, (g,).
        against_errors: Standard errors of `against`; float64, (g,).
    """

    groups: tuple[Group, ...]
    n: int
    shares: NDArray[np.float64]
    errors: NDArray[np.float64]
    against: NDArray[np.float64]
    against_errors: NDArray[np.float64]

    def drivers(self) -> tuple[Driver, ...]:
        """In whole percent, largest share first; what holds several concepts comes last."""
        t = student(self.n)
        order = sorted(range(len(self.groups)), key=lambda j: (not self.groups[j].concept, -self.shares[j], j))
        return tuple(
            Driver(
                concept=self.groups[j].concept,
                features=self.groups[j].features,
                share=_share(self.shares[j], t * self.errors[j]),
                against=_share(self.against[j], t * self.against_errors[j]),
            )
            for j in order
        )


def _share(value: float, half: float) -> Share:
    return share_between(float(value), float(value - half), float(value + half))


def ratio(parts: NDArray[np.float64], wholes: NDArray[np.float64]) -> tuple[float, float]:
    """The ratio of two sums over records and its standard error, by linearisation.

    With `r = sum(parts) / sum(wholes)` and `d_i = parts_i - r wholes_i`, the error is
    `sd(d) / (sqrt(n) mean(wholes))` (Cochran, Sampling Techniques, 1977, section 6.4).

    Args:
        parts: float64, (n,).
        wholes: float64, (n,); not all zero.
    """
    r = float(parts.sum() / wholes.sum())
    residuals = parts - r * wholes
    return r, float(residuals.std(ddof=1) / (np.sqrt(len(parts)) * wholes.mean()))


def make_groups(question: Question) -> tuple[Group, ...]:
    """The players by concept, in the order of the players; players of several concepts stand alone."""
    concept_of = {feature.id: feature.concept for feature in question.features}
    found: dict[tuple[bool, str], list[int]] = {}
    for place, (name, members) in enumerate(zip(question.names, question.players, strict=True)):
        concepts = {concept_of[member] for member in members}
        concept = concepts.pop() if len(concepts) == 1 else None
        found.setdefault((concept is not None, concept or name), []).append(place)
    return tuple(
        Group(concept=name, features=tuple(f for i in places for f in question.players[i]), players=tuple(places))
        for (_, name), places in found.items()
    )


def find_drivers(columns: Columns, question: Question) -> Driven | None:
    """Each concept's share of the influence of everything that may be shown.

    The influence of a concept on a record is the sum of the absolute attributions of its players. Records whose
    explanation must not be relied on are left out. A concept to which one person gives most of the influence is told
    together with others.

    Returns:
        The shares; None if too few records can be relied on, or one person's influence cannot be hidden.
    """
    values = columns.values[columns.levels < UNRELIABLE]
    groups = make_groups(question)
    if len(values) < MIN_CELL or not groups:
        return None
    influence = np.stack([np.abs(values[:, group.players]).sum(axis=1) for group in groups], axis=1)
    towards = np.maximum(question.adverse_sign * values, 0)
    against = np.stack([towards[:, group.players].sum(axis=1) for group in groups], axis=1)
    used = np.flatnonzero(influence.any(axis=0))
    influence, against, groups = influence[:, used], against[:, used], tuple(groups[j] for j in used.tolist())
    if not groups or _of_one(influence.sum(axis=1)) > MOST_OF_ONE_PERSON:
        return None
    together = _together(influence)
    if together is None:
        return None
    alone = [j for j in range(len(groups)) if j not in together]
    if together:
        groups = (*(groups[j] for j in alone), _joined([groups[j] for j in together]))
        influence = np.column_stack([influence[:, alone], influence[:, together].sum(axis=1)])
        against = np.column_stack([against[:, alone], against[:, together].sum(axis=1)])
    whole = influence.sum(axis=1)
    shares = [ratio(own, whole) for own in influence.T]
    sides = [ratio(own, all_) for own, all_ in zip(against.T, influence.T, strict=True)]
    return Driven(
        groups=groups,
        n=len(values),
        shares=np.array([one for one, _ in shares]),
        errors=np.array([error for _, error in shares]),
        against=np.array([one for one, _ in sides]),
        against_errors=np.array([error for _, error in sides]),
    )


def watched_share(columns: Columns, question: Question) -> tuple[tuple[str, ...], Share] | None:
    """Protected facts and stand-ins for them that weighed, and their share of the influence that may be shown.

    Returns:
        Ids of the features and the share; None if there are none, or it may not be told.
    """
    values = np.abs(columns.values[columns.levels < UNRELIABLE])
    places = [j for j, members in enumerate(question.players) if question.watched.intersection(members)]
    own = values[:, places].sum(axis=1)
    if len(values) < MIN_CELL or not own.any() or _of_one(own) > MOST_OF_ONE_PERSON:
        return None
    share, error = ratio(own, values.sum(axis=1))
    named = [name for j in places if values[:, j].any() for name in question.players[j] if name in question.watched]
    return tuple(named), _share(share, student(len(values)) * error)


def _of_one(amounts: NDArray[np.float64]) -> float:
    """Part of a sum that comes from one person."""
    whole = amounts.sum()
    return float(amounts.max() / whole) if whole > 0 else 1.0


def _together(influence: NDArray[np.float64]) -> list[int] | None:
    """Concepts that are told as one; empty if each can stand alone, None if none can."""
    g = influence.shape[1]
    hidden = [j for j in range(g) if _of_one(influence[:, j]) > MOST_OF_ONE_PERSON]
    if not hidden:
        return []
    sums = influence.sum(axis=0)
    others = sorted(set(range(g)) - set(hidden), key=lambda j: (sums[j], j))
    while True:
        is_mixed = len(hidden) >= _FEWEST_TOGETHER and sums[hidden].max() <= MOST_OF_ONE_CONCEPT * sums[hidden].sum()
        if is_mixed and _of_one(influence[:, hidden].sum(axis=1)) <= MOST_OF_ONE_PERSON:
            return sorted(hidden)
        if not others:
            return None
        hidden.append(others.pop(0))


def _joined(groups: Sequence[Group]) -> Group:
    return Group(
        concept="",
        features=tuple(name for group in groups for name in group.features),
        players=tuple(place for group in groups for place in group.players),
    )
