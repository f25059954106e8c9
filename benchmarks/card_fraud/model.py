"""The card-fraud model: boosted trees behind one-hot encoded categories, as one ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnxruntime
from lightgbm import Booster, LGBMClassifier
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from benchmarks.card_fraud.ledger import CHANNELS
from benchmarks.card_fraud.world import CATEGORIES, ZONES

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

TEXTS: Final = {"country_zone": ZONES, "channel": CHANNELS, "merchant_category": CATEGORIES}
N_TREES: Final = 150
NEVER_CALMER: Final = (
    "amount_eur", "amount_to_mean_30d",
    "n_last_hour", "sum_last_hour_eur", "n_last_day", "sum_last_day_eur",
    "n_small_last_day", "n_declined_last_day",
    "distance_from_last_km", "speed_kmh", "distance_from_home_km", "country_new", "device_new", "merchant_new",
    "merchant_fraud_7d", "merchant_fraud_28d",
)  # fmt: skip
"""Features of which more never lowers the risk. Banks ask this of their models, and analysts take it for granted."""
NEVER_WORSE: Final = ("minutes_since_last", "hour_usual_percent")
"""Features of which more never raises it."""


def build_pipeline(numbers: list[str], seed: int) -> Pipeline:
    """The model, unfitted.

    No scaler stands in front of the trees: in float32 it would move rows across split points. The classes are left as
    rare as they are, so that the probability means what it says.

    Args:
        numbers: Features that are no categories.
        seed: Seed of the row and feature samples of each tree.
    """
    encoder = OneHotEncoder(
        categories=[list(values) for values in TEXTS.values()],
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    )
    boosting = LGBMClassifier(
        n_estimators=N_TREES,
        num_leaves=15,
        learning_rate=0.06,
        min_child_samples=40,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.6,
        reg_lambda=5.0,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbose=-1,
    )
    direction = [(name in NEVER_CALMER) - (name in NEVER_WORSE) for name in numbers]
    boosting.set_params(
        monotone_constraints=[*direction, *[0] * sum(map(len, TEXTS.values()))],
        monotone_constraints_method="intermediate",
    )
    columns = ColumnTransformer([("numbers", "passthrough", numbers), ("texts", encoder, list(TEXTS))])
    return Pipeline([("columns", columns.set_output(transform="default")), ("model", boosting)])


def round_thresholds(pipeline: Pipeline) -> None:
    """Makes every threshold of the fitted trees a float32, rounded down, which changes no answer for float32 inputs.

    A threshold lies halfway between two values of the training payments, and a later payment can have just that value
    in cents. ONNX holds thresholds in float32 and rounds them to the nearest, up or down, which would send such a
    payment to the other side; x <= t is the same as x <= (largest float32 below or at t) for every float32 x.
    """
    boosting = pipeline.named_steps["model"]
    lines = []
    for line in boosting.booster_.model_to_string().splitlines():
        if line.startswith("tree_sizes="):
            continue  # lengths of the texts of the trees, which are read one after the other without it
        if line.startswith("threshold="):
            exact = np.array(line.removeprefix("threshold=").split(), dtype=np.float64)
            nearest = exact.astype(np.float32)
            below = np.where(nearest > exact, np.nextafter(nearest, np.float32(-np.inf)), nearest)
            line = "threshold=" + " ".join(repr(float(value)) for value in below)  # noqa: PLW2901 - the line as it should be
        lines.append(line)
    boosting._Booster = Booster(model_str="\n".join(lines) + "\n")  # noqa: SLF001 - there is no public way to hand trees in


def as_given(rows: pd.DataFrame) -> pd.DataFrame:
    """The features as the graph gets them: numbers in float32, so that both see the same side of every split."""
    return rows.assign(**{name: rows[name].to_numpy(np.float32) for name in rows.columns if name not in TEXTS})


def convert(pipeline: Pipeline, features: list[str]) -> bytes:
    """The fitted pipeline as ONNX with one named tensor per feature: text for categories, float for all others."""
    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    inputs = [(name, (StringTensorType if name in TEXTS else FloatTensorType)([None, 1])) for name in features]
    model = convert_sklearn(
        pipeline,
        name="card_fraud",
        initial_types=inputs,
        target_opset={"": 18, "ai.onnx.ml": 3},
        options={id(pipeline): {"zipmap": False}},
    )
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)  # the converter leaves them in no fixed order
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return bytes(model.SerializeToString(deterministic=True))


def score(model: bytes, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Probability of fraud according to the ONNX file; float64, (n,)."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feed = {
        node.name: rows[[node.name]].to_numpy(object if node.type == "tensor(string)" else np.float32)
        for node in session.get_inputs()
    }
    (probabilities,) = session.run(["probabilities"], feed)
    return np.asarray(probabilities, np.float64)[:, 1]
