"""Players that the model uses while conditional values hide it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import said
from xaisvc.types import Sensitivity, Severity
from xaisvc.types.reliance import Use

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

KIND = "hidden_proxy_use"
GAPS = {(0, 1): (-1.0, 1.0)}  # conditional values of age are 0


def test_a_leading_entry_that_would_vanish_asks_for_care(make_context: MakeContext) -> None:
    (caveat,) = said(make_context(effects={(0, 1): 0.9}, gaps=GAPS), KIND)

    assert caveat.severity is Severity.CARE
    assert caveat.players == ("age",)
    assert caveat.gates == ()
    assert caveat.evidence["interventional"] == 1.0
    assert caveat.evidence["conditional"] == pytest.approx(0.0)
    assert caveat.robust is not None
    assert caveat.message == (
        "the model uses age, and conditional values give next to nothing for it: what it does is credited to features "
        "that go with it. A tool with conditional values would hide its use"
    )


def test_several_are_spoken_of_as_several(make_context: MakeContext) -> None:
    # What age adds job takes away: their conditional values are 0, and each one's work is credited to the other.
    context = make_context(effects={(0, 1): 0.9}, gaps={(0, 1): (-1.0, 1.0)}, values=(1.0, -1.0, 0.25, 0.1))
    (caveat,) = said(context, KIND)

    assert caveat.players == ("age", "income")
    assert caveat.message == (
        "the model uses age, income, and conditional values give next to nothing for them: what each of them does is "
        "credited to features that go with it. A tool with conditional values would hide their use"
    )


@pytest.mark.parametrize("use", [Use.PROVEN_UNUSED, Use.NO_EFFECT_SEEN, Use.CANNOT_TELL])
def test_what_was_not_seen_in_use_hides_nothing(make_context: MakeContext, use: Use) -> None:
    assert said(make_context(effects={(0, 1): 0.9}, gaps=GAPS, uses={"age": use}), KIND) == []


@pytest.mark.parametrize(
    ("own", "severity"),
    [(Sensitivity.PROTECTED, Severity.CARE), (Sensitivity.PROXY, Severity.CARE), (Sensitivity.PUBLIC, Severity.INFO)],
)
def test_a_small_entry_asks_for_care_where_it_is_protected(
    make_context: MakeContext, own: Sensitivity, severity: Severity
) -> None:
    # Debt is the smallest of four: its 0.1 of T = 1.85 is credited to job.
    context = make_context(
        effects={(2, 3): 0.9},
        gaps={(2, 3): (0.1, -0.1)},
        values=(1.0, -0.5, 0.25, 0.1),
        sensitivity={"debt": own, "job": Sensitivity.PROTECTED},
    )

    assert [(caveat.players, caveat.severity) for caveat in said(context, KIND)] == [(("debt",), severity)]
