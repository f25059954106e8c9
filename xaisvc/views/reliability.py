"""How far an audience may rely on a record: three levels, from the caveats that concern what the audience sees."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from xaisvc.types import Severity
from xaisvc.views.audience import Action
from xaisvc.views.entries import player_label

if TYPE_CHECKING:
    from xaisvc.types import BundleDescription, Caveat, ExplanationRecord
    from xaisvc.views.audience import Audience
    from xaisvc.views.language import Language


class Level(StrEnum):
    """`normal`, `care` (read with care) or `unreliable` (reasons must not be given)."""

    NORMAL = "normal"
    CARE = "care"
    UNRELIABLE = "unreliable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """The level, and the sentences that say why.

    Attributes:
        level: The level.
        sentences: One sentence for each kind of caveat that counts, most severe first.
    """

    level: Level
    sentences: tuple[str, ...]


_RANK = {Severity.UNRELIABLE: 0, Severity.CARE: 1, Severity.INFO: 2}


def assess(
    record: ExplanationRecord, description: BundleDescription, audience: Audience, language: Language
) -> Reliability:
    """Assesses a record for one audience.

    A caveat about withheld features only does not exist for the audience, unless it makes the whole answer
    unreliable. A caveat that concerns a withheld feature beside visible ones counts, but names none of them.
    """
    concerned: list[tuple[Caveat, tuple[str, ...]]] = []
    for caveat in record.caveats:
        players = [player for player in record.attribution.players if player.player in caveat.players]
        seen = [
            player
            for player in players
            if all(audience.action(description.feature(name)) is Action.SHOW for name in player.features)
        ]
        if players and not seen and caveat.severity is not Severity.UNRELIABLE:
            continue
        labels = tuple(dict.fromkeys(player_label(player, description, language) for player in seen))
        concerned.append((caveat, labels if len(seen) == len(players) else ()))
    severities = {caveat.severity for caveat, _ in concerned}
    level = Level.NORMAL
    if Severity.UNRELIABLE in severities:
        level = Level.UNRELIABLE
    elif Severity.CARE in severities:
        level = Level.CARE
    concerned.sort(key=lambda pair: _RANK[pair[0].severity])
    worded = [_sentence(caveat, labels, language) for caveat, labels in concerned]
    sentences = tuple(dict.fromkeys(sentence for sentence in worded if sentence))
    return Reliability(level=level, sentences=sentences[: audience.caveats])


def _sentence(caveat: Caveat, labels: tuple[str, ...], language: Language) -> str:
    """The audience's sentence for a kind of caveat; a kind without one is worded by its severity, `info` not at all."""
    messages = language.catalogue.messages
    if labels and f"caveat.{caveat.kind}.named" in messages:
        return language.filled(f"caveat.{caveat.kind}.named", facts=labels)
    if f"caveat.{caveat.kind}.general" in messages:
        return language.filled(f"caveat.{caveat.kind}.general")
    if caveat.severity is Severity.INFO:
        return ""
    return language.filled(f"caveat.other.{caveat.severity.value}")
