"""What the fraud analyst is told, and what before their own judgement."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import make_description, make_record
from xaisvc.types import Caveat, Severity
from xaisvc.types.outcomes import BandOutcome, OutcomeBands
from xaisvc.types.supplements import FactStanding, NearCase, NearCases, Supplements
from xaisvc.views import ViewStatus, build_view, render_view
from xaisvc.views.document import Facts, Notice, Paragraph, Reasons, Table
from xaisvc.views.sections.alert import Frequency, as_frequency

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import ExplanationRecord
    from xaisvc.views import Audience, View

FORMATS = ("html", "markdown", "text", "json")
STANDING = {
    "credit_amount": FactStanding(rows=500, below=488, equal=1),
    "duration_months": FactStanding(rows=500, below=500, equal=0),
    "purpose": FactStanding(rows=500, below=0, equal=3),
    "telephone": FactStanding(rows=500, below=0, equal=0),
    "checking_status": FactStanding(rows=500, below=0, equal=300),
    "savings_status": FactStanding(rows=500, below=0, equal=300),
    "existing_credits": FactStanding(rows=500, below=200, equal=100),
    "house_rating": FactStanding(rows=500, below=9, equal=1),
    "customer_since": FactStanding(rows=500, below=200, equal=1),
    "branch_note": FactStanding(rows=500, below=200, equal=300),
}


def case(*, confirmed: bool, name: str = "", **row: float | str) -> NearCase:
    values = {**make_record().row, **row}
    return NearCase(
        confirmed=confirmed,
        closed=20_454,  # 1 January 2026
        row=values,
        distance=0.1,
        parts={key: 0.0 if values[key] == value else 0.4 for key, value in make_record().row.items()},
        reference=name,
        finding="Card copied" if confirmed else "",
    )


def near(*, remote: bool = False, beyond: tuple[str, ...] = ()) -> NearCases:
    return NearCases(
        confirmed=(case(confirmed=True, name="C-17", credit_amount=90.0, age_years=70.0),),
        cleared=(case(confirmed=False, purpose="A43"),),
        remote=remote,
        on_file=(40, 60),
        beyond=beyond,
    )


def bands(cases: int = 292, confirmed: int = 85) -> OutcomeBands:
    return OutcomeBands(
        output="default_risk",
        first=date(2026, 7, 15),
        last=date(2026, 9, 12),
        bands=(
            BandOutcome(band="low", cases=30_983, confirmed=48),
            BandOutcome(band="high", cases=cases, confirmed=confirmed),
        ),
    )


def whole() -> Supplements:
    return Supplements(similar_cases=near(), bands=bands(), standing=STANDING)


def shown(
    audiences: Mapping[str, Audience],
    record: ExplanationRecord | None = None,
    supplements: Supplements | None = None,
    *,
    judged: bool = True,
    language: str = "en",
) -> View:
    return build_view(
        record or make_record(),
        make_description(),
        audiences["fraud_analyst"],
        language,
        supplements or whole(),
        judged=judged,
    )


def test_nothing_of_the_models_answer_is_read_before_the_first_judgement(audiences: Mapping[str, Audience]) -> None:
    unreliable = Caveat(kind="estimator_noise", severity=Severity.UNRELIABLE)
    record = make_record()
    others = (
        make_record(adverse=False),
        make_record(values=dict.fromkeys(record.row, -9.5)),
        make_record(caveats=(unreliable,)),
        replace(record, output=replace(record.output, prediction=0.98765), portfolio=None),
    )
    for form in FORMATS:
        for language in ("en", "nl"):
            before = render_view(shown(audiences, judged=False, language=language), form)
            after = render_view(shown(audiences, language=language), form)

            assert "0.4712" not in before
            assert ("High risk" in before, "High risk" in after) == (False, True)
            assert ("C-17" in before, "C-17" in after) == (False, True)
            for other in others:
                facts = Supplements(similar_cases=near(), standing=STANDING)
                view = shown(audiences, other, facts, judged=False, language=language)
                assert render_view(view, form) == before


def test_before_and_after_are_the_declared_sections(audiences: Mapping[str, Audience]) -> None:
    before, after = shown(audiences, judged=False), shown(audiences)

    assert (before.status, after.status) == (ViewStatus.JUDGEMENT_FIRST, ViewStatus.COMPLETE)
    assert [section.id for section in before.sections] == ["disclosure", "evidence", "unlike", "judge_first"]
    assert [section.id for section in after.sections] == [
        "disclosure",
        "evidence",
        "unlike",
        "standing",
        "signals",
        "past_cases",
        "reliability",
        "record",
    ]
    assert before.sections[1] == after.sections[1]


def test_an_audience_that_is_not_asked_reads_everything_at_once(audiences: Mapping[str, Audience]) -> None:
    manager = audiences["relationship_manager"]
    record = make_record()

    assert build_view(record, make_description(), manager, judged=False) == build_view(
        record, make_description(), manager, judged=True
    )


def test_unusual_facts_come_first_with_their_place_among_earlier_rows(audiences: Mapping[str, Audience]) -> None:
    record = make_record(row={"duration_months": 90.0, "existing_credits": None})
    lists = blocks(shown(audiences, record), "evidence", Facts)
    loud, quiet = [one for one in lists if not one.quiet], [one for one in lists if one.quiet]

    assert {(one.title, row.label, row.value, row.note) for one in loud for row in one.rows} == {
        (
            "A. The loan asked for",
            "Duration of the loan",
            "90 months",
            "Higher than all 500 earlier cases; the highest was 72 months",
        ),
        ("A. The loan asked for", "Purpose", "New car", "Seen in 3 of 500 earlier cases"),
        ("A. The loan asked for", "Amount of the loan", "€5,951", "Higher than 97 of 100 earlier cases"),
        ("B. History with the bank", "Loans you have with us", "Not given", "Not given: find out why"),
        ("C. Other facts", "Telephone on file", "Yes", "Seen in none of 500 earlier cases"),
        ("C. Other facts", "Rating of the group", "3.25", "Lower than 98 of 100 earlier cases"),
    }
    assert [one.title for one in quiet] == ["B. History with the bank", "C. Other facts", "D. Accounts and savings"]
    assert [one.anchor for one in lists] == ["evidence-a", "evidence-b", "evidence-c", "", "", "evidence-d"]


def test_evidence_has_its_source_and_day(audiences: Mapping[str, Audience]) -> None:
    described = make_description()
    features = tuple(
        replace(one, origins={"en": "the branch"}) if one.id in {"telephone", "purpose"} else one
        for one in described.features
    )
    days = dict.fromkeys(("telephone", "duration_months"), date(2026, 2, 1))
    record = replace(make_record(row={"duration_months": 90.0}), fact_dates=days)
    description = replace(described, features=features)
    for judged in (False, True):
        view = build_view(
            record, description, audiences["fraud_analyst"], supplements=Supplements(standing=STANDING), judged=judged
        )
        facts = {row.label: row for one in blocks(view, "evidence", Facts) for row in one.rows}

        assert facts["Telephone on file"].note == "Seen in none of 500 earlier cases"
        assert {label: (row.source, row.as_of) for label, row in facts.items() if row.source} == {
            "Telephone on file": ("from the branch, 1 February 2026", "2026-02-01"),
            "Duration of the loan": ("dated 1 February 2026", "2026-02-01"),
            "Purpose": ("from the branch", ""),
        }
    words = " ".join(render_view(view, "text").split())
    assert "Yes (Seen in none of 500 earlier cases; from the branch, 1 February 2026)" in words


def test_without_the_bundle_of_then_only_what_is_out_of_range_is_unusual(audiences: Mapping[str, Audience]) -> None:
    record = make_record(row={"credit_amount": 20000.0})
    (first, *_) = blocks(shown(audiences, record, Supplements()), "evidence", Facts)

    assert [(row.label, row.note) for row in first.rows] == [
        ("Amount of the loan", "Higher than any the model has seen; the highest was €18,424")
    ]
    assert blocks(shown(audiences, supplements=Supplements()), "evidence", Paragraph)[1].text == (
        "No fact of this case is unusual on its own."
    )


def test_few_earlier_rows_say_nothing(audiences: Mapping[str, Audience]) -> None:
    few = Supplements(standing={name: replace(one, rows=19) for name, one in STANDING.items()})

    assert "of 19" not in render_view(shown(audiences, supplements=few), "text")


def test_the_order_of_the_evidence_does_not_follow_the_model(audiences: Mapping[str, Audience]) -> None:
    other = make_record(values={"telephone": 5.0, "purpose": -3.0})

    assert blocks(shown(audiences), "evidence", Facts) == blocks(shown(audiences, other), "evidence", Facts)


def test_signals_of_concern_come_first_whatever_the_outcome(audiences: Mapping[str, Audience]) -> None:
    for adverse in (True, False):
        concern, normal = blocks(shown(audiences, make_record(adverse=adverse)), "signals", Reasons)

        assert (concern.title, normal.title) == ("Signals of concern", "Signals of normal behaviour")
        assert concern.items[0].direction == "raised concern, strongly"
        assert normal.items[0].direction == "lowered concern, clearly"


def test_every_signal_leads_to_its_evidence(audiences: Mapping[str, Audience]) -> None:
    view = shown(audiences)
    page = render_view(view, "html")
    anchors = {one.anchor: one for one in blocks(view, "evidence", Facts) if one.anchor}
    items = [item for one in blocks(view, "signals", Reasons) for item in one.items]

    assert items
    for item in items:
        assert item.links, item.label
        for link in item.links:
            title = anchors[link.anchor].title
            assert link.text == f"Evidence {title.split('.')[0]}"
            assert f'href="#{link.anchor}"' in page
            assert f'id="{link.anchor}"' in page
        assert item.facts
    assert "[Evidence " in render_view(view, "text")


def test_a_signal_of_one_fact_is_called_by_it(audiences: Mapping[str, Audience]) -> None:
    record = make_record(values={"duration_months": 2.0, "credit_amount": 0.0, "purpose": 0.0})
    concern, _ = blocks(shown(audiences, record), "signals", Reasons)

    assert (concern.items[0].label, concern.items[0].own_value) == ("Duration of the loan", "48 months")


def test_there_is_always_a_word_on_normal_behaviour(audiences: Mapping[str, Audience]) -> None:
    record = make_record(values=dict.fromkeys(make_record().row, 0.4))
    _, normal = blocks(shown(audiences, record), "signals", Reasons)

    assert normal.items == ()
    assert normal.empty == "None found among the facts shown here. Look for them before you decide."


@pytest.mark.parametrize(
    ("cases", "confirmed", "expected"),
    [
        (292, 85, Frequency(base=100, about=29, low=24, high=35)),
        (30_983, 48, Frequency(base=1_000, about=2, low=1, high=3)),
        (100_000, 11, Frequency(base=10_000, about=1, low=0, high=2)),
        (1_000, 0, Frequency(base=1_000, about=0, low=0, high=4)),
        (50, 50, Frequency(base=100, about=100, low=92, high=100)),
        (19, 5, None),
        (0, 0, None),
    ],
)
def test_shares_are_counted_among_a_round_number_of_cases(
    cases: int, confirmed: int, expected: Frequency | None
) -> None:
    assert as_frequency(BandOutcome(band="high", cases=cases, confirmed=confirmed)) == expected


def test_the_rating_says_how_often_it_is_right_and_when_that_was_counted(audiences: Mapping[str, Audience]) -> None:
    view = shown(audiences)
    (lead,) = blocks(view, "standing", Paragraph)
    (facts,) = blocks(view, "standing", Facts)

    assert lead.text == "High risk. Of 100 such alerts about 29 were confirmed, between 24 and 35."
    assert {row.label: row.value for row in facts.rows} == {
        "Rule": "On the side where the bank acts",
        "What was counted": "85 confirmed of 292, from 15 July 2026 to 12 September 2026",
        "Beside earlier cases": "Rated higher than 83% of 700 earlier cases",
    }


def test_a_rating_without_an_alert_says_who_was_not_looked_into(audiences: Mapping[str, Audience]) -> None:
    lead, quiet = blocks(shown(audiences, make_record(adverse=False)), "standing", Paragraph)

    assert lead.text == "Low risk. Of 1,000 such cases about 2 were confirmed later, between 1 and 3."
    assert quiet.text == "Nobody looked into these without an alert, so only what was reported is counted."


def test_what_was_not_counted_is_said(audiences: Mapping[str, Audience]) -> None:
    for supplements, expected in (
        (Supplements(), "High risk. How often this is right was not counted for this version of the model."),
        (
            Supplements(bands=bands(7, 3)),
            "High risk. Only 7 like it were counted, too few to say how often that is right.",
        ),
        (
            Supplements(bands=bands(400, 0)),
            "High risk. None of 400 such alerts was confirmed; that allows for up to 10 of 1,000.",
        ),
    ):
        assert blocks(shown(audiences, supplements=supplements), "standing", Paragraph)[0].text == expected


@pytest.mark.parametrize("share", [0.996, 0.9999])
def test_a_case_below_some_is_never_told_to_be_above_all(share: float, audiences: Mapping[str, Audience]) -> None:
    record = make_record()
    assert record.portfolio is not None
    record = replace(record, portfolio=replace(record.portfolio, rank_share=share))
    (facts,) = blocks(shown(audiences, record), "standing", Facts)

    assert "Rated higher than 99% of 700 earlier cases" in [row.value for row in facts.rows]


def test_closed_cases_of_both_outcomes_say_what_is_alike_and_what_differs(audiences: Mapping[str, Audience]) -> None:
    confirmed, cleared = blocks(shown(audiences), "past_cases", Table)
    texts = [[cell.text for cell in table.rows[0]] for table in (confirmed, cleared)]

    assert (confirmed.caption, cleared.caption) == ("Confirmed: the nearest cases", "Cleared: the nearest cases")
    assert texts[0] == [
        "C-17, closed 1 January 2026",
        "Card copied",
        "Checking account: Overdrawn; Duration of the loan: 48 months; Customer since: 1 January 2004",
        "Amount of the loan: €90, here €5,951",
    ]
    assert texts[1][0] == "Closed 1 January 2026"
    assert texts[1][1] == "Not noted"
    assert texts[1][3] == "Purpose: Television, here New car"
    assert "Age" not in confirmed.rows[0][3].text  # protected, so not this reader's to see


OUTSIDE = Caveat(kind="input_out_of_range", severity=Severity.CARE)


@pytest.mark.parametrize(
    ("found", "caveats", "expected"),
    [
        (near(), (), False),
        (near(), (OUTSIDE,), False),  # a fraud like others: rare among all rows, known among closed cases
        (near(remote=True), (), False),  # a usual case: nobody looks into those
        (near(remote=True), (OUTSIDE,), True),
        (near(beyond=("duration_months",)), (), True),  # beyond all earlier rows as well
        (near(beyond=("credit_amount",)), (), False),  # some earlier row comes up to it
        (near(beyond=("age_years",)), (), False),  # withheld: must not be told
    ],
)
def test_unlike_what_is_on_file_is_never_told_as_low_risk(
    found: NearCases,
    caveats: tuple[Caveat, ...],
    expected: bool,  # noqa: FBT001 - a case of the table
    audiences: Mapping[str, Audience],
) -> None:
    supplements, record = replace(whole(), similar_cases=found), make_record(caveats=caveats)
    notices = blocks(shown(audiences, record, supplements, judged=False), "unlike", Notice)
    rating = blocks(shown(audiences, record, supplements), "standing", Notice)
    cases = blocks(shown(audiences, record, supplements), "past_cases", Notice)

    assert bool(notices) == bool(rating) == expected
    if expected:
        assert "Do not read a low rating as low risk" in notices[0].text
    assert [notice.title for notice in cases] == (["No closed case is like this one."] if found.remote else [])
    if cases:
        assert ("do not read it as low risk" in cases[0].text) == expected
        assert ("That alone does not make it fine" in cases[0].text) != expected


def test_without_closed_cases_the_support_of_the_row_tells_what_is_unlike(audiences: Mapping[str, Audience]) -> None:
    hidden = Caveat(kind="input_out_of_range", severity=Severity.CARE, players=("age_years",))

    assert blocks(shown(audiences, make_record(caveats=(OUTSIDE,)), Supplements()), "unlike", Notice)
    assert not blocks(shown(audiences, make_record(caveats=(hidden,)), Supplements()), "unlike", Notice)


def test_a_value_far_beyond_the_usual_is_unlike_even_where_a_change_of_unit_may_explain_it(
    audiences: Mapping[str, Audience],
) -> None:
    far = Caveat(kind="unit_change", severity=Severity.CARE, players=("credit_amount",))
    hidden = Caveat(kind="unit_change", severity=Severity.CARE, players=("age_years",))

    assert blocks(shown(audiences, make_record(caveats=(far,)), Supplements()), "unlike", Notice)
    assert not blocks(shown(audiences, make_record(caveats=(hidden,)), Supplements()), "unlike", Notice)


def test_a_fact_beyond_all_earlier_rows_is_never_beside_a_claim_that_nothing_is_new(
    audiences: Mapping[str, Audience],
) -> None:
    """Closed cases hold such facts too, so the case is like them; the fact may be new to the model all the same."""
    record = make_record(caveats=(OUTSIDE,))
    for language, said, claim in (
        ("en", "did not find it unlike", "new to"),
        ("nl", "vonden niet dat", "nieuw voor het"),
    ):
        view = shown(audiences, record, replace(whole(), similar_cases=near()), language=language, judged=False)
        (quiet,) = blocks(view, "unlike", Paragraph)

        assert said in quiet.text
        assert claim not in quiet.text


def test_decisions_and_reasons_have_codes(audiences: Mapping[str, Audience]) -> None:
    for language in ("en", "nl"):
        decisions, reasons = blocks(shown(audiences, language=language), "record", Table)

        assert [row[0].text for row in decisions.rows] == ["clear", "hold", "escalate", "report"]
        assert "model-missed" in [row[0].text for row in reasons.rows]
        assert all(row[1].text for row in (*decisions.rows, *reasons.rows))
