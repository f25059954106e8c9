"""What the business manager is told of one case: nothing. Of many: test_cohort.py."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import UNRELIABLE, make_description, make_open_description, make_record
from tests.unit.views.every_caveat import EVERY_CAVEAT
from xaisvc.types import Caveat, Gate, Severity
from xaisvc.views import FORMATS, ViewStatus, build_view, needed, render_view
from xaisvc.views.document import Bullets, Facts, Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.views import Audience

LANGUAGES = ("en", "nl")


def _records(description: BundleDescription) -> Iterator[ExplanationRecord]:
    """Records that other readers read different things of: decisions, shares, facts, caveats and gates."""
    rng = np.random.default_rng(20261122)
    for adverse in (True, False, None):
        yield make_record(description=description, adverse=adverse, caveats=(UNRELIABLE,))
        yield make_record(
            description=description, adverse=adverse, values={"age_years": 9.0}, row={"credit_amount": 1.0}
        )
    for caveat in EVERY_CAVEAT.values():
        yield make_record(description=description, caveats=(caveat,))
    gates = Caveat(kind="shared_credit", severity=Severity.CARE, players=("age_years",), gates=tuple(Gate))
    for _ in range(40):
        values = {one.id: float(rng.normal()) for one in description.features}
        record = make_record(description=description, values=values, caveats=(gates,) if rng.integers(2) else ())
        output = replace(record.output, prediction=float(rng.uniform()), band=str(rng.choice(["low", "high", ""])))
        yield replace(record, output=output, portfolio=None, created_at="2031-01-02T03:04:05+00:00")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("judged", [True, False])
def test_no_byte_of_a_view_of_one_case_follows_from_the_case(
    audiences: Mapping[str, Audience], language: str, *, judged: bool
) -> None:
    reader = audiences["business_manager"]
    for description in (make_description(), make_open_description()):
        views = [build_view(one, description, reader, language, judged=judged) for one in _records(description)]

        assert {view.status for view in views} == {ViewStatus.COMPLETE}
        for form in FORMATS:
            assert len({render_view(view, form) for view in views}) == 1


def test_the_comparison_sees_what_another_reader_is_told(audiences: Mapping[str, Audience]) -> None:
    description = make_description()
    views = [build_view(one, description, audiences["relationship_manager"]) for one in _records(description)]

    assert all(len({render_view(view, form) for view in views}) > 10 for form in FORMATS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_id_that_was_asked_for_is_all_that_differs(audiences: Mapping[str, Audience], language: str) -> None:
    description, reader = make_description(), audiences["business_manager"]
    one, other = make_record(), replace(make_record(adverse=False), id="another-id", created_at="2031-01-02T03:04:05Z")
    for form in FORMATS:
        pages = [render_view(build_view(record, description, reader, language), form) for record in (one, other)]

        assert pages[0] != pages[1]
        assert pages[0].replace(one.id, other.id) == pages[1].replace("another\\-id", other.id)


def test_nothing_is_computed_for_it(audiences: Mapping[str, Audience]) -> None:
    """So that the time that it takes tells nothing either."""
    assert needed(make_description(), audiences["business_manager"]) == frozenset()


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_what_the_model_is_for_and_how_to_get_the_page_on_many_cases(
    audiences: Mapping[str, Audience], language: str
) -> None:
    view = build_view(make_record(), make_description(), audiences["business_manager"], language)
    (notice,) = blocks(view, "single", Notice)
    (use,) = blocks(view, "model_use", Facts)
    (steps,) = blocks(view, "many", Bullets)
    (ask,) = blocks(view, "ask", Bullets)

    assert [section.id for section in view.sections] == ["single", "model_use", "many", "ask"]
    assert (
        notice.title
        == {
            "en": "This page says nothing about the case.",
            "nl": "Deze pagina zegt niets over dit dossier.",
        }[language]
    )
    assert use.rows[0].value.startswith("credit-fixture, ")
    assert steps.ordered
    assert " 20 " in steps.items[-1]  # as many persons as a cohort needs
    assert len(ask.items) == 3
