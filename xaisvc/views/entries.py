"""The units that views rank and show: the players of one concept and one sensitivity class, or a player on its own.

Because an entry never mixes classes, its value is the same for every audience, and what an audience may not see removes
whole entries: two audiences can differ in how much they see, but never in the order or the direction of what both see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from xaisvc.types import Severity

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from xaisvc.types import BundleDescription, ExplanationRecord, Feature, PlayerValue
    from xaisvc.views.language import Language

Level: TypeAlias = Literal["concept", "feature"]

CORRELATED_KIND = "correlated_features"
_MAX_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One feature of an entry.

    Attributes:
        feature: Its declaration.
        attribution: Its own share; None where only the share of its player is known.
    """

    feature: Feature
    attribution: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is ranked and shown as one.

    Attributes:
        label: Name for readers.
        value: Sum of its players' attributions, in the record's space.
        standard_error: Sum of its players' standard errors: an upper bound, however their errors depend on each other.
        influence: Sum of its players' absolute attributions.
        usual: The same over the portfolio, sum of mean absolute attributions; None if a player's is not known.
        members: Its features, in the order of the record.
        linked: Sets of feature ids that a caveat says move together.
        order: Place of its first player in the record.
    """

    label: str
    value: float
    standard_error: float
    influence: float
    usual: float | None
    members: tuple[Member, ...]
    linked: tuple[frozenset[str], ...]
    order: int

    def facts(self) -> tuple[Feature, ...]:
        """The features that carry the entry's direction: own share of the same sign and at least a tenth of those.

        Where a feature's own share is not known, all are kept. Strongest first.
        """
        side: list[tuple[Feature, float]] = []
        for member in self.members:
            if member.attribution is None:
                return tuple(m.feature for m in self.members)
            if member.attribution * self.value > 0:
                side.append((member.feature, abs(member.attribution)))
        total = sum(weight for _, weight in side)
        side.sort(key=lambda pair: -pair[1])
        return tuple(feature for feature, weight in side if weight >= total / 10)

    @property
    def moves_together(self) -> bool:
        """Whether two of its `facts()` move together."""
        shown = {feature.id for feature in self.facts()}
        return any(len(shown & names) > 1 for names in self.linked)


def make_entries(
    record: ExplanationRecord, description: BundleDescription, language: Language, level: Level
) -> tuple[Entry, ...]:
    """All entries of a record, visible or not, in the order of the record.

    Interventional values, and LIME's weights, are additive over players: the value of a concept is the sum of its
    features' values, with no second computation.
    """
    order = {player.player: i for i, player in enumerate(record.attribution.players)}
    found = []
    for group in _groups(record, description, level):
        single = {player.features[0]: player.value for player in group if len(player.features) == 1}
        usual = [player.portfolio_mean_abs for player in group if player.portfolio_mean_abs is not None]
        found.append(
            Entry(
                label=_label(group, description, language, level),
                value=sum(player.value for player in group),
                standard_error=sum(player.standard_error for player in group),
                influence=sum(abs(player.value) for player in group),
                usual=sum(usual) if len(usual) == len(group) else None,
                members=tuple(
                    Member(feature=description.feature(name), attribution=single.get(name))
                    for player in group
                    for name in player.features
                ),
                linked=_linked(group, record),
                order=order[group[0].player],
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


def _groups(record: ExplanationRecord, description: BundleDescription, level: Level) -> list[list[PlayerValue]]:
    """Players that are ranked as one, in the order of the record.

    Players of one concept and one class belong together at the level of concepts. Facts that move together are never
    two reasons, so players of one class that a caveat joins belong together at every level.
    """
    players = record.attribution.players
    together: dict[Hashable, list[int]] = {}
    for i, player in enumerate(players):
        classes = frozenset(description.feature(name).sensitivity for name in player.features)
        concept = _concept(player, description)
        if level == "concept" and concept and len(classes) == 1:
            together.setdefault(("concept", concept, classes), []).append(i)
        for place, caveat in enumerate(record.caveats):
            joins = caveat.kind == CORRELATED_KIND and caveat.severity is not Severity.INFO
            if joins and player.player in caveat.players:
                together.setdefault(("caveat", place, classes), []).append(i)
    groups: dict[int, list[PlayerValue]] = {}
    for i, first in enumerate(_connected(len(players), together.values())):
        groups.setdefault(first, []).append(players[i])
    return list(groups.values())


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


def _linked(group: list[PlayerValue], record: ExplanationRecord) -> tuple[frozenset[str], ...]:
    return tuple(
        frozenset(name for player in group if player.player in caveat.players for name in player.features)
        for caveat in record.caveats
        if caveat.kind == CORRELATED_KIND
    )


def _label(group: list[PlayerValue], description: BundleDescription, language: Language, level: Level) -> str:
    labels = []
    for player in group:
        concept = description.concept(_concept(player, description) or "") if level == "concept" else None
        labels.append(concept.label(language.code) if concept else player_label(player, description, language))
    return language.join(list(dict.fromkeys(labels)))
