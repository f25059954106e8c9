"""The machine that something was measured on, the packages it was measured with, and the memory that it took."""

from __future__ import annotations

import platform
import resource
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from xaisvc.engine.surroundings import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Iterable


def forget_peak_memory() -> None:
    """Lets the kernel count the peak anew; where it does not, the peak is that of the process so far."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mib() -> float:
    """Most memory of the process since it was last forgotten, in MiB."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def describe_machine() -> dict[str, object]:
    """Processor, CPUs that the process may use, system and Python."""
    processor = platform.processor() or platform.machine()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return {
        "processor": processor,
        "cpus": usable_cpus(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def describe_versions(packages: Iterable[str]) -> dict[str, str]:
    """Package to version, of those that are installed."""
    found = {}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
