"""What one audience may see of a record: withheld first, then ranked, scaled and counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from xaisvc.types import Gate
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

    def apply(self, ranked: Sequence[Entry], sign: Sign, total: float) -> tuple[Entry, ...]:
        """The reasons among entries that are ranked by absolute value; strongest first.

        Args:
            ranked: The entries.
            sign: +1 for entries that raised the output, -1 for those that lowered it.
            total: What the floor is relative to.
        """
        least = self.floor * total
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
    """The entries that an audience may be given as reasons, strongest first; ties in the order of the record.

    Attributes:
        entries: What may be given.
        barred: What could be seen, and is kept back by a caveat whose gate the audience keeps to.
    """

    entries: tuple[Entry, ...]
    barred: tuple[Entry, ...] = ()
    _held: tuple[Entry, ...] = ()
    _everything: tuple[Entry, ...] = ()

    @property
    def total(self) -> float:
        """Sum of the visible absolute values, to which shares are relative, without what the model does not use."""
        return _total((*self.entries, *(entry for entry in self.barred if not entry.unused)))

    def reasons(self, sign: Sign, rule: Rule) -> tuple[Entry, ...]:
        """The visible reasons of one direction."""
        return rule.apply(self.entries, sign, self.total)

    def kept_back(self, floor: float) -> tuple[Entry, ...]:
        """What is no reason and would be worth naming as such: from a share of the total on.

        Without entries that are kept back for what they are tied to: readers could tell from them that a withheld fact
        goes with a visible one. Without general words too, which could stand for another reason at the same time.
        """
        found = (entry for entry in self.barred if entry.barred and entry.value and not entry.general)
        return tuple(entry for entry in found if abs(entry.value) >= floor * self.total)

    def misses_principal(self, sign: Sign, shown: Sequence[Entry], rule: Rule) -> bool:
        """Whether `shown` would not be the true first reasons of this direction, because of an entry to hold for.

        True if an entry that must be held for is among the reasons when everything is ranked, or is stronger than the
        weakest entry shown.
        """
        principal = replace(rule, certainty=0.0).apply(self._everything, sign, _total(self._everything))
        weakest = min((entry.value * sign for entry in shown), default=float("inf"))
        return any(entry in principal or entry.value * sign > weakest for entry in self._held)


def select(
    record: ExplanationRecord, description: BundleDescription, audience: Audience, language: Language, level: Level
) -> Selection:
    """Selects what `audience` may be given: entries all of whose features are shown to it, and that no gate keeps back.

    Features that it knows by general words only are put together first, and ranked under these words. An entry of which
    some is shown and some is known by general words is neither: its sum would tell of both.

    What a gate keeps back is held for, as what must be withheld is: naming the next reason would be a false notice. Not
    so what the model is proven not to use, which is no reason at all.
    """
    everything = make_entries(record, description, language, level, _general_words(description, audience, language))
    actions = [{audience.action(member.feature) for member in entry.members} for entry in everything]
    holding = {
        member.player.player
        for entry in everything
        for member in entry.members
        if audience.action(member.feature) is Action.HOLD
    }
    visible = [
        entry for entry, found in zip(everything, actions, strict=True) if entry.general or found <= {Action.SHOW}
    ]
    named = _with_distinct_labels(visible, language)  # before any is kept back, so that none stands for its concept
    kept_back = [_is_kept_back(entry, audience, holding) for entry in named]
    barred = _ranked(entry for entry, is_so in zip(named, kept_back, strict=True) if is_so)
    held = {entry.order for entry, found in zip(everything, actions, strict=True) if _must_be_held_for(entry, found)}
    held |= {entry.order for entry in barred if not entry.unused}
    return Selection(
        entries=_ranked(entry for entry, is_so in zip(named, kept_back, strict=True) if not is_so),
        barred=barred,
        _held=tuple(entry for entry in everything if entry.order in held),
        _everything=_ranked(entry for entry in everything if not entry.unused),
    )


def _general_words(description: BundleDescription, audience: Audience, language: Language) -> dict[str, str]:
    """Feature id to the general words for it, for the features that the audience knows by nothing else."""
    return {
        feature.id: feature.general_label(language.code)
        for feature in description.features
        if audience.action(feature) is Action.GENERALISE
    }


def _must_be_held_for(entry: Entry, actions: set[Action]) -> bool:
    """Whether an entry can be a principal reason that must not be named; so is one that is partly general words."""
    return Action.HOLD in actions or (Action.GENERALISE in actions and not entry.general)


def _is_kept_back(entry: Entry, audience: Audience, holding: set[str]) -> bool:
    """Whether a gate that the audience keeps to keeps an entry from being a reason.

    That is so for players that are no reason, and for players that could only be named together with one for which the
    view would be held.
    """
    if Gate.NOT_A_REASON in audience.gates and entry.barred:
        return True
    return Gate.NO_RANKING in audience.gates and not holding.isdisjoint(entry.ties)


def _total(entries: Iterable[Entry]) -> float:
    return sum(abs(entry.value) for entry in entries)


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
        if labels.count(entry.label) > 1 and not entry.general
        else entry
        for entry in entries
    ]
