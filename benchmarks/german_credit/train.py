"""Trains the two demonstration models on German credit data and writes their bundles and the demonstration's cases.

    python benchmarks/german_credit/train.py [--out FOLDER]

Everything is seeded: the same package versions give the same files. README.md in this folder tells where the data comes
from, what its readable texts got wrong, which columns are left out and how the threshold was chosen.
"""  # noqa: INP001 (a script beside its data, no package)

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
from codebook import Codebook, read_codebook, read_rows
from description import BOOSTING, LOGISTIC, OUTPUT_ID, describe
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from xaisvc.bundles import lock_bundle, write_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

HERE: Final = Path(__file__).parent
DEMO: Final = HERE.parents[1] / "xaisvc" / "demo"
SEED: Final = 20191
N_HELD_OUT: Final = 300
N_BACKGROUND: Final = 100
N_REFERENCE: Final = 50
MAX_DRIFT: Final = 1e-5  # float32 against float64 leaves about 1e-7; a row on the wrong side of a split leaves 1e-2
THRESHOLDS: Final = (1 / 6, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
COST_OF_A_BAD_LOAN: Final = 5  # the data set's cost matrix: a bad loan granted costs as much as five good ones refused


class Case(NamedTuple):
    """One applicant of the demonstration.

    Attributes:
        id: Name of the case; names no person.
        title: A few words for headings.
        line: Line of the applicant in germancredit.csv, the header being line 1.
        why: Why this applicant was picked.
    """

    id: str
    title: str
    line: int
    why: str


CASES: Final = (
    Case(
        "case-1-declined",
        "Clearly declined",
        297,
        "Both models put the risk far above the threshold: a large loan over four years, an overdrawn account, no "
        "known savings and a new job.",
    ),
    Case(
        "case-2-approved",
        "Clearly approved",
        881,
        "Both models put the risk far below the threshold although the amount is above average: money in the account, "
        "savings, and earlier loans repaid on time.",
    ),
    Case(
        "case-3-near-the-threshold",
        "Near the threshold",
        541,
        "The boosting model stays just below the threshold and the logistic model just above it, so a small change of "
        "the facts, or of the model, turns the decision.",
    ),
    Case(
        "case-4-unusual",
        "An unusual applicant",
        919,
        "14,896 DM to be repaid within six months: more than any loan of the background, so the explanation compares "
        "this applicant with people unlike them, and the two models are far apart.",
    ),
    Case(
        "case-5-held",
        "A letter that must wait",
        399,
        "One of the main reasons is the time at the present address, which stands in for age and is marked as a proxy. "
        "Customers are not told such a fact, and leaving it out would make the letter false, so it waits for a person.",
    ),
)


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of rows in the file.

    Attributes:
        train: Rows that the models are fitted on.
        held_out: Rows that no model sees: figures, reference and cases come from these.
        background: Training rows that stand in for absent features.
        reference: Held-out rows stored with the estimator's own predictions.
    """

    train: NDArray[np.intp]
    held_out: NDArray[np.intp]
    background: NDArray[np.intp]
    reference: NDArray[np.intp]


def split_rows(rows: pd.DataFrame, bad: pd.Series[bool]) -> Split:
    """Splits the file at random, with the same share of bad loans in training and held-out rows.

    The background is drawn until it holds every category of the training rows, so that no usual applicant counts as
    unlike it.
    """
    train, held_out = train_test_split(np.arange(len(bad)), test_size=N_HELD_OUT, random_state=SEED, stratify=bad)
    train, held_out = np.sort(train), np.sort(held_out)
    categories = rows.select_dtypes(exclude=["number", "bool"])
    wanted = categories.iloc[train].nunique()
    generator = np.random.default_rng(SEED)
    while True:
        background = np.sort(generator.choice(train, N_BACKGROUND, replace=False))
        if (categories.iloc[background].nunique() == wanted).all():
            break
    reference = np.sort(generator.choice(held_out, N_REFERENCE, replace=False))
    return Split(train=train, held_out=held_out, background=background, reference=reference)


def build_pipelines(codebook: Codebook) -> dict[str, Pipeline]:
    """The two models, unfitted, by bundle name.

    No scaler stands in front of the trees: in float32 it would move rows across split points. The encoders list every
    category of the codebook, so that a value missing from the training rows still has its column.
    """
    numbers = [feature["id"] for feature in codebook["features"] if feature["kind"] != "category"]
    texts = {
        feature["id"]: [entry["value"] for entry in feature["categories"]]
        for feature in codebook["features"]
        if feature["kind"] == "category"
    }
    encoder = OneHotEncoder(categories=list(texts.values()), handle_unknown="ignore", sparse_output=False)
    boosting = GradientBoostingClassifier(
        n_estimators=100, max_depth=2, learning_rate=0.1, min_samples_leaf=20, random_state=SEED
    )
    logistic = LogisticRegression(C=0.1, max_iter=1000)
    return {
        BOOSTING: Pipeline(
            [
                ("columns", ColumnTransformer([("numbers", "passthrough", numbers), ("texts", encoder, list(texts))])),
                ("model", boosting),
            ]
        ),
        LOGISTIC: Pipeline(
            [
                (
                    "columns",
                    ColumnTransformer([("numbers", StandardScaler(), numbers), ("texts", encoder, list(texts))]),
                ),
                ("model", logistic),
            ]
        ),
    }


def convert(pipeline: Pipeline, codebook: Codebook, name: str) -> bytes:
    """The fitted pipeline as ONNX with one named tensor per feature: text for categories, float for all others."""
    inputs = [
        (feature["id"], (StringTensorType if feature["kind"] == "category" else FloatTensorType)([None, 1]))
        for feature in codebook["features"]
    ]
    model = convert_sklearn(
        pipeline,
        name=name.replace("-", "_"),
        initial_types=inputs,
        target_opset={"": 18, "ai.onnx.ml": 3},
        options={id(pipeline): {"zipmap": False}},
    )
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)  # the converter leaves them in no fixed order
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return bytes(model.SerializeToString(deterministic=True))


def score(model: bytes, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Probability of a bad loan according to the ONNX file; float64, (n,)."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feed = {
        name: (rows[[name]].to_numpy(object) if is_text else rows[[name]].to_numpy(np.float32))
        for name, is_text in ((node.name, node.type == "tensor(string)") for node in session.get_inputs())
    }
    (probabilities,) = session.run(["probabilities"], feed)
    return np.asarray(probabilities, np.float64)[:, 1]


def threshold_table(probability: NDArray[np.float64], bad: NDArray[np.bool_]) -> list[dict[str, float]]:
    """What each threshold would have done, as shares; cost is per applicant, in units of one good loan refused."""
    table = []
    for threshold in THRESHOLDS:
        declined = probability >= threshold
        table.append(
            {
                "threshold": round(threshold, 4),
                "declined": float(declined.mean()),
                "bad_loans_declined": float(declined[bad].mean()),
                "good_loans_declined": float(declined[~bad].mean()),
                "bad_among_granted": float(bad[~declined].mean()),
                "cost": float((COST_OF_A_BAD_LOAN * (bad & ~declined) + (~bad & declined)).mean()),
            }
        )
    return [{key: round(value, 4) for key, value in row.items()} for row in table]


def write_parquet(rows: pd.DataFrame, path: Path) -> None:
    """Writes rows without the writer's index and pandas metadata, so that equal rows give equal files."""
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", use_dictionary=True)


def make_cases(rows: pd.DataFrame, bad: pd.Series[bool], split: Split) -> list[dict[str, object]]:
    """The cases of the demonstration, with the facts of the rows they name.

    Raises:
        ValueError: If a case is not a held-out row.
    """
    cases: list[dict[str, object]] = []
    for case in CASES:
        position = case.line - 2
        if position not in split.held_out:
            raise ValueError(f"{case.id}: line {case.line} is a training row; pick a held-out one")
        facts: Mapping[str, object] = json.loads(rows.iloc[position].to_json())
        cases.append(
            {
                "id": case.id,
                "title": case.title,
                "why": case.why,
                "line": case.line,
                "went_bad": bool(bad.iloc[position]),
                "row": facts,
            }
        )
    return cases


def train(out: Path) -> dict[str, object]:
    """Trains, converts, compares and writes everything below `out`; returns the figures of results.json.

    Raises:
        ValueError: If an ONNX file does not agree with its estimator on every row of the file.
    """
    codebook = read_codebook(HERE / "codebook.yaml")
    rows, bad = read_rows(HERE / "germancredit.csv", codebook)
    split = split_rows(rows, bad)
    fit_rows, fit_bad = rows.iloc[split.train], bad.iloc[split.train]
    results: dict[str, object] = {"n_train": len(split.train), "n_held_out": len(split.held_out)}
    for name, pipeline in build_pipelines(codebook).items():
        folds = StratifiedKFold(10, shuffle=True, random_state=SEED)
        unseen = cross_val_predict(pipeline, fit_rows, fit_bad, cv=folds, method="predict_proba")[:, 1]
        pipeline.fit(fit_rows, fit_bad)
        expected = pipeline.predict_proba(rows)[:, 1]
        model = convert(pipeline, codebook, name)
        drift = float(np.abs(score(model, rows) - expected).max())
        if drift > MAX_DRIFT:
            raise ValueError(f"{name}: the ONNX file differs from its estimator by up to {drift:.1e}")
        auc = float(roc_auc_score(bad.iloc[split.held_out], expected[split.held_out]))
        results[name] = {
            "auc_held_out": round(auc, 4),
            "auc_cross_validated": round(float(roc_auc_score(fit_bad, unseen)), 4),
            "max_difference_onnx": float(f"{drift:.1e}"),
            "thresholds_cross_validated": threshold_table(unseen, fit_bad.to_numpy()),
        }
        folder = out / "bundles" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(model)
        background = rows.iloc[split.background]
        write_parquet(background, folder / "background.parquet")
        predictions = {f"prediction:{OUTPUT_ID}": expected[split.reference]}
        write_parquet(rows.iloc[split.reference].assign(**predictions), folder / "reference.parquet")
        manifest = write_manifest(describe(name, codebook, background, auc))
        (folder / "bundle.yaml").write_text(manifest, encoding="utf-8")
        lock_bundle(folder)
    cases = {"source": "benchmarks/german_credit/train.py", "cases": make_cases(rows, bad, split)}
    (out / "applicants.json").write_text(json.dumps(cases, indent=2) + "\n", encoding="utf-8")
    return results


def main() -> None:
    """Runs the training from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=DEMO, help="folder for bundles/ and applicants.json")
    parser.add_argument("--results", type=Path, default=HERE / "results.json", help="file for the figures")
    arguments = parser.parse_args()
    figures = train(arguments.out)
    arguments.results.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
