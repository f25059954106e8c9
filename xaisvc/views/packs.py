"""A jurisdiction pack: what the law of one place asks a letter to say, dated and with its sources. Not legal advice."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from xaisvc.types import BundleDescription, SelectionRule
    from xaisvc.views.catalogue import Message


class StalePackWarning(UserWarning):
    """A pack in use is past the day by which somebody was to check it against the law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a rule of a pack comes from.

    Attributes:
        cite: Name of the text.
        says: What it says, in the words of whoever read it.
        read: `primary` if the text itself was read, `secondary` if somebody's account of it was.
    """

    cite: str
    says: str
    read: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSentence:
    """One sentence of a pack.

    Attributes:
        message: The sentence.
        mandated: Whether its words are the law's: it is set apart, and not measured for how hard it is to read.
        adverse_only: Whether it is for adverse decisions only. A view that is held or closed never has it, as it is
            the same for every case.
    """

    message: Message
    mandated: bool = False
    adverse_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One jurisdiction pack.

    Attributes:
        id: Name of its file.
        labels: Language to name for people.
        as_of: Day on which its sources were read.
        review_by: Day by which they must be read again.
        languages: Languages that its sentences are in.
        sources: Where its rules come from.
        rule: The selection rule that letters keep to.
        allowed_rules: Selection rules that the law accepts.
        max_reasons: Most principal reasons.
        values: Slot to what is put there; None where the bank must fill it in first.
        texts: Audience to section to language to sentences, which stand in place of the section's own.
    """

    id: str
    labels: Mapping[str, str]
    as_of: date
    review_by: date
    languages: tuple[str, ...]
    sources: tuple[Source, ...]
    rule: SelectionRule
    allowed_rules: tuple[SelectionRule, ...]
    max_reasons: int
    values: Mapping[str, str | None]
    texts: Mapping[str, Mapping[str, Mapping[str, tuple[PackSentence, ...]]]]

    @property
    def open_values(self) -> tuple[str, ...]:
        """Slots that the bank must fill in before the pack can be used."""
        return tuple(name for name, value in self.values.items() if value is None)

    @property
    def title(self) -> str:
        """Id and date, as a view states them."""
        return f"{self.id} ({self.as_of.isoformat()})"

    def rule_problem(self, description: BundleDescription) -> str:
        """Why reasons against a bundle's background are not chosen by this pack's rule; empty if they are."""
        drawn_from = description.background_drawn_from
        if drawn_from is self.rule:
            return ""
        declared = f"'drawn_from: {drawn_from}'" if drawn_from else "nothing of who its background is drawn from"
        return (
            f"declares {declared}, but the pack '{self.id}' asks for reasons by the rule '{self.rule}', so its adverse "
            f"letters are held for a person; draw the background so and write 'background: {{drawn_from: {self.rule}}}'"
        )

    def is_stale(self, today: date) -> bool:
        """Whether the day to review it has passed."""
        return today > self.review_by

    def sentences(self, audience: str, section: str, language: str) -> tuple[PackSentence, ...]:
        """The sentences of one section; empty if the pack says nothing there."""
        return self.texts.get(audience, {}).get(section, {}).get(language, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class PackUse:
    """Which pack speaks for which bundle.

    Attributes:
        default: Pack of the bundles that are not listed; None for none.
        bundles: Bundle name to its pack, or to None for none.
    """

    default: Pack | None = None
    bundles: Mapping[str, Pack | None] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, bundle: str) -> Pack | None:
        """The pack of a bundle; None if none speaks for it."""
        return self.bundles.get(bundle, self.default)

    @property
    def packs(self) -> tuple[Pack, ...]:
        """The packs in use, each once."""
        found = (self.default, *self.bundles.values())
        return tuple({pack.id: pack for pack in found if pack is not None}.values())
