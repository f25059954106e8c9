"""Players: single features, or groups of features that are explained as one.

Whatever the grouping, every feature of the bundle belongs to exactly one player; features that no group names stand
alone. Players come in the order in which the schema first names one of their features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError
from xaisvc.types import Players

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.types import BundleDescription, PlayersKind

_KINDS = ("features", "concepts", "clusters")
_MAX_NAMED_MEMBERS = 3


def make_players(
    description: BundleDescription,
    players: str | Mapping[str, Sequence[str]],
    clusters: Callable[[], Sequence[Sequence[str]]],
) -> Players:
    """The players a caller asks for.

    Args:
        description: Holds features and concepts.
        players: `features`, `concepts`, `clusters`, or a mapping of name to feature ids.
        clusters: Says which features go together in the background; asked only where clusters are the players.

    Raises:
        InvalidRequestError: If `players` is none of these, or the mapping does not fit the schema.
    """
    if isinstance(players, Mapping):
        return custom_players(description, players)
    if players == "features":
        return features_as_players(description)
    if players == "concepts":
        return concepts_as_players(description)
    if players == "clusters":
        return cluster_players(description, clusters())
    raise InvalidRequestError.of(
        "players", f"unknown players {players!r}; use {', '.join(_KINDS)} or a mapping of name to features"
    )


def features_as_players(description: BundleDescription) -> Players:
    """Every feature alone."""
    return _players(description, {}, "features")


def concepts_as_players(description: BundleDescription) -> Players:
    """Every concept of the bundle as one player; a feature without a concept alone.

    Raises:
        InvalidRequestError: If a concept has the id of a feature that stands alone.
    """
    owners = {feature.id: feature.concept for feature in description.features if feature.concept is not None}
    return _players(description, owners, "concepts")


MOST_NAME_CHARACTERS = 200


def custom_players(description: BundleDescription, groups: Mapping[str, Sequence[str]]) -> Players:
    """The caller's own groups; features that none of them names stand alone.

    Raises:
        InvalidRequestError: If a group is empty, names an unknown feature or one of another group, or has the name of a
            feature that stands alone.
    """
    known = set(description.feature_ids)
    owners: dict[str, str] = {}
    for name, members in groups.items():
        field = f"players[{name[:MOST_NAME_CHARACTERS]!r}]"
        if not name.strip() or len(name) > MOST_NAME_CHARACTERS or not name.isprintable():
            raise InvalidRequestError.of(
                field, f"a group needs a name of 1 to {MOST_NAME_CHARACTERS} characters that can be printed"
            )
        if isinstance(members, str):
            raise InvalidRequestError.of(field, f"give a list of features, for example [{members!r}]")
        if not members:
            raise InvalidRequestError.of(field, "the group is empty; name at least one feature or leave the group out")
        for member in members:
            if member not in known:
                raise InvalidRequestError.of(
                    field, f"unknown feature {member!r}; the bundle has: {', '.join(description.feature_ids)}"
                )
            if member in owners:
                raise InvalidRequestError.of(
                    field, f"feature {member!r} is already in group {owners[member]!r}; name every feature once"
                )
            owners[member] = name
    return _players(description, owners, "custom")


def cluster_players(description: BundleDescription, clusters: Sequence[Sequence[str]]) -> Players:
    """Features that go together in the background as one player.

    Args:
        description: Holds the features.
        clusters: Ids of the features of each cluster; features in none stand alone.

    Returns:
        A cluster is named after its features.
    """
    owners = {name: _cluster_name(cluster) for cluster in clusters if len(cluster) > 1 for name in cluster}
    return _players(description, owners, "clusters")


def _cluster_name(members: Sequence[str]) -> str:
    shown = " + ".join(members[:_MAX_NAMED_MEMBERS])
    more = len(members) - _MAX_NAMED_MEMBERS
    return f"{shown} + {more} more" if more > 0 else shown


def _players(description: BundleDescription, owners: Mapping[str, str], kind: PlayersKind) -> Players:
    """Players from the group of each grouped feature, in the order of the schema."""
    groups: dict[str, list[str]] = {}
    for name in description.feature_ids:
        if name not in owners and name in owners.values():
            raise InvalidRequestError.of(
                "players",
                f"group {name!r} has the name of a feature that stands alone; give the group another name",
            )
        groups.setdefault(owners.get(name, name), []).append(name)
    return Players(names=tuple(groups), members=tuple(map(tuple, groups.values())), kind=kind)
