"""A8: nobody can work out a withheld share from all that they may open."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.inference import Constraints, pinned
from tests.acceptance.worlds import BUNDLE_NAMES, show
from xaisvc.demo.cases import CARD_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.worlds import Declared, Shown, World
    from xaisvc.types import ExplanationRecord

PRINCIPALS = (
    ("customer",),
    ("relationship_manager",),
    ("fraud_analyst",),
    ("business_manager",),
    ("customer", "relationship_manager"),
    ("business_manager", "fraud_analyst"),
    ("business_manager", "customer", "fraud_analyst", "relationship_manager"),
)
EVERY = 20


def _views(world: World, declared: Declared, names: tuple[str, ...], record: ExplanationRecord) -> list[Shown]:
    return [show(world, declared, name, "en", record) for name in names]


def _withheld(world: World, declared: Declared, names: tuple[str, ...]) -> list[str]:
    """Features that none of these audiences sees."""
    return [
        one.id
        for one in world.description.features
        if all(declared.action(name, one) not in {"show", "generalise"} for name in names)
    ]


def _prior(world: World) -> float:
    """Largest attribution of any player in any record: what somebody who knows the model well may take for granted."""
    return max(abs(player.value) for record in world.records for player in record.attribution.players)


@pytest.mark.parametrize("names", PRINCIPALS, ids="+".join)
@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_no_withheld_share_follows_from_what_one_caller_can_open(
    world_of: Callable[[str], World], declared: Declared, bundle: str, names: tuple[str, ...]
) -> None:
    world = world_of(bundle)
    withheld = _withheld(world, declared, names)
    prior = _prior(world)
    found = [
        f"{record.id}: {what}"
        for record in world.records[::EVERY]
        for what in pinned(_views(world, declared, names, record), withheld, prior)
    ]

    assert found == []


def test_the_program_finds_a_share_that_was_given_away(world_of: Callable[[str], World], declared: Declared) -> None:
    """All other attributions at three decimals, beside the answer and the base value, pin the one left out."""
    world = world_of(CARD_MODEL)
    record = world.records[0]
    shown = show(world, declared, "relationship_manager", "en", record)
    players = record.attribution.players
    secret = next(one for one in players if one.player == "merchant_fraud_28d")
    # Attributions of nearly nothing are not told apart by three decimals, so they are raised; the sum stays true.
    raised = tuple(replace(one, value=one.value + 0.02 * (1 if one.value >= 0 else -1)) for one in players)
    total = record.attribution.base_value + sum(one.value for one in raised)
    loud = replace(record, attribution=replace(record.attribution, players=raised, output=total))
    told = " ".join(f"{abs(one.value):.3f}" for one in raised if one.player != secret.player)
    leaky = replace(shown, record=loud, pages={**shown.pages, "text": f"{shown.pages['text']} {told}"})

    assert list(pinned([replace(shown, record=loud)], [secret.player], _prior(world))) == []
    assert len(list(pinned([leaky], [secret.player], _prior(world)))) == 1


def test_an_interval_of_the_program_is_right_where_it_can_be_seen() -> None:
    """Two attributions that add up to 1, the first at least 0.25 and at most 0.75."""
    known = Constraints(["a", "b"], [], [])
    known.add({"a": 1.0, "b": 1.0}, 1.0)
    known.add({"a": -1.0, "b": -1.0}, -1.0)
    known.add({"a": -1.0}, -0.25)
    known.add({"a": 1.0}, 0.75)

    assert known.interval("b", 3.0) == pytest.approx((0.25, 0.75), abs=1e-9)  # the solver's tolerance
