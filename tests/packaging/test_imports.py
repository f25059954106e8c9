"""What is loaded when, and who knows whom where import-linter cannot say it."""

from __future__ import annotations

import subprocess
import sys

import grimp
import pytest

HEAVY = frozenset(
    {
        "google.protobuf",
        "grpc",
        "lime",
        "matplotlib",
        "numba",
        "onnx",
        "onnxruntime",
        "pandas",
        "pyarrow",
        "redis",
        "scipy",
        "shap",
        "skimage",
        "sklearn",
    }
)

HELP = """
import sys
from xaisvc.cli import main
sys.argv = ["xaisvc", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code
"""


def _loads(code: str) -> set[str]:
    """The heavy modules that are loaded after running code in a process of its own."""
    tail = "\nimport sys\nprint()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)  # noqa: S603  own words
    return HEAVY & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("code", ["import xaisvc", HELP], ids=["import xaisvc", "xaisvc --help"])
def test_nothing_heavy_is_loaded_before_it_is_used(code: str) -> None:
    assert _loads(code) == set()


def test_the_test_above_sees_what_is_loaded() -> None:
    assert _loads("import redis") == {"redis"}


def test_in_the_server_only_conversions_know_both_the_protocol_and_the_values() -> None:
    graph = grimp.build_graph("xaisvc", exclude_type_checking_imports=False)
    both = set()
    for module in graph.find_descendants("xaisvc.server"):
        imported = graph.find_modules_directly_imported_by(module)
        if all(any((name + ".").startswith(side) for name in imported) for side in ("xaisvc.v1.", "xaisvc.types.")):
            both.add(module)

    assert "xaisvc.server.convert" in both
    assert {name for name in both if not name.startswith("xaisvc.server.convert")} == set()
