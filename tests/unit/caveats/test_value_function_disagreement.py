"""Signs and leading entries under both value functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.caveats.spoken import said
from xaisvc.caveats.leading import are_top
from xaisvc.types import Gate, Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

KIND = "value_function_disagreement"


def test_a_sign_that_flips_is_no_reason(make_context: MakeContext) -> None:
    context = make_context(effects={(0, 1): 0.8}, gaps={(0, 1): (-0.7, 0.7)})
    (caveat,) = said(context, KIND)

    assert caveat.severity is Severity.CARE
    assert caveat.players == ("income",)
    assert caveat.gates == (Gate.NOT_A_REASON,)
    # 2.3 errors: 0.01 from the background for -0.5, and 0.01 and 0.001 together for 0.2.
    far = 2.3 * float(np.hypot(0.01, 0.001))
    assert caveat.evidence == pytest.approx(
        {"sign_changes": 1.0, "interventional": -0.5, "conditional": 0.2, "low": -0.5 - 0.023, "high": 0.2 + far}
    )
    assert caveat.robust is not None
    assert caveat.robust.players == ("age", "income")
    assert caveat.message == (
        "the sign of income is undetermined: interventional values (what the model used) and conditional values (what "
        "the feature tells, its companions included) point in opposite directions"
    )


def test_a_leading_entry_that_changes_is_said_without_a_gate(make_context: MakeContext) -> None:
    # Job 0.25 and debt 0.2 become 0.05 and 0.4: debt is then among the three largest.
    context = make_context(effects={(2, 3): 0.8}, gaps={(2, 3): (-0.2, 0.2)}, values=(1.0, -0.5, 0.25, 0.2))
    (caveat,) = said(context, KIND)

    assert caveat.severity is Severity.CARE
    assert caveat.players == ("job", "debt")
    assert caveat.gates == ()
    assert caveat.evidence["top_three_changes"] == 2.0
    assert (caveat.evidence["interventional"], caveat.evidence["conditional"]) == pytest.approx((0.25, 0.05))
    assert caveat.robust is not None
    assert caveat.robust.players == ("job", "debt")
    assert caveat.message == (
        "which three players lead depends on the value function: job, debt are among them under one of interventional "
        "and conditional values only"
    )


def test_a_gap_that_keeps_signs_and_leaders_is_no_disagreement(make_context: MakeContext) -> None:
    assert said(make_context(effects={(0, 1): 0.8}, gaps={(0, 1): (-0.2, 0.2)}), KIND) == []


def test_lime_and_players_that_nobody_studied_have_one_value_only(make_context: MakeContext) -> None:
    for changes in ({"lime": True}, {"has_opinion": False}):
        assert said(make_context(effects={(0, 1): 0.8}, gaps={(0, 1): (-0.7, 0.7)}, **changes), KIND) == []


def test_the_three_largest_of_a_row() -> None:
    values = np.array([[1.0, -4.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]])

    # Ties go to the first.
    assert are_top(values).tolist() == [[False, True, True, True], [True, True, True, False]]
