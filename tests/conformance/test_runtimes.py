"""Every registered runtime, on every device of this machine, answers as ONNX Runtime itself does on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import onnxruntime
import pytest

from tests.e2e.zoo import cases
from xaisvc.runtimes import RUNTIMES, OrtRuntime, RuntimeSettings
from xaisvc.types import Device

if TYPE_CHECKING:
    from pathlib import Path

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
SETTINGS = {
    "defaults": RuntimeSettings(),
    "bound": RuntimeSettings(io_binding=True),
    "two threads": RuntimeSettings(threads=2),
    "not deterministic": RuntimeSettings(deterministic=False),
}
# float32 sums in another order: CUDA kernels and several threads may differ in the last bits.
TOLERANCE = 1e-5


@pytest.mark.parametrize("name", ["gradient-boosting-binary", "exported-network", "exported-network-batch-of-4"])
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("device", [name for name in get_args(Device) if name != "auto"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_answers_are_those_of_the_graph(runtime: str, device: Device, settings: str, name: str, tmp_path: Path) -> None:
    if device == "cuda" and not HAS_CUDA:
        pytest.skip("this machine has no CUDA")
    case = cases(str(tmp_path))[name]()
    x = case.data[:12].to_numpy(dtype=np.float32)
    session = onnxruntime.InferenceSession(case.model, providers=["CPUExecutionProvider"])
    tensor = next(o.name for o in session.get_outputs() if o.type == "tensor(float)")
    feed = session.get_inputs()[0].name
    size = 4 if "batch-of-4" in name else len(x)
    expected = np.concatenate([session.run([tensor], {feed: x[i : i + size]})[0] for i in range(0, len(x), size)])
    model = RUNTIMES[runtime](SETTINGS[settings]).load(case.model, device=device)

    answer = model.run({feed: x}, [tensor])[tensor]

    assert model.device == device
    np.testing.assert_allclose(answer, expected, rtol=0, atol=TOLERANCE)


def test_the_registry_holds_the_runtime_that_bundles_need() -> None:
    assert RUNTIMES["onnxruntime"] is OrtRuntime
