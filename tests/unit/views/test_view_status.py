"""The status of a view without the view: the same as that of the view."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import (
    CORRELATED,
    UNRELIABLE,
    make_description,
    make_description_without_decision,
    make_record,
)
from tests.unit.views.every_caveat import EVERY_CAVEAT
from xaisvc.types import Sensitivity
from xaisvc.views import ViewStatus, build_view
from xaisvc.views.audience import Holding
from xaisvc.views.build import view_status
from xaisvc.views.sections import SECTION_TYPES
from xaisvc.views.sections.letter import PrincipalReasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience

RECORDS = {
    "plain": make_record(),
    "correlated": make_record(caveats=(CORRELATED,)),
    "unreliable": make_record(caveats=(UNRELIABLE,)),
    **{name: make_record(caveats=(caveat,)) for name, caveat in EVERY_CAVEAT.items()},
}
ORDINARY = make_description()
DESCRIPTIONS = {
    "ordinary": ORDINARY,
    "open": replace(
        ORDINARY, features=tuple(replace(one, sensitivity=Sensitivity.PUBLIC) for one in ORDINARY.features)
    ),
    "undecided": make_description_without_decision(),
    "closed": replace(
        ORDINARY, features=(replace(ORDINARY.features[0], sensitivity=Sensitivity.AML), *ORDINARY.features[1:])
    ),
}


@pytest.mark.parametrize("judged", [True, False])
@pytest.mark.parametrize("described", DESCRIPTIONS)
@pytest.mark.parametrize("told", RECORDS)
def test_the_status_is_that_of_the_view(
    audiences: Mapping[str, Audience], told: str, described: str, *, judged: bool
) -> None:
    record, description = RECORDS[told], DESCRIPTIONS[described]
    for adverse in (True, False, None):
        one = replace(record, output=replace(record.output, adverse=adverse))
        found = {name: view_status(one, description, each, judged=judged) for name, each in audiences.items()}
        expected = {
            (name, language): build_view(one, description, each, language, judged=judged).status
            for name, each in audiences.items()
            for language in each.languages
        }

        assert {key: found[key[0]] for key in expected} == expected


def test_the_cases_above_have_every_status(audiences: Mapping[str, Audience]) -> None:
    found = {
        view_status(record, description, audience, judged=judged)
        for record in RECORDS.values()
        for description in DESCRIPTIONS.values()
        for audience in audiences.values()
        for judged in (True, False)
    }

    assert found == set(ViewStatus)


def test_only_sections_that_say_so_can_hold_a_view() -> None:
    assert {kind for kind in SECTION_TYPES.values() if issubclass(kind, PrincipalReasons)} == {
        kind for kind in SECTION_TYPES.values() if getattr(kind, "may_hold", False)
    }
    assert isinstance(PrincipalReasons(), Holding)
