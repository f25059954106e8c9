"""Features that the model uses for few rows only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, only
from xaisvc.types import Players, Severity
from xaisvc.types.reliance import Use

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext


def test_a_rare_reason_is_named(make_context: MakeContext) -> None:
    caveat = only(make_context(uses={"income": Use.RARELY_USED}))

    assert (caveat.kind, caveat.severity, caveat.players) == ("rare_usage", Severity.INFO, ("income",))
    assert caveat.evidence == pytest.approx(
        {"share": 0.5 / 1.75, "usage_rate": 0.004, "usage_upper": 0.02, "largest_effect": 0.7}
    )
    assert caveat.message == (
        "the model uses income for few rows only, and this is one of them; what is usual in the portfolio says little "
        "about it"
    )


def test_a_player_that_holds_a_rare_feature_counts(make_context: MakeContext) -> None:
    groups = Players(names=("numbers", "job"), members=(("age", "income", "debt"), ("job",)), kind="custom")
    context = make_context(uses={"income": Use.RARELY_USED}, players=groups, has_opinion=False)

    assert only(context).players == ("numbers",)


@pytest.mark.parametrize(("value", "told"), [(0.003, ["rare_usage"]), (0.0027, [])])
def test_a_row_that_gets_its_credit_from_other_rows_is_not_called_one_of_the_few(
    make_context: MakeContext, value: float, told: list[str]
) -> None:
    # In 0.4 % of hybrids the feature moves the output by up to 0.7, whatever the row: 0.0028, here a fifth of T.
    context = make_context(values=(0.01, value, 0.0, 0.0), uses={"income": Use.RARELY_USED})

    assert [kind for kind in kinds(context) if kind == "rare_usage"] == told


def test_a_rare_feature_without_credit_is_not_worth_a_word(make_context: MakeContext) -> None:
    assert kinds(make_context(uses={"debt": Use.RARELY_USED})) == []
