from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from xaisvc.errors import BundleError, ModelOutputError, RuntimeUnavailableError
from xaisvc.runtimes import OrtRuntime, RuntimeSettings

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def affine_model(batch: int | str | None = "n", op: str = "MatMul") -> bytes:
    """y = x @ [1, 2, 3]^T, three inputs and one output."""
    weights = numpy_helper.from_array(np.array([[1.0], [2.0], [3.0]], dtype=np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node(op, ["x", "w"], ["y"])],
        "affine",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def rows(n: int) -> np.ndarray:
    return np.arange(3 * n, dtype=np.float32).reshape(n, 3)


def test_runs_on_the_cpu_and_says_so() -> None:
    model = OrtRuntime().load(affine_model(), device="cpu")

    assert model.device == "cpu"
    assert [(i.name, i.element, i.shape) for i in model.inputs] == [("x", "float", (None, 3))]
    np.testing.assert_array_equal(model.run({"x": rows(2)}, ["y"])["y"], [[8.0], [26.0]])


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
def test_auto_without_cuda_gets_the_cpu() -> None:
    assert OrtRuntime().load(affine_model(), device="auto").device == "cpu"


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
def test_explicit_cuda_never_falls_back() -> None:
    with pytest.raises(RuntimeUnavailableError, match="device 'cuda' was asked for"):
        OrtRuntime().load(affine_model(), device="cuda")


def test_a_session_that_fell_back_to_the_cpu_is_an_error_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the GPU build does on a machine without a GPU: it lists CUDA, raises nothing, and runs on the CPU.
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    cpu = onnxruntime.InferenceSession(affine_model(), providers=["CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_args, **_kwargs: cpu)

    with pytest.raises(RuntimeUnavailableError, match="fell back to the CPU"):
        OrtRuntime().load(affine_model(), device="cuda")

    assert OrtRuntime().load(affine_model(), device="auto").device == "cpu"


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_a_fixed_batch_dimension_takes_any_number_of_rows(n: int) -> None:
    model = OrtRuntime().load(affine_model(batch=3), device="cpu")

    np.testing.assert_array_equal(model.run({"x": rows(n)}, ["y"])["y"], rows(n) @ [[1.0], [2.0], [3.0]])


def test_io_binding_gives_the_same_answer() -> None:
    plain = OrtRuntime().load(affine_model(), device="cpu")
    bound = OrtRuntime(RuntimeSettings(io_binding=True)).load(affine_model(), device="cpu")

    np.testing.assert_array_equal(bound.run({"x": rows(5)}, ["y"])["y"], plain.run({"x": rows(5)}, ["y"])["y"])


def test_a_graph_that_cannot_be_loaded_is_the_bundles_fault() -> None:
    with pytest.raises(BundleError, match=r"model\.onnx: ONNX Runtime cannot run this graph"):
        OrtRuntime().load(affine_model()[:40], device="cpu")


def test_rows_that_do_not_fit_give_an_error_without_internal_text() -> None:
    model = OrtRuntime().load(affine_model(), device="cpu")

    with pytest.raises(ModelOutputError, match="the model failed on a batch of 2 rows") as caught:
        model.run({"x": np.zeros((2, 4), dtype=np.float32)}, ["y"])

    assert "onnxruntime/core" not in str(caught.value)
    assert str(caught.value).endswith("fits the graph, and whether the graph takes more than one row at a time")


def test_an_output_without_one_entry_per_row_is_refused() -> None:
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=[0], keepdims=1)],
        "mean_over_rows",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9).SerializeToString()

    with pytest.raises(ModelOutputError, match=r"output 'y' has shape \(1, 3\) for 2 rows"):
        OrtRuntime().load(content, device="cpu").run({"x": rows(2)}, ["y"])
