"""What could lead to a different result: what is offered to whom, in which words, and what nobody can tell from it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import UNRELIABLE, make_description, make_record
from xaisvc.types import (
    SELECTION_RULE,
    Alternative,
    Caveat,
    Change,
    ChangedFeature,
    Direction,
    Feature,
    Gate,
    Kind,
    RowCounterfactuals,
    Sensitivity,
    Severity,
    TensorColumn,
    Tried,
)
from xaisvc.types.supplements import NO_SUPPLEMENTS, Supplement, Supplements
from xaisvc.views import FORMATS, ViewStatus, build_view, load_audiences, needed, render_view
from xaisvc.views.audience import Action
from xaisvc.views.document import Bullets, Facts, Paragraph
from xaisvc.views.reading import measure_reading, names_in

if TYPE_CHECKING:
    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.views import View

AUDIENCES = load_audiences()
READERS = ("customer", "relationship_manager")
LIMITS = {"customer": 2, "relationship_manager": 3}

CHANGES = {
    "credit_amount": Change(direction=Direction.DECREASE, minimum=500.0, maximum=9000.0, step=500.0),
    "duration_months": Change(direction=Direction.DECREASE, minimum=6.0, maximum=60.0),
    "savings_status": Change(to=("A65",)),
    "customer_since": Change(),
    "telephone": Change(direction=Direction.DECREASE),
    "branch_note": Change(direction=Direction.DECREASE),
    "house_rating": Change(direction=Direction.INCREASE, minimum=1.0, maximum=9.0, step=0.25),
}
TO_FORM = Change(to=("FORM", "LETTER", "VISIT"))


def _description() -> BundleDescription:
    """The fixture's bundle with a list of changes, some to facts that readers may not see."""
    found = make_description()
    channel = Feature(
        id="channel",
        kind=Kind.CATEGORY,
        source=TensorColumn(tensor="channel"),
        labels={"en": "Way of asking", "nl": "Manier van vragen"},
        categories=("PHONE", "FORM", "LETTER", "VISIT"),
        category_labels={"en": {"PHONE": "By phone", "FORM": "By form", "LETTER": "By letter", "VISIT": "At a branch"}},
        sensitivity=Sensitivity.CUSTOMER_OWN,
        change=TO_FORM,
    )
    features = tuple(replace(feature, change=CHANGES.get(feature.id)) for feature in found.features)
    return replace(found, features=(*features, channel))


DESCRIPTION = _description()


def _record(*, adverse: bool | None = True, caveats: tuple[Caveat, ...] = ()) -> ExplanationRecord:
    """A record whose letter is not held: nothing that a customer may not see counts for much."""
    values = {"age_years": 0.0, "branch_note": 0.0, "house_rating": 0.0, "unlisted_fact": 0.0}
    record = make_record(values=values, adverse=adverse, caveats=caveats)
    return replace(record, row={**record.row, "channel": "PHONE"})


RECORD = _record()


def _number(feature: str, nearest: float, farthest: float, values: int) -> ChangedFeature:
    current = RECORD.row[feature]
    assert isinstance(current, float)
    return ChangedFeature(feature=feature, current=current, nearest=nearest, farthest=farthest, values=values)


def _category(feature: str, *targets: str) -> ChangedFeature:
    return ChangedFeature(feature=feature, current=str(RECORD.row[feature]), targets=targets, values=len(targets))


AMOUNT = _number("credit_amount", 4000.0, 1500.0, 6)
DURATION = _number("duration_months", 36.0, 12.0, 25)
SAVINGS = _category("savings_status", "A65")
CHANNEL = _category("channel", "FORM", "VISIT")
SINCE = _number("customer_since", 12000.0, 11000.0, 1001)
TELEPHONE = _number("telephone", 0.0, 0.0, 1)
NOTE = _number("branch_note", 0.0, 0.0, 1)
RATING = _number("house_rating", 4.0, 9.0, 21)
ALL = (AMOUNT, DURATION, SAVINGS, CHANNEL, SINCE, TELEPHONE, NOTE, RATING)


def _alternative(*changes: ChangedFeature, size: float = 1.0) -> Alternative:
    return Alternative(changes=changes, size=size, prediction=0.2, weakest=0.29, scored=4, complete=True)


def _found(*alternatives: Alternative, tried: int = 5, adverse: bool = True) -> RowCounterfactuals:
    entry = Tried(
        features=("credit_amount",),
        combinations=tried,
        scored=tried,
        responsiveness=0.0,
        unsupported=0.0,
        complete=True,
    )
    return RowCounterfactuals(
        adverse=adverse, prediction=0.47, candidates=alternatives, tried=(entry,), max_changes=2, limit=3
    )


def _view(
    found: RowCounterfactuals | None,
    reader: str = "customer",
    record: ExplanationRecord = RECORD,
    description: BundleDescription = DESCRIPTION,
    language: str = "en",
) -> View:
    beside = NO_SUPPLEMENTS if found is None else Supplements(counterfactuals=found)
    return build_view(record, description, AUDIENCES[reader], language, beside)


def _offers(view: View) -> list[tuple[str, list[tuple[str, str, str]]]]:
    return [(one.title, [(r.label, r.value, r.note) for r in one.rows]) for one in blocks(view, "changes", Facts)]


def _said(view: View) -> str:
    return " ".join(paragraph.text for paragraph in blocks(view, "changes", Paragraph))


def _pages(view: View) -> dict[str, str]:
    return {form: render_view(view, form) for form in FORMATS if form in view.formats}


def test_a_region_is_worded_in_the_readers_unit_with_the_value_that_it_has_now() -> None:
    view = _view(_found(_alternative(AMOUNT), _alternative(DURATION, SAVINGS, size=2.0)))

    assert _offers(view) == [
        ("One change", [("Amount of the loan", "between €1,500 and €4,000, in steps of €500", "now: €5,951")]),
        (
            "Or these two, both made",
            [
                ("Duration of the loan", "between 12 and 36 months", "now: 48 months"),
                ("Savings", "None known", "now: Little"),
            ],
        ),
    ]


def test_a_dutch_reader_reads_it_in_dutch() -> None:
    found = _found(_alternative(DURATION), _alternative(AMOUNT, size=2.0))
    ((_, duration), (_, amount)) = _offers(_view(found, language="nl"))

    assert duration == [("Duration of the loan", "tussen 12 en 36 maanden", "nu: 48 maanden")]
    assert [(value.replace("\u00a0", " "), note.replace("\u00a0", " ")) for _, value, note in amount] == [
        ("tussen € 1.500 en € 4.000, in stappen van € 500", "nu: € 5.951")
    ]


@pytest.mark.parametrize(
    ("change", "words", "now"),
    [
        (CHANNEL, "By form or At a branch", "now: By phone"),
        (_category("channel", "FORM", "LETTER", "VISIT"), "By form, By letter or At a branch", "now: By phone"),
        (SINCE, "between 13 February 2000 and 9 November 2002", "now: 1 January 2004"),
        (TELEPHONE, "No", "now: Yes"),
        (_number("duration_months", 36.0, 36.0, 1), "36 months", "now: 48 months"),
        (_number("duration_months", 36.0, 35.0, 2), "35 or 36 months", "now: 48 months"),
        (_number("credit_amount", 1000.0, 500.0, 2), "€500 or €1,000", "now: €5,951"),
    ],
)
def test_every_kind_of_value_has_its_words(change: ChangedFeature, words: str, now: str) -> None:
    ((_, rows),) = _offers(_view(_found(_alternative(change))))

    assert [(value, note) for _, value, note in rows] == [(words, now)]


def test_of_a_region_that_is_not_known_throughout_only_the_smallest_change_is_offered() -> None:
    one = replace(_alternative(AMOUNT, CHANNEL), complete=False)
    ((_, rows),) = _offers(_view(_found(one)))

    assert [value for _, value, _ in rows] == ["€4,000", "By form or At a branch"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("language", ["en", "nl"])
def test_nothing_is_promised(reader: str, language: str) -> None:
    said = _said(_view(_found(_alternative(AMOUNT)), reader, language=language)).lower()
    expected = {
        ("customer", "en"): "this is not a promise",
        ("customer", "nl"): "dit is geen belofte",
        ("relationship_manager", "en"): "it is an idea and no offer",
        ("relationship_manager", "nl"): "is het een idee en geen aanbod",
    }

    assert expected[reader, language] in said


@pytest.mark.parametrize("reader", READERS)
def test_no_more_is_offered_than_declared(reader: str) -> None:
    many = [_alternative(change, size=float(i)) for i, change in enumerate((AMOUNT, DURATION, SAVINGS, CHANNEL, SINCE))]
    offers = _offers(_view(_found(*many), reader))

    assert len(offers) == LIMITS[reader]
    assert max(len(rows) for _, rows in offers) <= 2


def test_the_reasons_why_nothing_is_offered_are_told_apart() -> None:
    no_list = replace(DESCRIPTION, features=tuple(replace(f, change=None) for f in DESCRIPTION.features))
    said = {
        "none": _said(_view(_found())),
        "nothing left to try": _said(_view(_found(tried=0))),
        "no list": _said(_view(_found(tried=0), description=no_list)),
        "not to be had": _said(_view(None)),
        "favourable": _said(_view(_found(adverse=False), record=_record(adverse=False))),
        "undecided": _said(_view(None, record=_record(adverse=None))),
    }

    assert "We found no change on our list that gives another result." in said["none"]
    assert said["nothing left to try"] == said["none"]
    assert "we have no list of changes" in said["no list"]
    assert "We cannot list changes for this request by computer." in said["not to be had"]
    assert said["favourable"].startswith("The result was in your favour, so we did not look for changes.")
    assert said["undecided"] == "There is no decision yet, so we did not look for changes."


@pytest.mark.parametrize("reader", READERS)
def test_a_list_of_withheld_facts_only_is_no_list(reader: str) -> None:
    withheld = {f.id for f in DESCRIPTION.features if AUDIENCES[reader].action(f) is not Action.SHOW}
    kept = tuple(replace(f, change=f.change if f.id in withheld else None) for f in DESCRIPTION.features)
    with_list = _view(_found(_alternative(RATING)), reader, description=replace(DESCRIPTION, features=kept))
    none = tuple(replace(f, change=None) for f in DESCRIPTION.features)

    assert with_list == _view(_found(), reader, description=replace(DESCRIPTION, features=none))


@pytest.mark.parametrize("reader", READERS)
def test_after_a_favourable_decision_nothing_depends_on_the_search(reader: str) -> None:
    record = _record(adverse=False)
    pages = [_pages(_view(found, reader, record)) for found in (None, _found(), _found(_alternative(AMOUNT)))]

    assert pages[0] == pages[1] == pages[2]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("gate", [Gate.NOT_A_REASON, None])
def test_what_is_no_reason_is_not_offered_either(reader: str, gate: Gate | None) -> None:
    kind = "method_disagreement" if gate else "near_threshold"
    caveat = Caveat(kind=kind, severity=Severity.INFO, players=("credit_amount",), gates=(gate,) if gate else ())
    found = _found(_alternative(AMOUNT), _alternative(AMOUNT, SAVINGS), _alternative(DURATION, size=5.0))
    offers = _offers(_view(found, reader, _record(caveats=(caveat,))))

    labels = {label for _, rows in offers for label, _, _ in rows}
    assert ("Amount of the loan" in labels) is (gate is None)
    assert "Duration of the loan" in labels


def test_what_is_proven_unused_is_offered_to_nobody() -> None:
    caveat = Caveat(
        kind="attributed_but_unused",
        severity=Severity.INFO,
        players=("credit_amount",),
        gates=(Gate.NOT_A_REASON,),
    )
    without_gates = replace(AUDIENCES["relationship_manager"], gates=frozenset())
    beside = Supplements(counterfactuals=_found(_alternative(AMOUNT), _alternative(DURATION)))
    view = build_view(_record(caveats=(caveat,)), DESCRIPTION, without_gates, "en", beside)

    assert [label for _, rows in _offers(view) for label, _, _ in rows] == ["Duration of the loan"]


def test_a_held_letter_and_an_unreliable_card_show_nothing_of_it() -> None:
    found = _found(_alternative(AMOUNT), _alternative(SAVINGS))
    held = make_record(values={"age_years": 5.0})
    letters = [_view(one, "customer", replace(held, row={**held.row, "channel": "PHONE"})) for one in (None, found)]
    unreliable = _record(caveats=(UNRELIABLE,))
    cards = [_pages(_view(one, "relationship_manager", unreliable)) for one in (None, found)]

    assert letters[0].status is ViewStatus.HELD_FOR_REVIEW
    assert letters[0] == letters[1]
    assert cards[0] == cards[1]
    assert "between" not in cards[1]["text"]


@given(chosen=st.lists(st.lists(st.sampled_from(ALL), min_size=1, max_size=2, unique=True), max_size=8), data=st.data())
@pytest.mark.parametrize("reader", READERS)
def test_hiding_a_fact_is_a_search_in_which_it_never_was(
    reader: str, chosen: list[list[ChangedFeature]], data: st.DataObject
) -> None:
    """Whatever was found with withheld facts, every format is as if they had not been on the list."""
    sets = {tuple(sorted(change.feature for change in changes)): changes for changes in chosen}
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=len(sets), max_size=len(sets)))
    full = _found(*(_alternative(*c, size=float(s)) for c, s in zip(sets.values(), sizes, strict=True)))
    visible = {f.id for f in DESCRIPTION.features if AUDIENCES[reader].action(f) is Action.SHOW}
    never = replace(full, candidates=tuple(one for one in full.candidates if visible.issuperset(one.features)))

    assert _pages(_view(full, reader)) == _pages(_view(never, reader))


@pytest.mark.parametrize("reader", READERS)
def test_names_and_values_of_withheld_changes_change_no_byte(reader: str) -> None:
    withheld = [f.id for f in DESCRIPTION.features if AUDIENCES[reader].action(f) is not Action.SHOW]
    found = _found(_alternative(RATING, size=0.1), _alternative(AMOUNT), _alternative(AMOUNT, RATING, size=0.2))
    other_change = replace(RATING, nearest=2.0, farthest=1.0, values=5)
    other = _found(_alternative(other_change, size=9.0), _alternative(AMOUNT), _alternative(AMOUNT, other_change))
    renamed = tuple(
        replace(f, labels={"en": f"Another name of {f.id}"}, unit="parsecs") if f.id in withheld else f
        for f in DESCRIPTION.features
    )
    changed = replace(RECORD, row={**RECORD.row, "house_rating": 7.5})

    assert "house_rating" in withheld
    assert _pages(_view(found, reader)) == _pages(_view(other, reader, changed, replace(DESCRIPTION, features=renamed)))


def test_a_change_that_needs_an_internal_fact_stays_inside_the_bank() -> None:
    note = next(f for f in DESCRIPTION.features if f.id == "branch_note")
    assert AUDIENCES["relationship_manager"].action(note) is Action.SHOW
    view = _view(_found(_alternative(AMOUNT), _alternative(NOTE, size=2.0)), "relationship_manager")
    say, keep = blocks(view, "may_say", Bullets)

    assert any(item.endswith("if the letter names them: Amount of the loan.") for item in say.items)
    assert all("Note of the branch" not in item for item in say.items)
    assert "Do not bring up as a change: Note of the branch." in keep.items
    assert len(_offers(view)) == 2


def test_a_card_says_first_that_there_is_something_to_change() -> None:
    steps = [
        blocks(_view(found, "relationship_manager"), "next_step", Bullets)[0].items
        for found in (_found(_alternative(AMOUNT)), _found())
    ]

    assert steps[0] == (*steps[1], "Look at “What could change it”, and at what you may say about it.")


@pytest.mark.parametrize("reader", READERS)
def test_a_view_names_the_rules_by_which_it_chose(reader: str) -> None:
    document = json.loads(render_view(_view(_found(_alternative(AMOUNT)), reader), "json"))
    rules = {section["id"]: section["rule"] for section in document["sections"] if "rule" in section}

    assert document["compared_with"] == "population"
    assert rules["changes"] == SELECTION_RULE
    assert reader != "customer" or rules["principal_reasons"] == "adverse-concepts-by-size/1"


def test_the_search_is_asked_for_by_those_who_show_it() -> None:
    for name, audience in AUDIENCES.items():
        shows = any(spec.builder.type == "changes" for spec in audience.sections)

        assert (Supplement.COUNTERFACTUALS in needed(DESCRIPTION, audience)) is shows, name
        assert shows is (name in READERS)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("language", ["en", "nl"])
def test_whatever_the_search_came_to_is_easy_to_read(reader: str, language: str) -> None:
    no_list = replace(DESCRIPTION, features=tuple(replace(f, change=None) for f in DESCRIPTION.features))
    cases = [
        (_found(_alternative(AMOUNT), _alternative(NOTE, size=2.0)), RECORD, DESCRIPTION),
        (_found(_alternative(AMOUNT, DURATION), _alternative(SAVINGS, SINCE)), RECORD, DESCRIPTION),
        (_found(), RECORD, DESCRIPTION),
        (_found(tried=0), RECORD, no_list),
        (None, RECORD, DESCRIPTION),
        (None, _record(adverse=False), DESCRIPTION),
        (None, _record(adverse=None), DESCRIPTION),
        (None, _record(caveats=(UNRELIABLE,)), DESCRIPTION),
    ]
    names = names_in(DESCRIPTION, language)
    for i, (found, record, description) in enumerate(cases):
        view = _view(found, reader, record, description, language)

        assert measure_reading(view, AUDIENCES[reader].reading[language], names).excess == (), i
