"""Lints an audiences folder: what stands in the files, and what golden cases look like to every audience."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.errors import AudienceError, XaisvcError
from xaisvc.views.audience import Action
from xaisvc.views.build import build_view
from xaisvc.views.document import Reasons, ViewStatus
from xaisvc.views.lint_cases import GoldenCase, golden_cases
from xaisvc.views.lint_catalogues import Finding, lint_labels, lint_languages, lint_lexicons, lint_shared
from xaisvc.views.lint_stand_ins import lint_stand_ins
from xaisvc.views.loader import load_audiences
from xaisvc.views.loader_packs import read_packs, stale_sentence
from xaisvc.views.packs import PackUse
from xaisvc.views.reading import QUOTED, measure_reading, names_in
from xaisvc.views.render import EXPORTS, FORMATS, render_view
from xaisvc.views.sections.technical import Reproduction
from xaisvc.views.sections.technical_values import AttributionTable
from xaisvc.views.wording import find_banned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date
    from pathlib import Path

    from xaisvc.types import BundleDescription
    from xaisvc.types.association import Association
    from xaisvc.views.audience import Audience
    from xaisvc.views.document import View
    from xaisvc.views.packs import Pack
    from xaisvc.views.reading import Reading

__all__ = ["Finding", "GoldenCase", "LintReport", "ReadingSummary", "lint_audiences", "told_once"]

_RAW_NAME = re.compile(r"\b[a-z]+_[a-z_]+\b")
_IDS = frozenset(
    {"id", "record_id", "audience", "type", "layout", "formats", "language", "pack", "rule", "compared_with"}
)
_UNKNOWN: Mapping[str, Association] = MappingProxyType({})
_KINDS = frozenset({"role", "tone", "side", "status"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSummary:
    """How hard an audience's views are to read in one language, over all golden cases.

    Attributes:
        audience: The audience.
        language: The language.
        views: How many views were measured.
        longest: Words in the longest sentence.
        hardest: Highest grade (English) or lowest ease (Dutch); None in a language without a measure.
    """

    audience: str
    language: str
    views: int
    longest: int
    hardest: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What linting found.

    Attributes:
        findings: What is wrong, each once, sorted; the folder is fine if there is none.
        audiences: Ids of the audiences that were linted.
        packs: Ids of the jurisdiction packs that were read.
        readings: How hard the views are to read.
        mandated: Sentences whose words are the law's; they are not measured.
        cases: How many golden cases were shown.
    """

    findings: tuple[Finding, ...]
    audiences: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    readings: tuple[ReadingSummary, ...] = ()
    mandated: tuple[str, ...] = ()
    cases: int = 0


def lint_audiences(
    root: Path,
    given: Iterable[GoldenCase],
    *,
    today: date,
    only: Iterable[str] | None = None,
    associations: Mapping[str, Association] = _UNKNOWN,
) -> LintReport:
    """Lints a folder.

    Args:
        root: The audiences folder.
        given: Real records; see `golden_cases` for what is added to them.
        today: The day that jurisdiction packs must not be past.
        only: Ids of the audiences to show cases to; all for None.
        associations: Name of a bundle to how its features go together, so that visible ones that stand in for withheld
            ones are found.

    Returns:
        The report. A folder that cannot be loaded has one finding: what the loader says.
    """
    try:
        audiences = load_audiences(root)
        packs = read_packs(root)
        found = [*lint_lexicons(root), *lint_shared(root)]
    except AudienceError as error:
        return LintReport(findings=(Finding(root.name, str(error)),))
    chosen = {name: audience for name, audience in audiences.items() if only is None or name in set(only)}
    given = tuple(given)
    cases, plain = golden_cases(given, chosen.values()), golden_cases(given, ())
    found += [Finding(f"packs/{pack.id}.yaml", stale_sentence(pack)) for pack in packs.values() if pack.is_stale(today)]
    languages = tuple(dict.fromkeys(language for audience in chosen.values() for language in audience.languages))
    for description in {case.description.name: case.description for case in given}.values():
        found += lint_labels(description, languages)
        found += _lint_rules(description, chosen.values())
        if description.name in associations:
            found += lint_stand_ins(description, associations[description.name], chosen.values())
    readings: list[ReadingSummary] = []
    mandated: dict[str, None] = {}
    for audience in chosen.values():
        found += lint_languages(audience)
        for variant in (audience, *_with_packs(audience, packs.values())):
            found += _compare_languages(variant, given)
            for language in audience.languages:
                shown = [_shown(variant, language, case, found) for case in (cases if variant is audience else plain)]
                measured = [reading for reading in shown if reading is not None]
                mandated.update(dict.fromkeys(text for reading in measured for text in reading.mandated))
                if variant is audience and measured:
                    readings.append(_summary(audience, language, measured))
    return LintReport(
        findings=tuple(sorted(set(found))),
        audiences=tuple(chosen),
        packs=tuple(packs),
        readings=tuple(readings),
        mandated=tuple(mandated),
        cases=len(cases),
    )


def told_once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings with one line for what is wrong with several cases of one audience and language.

    A sentence that is quoted differs from case to case in what fills its slots: the first one stands for all.
    """
    alike: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for finding in findings:
        reader, _, case = finding.where.partition(": ")
        alike.setdefault((reader, finding.what.partition(QUOTED)[0]), []).append((case, finding.what))
    return tuple(
        Finding(": ".join(filter(None, (reader, found[0][0] + _more(len(found) - 1)))), found[0][1])
        for (reader, _), found in alike.items()
    )


def _more(n: int) -> str:
    return f" and {n} more" if n else ""


def _lint_rules(description: BundleDescription, audiences: Iterable[Audience]) -> Iterator[Finding]:
    """Whether the packs in use ask for reasons that a bundle cannot give."""
    in_use = (audience.packs.of(description.name) for audience in audiences if audience.held)
    for pack in {pack.id: pack for pack in in_use if pack is not None}.values():
        problem = pack.rule_problem(description)
        if problem:
            yield Finding(f"bundle {description.name}", problem)


def _with_packs(audience: Audience, packs: Iterable[Pack]) -> Iterator[Audience]:
    """The audience under each pack that speaks to it; open values stand as their own names."""
    for pack in packs:
        if audience.id in pack.texts:
            values = {name: value or f"[{name}]" for name, value in pack.values.items()}
            yield dataclasses.replace(audience, packs=PackUse(default=dataclasses.replace(pack, values=values)))


def _shown(audience: Audience, language: str, case: GoldenCase, found: list[Finding]) -> Reading | None:
    """Shows one case to an audience; adds what is wrong with the view, and measures it."""
    pack = audience.packs.default
    where = f"{audience.id}, {language}" + (f", pack {pack.id}" if pack else "") + f": {case.name}"
    try:
        view = _build(case, audience, language)
        pages = {form: render_view(view, form) for form in (*FORMATS, *EXPORTS) if form in audience.formats}
    except XaisvcError as error:
        found.append(Finding(where, f"cannot be shown: {error}"))
        return None
    reading = measure_reading(view, audience.reading[language], names_in(case.description, language))
    found += [Finding(where, what) for what in (*_problems(view, audience, case), *reading.excess)]
    again = _build(case, audience, language)
    found += [
        Finding(where, f"'{form}' differs when it is made again")
        for form, page in pages.items()
        if form == "text" and render_view(again, form) != page
    ]
    return reading


def _build(case: GoldenCase, audience: Audience, language: str) -> View:
    """A case as one audience reads it."""
    beside = case.beside(audience)
    return build_view(case.record, case.description, audience, language, beside, judged=case.judged)


def _problems(view: View, audience: Audience, case: GoldenCase) -> Iterator[str]:
    """What is wrong with a view, in words."""
    expected = {
        ViewStatus.COMPLETE: audience.sections,
        ViewStatus.HELD_FOR_REVIEW: audience.held,
        ViewStatus.NOT_AVAILABLE: audience.closed,
        ViewStatus.JUDGEMENT_FIRST: audience.before,
    }[view.status]
    if [spec.id for spec in expected] != [section.id for section in view.sections]:
        yield "its sections are not those of the declaration, in its order"
    texts = tuple(_texts(view))
    everything = "\n".join(texts)
    for term in find_banned(everything, audience.banned[view.language]):
        yield f"says '{term}', which is banned for this audience; it can come from a label of the bundle"
    technical = any(isinstance(spec.builder, (AttributionTable, Reproduction)) for spec in audience.sections)
    if not technical:
        for name in sorted(set(_RAW_NAME.findall(everything))):
            yield f"shows the raw name '{name}'"
    yield from _withheld(view, audience, case, everything)
    for section in view.sections:
        for block in section.blocks:
            if isinstance(block, Reasons) and not (block.items or block.empty):
                yield f"the list in '{section.id}' is empty and says nothing"


def _withheld(view: View, audience: Audience, case: GoldenCase, everything: str) -> Iterator[str]:
    """Withheld features that a view names; a label that is part of a visible one cannot be told apart from it."""
    shown = {f.label(view.language) for f in case.description.features if audience.action(f) is Action.SHOW}
    for feature in case.description.features:
        if audience.action(feature) is Action.SHOW:
            continue
        label = feature.label(view.language)
        if feature.id in everything:
            yield f"names the withheld feature '{feature.id}'"
        if not any(label in other for other in shown) and re.search(rf"(?<!\w){re.escape(label)}(?!\w)", everything):
            yield f"names the withheld feature '{feature.id}' by its label"


def _texts(value: object) -> Iterator[str]:
    """Every text of a view that a reader can meet in any format; ids and mandated words are left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _texts(item)
    elif dataclasses.is_dataclass(value) and getattr(value, "role", "") != "mandated":
        for field in dataclasses.fields(value):
            if field.name not in _IDS | _KINDS:
                yield from _texts(getattr(value, field.name))


def _compare_languages(audience: Audience, cases: Iterable[GoldenCase]) -> Iterator[Finding]:
    """Whether a case has the same shape in every language: status, sections, blocks, reasons, bars."""
    for case in cases:
        shapes: Mapping[str, object] = {
            language: _shape(_build(case, audience, language)) for language in audience.languages
        }
        first = audience.languages[0]
        for language, shape in shapes.items():
            if shape != shapes[first]:
                yield Finding(f"{audience.id}, {language}: {case.name}", f"is not made like the view in '{first}'")


def _shape(value: object) -> object:
    """A view without its words: its blocks, how many items each has, and its numbers."""
    if isinstance(value, tuple):
        return tuple(_shape(item) for item in value)
    if dataclasses.is_dataclass(value):
        names = (f.name for f in dataclasses.fields(value))
        return (
            type(value).__name__,
            *(getattr(value, name) if name in _KINDS else _shape(getattr(value, name)) for name in names),
        )
    return bool(value) if isinstance(value, str) else value


def _summary(audience: Audience, language: str, measured: list[Reading]) -> ReadingSummary:
    figures = [reading.figure for reading in measured if reading.figure is not None]
    hardest = (max if audience.reading[language].max_grade or language == "en" else min)(figures) if figures else None
    return ReadingSummary(
        audience=audience.id,
        language=language,
        views=len(measured),
        longest=max(reading.longest for reading in measured),
        hardest=hardest,
    )
