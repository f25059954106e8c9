from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import CORRELATED, make_description, make_record
from tests.unit.views.pages import Page
from xaisvc.types import Kind
from xaisvc.views import FORMATS, build_view, render_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import BundleDescription
    from xaisvc.views import Audience

NAMES = ["business_manager", "customer", "data_scientist", "fraud_analyst", "relationship_manager"]


@pytest.fixture(params=NAMES)
def html(request: pytest.FixtureRequest, audiences: Mapping[str, Audience]) -> str:
    record = make_record(caveats=(CORRELATED,), adverse=False)
    return render_view(build_view(record, make_description(), audiences[request.param]), "html")


def test_the_page_is_well_formed_and_self_contained(html: str) -> None:
    page = Page(html)

    assert page.problems == []
    assert html.startswith("<!DOCTYPE html>\n")
    assert page.tags("script", "link", "img", "iframe", "object", "form", "base") == []
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "style"}], tag
        assert attributes.get("href", "#").startswith("#")  # to another part of the same page only
    assert not re.search(r"url\(|@import|https?:", html)


def test_the_page_forbids_everything_it_does_not_need(html: str) -> None:
    policy = next(a["content"] for _, a in Page(html).tags("meta") if a.get("http-equiv") == "Content-Security-Policy")

    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")


def test_the_page_says_its_language_and_its_structure(html: str) -> None:
    page = Page(html)
    levels = [int(tag[1]) for tag, _ in page.tags("h1", "h2", "h3", "h4")]
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]

    assert [attributes for _, attributes in page.tags("html")] == [{"lang": "en"}]
    assert len(page.tags("title")) == 1
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(identifiers) == len(set(identifiers))
    for _, attributes in page.elements:
        for name in attributes.get("aria-labelledby", "").split():
            assert name in identifiers


def test_tables_have_captions_and_headers_and_charts_have_words(html: str) -> None:
    page = Page(html)

    assert len(page.tags("table")) == len(page.tags("caption"))
    for _, attributes in page.tags("th"):
        assert attributes["scope"] in {"col", "row"}
    charts = [attributes for _, attributes in page.tags("div") if attributes.get("role") == "img"]
    assert len(charts) == len(page.tags("figure"))
    for attributes in charts:
        assert attributes["role"] == "img"
        assert len(attributes["aria-labelledby"].split()) == 2


def test_pages_have_their_own_layout(audiences: Mapping[str, Audience]) -> None:
    bodies = set()
    for audience in audiences.values():
        page = Page(render_view(build_view(make_record(adverse=False), make_description(), audience), "html"))
        bodies.add(page.tags("body")[0][1]["class"])

    assert {"report", "brief", "card", "case", "letter"} == bodies


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_measure_knows_black_on_white() -> None:
    assert pytest.approx(_contrast("#000000", "#ffffff")) == 21.0
    assert _contrast("#e69f00", "#ffffff") < 3  # orange on white, known to fail


def _schemes(html: str) -> dict[str, dict[str, str]]:
    """The colours of a page by name, in the light and in the dark; the layout's own values come last and win."""
    dark = "@media screen and (prefers-color-scheme: dark)"
    pieces = html.split(dark)
    blocks = [piece[: piece.index("}")] for piece in pieces[1:]]
    light = "".join([pieces[0], *(piece[piece.index("}") :] for piece in pieces[1:])])
    found = {"light": dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light))}
    found["dark"] = found["light"] | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", "".join(blocks)))
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_reach_a_contrast_of_four_and_a_half(html: str, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: every text colour of the style sheets on every ground that text stands on."""
    colours = _schemes(html)[scheme]
    grounds = [colours[name] for name in ("paper", "tint", "care", "stop")]

    for name in ("ink", "soft", "accent", "against", "favour", "care-line"):
        for ground in grounds:
            assert _contrast(colours[name], ground) >= 4.5, (name, ground)


def test_the_dark_scheme_is_another_one(html: str) -> None:
    schemes = _schemes(html)

    assert _contrast(schemes["light"]["paper"], schemes["dark"]["paper"]) > 10


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "'-alert(1)-'",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "<!--",
    "]]>",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "![x](https://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "`rm -rf`",
    "| a | b |\n|---|---|",
    "\u202egnp.exe",
    "a\u200bb\u2066c\u2069",
    "\x1b[31mred\x00",
    "{reference}",
    "{0}",
]


def _poisoned(text: str) -> BundleDescription:
    description = make_description()
    features = tuple(
        replace(
            feature,
            labels={"en": f"{feature.id} {text}"},
            category_labels={"en": dict.fromkeys(feature.categories, text)} if feature.kind is Kind.CATEGORY else {},
            unit=text if feature.unit else None,
        )
        for feature in description.features
    )
    concepts = tuple(replace(concept, labels={"en": f"{concept.id} {text}"}) for concept in description.concepts)
    output = replace(description.outputs[0], labels={"en": text})
    return replace(
        description, features=features, concepts=concepts, outputs=(output,), owner=text, purpose=text, name=text
    )


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", NAMES)
def test_hostile_texts_are_shown_and_do_nothing(audiences: Mapping[str, Audience], name: str, hostile: str) -> None:
    record = replace(make_record(caveats=(CORRELATED,), adverse=False), id=f"id {hostile}", bundle=hostile)
    harmless = replace(record, id="id x", bundle="x")
    view = build_view(record, _poisoned(hostile), audiences[name])
    page = Page(render_view(view, "html"))
    plain = build_view(harmless, _poisoned("x"), audiences[name])
    expected = Page(render_view(plain, "html"))

    assert page.problems == []
    assert [tag for tag, _ in expected.elements] == [tag for tag, _ in page.elements]
    for form in (form for form in FORMATS if form in view.formats):
        rendered = render_view(view, form)
        assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\x00\x1b]", rendered)
        assert rendered.count("49") == render_view(plain, form).count("49") or "{{" not in hostile
    markdown = render_view(view, "markdown")

    assert not re.search(r"(?<!\\)<|(?<!\\)!\[|\]\(javascript:|(?<!\\)`", markdown)
    assert markdown.count("\n|") == render_view(plain, "markdown").count("\n|")
