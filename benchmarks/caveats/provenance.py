"""What figures were measured with and on: versions, machine, and the digest of the code behind each study."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("lightgbm", "lime", "numpy", "onnx", "onnxruntime", "scikit-learn", "scipy", "xaisvc")
SHORT = 12
"""Characters of a digest that are kept."""


def machine() -> dict[str, object]:
    """Processor, CPUs that this process may use, system and Python."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text(encoding="utf-8").splitlines() if names.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": model,
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Version of each package, `not installed` where it is missing."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def code(sources: tuple[str, ...]) -> str:
    """Digest of these packages and modules, as they are on disk."""
    digest = hashlib.sha256()
    for path in sorted({file for one in sources for file in _files(one)}):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:SHORT]


def _files(source: str) -> list[Path]:
    spec = find_spec(source)
    if spec is None or spec.origin is None:
        raise AssertionError(f"{source} is no module of this installation")
    origin = Path(spec.origin)
    return sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
