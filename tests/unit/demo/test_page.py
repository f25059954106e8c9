from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from tests.unit.demo.answers import make_answer
from xaisvc.demo.cases import CARD_MODEL, CARDS, COMPARED_CASE, CREDIT, OTHER_MODEL, Case, load_cases, load_payments
from xaisvc.demo.page import CaseAnswers, ReviewLink, ReviewPages, method_text, render_index, value_text

if TYPE_CHECKING:
    from xaisvc.types import BundleDescription

VOID = {"meta", "br", "img", "input", "link", "hr"}


def render(*groups: CaseAnswers) -> str:
    return render_index(groups, version="1.2.3", next_steps="run < this")


@pytest.fixture
def case() -> Case:
    return load_cases()[0]


class Balance(HTMLParser):
    """Fails on a tag that is closed in the wrong place or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_well_formed_and_brings_everything_it_needs(case: Case) -> None:
    page = render(CaseAnswers(use=CREDIT, case=case, answers=(make_answer(case),)))
    parser = Balance()
    parser.feed(page)

    assert not parser.open
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["']https?:""", page)


def test_facts_are_in_words_with_units(case: Case) -> None:
    page = render(CaseAnswers(use=CREDIT, case=case, answers=(make_answer(case),)))

    assert all(text in page for text in ("Overdrawn", "9,960 DM", "48 months", "Accounts and savings", "Other facts"))
    assert "unknown_or_none" not in page


@pytest.mark.parametrize(("prediction", "word"), [(0.29, "Approved"), (0.3, "Declined")])
def test_decision_is_that_of_the_record(case: Case, prediction: float, word: str) -> None:
    page = render(CaseAnswers(use=CREDIT, case=case, answers=(make_answer(case, prediction=prediction),)))

    assert {word} == set(re.findall(r">(Approved|Declined|No decision)</span>", page))
    assert f"{100 * prediction:.0f}\N{NO-BREAK SPACE}%" in page


def test_each_use_has_its_words_and_its_heading(case: Case) -> None:
    payment = load_payments()[0]
    alert = make_answer(payment, CARD_MODEL, prediction=0.5)
    page = render(
        CaseAnswers(use=CREDIT, case=case, answers=(make_answer(case),)),
        CaseAnswers(use=CARDS, case=payment, answers=(alert,)),
    )

    assert re.findall(r'<h2 class="use">([^<]*)</h2>', page) == ["Loan applications", "Card payments"]
    assert set(re.findall(r'class="badge adverse">([^<]*)<', page)) == {"Declined", "Alert"}
    assert "it was fraud" in page
    assert "the loan was not repaid as agreed" in page
    assert page.count("alert from") == 2  # beside the scale, and in its description


def test_views_are_framed_and_linked_by_relative_paths(case: Case) -> None:
    page = render(CaseAnswers(use=CREDIT, case=case, answers=(make_answer(case, held=True),)))

    assert f'<iframe src="{case.id}/customer.html"' in page
    assert f'<a href="{case.id}/record.json">' in page
    assert "held for a person" in page


def test_a_page_about_many_is_not_said_to_be_of_the_case(case: Case) -> None:
    answer = make_answer(case)
    many = replace(answer.views[0], href="review/page.html", many=True)
    page = render(CaseAnswers(use=CREDIT, case=case, answers=(replace(answer, views=(many,)),)))

    assert '<a href="review/page.html">Open the page on many decisions</a>' in page
    assert "nothing of this case" in page
    assert 'title="Many decisions, as the' in page
    assert "nothing of this case" not in render(CaseAnswers(use=CREDIT, case=case, answers=(answer,)))


def test_a_view_that_is_complete_is_not_called_held(case: Case) -> None:
    assert "held for a person" not in render(CaseAnswers(use=CREDIT, case=case, answers=(make_answer(case),)))


def test_texts_of_a_bundle_cannot_break_out_of_the_page(case: Case) -> None:
    answer = make_answer(case)
    evil = replace(answer.description.features[0], labels={"en": "<script>alert(1)</script>"})
    description = replace(answer.description, features=(evil, *answer.description.features[1:]))
    page = render(CaseAnswers(use=CREDIT, case=case, answers=(replace(answer, description=description),)))

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "run &lt; this" in page
    assert "close &amp; near" in page


def test_two_models_are_compared_on_one_scale() -> None:
    case = next(case for case in load_cases() if case.id == COMPARED_CASE)
    answers = (make_answer(case, prediction=0.29), make_answer(case, OTHER_MODEL, prediction=0.31))
    page = render(CaseAnswers(use=CREDIT, case=case, answers=answers))

    assert page.count('class="bar"') == 14  # seven facts, two models
    assert "left:50.00%;width:50.00%" in page  # the strongest fact, +1, fills its half
    assert "left:25.00%;width:25.00%" in page  # the next, -1/2, half of the other
    assert "+1.00" in page


def test_a_missing_value_is_said_in_words(case: Case) -> None:
    description: BundleDescription = make_answer(case).description

    assert value_text(description.feature("amount_dm"), None) == "not known"
    assert value_text(description.feature("amount_dm"), 1234.5) == "1,234.50 DM"
    assert value_text(description.feature("telephone"), 1.0) == "Yes"
    assert value_text(description.feature("telephone"), 0.0) == "No"


@pytest.mark.parametrize(
    ("method", "exact", "said"),
    [("tree", True, "tree (exact)"), ("exact", True, "exact (enumeration)"), ("kernel", False, "kernel (sampled)")],
)
def test_the_method_is_named_with_its_kind(case: Case, method: str, said: str, *, exact: bool) -> None:
    answer = make_answer(case)
    attribution = replace(answer.record.attribution, method=method, exact=exact)
    answer = replace(answer, record=replace(answer.record, attribution=attribution))

    assert said == method_text(attribution)
    assert f"<dd>{said}, on cpu</dd>" in render(CaseAnswers(use=CREDIT, case=case, answers=(answer,)))


def test_reviews_stand_beside_each_other_in_every_language(case: Case) -> None:
    group = CaseAnswers(use=CREDIT, case=case, answers=(make_answer(case),))
    links = tuple(
        ReviewLink(label=label, language=language, href=f"review/{language}.html")
        for language, label in (("en", "English"), ("nl", "Nederlands"))
    )
    reviews = (ReviewPages(use=CREDIT, note="Three <hundred>.", links=links, judged=7),)
    page = render_index((group,), version="1.2.3", next_steps="run", reviews=reviews)

    parser = Balance()
    parser.feed(page)
    assert not parser.open
    assert all(
        text in page for text in ('href="review/nl.html" hreflang="nl"', "Three &lt;hundred&gt;.", "first 7 cases")
    )
    assert "Many decisions together" not in render(group)
