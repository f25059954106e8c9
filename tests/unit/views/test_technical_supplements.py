"""What the data scientist is told beside the record, number by number; and what is said where there is nothing."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import NUMBERS, make_description, make_record
from tests.unit.views.overviews import NAMES, make_overview, make_second, make_supplements
from tests.unit.views.pages import Page
from xaisvc.types import Space
from xaisvc.types.overview import Profile
from xaisvc.types.supplements import NO_SUPPLEMENTS, Supplement, Supplements
from xaisvc.views import build_view, needed, render_view
from xaisvc.views.document import BarChart, Beeswarm, Facts, HeatMap, Notice, Paragraph, Plots, Table, Waterfall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import ExplanationRecord
    from xaisvc.views import Audience, View

CHARTS = {
    "waterfall": Waterfall,
    "attributions": BarChart,
    "association": HeatMap,
    "interactions": BarChart,
    "importance": Beeswarm,
    "dependence": Plots,
}


def _view(
    audiences: Mapping[str, Audience],
    supplements: Supplements | None = None,
    language: str = "en",
    record: ExplanationRecord | None = None,
) -> View:
    beside = make_supplements() if supplements is None else supplements
    return build_view(record or make_record(), make_description(), audiences["data_scientist"], language, beside)


def _rows(view: View, section: str, place: int = 0) -> dict[str, list[str]]:
    table = blocks(view, section, Table)[place]
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_all_that_is_shown_is_asked_for(audiences: Mapping[str, Audience]) -> None:
    wanted = needed(make_description(), audiences["data_scientist"])

    assert wanted == {
        Supplement.OVERVIEW,
        Supplement.SECOND_METHOD,
        Supplement.INTERACTIONS,
        Supplement.READERS,
    }


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_section_without_its_supplement_says_so_in_one_sentence(
    audiences: Mapping[str, Audience], language: str
) -> None:
    view = _view(audiences, NO_SUPPLEMENTS, language)

    for section in ("agreement", "association", "input_support", "interactions", "importance", "dependence", "readers"):
        (said,) = next(part for part in view.sections if part.id == section).blocks
        assert isinstance(said, Notice)
        assert said.title.endswith(".")


@pytest.mark.parametrize("section", CHARTS)
def test_each_chart_is_followed_by_what_it_shows_and_does_not(audiences: Mapping[str, Audience], section: str) -> None:
    part = next(part for part in _view(audiences).sections if part.id == section)
    place = next(i for i, block in enumerate(part.blocks) if isinstance(block, CHARTS[section]))
    said = part.blocks[place + 1]

    assert isinstance(said, Paragraph)
    assert said.text.startswith("Shows: ")
    assert " Does not show: " in said.text


def test_the_waterfall_goes_from_the_base_value_to_the_output(audiences: Mapping[str, Audience]) -> None:
    (chart,) = blocks(_view(audiences), "waterfall", Waterfall)

    assert chart.start.value == -0.97
    assert pytest.approx(chart.end.value) == chart.start.value + sum(step.value for step in chart.steps)
    assert [step.label for step in chart.steps[:2]] == ["checking_status = Overdrawn", "duration_months = 48 months"]
    assert (chart.steps[0].value, chart.steps[0].text) == (0.62, "+0.62 raised")
    assert chart.line == pytest.approx(math.log(0.3 / 0.7))  # the threshold is a probability, the chart in log-odds


def test_small_steps_of_a_waterfall_are_put_together(audiences: Mapping[str, Audience]) -> None:
    description = make_description()
    short = replace(audiences["data_scientist"])
    sections = tuple(
        replace(spec, builder=replace(spec.builder, max_steps=3)) if spec.id == "waterfall" else spec  # type: ignore[type-var]
        for spec in short.sections
    )
    view = build_view(make_record(), description, replace(short, sections=sections))
    (chart,) = blocks(view, "waterfall", Waterfall)
    ranked = sorted((value for _, value, _ in NUMBERS.values()), key=abs, reverse=True)

    assert [step.value for step in chart.steps[:3]] == ranked[:3]
    assert chart.steps[3].label == "9 other players"
    assert chart.steps[3].value == pytest.approx(sum(ranked[3:]))
    assert len(chart.steps) == 4


@pytest.mark.parametrize("space", [Space.RAW, Space.LOG_ODDS])
def test_what_is_not_attributed_is_a_step_of_its_own(audiences: Mapping[str, Audience], space: Space) -> None:
    record = make_record()
    off = replace(record, attribution=replace(record.attribution, output=record.attribution.output + 0.25, space=space))
    (chart,) = blocks(_view(audiences, record=off), "waterfall", Waterfall)

    assert (chart.steps[-1].label, chart.steps[-1].value) == ("Residual, not attributed", pytest.approx(0.25))
    assert (chart.line is None) is (space is Space.RAW)  # no known link from a probability to a raw score


def test_the_usual_size_is_marked_on_the_side_of_the_bar(audiences: Mapping[str, Audience]) -> None:
    (chart,) = blocks(_view(audiences), "attributions", BarChart)
    marks = {bar.label: bar.mark for bar in chart.bars}

    assert (marks["checking_status"], marks["credit_amount"]) == (0.41, -0.22)
    assert chart.mark == "mean |value| in the portfolio"


def test_the_overview_fills_in_where_the_record_has_no_usual_sizes(audiences: Mapping[str, Audience]) -> None:
    record = make_record()
    players = tuple(replace(player, portfolio_mean_abs=None) for player in record.attribution.players)
    bare = replace(record, attribution=replace(record.attribution, players=players))
    filled = blocks(_view(audiences, record=bare), "attributions", Table)[0]
    empty = blocks(_view(audiences, NO_SUPPLEMENTS, record=bare), "attributions", Table)[0]

    assert {row[0].text: row[4].number for row in filled.rows} == {name: NUMBERS[name][2] for name in NAMES}
    assert {row[4].number for row in empty.rows} == {None}
    assert blocks(_view(audiences, NO_SUPPLEMENTS, record=bare), "attributions", BarChart)[0].mark == ""


def test_a_second_method_that_agrees(audiences: Mapping[str, Audience]) -> None:
    view = _view(audiences)
    (verdict,) = blocks(view, "agreement", Notice)
    facts = {row.label: row.value for row in blocks(view, "agreement", Facts)[0].rows}

    assert (verdict.tone, verdict.title) == ("info", "tree and lime agree on the leading players and on their signs.")
    assert facts["Kendall's tau of their sizes"] == "0.812"
    assert facts["Share of the three largest that both name"] == "not defined"
    assert facts["Cost of the second method"].startswith("5,000 model rows when this page was made, seed 7")
    assert facts["lime r2"] == "0.625"
    assert _rows(view, "agreement")["checking_status"] == ["+0.62", "1", "+0.62", "0.015", "1", "no conflict"]


def test_a_second_method_that_does_not_agree_is_a_warning(audiences: Mapping[str, Audience]) -> None:
    view = _view(audiences, Supplements(second_method=make_second(duration_months=-0.47)))
    (verdict,) = blocks(view, "agreement", Notice)

    assert (verdict.tone, verdict.title) == ("care", "tree and lime do not agree.")
    assert verdict.text == "Opposite signs: duration_months."
    assert _rows(view, "agreement")["duration_months"][-1] == "opposite signs"


def test_groups_stand_beside_their_members(audiences: Mapping[str, Audience]) -> None:
    groups = _rows(_view(audiences), "groups")
    both = 0.47 - 0.12

    assert groups["Concept accounts"] == ["checking_status +0.62; savings_status +0.21", "+0.83", "0.83", "0%"]
    assert groups["Associated set 1"] == ["duration_months +0.47; credit_amount -0.12", "+0.35", "0.59", "41%"]
    assert pytest.approx(1 - both / 0.59, abs=0.005) == 0.41
    assert "Associated set 1" not in _rows(_view(audiences, NO_SUPPLEMENTS), "groups")


def test_the_map_of_association_has_the_linked_pairs(audiences: Mapping[str, Audience]) -> None:
    view = _view(audiences)
    (chart,) = blocks(view, "association", HeatMap)

    assert chart.labels == ("duration_months", "credit_amount", "checking_status", "savings_status")
    assert chart.grid.marked[0] == (False, True, False, False)
    assert chart.grid.branches[-1] == (0.5, 2.5, 0.2, 0.5, 0.925)
    assert _rows(view, "association") == {"duration_months": ["credit_amount", "0.800", "+0.35"]}
    assert "8 features with the smallest attributions are not drawn" in blocks(view, "association", Paragraph)[0].text
    assert "A correlation below 0.30" in blocks(view, "association", Paragraph)[0].text


@pytest.mark.parametrize(
    ("value", "place", "verdict"),
    [
        (3.0, "above 0%", "below the background"),
        (4.5, "above 0.5%", "in the outer tail"),
        (38.0, "above 50%", "usual"),
        (72.5, "above 100%", "above the background"),
        (None, "", "missing"),
    ],
)
def test_a_value_has_its_place_in_the_background(
    audiences: Mapping[str, Audience], value: float | None, place: str, verdict: str
) -> None:
    view = _view(audiences, record=make_record(row={"duration_months": value} if value is not None else None))
    if value is None:
        record = make_record()
        view = _view(audiences, record=replace(record, row={**record.row, "duration_months": None}))

    assert _rows(view, "input_support")["duration_months"][1:3] == [verdict, place]


@pytest.mark.parametrize(("level", "verdict"), [("A11", "rare"), ("A12", "not in the background")])
def test_a_level_has_its_share_of_the_background(audiences: Mapping[str, Audience], level: str, verdict: str) -> None:
    view = _view(audiences, record=make_record(row={"checking_status": level}))

    assert _rows(view, "input_support")["checking_status"][1] == verdict
    assert _rows(view, "input_support")["checking_status"][-1] == "25.0%"


def test_a_value_that_many_rows_have_is_in_the_middle_of_them(audiences: Mapping[str, Audience]) -> None:
    tied = Profile(feature="duration_months", rows=700, missing=0.0, quantiles=(0.0,) * 61 + (1.0,) * 40)
    supplements = Supplements(overview=make_overview(duration_months=tied))
    view = _view(audiences, supplements, record=make_record(row={"duration_months": 0.0}))

    assert _rows(view, "input_support")["duration_months"][1:3] == ["usual", "above 30%"]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "The one value lies within what 700 background rows hold."),
        ("nl", "De ene waarde ligt binnen wat 700 rijen van de achtergrond bevatten."),
    ],
)
def test_one_usual_value_is_one(audiences: Mapping[str, Audience], language: str, said: str) -> None:
    record = make_record()
    one = replace(record, row={"duration_months": record.row["duration_months"]})
    overview = make_overview()
    profile = replace(overview.profiles["duration_months"], quantiles=(0.0,) * 50 + (100.0,) * 51)
    supplements = Supplements(overview=replace(overview, profiles={"duration_months": profile}))
    view = _view(audiences, supplements, language, record=one)

    assert blocks(view, "input_support", Notice)[0].title == said


def test_signs_and_ranks_are_firm_beyond_two_errors_only(audiences: Mapping[str, Audience]) -> None:
    view = _view(audiences)
    rows = _rows(view, "stability")
    facts = {row.label: row.value for row in blocks(view, "stability", Facts)[0].rows}

    assert rows["checking_status"] == ["+0.62", "0", "0.05", "12.4", "25%", "rank not sure"]  # 0.15 < 2 * 0.304
    assert rows["duration_months"] == ["+0.47", "0", "0.3", "1.6", "50%", "sign not sure"]  # 0.47 < 2 * 0.3
    assert rows["savings_status"] == ["+0.21", "0", "", "", "", "firm"]
    assert facts["Signs beyond two errors"] == "11 of 12 players with a value"
    assert facts["Largest combined error"] == "0.3"


def test_pairs_and_main_effects_add_up(audiences: Mapping[str, Audience]) -> None:
    view = _view(audiences)
    (chart,) = blocks(view, "interactions", BarChart)
    table = blocks(view, "interactions", Table)[0]

    assert [(bar.label, bar.value) for bar in chart.bars] == [
        ("checking_status \u00d7 duration_months", 0.25),
        ("purpose \u00d7 telephone", -0.125),
    ]
    for row in table.rows:
        main, pairs, whole = (cell.number for cell in row[1:4])
        assert main is not None
        assert pairs is not None
        assert whole == pytest.approx(main + pairs)


def test_importance_comes_with_its_error_and_this_row(audiences: Mapping[str, Audience]) -> None:
    view = _view(audiences)
    (chart,) = blocks(view, "importance", Beeswarm)
    total = sum(usual for _, _, usual in NUMBERS.values())

    assert (chart.swarms[0].label, chart.swarms[0].own) == ("checking_status", 0.62)
    assert chart.swarms[0].cloud.points == ((-0.41, 0.0), (0.41, 1.0))
    assert _rows(view, "importance")["checking_status"] == [
        "1",
        "0.41",
        "0.01",
        f"{100 * 0.41 / total:.1f}%",
        "+0.75",
        "+0.62",
        "1",
    ]


def test_dependence_is_plotted_for_numbers_and_levels(audiences: Mapping[str, Audience]) -> None:
    (chart,) = blocks(_view(audiences), "dependence", Plots)
    levels, numbers = chart.plots

    assert [(span.label, span.low, span.middle, span.high, span.own) for span in levels.spans] == [
        ("Overdrawn", 0.25, 0.5, 0.75, 0.62),
        ("missing", -0.25, -0.25, -0.25, None),
    ]
    assert levels.text == "12% of the variance is not explained by the value itself."  # halves go to even
    assert numbers.own == (48.0, 0.47)
    assert numbers.ends == ("6 months", "60 months", "-0.5", "+1")
    assert numbers.text == "The attribution is the same everywhere."


def test_what_others_get_is_told_without_the_reader(audiences: Mapping[str, Audience]) -> None:
    view = _view(audiences)
    shares = [abs(value) for _, value, _ in NUMBERS.values()]
    unseen = abs(NUMBERS["house_rating"][1]) / sum(shares)

    assert _rows(view, "readers") == {
        "Customer": [
            "held for a person",
            "11 shown, 0 in general words, 1 withheld",
            f"{100 * unseen:.0f}%",
            "purpose",
        ]
    }
    features = _rows(view, "readers", 1)
    assert features["house_rating"] == ["confidential", "hidden"]
    assert features["unlisted_fact"] == ["none", "shown"]


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("form", ["html", "markdown", "text", "json"])
def test_the_numbers_are_in_every_format(audiences: Mapping[str, Audience], form: str, language: str) -> None:
    page = render_view(_view(audiences, language=language), form)
    for found in ("0.625", "0.812", "0.015", "5.000" if language == "nl" else "5,000"):
        assert found in page.replace("\\", "")


def test_json_has_what_is_drawn(audiences: Mapping[str, Audience]) -> None:
    text = render_view(_view(audiences), "json")
    sections = {section["id"]: section["blocks"] for section in json.loads(text)["sections"]}
    swarm = next(block for block in sections["importance"] if block["type"] == "beeswarm")
    grid = next(block for block in sections["association"] if block["type"] == "heat_map")["grid"]
    plot = next(block for block in sections["dependence"] if block["type"] == "plots")["plots"][1]

    assert swarm["swarms"][0]["cloud"] == [[-0.41, 0.0], [0.41, 1.0]]
    assert grid["cells"][0] == [1.0, 0.8, 0.1, 0.0]
    assert grid["marked"][0] == [0, 1, 0, 0]
    assert grid["branches"][0] == [0.0, 1.0, 0.0, 0.0, 0.2]
    assert plot["cloud"] == [[6.0, -0.5], [60.0, 1.0]]
    assert "\\u0000" not in text


def test_the_page_is_well_formed_and_the_same_twice(audiences: Mapping[str, Audience]) -> None:
    first, second = (render_view(_view(audiences), "html") for _ in range(2))

    assert Page(first).problems == []
    assert first == second
    assert len(re.findall(r'role="img"', first)) == len(CHARTS)


HOSTILE = [
    '<script>alert("1")</script>',
    '"><img src=x onerror=alert(1)>',
    "</span></div><b>",
    "&lt;i&gt;",
    "a\x00b\u202e",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_of_features_and_levels_are_inert(audiences: Mapping[str, Audience], hostile: str) -> None:
    overview = make_overview()
    points = tuple(replace(player, player=hostile) for player in overview.players[:2])
    levels = tuple(replace(level, level=hostile) for level in overview.dependence[0].levels[:1])
    poisoned = replace(
        overview,
        players=points,
        association=replace(overview.association, features=(hostile, *overview.association.features[1:])),
        dependence=(replace(overview.dependence[0], levels=levels), overview.dependence[1]),
        method=hostile,
    )
    supplements = replace(make_supplements(), overview=poisoned, second_method=replace(make_second(), method=hostile))
    harmless = replace(
        make_supplements(),
        second_method=replace(make_second(), method="x"),
        overview=replace(
            poisoned,
            players=tuple(replace(player, player="x") for player in points),
            association=replace(poisoned.association, features=("x", *poisoned.association.features[1:])),
            dependence=(
                replace(poisoned.dependence[0], levels=(replace(levels[0], level="x"),)),
                overview.dependence[1],
            ),
        ),
    )
    page = Page(render_view(_view(audiences, supplements), "html"))

    assert page.problems == []
    assert [tag for tag, _ in Page(render_view(_view(audiences, harmless), "html")).elements] == [
        tag for tag, _ in page.elements
    ]
    for form in ("markdown", "text", "json"):
        assert not re.search("[\u202e\x00]", render_view(_view(audiences, supplements), form))
