"""Reads message files and checks that an audience can say everything that its sections will want to say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.views.audience import Worded
from xaisvc.views.catalogue import Catalogue, Message, parse_message
from xaisvc.views.cohort_section import COHORT_SLOTS, PREFIX, cohort_keys
from xaisvc.views.context import COMMON_SLOTS, message_keys
from xaisvc.views.wording import find_banned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from xaisvc.views.audience import SectionSpec
    from xaisvc.views.cohort_section import CohortSpec
    from xaisvc.views.yamlfile import Value, YamlFile

from xaisvc.views.yamlfile import read_yaml

GENERAL_MESSAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "view.title": COMMON_SLOTS,
        "view.subtitle": COMMON_SLOTS,
        "words.yes": (),
        "words.no": (),
        "words.not_given": (),
        "words.others": (),
        "words.rows": (),
        "words.less_than": ("share",),
        "words.more_than": ("share",),
        "words.note": (),
        "words.care": (),
        "words.stop": (),
        "no_reasons.title": COMMON_SLOTS,
        "no_reasons.text": COMMON_SLOTS,
        "caveat.other.care": (),
        "caveat.other.unreliable": (),
    }
)
"""What every view needs, whatever its sections."""

COHORT_MESSAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        f"{PREFIX}.{key}": slots
        for key, slots in {
            "view.title": COHORT_SLOTS,
            "view.subtitle": COHORT_SLOTS,
            "period.chosen": (),
            "period.day": ("last",),
            "period.until": ("last",),
            "period.between": ("since", "last"),
            "band": (),
            "cases": (),
            "several": (),
            "cell.given": (),
            "cell.from": ("low",),
            "cell.below": ("high",),
            "cell.between": ("low", "high"),
            "cell.or_not_given": ("cell",),
            "change.adverse": (),
            "change.normal": (),
        }.items()
    }
)
"""What every view of many cases needs, whatever its sections."""

_OPEN_PREFIXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"caveat.": ("facts",), "units.": ("n",), f"{PREFIX}.limits.kind_of.": ()}
)
_NUMBER = re.compile(r"(?<![\w-])\d")


@dataclass(frozen=True, slots=True)
class Words:
    """Sentences with the file that each came from.

    Attributes:
        locale: Locale of numbers and dates.
        messages: Key to sentences.
        sources: Key to file.
        own: Keys of the audience's own file; empty for the shared one.
    """

    language: str
    locale: str
    messages: Mapping[str, tuple[Message, ...]]
    sources: Mapping[str, YamlFile]
    own: frozenset[str] = frozenset()

    def joined(self, other: Words) -> Words:
        """These sentences, with those of `other` added or in their place."""
        return Words(
            self.language,
            other.locale,
            {**self.messages, **other.messages},
            {**self.sources, **other.sources},
            frozenset(other.messages),
        )

    def catalogue(self) -> Catalogue:
        """The sentences without their sources."""
        return Catalogue(self.language, self.locale, MappingProxyType(dict(self.messages)))


def read_catalogue(path: Path, root: Path, shared: Words | None = None) -> Words:
    """Reads one message file: the shared one, which sets the locale, or an audience's own.

    Raises:
        AudienceError: If it holds something else than sentences, a malformed slot, an unknown locale, or a number: a
            number reaches a reader through a slot or not at all.
    """
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - heavy: loaded when used

    file = read_yaml(path, root)
    file.only("", file.content, ("messages",) if shared else ("locale", "messages"))
    locale = shared.locale if shared else file.text("locale", file.content.get("locale"))
    if shared is None:
        try:
            Locale.parse(locale)
        except (UnknownLocaleError, ValueError):
            raise file.error("locale", f"'{locale}' is no known locale; an example is en_GB") from None
    messages: dict[str, tuple[Message, ...]] = {}
    _flatten(file, "messages", file.mapping("messages", file.content.get("messages")), messages)
    return Words(path.stem, locale, messages, dict.fromkeys(messages, file))


def _flatten(file: YamlFile, path: str, node: Value, found: dict[str, tuple[Message, ...]]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            _flatten(file, f"{path}.{key}", value, found)
        return
    texts = file.texts(path, node) if isinstance(node, list) else (file.text(path, node),)
    messages = []
    for text in texts:
        try:
            message = parse_message(text)
        except ValueError as problem:
            raise file.error(path, str(problem)) from None
        if _NUMBER.search(message.literal):
            raise file.error(path, "holds a number; numbers come from the record, through a slot")
        messages.append(message)
    found[path.removeprefix("messages.")] = tuple(messages)


def check_messages(
    file: YamlFile,
    words: Words,
    sections: Iterable[SectionSpec],
    banned: Iterable[str],
    cohort: Sequence[CohortSpec] = (),
) -> None:
    """Checks an audience's sentences against its sections.

    Raises:
        AudienceError: If a sentence is missing, is never used, uses a slot that nobody fills, or a banned term.
    """
    used = {**GENERAL_MESSAGES, **(COHORT_MESSAGES if cohort else {})}
    wanted = [
        (f"sections.{section.id}", message_keys(section, key), (*COMMON_SLOTS, *slots))
        for section in sections
        for key, slots in {**section.builder.messages, **_own(section)}.items()
    ]
    wanted += [
        (f"cohort_sections.{section.id}", cohort_keys(section, key), (*COHORT_SLOTS, *slots))
        for section in cohort
        for key, slots in section.builder.messages.items()
    ]
    absent = [(field, keys[0]) for field, keys, _ in wanted if not any(key in words.messages for key in keys)]
    if absent:
        field, _ = absent[0]
        names = ", ".join(f"'{key}'" for key in dict.fromkeys(key for _, key in absent))
        raise file.error(
            field,
            f"messages/{words.language}.yaml has no {names} for this audience; add "
            f"{'it' if len(absent) == 1 else 'them'} to its own file",
        )
    for _, keys, fillable in wanted:
        place = next(key for key in keys if key in words.messages)
        # A sentence that several sections share may use only the slots that all of them fill.
        used[place] = tuple(s for s in used[place] if s in fillable) if place in used else fillable
    for key, slots in used.items():
        if key not in words.messages:
            raise file.error("languages", f"messages/{words.language}.yaml has no '{key}'; add it")
        _check(words, key, slots, banned)
    for key in words.messages.keys() - used.keys():
        prefix = next((p for p in _OPEN_PREFIXES if key.startswith(p)), None)
        if prefix is not None:
            _check(words, key, _OPEN_PREFIXES[prefix], banned)
        elif key in words.own:
            raise words.sources[key].error(f"messages.{key}", "no section of this audience uses this message")


def _own(section: SectionSpec) -> Mapping[str, tuple[str, ...]]:
    """Sentences that follow from a section's options."""
    return section.builder.own_messages() if isinstance(section.builder, Worded) else {}


def _check(words: Words, key: str, slots: tuple[str, ...], banned: Iterable[str]) -> None:
    source = words.sources[key]
    for message in words.messages[key]:
        unknown = [slot for slot in message.slots if slot not in slots]
        if unknown:
            choices = f"this message may use: {', '.join(slots)}" if slots else "this message has no slots"
            raise source.error(f"messages.{key}", f"nobody fills the slot '{unknown[0]}'; {choices}")
        for term in find_banned(message.literal, banned):
            raise source.error(f"messages.{key}", f"says '{term}', which is banned for an audience that reads it")
