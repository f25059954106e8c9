"""Checks of what stands in the files: every language says the same things, and nothing stands there for nobody."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from xaisvc.views.catalogue import Slot
from xaisvc.views.loader_messages import GENERAL_MESSAGES, read_catalogue
from xaisvc.views.sections import SECTION_TYPES
from xaisvc.views.wording import READING_MEASURES
from xaisvc.views.yamlfile import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xaisvc.types import BundleDescription
    from xaisvc.views.audience import Audience
    from xaisvc.views.catalogue import Message


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something to put right.

    Attributes:
        where: File, audience or case.
        what: What is wrong, and what to do.
    """

    where: str
    what: str


def lint_languages(audience: Audience) -> Iterator[Finding]:
    """Whether an audience says the same in each of its languages, and is measured in each."""
    first, *others = audience.languages
    reference = audience.catalogues[first].messages
    for language in others:
        messages = audience.catalogues[language].messages
        where = f"{audience.id}, messages in '{language}'"
        for key in sorted(reference.keys() - messages.keys()):
            yield Finding(where, f"'{key}' is missing; '{first}' has it")
        for key in sorted(messages.keys() - reference.keys()):
            yield Finding(where, f"'{key}' is not in '{first}'; add it there, or take it out here")
        for key in sorted(messages.keys() & reference.keys()):
            mine, theirs = messages[key], reference[key]
            if _slots(mine) != _slots(theirs):
                yield Finding(where, f"'{key}' has the slots {_named(mine)}; '{first}' has {_named(theirs)}")
            if len(mine) != len(theirs):
                yield Finding(where, f"'{key}' has {len(mine)} sentences; '{first}' has {len(theirs)}")
    limited = [language for language, limits in audience.reading.items() if limits.max_grade or limits.min_ease]
    for language in audience.languages:
        if limited and language not in limited and language in READING_MEASURES:
            limit = READING_MEASURES[language][0]
            yield Finding(
                f"{audience.id}/audience.yaml", f"wording.reading.{language} has no {limit}; '{limited[0]}' is limited"
            )


def lint_lexicons(root: Path) -> Iterator[Finding]:
    """Whether every language has the same lists of terms."""
    files = {path.stem: read_yaml(path, root) for path in sorted((root / "lexicon").glob("*.yaml"))}
    names = dict.fromkeys(chain.from_iterable(file.content for file in files.values()))
    for file in files.values():
        for name in names:
            if name not in file.content:
                yield Finding(file.name, f"has no list '{name}'; another language has it")
        for name, value in file.content.items():
            terms = [term.lower() for term in file.texts(name, value)]
            for term in sorted({term for term in terms if terms.count(term) > 1}):
                yield Finding(file.name, f"'{term}' stands twice in '{name}'")


def lint_shared(root: Path) -> Iterator[Finding]:
    """Whether some type of section, or every view, can say each sentence that audiences share."""
    usable = {name for kind in SECTION_TYPES.values() for key in kind.messages for name in (key, f"{kind.type}.{key}")}
    for path in sorted((root / "messages").glob("*.yaml")):
        for key in sorted(read_catalogue(path, root).messages):
            if key not in usable and key not in GENERAL_MESSAGES and not key.startswith(("caveat.", "units.")):
                yield Finding(f"messages/{path.name}", f"nobody can read '{key}': no type of section says it")


def lint_labels(description: BundleDescription, languages: tuple[str, ...]) -> Iterator[Finding]:
    """Whether a bundle names everything in every language that audiences read."""
    for language in languages:
        lacking = [
            *(f"feature '{f.id}'" for f in description.features if not f.labels.get(language)),
            *(
                f"general words of '{f.id}'"
                for f in description.features
                if f.generalised and not f.generalised.get(language)
            ),
            *(
                f"category '{value}' of '{f.id}'"
                for f in description.features
                for value in f.categories
                if not f.category_labels.get(language, {}).get(value)
            ),
            *(f"concept '{c.id}'" for c in description.concepts if not c.labels.get(language)),
            *(f"output '{o.id}'" for o in description.outputs if not o.labels.get(language)),
            *(f"band '{b.id}'" for o in description.outputs for b in o.bands if not b.labels.get(language)),
        ]
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            yield Finding(
                f"bundle {description.name}",
                f"has no label in '{language}' for {lacking[0]}{more}; add labels/{language}.yaml",
            )


def _slots(messages: tuple[Message, ...]) -> set[tuple[str, str]]:
    return {(part.name, part.kind) for message in messages for part in message.parts if isinstance(part, Slot)}


def _named(messages: tuple[Message, ...]) -> str:
    return ", ".join(f"{{{name}:{kind}}}" for name, kind in sorted(_slots(messages))) or "none"
