"""The results file: one entry for each scenario, with what it was measured on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.performance.machine import commit, describe_machine

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULTS = Path(__file__).parent / "results.json"
PACKAGES = ("apsw", "grpcio", "hiredis", "numba", "numpy", "onnxruntime", "protobuf", "redis", "xaisvc")


def read(path: Path = RESULTS) -> dict[str, Any]:
    """The results so far; empty if there are none."""
    if not path.exists():
        return {"scenarios": {}}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def merge(path: Path, scenario: str, result: Mapping[str, Any]) -> None:
    """Puts the result of one scenario into a results file, in place of an older one."""
    content = read(path)
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(Path(__file__).parents[2]),
        "machine": describe_machine(),
        "versions": {name: _version(name) for name in PACKAGES},
    }
    content["scenarios"] = {**content["scenarios"], scenario: {**about, **result}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
