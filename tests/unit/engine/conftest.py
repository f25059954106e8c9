from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import xaisvc
from xaisvc.engine.explainer import Explainer, Surroundings

if TYPE_CHECKING:
    from pathlib import Path


def log_model() -> bytes:
    """y = log(a) + 2 b, from two named tensors: not finite where a is zero or less."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("Log", ["a"], ["log_a"]),
            helper.make_node("Mul", ["b", "two"], ["twice_b"]),
            helper.make_node("Add", ["log_a", "twice_b"], ["y"]),
        ],
        "log",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("a", "b")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(np.array([2.0], dtype=np.float32), "two")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def frozen_surroundings() -> Surroundings:
    numbers = count(1)
    return Surroundings(
        clock=lambda: 0.0,
        now=lambda: datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC),
        new_id=lambda: f"id-{next(numbers)}",
    )


@pytest.fixture
def bundle_dir(tmp_path: Path) -> Path:
    """A bundle of the log model with 60 background rows."""
    rng = np.random.default_rng(1)
    background = pd.DataFrame(
        {"a": rng.uniform(0.5, 3, 60).astype(np.float32), "b": rng.normal(size=60).astype(np.float32)}
    )
    xaisvc.create_bundle(model=log_model(), background=background, path=tmp_path / "log-model")
    return tmp_path / "log-model"


@pytest.fixture
def explainer(bundle_dir: Path) -> Explainer:
    return Explainer(bundle_dir, "cpu", surroundings=frozen_surroundings())
