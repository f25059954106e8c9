"""Documents carry text, a language and tags, and nothing beside; A4 and A7 in their own text."""

from __future__ import annotations

import io
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pypdf import PdfReader

from tests.acceptance.checks import CHECKS
from tests.acceptance.worlds import LANGUAGES, show_all, show_first
from xaisvc.demo.cases import MAIN_MODEL
from xaisvc.types import Sensitivity
from xaisvc.views import build_view, to_pdf

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.worlds import Declared, Shown, World

DOCUMENTS = ("business_manager", "customer")


def _document(shown: Shown) -> tuple[bytes, PdfReader]:
    reader = shown.declared.audiences[shown.audience]
    found = to_pdf(build_view(shown.record, shown.description, reader, shown.language, shown.beside))
    return found, PdfReader(io.BytesIO(found))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("audience", DOCUMENTS)
def test_a_document_has_text_a_language_and_tags_and_tells_nothing_beside(
    world_of: Callable[[str], World], declared: Declared, audience: str, language: str
) -> None:
    shown = show_first(world_of(MAIN_MODEL), declared, audience, lambda one: one.is_complete, language)
    content, document = _document(shown)
    text = " ".join(" ".join(page.extract_text() for page in document.pages).split())
    root = document.trailer["/Root"]
    details = {key: str(value) for key, value in (document.metadata or {}).items()}

    assert root["/Lang"] == language
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    for section in shown.json["sections"]:
        assert " ".join(section["title"].split()) in text
    for block in (b for s in shown.json["sections"] for b in s["blocks"] if b["type"] == "paragraph"):
        words = re.findall(r"\w+", block["text"])
        assert [word for word in words if word not in text] == []
    assert set(details) <= {"/Title", "/Producer"}
    assert details["/Title"] in {"", shown.json["title"]}
    assert b"/EmbeddedFile" not in content
    assert b"/JavaScript" not in content
    for folder in (tempfile.gettempdir(), str(Path.cwd())):
        assert folder.encode() not in content


def _secret_texts(shown: Shown) -> list[str]:
    declared, language = shown.declared, shown.language
    hidden = [f for f in shown.description.features if declared.action(shown.audience, f) not in {"show", "generalise"}]
    return [text for one in hidden for text in (one.id, one.label(language))]


@pytest.mark.parametrize("audience", DOCUMENTS)
def test_nothing_withheld_and_nothing_banned_is_in_the_text_of_a_document(
    world_of: Callable[[str], World], declared: Declared, audience: str
) -> None:
    """A4 and A7: the document's own text goes through the checks in place of the plain text."""
    world = world_of(MAIN_MODEL)
    for shown in show_all(world, declared, audience, "en", every=70):
        content, document = _document(shown)
        text = "\n".join(page.extract_text() for page in document.pages)
        as_text = _replaced(shown, text)

        assert [what for name in ("A4", "A7") for what in CHECKS[name](as_text)] == []
        for secret in _secret_texts(shown):
            assert secret not in text
            assert secret.encode() not in content


def _replaced(shown: Shown, text: str) -> Shown:
    return replace(shown, pages={**shown.pages, "text": text})


def test_the_same_record_gives_the_same_document(world_of: Callable[[str], World], declared: Declared) -> None:
    shown = show_first(world_of(MAIN_MODEL), declared, "customer", lambda one: one.is_complete)

    assert _document(shown)[0] == _document(shown)[0]


def test_a_closed_view_is_a_document_too(world_of: Callable[[str], World], declared: Declared) -> None:
    world = world_of(MAIN_MODEL)
    features = tuple(replace(f, sensitivity=Sensitivity.AML) for f in world.description.features)
    description = replace(world.description, features=features)
    view = build_view(world.records[0], description, declared.audiences["customer"], "nl")

    assert PdfReader(io.BytesIO(to_pdf(view))).pages
