"""Credit shared between players that go together, with and without a second opinion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, only, said
from xaisvc.caveats import CaveatThresholds
from xaisvc.types import Gate, Players, Severity
from xaisvc.types.association import Redundancy, Route
from xaisvc.types.second_opinion import Thresholds

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

TOGETHER = {(0, 1): 0.8}


def test_what_moves_within_a_set_is_said_with_the_sum_that_holds(make_context: MakeContext) -> None:
    # T = 1.75. The gaps move 0.1 of it: no sign, no rank, 0.1 / 1.75 < 10 %.
    caveat = only(make_context(effects=TOGETHER, gaps={(0, 1): (-0.1, 0.1)}))

    assert caveat.kind == "shared_credit"
    assert caveat.severity is Severity.INFO
    assert caveat.players == ("age", "income")
    assert caveat.gates == ()
    assert caveat.evidence == pytest.approx(
        {"association": 0.8, "moved_share": 0.1 / 1.75, "largest_gap_share": 0.1 / 1.75, "conditional_sum": 0.5}
    )
    assert caveat.robust is not None
    assert (caveat.robust.players, caveat.robust.value) == (("age", "income"), 0.5)
    # 2.3 standard errors of 0.01 each from the draw of the background; the sum's own gap is 0, without error.
    assert (caveat.robust.low, caveat.robust.high) == pytest.approx((0.5 - 2.3 * 0.02, 0.5 + 2.3 * 0.02))
    assert caveat.message == (
        "age, income go together in the background (strongest association 0.80), and conditional values divide their "
        "credit otherwise; read their sum, which holds under both value functions"
    )
    assert caveat.model_rows == 0


def test_a_tenth_of_the_total_asks_for_care_and_keeps_members_unranked(make_context: MakeContext) -> None:
    (caveat,) = said(make_context(effects=TOGETHER, gaps={(0, 1): (-0.2, 0.2)}), "shared_credit")

    assert caveat.severity is Severity.CARE
    assert caveat.gates == (Gate.NO_RANKING,)


def test_a_set_whose_interval_holds_zero_is_no_reason(make_context: MakeContext) -> None:
    context = make_context(effects=TOGETHER, gaps={(0, 1): (-0.2, 0.2)}, values=(0.5, -0.5, 0.75))
    (caveat,) = said(context, "shared_credit")

    assert caveat.gates == (Gate.NO_RANKING, Gate.NOT_A_REASON)


def test_a_member_without_a_sign_keeps_the_set_unranked(make_context: MakeContext) -> None:
    # The interval of income reaches from -0.15 - far to -0.03 + far: 0 is inside, though no sign flips.
    context = make_context(effects=TOGETHER, gaps={(0, 1): (-0.12, 0.12)}, values=(1.0, -0.15, 0.25), gap_error=0.02)
    (caveat,) = said(context, "shared_credit")

    assert caveat.severity is Severity.INFO
    assert caveat.gates == (Gate.NO_RANKING,)


def test_a_set_in_which_nothing_moves_is_not_spoken_of(make_context: MakeContext) -> None:
    assert kinds(make_context(effects=TOGETHER, gaps={(0, 1): (-0.05, 0.05)})) == []


def test_a_bank_can_listen_more_closely(make_context: MakeContext) -> None:
    close = CaveatThresholds(opinion=Thresholds(gap_share=0.02))

    assert kinds(make_context(effects=TOGETHER, gaps={(0, 1): (-0.05, 0.05)}, thresholds=close)) == ["shared_credit"]


@pytest.mark.parametrize(
    ("strength", "severity"), [(0.49, None), (0.5, Severity.INFO), (0.69, Severity.INFO), (0.7, Severity.CARE)]
)
def test_without_a_second_opinion_the_association_decides(
    make_context: MakeContext, strength: float, severity: Severity | None
) -> None:
    found = said(make_context(effects={(0, 1): strength}, has_opinion=False), "shared_credit")

    assert [caveat.severity for caveat in found] == ([] if severity is None else [severity])


def test_without_a_second_opinion_the_reason_is_said(make_context: MakeContext) -> None:
    caveat = only(make_context(effects=TOGETHER, has_opinion=False))

    assert caveat.robust is None
    assert caveat.gates == (Gate.NO_RANKING,)
    assert caveat.evidence == {"association": 0.8, "sum_of_values": 0.5}
    assert caveat.message == (
        "age, income go together in the background (strongest association 0.80), so how credit is divided between them "
        "is not reliable; explain them as one player to see what they do together. There is no second opinion on how "
        "far it could be divided otherwise: none is made for players that a caller puts together"
    )


def test_lime_has_no_second_opinion(make_context: MakeContext) -> None:
    (caveat,) = said(make_context(effects=TOGETHER, gaps={(0, 1): (-0.5, 0.5)}, lime=True), "shared_credit")

    assert caveat.message.endswith("LIME's weights have none")
    assert caveat.robust is None


def test_a_set_that_was_not_studied_says_why(make_context: MakeContext) -> None:
    context = make_context(effects={(0, 1): 0.6, (1, 2): 0.6}, unstudied=((0, 1),))
    caveat = only(context)

    # Job is linked too, but not among those of whom nothing can be told.
    assert caveat.players == ("age", "income")
    assert caveat.severity is Severity.INFO
    assert caveat.gates == ()
    assert caveat.message.endswith("too few rows")


def test_a_chain_is_one_set(make_context: MakeContext) -> None:
    caveat = only(make_context(effects={(0, 1): 0.9, (1, 2): 0.6}, has_opinion=False))

    assert caveat.players == ("age", "income", "job")
    assert caveat.evidence["association"] == 0.9


def test_what_follows_from_others_goes_with_them(make_context: MakeContext) -> None:
    follows = Redundancy(feature=2, predictors=(0,), r_squared=0.81, p_value=0.0, route=Route.TREES)
    caveat = only(make_context(redundancies=(follows,), has_opinion=False))

    assert caveat.players == ("age", "job")
    assert caveat.evidence["association"] == pytest.approx(0.9)  # the square root of 0.81


def test_linked_players_without_credit_are_not_worth_a_word(make_context: MakeContext) -> None:
    assert kinds(make_context(effects={(1, 2): 0.9}, has_opinion=False, values=(1.0, 0.01, 0.01))) == []


def test_features_of_one_player_share_nothing(make_context: MakeContext) -> None:
    both = Players(names=("both", "others"), members=(("age", "income"), ("job", "debt")), kind="custom")

    assert kinds(make_context(effects=TOGETHER, has_opinion=False, players=both, values=(0.5, 0.25))) == []
