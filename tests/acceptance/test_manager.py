"""The manager's pages: of one case the same bytes for all of them; of many, the checks of single views and A22.

A manager's own page is the one on many cases, so what is checked of other readers' pages is checked there: sections,
words, reading, numbers, withheld facts, structure and languages, of both bundles, with and without others beside them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from tests.acceptance.across import foreign_words, other_shape
from tests.acceptance.checks import CHECKS
from tests.acceptance.numerals import numerals
from tests.acceptance.worlds import BUNDLE_NAMES, LANGUAGES, RECORDS, SEGMENTS, Shown, plain, show_all
from xaisvc.demo.cases import MAIN_MODEL
from xaisvc.engine.cohorts import cohort_of
from xaisvc.types import Sensitivity
from xaisvc.types.supplements import NO_SUPPLEMENTS
from xaisvc.views import FORMATS, build_cohort_view, build_view, render_view, to_pdf
from xaisvc.views.schema import view_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.acceptance.worlds import Declared, World
    from xaisvc.types import ExplanationRecord
    from xaisvc.types.cohort import Cohort

MANAGER = "business_manager"
FEWEST = 20
PDF_RECORDS = 6
NO_ID = "the-id"


def _bare(page: str, record: ExplanationRecord) -> str:
    """A page without the id of its case, whose hyphens are escaped in Markdown."""
    assert record.id in plain(page)
    return page.replace(record.id, NO_ID).replace(record.id.replace("-", "\\-"), NO_ID)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_a_page_of_one_case_is_the_same_for_every_case(
    world_of: Callable[[str], World], declared: Declared, bundle: str, language: str
) -> None:
    """Whatever was decided, however far it may be relied on: nothing but the id that was asked for differs."""
    world = world_of(bundle)
    pages: dict[str, set[str]] = {}
    for shown in show_all(world, declared, MANAGER, language):
        for form, page in shown.pages.items():
            pages.setdefault(form, set()).add(_bare(page, shown.record))

    assert len(world.records) == RECORDS
    assert {form: len(found) for form, found in pages.items()} == dict.fromkeys(FORMATS, 1)
    assert {one.output.adverse for one in world.records} == {True, False}
    assert len({caveat.severity for one in world.records for caveat in one.caveats}) > 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_a_document_of_one_case_is_the_same_for_every_case(
    world_of: Callable[[str], World], declared: Declared, bundle: str, language: str
) -> None:
    """Under one id, so that texts, their places and what a document says of itself can be compared byte by byte."""
    world = world_of(bundle)
    reader = declared.audiences[MANAGER]
    chosen = [*_some(world, adverse=True), *_some(world, adverse=False)]
    documents = {to_pdf(build_view(replace(one, id=NO_ID), world.description, reader, language)) for one in chosen}

    assert len(chosen) == PDF_RECORDS
    assert len(documents) == 1


def _some(world: World, *, adverse: bool) -> list[ExplanationRecord]:
    return [one for one in world.records if one.output.adverse is adverse][: PDF_RECORDS // 2]


def test_the_comparison_sees_what_other_readers_are_told(world_of: Callable[[str], World], declared: Declared) -> None:
    world = world_of(MAIN_MODEL)
    found = {
        _bare(shown.pages["text"], shown.record)
        for shown in show_all(world, declared, "relationship_manager", "en", 20)
    }

    assert len(found) == RECORDS // 20


@dataclass(frozen=True)
class Many(Shown):
    """A page on many cases; its sections are those that are declared for such pages."""

    cohort: Cohort | None = None


def _cohort(world: World, *, compared: bool) -> Cohort:
    key = ("cohort", compared)
    if key not in world.kept:
        own = world.records[::2] if compared else world.records
        against = world.records[1::2] if compared else None
        world.kept[key] = cohort_of(own, world.description, against=against, segment_by=SEGMENTS[world.name])
    found: Cohort = world.kept[key]
    return found


def _many(world: World, declared: Declared, language: str, *, compared: bool) -> Many:
    reader = declared.audiences[MANAGER]
    cohort = _cohort(world, compared=compared)
    view = build_cohort_view(cohort, world.description, reader, language, known=declared.audiences)
    pages = {form: render_view(view, form) for form in FORMATS}
    return Many(world, declared, world.records[0], NO_SUPPLEMENTS, MANAGER, language, pages, cohort)


@pytest.mark.parametrize("compared", [False, True])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_a_page_on_many_cases_passes_the_checks_of_single_views(
    world_of: Callable[[str], World], declared: Declared, bundle: str, language: str, *, compared: bool
) -> None:
    """A1, A4, A5, A6, A7, A15, A16, A18 and A22; A7 with what is withheld of every single case in it."""
    world = world_of(bundle)
    shown = _many(world, declared, language, compared=compared)
    other = _many(world, declared, "nl" if language == "en" else "en", compared=compared)
    found = [f"{name}: {what}" for name in ("A4", "A5", "A15") for what in CHECKS[name](shown)]
    found += [f"A1: {what}" for what in _sections(shown)]
    found += [f"A6: {what}" for what in _unknown_numbers(shown)]
    found += [f"A7: {what}" for record in world.records for what in CHECKS["A7"](replace(shown, record=record))]
    found += [f"A16: {what}" for what in (*other_shape(shown, other), *foreign_words(shown))]
    found += [f"A22: {what}" for what in _small(shown)]
    validator = Draft202012Validator(view_schema(declared.audiences[MANAGER], cohort=True))
    found += [f"schema: {error.message[:200]}" for error in validator.iter_errors(shown.json)]

    assert found == []
    assert shown.pages == _many(world, declared, language, compared=compared).pages


@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_no_single_case_is_on_a_page_on_many(world_of: Callable[[str], World], declared: Declared, bundle: str) -> None:
    """No id, no day and no amount of any of them."""
    world = world_of(bundle)
    shown = _many(world, declared, "en", compared=True)
    amount = "amount_dm" if bundle == MAIN_MODEL else "amount_eur"
    for form, page in shown.pages.items():
        text = plain(page).replace(",", "")
        for record in world.records:
            value = f"{record.row[amount]:.12g}"

            assert record.id not in text, form
            assert not (len(value) > 3 and value[2:].strip("0.") and re.search(rf"(?<![\d.#]){value}(?![\d.%])", text))


@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_withheld_shares_change_no_byte_of_a_page_on_many_cases(
    world_of: Callable[[str], World], declared: Declared, bundle: str
) -> None:
    """A8: what follows from single views is all that follows; `tests/acceptance/inference.py` looks at these."""
    world = world_of(bundle)
    secret = {"merchant_fraud_28d", "telephone", "savings"}
    features = tuple(
        replace(one, sensitivity=Sensitivity.FRAUD_SIGNAL) if one.id in secret else one
        for one in world.description.features
    )
    description = replace(world.description, features=features)
    hidden = {one.id for one in features if declared.action(MANAGER, one) != "show"}
    reader, rng = declared.audiences[MANAGER], np.random.default_rng(11)

    def pages(records: Sequence[ExplanationRecord]) -> dict[str, str]:
        cohort = cohort_of(records[::2], description, against=records[1::2], segment_by=SEGMENTS[bundle])
        view = build_cohort_view(cohort, description, reader, "en", known=declared.audiences)
        return {form: render_view(view, form) for form in FORMATS}

    assert hidden & secret
    shown = next(one for one in world.description.feature_ids if one not in hidden)
    before = pages(world.records)
    assert pages([_with_shares(one, hidden, rng) for one in world.records]) == before
    assert pages([_with_shares(one, {shown}, rng) for one in world.records]) != before


def _with_shares(record: ExplanationRecord, names: set[str], rng: np.random.Generator) -> ExplanationRecord:
    """The record with other attributions of some features."""
    players = tuple(
        replace(one, value=float(rng.normal(scale=2.0))) if names.intersection(one.features) else one
        for one in record.attribution.players
    )
    return replace(record, attribution=replace(record.attribution, players=players))


def _sections(shown: Many) -> Iterator[str]:
    """A1: what is declared, in its order."""
    declared = [str(one["type"]) for one in shown.declared.audience(MANAGER)["cohort_sections"]]
    found = [str(one["type"]) for one in shown.json["sections"]]
    if declared != found:
        yield f"has the sections {found}, declared are {declared}"


def _unknown_numbers(shown: Many) -> Iterator[str]:
    """A6: every numeral is one of the cohort or of a name of the bank's, or what is left of a hundred percent."""
    known = {token.lstrip("0") or "0" for token in re.findall(r"\d+", str(shown.cohort))}
    known |= {str(100 - int(token)) for token in known if len(token) < 3}
    known |= {str(FEWEST), "100", "95", *map(str, range(10))}
    names = [name for name in shown.names() if re.search(r"\d", name)]
    for form in ("html", "markdown", "text"):
        text = " ".join(shown.html.texts) if form == "html" else plain(shown.pages[form])
        for found in numerals(text, names, lists=form != "html"):
            parts = re.findall(r"\d+", found.replace("," if shown.language == "en" else ".", ""))
            if any((part.lstrip("0") or "0") not in known for part in parts):
                yield f"'{form}' has the number {found}, which nothing accounts for"


def _small(shown: Many) -> Iterator[str]:
    """A22: no group of fewer than 20, no part of one, and nothing that is left where told ones are taken away."""
    cohort = shown.cohort
    assert cohort is not None
    if cohort.n < FEWEST:
        yield f"is about {cohort.n}"
    for table in _tables(shown):
        counts = [_count(row[1]["text"]) for row in table["rows"]]
        for row, n in zip(table["rows"], counts, strict=True):
            where = row[0]["text"]
            if n < FEWEST or _is_few(cohort.n - n):
                yield f"'{where}' is a group of {n} of {cohort.n}"
            for cell in row[2:]:
                percent = re.match(r"(\d+)\s?%", cell["text"])
                if percent and not _is_wide(n, int(percent.group(1))):
                    yield f"'{where}' tells {percent.group()} of {n}"
        if _is_few(cohort.n - sum(counts)):
            yield f"'{table['caption']}' leaves {cohort.n - sum(counts)}"


def _is_few(left: int) -> bool:
    """Whether what is left of a group is somebody, and too few to be told of; less than nobody is wrong as well."""
    return left != 0 and left < FEWEST


def _is_wide(n: int, percent: int) -> bool:
    """Whether both parts of a group that was told in whole percents can have 20 members."""
    return n * (percent + 0.5) / 100 >= FEWEST and n * (100.5 - percent) / 100 >= FEWEST


def _tables(shown: Many) -> list[dict[str, Any]]:
    return shown.blocks("segments", "table")


def _count(text: str) -> int:
    return int(re.sub(r"[.,]", "", re.match(r"[\d.,]+", text).group()))  # type: ignore[union-attr]  # fails loudly


def _with(shown: Many, change: Callable[[dict[str, Any]], None]) -> Many:
    document = json.loads(shown.pages["json"])
    change(document)
    return replace(shown, pages={**shown.pages, "json": json.dumps(document)})


def _cell(document: dict[str, Any], column: int, text: str) -> None:
    section = next(one for one in document["sections"] if one["type"] == "segments")
    table = next(one for one in section["blocks"] if one["type"] == "table")
    table["rows"][0][column]["text"] = text


PLANTS: list[tuple[str, Callable[[Many], Iterator[str]], Callable[[dict[str, Any]], None]]] = [
    ("a small group", _small, lambda document: _cell(document, 1, "7 (4%)")),
    ("all but a few", _small, lambda document: _cell(document, 1, "190 (95%)")),
    ("a small part", _small, lambda document: _cell(document, 2, "3%")),
    ("all but a small part", _small, lambda document: _cell(document, 2, "99%")),
    ("a section too few", _sections, lambda document: document["sections"].pop()),
    ("words", CHECKS["A4"], lambda document: document["sections"][0].update(title="What SHAP says")),
    ("a long sentence", CHECKS["A5"], lambda document: document["sections"][0].update(title=40 * "so it goes " + ".")),
]


@pytest.mark.parametrize(("check", "change"), [plant[1:] for plant in PLANTS], ids=[plant[0] for plant in PLANTS])
def test_a_check_of_a_page_on_many_cases_sees_a_planted_fault(
    world_of: Callable[[str], World],
    declared: Declared,
    check: Callable[[Many], Iterator[str]],
    change: Callable[[dict[str, Any]], None],
) -> None:
    shown = _many(world_of(MAIN_MODEL), declared, "en", compared=False)

    assert _tables(shown)
    assert list(check(shown)) == []
    assert list(check(_with(shown, change)))


def test_a_number_that_nothing_accounts_for_is_seen(world_of: Callable[[str], World], declared: Declared) -> None:
    shown = _many(world_of(MAIN_MODEL), declared, "en", compared=False)
    planted = replace(shown, pages={**shown.pages, "text": shown.pages["text"] + " In 8,417 cases."})

    assert list(_unknown_numbers(planted)) == ["'text' has the number 8,417, which nothing accounts for"]
