"""Numbers that hold where those of single players do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.caveats.facts import LinkedPlayers, StudiedPart
from xaisvc.caveats.numbers import numbers_around, numbers_of, parts_around, players_of

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext


def test_the_number_of_a_part_is_the_sum_of_its_players_intervals(make_context: MakeContext) -> None:
    context = make_context(effects={(0, 1): 0.8}, gaps={(0, 1): (-0.1, 0.1)})
    opinion = context.opinion
    assert opinion is not None
    (whole,) = context.facts.parts
    both = StudiedPart(players=whole.players, place=0, whole=False)
    income = LinkedPlayers(places=(1,), names=("income",), association=0.0)
    one = numbers_of(context, opinion, StudiedPart(players=income, place=0, whole=False))[:1]

    assert one == pytest.approx(np.array([[context.attribution.values[0, 1], opinion.low[0, 1], opinion.high[0, 1]]]))
    (studied,), (summed,) = (numbers_of(context, opinion, part)[:1].tolist() for part in (whole, both))
    assert summed[0] == pytest.approx(studied[0])
    # The gaps of the two cancel, which a sum cannot know.
    assert summed[1] < studied[1] < studied[2] < summed[2]


def test_a_player_is_spoken_of_with_its_part(make_context: MakeContext) -> None:
    context = make_context(effects={(0, 1): 0.8}, gaps={(0, 1): (-0.1, 0.1)})
    opinion = context.opinion
    assert opinion is not None
    players, rows = np.array([1, 3]), np.zeros(2, dtype=np.intp)
    numbers = parts_around(context, players)
    around = numbers_around(context, players, rows)

    assert [players_of(context, number) for number in numbers.tolist()] == [("age", "income"), None]
    assert around[0].tolist() == numbers_of(context, opinion, context.facts.parts[0])[0].tolist()
    assert np.isnan(around[1]).all()
