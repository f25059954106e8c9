"""A check finds each fault of a bundle, and stays silent on a bundle without one."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from xaisvc.bundles import Bundle, CheckReport, Reference, check_bundle, encode_rows, load_bundle, parse_rows
from xaisvc.errors import ModelOutputError
from xaisvc.types import (
    Band,
    BundleDescription,
    Concept,
    Digests,
    Feature,
    Kind,
    Output,
    SelectionRule,
    Sensitivity,
    Space,
    Table,
    TensorColumn,
    TensorInfo,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Score = Callable[[Table, str], NDArray[np.float64]]


def _runner(bundle: Bundle, inputs: tuple[TensorInfo, ...]) -> Score:
    """Scores rows with ONNX Runtime: column 1 of the probabilities."""
    session = onnxruntime.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])

    def score(rows: Table, output_id: str) -> NDArray[np.float64]:
        output = bundle.description.output(output_id)
        (found,) = session.run([output.tensor], encode_rows(bundle.description, inputs, rows))
        return np.asarray(found, dtype=np.float64)[:, 1]

    return score


def _said(report: CheckReport, level: str, name: str = "") -> str:
    return "\n".join(f.message for f in report.findings if f.level == level and name in f.name)


def _levels(report: CheckReport) -> dict[str, int]:
    return {level: len(report.of_level(level)) for level in ("ok", "warning", "error")}  # type: ignore[arg-type]


@pytest.fixture
def bundle(folder: Path) -> Bundle:
    """The bundle with 25 background rows."""
    loaded = load_bundle(folder)
    rows = loaded.background.take(list(range(5)) * 5)
    columns = dict(rows.columns)
    columns["age"] = np.linspace(18, 90, 25).round()
    features = tuple(replace(feature, sensitivity=Sensitivity.PUBLIC) for feature in loaded.description.features)
    return replace(loaded, background=Table(columns), description=replace(loaded.description, features=features))


def test_a_sound_bundle_has_no_warning_and_no_error(bundle: Bundle, inputs: tuple[TensorInfo, ...]) -> None:
    report = check_bundle(bundle, inputs=inputs, score=_runner(bundle, inputs))

    assert report.ok
    assert _levels(report) == {"ok": 6, "warning": 0, "error": 0}
    assert report.to_text().splitlines()[0] == (
        "ok      inputs                       5 features enter 5 inputs of the graph"
    )
    assert report.to_text().endswith("\n\n6 ok, 0 warnings, 0 errors")


def test_features_without_effect_are_named(bundle: Bundle, inputs: tuple[TensorInfo, ...]) -> None:
    report = check_bundle(bundle, inputs=inputs, score=_runner(bundle, inputs))

    assert "exchanging values between background rows has no effect for: since" in _said(report, "ok")


def test_few_rows_are_a_warning(folder: Path, inputs: tuple[TensorInfo, ...]) -> None:
    small = load_bundle(folder)

    report = check_bundle(small, inputs=inputs, score=_runner(small, inputs))

    assert report.ok
    assert "5 rows stand in for absent features; attributions will depend on each of them" in _said(report, "warning")


def test_inputs_that_do_not_fit_are_errors_and_nothing_is_scored(
    bundle: Bundle, inputs: tuple[TensorInfo, ...]
) -> None:
    def never(_rows: Table, _output: str) -> NDArray[np.float64]:
        raise AssertionError

    def errors(*found: TensorInfo) -> str:
        report = check_bundle(bundle, inputs=found, score=never)
        assert not report.ok
        return _said(report, "error")

    age, income, *rest = inputs
    assert "no feature enters input 'extra'; add one with 'tensor: extra'" in errors(
        *inputs, TensorInfo(name="extra", element="float", shape=(None, 1))
    )
    assert "feature 'age' enters tensor 'age', which is no input of the graph; inputs: income" in errors(income, *rest)
    assert "feature 'income': a numeric feature would lose its decimals" in errors(
        age, replace(income, element="int64"), *rest
    )
    assert "no feature enters column 1 of input 'age'; add one with 'column: 1'" in errors(
        replace(age, shape=(None, 2)), income, *rest
    )
    assert "input 'age' has 3 dimensions" in errors(replace(age, shape=(None, 1, 1)), income, *rest)
    assert "not checked, because the rows do not fit the graph" in errors(income)


def test_faults_of_the_background_are_warnings(bundle: Bundle, inputs: tuple[TensorInfo, ...]) -> None:
    columns = dict(bundle.background.columns)
    columns["member"] = np.ones(25)
    columns["age"] = columns["age"] + 60
    columns["income"] = np.full(25, 1000.0)
    columns["job"] = np.array(["clerk"] * 24 + ["01"], dtype=object)
    described = replace(bundle.description, concepts=(*bundle.description.concepts, Concept(id="unused")))

    report = check_bundle(
        replace(bundle, background=Table(columns), description=described),
        inputs=inputs,
        score=_runner(bundle, inputs),
    )

    assert "has one value in all background rows" in _said(report, "warning", "feature 'member'")
    assert "20 background rows lie outside its observed_range" in _said(report, "warning", "feature 'age'")
    assert "may be missing, but never is in the background" in _said(report, "warning", "feature 'income'")
    assert "categories that no background row has: true, 3" in _said(report, "warning", "feature 'job'")
    assert "no feature belongs to: unused" in _said(report, "warning", "concepts")
    assert report.ok


def _with_scores(bundle: Bundle, inputs: tuple[TensorInfo, ...], score: Score, **changes: object) -> CheckReport:
    (output,) = bundle.description.outputs
    changed = replace(output, **changes)  # type: ignore[arg-type]  # fields of an output
    described = replace(bundle.description, outputs=(changed,))
    return check_bundle(replace(bundle, description=described), inputs=inputs, score=score)


def _by_age(rows: Table, _output: str) -> NDArray[np.float64]:
    return rows.columns["age"].astype(np.float64) / 100


def test_predictions_that_are_no_probability_are_an_error(bundle: Bundle, inputs: tuple[TensorInfo, ...]) -> None:
    def score(rows: Table, output: str) -> NDArray[np.float64]:
        return 2 * _by_age(rows, output)

    assert "predictions run from 0.36 to 1.8, so this is no probability; write 'tensor_space: raw'" in _said(
        _with_scores(bundle, inputs, score), "error"
    )
    raw = _with_scores(bundle, inputs, score, tensor_space=Space.RAW, space=Space.RAW)
    assert raw.ok


def test_predictions_that_cannot_be_used_are_errors(bundle: Bundle, inputs: tuple[TensorInfo, ...]) -> None:
    def broken(rows: Table, _output: str) -> NDArray[np.float64]:
        return np.where(np.arange(len(rows)) == 3, np.nan, 0.5)

    def fails(_rows: Table, _output: str) -> NDArray[np.float64]:
        raise ModelOutputError("the graph failed")

    def varies(_rows: Table, _output: str) -> NDArray[np.float64]:
        raise ModelOutputError("the answer changes from call to call", whatever_rows=True)

    rng = np.random.default_rng(0)

    def random(rows: Table, _output: str) -> NDArray[np.float64]:
        return rng.random(len(rows))

    def mixes_rows(rows: Table, output: str) -> NDArray[np.float64]:
        return np.asarray(_by_age(rows, output) - _by_age(rows, output).mean() + 0.5)

    for score, words in (
        (broken, "1 of 25 background rows score NaN or infinity"),
        (fails, "the graph does not score the background: the graph failed"),
        (varies, "the answer changes from call to call"),
        (random, "the same rows scored twice differ by up to"),
        (mixes_rows, "a row scored alone differs from the same row in a batch by up to"),
    ):
        assert words in _said(_with_scores(bundle, inputs, score), "error", "output 'default_risk'")


def test_a_constant_output_threshold_and_bands_out_of_range_are_warnings(
    bundle: Bundle, inputs: tuple[TensorInfo, ...]
) -> None:
    def constant(rows: Table, _output: str) -> NDArray[np.float64]:
        return np.full(len(rows), 0.25)

    assert "the prediction is 0.25 for every background row" in _said(_with_scores(bundle, inputs, constant), "warning")
    bands = (Band(id="low", upper=0.1), Band(id="middle", upper=0.5), Band(id="high"))
    report = _with_scores(bundle, inputs, _by_age, threshold=0.95, bands=bands)
    assert "no background row is on the other side of the threshold 0.95" in _said(report, "warning")
    assert "no background row falls into the bands: low" in _said(report, "warning")


def test_a_background_of_approved_rows_holds_no_declined_one(bundle: Bundle, inputs: tuple[TensorInfo, ...]) -> None:
    rule = SelectionRule.APPROVED_NEAR_THRESHOLD
    drawn = replace(bundle, description=replace(bundle.description, background_drawn_from=rule))
    declined = sum(_by_age(bundle.background, "default_risk") >= 0.3)

    mixed = _with_scores(drawn, inputs, _by_age, threshold=0.3)
    approved = _with_scores(drawn, inputs, _by_age, threshold=0.95)

    assert f"{declined} of 25 background rows are declined" in _said(mixed, "error", "output 'default_risk'")
    assert "favourable decision only" in _said(approved, "ok", "output 'default_risk'")
    assert "on the other side of the threshold" not in _said(approved, "warning")


def test_a_background_of_approved_rows_needs_a_threshold(bundle: Bundle, inputs: tuple[TensorInfo, ...]) -> None:
    rule = SelectionRule.APPROVED_NEAR_THRESHOLD
    drawn = replace(bundle, description=replace(bundle.description, background_drawn_from=rule))

    report = _with_scores(drawn, inputs, _by_age, threshold=None, adverse=None)

    assert "has no threshold" in _said(report, "error", "output 'default_risk'")


def test_a_reference_is_compared(bundle: Bundle, inputs: tuple[TensorInfo, ...]) -> None:
    score = _runner(bundle, inputs)
    expected = score(bundle.background, "default_risk")

    def report(predictions: NDArray[np.float64]) -> CheckReport:
        reference = Reference(rows=bundle.background, predictions={"default_risk": predictions})
        return check_bundle(replace(bundle, reference=reference), inputs=inputs, score=score)

    assert "all 25 rows agree" in _said(report(expected), "ok", "reference")
    moved = expected.copy()
    moved[7] += 0.125
    assert "1 of 25 rows differ by more than 1e-05; largest difference 0.125 (row 7)" in _said(
        report(moved), "error", "reference"
    )
    assert not report(moved).ok


def test_a_scaler_in_front_of_trees_is_found_in_a_real_conversion() -> None:
    """The fault itself: the pipeline and its ONNX file disagree on some rows, and the report says why."""
    import skl2onnx
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    x = rng.integers(0, 40, (400, 3)).astype(np.float64)  # few different values: many sit near a split point
    y = (x[:, 0] + x[:, 1] > 40).astype(int)
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)).fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters warn about their own future
        model = skl2onnx.to_onnx(pipeline, x[:1].astype(np.float32), options={"zipmap": False}).SerializeToString()
    described = BundleDescription(
        name="d", version="1", owner="o", purpose="p", out_of_scope="o",
        features=tuple(
            Feature(id=f"f{i}", kind=Kind.NUMERIC, source=TensorColumn(tensor="X", column=i)) for i in range(3)
        ),
        outputs=(Output(id="p", tensor="probabilities", target=1),),
    )  # fmt: skip
    rows = parse_rows(described, pd.DataFrame(x, columns=["f0", "f1", "f2"]))
    inputs = (TensorInfo(name="X", element="float", shape=(None, 3)),)
    digests = Digests(model="", background="", schema="")
    expected = pipeline.predict_proba(x)[:, 1]

    def report(predictions: NDArray[np.float64]) -> CheckReport:
        bundle = Bundle(
            path=None,  # type: ignore[arg-type]  # never on disk
            description=described, model=model, background=rows.take(slice(0, 50)),
            reference=Reference(rows=rows, predictions={"p": predictions}), digests=digests, files=(),
        )  # fmt: skip
        return check_bundle(bundle, inputs=inputs, score=_runner(bundle, inputs))

    found = report(expected)
    assert not found.ok
    assert "of 400 rows differ by more than 1e-05" in _said(found, "error", "reference of 'p'")
    assert "a scaler in front of trees" in _said(found, "error", "reference of 'p'")
