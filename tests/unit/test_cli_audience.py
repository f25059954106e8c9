from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tests.unit.views.cases import make_open_description, make_record
from xaisvc import cli_audience
from xaisvc.cli_audience import audience_app
from xaisvc.errors import InvalidRequestError, NotFoundError
from xaisvc.views.lint import GoldenCase
from xaisvc.views.loader import audiences_folder

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

CASE = GoldenCase(
    name="case-1", record=make_record(description=make_open_description()), description=make_open_description()
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(audiences_folder(), tmp_path / "audiences")


@pytest.fixture
def no_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files alone: explaining real cases takes seconds, and has a test of its own."""
    monkeypatch.setattr(cli_audience, "_golden", lambda _: ((), {}))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(audience_app, arguments, catch_exceptions=False)


@pytest.mark.usefixtures("no_cases")
def test_lint_of_what_comes_along_finds_nothing() -> None:
    done = run("lint")

    assert done.exit_code == 0
    assert "audiences  business_manager, customer, data_scientist, fraud_analyst, relationship_manager" in done.stdout
    assert "packs      eu_consumer_credit, us_reg_b" in done.stdout
    assert done.stdout.endswith("\nNothing to put right\n")


def test_lint_reports_findings_and_exits_with_1(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(cli_audience, "_golden", lambda _: ((CASE,), {}))
    done = run("lint", str(folder))

    assert done.exit_code == 1
    assert "customer (nl)" in done.stdout
    assert "Flesch-Douma ease at least" in done.stdout
    assert "Mandated by law, so not measured\n" in done.stdout
    assert "\nFindings: 1\n" in done.stdout
    assert "bundle credit-fixture: has no label in 'nl' for feature 'checking_status' and " in done.stdout


@pytest.mark.usefixtures("no_cases")
def test_lint_of_one_audience_names_it_alone() -> None:
    assert "audiences  customer\n" in run("lint", "customer").stdout


@pytest.mark.usefixtures("no_cases")
def test_a_folder_that_does_not_load_is_a_finding(folder: Path) -> None:
    (folder / "customer" / "messages" / "nl.yaml").unlink()
    done = run("lint", str(folder))

    assert done.exit_code == 1
    assert "audiences  none could be loaded" in done.stdout
    assert "audiences: customer/messages/nl.yaml: the file is missing; add it" in done.stdout


def test_what_is_neither_a_folder_nor_an_audience_is_refused(folder: Path) -> None:
    with pytest.raises(
        NotFoundError, match="'nobody' is neither a folder nor an audience; known: business_manager, cus"
    ):
        run("lint", "nobody")
    with pytest.raises(InvalidRequestError, match="the folder is given twice; name it once"):
        run("lint", str(folder), "--folder", str(folder))


def test_show_prints_the_declaration() -> None:
    text = run("show", "customer").stdout

    assert "audience       customer, version 3\n" in text
    assert "label (nl)     Klant\n" in text
    assert "reading (en)   words in a sentence at most 22, Flesch-Kincaid grade at most 7.5\n" in text
    assert "reading (nl)   words in a sentence at most 22, Flesch-Douma ease at least 60\n" in text
    assert "  aml            closed\n" in text
    assert "  principal_reasons  principal_reasons (maximum: 4, floor: 0.1, certainty: 2.0)\n" in text


def test_show_of_an_unknown_audience_lists_the_known() -> None:
    with pytest.raises(NotFoundError, match="there is no audience 'nobody'; known: business_manager, customer"):
        run("show", "nobody")
