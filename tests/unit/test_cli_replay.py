"""`xaisvc replay` and `xaisvc records` find the records, keys and bundles that the settings of the service name."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tests.unit.engine.conftest import bundle_dir, explainer, frozen_surroundings  # noqa: F401  fixtures
from tests.unit.records.events import MASTER, open_store
from xaisvc.cli import app
from xaisvc.engine.commands import ExplainCommand, Feedback, ViewRequest
from xaisvc.engine.loading import make_service
from xaisvc.errors import InvalidRequestError, NotFoundError, StoreError
from xaisvc.records import store_path

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from xaisvc.engine.explainer import Explainer

ROWS = [{"a": 1.5, "b": 0.5}, {"a": 2.5, "b": -0.5}]


@pytest.fixture
def data(explainer: Explainer, tmp_path: Path) -> Path:  # noqa: F811  the fixture
    """Encrypted records of two rows of one request, with a view and feedback about the first; the key is beside it."""
    folder = tmp_path / "data"
    with closing(open_store(store_path(folder), master=MASTER)) as store:
        service = make_service([explainer], store, surroundings=frozen_surroundings())
        service.explain(ExplainCommand(bundle="log-model", rows=ROWS))
        service.render_view("id-1-0", ViewRequest(audience="customer", format="text"))
        service.submit_feedback(Feedback(explanation_id="id-1-0", verdict="agree", comment="as I thought"))
        service.submit_feedback(Feedback(explanation_id="id-1-1", verdict="deviate"))
    (tmp_path / "master.key").write_text(MASTER.secret.hex())
    return folder


def run(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def set_all(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAISVC_DATA_DIR", str(data))
    monkeypatch.setenv("XAISVC_MASTER_KEY_FILE", str(data.parent / "master.key"))
    monkeypatch.setenv("XAISVC_MODELS", str(data.parent / "log-model"))


@pytest.mark.usefixtures("bundle_dir")
def test_the_environment_names_records_key_and_bundles(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(data, monkeypatch)

    assert "id-1-1: agrees" in run("replay", "id-1-1").output
    assert "4 events" in run("records", "verify").output
    assert "not checked" not in run("records", "verify").output
    assert len(run("records", "export").output.splitlines()) == 4
    assert "customer" in run("records", "usage").output
    assert run("records", "retain").output == "Nothing is older than it must be kept.\n"
    assert "Nothing is recorded about this subject" in run("records", "erase", "nobody").output


@pytest.mark.usefixtures("bundle_dir")
def test_a_settings_file_names_them_relative_to_itself(data: Path) -> None:
    config = data.parent / "xaisvc.toml"
    config.write_text('data_dir = "data"\nmaster_key_file = "master.key"\nmodels = ["log-model"]\n')

    assert "id-1-0: agrees" in run("replay", "id-1-0", "--config", str(config)).output
    for command in (["verify"], ["export"], ["usage"], ["retain"], ["erase", "nobody"]):
        run("records", *command, "--config", str(config))


def test_flags_win(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(data, monkeypatch)
    with pytest.raises(NotFoundError, match="no records in"):
        run("records", "verify", "--data-dir", str(tmp_path / "elsewhere"))
    (tmp_path / "wrong.key").write_text("00" * 32)
    with pytest.raises(StoreError):
        run("records", "export", "--master-key-file", str(tmp_path / "wrong.key"))


def test_a_replay_without_bundles_says_what_is_missing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(data, monkeypatch)
    monkeypatch.delenv("XAISVC_MODELS")
    with pytest.raises(InvalidRequestError, match="--models: is missing: name the folder of the bundle"):
        run("replay", "id-1-0")


def test_what_the_settings_keep_for_longer_is_kept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records are of November 2026, which `--months` counts from the clock of this machine: none is old enough, and
    only what is asked of the store tells."""
    set_all(data, monkeypatch)
    monkeypatch.setenv("XAISVC_RETENTION_MONTHS", "7")
    monkeypatch.setenv("XAISVC_RETENTION", "log-model=0,other=60")
    asked: list[tuple[dict[str, int], int]] = []

    def retain(_: object, months: dict[str, int], *, default_months: int, caller: str) -> dict[str, int]:  # noqa: ARG001
        asked.append((months, default_months))
        return {}

    monkeypatch.setattr("xaisvc.records.SqliteRecordStore.retain", retain)
    run("records", "retain", "--bundle", "other=61")
    run("records", "retain", "--months", "3")

    assert asked == [({"log-model": 12_000, "other": 61}, 7), ({"log-model": 12_000, "other": 60}, 3)]


def exported(*arguments: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in run("records", "export", *arguments).output.splitlines()]


def test_an_export_can_be_read(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(data, monkeypatch)
    explained, view, agreed, deviated = exported()

    first, second = explained["parts"]  # type: ignore[misc] # JSON
    assert (first["id"], first["row"]) == ("id-1-0", ROWS[0])
    assert (second["id"], second["row"]) == ("id-1-1", ROWS[1])
    assert [player["player"] for player in first["attribution"]["players"]] == ["a", "b"]
    assert (view["kind"], view["parts"]) == ("view", [])
    assert (agreed["kind"], agreed["parts"]) == ("feedback", [{"comment": "as I thought"}])
    assert deviated["parts"] == []


def test_an_export_about_an_explanation_holds_it_and_no_other_row(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(data, monkeypatch)
    explained, *rest = exported("--about", "id-1-1")

    assert (explained["kind"], explained["places"]) == ("explanations", [1])
    assert [part["id"] for part in explained["parts"]] == ["id-1-1"]  # type: ignore[attr-defined] # JSON
    assert [(event["kind"], event["about"]) for event in rest] == [("feedback", "id-1-1")]
    assert [event["kind"] for event in exported("--about", "id-1-0")] == ["explanations", "view", "feedback"]
    assert exported("--about", "id-1-0", "--bundle", "other") == []
    with pytest.raises(NotFoundError, match="there is no explanation with this id"):
        run("records", "export", "--about", "id-1-2")


def test_an_export_gives_the_bytes_where_they_are_asked_for(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(data, monkeypatch)
    (explained, *_) = exported("--raw")
    (alone, *_) = exported("--raw", "--about", "id-1-1")

    assert all(isinstance(part, str) for part in explained["parts"])  # type: ignore[attr-defined] # JSON
    assert isinstance(explained["frame"], str)
    assert alone["parts"] == explained["parts"][1:]  # type: ignore[index] # JSON


def test_what_this_version_cannot_read_comes_as_it_is(tmp_path: Path) -> None:
    from tests.unit.records.events import add, make_event

    with closing(open_store(store_path(tmp_path / "data"))) as store:
        add(store, make_event("e", b"\xff of another version"))
    (line,) = exported("--data-dir", str(tmp_path / "data"))

    assert line["parts"] == [{"base64": "/yBvZiBhbm90aGVyIHZlcnNpb24="}]
