"""The units that views rank and show: the players of one concept and one sensitivity class, or a player on its own.

Because an entry never mixes classes, its value is the same for every audience, and what an audience may not see removes
whole entries: two audiences can differ in how much they see, but never in the order or the direction of what both see.
The same holds for what caveats keep from some audiences: players that are no reason stand apart for everybody. Only
features that an audience knows by general words are put together for it alone: under one name, without any value.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from xaisvc.views.gates import links, player_gates

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from xaisvc.types import BundleDescription, ExplanationRecord, Feature, PlayerValue
    from xaisvc.views.gates import PlayerGates
    from xaisvc.views.language import Language

Level: TypeAlias = Literal["concept", "feature"]

_NO_WORDS: Mapping[str, str] = MappingProxyType({})
_MAX_NAMED = 3
_MATERIAL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One feature of an entry.

    Attributes:
        feature: Its declaration.
        player: The player that it belongs to: the finest part of the answer whose share is known.
    """

    feature: Feature
    player: PlayerValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is ranked and shown as one.

    Attributes:
        label: Name for readers.
        value: Sum of its players' attributions, in the record's space.
        standard_error: Sum of its players' standard errors: an upper bound, however their errors depend on each other.
        members: Its features, in the order of the record.
        units: Its players, those that are never ranked among each other as one; in the order of the record.
        linked: For each caveat about associated players, those of its players that belong to this entry.
        order: Place of its first player in the record.
        barred: Whether a caveat keeps all of it from being a reason.
        unused: Whether the model is proven not to use any of it; it is then barred, too.
        ties: Players of other entries that these are never ranked against, as they are of another class.
        general: Whether it is known by general words only: its features are neither named nor valued.
    """

    label: str
    value: float
    standard_error: float
    members: tuple[Member, ...]
    units: tuple[tuple[PlayerValue, ...], ...]
    linked: tuple[tuple[PlayerValue, ...], ...]
    order: int
    barred: bool = False
    unused: bool = False
    ties: frozenset[str] = frozenset()
    general: bool = False

    def facts(self) -> tuple[Feature, ...]:
        """The features that carry the entry's direction: those of its units whose value has the entry's sign.

        Units with less than a tenth of what these units add up to are left out. The strongest unit comes first; within
        one, features stand in the order of the record, so that nothing can be told of the shares of its players. None
        of an entry that is known by general words.
        """
        return self._features(self._side(1))

    def offsets(self) -> tuple[Feature, ...]:
        """The features that counted the other way and made the entry's value smaller than its `facts()` add up to.

        None if they add up to less than a tenth of the entry's own side. Strongest first.
        """
        against = self._side(-1)
        return self._features(against) if _total(against) >= _MATERIAL * _total(self._side(1)) else ()

    def associated(self) -> tuple[tuple[PlayerValue, ...], ...]:
        """For each caveat about associated players, those of them behind `facts()`, where there are two or more."""
        shown = {feature.id for feature in self.facts()}
        found = (tuple(player for player in players if shown & set(player.features)) for players in self.linked)
        return tuple(players for players in found if len(players) > 1)

    def _side(self, same: Literal[-1, 1]) -> list[tuple[PlayerValue, ...]]:
        """The units that count the entry's own way, or the other way; strongest first."""
        side = [unit for unit in self.units if _value(unit) * self.value * same > 0]
        return sorted(side, key=lambda unit: -abs(_value(unit)))

    def _features(self, side: list[tuple[PlayerValue, ...]]) -> tuple[Feature, ...]:
        """The features of a side, without those of units that are less than a tenth of it."""
        if self.general:
            return ()
        least = _MATERIAL * _total(side)
        return tuple(
            member.feature
            for unit in side
            if abs(_value(unit)) >= least
            for member in self.members
            if member.player in unit
        )


def _value(unit: Iterable[PlayerValue]) -> float:
    return sum(player.value for player in unit)


def _total(side: Iterable[tuple[PlayerValue, ...]]) -> float:
    """What the units of a side add up to."""
    return sum(abs(_value(unit)) for unit in side)


def make_entries(
    record: ExplanationRecord,
    description: BundleDescription,
    language: Language,
    level: Level,
    general: Mapping[str, str] = _NO_WORDS,
) -> tuple[Entry, ...]:
    """All entries of a record, visible or not, in the order of the record.

    Interventional values, and LIME's weights, are additive over players: the value of a concept is the sum of its
    features' values, with no second computation.

    Args:
        record: The record.
        description: The bundle that it was made with.
        language: The words.
        level: Whether the players of a concept are one entry.
        general: Feature id to the general words for it, for features that the audience knows by nothing else. Players
            of the same words are one entry at every level.
    """
    order = {player.player: i for i, player in enumerate(record.attribution.players)}
    gates = player_gates(record)
    found = []
    for group in _groups(record, description, level, gates, general):
        words = _general_words(group, general)
        names = {player.player for player in group}
        found.append(
            Entry(
                label=language.join(words) if words else _label(group, description, language, level),
                value=sum(player.value for player in group),
                standard_error=sum(player.standard_error for player in group),
                members=tuple(
                    Member(feature=description.feature(name), player=player)
                    for player in group
                    for name in player.features
                ),
                units=_units(group, gates),
                linked=_linked(group, record),
                order=order[group[0].player],
                barred=names <= gates.barred,
                unused=names <= gates.unused,
                ties=frozenset().union(*(tie for tie in gates.ties if not names.isdisjoint(tie))) - names,
                general=bool(words),
            )
        )
    return tuple(found)


def player_label(player: PlayerValue, description: BundleDescription, language: Language) -> str:
    """Name of a player for readers: its concept, its feature, or its features joined."""
    concept = description.concept(player.player)
    if concept is not None and player.features != (player.player,):
        return concept.label(language.code)
    labels = [description.feature(name).label(language.code) for name in player.features]
    if len(labels) <= _MAX_NAMED:
        return language.join(labels) if labels else player.player
    return language.join([*labels[: _MAX_NAMED - 1], language.word("words.others")])


def _groups(
    record: ExplanationRecord,
    description: BundleDescription,
    level: Level,
    gates: PlayerGates,
    general: Mapping[str, str],
) -> list[list[PlayerValue]]:
    """Players that are ranked as one, in the order of the record.

    Players of one concept and one class belong together at the level of concepts. Facts that share their credit are
    never two reasons, so players of one class that a caveat ties belong together at every level. Players that are no
    reason stand apart from their concept, unless they are tied to one that is: then what is known is their sum.
    """
    players = record.attribution.players
    classes = [frozenset(description.feature(name).sensitivity for name in player.features) for player in players]
    together: dict[Hashable, list[int]] = {}
    for place, tie in enumerate(gates.ties):
        for i, player in enumerate(players):
            if player.player in tie:
                together.setdefault(("tie", place, classes[i]), []).append(i)
    tied = _connected(len(players), together.values())
    open_ = {tied[i] for i, player in enumerate(players) if player.player not in gates.barred}
    for i, player in enumerate(players):
        concept, words = _concept(player, description), _general_words((player,), general)
        if tied[i] not in open_:
            continue
        if not general.keys().isdisjoint(player.features):
            for one in words:
                together.setdefault(("general", one), []).append(i)
        elif level == "concept" and concept and len(classes[i]) == 1:
            together.setdefault(("concept", concept, classes[i]), []).append(i)
    groups: dict[int, list[PlayerValue]] = {}
    for i, first in enumerate(_connected(len(players), together.values())):
        groups.setdefault(first, []).append(players[i])
    return list(groups.values())


def _general_words(group: Iterable[PlayerValue], general: Mapping[str, str]) -> list[str]:
    """The general words for a group, each once; none unless there are words for every feature of it."""
    found = [general.get(name, "") for player in group for name in player.features]
    return list(dict.fromkeys(found)) if found and all(found) else []


def _units(group: list[PlayerValue], gates: PlayerGates) -> tuple[tuple[PlayerValue, ...], ...]:
    """The players of a group, those that are tied as one."""
    ties = [[i for i, player in enumerate(group) if player.player in tie] for tie in gates.ties]
    units: dict[int, list[PlayerValue]] = {}
    for i, first in enumerate(_connected(len(group), [tie for tie in ties if tie])):
        units.setdefault(first, []).append(group[i])
    return tuple(map(tuple, units.values()))


def _connected(count: int, sets: Iterable[list[int]]) -> list[int]:
    """For each of `count` indices, the smallest index that it is connected with through the sets."""
    label = list(range(count))
    for members in sets:
        labels = {label[i] for i in members}
        label = [min(labels) if mark in labels else mark for mark in label]
    return label


def _concept(player: PlayerValue, description: BundleDescription) -> str | None:
    """The concept that all features of a player belong to; None if there is no such one."""
    concepts = {description.feature(name).concept for name in player.features}
    return next(iter(concepts)) if len(concepts) == 1 else None


def _linked(group: list[PlayerValue], record: ExplanationRecord) -> tuple[tuple[PlayerValue, ...], ...]:
    return tuple(
        tuple(player for player in group if player.player in caveat.players)
        for caveat in record.caveats
        if links(caveat)
    )


def _label(group: list[PlayerValue], description: BundleDescription, language: Language, level: Level) -> str:
    labels = []
    for player in group:
        concept = description.concept(_concept(player, description) or "") if level == "concept" else None
        labels.append(concept.label(language.code) if concept else player_label(player, description, language))
    return language.join(list(dict.fromkeys(labels)))
