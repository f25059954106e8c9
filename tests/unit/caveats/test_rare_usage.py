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


def test_a_rare_feature_without_credit_is_not_worth_a_word(make_context: MakeContext) -> None:
    assert kinds(make_context(uses={"debt": Use.RARELY_USED})) == []
