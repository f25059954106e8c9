"""What is supplied beside the records of `cases.py`, made by hand."""

from __future__ import annotations

from tests.unit.views.cases import NUMBERS, make_description
from xaisvc.types.association import Power
from xaisvc.types.overview import (
    AssociationMap,
    Dependence,
    LevelEffect,
    Merge,
    Overview,
    PairInteraction,
    PlayerOverview,
    PlayerStability,
    Profile,
    ReaderRights,
    RowInteractions,
    SecondMethod,
    SwarmPoint,
)
from xaisvc.types.supplements import Supplements

NAMES = make_description().feature_ids
MAPPED = ("duration_months", "credit_amount", "checking_status", "savings_status")


def make_overview(**profiles: Profile) -> Overview:
    """Two sampled rows; four features on the map, the first two linked."""
    players = tuple(
        PlayerOverview(
            player=name,
            features=(name,),
            mean_abs=NUMBERS[name][2],
            mean_abs_error=0.01,
            points=(SwarmPoint(value=-NUMBERS[name][2], level=0.0), SwarmPoint(value=NUMBERS[name][2], level=1.0)),
            trend=0.75,
        )
        for name in sorted(NAMES, key=lambda name: -NUMBERS[name][2])
    )
    effect = (
        (1.0, 0.8, 0.1, 0.0),
        (0.8, 1.0, 0.2, 0.0),
        (0.1, 0.2, 1.0, 0.5),
        (0.0, 0.0, 0.5, 1.0),
    )
    return Overview(
        rows=2,
        background_rows=700,
        method="tree",
        exact=True,
        model_rows=2,
        players=players,
        dependence=(
            Dependence(
                feature="checking_status",
                levels=(
                    LevelEffect(level="A11", rows=5, mean=0.5, low=0.25, high=0.75),
                    LevelEffect(level="", rows=1, mean=-0.25, low=-0.25, high=-0.25),
                ),
                interplay=0.125,
            ),
            Dependence(feature="duration_months", points=((6.0, -0.5), (60.0, 1.0)), interplay=None),
        ),
        association=AssociationMap(
            features=MAPPED,
            effect=effect,
            linked=tuple(tuple(strength >= 0.8 for strength in line) for line in effect),
            merges=(
                Merge(first=0, left=0.0, right=1.0, left_height=0.0, right_height=0.0, height=0.2),
                Merge(first=2, left=2.0, right=3.0, left_height=0.0, right_height=0.0, height=0.5),
                Merge(first=0, left=0.5, right=2.5, left_height=0.2, right_height=0.5, height=0.925),
            ),
            clusters=(("duration_months", "credit_amount"),),
            left_out=8,
            rows=700,
            power=Power.FULL,
            detectable=0.3,
        ),
        profiles={
            "duration_months": Profile(
                feature="duration_months", rows=700, missing=0.0, quantiles=tuple(4.0 + 0.68 * i for i in range(101))
            ),
            "checking_status": Profile(feature="checking_status", rows=700, missing=0.25, shares={"A11": 0.02}),
            **profiles,
        },
        stability={
            "checking_status": PlayerStability(background_error=0.05, interplay=0.25),
            "duration_months": PlayerStability(background_error=0.3, interplay=0.5),
        },
    )


def make_second(**changes: float) -> SecondMethod:
    """LIME with the record's own values, but for `changes`."""
    return SecondMethod(
        method="lime",
        value_function="local_surrogate",
        exact=False,
        values={name: changes.get(name, NUMBERS[name][1]) for name in NAMES},
        standard_errors=dict.fromkeys(NAMES, 0.015),
        diagnostics={"r2": 0.625},
        material_players=5,
        kendall_tau=0.8125,
        sign_agreement=1.0,
        leader_agreement=None,
        conflicting=tuple(changes),
        disputed=(),
        model_rows=5000,
        seed=7,
    )


def make_supplements() -> Supplements:
    """Everything that a data scientist is supplied."""
    return Supplements(
        overview=make_overview(),
        second_method=make_second(),
        interactions=RowInteractions(
            pairs=(
                PairInteraction(players=("checking_status", "duration_months"), value=0.25),
                PairInteraction(players=("purpose", "telephone"), value=-0.125),
            ),
            main={name: NUMBERS[name][1] / 2 for name in NAMES},
            players=len(NAMES),
        ),
        readers=(
            ReaderRights(
                audience="customer",
                labels={"en": "Customer", "nl": "Klant"},
                status="held_for_review",
                actions={name: "hide" if name == "house_rating" else "show" for name in NAMES},
                kept_back=("purpose",),
            ),
            ReaderRights(
                audience="data_scientist", labels={"en": "Data scientist"}, status="complete", actions={}, kept_back=()
            ),
        ),
    )
