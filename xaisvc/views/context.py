"""What a section is built from: one record, its bundle, its audience, and the words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from xaisvc.types import Adverse, Level
from xaisvc.types.cohort import MIN_CELL
from xaisvc.types.supplements import NO_SUPPLEMENTS
from xaisvc.views.document import Fact
from xaisvc.views.entries import player_label
from xaisvc.views.reliability import Reliability, assess
from xaisvc.views.selection import select

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from xaisvc.types import BundleDescription, ExplanationRecord, Feature, Output
    from xaisvc.types.supplements import Supplements
    from xaisvc.views.audience import Audience, SectionSpec
    from xaisvc.views.catalogue import Catalogue, Message, SlotValue
    from xaisvc.views.entries import Entry
    from xaisvc.views.entries import Level as EntryLevel
    from xaisvc.views.language import Language
    from xaisvc.views.packs import Pack
    from xaisvc.views.selection import Selection, Sign

COMMON_SLOTS = (
    "reference",
    "date",
    "bundle",
    "version",
    "owner",
    "purpose",
    "out_of_scope",
    "output",
    "row_name",
    "fewest",
)


SOURCE_MESSAGES = {"origin": ("origin",), "origin_dated": ("origin", "day"), "dated": ("day",)}
"""The messages of a section that says where facts come from and what day they are from."""


@dataclass(frozen=True, kw_only=True)
class ViewContext:
    """Everything that the sections of one view share.

    Attributes:
        record: The record.
        description: The bundle that the record was made with.
        audience: The reader.
        language: The words.
        supplements: What is known beside the record.
    """

    record: ExplanationRecord
    description: BundleDescription
    audience: Audience
    language: Language
    supplements: Supplements = NO_SUPPLEMENTS

    @cached_property
    def output(self) -> Output:
        """The declaration of the explained output."""
        return self.description.output(self.record.output.id)

    @cached_property
    def pack(self) -> Pack | None:
        """The jurisdiction pack that speaks in views of this bundle; None for none."""
        return self.audience.packs.of(self.description.name)

    @cached_property
    def reliability(self) -> Reliability:
        """How far this audience may rely on the record."""
        return assess(self.record, self.description, self.audience, self.language)

    @cached_property
    def kept(self) -> dict[str, object]:
        """What sections of this view have worked out and share, by name."""
        return {}

    @cached_property
    def common(self) -> Mapping[str, SlotValue]:
        """Slots that every sentence may use."""
        description = self.description
        return {
            "reference": self.record.id,
            "date": self.record.created_at,
            "bundle": description.name,
            "version": description.version,
            "owner": description.text("owner", self.language.code),
            "purpose": description.text("purpose", self.language.code),
            "out_of_scope": description.text("out_of_scope", self.language.code),
            "output": self.output.label(self.language.code),
            "row_name": description.row_label(self.language.code) or self.language.word("words.rows"),
            "fewest": MIN_CELL,
        }

    @cached_property
    def against(self) -> Sign | None:
        """Sign of attributions that counted against the person; None if no direction of the output is bad."""
        if self.output.adverse is None:
            return None
        return 1 if self.output.adverse is Adverse.HIGHER else -1

    @property
    def band(self) -> str:
        """Name of the record's band; empty without bands."""
        found = next((band for band in self.output.bands if band.id == self.record.output.band), None)
        return found.label(self.language.code) if found else ""

    def value(self, feature: Feature) -> str:
        """The row's own value of a feature, in words; as one that is missing if the row has no such feature."""
        found = self._values.get(feature.id)
        if found is None:
            found = self._values[feature.id] = self.language.value(feature, self.record.row.get(feature.id))
        return found

    @cached_property
    def _values(self) -> dict[str, str]:
        """Values of the row in words, by feature: several sections show them."""
        return {}

    def selection(self, level: EntryLevel) -> Selection:
        """What the audience may see at a level."""
        return self._by_concept if level == "concept" else self._by_feature

    @cached_property
    def _by_concept(self) -> Selection:
        return select(self.record, self.description, self.audience, self.language, "concept")

    @cached_property
    def _by_feature(self) -> Selection:
        return select(self.record, self.description, self.audience, self.language, "feature")


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionContext:
    """A view's context as one section sees it: messages are looked up under its id, then its type, then as they are.

    Attributes:
        view: The view's context.
        spec: The section.
        complete: Whether the view is complete: neither held nor closed.
    """

    view: ViewContext
    spec: SectionSpec
    complete: bool = True

    def pack_sentences(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the jurisdiction pack puts in place of this section's text: plain sentences, and mandated ones.

        Both are empty without a pack, or if it says nothing here. Sentences for adverse decisions are in complete views
        only: what is held or closed is the same for every case.
        """
        view = self.view
        if view.pack is None:
            return (), ()
        adverse = self.complete and view.record.output.adverse is True
        values = {**view.common, **{name: value or "" for name, value in view.pack.values.items()}}
        plain: list[str] = []
        mandated: list[str] = []
        for sentence in view.pack.sentences(view.audience.id, self.spec.id, view.language.code):
            if adverse or not sentence.adverse_only:
                (mandated if sentence.mandated else plain).append(sentence.message.fill(values, view.language))
        return tuple(plain), tuple(mandated)

    def sentences(self, key: str, **slots: SlotValue) -> tuple[str, ...]:
        """The sentences under `key`, with their slots filled."""
        language, spec = self.view.language, self.spec
        found = _find(language.catalogue, spec.id, spec.builder.type, key)
        if found.fixed is not None:
            return found.fixed
        values = {**self.view.common, **slots} if found.common else slots
        return tuple([message.fill(values, language) for message in found.messages])

    def say(self, key: str, **slots: SlotValue) -> str:
        """The sentences under `key` as one text."""
        language, spec = self.view.language, self.spec
        found = _find(language.catalogue, spec.id, spec.builder.type, key)
        if found.text is not None:
            return found.text
        values = {**self.view.common, **slots} if found.common else slots
        if len(found.messages) == 1:
            return found.messages[0].fill(values, language)
        return " ".join([message.fill(values, language) for message in found.messages])

    def direction(self, value: float) -> str:
        """Which way an attribution counted, in the audience's words."""
        against = self.view.against
        if against is None:
            return self.say("direction.raised" if value > 0 else "direction.lowered")
        return self.say("direction.against" if value * against > 0 else "direction.favour")

    def fact(self, feature: Feature, note: str = "", *, source: str = "", as_of: date | None = None) -> Fact:
        """A feature's value in the record's row, in words.

        Args:
            feature: The feature.
            note: What is remarkable about it.
            source: Where it is from, in words.
            as_of: The day that it is from, if these words or those around it say so.
        """
        return Fact(
            label=feature.label(self.view.language.code),
            value=self.view.value(feature),
            note=note,
            source=source,
            as_of=as_of.isoformat() if as_of else "",
        )

    def sourced_fact(self, feature: Feature, note: str = "") -> Fact:
        """As `fact`, with where its value comes from and the day that it is from, as far as they are known."""
        origin, day = feature.origin(self.view.language.code), self.view.record.fact_dates.get(feature.id)
        return self.fact(feature, note, source=self.source(origin, day), as_of=day)

    def source(self, origin: str, day: date | None) -> str:
        """Where something comes from (empty if not known) and the day that it is from, in words; may be empty."""
        if day is None:
            return self.say("origin", origin=origin) if origin else ""
        if not origin:
            return self.say("dated", day=day.isoformat())
        return self.say("origin_dated", origin=origin, day=day.isoformat())

    def entry_facts(self, entry: Entry, *, origins: bool = False) -> tuple[Fact, ...]:
        """The values behind an entry, those that carry its direction; with where they come from if `origins`."""
        make = self.sourced_fact if origins else self.fact
        return tuple(make(feature) for feature in entry.facts() if feature.id in self.view.record.row)

    def entry_note(self, entry: Entry) -> str:
        """What must be known to read an entry's facts: which of them are associated, and which facts were set off.

        Only facts of this entry are named, and the words are the same whether or not an association has further facts,
        so that nothing withheld can be read from them.
        """
        view = self.view
        found = [
            self.say(
                "together", facts=tuple(player_label(player, view.description, view.language) for player in players)
            )
            for players in entry.associated()
        ]
        others = tuple(feature.label(view.language.code) for feature in entry.offsets())
        if others:
            found.append(self.say("offset", facts=others))
        return " ".join(found)

    @property
    def is_unreliable(self) -> bool:
        """Whether reasons must not be given."""
        return self.view.reliability.level is Level.UNRELIABLE


def message_keys(spec: SectionSpec, key: str) -> tuple[str, ...]:
    """The places where a section's message may stand, nearest first."""
    return _message_keys(spec.id, spec.builder.type, key)


def _message_keys(section: str, kind: str, key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((f"{section}.{key}", f"{kind}.{key}", key)))


@dataclass(frozen=True, slots=True)
class _Found:
    """The messages under one key.

    Attributes:
        messages: The messages.
        common: Whether a slot of theirs is a common one.
        fixed: Their sentences, if they have no slots.
        text: These as one text.
    """

    messages: tuple[Message, ...]
    common: bool
    fixed: tuple[str, ...] | None
    text: str | None


@lru_cache(maxsize=16384)
def _find(catalogue: Catalogue, section: str, kind: str, key: str) -> _Found:
    """What a section's key leads to. Kept: it follows from the catalogue alone, and a page asks hundreds of times."""
    messages = catalogue.find(*_message_keys(section, kind, key))
    if messages is None:
        # The loader has checked every key that a section declares, so this is a mistake in the section's code.
        msg = f"section '{section}' uses the message '{key}' without declaring it"
        raise KeyError(msg)
    slots = frozenset(slot for message in messages for slot in message.slots)
    fixed = None if slots else tuple(message.literal for message in messages)
    return _Found(messages, not slots.isdisjoint(COMMON_SLOTS), fixed, None if fixed is None else " ".join(fixed))
