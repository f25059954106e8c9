"""Players that the graph proves unused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import said
from xaisvc.types import Gate, Severity
from xaisvc.types.reliance import Use

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

KIND = "attributed_but_unused"
UNUSED = {"income": Use.PROVEN_UNUSED}
VALUES = (1.0, 0.0, 0.5)


def test_what_others_would_credit_is_context_and_no_reason(make_context: MakeContext) -> None:
    context = make_context(effects={(0, 1): 0.9}, gaps={(0, 1): (-0.3, 0.3)}, uses=UNUSED, values=VALUES)
    (caveat,) = said(context, KIND)

    assert caveat.severity is Severity.INFO
    assert caveat.players == ("income",)
    assert caveat.gates == (Gate.NOT_A_REASON,)
    assert caveat.evidence["interventional"] == 0.0
    assert caveat.evidence["conditional"] == pytest.approx(0.3)
    assert caveat.evidence["conditional_share"] == pytest.approx(0.2)  # 0.3 of T = 1.5
    assert caveat.robust is not None
    assert caveat.robust.value == 1.0
    assert caveat.message == (
        "income: the graph proves that the model does not use it, so its value here is 0; a tool with conditional or "
        "path-dependent values would credit it, for what goes with it, which reflects dependence and not use"
    )


@pytest.mark.parametrize("use", [Use.USED, Use.RARELY_USED, Use.NO_EFFECT_SEEN, Use.CANNOT_TELL])
def test_without_proof_nothing_is_called_unused(make_context: MakeContext, use: Use) -> None:
    context = make_context(effects={(0, 1): 0.9}, gaps={(0, 1): (-0.3, 0.3)}, uses={"income": use}, values=VALUES)

    assert said(context, KIND) == []


def test_an_unused_player_that_nobody_credits_is_not_spoken_of(make_context: MakeContext) -> None:
    assert said(make_context(uses=UNUSED, values=VALUES), KIND) == []


@pytest.mark.parametrize(("weight", "speaks"), [(0.2, True), (0.05, False)])
def test_lime_that_credits_an_unused_player_asks_for_care(
    make_context: MakeContext, weight: float, *, speaks: bool
) -> None:
    found = said(make_context(uses=UNUSED, values=(1.0, weight, 0.5), lime=True), KIND)

    assert [caveat.severity for caveat in found] == ([Severity.CARE] if speaks else [])
    for caveat in found:
        assert caveat.gates == (Gate.NOT_A_REASON,)
        assert caveat.evidence == pytest.approx({"value": weight, "share": weight / (1.5 + weight)})
        assert "leave it out" in caveat.message
