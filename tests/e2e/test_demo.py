"""The demonstration as a user runs it: a process of its own, the real service, files in a folder."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import xaisvc
from xaisvc.demo.cases import CARDS, COMPARED_CASE, CREDIT, OTHER_MODEL, load_cases, load_payments
from xaisvc.demo.reviews import AUDIENCE, BEFORE_IDS, LANGUAGES, N_JUDGED, NOW_IDS, REVIEWS, review_page
from xaisvc.demo.service import running_service
from xaisvc.errors import RuntimeUnavailableError
from xaisvc.records import decode_record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WAIT_S = 90.0  # bounds a machine that is busy with other tests; the service answers after two seconds here

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def _demo(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xaisvc.cli", "demo", *arguments]
    return subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and output of one finished run, under a setting that would break a service that read it."""
    out = tmp_path_factory.mktemp("demo") / "out"
    run = _demo("--out", str(out), environment={"XAISVC_MAX_ROWS": "1"})

    assert run.returncode == 0, run.stderr
    return out, run.stdout


def test_every_case_has_its_views_and_its_record(result: tuple[Path, str]) -> None:
    out, _ = result
    for use, cases, feature in ((CREDIT, load_cases(), "amount_dm"), (CARDS, load_payments(), "amount_eur")):
        for case in cases:
            record = decode_record((out / case.id / "record.json").read_bytes())
            assert record.row[feature] == case.row[feature]
            told = [audience for audience in use.audiences if audience != AUDIENCE]
            for audience in told:
                html = (out / case.id / f"{audience}.html").read_text(encoding="utf-8")
                assert html.lstrip().lower().startswith("<!doctype html>")
                assert (out / case.id / f"{audience}.txt").read_text(encoding="utf-8").strip()
            written = {path.stem for path in (out / case.id).glob("*.html")}
            assert written == {*told, "fraud_analyst-before"}  # nobody else is told
            before, after = (
                (out / case.id / f"{name}.txt").read_text(encoding="utf-8")
                for name in ("fraud_analyst-before", "fraud_analyst")
            )
            assert ("The model's rating" in before, "The model's rating" in after) == (False, True)
    assert (out / COMPARED_CASE / OTHER_MODEL / "customer.html").is_file()


def test_beside_each_case_the_manager_reads_about_many(result: tuple[Path, str]) -> None:
    out, _ = result
    page = (out / "index.html").read_text(encoding="utf-8")

    for use, cases in ((CREDIT, load_cases()), (CARDS, load_payments())):
        assert page.count(f'<iframe src="{review_page(use)}"') == len(cases) + 1  # and once by itself
        assert (out / review_page(use)).is_file()


def test_views_speak_of_the_case_at_hand(result: tuple[Path, str]) -> None:
    out, _ = result
    declined, approved, *_ = load_cases()

    assert "Overdrawn" in (out / declined.id / "data_scientist.txt").read_text(encoding="utf-8")
    texts = [(out / case.id / "customer.txt").read_text(encoding="utf-8") for case in (declined, approved)]
    assert texts[0] != texts[1]


def test_whoever_answers_for_a_model_gets_a_review_of_it(result: tuple[Path, str]) -> None:
    out, _ = result
    for review in REVIEWS:
        folder = out / review.folder
        pages = {
            language: (folder / f"{AUDIENCE}.{language}.html").read_text(encoding="utf-8") for language in LANGUAGES
        }
        assert "Model review" in pages["en"]
        assert "Beoordeling van het model" in pages["nl"]
        text = (folder / f"{AUDIENCE}.en.txt").read_text(encoding="utf-8")
        assert f"  {N_JUDGED}  " in text.partition("People and the model")[2]  # made-up verdicts, counted
        ids = [(folder / name).read_text(encoding="utf-8").split() for name in (NOW_IDS, BEFORE_IDS)]
        assert min(len(ids[0]), len(ids[1])) > 200
        assert not set(ids[0]) & set(ids[1])


def test_index_links_only_files_that_exist(result: tuple[Path, str]) -> None:
    out, _ = result
    page = (out / "index.html").read_text(encoding="utf-8")
    links = set(re.findall(r'(?:src|href)="([^"#][^"]*)"', page))

    pages = [(CREDIT, load_cases()), (CARDS, load_payments())]
    assert len(links) >= sum(len(cases) * (len(use.audiences) + 1) for use, cases in pages)
    assert not [link for link in links if not (out / link).is_file()]


def test_output_says_where_the_page_is_and_what_to_try(result: tuple[Path, str]) -> None:
    out, printed = result

    assert (out / "index.html").as_uri() in printed
    assert all(word in printed for word in ("xaisvc explain", "grpcurl", "xaisvc.Client"))


def test_the_advice_for_the_command_line_works(result: tuple[Path, str]) -> None:
    out, _ = result
    arguments = [out / "models" / "german-credit-boosting", out / "applicants.json", "--row", "0", "-a", "customer"]
    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "xaisvc.cli", "explain", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()


@pytest.mark.parametrize("way", ["ctrl-c", "terminate"])
def test_a_left_running_service_answers_until_it_is_told_to_stop(tmp_path: Path, way: str) -> None:
    command = [sys.executable, "-u", "-m", "xaisvc.cli", "demo", "--out", str(tmp_path), "--serve"]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        port = 0
        for line in process.stdout:
            if found := re.search(r"listens on 127\.0\.0\.1:(\d+)", line):
                port = int(found[1])
                break
        rows = json.loads((tmp_path / "applicants.json").read_text(encoding="utf-8"))
        with xaisvc.Client(f"127.0.0.1:{port}", timeout_s=WAIT_S) as client:
            reply = client.explain("german-credit-logistic", rows, audiences=["customer"], formats=["text"])
        if way == "ctrl-c":  # a terminal sends it to every process of the group
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        process.wait(WAIT_S)

    assert process.returncode == 0
    assert len(reply.records) == len(load_cases())
    assert not _listens(port)


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(
            RuntimeUnavailableError, match=r"the service ended before it could answer\. It said: .*no-models"
        ),
        running_service(tmp_path / "no-models", tmp_path),
    ):
        pytest.fail("it started without a model")


def test_the_service_is_gone_after_a_failure(tmp_path: Path, result: tuple[Path, str]) -> None:
    models = result[0] / "models"
    ports = []

    def fail_while_it_runs() -> None:
        with running_service(models, tmp_path) as service:
            ports.append(int(service.address.rpartition(":")[2]))
            assert _listens(ports[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_while_it_runs()

    assert not _listens(ports[0])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    run = _demo("--out", str(tmp_path / "taken"))

    assert run.returncode == 2
    assert "--out" in run.stderr
    assert "Traceback" not in run.stderr


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
