"""Describes the card-fraud model: texts, output, bands and threshold here, features and concepts from codebook.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from xaisvc.types import (
    Adverse,
    Band,
    BundleDescription,
    Concept,
    Feature,
    Kind,
    Output,
    Sensitivity,
    Space,
    TensorColumn,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    import pandas as pd

NAME: Final = "card-fraud"
OUTPUT_ID: Final = "fraud_risk"
THRESHOLD: Final = 0.1
MAX_AGE_DAYS: Final = 36_500
"""Made-up payments do not grow old; a bank would write weeks here, because thieves change their ways."""

_PURPOSE: Final = (
    "SIMULATED DATA. Demonstrates explanations of fraud alerts. Estimates the probability that a card payment was not "
    "made by the customer, from what a bank knows at that second."
)
_OUT_OF_SCOPE: Final = (
    "Any real payment. Customers, shops, payments and thefts are made up by a program; the share of fraud is many "
    "times that of a real bank, and no figure of this bundle says anything about real fraud. Not for money laundering."
)
_DUTCH: Final = {
    "owner": "Afdeling kaartfraude (gesimuleerd)",
    "purpose": (
        "GESIMULEERDE GEGEVENS. Laat zien hoe fraudemeldingen worden uitgelegd. Schat de kans dat een kaartbetaling "
        "niet door de klant is gedaan, uit wat een bank op dat moment weet."
    ),
    "out_of_scope": (
        "Elke echte betaling. Klanten, winkels, betalingen en diefstallen zijn door een programma verzonnen; het "
        "aandeel fraude is vele malen dat van een echte bank, en geen cijfer van dit model zegt iets over echte "
        "fraude. Niet voor witwassen."
    ),
}
_AUDIENCES: Final = ("data_scientist", "business_manager", "fraud_analyst")
"""A letter or a card about an alert, and even that there is none, would tell the person paying of the alert."""

_NOTES: Final = (
    "Model: LightGBM with {trees} trees of 15 leaves; numbers as they are, categories one-hot encoded, all inside the "
    "ONNX graph. Trained on {n_train:,} simulated payments of {train_first} to {train_last}; area under the ROC curve "
    "on {n_test:,} later ones: {auc:.3f}, average precision {ap:.3f}. Everything is simulated by "
    "benchmarks/card_fraud of this project, which tells how. An alert is raised from {threshold:g} on: {alerts:.1%} of "
    "the payments, of which {precision:.0%} were fraud, {recall:.0%} of all fraud. No feature holds age, sex, "
    "nationality or the name of a person or place. Distances and speeds are 0 for payments at a distance."
)


def describe(
    codebook_file: Path, background: pd.DataFrame, *, as_of: date, figures: Mapping[str, Any]
) -> BundleDescription:
    """Everything that the bundle says of itself.

    Args:
        codebook_file: What the features mean.
        background: The rows that stand in for absent features; observed ranges come from them.
        as_of: The last day of the payments that the background is drawn from.
        figures: What the notes tell of training and test.
    """
    codebook = yaml.safe_load(codebook_file.read_text(encoding="utf-8"))
    output = Output(
        id=OUTPUT_ID,
        tensor="probabilities",
        target=1,
        tensor_space=Space.PROBABILITY,
        space=Space.LOG_ODDS,
        adverse=Adverse.HIGHER,
        threshold=THRESHOLD,
        bands=(
            Band(id="usual", upper=0.02, labels={"en": "No alert", "nl": "Geen melding"}),
            Band(id="watch", upper=THRESHOLD, labels={"en": "No alert, watched", "nl": "Geen melding, gevolgd"}),
            Band(id="alert", upper=0.5, labels={"en": "Alert", "nl": "Melding"}),
            Band(id="urgent", labels={"en": "Urgent alert", "nl": "Dringende melding"}),
        ),
        labels={"en": "Risk of card fraud", "nl": "Risico op kaartfraude"},
    )
    return BundleDescription(
        name=NAME,
        version="1.0.0",
        owner="Card fraud desk (simulated)",
        purpose=_PURPOSE,
        out_of_scope=_OUT_OF_SCOPE,
        notes=_NOTES.format(threshold=THRESHOLD, **figures),
        languages=("en", "nl"),
        texts={"nl": _DUTCH},
        row_labels={"en": "payments", "nl": "betalingen"},
        audiences=_AUDIENCES,
        outputs=(output,),
        concepts=tuple(Concept(id=entry["id"], labels=entry["label"]) for entry in codebook["concepts"]),
        features=tuple(_feature(entry, background) for entry in codebook["features"]),
        background_as_of=as_of,
        background_max_age_days=MAX_AGE_DAYS,
    )


def _feature(entry: Mapping[str, Any], background: pd.DataFrame) -> Feature:
    categories = cast("list[dict[str, Any]]", entry.get("categories", []))
    labels: dict[str, dict[str, str]] = {}
    for category in categories:
        for language, text in category["label"].items():
            labels.setdefault(language, {})[category["value"]] = text
    kind = Kind(entry["kind"])
    column = background[entry["id"]]
    return Feature(
        id=entry["id"],
        kind=kind,
        source=TensorColumn(tensor=entry["id"]),
        unit=entry.get("unit"),
        categories=tuple(category["value"] for category in categories),
        labels=entry["label"],
        category_labels=labels,
        concept=entry["concept"],
        sensitivity=Sensitivity(entry["sensitivity"]),
        observed_range=(float(column.min()), float(column.max())) if kind in {Kind.NUMERIC, Kind.INTEGER} else None,
    )
