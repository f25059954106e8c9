from __future__ import annotations

import re
import sys
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import make_description, make_record
from xaisvc.errors import InvalidRequestError, RuntimeUnavailableError
from xaisvc.views import FORMATS, View, build_view, media_type, render_view, to_pdf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience


@pytest.fixture
def view(audiences: Mapping[str, Audience]) -> View:
    return build_view(make_record(), make_description(), audiences["business_manager"])


def test_each_format_has_a_media_type() -> None:
    assert {name: media_type(name) for name in (*FORMATS, "pdf")} == {
        "html": "text/html; charset=utf-8",
        "markdown": "text/markdown; charset=utf-8",
        "text": "text/plain; charset=utf-8",
        "json": "application/json",
        "pdf": "application/pdf",
    }


def test_an_unknown_format_is_refused_with_the_choices(view: View) -> None:
    with pytest.raises(InvalidRequestError, match="format: unknown format 'docx'; known: html, markdown, text, json"):
        render_view(view, "docx")
    with pytest.raises(InvalidRequestError, match="unknown format 'docx'"):
        media_type("docx")
    with pytest.raises(InvalidRequestError, match="for PDF use to_pdf"):
        render_view(view, "pdf")


def test_a_format_that_the_audience_is_not_served_in_is_refused(view: View) -> None:
    with pytest.raises(
        InvalidRequestError, match="audience 'business_manager' is not served as 'json'; it is served as: html, text"
    ):
        render_view(replace(view, formats=("html", "text", "pdf")), "json")


def test_an_unknown_language_is_refused_with_the_choices(audiences: Mapping[str, Audience]) -> None:
    with pytest.raises(InvalidRequestError, match="language: audience 'customer' has no view in 'tlh'; it has: en"):
        build_view(make_record(), make_description(), audiences["customer"], "tlh")


def test_pdf_is_for_audiences_that_have_it(audiences: Mapping[str, Audience]) -> None:
    view = build_view(make_record(), make_description(), audiences["fraud_analyst"])

    with pytest.raises(InvalidRequestError, match="audience 'fraud_analyst' is not served as 'pdf'"):
        to_pdf(view)


def test_pdf_without_its_extra_says_what_to_install(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)

    with pytest.raises(RuntimeUnavailableError, match=r"PDF needs the extra 'pdf': install xaisvc\[pdf\]"):
        to_pdf(view)


def test_pdf_is_a_pdf_with_the_title_in_it(view: View) -> None:
    pytest.importorskip("weasyprint", reason="the extra 'pdf' is not installed", exc_type=ImportError)
    document = to_pdf(view)

    assert document.startswith(b"%PDF-")
    assert any(b"Read about many cases at once" in stream for stream in _inflated(document))


def _inflated(document: bytes) -> list[bytes]:
    return [zlib.decompress(s) for s in re.findall(rb"stream\n(.*?)\nendstream", document, re.DOTALL) if s[:1] == b"x"]
