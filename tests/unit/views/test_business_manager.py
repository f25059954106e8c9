"""What the business manager is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import make_description, make_open_description, make_record
from xaisvc.views import FORMATS, build_view, render_view
from xaisvc.views.document import BarChart, Notice, Paragraph, Reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience


def test_business_manager_compares_shares_with_the_usual_ones(audiences: Mapping[str, Audience]) -> None:
    view = build_view(make_record(), make_description(), audiences["business_manager"])
    (chart,) = blocks(view, "influence", BarChart)
    bars = {bar.label: bar for bar in chart.bars}

    # |0.62| + |0.21| of a visible total of 1.97; 0.41 + 0.18 of a usual total of 1.62
    assert (
        bars["Accounts and savings"].value,
        bars["Accounts and savings"].mark,
        bars["Accounts and savings"].text,
    ) == (0.42, 0.36, "42% (usually 36%)")
    assert all(bar.value == round(bar.value, 2) for bar in chart.bars)
    assert sum(bar.value for bar in chart.bars) <= 1.05  # each of seven shares is rounded to a hundredth


def test_business_manager_reads_that_both_directions_are_added_up(audiences: Mapping[str, Audience]) -> None:
    """The other readers' lists set one off against the other, so the first of them can be another theme."""
    record = make_record(values={"duration_months": 0.8, "credit_amount": -0.7, "purpose": 0.0})
    view = build_view(record, make_description(), audiences["business_manager"])
    lead = blocks(view, "conclusion", Paragraph)[0].text
    (chart,) = blocks(view, "influence", BarChart)
    manager = build_view(record, make_description(), audiences["relationship_manager"])

    assert lead.endswith(
        "The loan asked for: Duration of the loan and Amount of the loan weighed most, with 54% of the model's "
        "attention, counting what spoke for and against together."
    )
    assert chart.title == "Share of the model's attention by theme, for and against added up"
    assert "their order can differ" in blocks(view, "influence", Paragraph)[0].text
    assert blocks(manager, "reasons", Reasons)[0].items[0].label == "Accounts and savings"


def test_business_manager_sees_no_value_of_the_client(audiences: Mapping[str, Audience]) -> None:
    view = build_view(make_record(), make_description(), audiences["business_manager"])
    for form in FORMATS:
        text = render_view(view, form)
        for value in ("Overdrawn", "Little", "48 months", "5,951", "5951", "New car", "1 January 2004"):
            assert value not in text


def test_protected_facts_that_weigh_are_an_alarm(audiences: Mapping[str, Audience]) -> None:
    loud = build_view(make_record(values={"age_years": 0.9}), make_description(), audiences["business_manager"])
    quiet = build_view(make_record(values={"age_years": 0.01}), make_description(), audiences["business_manager"])
    none = build_view(
        make_record(description=make_open_description()), make_open_description(), audiences["business_manager"]
    )

    assert blocks(loud, "fairness", Notice)[0].title == "Alarm: Age weighed in this case."
    assert "hardly weighed" in blocks(quiet, "fairness", Notice)[0].title
    assert "uses no fact that is marked as protected" in blocks(none, "fairness", Notice)[0].title
