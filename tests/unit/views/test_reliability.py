from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import CORRELATED, UNRELIABLE, make_description, make_record
from xaisvc.types import Caveat, Severity
from xaisvc.views.language import Language
from xaisvc.views.reliability import Level, Reliability, assess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience


def _assess(audience: Audience, *caveats: Caveat) -> Reliability:
    return assess(make_record(caveats=caveats), make_description(), audience, Language(audience.catalogue("en")))


@pytest.mark.parametrize(
    ("severities", "level"),
    [
        ((), Level.NORMAL),
        ((Severity.INFO,), Level.NORMAL),
        ((Severity.INFO, Severity.CARE), Level.CARE),
        ((Severity.CARE, Severity.UNRELIABLE), Level.UNRELIABLE),
    ],
)
def test_the_most_severe_caveat_sets_the_level(
    audiences: Mapping[str, Audience], severities: tuple[Severity, ...], level: Level
) -> None:
    caveats = [Caveat(kind="something", severity=severity) for severity in severities]

    assert level is _assess(audiences["relationship_manager"], *caveats).level


def test_each_audience_has_its_own_words_for_facts_that_move_together(audiences: Mapping[str, Audience]) -> None:
    said = {name: _assess(a, CORRELATED).sentences for name, a in audiences.items() if a.caveats}

    assert said["relationship_manager"] == (
        "Duration of the loan and Customer since are linked in past cases; talk about them as one.",
    )
    assert said["fraud_analyst"] == (
        "Duration of the loan and Customer since are linked in past cases: count them as one piece of evidence.",
    )
    assert said["business_manager"] == (
        "Duration of the loan and Customer since are linked in past cases; read them as one driver.",
    )


def test_a_caveat_about_withheld_facts_does_not_exist_unless_it_spoils_everything(
    audiences: Mapping[str, Audience],
) -> None:
    hidden = Caveat(kind="outside_background", severity=Severity.CARE, players=("age_years",))
    spoiled = Caveat(kind="outside_background", severity=Severity.UNRELIABLE, players=("age_years",))

    assert Reliability(level=Level.NORMAL, sentences=()) == _assess(audiences["relationship_manager"], hidden)
    assert Level.CARE is _assess(audiences["data_scientist"], hidden).level
    assert Level.UNRELIABLE is _assess(audiences["relationship_manager"], spoiled).level


def test_a_caveat_that_touches_a_withheld_fact_names_nothing(audiences: Mapping[str, Audience]) -> None:
    mixed = Caveat(kind="correlated_features", severity=Severity.CARE, players=("duration_months", "age_years"))
    found = _assess(audiences["relationship_manager"], mixed)

    assert found.sentences == ("Some of these points are linked in past cases; talk about them as one.",)


def test_an_unknown_kind_is_worded_by_its_severity(audiences: Mapping[str, Audience]) -> None:
    audience = audiences["relationship_manager"]

    assert _assess(audience, Caveat(kind="new", severity=Severity.CARE)).sentences == ("Read these reasons with care.",)
    assert _assess(audience, Caveat(kind="new", severity=Severity.INFO)).sentences == ()


def test_the_most_severe_sentences_come_first_and_are_limited(audiences: Mapping[str, Audience]) -> None:
    close = Caveat(kind="near_threshold", severity=Severity.INFO)
    found = _assess(audiences["relationship_manager"], close, CORRELATED, UNRELIABLE)

    assert found.sentences == ("The order of the smaller points is not sure.",)
