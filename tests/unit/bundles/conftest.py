"""A small bundle that every test of this folder may build on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from xaisvc.bundles import write_manifest
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
    Sensitivity,
    Space,
    TensorColumn,
    TensorInfo,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def description() -> BundleDescription:
    """One feature of every kind; `income` and `job` may be missing."""
    return BundleDescription(
        name="loans",
        version="1.0",
        owner="Retail credit risk",
        purpose="Tests",
        out_of_scope="Everything else",
        languages=("en", "nl"),
        texts={"nl": {"owner": "Kredietrisico", "purpose": "Toetsen", "out_of_scope": "Al het andere"}},
        concepts=(Concept(id="person", labels={"en": "The person"}),),
        features=(
            Feature(id="age", kind=Kind.INTEGER, source=TensorColumn(tensor="age"), observed_range=(18.0, 90.0)),
            Feature(
                id="income",
                kind=Kind.NUMERIC,
                source=TensorColumn(tensor="income"),
                unit="EUR",
                allow_missing=True,
                sensitivity=Sensitivity.CUSTOMER_OWN,
                change=Change(direction=Direction.INCREASE, minimum=0.0, step=50.0),
            ),
            Feature(id="member", kind=Kind.BOOLEAN, source=TensorColumn(tensor="member")),
            Feature(
                id="job",
                kind=Kind.CATEGORY,
                source=TensorColumn(tensor="job"),
                categories=("clerk", "01", "true", "3"),
                category_labels={"en": {"clerk": "Clerk"}},
                allow_missing=True,
                concept="person",
            ),
            Feature(id="since", kind=Kind.DATE, source=TensorColumn(tensor="since")),
        ),
        outputs=(
            Output(
                id="default_risk",
                tensor="probabilities",
                target=1,
                space=Space.LOG_ODDS,
                adverse=Adverse.HIGHER,
                threshold=0.3,
                bands=(Band(id="low", upper=0.2, labels={"en": "Low"}), Band(id="high")),
            ),
        ),
    )


@pytest.fixture
def inputs() -> tuple[TensorInfo, ...]:
    """Inputs of `model`."""
    return (
        TensorInfo(name="age", element="int64", shape=(None, 1)),
        TensorInfo(name="income", element="float", shape=(None, 1)),
        TensorInfo(name="member", element="bool", shape=(None, 1)),
        TensorInfo(name="job", element="string", shape=(None, 1)),
        TensorInfo(name="since", element="double", shape=(None,)),
    )


@pytest.fixture
def model() -> bytes:
    """A graph with the inputs of `description`: probability from age, income and job."""
    nodes = [
        helper.make_node("Cast", ["age"], ["age_f"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["member"], ["member_f"], to=TensorProto.FLOAT),
        helper.make_node(
            "Imputer",
            ["income"],
            ["income_f"],
            domain="ai.onnx.ml",
            imputed_value_floats=[2000.0],
            replaced_value_float=float("nan"),
        ),
        helper.make_node(
            "OneHotEncoder", ["job"], ["job_3"], domain="ai.onnx.ml", cats_strings=["clerk", "01", "true", "3"], zeros=1
        ),
        helper.make_node("Reshape", ["job_3", "flat"], ["job_f"]),
        helper.make_node("Concat", ["age_f", "income_f", "member_f", "job_f"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "weights"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["q", "p"], ["probabilities"], axis=1),
    ]
    weights = np.array([[-0.02], [-0.0002], [0.5], [0.1], [0.7], [-0.4], [0.2]], dtype=np.float32)
    graph = helper.make_graph(
        nodes,
        "loans",
        [
            helper.make_tensor_value_info("age", TensorProto.INT64, [None, 1]),
            helper.make_tensor_value_info("income", TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info("member", TensorProto.BOOL, [None, 1]),
            helper.make_tensor_value_info("job", TensorProto.STRING, [None, 1]),
            helper.make_tensor_value_info("since", TensorProto.DOUBLE, [None]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([-1, 4], dtype=np.int64), "flat"),
            numpy_helper.from_array(np.array([1.0], dtype=np.float32), "one"),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


BACKGROUND = """age,income,member,job,since
30,1500.5,true,clerk,2020-01-31
41,,false,01,2021-02-28
19,900,true,,2019-12-01
65,3100,0,3,2022-06-15
52,2500,1,true,2018-03-03
"""


@pytest.fixture
def folder(tmp_path: Path, description: BundleDescription, model: bytes) -> Path:
    """The bundle as a folder on disk."""
    path = tmp_path / "loans"
    path.mkdir()
    (path / "bundle.yaml").write_text(write_manifest(description), encoding="utf-8")
    (path / "model.onnx").write_bytes(model)
    (path / "background.csv").write_text(BACKGROUND, encoding="utf-8")
    return path
