"""Numbers that hold where those of single players do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xaisvc.caveats.facts import LinkedPlayers, StudiedPart
from xaisvc.caveats.numbers import number_of

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext


def test_the_number_of_a_part_is_the_sum_of_its_players_intervals(make_context: MakeContext) -> None:
    context = make_context(effects={(0, 1): 0.8}, gaps={(0, 1): (-0.1, 0.1)})
    opinion = context.opinion
    assert opinion is not None
    (whole,) = context.facts.parts
    both = StudiedPart(players=whole.players, place=0, whole=False)
    income = LinkedPlayers(places=(1,), names=("income",), association=0.0)
    one = number_of(context, opinion, StudiedPart(players=income, place=0, whole=False), 0)

    assert one.players == ("income",)
    assert (one.value, one.low, one.high) == pytest.approx(
        (context.attribution.values[0, 1], opinion.low[0, 1], opinion.high[0, 1])
    )
    studied, summed = number_of(context, opinion, whole, 0), number_of(context, opinion, both, 0)
    assert summed.value == pytest.approx(studied.value)
    assert summed.low < studied.low < studied.high < summed.high  # the gaps of the two cancel, which a sum cannot know
