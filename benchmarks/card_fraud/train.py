"""Trains the card-fraud model on simulated payments and writes its bundle and the demonstration's payments.

    python -m benchmarks.card_fraud.train [--out FOLDER]

Everything is seeded: the same package versions give the same files. README.md in this folder tells what is simulated,
how, and what the figures do not mean.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.card_fraud.demo_payments import pick_payments
from benchmarks.card_fraud.description import NAME, OUTPUT_ID, THRESHOLD, describe
from benchmarks.card_fraud.features import FEATURES, make_features
from benchmarks.card_fraud.ledger import STORIES
from benchmarks.card_fraud.model import N_TREES, TEXTS, as_given, build_pipeline, convert, round_thresholds, score
from benchmarks.card_fraud.past_cases import closed_cases, count_bands
from benchmarks.card_fraud.payments import simulate
from benchmarks.card_fraud.world import DAY_S, START
from xaisvc.bundles import lock_bundle, write_bundle

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from benchmarks.card_fraud.ledger import History, Payments
    from xaisvc.types.outcomes import OutcomeBands

HERE: Final = Path(__file__).parent
DEMO: Final = HERE.parents[1] / "xaisvc" / "demo"
SEED: Final = 20261
N_BACKGROUND: Final = 500
N_REFERENCE: Final = 100
MAX_DRIFT: Final = 1e-5  # float32 against float64 leaves about 1e-7; a row on the wrong side of a split leaves 1e-2
BUDGETS: Final = (0.002, 0.005, 0.01, 0.02, 0.05)
PACKAGES: Final = ("lightgbm", "numpy", "onnx", "onnxmltools", "onnxruntime", "pandas", "scikit-learn", "skl2onnx")


@dataclass(frozen=True, slots=True)
class Slices:
    """The three parts of the simulated time, as first and last day, counted from the start.

    Attributes:
        train: The model is fitted on these; the days before are there so that habits and histories are known.
        count: Bands are counted and closed cases taken from these.
        test: Figures and the demonstration's payments come from these; nothing is chosen by them.
    """

    train: tuple[int, int]
    count: tuple[int, int]
    test: tuple[int, int]


def slices(n_days: int) -> Slices:
    """Cuts the time at 10, 65 and 85 percent."""
    cuts = [n_days * share // 100 for share in (10, 65, 85, 100)]
    return Slices((cuts[0], cuts[1] - 1), (cuts[1], cuts[2] - 1), (cuts[2], cuts[3] - 1))


def train(out: Path, *, n_customers: int = 700, n_days: int = 300, seed: int = SEED) -> dict[str, object]:
    """Simulates, trains, converts, compares and writes everything below `out`; returns the figures of results.json.

    Args:
        out: Gets `bundles/card-fraud/` and `transactions.json`.
        n_customers: Size of the simulated bank.
        n_days: Length of the simulated time.
        seed: Seed of everything.

    Raises:
        ValueError: If the ONNX file does not agree with its estimator on every payment.
    """
    history = simulate(n_customers=n_customers, n_days=n_days, seed=seed)
    rows, paid = make_features(history), history.payments
    parts = slices(n_days)
    fit, count, test = (_during(paid, days) for days in (parts.train, parts.count, parts.test))
    pipeline = build_pipeline([name for name in FEATURES if name not in TEXTS], seed)
    pipeline.fit(as_given(rows.iloc[fit]), paid.fraud[fit])
    round_thresholds(pipeline)
    model = convert(pipeline, list(FEATURES))
    expected = np.asarray(pipeline.predict_proba(as_given(rows))[:, 1], np.float64)
    scores = score(model, rows)
    drift = float(np.abs(scores - expected).max())
    if drift > MAX_DRIFT:
        raise ValueError(f"the ONNX file differs from its estimator by up to {drift:.1e}")
    generator = np.random.default_rng(seed)
    background = rows.iloc[_background(rows, fit, scores, generator)].reset_index(drop=True)
    later = later_figures(scores[test], paid.fraud[test])
    as_of = START + timedelta(days=parts.train[1])
    description = describe(
        HERE / "codebook.yaml",
        background,
        as_of=as_of,
        figures={
            "trees": N_TREES,
            "n_train": len(fit),
            "train_first": (START + timedelta(days=parts.train[0])).isoformat(),
            "train_last": as_of.isoformat(),
            "n_test": len(test),
            **{name: later[name] for name in ("auc", "ap", "alerts", "precision", "recall")},
        },
    )
    output = description.outputs[0]
    bands = count_bands(output, scores[count], paid.fraud[count], paid.time_s[count] // DAY_S, parts.count)
    tested = count_bands(output, scores[test], paid.fraud[test], paid.time_s[test] // DAY_S, parts.test)
    cases = closed_cases(rows, paid, count, scores[count], THRESHOLD)
    picked = np.sort(generator.choice(test, min(N_REFERENCE, len(test)), replace=False))
    write_bundle(
        out / "bundles" / "card-fraud",
        description=description,
        model=model,
        background=background,
        reference=rows.iloc[picked].assign(**{f"prediction:{OUTPUT_ID}": expected[picked]}).reset_index(drop=True),
        cases=cases,
        bands=[bands],
        overwrite=True,
    )
    lock_bundle(out / "bundles" / "card-fraud")
    chosen = pick_payments(rows, paid, test, scores, background)
    (out / "transactions.json").write_text(
        json.dumps({"source": "benchmarks/card_fraud/train.py", "simulated": True, "cases": chosen}, indent=2) + "\n",
        encoding="utf-8",
    )
    return {
        "bundle": NAME,
        "simulated": True,
        "seed": seed,
        "versions": {name: version(name) for name in PACKAGES},
        "customers": n_customers,
        "days": n_days,
        "payments": len(paid),
        "fraud": _rounded(paid.fraud.mean()),
        "stories": {name: int((paid.story == i).sum()) for i, name in enumerate(STORIES)},
        "slices": {
            name: _slice(history, days, index)
            for name, days, index in (
                ("train", parts.train, fit),
                ("count", parts.count, count),
                ("test", parts.test, test),
            )
        },
        "max_difference_onnx": float(f"{drift:.1e}"),
        "closed_cases": {name: int((cases["case:outcome"] == name).sum()) for name in ("confirmed", "cleared")},
        "bands": _bands(bands, tested),
        "test": {key: value if isinstance(value, list) else _rounded(value) for key, value in later.items()},
        "test_by_story": _by_story(scores[test], paid.story[test]),
    }


def later_figures(scores: NDArray[np.float64], fraud: NDArray[np.bool_]) -> dict[str, object]:
    """How well payments of a later time are told apart, and whether the probability means what it says.

    Raises:
        ValueError: If no payment is a fraud.
    """
    if not fraud.any():
        raise ValueError("there is no fraud among the later payments; simulate more customers")
    alert = scores >= THRESHOLD
    order = np.argsort(-scores, kind="stable")
    budgets = []
    for budget in BUDGETS:
        looked_into = order[: max(1, round(budget * len(scores)))]
        budgets.append(
            {
                "alerts": budget,
                "recall": _rounded(fraud[looked_into].sum() / fraud.sum()),
                "precision": _rounded(fraud[looked_into].mean()),
            }
        )
    return {
        "auc": float(roc_auc_score(fraud, scores)),
        "ap": float(average_precision_score(fraud, scores)),
        "brier": float(np.mean((scores - fraud) ** 2)),
        "mean_prediction": float(scores.mean()),
        "fraud": float(fraud.mean()),
        "alerts": float(alert.mean()),
        "precision": float(fraud[alert].mean()) if alert.any() else 0.0,
        "recall": float(alert[fraud].mean()),
        "calibration": _calibration(scores, fraud),
        "budgets": budgets,
    }


def _calibration(scores: NDArray[np.float64], fraud: NDArray[np.bool_]) -> list[dict[str, object]]:
    """Mean prediction beside the share of fraud, in eight classes of prediction."""
    edges = np.array([0.002, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9])
    place = np.searchsorted(edges, scores, side="right")
    return [
        {
            "payments": int((place == i).sum()),
            "mean_prediction": _rounded(scores[place == i].mean()),
            "fraud": _rounded(fraud[place == i].mean()),
        }
        for i in range(len(edges) + 1)
        if (place == i).any()
    ]


def _during(paid: Payments, days: tuple[int, int]) -> NDArray[np.intp]:
    day = paid.time_s // DAY_S
    return np.flatnonzero((day >= days[0]) & (day <= days[1]))


def _background(
    rows: pd.DataFrame, fit: NDArray[np.intp], scores: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.intp]:
    """Training payments at random, drawn again until every category and an alert are among them.

    So no usual payment counts as unlike the background, and there is a row on either side of the threshold.
    """
    n = min(N_BACKGROUND, len(fit))
    for _ in range(1000):
        picked = np.sort(generator.choice(fit, n, replace=False))
        some = rows.iloc[picked]
        if all(some[name].nunique() == len(values) for name, values in TEXTS.items()) and scores[picked].max() > 0.5:  # noqa: PLR2004 - the highest band
            return picked
    raise ValueError("no background with every category was found; simulate more customers")


def _slice(history: History, days: tuple[int, int], index: NDArray[np.intp]) -> dict[str, object]:
    first, last = ((START + timedelta(days=day)).isoformat() for day in days)
    return {"from": first, "to": last, "payments": len(index), "fraud": int(history.payments.fraud[index].sum())}


def _bands(counted: OutcomeBands, tested: OutcomeBands) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for before, after in zip(counted.bands, tested.bands, strict=True):
        low, high = before.interval or (0.0, 1.0)
        found.append(
            {
                "band": before.band,
                "counted": {"cases": before.cases, "confirmed": before.confirmed},
                "independent": round(before.independent, 1) if before.cases else 0.0,
                "interval": [_rounded(low), _rounded(high)],
                "tested": {"cases": after.cases, "confirmed": after.confirmed},
                "tested_independent": round(after.independent, 1) if after.cases else 0.0,
                "tested_share": None if after.share is None else _rounded(after.share),
            }
        )
    return found


def _by_story(scores: NDArray[np.float64], story: NDArray[np.int64]) -> dict[str, dict[str, object]]:
    return {
        name: {
            "payments": int((story == i).sum()),
            "alerts": _rounded((scores[story == i] >= THRESHOLD).mean()),
            "median_prediction": _rounded(np.median(scores[story == i])),
        }
        for i, name in enumerate(STORIES)
        if (story == i).any()
    }


def _rounded(value: object) -> float:
    return round(float(value), 4)  # type: ignore[arg-type]  # numpy's numbers too


def main() -> None:
    """Runs the training from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=DEMO, help="folder for bundles/ and transactions.json")
    parser.add_argument("--results", type=Path, default=HERE / "results.json", help="file for the figures")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of everything")
    arguments = parser.parse_args()
    figures = train(arguments.out, seed=arguments.seed)
    arguments.results.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
