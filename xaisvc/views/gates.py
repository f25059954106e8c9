"""What caveats keep from customers, player by player. See `Gate` for what each gate means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.types import Gate, Severity

if TYPE_CHECKING:
    from xaisvc.types import Caveat, ExplanationRecord

SHARED_KIND = "shared_credit"
UNUSED_KIND = "attributed_but_unused"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerGates:
    """The gates of a record.

    Attributes:
        unused: Players that the model is proven not to use.
        barred: Players that are no reason; those in `unused` among them.
        ties: Players that are never ranked among each other, one tuple for each caveat that says so, two or more in
            each. Those in `unused` are left out: who is not used has no share in a credit.
    """

    unused: frozenset[str]
    barred: frozenset[str]
    ties: tuple[tuple[str, ...], ...]


def player_gates(record: ExplanationRecord) -> PlayerGates:
    """Reads the gates of a record."""
    barring = [caveat for caveat in record.caveats if Gate.NOT_A_REASON in caveat.gates]
    unused = {player for caveat in barring if caveat.kind == UNUSED_KIND for player in caveat.players}
    ties = (
        tuple(player for player in caveat.players if player not in unused) for caveat in record.caveats if _ties(caveat)
    )
    return PlayerGates(
        unused=frozenset(unused),
        barred=frozenset(player for caveat in barring for player in caveat.players),
        ties=tuple(players for players in ties if len(players) > 1),
    )


def unused_features(record: ExplanationRecord) -> frozenset[str]:
    """Features that a caveat names as proven to be unused."""
    return _features_of(record, player_gates(record).unused)


def barred_features(record: ExplanationRecord) -> frozenset[str]:
    """Features that a caveat keeps from being a reason; those that are proven to be unused among them."""
    return _features_of(record, player_gates(record).barred)


def _features_of(record: ExplanationRecord, players: frozenset[str]) -> frozenset[str]:
    return frozenset(
        name for player in record.attribution.players if player.player in players for name in player.features
    )


def links(caveat: Caveat) -> bool:
    """Whether a caveat says that its players go together, so that readers are told so where they meet in a reason."""
    return caveat.kind == SHARED_KIND or Gate.NO_RANKING in caveat.gates


def _ties(caveat: Caveat) -> bool:
    """Whether a caveat's players are one to every reader."""
    return Gate.NO_RANKING in caveat.gates or (caveat.kind == SHARED_KIND and caveat.severity is not Severity.INFO)
