"""Reads jurisdiction packs, and which of them are in use, and refuses what an audience could not say."""

from __future__ import annotations

import re
import warnings
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.types import SelectionRule
from xaisvc.views.catalogue import parse_message
from xaisvc.views.context import COMMON_SLOTS
from xaisvc.views.packs import Pack, PackSentence, PackUse, Source, StalePackWarning
from xaisvc.views.sections.common import FixedText
from xaisvc.views.wording import find_banned
from xaisvc.views.yamlfile import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xaisvc.views.audience import Audience
    from xaisvc.views.yamlfile import Value, YamlFile

PACK_SCHEMA = "xaisvc.pack/v1"
USE_SCHEMA = "xaisvc.packs/v1"
USE_FILE = "packs.yaml"
FOLDER = "packs"
NONE = "none"
_KEYS = ("schema", "id", "label", "as_of", "review_by", "languages", "sources", "selection", "values", "texts")
_READ = ("primary", "secondary")
_NUMBER = re.compile(r"(?<![\w-])\d")


def read_packs(root: Path) -> Mapping[str, Pack]:
    """Every pack of an audiences folder, by id, whether in use or not.

    Raises:
        AudienceError: If a file holds an unknown key, a date that is none, a rule that is not allowed, or a sentence
            with a malformed slot or a number; the message names file, line and field.
    """
    return {path.stem: _pack(read_yaml(path, root), path.stem) for path in sorted((root / FOLDER).glob("*.yaml"))}


def read_use(root: Path, packs: Mapping[str, Pack], *, today: date | None = None) -> PackUse:
    """Which packs are in use; none in a folder without `packs.yaml`.

    Args:
        root: The audiences folder.
        packs: The packs that it has.
        today: The day to compare `review_by` with; None to compare nothing.

    Raises:
        AudienceError: If a pack is named that is not there, or that leaves a value for the bank to fill in.
    """
    if not (root / USE_FILE).is_file():
        return PackUse()
    file = read_yaml(root / USE_FILE, root)
    file.only("", file.content, ("schema", "default", "bundles"))
    if file.content.get("schema") != USE_SCHEMA:
        raise file.error("schema", f"must be '{USE_SCHEMA}'")
    bundles = file.mapping("bundles", file.content.get("bundles", {}))
    use = PackUse(
        default=_named(file, "default", file.content.get("default", NONE), packs),
        bundles=MappingProxyType(
            {name: _named(file, f"bundles.{name}", value, packs) for name, value in bundles.items()}
        ),
    )
    for pack in use.packs:
        if today is not None and pack.is_stale(today):
            warnings.warn(stale_sentence(pack), StalePackWarning, stacklevel=3)
    return use


def stale_sentence(pack: Pack) -> str:
    """What is said of a pack past its day."""
    return (
        f"the pack '{pack.id}' was to be reviewed by {pack.review_by.isoformat()}: have its sources read again, "
        "then set as_of and review_by"
    )


def check_pack(root: Path, pack: Pack, audiences: Mapping[str, Audience]) -> None:
    """Checks that audiences can say what a pack asks them to.

    Raises:
        AudienceError: If it names an audience or section that is not there or holds no fixed text, lacks a language of
            the audience, or a sentence that the law does not mandate holds a term banned for the audience.
    """
    file = read_yaml(root / FOLDER / f"{pack.id}.yaml", root)
    for name, sections in pack.texts.items():
        field = f"texts.{name}"
        audience = audiences.get(name)
        if audience is None:
            raise file.error(field, f"there is no audience '{name}'; known: {', '.join(audiences)}")
        specs = (*audience.sections, *audience.held, *audience.closed)
        known = dict.fromkeys(spec.id for spec in specs if isinstance(spec.builder, FixedText))
        lacking = [language for language in audience.languages if language not in pack.languages]
        if lacking:
            raise file.error("languages", f"lacks '{lacking[0]}', a language of audience '{name}'; add its sentences")
        for section, texts in sections.items():
            if section not in known:
                raise file.error(
                    f"{field}.{section}",
                    f"audience '{name}' has no section of type text of that id; it has: {', '.join(known)}",
                )
            for language, found in texts.items():
                for i, sentence in enumerate(found):
                    terms = () if sentence.mandated else audience.banned.get(language, ())
                    for term in find_banned(sentence.message.literal, terms):
                        raise file.error(
                            f"{field}.{section}.{language}.{i}",
                            f"says '{term}', which is banned for this audience; only mandated words may",
                        )


def _named(file: YamlFile, field: str, value: Value, packs: Mapping[str, Pack]) -> Pack | None:
    name = file.text(field, value)
    if name == NONE:
        return None
    if name not in packs:
        raise file.error(field, f"there is no pack '{name}'; known: {', '.join((NONE, *packs))}")
    if packs[name].open_values:
        raise file.error(
            field,
            f"the pack '{name}' leaves '{packs[name].open_values[0]}' open; fill it in under values in "
            f"{FOLDER}/{name}.yaml",
        )
    return packs[name]


def _pack(file: YamlFile, name: str) -> Pack:
    content = file.content
    file.only("", content, _KEYS)
    if content.get("schema") != PACK_SCHEMA:
        raise file.error("schema", f"must be '{PACK_SCHEMA}'")
    if content.get("id") != name:
        raise file.error("id", f"must be the file's name '{name}'")
    languages = file.texts("languages", content.get("languages"))
    labels = file.mapping("label", content.get("label"))
    as_of, review_by = _day(file, "as_of"), _day(file, "review_by")
    if review_by <= as_of:
        raise file.error("review_by", "must be after as_of")
    rule, allowed, max_reasons = _selection(file)
    values = _values(file)
    return Pack(
        id=name,
        labels=MappingProxyType(
            {language: file.text(f"label.{language}", labels.get(language)) for language in languages}
        ),
        as_of=as_of,
        review_by=review_by,
        languages=languages,
        sources=tuple(_source(file, i, item) for i, item in enumerate(file.items("sources", content.get("sources")))),
        rule=rule,
        allowed_rules=allowed,
        max_reasons=max_reasons,
        values=MappingProxyType(values),
        texts=_texts(file, languages, (*COMMON_SLOTS, *values)),
    )


def _day(file: YamlFile, field: str) -> date:
    text = file.text(field, file.content.get(field))
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise file.error(field, f"'{text}' is no date; write year-month-day, for example 2026-11-22") from None


def _source(file: YamlFile, i: int, item: Value) -> Source:
    field = f"sources.{i}"
    entry = file.mapping(field, item)
    file.only(field, entry, ("cite", "says", "read"))
    read = entry.get("read")
    if read not in _READ:
        raise file.error(f"{field}.read", f"must be one of: {', '.join(_READ)}")
    return Source(
        cite=file.text(f"{field}.cite", entry.get("cite")),
        says=file.text(f"{field}.says", entry.get("says")),
        read=str(read),
    )


def _selection(file: YamlFile) -> tuple[SelectionRule, tuple[SelectionRule, ...], int]:
    selection = file.mapping("selection", file.content.get("selection"))
    file.only("selection", selection, ("rule", "allowed", "max_reasons"))
    known = tuple(rule.value for rule in SelectionRule)
    allowed = file.texts("selection.allowed", selection.get("allowed"))
    for i, name in enumerate(allowed):
        if name not in known:
            raise file.error(f"selection.allowed.{i}", f"must be one of: {', '.join(known)}")
    rule = selection.get("rule")
    if rule not in allowed:
        raise file.error("selection.rule", f"must be one of those allowed: {', '.join(allowed)}")
    most = selection.get("max_reasons")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise file.error("selection.max_reasons", "must be a whole number, 1 or more")
    return SelectionRule(str(rule)), tuple(map(SelectionRule, allowed)), most


def _values(file: YamlFile) -> dict[str, str | None]:
    values = file.mapping("values", file.content.get("values", {}))
    found: dict[str, str | None] = {}
    for name, value in values.items():
        if not name.isidentifier() or name in COMMON_SLOTS:
            raise file.error(f"values.{name}", f"cannot be a slot; use another name than {', '.join(COMMON_SLOTS)}")
        found[name] = None if value is None else file.text(f"values.{name}", value)
    return found


def _texts(
    file: YamlFile, languages: tuple[str, ...], slots: tuple[str, ...]
) -> Mapping[str, Mapping[str, Mapping[str, tuple[PackSentence, ...]]]]:
    found: dict[str, dict[str, Mapping[str, tuple[PackSentence, ...]]]] = {}
    for audience, sections_value in file.mapping("texts", file.content.get("texts")).items():
        sections = file.mapping(f"texts.{audience}", sections_value)
        for section, by_language_value in sections.items():
            field = f"texts.{audience}.{section}"
            by_language = file.mapping(field, by_language_value)
            file.only(field, by_language, languages)
            texts = {
                language: tuple(
                    _sentence(file, f"{field}.{language}.{i}", item, slots)
                    for i, item in enumerate(file.items(f"{field}.{language}", by_language.get(language)))
                )
                for language in languages
            }
            _check_same(file, field, texts)
            found.setdefault(audience, {})[section] = MappingProxyType(texts)
    return MappingProxyType({audience: MappingProxyType(sections) for audience, sections in found.items()})


def _check_same(file: YamlFile, field: str, texts: Mapping[str, tuple[PackSentence, ...]]) -> None:
    """Refuses languages that differ in their number of sentences, in a slot, or in what is mandated."""
    shapes = {
        language: [(set(s.message.slots), s.mandated, s.adverse_only) for s in sentences]
        for language, sentences in texts.items()
    }
    first = next(iter(shapes))
    for language, shape in shapes.items():
        if shape != shapes[first]:
            raise file.error(
                f"{field}.{language}",
                f"must have the same sentences as '{first}': as many, in the same order, with the same slots, and the "
                "same mandated and when",
            )


def _sentence(file: YamlFile, field: str, item: Value, slots: tuple[str, ...]) -> PackSentence:
    entry = item if isinstance(item, dict) else {"text": item}
    file.only(field, entry, ("text", "mandated", "when"))
    mandated = entry.get("mandated", False)
    if not isinstance(mandated, bool):
        raise file.error(f"{field}.mandated", "must be true or false")
    when = entry.get("when", "always")
    if when not in {"always", "adverse"}:
        raise file.error(f"{field}.when", "must be one of: always, adverse")
    try:
        message = parse_message(file.text(f"{field}.text" if isinstance(item, dict) else field, entry.get("text")))
    except ValueError as problem:
        raise file.error(field, str(problem)) from None
    unknown = [slot for slot in message.slots if slot not in slots]
    if unknown:
        raise file.error(field, f"nobody fills the slot '{unknown[0]}'; this sentence may use: {', '.join(slots)}")
    if _NUMBER.search(message.literal):
        raise file.error(field, "holds a number; put it under values, and a slot here")
    return PackSentence(message=message, mandated=mandated, adverse_only=when == "adverse")
