"""What a model cannot answer is named: which rows, and which values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper

import xaisvc
from xaisvc.engine.evidence import rows_at_fault
from xaisvc.engine.explainer import Explainer
from xaisvc.errors import ModelOutputError
from xaisvc.types import Table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def log_of_sum() -> bytes:
    """y = log(a + b): not a number where the sum is negative."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["s"]), helper.make_node("Log", ["s"], ["y"])],
        "log_of_sum",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("a", "b")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def bundle(path: Path, background: pd.DataFrame) -> Path:
    xaisvc.create_bundle(model=log_of_sum(), background=background.astype(np.float32), path=path / "b")
    return path / "b"


def test_rows_are_found_by_halving() -> None:
    bad = {5, 6, 60, 99}
    calls = 0

    def model(rows: Table) -> NDArray[np.float64]:
        nonlocal calls
        calls += 1
        if bad & set(rows.columns["a"].tolist()):
            raise ModelOutputError("no")
        return np.zeros(len(rows))

    rows = Table({"a": np.arange(100.0)})

    assert rows_at_fault(model, rows) == [5, 6, 60]
    assert calls < 50
    assert rows_at_fault(model, rows, most=10) == [5, 6, 60, 99]
    assert rows_at_fault(model, rows.take(slice(7, 50))) == []


def test_rows_that_fail_only_when_mixed_are_told_from_rows_that_fail(tmp_path: Path) -> None:
    background = pd.DataFrame({"a": np.linspace(5, 6, 60), "b": np.linspace(-4, -3, 60)})
    explainer = Explainer(bundle(tmp_path, background), "cpu")

    # 1 + 2 has a logarithm, 1 and a b of the background have none.
    with pytest.raises(ModelOutputError, match="every row alone is answered; what is not are rows that mix it with"):
        explainer.explain({"a": [1.0], "b": [2.0]}, method="exact")
    with pytest.raises(ModelOutputError, match=r"not finite \(nan\).*; seen at rows\[1\]$"):
        explainer.explain({"a": [5.0, 1.0], "b": [1.0, -2.0]}, method="exact")


def test_a_background_that_cannot_be_answered_names_its_rows(tmp_path: Path) -> None:
    background = pd.DataFrame({"a": np.linspace(5, 6, 60), "b": np.linspace(-4, -3, 60)})
    background.loc[7, "b"] = -9.0
    folder = bundle(tmp_path, background)

    with pytest.raises(ModelOutputError, match=r"not finite \(nan\).*; seen at background row 7, mixed background row"):
        Explainer(folder, "cpu").explain(background[:1])


def test_answers_that_vary_are_shown(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("RandomNormalLike", ["a"], ["n"]),
            helper.make_node("Add", ["a", "n"], ["s"]),
            helper.make_node("Add", ["s", "b"], ["y"]),
        ],
        "noise",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("a", "b")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    background = pd.DataFrame({"a": np.ones(60, np.float32), "b": np.linspace(0, 1, 60, dtype=np.float32)})
    xaisvc.create_bundle(model=model, background=background, path=tmp_path / "b")

    with pytest.raises(ModelOutputError, match=r"one row got -?\d[\d.e-]* and then -?\d[\d.e-]*\), so no attribution"):
        Explainer(tmp_path / "b", "cpu").explain(background[:1])
