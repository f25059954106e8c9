"""A12: what limits an explanation is said to every reader in their own words, or takes the reasons away."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.ranking import is_unreliable, rank
from tests.acceptance.worlds import AUDIENCES, LANGUAGES, explained, show
from xaisvc.demo.cases import MAIN_MODEL
from xaisvc.types import Caveat, Gate, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.worlds import Declared, Shown, World

KINDS = {
    "input_out_of_range": (("amount_dm",), (), Severity.CARE),
    "off_manifold": ((), (), Severity.CARE),
    "low_fidelity_surrogate": ((), (Gate.NO_REASONS,), Severity.UNRELIABLE),
    "method_disagreement": (("amount_dm",), (), Severity.CARE),
    "shared_credit": (("amount_dm", "duration_months"), (Gate.NO_RANKING,), Severity.CARE),
    "estimator_noise": ((), (Gate.NO_REASONS,), Severity.UNRELIABLE),
}
SAYS_CAVEATS = ("fraud_analyst", "internal_auditor", "relationship_manager")
READERS = [name for name in AUDIENCES if name != "data_scientist"]


def _sentence(declared: Declared, audience: str, language: str, caveat: Caveat) -> list[str]:
    """The fixed parts of every sentence that the audience has for a caveat."""
    said = declared.sentences(audience, language)
    keys = [key for key in said if key.startswith(f"caveat.{caveat.kind}.")] or [f"caveat.other.{caveat.severity}"]
    return [max(re.split(r"\{[^}]*\}", said[key]), key=len).strip() for key in keys]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_reader_is_told_of_a_caveat_or_gets_no_reasons(
    world_of: Callable[[str], World], declared: Declared, kind: str, language: str
) -> None:
    world = world_of(MAIN_MODEL)
    players, gates, severity = KINDS[kind]
    caveat = Caveat(kind=kind, severity=severity, players=players, gates=gates, message="planted")
    record = replace(world.records[0], caveats=(caveat,))
    plain = replace(world.records[0], caveats=())
    for audience in SAYS_CAVEATS:
        shown = show(world, declared, audience, language, record)
        text = " ".join(shown.pages["text"].split())
        before = " ".join(show(world, declared, audience, language, plain).pages["text"].split())
        parts = _sentence(declared, audience, language, caveat)

        assert any(part in text for part in parts), (audience, parts)
        assert not any(part in before for part in parts), audience
    technical = show(world, declared, "data_scientist", language, record).pages["text"]

    assert kind in technical


@pytest.mark.parametrize("audience", READERS)
def test_no_reader_outside_data_science_gets_reasons_that_cannot_be_relied_on(
    world_of: Callable[[str], World], declared: Declared, audience: str
) -> None:
    world = world_of(MAIN_MODEL)
    caveat = Caveat(kind="estimator_noise", severity=Severity.UNRELIABLE, gates=(Gate.NO_REASONS,))
    for record in world.records[:10]:
        bad = replace(record, caveats=(caveat,))
        shown = show(world, declared, audience, "en", bad)

        assert is_unreliable(bad, declared, audience)
        assert _given(shown) == []
        assert shown.status == ("held_for_review" if audience == "customer" else "complete")


def _given(shown: Shown) -> list[str]:
    return [
        item["label"]
        for s in shown.json["sections"]
        for b in s["blocks"]
        if b["type"] == "reasons"
        for item in b["items"]
    ]


def test_a_row_unlike_any_other_is_seen_as_such_from_end_to_end(
    world_of: Callable[[str], World], declared: Declared
) -> None:
    """Nothing planted: the real row of an applicant with an amount that no applicant asked for."""
    world = world_of(MAIN_MODEL)
    odd = {**world.records[0].row, "amount_dm": 900_000.0, "duration_months": 400.0}
    record = explained(world.explainer, [odd])[0]
    kinds = {caveat.kind for caveat in record.caveats}
    shown = show(world, declared, "relationship_manager", "en", record)
    analyst = show(world, declared, "fraud_analyst", "en", record)

    assert "input_out_of_range" in kinds
    assert "900,000" in shown.pages["text"]
    assert declared.sentences("relationship_manager", "en")["data_check.found"] in " ".join(shown.pages["text"].split())
    assert "unlike" in analyst.pages["text"].lower()


def test_a_surrogate_that_does_not_fit_gives_no_reasons_from_end_to_end(
    world_of: Callable[[str], World], declared: Declared
) -> None:
    """LIME on the boosted model: where its fit is poor the record says so itself, and readers get no reasons."""
    world = world_of(MAIN_MODEL)
    records = explained(world.explainer, [one.row for one in world.records[:12]], method="lime")
    poor = [one for one in records if any(c.kind == "low_fidelity_surrogate" for c in one.caveats)]
    stopped = [one for one in poor if is_unreliable(one, declared, "relationship_manager")]

    assert poor
    for record in stopped:
        assert _given(show(world, declared, "relationship_manager", "nl", record)) == []


def test_two_copies_of_a_fact_are_never_two_reasons(world_of: Callable[[str], World], declared: Declared) -> None:
    """Whatever their concepts: the two strongest facts of each record are said to be copies of each other."""
    world = world_of(MAIN_MODEL)
    joined = 0
    for record in world.records[:20]:
        allowed = [
            p
            for p in record.attribution.players
            if declared.action("relationship_manager", world.description.feature(p.player)) == "show"
            and world.description.feature(p.player).sensitivity == "customer_own"
        ]
        first, second = sorted(allowed, key=lambda p: -abs(p.value))[:2]
        caveat = Caveat(
            kind="shared_credit",
            severity=Severity.CARE,
            players=(first.player, second.player),
            gates=(Gate.NO_RANKING,),
        )
        copied = replace(record, caveats=(caveat,))
        shown = show(world, declared, "relationship_manager", "en", copied)
        ranked = rank(copied, world.description, declared, "relationship_manager", "en")
        of = [one for one in ranked if {first.player, second.player} & one.features]
        given = [label for label in _given(shown) if label == of[0].label]

        assert len(of) == 1
        assert len(given) <= 1
        joined += len(given)
    assert joined
