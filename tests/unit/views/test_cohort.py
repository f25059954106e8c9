"""What an audience is told of many cases."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import make_description, make_description_without_decision
from tests.unit.views.cohorts import (
    COHORTS,
    SECTIONS,
    UNTOLD,
    bare_cohort,
    full_cohort,
    segment,
)
from tests.unit.views.pages import Page
from xaisvc.errors import InvalidRequestError
from xaisvc.types import Band, Feature, Kind, Sensitivity, TensorColumn
from xaisvc.types.cohort import (
    Cell,
    Cohort,
    Period,
    Segmentation,
)
from xaisvc.views import FORMATS, build_cohort_view, load_audiences, render_view
from xaisvc.views.document import BarChart, Bullets, Facts, Notice, Paragraph, Table
from xaisvc.views.reading import measure_reading, names_in
from xaisvc.views.wording import find_banned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xaisvc.types import BundleDescription
    from xaisvc.views import Audience, View
    from xaisvc.views.document import Block


def show(
    cohort: Cohort,
    audiences: Mapping[str, Audience],
    language: str = "en",
    description: BundleDescription | None = None,
) -> View:
    manager = audiences["business_manager"]
    return build_cohort_view(cohort, description or make_description(), manager, language, known=audiences)


def blocks(view: View, section: str) -> tuple[Block, ...]:
    return next(one.blocks for one in view.sections if one.id == section)


def shape(view: View) -> object:
    """A view without its words: its blocks, how many items each has, and its numbers."""

    def bare(value: object) -> object:
        if isinstance(value, dict):
            return {name: bare(item) for name, item in value.items()}
        if isinstance(value, list):
            return [bare(item) for item in value]
        return bool(value) if isinstance(value, str) else value

    return bare(json.loads(render_view(view, "json")))


def rows(table: Block) -> list[list[str]]:
    assert isinstance(table, Table)
    return [[cell.text for cell in row] for row in table.rows]


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("name", COHORTS)
def test_every_page_keeps_to_the_declaration(audiences: Mapping[str, Audience], name: str, language: str) -> None:
    view = show(COHORTS[name], audiences, language)
    manager = audiences["business_manager"]

    assert [section.id for section in view.sections] == SECTIONS
    everything = render_view(view, "text")
    assert not find_banned(everything, manager.banned[language])
    assert not re.findall(r"\b[a-z]+_[a-z_]+\b", everything)
    assert not measure_reading(view, manager.reading[language], names_in(make_description(), language)).excess
    assert shape(view) == shape(show(COHORTS[name], audiences, "en"))
    assert show(COHORTS[name], audiences, language) == view
    for form in set(FORMATS) & set(manager.formats):
        assert render_view(view, form)
    page = Page(render_view(view, "html"))
    assert not page.problems
    assert len({attributes["id"] for _, attributes in page.elements if "id" in attributes}) == sum(
        "id" in attributes for _, attributes in page.elements
    )


@pytest.mark.parametrize("name", COHORTS)
def test_every_number_is_one_of_the_cohort(audiences: Mapping[str, Audience], name: str) -> None:
    """Not one digit of a page comes from anywhere else than the cohort, its bundle and the smallest cell."""
    cohort, description = COHORTS[name], make_description()
    known = set(re.findall(r"\d+", f"{cohort} {description} 95 20"))
    known |= {str(100 - int(number)) for number in known if int(number) <= 100}
    known |= {str(point) for point in range(1, 6)}  # how many points stand out
    last_days = {"30", "31"}  # the day before the end of the period
    for number in re.findall(r"\d+", render_view(show(cohort, audiences), "text").replace(",", "")):
        assert number in known | last_days, number


def test_the_conclusion_says_what_came_out_and_what_is_asked(audiences: Mapping[str, Audience]) -> None:
    lead, asked, points = blocks(show(full_cohort(), audiences), "conclusion")

    assert isinstance(lead, Paragraph)
    assert lead.text == (
        "The model came out against the client in 31% of 412 cases; 34% of its attention went to "
        "\N{LEFT DOUBLE QUOTATION MARK}Accounts and savings\N{RIGHT DOUBLE QUOTATION MARK}."
    )
    assert isinstance(asked, Paragraph)
    assert asked.text.endswith("8 points need your view first.")
    assert isinstance(points, Bullets)
    assert points.items[0] == "Protected facts, or stand-ins for them, weigh in the model: Age."
    assert points.items[-1] == "Hardly ever decided differently from the model: Fraud analyst."
    (_, none) = blocks(show(bare_cohort(), audiences), "conclusion")
    assert isinstance(none, Paragraph)
    assert none.text.endswith("Nothing in these figures stands out.")


def test_each_point_has_an_action_of_its_own(audiences: Mapping[str, Audience]) -> None:
    view = show(full_cohort(), audiences)
    points = blocks(view, "conclusion")[2]
    (actions,) = blocks(view, "actions")

    assert isinstance(points, Bullets)
    found = rows(actions)
    assert len(found) == len(points.items) + 1
    assert {row[1] for row in found[:-2]} == {"Retail credit risk"}
    assert [row[1] for row in found[-2:]] == ["You", "You"]


def test_periods_are_told_with_their_last_day(audiences: Mapping[str, Audience]) -> None:
    def subtitle(period: Period, language: str = "en") -> str:
        return show(full_cohort(period=period), audiences, language).subtitle

    assert "412 cases · 1 October 2026 to 31 October 2026 · model" in subtitle(
        Period(since="2026-10-01", until="2026-11-01")
    )
    assert "· up to 31 October 2026 ·" in subtitle(Period(until="2026-11-01"))
    assert "· 31 October 2026 ·" in subtitle(Period(since="2026-10-31", until="2026-11-01"))
    assert "· named one by one ·" in subtitle(Period())
    assert "412 gevallen · 1 oktober 2026 tot en met 31 oktober 2026" in subtitle(
        Period(since="2026-10-01", until="2026-11-01"), "nl"
    )


def test_a_bundle_says_what_its_rows_are_and_speaks_for_itself_in_its_languages(
    audiences: Mapping[str, Audience],
) -> None:
    description = replace(
        make_description(),
        row_labels={"en": "payments", "nl": "betalingen"},
        texts={"nl": {"purpose": "Helpt bij het besluit.", "owner": "Kredietrisico"}},
    )

    view = show(full_cohort(), audiences, "nl", description)
    assert "412 betalingen" in view.subtitle
    text = render_view(view, "text")
    assert "Helpt bij het besluit." in text
    assert "Mortgages and business loans." in text  # not said in Dutch
    assert "Kredietrisico" in text


def test_drivers_are_shares_with_the_other_period_as_marks(audiences: Mapping[str, Audience]) -> None:
    chart = blocks(show(full_cohort(), audiences), "drivers")[1]

    assert isinstance(chart, BarChart)
    assert [(bar.label, bar.value, bar.mark) for bar in chart.bars] == [
        ("Accounts and savings", 0.34, 0.4),
        ("The loan asked for", 0.3, 0.29),
        ("Age", 0.09, None),
        ("Several themes together", 0.05, None),
    ]
    assert chart.bars[0].text == "34% (30% to 38%), of which 60% against the client"
    assert chart.mark
    assert not blocks(show(full_cohort(changes=()), audiences), "drivers")[1].mark  # type: ignore[union-attr]


def test_more_themes_than_declared_are_told_as_one_sum(folder: Path) -> None:
    declaration = folder / "business_manager" / "audience.yaml"
    declaration.write_text(declaration.read_text().replace("drivers, maximum: 7", "drivers, maximum: 2"))
    found = load_audiences(folder)

    _, chart, rest, _ = blocks(show(full_cohort(), found), "drivers")
    assert isinstance(chart, BarChart)
    assert isinstance(rest, Paragraph)
    assert (len(chart.bars), rest.text) == (2, "All other themes together: 14%.")


def test_where_nothing_is_adverse_the_words_are_others(audiences: Mapping[str, Audience]) -> None:
    description = make_description_without_decision()
    cohort = full_cohort(adverse=None, adverse_extent=None, output=description.outputs[0].id, rules=replace(
        full_cohort().rules, outcome="higher"))  # type: ignore[type-var]  # fmt: skip

    view = show(cohort, audiences, description=description)
    text = render_view(view, "text")
    assert "The model gave its answer in 412 cases" in text
    assert "of which 60% raised the answer" in text
    assert "Cases with a higher answer than most have this in common:" in text


def test_changes_are_told_largest_first_and_what_did_not_change_is_named(audiences: Mapping[str, Audience]) -> None:
    intro, table, same = blocks(show(full_cohort(), audiences), "changes")

    assert isinstance(intro, Paragraph)
    assert isinstance(same, Paragraph)
    assert intro.text == "Compared with 377 other cases: up to 30 September 2026."
    assert rows(table) == [
        ["Purpose: New car", "30%", "41%", "Higher, by 1 to 21 points"],
        ["Decided against the client", "24%", "31%", "Higher, by 2 to 12 points"],
        ["Accounts and savings", "40%", "34%", "Lower, by up to 11 points"],
    ]
    assert same.text == ("Compared, and no different beyond chance: Explanations without limits; The loan asked for.")


def test_segments_are_told_with_how_they_compare(audiences: Mapping[str, Audience]) -> None:
    notice, levels, purpose, amount, telephone, band = blocks(show(full_cohort(), audiences), "segments")

    assert isinstance(notice, Notice)
    assert notice.text == "Purpose: New car. Take more care here."
    assert isinstance(levels, Facts)
    assert [row.label for row in levels.rows] == ["As they are", "With care, or not at all"]
    assert rows(purpose) == [
        ["New car", "200 (50%)", "31%, alike", "30%, higher"],
        ["Television, or not given", "212 (53%)", "not told", "not told"],
    ]
    assert isinstance(purpose, Table)
    assert [cell.marked for cell in purpose.rows[0]] == [False, False, False, True]
    assert [row[0] for row in rows(amount)] == [
        "Below \N{EURO SIGN}1,200", "\N{EURO SIGN}1,200 to below \N{EURO SIGN}4,000", "\N{EURO SIGN}4,000 or more",
        "Not given",
    ]  # fmt: skip
    assert [row[0] for row in rows(telephone)] == ["No", "Yes"]
    assert isinstance(band, Paragraph)
    assert band.text.startswith("Groups by “Band” are not told.")


def test_what_is_told_of_no_segment_has_no_column(audiences: Mapping[str, Audience]) -> None:
    cells = [segment(Cell(values=(band,)), 100, **UNTOLD) for band in ("low", "high")]
    cohort = full_cohort(segments=(Segmentation(by="band", segments=tuple(cells)),))

    said, _, table = blocks(show(cohort, audiences), "segments")
    assert isinstance(said, Paragraph)
    assert said.text.startswith("Groups cannot be compared here.")
    assert rows(table) == [["Low risk", "100 (25%)"], ["High risk", "100 (25%)"]]


@pytest.mark.parametrize(
    ("level", "tone", "points"), [("normal", "info", 0), ("care", "care", 1), ("unreliable", "stop", 1)]
)
def test_one_level_for_nearly_all_is_told_in_words(
    audiences: Mapping[str, Audience], level: str, tone: str, points: int
) -> None:
    view = show(bare_cohort(level=level), audiences)

    notice = blocks(view, "segments")[1]
    assert isinstance(notice, Notice)
    assert notice.tone == tone
    assert "early " in notice.title
    assert len(blocks(view, "conclusion")) == 2 + points
    assert len(rows(blocks(view, "actions")[0])) == 1 + points


def test_rules_are_sentences(audiences: Mapping[str, Audience]) -> None:
    _, rules, how_far = blocks(show(full_cohort(), audiences), "rules")

    assert isinstance(rules, Bullets)
    first = "Checking account: Overdrawn; Duration of the loan: 24 months or more."
    assert rules.items == (
        f"{first} This covers 18% of the cases and is mostly right.",
        "Amount of the loan: \N{EURO SIGN}9,000 or more. This covers 7% of the cases and is right in 91% of them.",
    )
    assert isinstance(how_far, Paragraph)
    assert "83%" in how_far.text
    assert "48%" in how_far.text


def test_people_are_counted_and_what_is_too_few_is_said_so(audiences: Mapping[str, Audience]) -> None:
    notice, _, table, hidden = blocks(show(full_cohort(), audiences), "people")

    assert isinstance(notice, Notice)
    assert notice.title.startswith("Hardly ever decided otherwise: Fraud analyst.")
    assert rows(table) == [
        ["Fraud analyst", "not told", "30", "hardly ever", "not told"],
        ["Relationship manager", "120", "90", "22% (18% to 26%)", "25% (21% to 29%)"],
    ]
    assert isinstance(hidden, Paragraph)
    assert hidden.text == "Not told, as too few are behind it: Readers; Came back another day."


def test_every_alarm_is_a_notice_with_what_to_do(audiences: Mapping[str, Audience]) -> None:
    found = blocks(show(full_cohort(), audiences), "alarms")

    assert all(isinstance(one, Notice) and one.text for one in found)
    assert [one.title for one in found if isinstance(one, Notice)] == [
        "Alarm: this weighs in these cases: Age.",
        "Alarm: this can stand in for protected facts: Telephone on file.",
        "Alarm: some facts can stand in for protected ones.",
        "Alarm: the model uses facts whose use other ways of explaining can hide: Age.",
        "Alarm: the model acts differently on made-up cases than on real ones.",
    ]
    (none,) = blocks(show(bare_cohort(), audiences), "alarms")
    assert isinstance(none, Notice)
    assert "less than 5%" in none.title


def test_limits_are_counted_by_kind(audiences: Mapping[str, Audience]) -> None:
    _, table, fine = blocks(show(full_cohort(), audiences), "limits")

    assert rows(table) == [
        ["Close to the line between two decisions", "48"],
        ["Other limits", "not told"],
        ["Facts that move together share the credit", "nearly all"],
    ]
    assert isinstance(fine, Paragraph)
    assert "fewer than 20 people" in fine.text


def test_hostile_labels_do_no_harm(audiences: Mapping[str, Audience]) -> None:
    bad = "<script>alert(1)</script>|[x](javascript:1)"
    description = make_description()
    features = tuple(replace(one, labels={"en": bad}, category_labels={}) for one in description.features)
    description = replace(description, features=features, owner=bad, purpose=bad)

    view = show(full_cohort(), audiences, description=description)
    assert "<script" not in render_view(view, "html")
    assert "[x](" not in render_view(view, "markdown")


def test_a_player_of_several_features_is_named_by_them(audiences: Mapping[str, Audience]) -> None:
    driver = replace(full_cohort().drivers[0], concept="mine", features=("telephone", "age_years"))

    chart = blocks(show(full_cohort(drivers=(driver,), changes=()), audiences), "drivers")[1]
    assert isinstance(chart, BarChart)
    assert chart.bars[0].label == "Telephone on file and Age"


def test_numbers_with_every_value_known_are_told_as_given(audiences: Mapping[str, Audience]) -> None:
    description = make_description()
    extra = Feature(
        id="income", kind=Kind.NUMERIC, source=TensorColumn(tensor="income"), labels={"en": "Income"},
        sensitivity=Sensitivity.CUSTOMER_OWN, allow_missing=True,
    )  # fmt: skip
    description = replace(description, features=(*description.features, extra))
    cut = Segmentation(by="income", segments=(segment(Cell(), 60), segment(Cell(missing=True), 40)))

    table = blocks(show(full_cohort(segments=(cut,)), audiences, description=description), "segments")[2]
    assert [row[0] for row in rows(table)] == ["Given", "Not given"]


def test_several_bands_are_one_group(audiences: Mapping[str, Audience]) -> None:
    description = make_description()
    output = replace(
        description.outputs[0], bands=(*description.outputs[0].bands, Band(id="top", labels={"en": "Top"}))
    )
    cut = Segmentation(
        by="band", segments=(segment(Cell(values=("low",)), 60), segment(Cell(values=("high", "top")), 40))
    )

    view = show(full_cohort(segments=(cut,)), audiences, description=replace(description, outputs=(output,)))
    assert [row[0] for row in rows(blocks(view, "segments")[2])] == ["Low risk", "High risk or Top"]


def test_an_audience_without_cohort_sections_is_refused(audiences: Mapping[str, Audience]) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        build_cohort_view(full_cohort(), make_description(), audiences["customer"], known=audiences)

    assert str(raised.value) == (
        "audience: 'customer' has no view of many cases; these audiences have: business_manager"
    )
