"""What the numbers were measured on and with."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "fasttreeshap-fixed",
    "lightgbm",
    "lightshap",
    "lime",
    "numba",
    "numpy",
    "onnx",
    "onnxmltools",
    "onnxruntime",
    "scikit-learn",
    "scipy",
    "shap",
    "shapiq",
    "skl2onnx",
    "woodelf-explainer",
    "xaisvc",
    "xgboost-cpu",
)


def describe_machine() -> dict[str, object]:
    """Processor, cores that this process may use, memory and system."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line for line in lines if line.startswith("flags")), "")
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": model,
        "avx512": "avx512f" in flags,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages * page / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def describe_versions() -> dict[str, str]:
    """Version of every package that takes part, `not installed` where it is missing."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def commit(root: Path) -> str:
    """The commit that is checked out, with a mark if files differ from it; `unknown` outside a checkout."""
    git = ["git", "-C", str(root)]
    try:
        found = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603  own words
        changed = subprocess.run(  # noqa: S603  own words
            [*git, "status", "--porcelain", "--untracked-files=no", "--", "xaisvc", "benchmarks/performance"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip() + ("-changed" if changed.stdout.strip() else "")
