"""What rules work out from the studies and the players alone, so that a row does not pay for it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.conditional import GapReader
from xaisvc.caveats.unit_change import UnitScreen
from xaisvc.types.reliance import Use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from xaisvc.types import Players
    from xaisvc.types.association import Association
    from xaisvc.types.proxies import Proxy
    from xaisvc.types.studies import Studies

_MOST_KEPT = 64

MOST_IN_CHAINS = 8
"""Players up to which a chain of links is one set. Longer ones are split where players do not go together on average:
in real data a chain can hold every feature, and its sum, being all there is, would tell a reader nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedPlayers:
    """Players that hold features which go together.

    Attributes:
        places: Their places, ascending.
        names: Their names.
        association: Strongest association of two of them.
    """

    places: tuple[int, ...]
    names: tuple[str, ...]
    association: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingPlayers:
    """Players whose features tell a protected attribute, and matter to the model.

    Attributes:
        attribute: Its name.
        places: Their places, ascending.
        proxy: The strongest proxy among their features.
    """

    attribute: str
    places: tuple[int, ...]
    proxy: Proxy


@dataclass(frozen=True, slots=True, kw_only=True)
class StudiedPart:
    """Players that the second opinion knows and that are spoken of together.

    Attributes:
        players: The players.
        place: Place of their set in the second opinion.
        whole: Whether they are all of it.
    """

    players: LinkedPlayers
    place: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerFacts:
    """What the studies say of p players that hold f features.

    Attributes:
        owners: Place of the player that holds each feature, features in the order of the studies; intp, (f,).
        unused: Players all of whose features are proven to be unused; bool, (p,).
        relied: Players that the model was seen to use; bool, (p,).
        rare: Players that hold a feature which the model uses rarely; bool, (p,).
        strength: Strongest association of features of two players, 0 where none is linked; float64, symmetric (p, p).
        parts: The sets that the second opinion knows, in its order, long ones in parts.
        part_members: Where each part begins among the places that follow, and the last ends; and the places of all
            parts' players, part after part; intp, (parts + 1,) and (m,).
        part_numbers: For each player, the number of its part among these, from 1 on; 0 outside all of them; intp, (p,).
        linked: All players that are linked at the given strength or more, in chains too; see `MOST_IN_CHAINS`.
        untold: Those of them of whom the second opinion tells nothing; empty without an opinion.
        telling: Players that tell protected attributes, strongest first within each.
        reader: Reads the gaps of the second opinion; None without one.
        linked_any: Whether the second opinion knows of players that go together.
        unused_any: Whether any player is proven to be unused.
        units: Reads single values by their units.
        together: Standard error of the sum of each set that the second opinion knows, from the draw of the background,
            as a share of the sum of its players' standard errors; float64, (sets,), in [0, 1].
        background_error: Largest usual error of a player's value from the draw of the background; 0 if not known.
        mixed: Whether features that go together belong to different players.
    """

    owners: NDArray[np.intp]
    unused: NDArray[np.bool_]
    relied: NDArray[np.bool_]
    rare: NDArray[np.bool_]
    strength: NDArray[np.float64]
    parts: tuple[StudiedPart, ...]
    part_members: tuple[NDArray[np.intp], NDArray[np.intp]]
    part_numbers: NDArray[np.intp]
    linked: tuple[LinkedPlayers, ...]
    untold: tuple[LinkedPlayers, ...]
    telling: tuple[TellingPlayers, ...]
    reader: GapReader | None
    linked_any: bool
    unused_any: bool
    units: UnitScreen
    together: NDArray[np.float64]
    background_error: float
    mixed: bool

    @classmethod
    def of(cls, studies: Studies, players: Players, least: float) -> PlayerFacts:
        """Works the facts out.

        Args:
            studies: The studies.
            players: The players; they hold exactly the features that were studied.
            least: Strength from which on players are linked.
        """
        place = {feature: i for i, feature in enumerate(studies.association.features)}
        owners = np.zeros(len(place), dtype=np.intp)
        for player, members in enumerate(players.members):
            owners[[place[feature] for feature in members]] = player
        uses = {entry.features[0]: entry for entry in studies.reliance.features}
        used = {name for name, one in uses.items() if one.use is Use.USED}
        rare = {name for name, one in uses.items() if one.use is Use.RARELY_USED}
        seen = {name for name in rare if uses[name].usage_rate > 0}
        unused = {name for name, one in uses.items() if one.use is Use.PROVEN_UNUSED}
        strength = _strength(studies.association, owners, len(players))
        strong = strength >= least
        groups = studies.opinion.unstudied if studies.opinion is not None else ()
        open_ones = np.zeros(len(players), dtype=np.bool_)
        open_ones[[i for group in groups for i in group]] = True
        reader = GapReader.of(studies.opinion) if studies.opinion is not None else None
        sets = reader.players if reader is not None else ()
        parts = tuple(
            StudiedPart(players=_strongest(part, strength, players), place=place, whole=part == one)
            for place, one in enumerate(sets)
            for part in _parts(one, strength, least)
        )
        none = np.array([unused.issuperset(names) for names in players.members], dtype=np.bool_)
        return cls(
            owners=owners,
            unused=none,
            relied=_hold(players, used | seen),
            rare=_hold(players, rare),
            strength=strength,
            parts=parts,
            part_members=(
                np.cumsum([0, *(len(one.players.places) for one in parts)], dtype=np.intp),
                np.array([place for one in parts for place in one.players.places], dtype=np.intp),
            ),
            part_numbers=np.array(
                [
                    next((k for k, one in enumerate(parts, start=1) if i in one.players.places), 0)
                    for i in range(len(players))
                ],
                dtype=np.intp,
            ),
            linked=_together(strong, strength, least, players),
            untold=_together(strong & open_ones[:, None] & open_ones, strength, least, players),
            telling=tuple(_telling(studies, players)),
            reader=reader,
            linked_any=reader is not None and bool(reader.linked.any()),
            unused_any=bool(none.any()),
            units=UnitScreen.of(studies.units),
            together=_together_errors(studies, sets),
            background_error=float(studies.spread.background_errors.max()) if studies.spread is not None else 0.0,
            mixed=bool(strength.any()),
        )

    def owners_of(self, features: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which players hold any of some features.

        Args:
            features: For each row, which features; bool, (n, f).

        Returns:
            bool, (n, p).
        """
        found = np.zeros((len(features), len(self.unused)), dtype=np.bool_)
        for feature in np.flatnonzero(features.any(axis=0)).tolist():
            found[:, self.owners[feature]] |= features[:, feature]
        return found


class Kept:
    """Keeps what rules work out from a bundle's studies and some players. Belongs to the bundle.

    Written to by whoever needs something first; threads that come at once work out the same. At most `_MOST_KEPT`
    entries of a kind stay.
    """

    def __init__(self) -> None:
        self._facts: dict[tuple[int, str], tuple[Studies, Players, float, PlayerFacts]] = {}
        self._deviations: dict[int, tuple[NDArray[np.float64], float]] = {}

    def facts(self, studies: Studies, players: Players, least: float) -> PlayerFacts:
        """The facts, from the last call with the same studies, players and limit if there was one.

        Args:
            studies: The studies.
            players: The players.
            least: Strength from which on players are linked.
        """
        key = (id(studies), players.kind)
        known = self._facts.get(key)
        if known is not None:
            # The entry holds its studies, so no others can have their id.
            own, others, limit, facts = known
            if own is studies and (others is players or others == players) and limit == least:
                return facts
        if len(self._facts) >= _MOST_KEPT:
            self._facts = {}
        found = PlayerFacts.of(studies, players, least)
        self._facts[key] = (studies, players, least, found)
        return found

    def deviation(self, predictions: NDArray[np.float64]) -> float:
        """Standard deviation of a background's predictions, worked out once for an array that stays as it is.

        Args:
            predictions: float64, (b,).
        """
        known = self._deviations.get(id(predictions))
        if known is not None and known[0] is predictions:
            return known[1]
        if len(self._deviations) >= _MOST_KEPT:
            self._deviations = {}
        found = float(predictions.std())
        self._deviations[id(predictions)] = (predictions, found)
        return found


def _together_errors(studies: Studies, sets: Iterable[tuple[int, ...]]) -> NDArray[np.float64]:
    """How much of the errors of a set's players is left in that of their sum: 1 where nobody looked."""
    spread = studies.spread
    if spread is None:
        return np.ones(len(tuple(sets)))
    left = []
    for one in sets:
        apart = float(spread.background_errors[list(one)].sum())
        sum_error = float(np.sqrt(max(spread.background_covariance[np.ix_(one, one)].sum(), 0.0)))
        left.append(min(sum_error / apart, 1.0) if 0 < apart < np.inf else 1.0)
    return np.array(left)


def _hold(players: Players, features: Iterable[str]) -> NDArray[np.bool_]:
    wanted = set(features)
    return np.array([not wanted.isdisjoint(names) for names in players.members], dtype=np.bool_)


def _telling(studies: Studies, players: Players) -> Iterator[TellingPlayers]:
    """Who tells which attribute; once where the same players tell it by several proxies."""
    for study in studies.proxies:
        seen: set[tuple[int, ...]] = set()
        for proxy in sorted((*study.features, *study.clusters), key=lambda one: -one.area):
            places = tuple(np.flatnonzero(_hold(players, proxy.features)).tolist())
            if proxy.matters and places not in seen:
                seen.add(places)
                yield TellingPlayers(attribute=study.attribute, places=places, proxy=proxy)


def _strength(association: Association, owners: NDArray[np.intp], p: int) -> NDArray[np.float64]:
    """Strongest link between features of each two players; float64, (p, p), zeros on the diagonal."""
    effect = np.where(association.linked, association.effect, 0.0)
    order = np.argsort(owners, kind="stable")
    starts = np.searchsorted(owners[order], np.arange(p))
    by_owner = effect[np.ix_(order, order)]
    found = np.maximum.reduceat(np.maximum.reduceat(by_owner, starts, axis=0), starts, axis=1)
    for one in association.redundancies:
        share = float(np.sqrt(one.r_squared))
        for other in one.predictors:
            a, b = owners[one.feature], owners[other]
            found[a, b] = found[b, a] = max(found[a, b], share)
    np.fill_diagonal(found, 0.0)
    return found


def _together(
    linked: NDArray[np.bool_], strength: NDArray[np.float64], least: float, players: Players
) -> tuple[LinkedPlayers, ...]:
    """Sets of two or more players that go together, by their first."""
    sets = [
        piece
        for places in _components(linked)
        for piece in (_split(places, strength, least) if len(places) > MOST_IN_CHAINS else [places])
    ]
    return tuple(_strongest(places, strength, players) for places in sorted(sets))


def _components(linked: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """Connected components of two or more players, by their first."""
    label = list(range(len(linked)))
    pairs = np.argwhere(np.triu(linked, k=1)).tolist()
    for i, j in pairs:
        low, high = sorted((label[i], label[j]))
        if low != high:
            label = [low if mark == high else mark for mark in label]
    marks = sorted({label[i] for i, _ in pairs})
    return [tuple(i for i, own in enumerate(label) if own == mark) for mark in marks]


def _split(places: tuple[int, ...], strength: NDArray[np.float64], least: float) -> list[tuple[int, ...]]:
    """Those of them that go together on average: average linkage, cut at the same strength."""
    from scipy.cluster.hierarchy import fcluster, linkage  # noqa: PLC0415 - heavy: loaded when used

    above = np.triu_indices(len(places), 1)
    merges = linkage(1.0 - strength[np.ix_(places, places)][above], method="average")
    # A mean of exactly `least` is together, whatever the last bit of the subtraction says.
    labels = fcluster(merges, t=1.0 - least + 1e-12, criterion="distance")
    pieces = [tuple(place for place, own in zip(places, labels, strict=True) if own == mark) for mark in set(labels)]
    return [piece for piece in pieces if len(piece) > 1]


def _parts(places: tuple[int, ...], strength: NDArray[np.float64], least: float) -> list[tuple[int, ...]]:
    """A studied set in parts that a reader can take in: the whole set, or where it is long those that go together.

    Every player is in one part: one that goes with no part on average is with the one that it goes with most.
    """
    pieces = _split(places, strength, least) if len(places) > MOST_IN_CHAINS else []
    if not pieces:
        return [places]
    joined = {place: k for k, piece in enumerate(pieces) for place in piece}
    means = {place: [float(strength[place, list(piece)].mean()) for piece in pieces] for place in places}
    owner = {place: joined.get(place, int(np.argmax(means[place]))) for place in places}
    return sorted(tuple(place for place in places if owner[place] == k) for k in range(len(pieces)))


def _strongest(places: tuple[int, ...], strength: NDArray[np.float64], players: Players) -> LinkedPlayers:
    return LinkedPlayers(
        places=places,
        names=tuple(players.names[i] for i in places),
        association=float(strength[np.ix_(places, places)].max(initial=0.0)),
    )
