"""What one audience may see of a record: withheld first, then ranked, scaled and counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from xaisvc.views.audience import Action
from xaisvc.views.entries import Level, make_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xaisvc.types import BundleDescription, ExplanationRecord, Feature
    from xaisvc.views.audience import Audience
    from xaisvc.views.entries import Entry
    from xaisvc.views.language import Language

Sign: TypeAlias = Literal[-1, 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which entries of one direction count as reasons.

    Attributes:
        maximum: How many at most.
        floor: Least share of the sum of absolute values that counts as material.
        certainty: Least ratio of absolute value to standard error.
    """

    maximum: int
    floor: float
    certainty: float = 0.0

    def apply(self, ranked: Sequence[Entry], sign: Sign) -> tuple[Entry, ...]:
        """The reasons among entries that are ranked by absolute value; strongest first.

        Args:
            ranked: The entries; floors are relative to the sum of their absolute values.
            sign: +1 for entries that raised the output, -1 for those that lowered it.
        """
        least = self.floor * sum(abs(entry.value) for entry in ranked)
        found = (
            entry
            for entry in ranked
            if entry.value * sign > 0
            and abs(entry.value) >= least
            and abs(entry.value) >= self.certainty * entry.standard_error
        )
        return tuple(found)[: self.maximum]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The entries that an audience may see, strongest first; ties in the order of the record.

    Attributes:
        entries: What may be seen.
    """

    entries: tuple[Entry, ...]
    _held: tuple[Entry, ...] = ()
    _everything: tuple[Entry, ...] = ()

    @property
    def total(self) -> float:
        """Sum of the visible absolute values, to which shares are relative."""
        return sum(abs(entry.value) for entry in self.entries)

    def reasons(self, sign: Sign, rule: Rule) -> tuple[Entry, ...]:
        """The visible reasons of one direction."""
        return rule.apply(self.entries, sign)

    def misses_principal(self, sign: Sign, shown: Sequence[Entry], rule: Rule) -> bool:
        """Whether `shown` would not be the true first reasons of this direction, because of an entry to hold for.

        True if an entry that must be held for is among the reasons when everything is ranked, or is stronger than the
        weakest entry shown.
        """
        principal = replace(rule, certainty=0.0).apply(self._everything, sign)
        weakest = min((entry.value * sign for entry in shown), default=float("inf"))
        return any(entry in principal or entry.value * sign > weakest for entry in self._held)


def select(
    record: ExplanationRecord, description: BundleDescription, audience: Audience, language: Language, level: Level
) -> Selection:
    """Selects what `audience` may see: entries all of whose features are shown to it."""
    everything = make_entries(record, description, language, level)
    actions = [{audience.action(member.feature) for member in entry.members} for entry in everything]
    visible = [entry for entry, found in zip(everything, actions, strict=True) if found <= {Action.SHOW}]
    return Selection(
        entries=_ranked(_with_distinct_labels(visible, language)),
        _held=tuple(entry for entry, found in zip(everything, actions, strict=True) if Action.HOLD in found),
        _everything=_ranked(everything),
    )


def visible_features(description: BundleDescription, audience: Audience) -> tuple[Feature, ...]:
    """The features that `audience` may see, in the order of the schema."""
    return tuple(feature for feature in description.features if audience.action(feature) is Action.SHOW)


def is_closed(description: BundleDescription, audience: Audience) -> bool:
    """Whether `audience` gets no view of any case of this bundle."""
    return any(audience.action(feature) is Action.CLOSED for feature in description.features)


def _ranked(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (-abs(entry.value), entry.order)))


def _with_distinct_labels(entries: Sequence[Entry], language: Language) -> list[Entry]:
    """Entries of one concept but different classes get their features' names beside the concept's."""
    labels = [entry.label for entry in entries]
    return [
        replace(entry, label=f"{entry.label}: {language.join([m.feature.label(language.code) for m in entry.members])}")
        if labels.count(entry.label) > 1
        else entry
        for entry in entries
    ]
