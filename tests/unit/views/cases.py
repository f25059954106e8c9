"""A credit bundle and records of it, as the other layers hand them over; shared by all tests of views."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xaisvc.types import (
    Adverse,
    Band,
    BundleDescription,
    Caveat,
    Concept,
    Digests,
    ExplainedOutput,
    ExplanationRecord,
    Feature,
    Kind,
    Output,
    PlayerValue,
    Portfolio,
    RecordedAttribution,
    SelectionRule,
    Sensitivity,
    Severity,
    Space,
    TensorColumn,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = Sensitivity.CUSTOMER_OWN

# feature id: (value in the row, attribution in log-odds, mean absolute attribution over the portfolio)
NUMBERS: dict[str, tuple[float | str | None, float, float]] = {
    "checking_status": ("A11", 0.62, 0.41),
    "savings_status": ("A61", 0.21, 0.18),
    "duration_months": (48.0, 0.47, 0.30),
    "credit_amount": (5951.0, -0.12, 0.22),
    "purpose": ("A40", 0.09, 0.15),
    "customer_since": (12418.0, -0.31, 0.11),
    "existing_credits": (2.0, -0.05, 0.06),
    "telephone": (1.0, 0.01, 0.02),
    "age_years": (22.0, 0.04, 0.12),
    "branch_note": (1.0, 0.03, 0.01),
    "house_rating": (3.25, -0.02, 0.04),
    "unlisted_fact": (7.0, 0.01, 0.01),
}


def _feature(identifier: str, kind: Kind, label: str, **more: object) -> Feature:
    return Feature(id=identifier, kind=kind, source=TensorColumn(tensor=identifier), labels={"en": label}, **more)  # type: ignore[arg-type]


def make_description() -> BundleDescription:
    """Features of every sensitivity class that matters, and every kind of value."""
    return BundleDescription(
        name="credit-fixture",
        version="2.1.0",
        owner="Retail credit risk",
        purpose="Supports the decision on consumer loans.",
        out_of_scope="Mortgages and business loans.",
        background_drawn_from=SelectionRule.POPULATION,
        concepts=(
            Concept(id="accounts", labels={"en": "Accounts and savings"}),
            Concept(id="loan", labels={"en": "The loan asked for"}),
            Concept(id="history", labels={"en": "History with the bank"}),
        ),
        features=(
            _feature(
                "checking_status",
                Kind.CATEGORY,
                "Checking account",
                categories=("A11", "A12"),
                category_labels={"en": {"A11": "Overdrawn", "A12": "In credit"}},
                concept="accounts",
                sensitivity=OWN,
            ),
            _feature(
                "savings_status",
                Kind.CATEGORY,
                "Savings",
                categories=("A61", "A65"),
                category_labels={"en": {"A61": "Little", "A65": "None known"}},
                concept="accounts",
                sensitivity=OWN,
            ),
            _feature(
                "duration_months",
                Kind.INTEGER,
                "Duration of the loan",
                unit="months",
                concept="loan",
                sensitivity=OWN,
                observed_range=(4.0, 72.0),
            ),
            _feature(
                "credit_amount",
                Kind.NUMERIC,
                "Amount of the loan",
                unit="EUR",
                concept="loan",
                sensitivity=OWN,
                observed_range=(250.0, 18424.0),
            ),
            _feature(
                "purpose",
                Kind.CATEGORY,
                "Purpose",
                categories=("A40", "A43"),
                category_labels={"en": {"A40": "New car", "A43": "Television"}},
                concept="loan",
                sensitivity=Sensitivity.PUBLIC,
            ),
            _feature("customer_since", Kind.DATE, "Customer since", concept="history", sensitivity=OWN),
            _feature(
                "existing_credits",
                Kind.INTEGER,
                "Loans you have with us",
                concept="history",
                sensitivity=OWN,
                allow_missing=True,
                observed_range=(1.0, 4.0),
            ),
            _feature("telephone", Kind.BOOLEAN, "Telephone on file", sensitivity=OWN),
            _feature(
                "age_years",
                Kind.INTEGER,
                "Age",
                unit="years",
                sensitivity=Sensitivity.PROTECTED,
                observed_range=(19.0, 75.0),
            ),
            _feature("branch_note", Kind.BOOLEAN, "Note of the branch", sensitivity=Sensitivity.INTERNAL),
            _feature(
                "house_rating",
                Kind.NUMERIC,
                "Rating of the group",
                sensitivity=Sensitivity.CONFIDENTIAL,
                observed_range=(1.0, 9.0),
            ),
            _feature("unlisted_fact", Kind.NUMERIC, "Fact without a class"),
        ),
        outputs=(
            Output(
                id="default_risk",
                tensor="probabilities",
                target=1,
                space=Space.LOG_ODDS,
                adverse=Adverse.HIGHER,
                threshold=0.3,
                bands=(
                    Band(id="low", upper=0.3, labels={"en": "Low risk"}),
                    Band(id="high", labels={"en": "High risk"}),
                ),
                labels={"en": "Risk of default"},
            ),
        ),
    )


def make_record(
    *,
    values: Mapping[str, float] | None = None,
    row: Mapping[str, float | str | None] | None = None,
    adverse: bool | None = True,
    caveats: tuple[Caveat, ...] = (),
    description: BundleDescription | None = None,
) -> ExplanationRecord:
    """A record of the bundle; `values` and `row` replace single numbers."""
    names = (description or make_description()).feature_ids
    players = tuple(
        PlayerValue(
            player=name,
            features=(name,),
            value=(values or {}).get(name, NUMBERS[name][1]),
            portfolio_mean_abs=NUMBERS[name][2],
        )
        for name in names
    )
    base = -0.97
    return ExplanationRecord(
        id="rec-7f3a",
        created_at="2026-03-03T09:15:00+00:00",
        bundle="credit-fixture",
        bundle_version="2.1.0",
        digests=Digests(model="a1" * 32, background="b2" * 32, schema="c3" * 32),
        device="cpu",
        answer_version=1,
        row={name: (row or {}).get(name, NUMBERS[name][0]) for name in names},
        output=ExplainedOutput(
            id="default_risk",
            prediction=0.4712,
            prediction_space=Space.PROBABILITY,
            band="high" if adverse else "low",
            adverse=adverse,
        ),
        attribution=RecordedAttribution(
            method="tree",
            exact=True,
            value_function="interventional",
            space=Space.LOG_ODDS,
            base_value=base,
            output=base + sum(player.value for player in players),
            players_kind="features",
            players=players,
            model_evaluations=0,
            seed=0,
            detail="every column that reaches the trees depends on one feature",
        ),
        caveats=caveats,
        portfolio=Portfolio(rows=700, mean_prediction=0.3, adverse_share=0.42, rank_share=0.83),
    )


def make_open_description() -> BundleDescription:
    """The same bundle without anything that a customer may not see, so that no adverse letter is held."""
    found = make_description()
    names = ("age_years", "branch_note", "house_rating", "unlisted_fact")
    return replace(found, features=tuple(feature for feature in found.features if feature.id not in names))


def make_description_without_decision() -> BundleDescription:
    """The same bundle for an output with neither threshold, bands nor a bad direction."""
    found = make_description()
    output = replace(found.outputs[0], adverse=None, threshold=None, bands=(), tensor_space=Space.RAW)
    return replace(found, outputs=(output,))


CORRELATED = Caveat(
    kind="shared_credit",
    severity=Severity.CARE,
    players=("duration_months", "customer_since"),
    message="association 0.81",
    evidence={"association": 0.81},
)
UNRELIABLE = Caveat(kind="estimator_noise", severity=Severity.UNRELIABLE, message="the error is too large")
