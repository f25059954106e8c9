"""Facts that a reader knows by general words only: one entry, under these words, without name and value."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import CORRELATED, make_description, make_record
from xaisvc.types import Caveat, Gate, Sensitivity, Severity
from xaisvc.views import FORMATS, ViewStatus, build_view, render_view
from xaisvc.views.audience import Action
from xaisvc.views.language import Language
from xaisvc.views.lint_catalogues import lint_labels
from xaisvc.views.selection import Rule, select, visible_features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.views import Audience
    from xaisvc.views.selection import Selection

WORDS = "Our own records"
GENERAL = {"en": WORDS, "nl": "Onze eigen gegevens"}
RATED = {"branch_note": 0.9, "house_rating": -0.2}


def _description(general: Mapping[str, str] = MappingProxyType(GENERAL)) -> BundleDescription:
    """The fixture's bundle; the note of the branch and the rating of the group have general words."""
    found = make_description()
    features = tuple(
        replace(f, sensitivity=Sensitivity.INTERNAL, generalised=general) if f.id in RATED else f
        for f in found.features
    )
    kept = tuple(f for f in features if f.id not in {"age_years", "unlisted_fact"})
    return replace(found, features=kept)


def _reader(audience: Audience) -> Audience:
    return replace(audience, actions={**audience.actions, "internal": Action.GENERALISE})


def _select(
    record: ExplanationRecord, audience: Audience, description: BundleDescription, level: str = "concept"
) -> Selection:
    language = Language(audience.catalogue("en"))
    return select(record, description, audience, language, level)  # type: ignore[arg-type]


def _record(description: BundleDescription, **more: object) -> ExplanationRecord:
    return make_record(description=description, values=RATED, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", ["concept", "feature"])
def test_facts_with_the_same_general_words_are_one_entry_without_values(
    audiences: Mapping[str, Audience], level: str
) -> None:
    description = _description()
    found = [
        e
        for e in _select(_record(description), _reader(audiences["customer"]), description, level).entries
        if e.general
    ]

    assert [entry.label for entry in found] == [WORDS]
    assert found[0].value == pytest.approx(0.9 - 0.2)
    assert found[0].facts() == found[0].offsets() == found[0].associated() == ()


def test_it_is_ranked_with_the_others_and_given_as_a_reason(audiences: Mapping[str, Audience]) -> None:
    description = _description()
    reader = _reader(audiences["customer"])
    entries = _select(_record(description), reader, description).reasons(1, Rule(maximum=4, floor=0.1))
    view = build_view(_record(description), description, reader)
    text = render_view(view, "text")

    assert view.status is ViewStatus.COMPLETE
    assert [entry.label for entry in entries][:2] == ["Accounts and savings", WORDS]
    assert re.search(rf"(?m)^ *2\. {WORDS}$", text)


@pytest.mark.parametrize("name", ["customer", "relationship_manager", "fraud_analyst"])
def test_neither_its_name_nor_its_value_is_in_any_format(audiences: Mapping[str, Audience], name: str) -> None:
    description = _description()
    reader = _reader(audiences[name])
    record = make_record(
        description=description,
        values=RATED,
        row={"house_rating": 8.3134},
        caveats=(
            Caveat(kind="input_out_of_range", severity=Severity.CARE, players=("house_rating",)),
            Caveat(
                kind="shared_credit",
                severity=Severity.CARE,
                players=("branch_note", "house_rating"),
                gates=(Gate.NO_RANKING,),
            ),
        ),
    )
    for language in reader.languages:
        view = build_view(record, description, reader, language)
        for form in FORMATS:
            page = render_view(replace(view, formats=FORMATS), form)
            for secret in ("house_rating", "branch_note", "Rating of the group", "Note of the branch", "8.31", "8,31"):
                assert secret not in page, (form, secret)
    assert {f.id for f in visible_features(description, reader)}.isdisjoint(RATED)


def test_without_general_words_it_is_held_for_or_hidden(audiences: Mapping[str, Audience]) -> None:
    description = _description({})
    letter = build_view(_record(description), description, _reader(audiences["customer"]))
    feature = description.feature("branch_note")

    assert letter.status is ViewStatus.HELD_FOR_REVIEW
    assert _reader(audiences["customer"]).action(feature) is Action.HOLD
    assert _reader(audiences["fraud_analyst"]).action(feature) is Action.HIDE


def test_words_of_another_language_stand_in_where_the_readers_are_missing() -> None:
    feature = replace(make_description().feature("branch_note"), generalised={"de": "Unsere Akten"})

    assert feature.general_label("nl") == "Unsere Akten"
    assert replace(feature, generalised=GENERAL).general_label("nl") == "Onze eigen gegevens"
    assert replace(feature, generalised=GENERAL).general_label("fr") == WORDS
    assert replace(feature, generalised={}).general_label("en") == ""


def test_a_player_of_which_only_a_part_has_general_words_is_held_for(audiences: Mapping[str, Audience]) -> None:
    """Its sum would tell of what is shown and of what is not."""
    description = _description()
    record = make_record(description=description)
    players = tuple(p for p in record.attribution.players if p.player not in {"credit_amount", "branch_note"})
    joined = replace(
        record.attribution.players[0], player="mixed", features=("credit_amount", "branch_note"), value=2.0
    )
    mixed = replace(record, attribution=replace(record.attribution, players=(*players, joined)))
    reader = _reader(audiences["customer"])
    selection = _select(mixed, reader, description)

    assert "credit_amount" not in {m.feature.id for e in selection.entries for m in e.members}
    assert build_view(mixed, description, reader).status is ViewStatus.HELD_FOR_REVIEW


def test_a_visible_name_equal_to_the_general_words_does_not_tell_what_these_stand_for(
    audiences: Mapping[str, Audience],
) -> None:
    description = _description({"en": "Accounts and savings"})
    labels = [e.label for e in _select(_record(description), _reader(audiences["customer"]), description).entries]

    assert labels.count("Accounts and savings") == 1
    assert "Accounts and savings: Checking account and Savings" in labels


def test_what_a_caveat_bars_is_not_named_by_words_that_stand_for_a_reason(audiences: Mapping[str, Audience]) -> None:
    description = _description()
    barred = Caveat(
        kind="attributed_but_unused", severity=Severity.INFO, players=("house_rating",), gates=(Gate.NOT_A_REASON,)
    )
    selection = _select(_record(description, caveats=(barred,)), _reader(audiences["customer"]), description)

    assert [e.value for e in selection.entries if e.general] == [pytest.approx(0.9)]
    assert selection.kept_back(0.0) == ()


def test_other_readers_see_what_they_saw_before(audiences: Mapping[str, Audience]) -> None:
    description = _description()
    bare = _description({})
    for name in ("data_scientist", "business_manager", "relationship_manager"):
        record = _record(description, caveats=(CORRELATED,))

        assert _select(record, audiences[name], description).entries == tuple(
            replace(e, members=tuple(replace(m, feature=description.feature(m.feature.id)) for m in e.members))
            for e in _select(record, audiences[name], bare).entries
        )


def test_lint_finds_general_words_that_a_language_lacks() -> None:
    description = _description({"en": WORDS})
    only = replace(description, features=(description.feature("branch_note"),), concepts=(), outputs=())
    named = replace(only, features=(replace(only.features[0], labels={"en": "Note", "nl": "Notitie"}),))

    assert list(lint_labels(named, ("en",))) == []
    assert [finding.what for finding in lint_labels(named, ("nl",))] == [
        "has no label in 'nl' for general words of 'branch_note'; add labels/nl.yaml"
    ]
