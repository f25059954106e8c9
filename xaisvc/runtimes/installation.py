"""Checks that exactly one of the two ONNX Runtime distributions is installed.

Both install the same Python module: with both present, the one installed last wins and CUDA comes or goes by accident.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from xaisvc.errors import RuntimeUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

CPU_DISTRIBUTION = "onnxruntime"
GPU_DISTRIBUTION = "onnxruntime-gpu"


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def check_installation(is_installed: Callable[[str], bool] = _is_installed) -> str:
    """Says which ONNX Runtime distribution is installed.

    Args:
        is_installed: Tells whether a distribution is installed; the default asks the Python environment.

    Returns:
        The distribution's name.

    Raises:
        RuntimeUnavailableError: If neither or both are installed; the message says which command mends it.
    """
    found = [name for name in (CPU_DISTRIBUTION, GPU_DISTRIBUTION) if is_installed(name)]
    if not found:
        msg = (
            "no ONNX Runtime is installed; install one of the two: pip install 'xaisvc[cpu]', "
            "or on a machine with an NVIDIA GPU: pip install 'xaisvc[gpu]'"
        )
        raise RuntimeUnavailableError(msg)
    if len(found) > 1:
        msg = (
            "both onnxruntime and onnxruntime-gpu are installed, and they overwrite each other's files; "
            "uninstall both (pip uninstall -y onnxruntime onnxruntime-gpu), then install one of "
            "'xaisvc[cpu]' and 'xaisvc[gpu]'"
        )
        raise RuntimeUnavailableError(msg)
    return found[0]
