"""Credit that depends on the other players."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, only, said
from xaisvc.types import Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext


def test_it_names_the_players_that_most_of_it_comes_from(make_context: MakeContext) -> None:
    # Shares 1, 0.5 and 0.25 of 1.75, of which 0.4, 0.2 and 0 depend on others: 0.5 / 1.75 = 0.286.
    caveat = only(make_context(interplay=(0.4, 0.2, 0.0, 0.9)))

    assert (caveat.kind, caveat.severity, caveat.gates) == ("interaction_dominates", Severity.INFO, ())
    assert caveat.players == ("age", "income")
    assert caveat.evidence == pytest.approx({"interplay_share": 0.5 / 1.75, "largest": 0.4 / 1.75})
    assert caveat.message == (
        "much of this row's credit depends on how players act together, most of all age, income; single values are "
        "averages over situations in which a player does different things; read none of them alone"
    )


@pytest.mark.parametrize("interplay", [(0.4, 0.05, 0.0, 0.9), (0.25, 0.25, 0.25, 0.25)])
def test_a_quarter_is_not_enough(make_context: MakeContext, interplay: tuple[float, ...]) -> None:
    assert kinds(make_context(interplay=interplay)) == []


def test_lime_and_unstudied_players_have_no_interplay(make_context: MakeContext) -> None:
    assert said(make_context(interplay=(0.9, 0.9, 0.9, 0.9), lime=True), "interaction_dominates") == []
    assert kinds(make_context(interplay=(0.9, 0.9, 0.9, 0.9), has_opinion=False)) == []
