"""Runs ONNX graphs on a device. The only place that knows ONNX Runtime."""

from xaisvc.runtimes.installation import check_installation
from xaisvc.runtimes.ort import OrtRuntime, RuntimeSettings

RUNTIMES = {"onnxruntime": OrtRuntime}

__all__ = ["RUNTIMES", "OrtRuntime", "RuntimeSettings", "check_installation"]
