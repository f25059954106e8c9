"""What a model cannot answer is named: which rows, and which values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

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


def small_graph(tmp_path: Path, *nodes: NodeProto) -> Path:
    """A bundle of a graph from a and b to y."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("a", "b")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [
            numpy_helper.from_array(np.asarray([1, 1]), "one_row"),
            numpy_helper.from_array(np.asarray([0]), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    background = pd.DataFrame({"a": np.ones(60, np.float32), "b": np.linspace(0, 1, 60, dtype=np.float32)})
    xaisvc.create_bundle(model=model, background=background, path=tmp_path / "b")
    return tmp_path / "b"


ROW = {"a": [1.0], "b": [0.5]}


def test_answers_that_vary_are_shown(tmp_path: Path) -> None:
    folder = small_graph(
        tmp_path,
        *[
            helper.make_node("ReduceMean", ["b"], ["n"], axes=[0]),
            helper.make_node("Add", ["a", "n"], ["s"]),
            helper.make_node("Add", ["s", "b"], ["y"]),
        ],
    )

    # The mean of b is 0.5 for all rows together, and b itself for a row alone: 1 + 0 + 0.5, then 1 + 0 + 0.
    with pytest.raises(
        ModelOutputError, match=r"; (mixed )?background row \d+ got 1\.5 and then 1\), so no attribution of it"
    ):
        Explainer(folder, "cpu").explain(ROW)


def test_a_fixed_number_of_rows_inside_the_graph_is_said(tmp_path: Path) -> None:
    folder = small_graph(
        tmp_path,
        helper.make_node("Add", ["a", "b"], ["s"]),
        helper.make_node("Reshape", ["s", "one_row"], ["y"]),
    )

    with pytest.raises(ModelOutputError) as caught:
        Explainer(folder, "cpu").explain(ROW)

    text = str(caught.value)
    assert text.startswith("the model failed on a batch of 120 rows; run `xaisvc bundle check` on the bundle to see")
    assert "; each of the 120 rows alone is answered, so the graph may hold a fixed number of rows inside" in text
    assert "seen at" not in text


@pytest.mark.parametrize(
    ("last", "shape"),
    [
        (helper.make_node("ReduceSum", ["s", "axis"], ["y"]), r"\(1, 1\) for 120 rows"),
        (helper.make_node("Concat", ["s", "s"], ["y"], axis=0), r"\(240, 1\) for 120 rows"),
    ],
    ids=["one answer", "two per row"],
)
def test_no_row_is_named_where_the_shape_is_wrong(tmp_path: Path, last: NodeProto, shape: str) -> None:
    folder = small_graph(tmp_path, helper.make_node("Add", ["a", "b"], ["s"]), last)

    with pytest.raises(ModelOutputError, match=f"has shape {shape}; .*free batch dimension and one answer per row$"):
        Explainer(folder, "cpu").explain(ROW)
