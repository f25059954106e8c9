"""A bank's own folder of audiences is read by the library and by every command that writes views."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner

import xaisvc
from xaisvc.cli import app
from xaisvc.demo.cases import BUNDLES, MAIN_MODEL, load_cases
from xaisvc.errors import AudienceError, InvalidInputError, NotFoundError
from xaisvc.views.loader import audiences_folder

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from xaisvc.engine.batch import ExplanationBatch

ROW = load_cases()[0].row
OWN = "A letter of our own"
DESK = """schema: xaisvc.audience/v1
id: desk
extends: data_scientist
version: 1
label: {en: Desk of the bank, nl: Balie van de bank}
purpose: {en: Look, nl: Kijken}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Audiences with another title over the customer's letter, and one audience more."""
    folder = shutil.copytree(audiences_folder(), tmp_path_factory.mktemp("own") / "audiences")
    letter = folder / "customer" / "messages" / "en.yaml"
    words = yaml.safe_load(letter.read_text(encoding="utf-8"))
    words["messages"]["view"]["title"] = OWN
    letter.write_text(yaml.safe_dump(words, allow_unicode=True), encoding="utf-8")
    (folder / "desk").mkdir()
    (folder / "desk" / "audience.yaml").write_text(DESK, encoding="utf-8")
    policy = folder / "classes.yaml"
    rows = yaml.safe_load(policy.read_text(encoding="utf-8"))
    rows["audiences"]["desk"] = rows["audiences"]["data_scientist"]
    policy.write_text(yaml.safe_dump(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def batch() -> ExplanationBatch:
    return xaisvc.Explainer(BUNDLES / MAIN_MODEL, device="cpu").explain([ROW])


def test_the_library_shows_what_the_folder_declares(batch: ExplanationBatch, own: Path) -> None:
    assert OWN in batch[0].view("customer", folder=own).to_text()
    assert OWN in batch.views("customer", folder=own)[0].to_text()
    assert OWN not in batch[0].view("customer").to_text()
    assert batch[0].view("desk", folder=own).document.audience == "desk"
    with pytest.raises(NotFoundError, match="desk"):
        batch[0].view("desk")


def test_what_others_are_told_is_what_the_folder_declares(batch: ExplanationBatch, own: Path) -> None:
    assert "Desk of the bank" in batch[0].view("data_scientist", folder=own).to_text()
    assert "Desk of the bank" not in batch[0].view("data_scientist").to_text()


def test_a_folder_that_is_not_there_is_refused(batch: ExplanationBatch, tmp_path: Path) -> None:
    with pytest.raises(AudienceError, match="the audiences folder 'nowhere' does not exist"):
        batch[0].view("customer", folder=tmp_path / "nowhere")


def explain(rows: Path, *arguments: str, **variables: str) -> Result:
    words = ["explain", str(BUNDLES / MAIN_MODEL), str(rows), "-a", "customer", "--device", "cpu", *arguments]
    result = CliRunner().invoke(app, words, env={"XAISVC_CONFIG": "", "XAISVC_AUDIENCES_DIR": None, **variables})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_explain_reads_the_folder_from_flag_variable_and_file_in_this_order(own: Path, tmp_path: Path) -> None:
    rows, settings = tmp_path / "rows.json", tmp_path / "settings.toml"
    rows.write_text(json.dumps([dict(ROW)]), encoding="utf-8")
    settings.write_text(f'audiences_dir = "{own}"\n', encoding="utf-8")
    usual = str(audiences_folder())

    assert OWN not in explain(rows).stdout
    assert OWN in explain(rows, "--audiences-dir", str(own)).stdout
    assert OWN in explain(rows, XAISVC_AUDIENCES_DIR=str(own)).stdout
    assert OWN in explain(rows, XAISVC_CONFIG=str(settings)).stdout
    assert OWN not in explain(rows, XAISVC_CONFIG=str(settings), XAISVC_AUDIENCES_DIR=usual).stdout
    assert OWN not in explain(rows, "--audiences-dir", usual, XAISVC_AUDIENCES_DIR=str(own)).stdout
    with pytest.raises(InvalidInputError, match=r"XAISVC_AUDIENCE_DIR: .*; did you mean XAISVC_AUDIENCES_DIR\?"):
        explain(rows, XAISVC_AUDIENCE_DIR=str(own))
