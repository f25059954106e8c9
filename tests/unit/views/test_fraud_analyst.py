"""What the fraud analyst is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import make_description, make_record
from xaisvc.views import build_view, render_view
from xaisvc.views.document import Facts, Reasons, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience


def test_fraud_analyst_reads_evidence_before_any_rating(audiences: Mapping[str, Audience]) -> None:
    record = make_record(row={"credit_amount": 20000.0})
    view = build_view(record, make_description(), audiences["fraud_analyst"])
    ids = [section.id for section in view.sections]
    before = render_view(replace(view, sections=view.sections[: ids.index("signals")]), "text")
    (table,) = blocks(view, "evidence", Table)

    assert ids == ["disclosure", "evidence", "signals", "standing", "reliability", "unlike", "record"]
    assert "High risk" not in before
    assert "83%" not in before
    assert "Risk of default" not in before
    assert tuple(cell.text for cell in table.rows[0]) == (
        "Amount of the loan",
        "€20,000",
        "UNUSUAL: higher than any; the highest was €18,424",
    )


def test_the_order_of_the_evidence_does_not_follow_the_model(audiences: Mapping[str, Audience]) -> None:
    one = build_view(make_record(), make_description(), audiences["fraud_analyst"])
    other = build_view(
        make_record(values={"telephone": 5.0, "purpose": -3.0}), make_description(), audiences["fraud_analyst"]
    )

    assert blocks(one, "evidence", Table) == blocks(other, "evidence", Table)


def test_signals_of_concern_come_first_whatever_the_outcome(audiences: Mapping[str, Audience]) -> None:
    for adverse in (True, False):
        view = build_view(make_record(adverse=adverse), make_description(), audiences["fraud_analyst"])
        concern, normal = blocks(view, "signals", Reasons)

        assert (concern.title, normal.title) == ("Signals of concern", "Signals of normal behaviour")
        assert concern.items[0].direction == "raised concern, strongly"
        assert normal.items[0].direction == "lowered concern, clearly"


def test_rating_comes_with_the_rank_among_past_cases(audiences: Mapping[str, Audience]) -> None:
    view = build_view(make_record(), make_description(), audiences["fraud_analyst"])
    (facts,) = blocks(view, "standing", Facts)

    assert {"Band": "High risk", "Among past cases": "Higher than 83% of 700 past cases"}.items() <= {
        row.label: row.value for row in facts.rows
    }.items()


@pytest.mark.parametrize("share", [0.996, 0.9999])
def test_a_case_below_some_is_never_told_to_be_above_all(share: float, audiences: Mapping[str, Audience]) -> None:
    record = make_record()
    assert record.portfolio is not None
    record = replace(record, portfolio=replace(record.portfolio, rank_share=share))
    (facts,) = blocks(build_view(record, make_description(), audiences["fraud_analyst"]), "standing", Facts)

    assert "Higher than 99% of 700 past cases" in [row.value for row in facts.rows]
