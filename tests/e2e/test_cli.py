"""The command line as a person uses it: a model of their own, from the file to a letter."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import xaisvc as library
from tests.e2e.zoo import cases
from xaisvc import bundles
from xaisvc.cli import main
from xaisvc.demo.cases import BUNDLES, CARD_MODEL, load_cases, load_payments


@dataclass(frozen=True)
class Done:
    """What a call of the command line left behind."""

    returncode: int
    stdout: str
    stderr: str


def xaisvc(*arguments: str | Path, stdin: str = "") -> Done:
    """Calls the command line in this process: the libraries behind it take seconds to load in a new one."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["xaisvc", *map(str, arguments)], io.TextIOWrapper(io.BytesIO(stdin.encode()))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    else:
        code = 0
    finally:
        sys.argv, sys.stdin = before
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with somebody's own model, data, rows, and the bundle that `bundle init` drafts."""
    folder = tmp_path_factory.mktemp("own")
    case = cases(str(folder))["pipeline-boosting"]()
    (folder / "model.onnx").write_bytes(case.model)
    case.data[:80].to_csv(folder / "data.csv", index=False)
    case.data[100:103].to_csv(folder / "rows.csv", index=False)
    done = xaisvc("bundle", "init", folder / "model.onnx", "--background", folder / "data.csv", "-o", folder / "credit")
    assert done.returncode == 0, done.stderr
    assert "Next: edit" in done.stdout
    return folder


def test_check_passes_and_says_what_readers_would_miss(own: Path) -> None:
    done = xaisvc("bundle", "check", own / "credit")

    assert done.returncode == 0, done.stdout
    assert "0 errors" in done.stdout
    assert "owner, purpose, out_of_scope still say 'TO FILL'" in done.stdout
    assert "4 of 4 features have no sensitivity class" in done.stdout


def test_check_fails_when_the_graph_answers_otherwise_than_the_model_did(own: Path, tmp_path: Path) -> None:
    reference = pd.read_csv(own / "rows.csv").assign(**{"prediction:probability_1": 0.5})
    reference.to_csv(tmp_path / "reference.csv", index=False)
    xaisvc(
        "bundle", "init", own / "model.onnx", "-b", own / "data.csv", "-o", tmp_path / "drifted",
        "--reference", tmp_path / "reference.csv",
    )  # fmt: skip
    done = xaisvc("bundle", "check", tmp_path / "drifted")

    assert done.returncode == 1
    assert "3 of 3 rows differ" in done.stdout


def test_show_is_a_summary(own: Path) -> None:
    done = xaisvc("bundle", "show", own / "credit")

    assert done.returncode == 0
    assert "features (4)" in done.stdout
    assert "car, house, other, study" in done.stdout


def test_explain_prints_the_view_of_a_data_scientist(own: Path) -> None:
    done = xaisvc("explain", own / "credit", own / "rows.csv", "--row", "1")

    assert done.returncode == 0, done.stderr
    assert "Base value" in done.stdout
    assert "income" in done.stdout


def test_explain_writes_one_file_per_row(own: Path, tmp_path: Path) -> None:
    done = xaisvc(
        "explain", own / "credit", own / "rows.csv", "-r", "0", "-r", "2", "-a", "business_manager", "-f", "html",
        "-o", tmp_path / "views",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in (tmp_path / "views").iterdir())
    assert written == ["row-0-business_manager.html", "row-2-business_manager.html"]
    assert (tmp_path / "views" / written[0]).read_text().startswith("<!DOCTYPE html>")


def test_explain_says_what_days_facts_are_from(tmp_path: Path) -> None:
    rows, days = tmp_path / "rows.json", tmp_path / "days.csv"
    rows.write_text(json.dumps([dict(case.row) for case in load_cases()[:2]]))
    days.write_text("checking_account,duration_months\n2026-03-03,\n,2026-01-31\n")
    ask = ("explain", BUNDLES / "german-credit-logistic", rows, "-a", "customer")
    both, second = xaisvc(*ask, "--dates", days), xaisvc(*ask, "--dates", days, "--row", "1")
    days.write_text("checking_account\n2026-03-03\n3 March\n")
    wrong = xaisvc(*ask, "--dates", days)

    assert [both.stdout.count(f"From {origin}:\n") for origin in (
        "the bank's own records, 3 March 2026", "the application form, 31 January 2026",
    )] == [1, 1]  # fmt: skip
    assert "31 January 2026" in second.stdout
    assert "3 March 2026" not in second.stdout
    assert wrong.returncode != 0
    assert "fact_dates[1].checking_account: must be the day that the value is from, such as 2026-01-31" in wrong.stderr
    assert not wrong.stdout


def test_explain_writes_a_pdf(own: Path, tmp_path: Path) -> None:
    pytest.importorskip("weasyprint", reason="needs the extra pdf", exc_type=ImportError)
    done = xaisvc("explain", own / "credit", own / "rows.csv", "-r", "0", "-a", "customer", "-f", "pdf", "-o", tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "row-0-customer.pdf").read_bytes().startswith(b"%PDF-")


def test_an_alert_shows_its_rating_to_whoever_judged_it_and_nothing_to_those_it_does_not_concern(
    tmp_path: Path,
) -> None:
    bundle, rows = BUNDLES / CARD_MODEL, tmp_path / "rows.json"
    rows.write_text(json.dumps([load_payments()[0].row]), encoding="utf-8")
    ask = ("explain", bundle, rows, "--audience", "fraud_analyst", "--format", "text")
    before, after = xaisvc(*ask), xaisvc(*ask, "--judged")
    refused = xaisvc("explain", bundle, rows, "--audience", "customer")

    assert ("Urgent alert" in before.stdout, "Urgent alert" in after.stdout) == (False, True)
    assert "Your first judgement" in before.stdout
    assert refused.returncode != 0
    assert "model 'card-fraud' has no views for the audience 'customer', whatever the case" in refused.stderr


def test_explain_reads_json_from_standard_input() -> None:
    row = json.dumps([dict(load_cases()[0].row)])
    done = xaisvc("explain", BUNDLES / "german-credit-boosting", "-", "-a", "customer", stdin=row)

    assert done.returncode == 0, done.stderr
    assert "The main reasons" in done.stdout
    assert "48 months" in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--row", "7"], "row: there is no row 7; the file has rows 0 to 2"),
        (["--audience", "king"], "there is no audience 'king'; known audiences: "),
        (["--format", "pdf"], "--format: a PDF cannot be printed; say with --out where to write it"),
        (["--format", "doc"], "unknown format 'doc'"),
        (["--method", "magic"], "method: unknown method 'magic'"),
        (["--method", "linear"], "method: 'linear' does not apply here"),
        (["--space", "percent"], "space: 'percent' is not one of probability, log_odds, raw"),
        (["--budget", "5", "--deadline", "1"], "budget: give one of --budget, --error-target and --deadline"),
        (["--method", "kernel", "--budget", "-5"], "budget: the budget must be positive and finite"),
        (["--players", "teams"], "players"),
        (["--language", "xx"], "language"),
    ],
)
def test_a_wrong_option_is_named_without_a_traceback(own: Path, options: list[str], words: str) -> None:
    done = xaisvc("explain", own / "credit", own / "rows.csv", *options)

    assert done.returncode == 2
    assert done.stderr.startswith("xaisvc: ")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("truncated model", "model.onnx: the file is no ONNX model, or it was cut off or damaged"),
        ("missing background", "background.parquet: the file is missing"),
        ("unknown key", "bundle.yaml:4: colour: unknown key 'colour'"),
        ("linked model", "model.onnx"),
    ],
)
def test_a_spoilt_bundle_is_refused(own: Path, tmp_path: Path, spoil: str, words: str) -> None:
    bundle = tmp_path / "credit"
    shutil.copytree(own / "credit", bundle)
    if spoil == "truncated model":
        (bundle / "model.onnx").write_bytes((bundle / "model.onnx").read_bytes()[:3000])
    elif spoil == "missing background":
        (bundle / "background.parquet").unlink()
    elif spoil == "unknown key":
        text = (bundle / "bundle.yaml").read_text()
        (bundle / "bundle.yaml").write_text(text.replace("schema:", "colour: red\nschema:", 1))
    else:
        (bundle / "model.onnx").rename(tmp_path / "elsewhere.onnx")
        (bundle / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    done = xaisvc("explain", bundle, own / "rows.csv")

    assert done.returncode == 2
    assert done.stderr.startswith("xaisvc: ")
    assert words in done.stderr


def test_files_that_cannot_be_meant_are_refused(own: Path, tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text((own / "data.csv").read_text().replace("age,", "home,", 1))
    doubled = xaisvc("bundle", "init", own / "model.onnx", "-b", tmp_path / "twice.csv", "-o", tmp_path / "b")
    device = xaisvc("bundle", "init", "/dev/zero", "-b", own / "data.csv", "-o", tmp_path / "b")
    occupied = xaisvc("explain", own / "credit", own / "rows.csv", "-o", own / "model.onnx")

    assert "two columns are named 'home'" in doubled.stderr
    assert "/dev/zero: this is no regular file; check the path" in device.stderr
    assert "--out: cannot write" in occupied.stderr
    assert {doubled.returncode, device.returncode, occupied.returncode} == {2}


def test_control_characters_of_the_caller_are_not_printed(own: Path) -> None:
    done = xaisvc("explain", own / "credit", own / "rows.csv", "--audience", "\x1b[31mking\u202e")

    assert "there is no audience '\\x1b[31mking\\u202e'" in done.stderr


def test_serve_without_a_model_says_how_to_name_one(tmp_path: Path) -> None:
    done = xaisvc("serve", "--data-dir", tmp_path)

    assert done.returncode == 2
    assert "models: no bundle is named; use --models DIR or XAISVC_MODELS" in done.stderr


def test_a_command_that_is_stopped_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bundles, "load_bundle", stop)
    done = xaisvc("bundle", "show", "anywhere")

    assert done == Done(130, "", "stopped\n")


def test_the_installed_program_runs() -> None:
    program = Path(sys.executable).with_name("xaisvc")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own program

    assert done.stdout.strip() == library.__version__
