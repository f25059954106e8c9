from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import CORRELATED, UNRELIABLE, make_description, make_open_description, make_record
from tests.unit.views.every_caveat import EVERY_CAVEAT
from xaisvc.types import Caveat, Gate, Level, Severity
from xaisvc.views.language import Language
from xaisvc.views.reliability import Reliability, assess
from xaisvc.views.wording import flesch_kincaid, longest_sentence

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


TOLD = ["fraud_analyst", "relationship_manager"]
SILENT = {("proxy_of_protected", "fraud_analyst"), ("proxy_of_protected", "relationship_manager")}
"""Whoever may not see protected facts is not told what stands in for them."""


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("which", EVERY_CAVEAT)
def test_every_kind_of_caveat_has_words_for_every_reader_in_the_bank(
    audiences: Mapping[str, Audience], name: str, which: str
) -> None:
    audience = audiences[name]
    known = make_open_description()
    language = Language(audience.catalogue("en"))
    limits = audience.reading["en"]
    one = EVERY_CAVEAT[which]
    for caveat in (one, replace(one, players=("credit_amount", "age_years"))):  # of which one is withheld
        found = assess(make_record(caveats=(caveat,)), make_description(), audience, language).sentences
        if (one.kind, name) in SILENT:
            assert found == ()
            continue
        (sentence,) = found
        other = {language.filled(f"caveat.other.{severity}") for severity in ("care", "unreliable")}

        assert sentence not in other
        assert longest_sentence(sentence) <= limits.max_sentence_words
        assert flesch_kincaid(sentence.replace(known.feature("credit_amount").label("en"), "Amount")) <= (
            limits.max_grade + 3  # a line alone; what is measured against the limit is the page
        )
        assert "Age" not in sentence


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize(
    "kind", ["estimator_noise", "method_disagreement", "shared_credit", "value_function_disagreement"]
)
def test_a_sentence_says_what_a_gate_adds(audiences: Mapping[str, Audience], name: str, kind: str) -> None:
    plain = Caveat(kind=kind, severity=Severity.CARE, players=("credit_amount",))
    gated = replace(plain, gates=(Gate.NO_RANKING, Gate.NOT_A_REASON))

    assert _assess(audiences[name], plain).sentences != _assess(audiences[name], gated).sentences


def test_reasons_that_a_gate_forbids_are_not_reliable_for_who_keeps_to_it(audiences: Mapping[str, Audience]) -> None:
    caveat = Caveat(kind="input_out_of_range", severity=Severity.INFO, gates=(Gate.NO_REASONS,))
    found = {name: _assess(audience, CORRELATED, caveat) for name, audience in audiences.items()}

    assert {name for name, one in found.items() if one.level is Level.UNRELIABLE} == {
        "business_manager",
        "customer",
        "relationship_manager",
    }
    assert found["fraud_analyst"].level is Level.CARE
    assert found["relationship_manager"].sentences == (
        "This client is unlike past clients. Check the entries before you talk to the client.",
    )


def test_each_audience_has_its_own_words_for_facts_that_move_together(audiences: Mapping[str, Audience]) -> None:
    said = {name: _assess(a, CORRELATED).sentences for name, a in audiences.items() if a.caveats}

    assert said["relationship_manager"] == (
        "Duration of the loan and Customer since are linked in past cases; talk about them as one.",
    )
    assert said["fraud_analyst"] == (
        "Duration of the loan and Customer since are linked in earlier data: count them as one piece of evidence.",
    )


def test_a_caveat_about_withheld_facts_does_not_exist_unless_it_spoils_everything(
    audiences: Mapping[str, Audience],
) -> None:
    hidden = Caveat(kind="input_out_of_range", severity=Severity.CARE, players=("age_years",))
    spoiled = Caveat(kind="input_out_of_range", severity=Severity.UNRELIABLE, players=("age_years",))

    assert Reliability(level=Level.NORMAL, sentences=()) == _assess(audiences["relationship_manager"], hidden)
    assert Level.CARE is _assess(audiences["data_scientist"], hidden).level
    assert Level.UNRELIABLE is _assess(audiences["relationship_manager"], spoiled).level


def test_a_caveat_that_touches_a_withheld_fact_names_nothing(audiences: Mapping[str, Audience]) -> None:
    mixed = Caveat(kind="shared_credit", severity=Severity.CARE, players=("duration_months", "age_years"))
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
