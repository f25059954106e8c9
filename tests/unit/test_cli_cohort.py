"""`xaisvc cohort` writes what recorded explanations say together, from the folder of a service."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.unit.records.events import MASTER, open_store
from xaisvc.cli import app
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.commands import ExplainCommand
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.loading import make_service
from xaisvc.engine.surroundings import Surroundings
from xaisvc.errors import InvalidRequestError, NotFoundError, StoreError
from xaisvc.records import EventKind, RecordFolder, Verifier, load_subject_keys, store_path, verify_store
from xaisvc.records.store_keys import SIGNING_PUBLIC
from xaisvc.types import Caller, Table
from xaisvc.views.loader import audiences_folder

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

NAME = "german-credit-logistic"


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(BUNDLES / NAME, "cpu")


@pytest.fixture
def data(explainer: Explainer, tmp_path: Path) -> Path:
    """Encrypted records of 90 applicants on two days long over, 30 of them of another tenant; the key is beside it."""
    folder, numbers, day = tmp_path / "data", count(1), ["2026-01-05"]
    world = Surroundings(
        clock=lambda: 0.0,
        now=lambda: datetime.fromisoformat(f"{day[0]}T12:00:00").replace(tzinfo=UTC),
        new_id=lambda: f"e{next(numbers)}",
    )
    background = explainer.bundle.background
    with closing(open_store(store_path(folder), master=MASTER)) as store:
        service = make_service([explainer], store, surroundings=world)
        for place, (when, tenant) in enumerate((("2026-01-05", ""), ("2026-02-05", ""), ("2026-02-05", "rival"))):
            day[0] = when
            rows = background.take(np.arange(30))
            rows = Table(dict(rows.columns) | {"amount_dm": 1000.0 * (place + 1) + np.arange(30)})
            command = ExplainCommand(bundle=NAME, rows=[rows.row(i) for i in range(30)])
            service.explain(command, caller=Caller(id="desk", tenant=tenant))
    (tmp_path / "master.key").write_text(MASTER.secret.hex())
    return folder


def run(data: Path, *arguments: str) -> Result:
    flags = ("--data-dir", str(data), "--master-key-file", str(data.parent / "master.key"))
    result = CliRunner().invoke(app, ["cohort", NAME, *arguments, *flags])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_days_are_shown_and_compared(data: Path) -> None:
    found = run(data, "--since", "2026-02-01", "--until", "2026-03-01", "--against-until", "2026-02-01", "-s", "band")

    assert found.stdout.startswith("Model review: Risk that the loan is not repaid\n")
    assert "60 loan applications · 1 February 2026 to 28 February 2026" in " ".join(found.stdout.split())
    assert "Compared with 30 other cases: up to 31 January 2026." in " ".join(found.stdout.split())


def test_a_tenant_is_shown_alone(data: Path) -> None:
    assert "30 loan applications" in run(data, "--tenant", "rival").stdout
    with pytest.raises(InvalidRequestError, match="selection: holds fewer than 20 explanations"):
        run(data, "--tenant", "nobody")


def test_named_explanations_in_every_format(data: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join(f" e1-{i}" for i in range(30)) + "\n\n")

    page = json.loads(run(data, "--ids", str(ids), "-f", "json", "--language", "nl").stdout)
    assert page["subtitle"].startswith("30 ")
    assert page["language"] == "nl"
    for form, start in (("html", b"<!DOCTYPE html>"), ("markdown", b"# "), ("pdf", b"%PDF")):
        out = tmp_path / "pages" / f"review.{form}"
        assert run(data, "--ids", str(ids), "-f", form, "-o", str(out)).stdout.strip() == str(out)
        assert out.read_bytes().lstrip()[: len(start)] == start


def test_a_folder_of_audiences_of_ones_own(data: Path, tmp_path: Path) -> None:
    own = shutil.copytree(audiences_folder(), tmp_path / "audiences")
    words = own / "business_manager" / "messages" / "en.yaml"
    words.write_text(words.read_text(encoding="utf-8").replace("Model review:", "Our own review:"), encoding="utf-8")

    assert run(data, "--audiences-dir", str(own)).stdout.startswith("Our own review: Risk")


def test_that_it_was_made_is_recorded_in_a_chain_that_still_holds(data: Path) -> None:
    run(data, "--until", "2026-03-01", "-s", "purpose")

    tags, envelope = load_subject_keys(data, MASTER)
    with closing(RecordFolder(data, envelope)) as folder:
        (event,) = folder.events(kinds=(EventKind.VIEW,))
    assert (event.bundle, event.head["audience"], event.head["format"]) == (NAME, "business_manager", "text")
    assert event.head["cohort"] == {
        "output": "", "segment_by": ["purpose"], "of": {"since": "", "until": "2026-03-01"}, "against": None,
    }  # fmt: skip
    report = verify_store(store_path(data), Verifier.load(data / SIGNING_PUBLIC), tags=tags, envelope=envelope)
    assert report.ok


def test_what_cannot_be_read_or_written_is_said(data: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")

    for arguments, message in (
        (("--ids", str(tmp_path / "none.txt")), "cannot read .*; it holds one id a line"),
        (("--ids", str(empty)), "holds no id"),
        (("--format", "pdf"), "--format: a PDF cannot be printed; say with --out where to write it"),
        (("--audience", "customer"), "audience: 'customer' has no view of many cases"),
        (("-s", "shoe"), "a cohort cannot be cut by 'shoe'"),
        (("--out", str(tmp_path)), "cannot write"),
    ):
        with pytest.raises(InvalidRequestError, match=message):
            run(data, *arguments)
    with pytest.raises(NotFoundError, match="no records in"):
        CliRunner().invoke(app, ["cohort", NAME, "--data-dir", str(tmp_path)], catch_exceptions=False)
    with pytest.raises(StoreError, match="master key"):
        CliRunner().invoke(app, ["cohort", NAME, "--data-dir", str(data)], catch_exceptions=False)
