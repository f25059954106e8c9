"""Reads the audiences folder and refuses whatever does not fit together, with file, line and field."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from xaisvc.errors import AudienceError
from xaisvc.types import Gate, Sensitivity
from xaisvc.views.audience import UNCLASSIFIED, Action, Audience, Holding, Layout, OnUnreliable
from xaisvc.views.loader_child import check_tightens, inherited
from xaisvc.views.loader_messages import Words, check_messages, read_catalogue
from xaisvc.views.loader_packs import check_pack, read_packs, read_use
from xaisvc.views.loader_sections import read_before, read_cohort_sections, read_sections
from xaisvc.views.render import EXPORTS, FORMATS
from xaisvc.views.sections.client import MaySay
from xaisvc.views.wording import READING_MEASURES, ReadingLimits
from xaisvc.views.yamlfile import YamlFile, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from enum import StrEnum

    from xaisvc.views.audience import SectionSpec
    from xaisvc.views.packs import PackUse
    from xaisvc.views.yamlfile import Value

    _Policy: TypeAlias = Mapping[str, Mapping[str, Action]]

AUDIENCE_SCHEMA = "xaisvc.audience/v1"
CLASSES_SCHEMA = "xaisvc.classes/v1"
CLASSES = (*(sensitivity.value for sensitivity in Sensitivity), UNCLASSIFIED)
LAYOUTS = ("report", "brief", "card", "case", "letter")
_SHARED_FOLDERS = ("lexicon", "messages", "packs")
_ID = re.compile(r"[a-z][a-z0-9_]*")
_KEYS = (
    "schema",
    "id",
    "extends",
    "version",
    "label",
    "purpose",
    "questions",
    "clearance",
    "languages",
    "formats",
    "layout",
    "on_unreliable",
    "gates",
    "caveats",
    "wording",
    "sections",
    "cohort_sections",
    "first_judgement",
    "before",
    "held",
    "closed",
)
_E = TypeVar("_E", bound="StrEnum")


def audiences_folder() -> Path:
    """The folder that comes with xaisvc: inside the installed package, or at the top of a checkout.

    Raises:
        AudienceError: If it is in neither place.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_audiences", package.parent / "audiences"):
        if (folder / "classes.yaml").is_file():
            return folder
    raise AudienceError("the audiences folder is missing from this installation; install xaisvc again")


def load_audiences(path: Path | None = None, *, today: date | None = None) -> Mapping[str, Audience]:
    """Reads every audience of a folder.

    Args:
        path: The folder; None for the one that comes with xaisvc.
        today: The day to compare the jurisdiction packs in use with: one past its `review_by` is told by a
            `StalePackWarning`. None to compare nothing.

    Returns:
        Audience id to audience, in alphabetical order.

    Raises:
        AudienceError: If a file is missing, holds an unknown key or section type, lacks a message, or shows a class
            that `classes.yaml` does not grant; if an audience shows more than the one it extends; or if a jurisdiction
            pack does not fit. The message names file, line and field.
    """
    root = (path or audiences_folder()).resolve()
    if not root.is_dir():
        raise AudienceError(f"the audiences folder '{root.name}' does not exist")
    folders = sorted(
        f for f in root.iterdir() if f.is_dir() and f.name not in _SHARED_FOLDERS and f.name[0] not in "._"
    )
    if not folders:
        raise AudienceError(f"the audiences folder '{root.name}' holds no audience; add a folder with audience.yaml")
    classes, policy = _read_policy(root, {folder.name for folder in folders})
    packs = read_packs(root)
    use = read_use(root, packs, today=today)
    declared = {folder.name: read_yaml(folder / "audience.yaml", root) for folder in folders}
    shared: dict[str, Words] = {}
    lexicons: dict[str, _Lexicon] = {}
    found = {}
    for name in declared:
        declaration, parent = inherited(declared, name)
        for language in _languages(declaration):
            if language not in shared:
                shared[language] = read_catalogue(root / "messages" / f"{language}.yaml", root)
                lexicons[language] = _read_lexicon(root / "lexicon" / f"{language}.yaml", root)
        sources = _Sources(root=root, classes=classes, policy=policy, shared=shared, lexicons=lexicons, packs=use)
        found[name] = _read_audience(declaration, name, parent, sources)
    for name, audience in found.items():
        if audience.extends:
            check_tightens(declared[name], audience, found[audience.extends])
    for pack in packs.values():
        check_pack(root, pack, found)
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    """What an audience is made of beside its own declaration: files by language, who may see what, and packs."""

    root: Path
    classes: YamlFile
    policy: _Policy
    shared: Mapping[str, Words]
    lexicons: Mapping[str, _Lexicon]
    packs: PackUse


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """The lists of terms of one language, and the file that they stand in."""

    file: YamlFile
    lists: Mapping[str, tuple[str, ...]]


def _languages(file: YamlFile) -> tuple[str, ...]:
    return _each_once(file, "languages", file.texts("languages", file.content.get("languages")))


def _each_once(file: YamlFile, field: str, values: tuple[str, ...]) -> tuple[str, ...]:
    for i, value in enumerate(values):
        if value in values[:i]:
            raise file.error(f"{field}.{i}", f"'{value}' is named twice; name it once")
    return values


def _read_policy(root: Path, audiences: set[str]) -> tuple[YamlFile, _Policy]:
    file = read_yaml(root / "classes.yaml", root)
    file.only("", file.content, ("schema", "audiences"))
    if file.content.get("schema") != CLASSES_SCHEMA:
        raise file.error("schema", f"must be '{CLASSES_SCHEMA}'")
    table = file.mapping("audiences", file.content.get("audiences"))
    policy: dict[str, dict[str, Action]] = {}
    for name, row_value in table.items():
        field = f"audiences.{name}"
        if name not in audiences:
            raise file.error(field, f"there is no folder '{name}'")
        row = file.mapping(field, row_value)
        file.only(field, row, CLASSES)
        missing = [c for c in CLASSES if c not in row]
        if missing:
            raise file.error(field, f"says nothing about: {', '.join(missing)}")
        policy[name] = {c: _word(file, f"{field}.{c}", row[c], Action) for c in CLASSES}
    return file, policy


def _read_lexicon(path: Path, root: Path) -> _Lexicon:
    file = read_yaml(path, root)
    return _Lexicon(file, {name: file.texts(name, terms) for name, terms in file.content.items()})


def _read_audience(file: YamlFile, folder: str, parent: str, sources: _Sources) -> Audience:
    content = file.content
    file.only("", content, _KEYS)
    if content.get("schema") != AUDIENCE_SCHEMA:
        raise file.error("schema", f"must be '{AUDIENCE_SCHEMA}'")
    identifier = file.text("id", content.get("id"))
    if identifier != folder or not _ID.fullmatch(identifier):
        raise file.error("id", f"must be the folder's name '{folder}', in small letters, digits and underscores")
    languages = _languages(file)
    actions = _actions(file, sources.policy.get(identifier))
    on_unreliable = _word(file, "on_unreliable", content.get("on_unreliable"), OnUnreliable)
    held = read_sections(file, "held", content["held"], fixed=True) if "held" in content else ()
    closed = read_sections(file, "closed", content["closed"], fixed=True) if "closed" in content else ()
    if not closed and Action.CLOSED in actions.values():
        raise file.error("closed", "must list what is said instead of a view, because a class closes the view")
    sections = read_sections(file, "sections", content.get("sections"))
    _check_constant(sources.classes, identifier, sections, actions)
    _check_nothing_dropped(file, sections, actions)
    can_hold = any(isinstance(spec.builder, Holding) for spec in sections)
    if not held and (can_hold or Action.HOLD in actions.values() or on_unreliable is OnUnreliable.HOLD):
        raise file.error("held", "must list what a view says that is held for review, because views can be held")
    before, is_asked = read_before(file)
    cohort = read_cohort_sections(file) if "cohort_sections" in content else ()
    banned, reading = _wording(file, languages, sources.lexicons)
    words = {language: _words(language, folder, parent, sources) for language in languages}
    for language, found in words.items():
        check_messages(file, found, (*sections, *before, *held, *closed), banned[language], cohort)
    return Audience(
        id=identifier,
        version=_whole(file, "version", content.get("version"), least=1),
        labels=_translated(file, "label", languages),
        purposes=_translated(file, "purpose", languages),
        questions=file.texts("questions", content.get("questions")),
        actions=MappingProxyType(actions),
        sections=sections,
        held=held,
        closed=closed,
        on_unreliable=on_unreliable,
        gates=_gates(file, on_unreliable, actions),
        caveats=_whole(file, "caveats", content.get("caveats"), least=0),
        banned=MappingProxyType(banned),
        reading=MappingProxyType(reading),
        layout=cast("Layout", _one_of(file, "layout", content.get("layout"), LAYOUTS)),
        formats=_formats(file),
        catalogues=MappingProxyType({language: found.catalogue() for language, found in words.items()}),
        packs=sources.packs,
        extends=parent,
        before=before if is_asked else (),
        cohort_sections=cohort,
    )


def _formats(file: YamlFile) -> tuple[str, ...]:
    names = file.items("formats", file.content.get("formats"))
    known = (*FORMATS, *EXPORTS, "pdf")
    return _each_once(file, "formats", tuple(_one_of(file, f"formats.{i}", n, known) for i, n in enumerate(names)))


def _words(language: str, folder: str, parent: str, sources: _Sources) -> Words:
    """The shared sentences, those of the audience that is extended, and the audience's own; a child may have none."""

    def read(name: str, found: Words) -> Words:
        path = sources.root / name / "messages" / f"{language}.yaml"
        return found.joined(read_catalogue(path, sources.root, found))

    if not parent:
        return read(folder, sources.shared[language])
    taken = replace(read(parent, sources.shared[language]), own=frozenset())
    has_own = (sources.root / folder / "messages" / f"{language}.yaml").is_file()
    return read(folder, taken) if has_own else taken


def _gates(file: YamlFile, on_unreliable: OnUnreliable, actions: Mapping[str, Action]) -> frozenset[Gate]:
    """Gates of caveats that the audience keeps to: all of them unless it says otherwise.

    Clients, and whoever talks to them, keep to all: they are the readers whose views can be held or closed.
    """
    if "gates" not in file.content:
        asked = frozenset(Gate)
    else:
        names = file.content["gates"]
        if not isinstance(names, list):
            raise file.error("gates", f"must be a list of: {', '.join(Gate)}; empty for none of them")
        asked = frozenset(_word(file, f"gates.{i}", name, Gate) for i, name in enumerate(names))
    missing = [gate for gate in Gate if gate not in asked]
    if missing and not {Action.HOLD, Action.CLOSED}.isdisjoint(actions.values()):
        raise file.error(
            "gates",
            f"must name '{missing[0]}' as well: classes.yaml holds or closes views of this audience, so what a caveat "
            "keeps from customers is kept from it",
        )
    if Gate.NO_REASONS in asked and on_unreliable is OnUnreliable.SHOW:
        raise file.error(
            "on_unreliable",
            "is 'show', so reasons are given whatever a caveat says; declare gates without 'no_reasons', or 'hold'",
        )
    return asked


def _actions(file: YamlFile, row: Mapping[str, Action] | None) -> dict[str, Action]:
    """What happens to each class: shown only if the audience asks for it and `classes.yaml` grants it."""
    if row is None:
        raise file.error("id", "classes.yaml has no row for this audience; add one, its default is to hide")
    asked = file.texts("clearance", file.content.get("clearance"))
    for i, name in enumerate(asked):
        field = f"clearance.{i}"
        if name not in CLASSES:
            raise file.error(field, f"unknown sensitivity class '{name}'; known: {', '.join(CLASSES)}")
        if row[name] is not Action.SHOW:
            raise file.error(field, f"classes.yaml does not grant '{name}' to this audience (it says '{row[name]}')")
    return {
        name: Action.HIDE if action is Action.SHOW and name not in asked else action for name, action in row.items()
    }


def _check_nothing_dropped(file: YamlFile, sections: Iterable[SectionSpec], actions: Mapping[str, Action]) -> None:
    """Refuses to hide a class from whoever is told principal reasons: the next one would stand in its place."""
    hidden = next((name for name, action in actions.items() if action is Action.HIDE), None)
    if hidden is not None and any(isinstance(spec.builder, Holding) for spec in sections):
        raise file.error(
            "clearance",
            f"'{hidden}' is 'hide' here: principal reasons of this class would be left out, and lesser ones named in "
            "their place; make it 'hold', 'generalise' or 'closed' in classes.yaml, or let both files show it",
        )


def _check_constant(
    classes: YamlFile, audience: str, sections: Iterable[SectionSpec], actions: Mapping[str, Action]
) -> None:
    """Refuses another answer than the constant one about money laundering, for clients and whoever talks to them.

    A case whose page differs from the others, and be it by being held, tips the client off.
    """
    talks = any(isinstance(spec.builder, (Holding, MaySay)) for spec in sections)
    if talks and actions[Sensitivity.AML.value] is not Action.CLOSED:
        raise classes.error(
            f"audiences.{audience}.{Sensitivity.AML}",
            f"must be '{Action.CLOSED}': '{audience}' is a client or talks to clients, and a page about money "
            "laundering that differs from case to case tips them off; the view of such a bundle is always the words "
            "under 'closed' in audience.yaml",
        )


def _wording(
    file: YamlFile, languages: Iterable[str], lexicons: Mapping[str, _Lexicon]
) -> tuple[dict[str, tuple[str, ...]], dict[str, ReadingLimits]]:
    wording = file.mapping("wording", file.content.get("wording"))
    file.only("wording", wording, ("banned", "reading"))
    limits = file.mapping("wording.reading", wording.get("reading", {}))
    names = wording.get("banned") or []
    if not isinstance(names, list):
        raise file.error("wording.banned", "must be a list of lexicons")
    banned: dict[str, tuple[str, ...]] = {}
    reading: dict[str, ReadingLimits] = {}
    for language in languages:
        banned[language] = tuple(
            term for i, name in enumerate(names) for term in _terms(file, i, name, language, lexicons)
        )
        field = f"wording.reading.{language}"
        limit = file.mapping(field, limits.get(language, {}))
        reading[language] = _reading(file, field, language, limit)
    file.only("wording.reading", limits, languages)
    return banned, reading


def _terms(file: YamlFile, place: int, name: Value, language: str, lexicons: Mapping[str, _Lexicon]) -> tuple[str, ...]:
    """The terms of a list that a declaration bans; a list that only one language lacks is that lexicon's mistake."""
    lexicon = lexicons[language]
    others = [f"'{other}'" for other, one in lexicons.items() if isinstance(name, str) and name in one.lists]
    if isinstance(name, str) and name not in lexicon.lists and others:
        raise lexicon.file.error(
            name,
            f"is missing: {file.name} bans this list, and {', '.join(others)} has it; the lists here are: "
            f"{', '.join(lexicon.lists)}",
        )
    return lexicon.lists[_one_of(file, f"wording.banned.{place}", name, tuple(lexicon.lists))]


def _reading(file: YamlFile, field: str, language: str, limit: Mapping[str, Value]) -> ReadingLimits:
    """The limits of one language; a language is measured in one way, so the limit of another is refused."""
    measure = READING_MEASURES[language][0] if language in READING_MEASURES else None
    known = ("max_sentence_words", *((measure,) if measure else ()))
    file.only(field, limit, known)
    figure = limit.get(measure, 0) if measure else 0
    if not isinstance(figure, int | float) or isinstance(figure, bool) or figure < 0:
        raise file.error(f"{field}.{measure}", "must be a number, 0 or more")
    words = _whole(file, f"{field}.max_sentence_words", limit.get("max_sentence_words", 0), least=0)
    return ReadingLimits(max_sentence_words=words, **({measure: float(figure)} if measure else {}))


def _translated(file: YamlFile, field: str, languages: Iterable[str]) -> Mapping[str, str]:
    texts = file.mapping(field, file.content.get(field))
    file.only(field, texts, languages)
    return MappingProxyType({lang: file.text(f"{field}.{lang}", texts.get(lang)) for lang in languages})


def _one_of(file: YamlFile, field: str, value: Value, known: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in known:
        raise file.error(field, f"must be one of: {', '.join(known)}")
    return value


def _word(file: YamlFile, field: str, value: Value, kind: type[_E]) -> _E:
    return kind(_one_of(file, field, value, tuple(member.value for member in kind)))


def _whole(file: YamlFile, field: str, value: Value, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise file.error(field, f"must be a whole number, {least} or more")
    return value
