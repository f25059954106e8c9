"""How far an audience may rely on a record: three levels, from the caveats that concern what the audience sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.types import Gate, Level, Severity, reliability_level
from xaisvc.views.audience import Action
from xaisvc.views.entries import player_label

if TYPE_CHECKING:
    from xaisvc.types import BundleDescription, Caveat, ExplanationRecord
    from xaisvc.views.audience import Audience
    from xaisvc.views.language import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """The level, and the sentences that say why.

    Attributes:
        level: The level. It follows from the caveats by `reliability_level`, and is `unreliable` for an audience that
            keeps to the gate `no_reasons` where a caveat has it: reasons must then not be given to it.
        sentences: One sentence for each kind of caveat that counts, most severe first.
    """

    level: Level
    sentences: tuple[str, ...]


def assess(
    record: ExplanationRecord, description: BundleDescription, audience: Audience, language: Language
) -> Reliability:
    """Assesses a record for one audience.

    A caveat about withheld features only does not exist for the audience, unless reasons must not be given because of
    it. A caveat that concerns a withheld feature beside visible ones counts, but names none of them.
    """
    concerned: list[tuple[Caveat, tuple[str, ...]]] = []
    for caveat in record.caveats:
        players = [player for player in record.attribution.players if player.player in caveat.players]
        seen = [
            player
            for player in players
            if all(audience.action(description.feature(name)) is Action.SHOW for name in player.features)
        ]
        if players and not seen and not _stops(caveat, audience):
            continue
        labels = tuple(dict.fromkeys(player_label(player, description, language) for player in seen))
        concerned.append((caveat, labels if len(seen) == len(players) else ()))
    level = reliability_level(caveat for caveat, _ in concerned)
    if any(_stops(caveat, audience) for caveat, _ in concerned):
        level = Level.UNRELIABLE
    concerned.sort(key=lambda pair: (not _stops(pair[0], audience), pair[0].severity.rank))
    worded = [caveat_sentence(caveat, labels, language) for caveat, labels in concerned]
    sentences = tuple(dict.fromkeys(sentence for sentence in worded if sentence))
    return Reliability(level=level, sentences=sentences[: audience.caveats])


def _stops(caveat: Caveat, audience: Audience) -> bool:
    """Whether reasons must not be given to this audience because of a caveat."""
    return caveat.severity is Severity.UNRELIABLE or (
        Gate.NO_REASONS in caveat.gates and Gate.NO_REASONS in audience.gates
    )


def caveat_sentence(caveat: Caveat, labels: tuple[str, ...], language: Language) -> str:
    """The audience's sentence for a kind of caveat; a kind without one is worded by its severity, `info` not at all.

    Kinds that say something else with a gate than without can have a sentence for each of their gates.
    """
    messages = language.catalogue.messages
    for kind in (*(f"caveat.{caveat.kind}.{gate}" for gate in caveat.gates), f"caveat.{caveat.kind}"):
        if labels and f"{kind}.named" in messages:
            return language.filled(f"{kind}.named", facts=labels)
        if f"{kind}.general" in messages:
            return language.filled(f"{kind}.general")
    if caveat.severity is Severity.INFO:
        return ""
    return language.filled(f"caveat.other.{caveat.severity.value}")
