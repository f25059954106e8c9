"""What follows from studies and players alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.caveats import Kept
from xaisvc.caveats.facts import PlayerFacts, _parts, _together
from xaisvc.types import Players
from xaisvc.types.reliance import Use

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeStudies

ALONE = Players(names=("age", "income", "job", "debt"), members=(("age",), ("income",), ("job",), ("debt",)))
GROUPS = Players(names=("others", "money"), members=(("job", "age"), ("debt", "income")), kind="concepts")


def test_the_strongest_link_of_two_players_counts(make_studies: MakeStudies) -> None:
    studies = make_studies(effects={(0, 1): 0.6, (2, 3): 0.9, (1, 3): 0.8})
    facts = PlayerFacts.of(studies, GROUPS, 0.5)

    assert facts.owners.tolist() == [0, 1, 0, 1]
    # Age and income at 0.6, job and debt at 0.9; income and debt are one player's.
    assert facts.strength.tolist() == [[0.0, 0.9], [0.9, 0.0]]
    assert [(one.places, one.association) for one in facts.linked] == [((0, 1), 0.9)]
    assert facts.mixed


def test_errors_of_a_sum_are_a_share_of_those_of_its_players(make_studies: MakeStudies) -> None:
    studies = make_studies(effects={(0, 1): 0.8}, gaps={(0, 1): (-0.7, 0.7)})
    assert studies.spread is not None
    errors = studies.spread.background_errors
    apart = np.diag(errors**2)
    opposed = apart.copy()
    opposed[0, 1] = opposed[1, 0] = -errors[0] * errors[1]
    left = [
        PlayerFacts.of(
            replace(studies, spread=spread and replace(spread, background_covariance=covariance)), ALONE, 0.5
        ).together.tolist()
        for spread, covariance in ((None, apart), (studies.spread, apart), (studies.spread, opposed))
    ]

    size = float(np.hypot(errors[0], errors[1]) / (errors[0] + errors[1]))
    assert left == [[1.0], [pytest.approx(size)], [pytest.approx(abs(errors[0] - errors[1]) / (errors[0] + errors[1]))]]


def test_a_player_is_unused_if_all_its_features_are(make_studies: MakeStudies) -> None:
    none = Use.PROVEN_UNUSED
    one = make_studies(uses={"income": none})
    both = make_studies(uses={"income": none, "debt": none})

    assert PlayerFacts.of(one, ALONE, 0.5).unused.tolist() == [False, True, False, False]
    assert PlayerFacts.of(one, GROUPS, 0.5).unused.tolist() == [False, False]
    assert PlayerFacts.of(both, GROUPS, 0.5).unused.tolist() == [False, True]


@pytest.mark.parametrize(("rate", "relied"), [(0.004, True), (0.0, False)])
def test_a_rare_use_is_relied_on_if_it_was_seen(make_studies: MakeStudies, rate: float, *, relied: bool) -> None:
    uses = dict.fromkeys(("age", "job", "debt"), Use.NO_EFFECT_SEEN) | {"income": Use.RARELY_USED}
    facts = PlayerFacts.of(make_studies(uses=uses, usage_rate=rate), ALONE, 0.5)

    assert facts.relied.tolist() == [False, relied, False, False]
    assert facts.rare.tolist() == [False, True, False, False]


def test_features_are_found_with_their_players(make_studies: MakeStudies) -> None:
    facts = PlayerFacts.of(make_studies(), GROUPS, 0.5)
    chosen = np.array([[True, False, False, False], [False, False, False, False], [True, False, True, True]])

    assert facts.owners_of(chosen).tolist() == [[True, False], [False, False], [True, True]]


def test_a_long_chain_is_split_where_players_do_not_go_together_on_average() -> None:
    # Two sets of five, every pair of a set at 0.8, joined by one link.
    linked = np.zeros((10, 10), dtype=np.bool_)
    linked[:5, :5] = linked[5:, 5:] = True
    linked[4, 5] = linked[5, 4] = True
    np.fill_diagonal(linked, val=False)
    names = tuple("abcdefghij")
    players = Players(names=names, members=tuple((name,) for name in names))
    found = _together(linked, np.where(linked, 0.8, 0.0), 0.5, players)
    shorter = _together(linked[1:9, 1:9], np.where(linked, 0.8, 0.0)[1:9, 1:9], 0.5, players)

    assert [one.names for one in found] == [tuple("abcde"), tuple("fghij")]
    assert [one.places for one in shorter] == [tuple(range(8))]


def test_a_long_studied_set_is_told_in_parts_and_nobody_is_left_out() -> None:
    # Two sets of four at 0.8; one player goes with one of each, more with the second.
    strength = np.zeros((9, 9))
    strength[:4, :4] = strength[4:8, 4:8] = 0.8
    strength[8, 0], strength[8, 4] = 0.3, 0.4
    strength = np.maximum(strength, strength.T)
    np.fill_diagonal(strength, 0.0)

    assert _parts(tuple(range(9)), strength, 0.5) == [(0, 1, 2, 3), (4, 5, 6, 7, 8)]
    assert _parts(tuple(range(8)), strength, 0.5) == [tuple(range(8))]  # short enough to be read
    assert _parts(tuple(range(9)), np.full((9, 9), 0.1), 0.5) == [tuple(range(9))]  # nothing goes together on average


def test_facts_are_kept_until_something_changes(make_studies: MakeStudies) -> None:
    kept, studies, other = Kept(), make_studies(), make_studies(effects={(0, 1): 0.6})
    first = kept.facts(studies, ALONE, 0.5)

    assert kept.facts(studies, replace(ALONE), 0.5) is first
    assert kept.facts(other, ALONE, 0.5).mixed
    assert not kept.facts(studies, ALONE, 0.5).mixed
    regrouped = replace(ALONE, names=tuple("abcd"), members=ALONE.members[::-1])
    assert kept.facts(studies, regrouped, 0.5).owners.tolist() == [3, 2, 1, 0]
    assert kept.facts(other, ALONE, 0.7).linked == ()


def test_a_keeper_forgets_rather_than_grows(make_studies: MakeStudies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xaisvc.caveats.facts._MOST_KEPT", 2)
    kept = Kept()
    studies = [make_studies() for _ in range(3)]
    found = [kept.facts(one, ALONE, 0.5) for one in studies]

    assert kept.facts(studies[2], ALONE, 0.5) is found[2]
    assert kept.facts(studies[0], ALONE, 0.5) is not found[0]


def test_a_deviation_is_that_of_its_array() -> None:
    kept = Kept()
    for values in (np.arange(4.0), np.arange(8.0), np.arange(4.0)):
        assert kept.deviation(values) == kept.deviation(values) == values.std()
