"""The complaint that the project began with, from a real ONNX file to the caveat: credit that was never earned."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor

import xaisvc
from xaisvc.types import Gate, Level, Severity
from xaisvc.types.reliance import Use

if TYPE_CHECKING:
    from pathlib import Path

    from sklearn.base import RegressorMixin

FEATURES = ["used", "companion", "other", "bystander"]
ROWS, EXPLAINED = 500, 20


def data(correlation: float, n: int = ROWS + EXPLAINED, seed: int = 0) -> pd.DataFrame:
    """`companion` goes with `used`; the model uses `used` and `other`."""
    rng = np.random.default_rng(seed)
    used, noise, other, bystander = rng.normal(size=(4, n))
    companion = correlation * used + np.sqrt(1 - correlation**2) * noise
    return pd.DataFrame(dict(zip(FEATURES, (used, companion, other, bystander), strict=True))).astype(np.float32)


def explainer(model: RegressorMixin, frame: pd.DataFrame, folder: Path, **parts: pd.DataFrame) -> xaisvc.Explainer:
    blind = frame.to_numpy().copy()
    blind[:, [1, 3]] = 0.0  # the model is trained without them
    model.fit(blind, 2 * blind[:, 0] + blind[:, 2])
    graph = to_onnx(model, blind[:1])
    bundle = xaisvc.create_bundle(
        model=graph.SerializeToString(), background=frame.iloc[:ROWS], path=folder / "bundle", **parts
    )
    return xaisvc.Explainer(bundle, "cpu")


def kinds(batch: xaisvc.ExplanationBatch) -> set[tuple[str, tuple[str, ...]]]:
    return {(caveat.kind, caveat.players) for own in batch.caveats for caveat in own}


@pytest.mark.parametrize("correlation", [0.9, -0.99])
@pytest.mark.parametrize(
    "model",
    [LinearRegression(), GradientBoostingRegressor(n_estimators=40, max_depth=3, random_state=0)],
    ids=["linear", "trees"],
)
def test_a_feature_that_was_never_used_gets_nothing_and_the_reader_is_told(
    model: RegressorMixin, correlation: float, tmp_path: Path
) -> None:
    frame = data(correlation)
    found = explainer(model, frame, tmp_path)
    batch = found.explain(frame.iloc[ROWS:])

    assert (batch.values[:, [1, 3]] == 0.0).all()
    assert found.studies().reliance.of("companion").use is Use.PROVEN_UNUSED
    told = [caveat for own in batch.caveats for caveat in own if caveat.kind == "attributed_but_unused"]
    assert len(told) >= EXPLAINED // 2
    assert {caveat.players for caveat in told} == {("companion",)}  # the bystander goes with nothing
    assert all(Gate.NOT_A_REASON in caveat.gates for caveat in told)
    shared = [caveat for own in batch.caveats for caveat in own if caveat.kind == "shared_credit"]
    assert {caveat.players for caveat in shared} == {("used", "companion")}
    for row, own in enumerate(batch.caveats):
        for caveat in own:
            if caveat.kind == "shared_credit":
                assert caveat.robust is not None
                # What both do together is what the used one does; conditional values divide it otherwise.
                assert caveat.robust.value == pytest.approx(batch.values[row, 0])
                assert caveat.robust.low <= caveat.robust.value <= caveat.robust.high
                assert caveat.model_rows == 0


def test_on_independent_features_there_is_nothing_to_tell(tmp_path: Path) -> None:
    frame = data(0.0, seed=4)
    batch = explainer(LinearRegression(), frame, tmp_path).explain(frame.iloc[ROWS:])

    found = {kind for kind, _ in kinds(batch)}
    assert found.isdisjoint({"shared_credit", "attributed_but_unused", "value_function_disagreement", "off_manifold"})


def test_a_sampled_method_gets_the_same_second_opinion(tmp_path: Path) -> None:
    frame = data(0.9)
    found = explainer(MLPRegressor(hidden_layer_sizes=(8,), max_iter=500, random_state=0), frame, tmp_path)
    batch = found.explain(frame.iloc[ROWS:], method="kernel", budget=14)

    assert not batch.exact or batch.method == "kernel"
    assert ("shared_credit", ("used", "companion")) in kinds(batch)


def test_a_row_is_told_the_same_alone_and_among_others(tmp_path: Path) -> None:
    frame = data(0.9)
    found = explainer(LinearRegression(), frame, tmp_path)
    batch = found.explain(frame.iloc[ROWS:])
    for row in range(EXPLAINED):
        own = found.explain(frame.iloc[[ROWS + row]])
        assert own.caveats[0] == batch.caveats[row]


def test_a_row_outside_every_range_gives_no_reasons(tmp_path: Path) -> None:
    frame = data(0.9)
    found = explainer(LinearRegression(), frame, tmp_path)
    row = frame.iloc[[ROWS]].assign(used=1e6, other=-1e6)
    (caveats,) = found.explain(row).caveats

    outside = [caveat for caveat in caveats if caveat.kind == "input_out_of_range"]
    assert outside
    # That its values do not go together is no news of such a row.
    assert [set(caveat.players) >= {"used", "other"} for caveat in outside] == [True]
    assert all(Gate.NO_REASONS in caveat.gates for caveat in outside)
    assert found.explain(row)[0].record.reliability is not Level.NORMAL


def test_what_stands_in_for_a_protected_attribute_is_named(tmp_path: Path) -> None:
    frame = data(0.9)
    rng = np.random.default_rng(1)
    sex = np.where(frame["used"].iloc[:ROWS] + 0.3 * rng.normal(size=ROWS) > 0, "f", "m")
    found = explainer(LinearRegression(), frame, tmp_path, protected=pd.DataFrame({"sex": sex}))
    (proxies,) = found.studies().proxies

    assert proxies.attribute == "sex"
    assert proxies.features[0].source == "used"
    assert proxies.features[0].tells
    batch = found.explain(frame.iloc[ROWS:])
    told = [caveat for own in batch.caveats for caveat in own if caveat.kind == "proxy_of_protected"]
    assert told
    assert all("used" in caveat.players for caveat in told)
    assert all(caveat.severity is Severity.INFO for caveat in told)


def test_bundle_show_tells_it_too(tmp_path: Path) -> None:

    frame = data(0.9)
    explainer(LinearRegression(), frame, tmp_path)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "xaisvc.cli", "bundle", "show", str(tmp_path / "bundle")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "companion                   not used: the graph proves it" in done.stdout
    assert "used and companion" in done.stdout
