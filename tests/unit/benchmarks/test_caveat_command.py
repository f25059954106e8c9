"""`xaisvc bench caveats`: what it refuses, what it shows, and how it goes on."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from xaisvc import cli, cli_bench
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from pathlib import Path


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["xaisvc", "bench", "caveats", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_run_shows_figures_and_a_later_one_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    assert _call(monkeypatch, "--only", "units", "--seeds", 1, "--minutes", "inf", "--out", out) == 0
    shown = capsys.readouterr()
    assert "units: slips seen in 16 rows" in shown.out
    assert "at least 1" in shown.out
    assert "CaveatBench, public seeds, 500 background rows: 1 cell," in shown.out

    assert _call(monkeypatch, "--only", "units", "--seeds", 2, "--out", out, "--all") == 0
    content = json.loads(out.read_text(encoding="utf-8"))

    assert [cell["seed"] for cell in content["studies"]["units"]["cells"]] == [0, 1]
    assert [one["asked"]["done before"] for one in content["runs"]] == [0, 1]
    assert content["runs"][0]["versions"]["xaisvc"]
    assert "units: swapped columns named" in capsys.readouterr().out


def test_thresholds_that_no_figure_depends_on_are_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("near_share: 0.1\n", encoding="utf-8")
    told = "no figure of these studies depends on your thresholds"

    assert _call(monkeypatch, "--only", "units", "--seeds", 1, "--thresholds", mine) == 0
    assert told in capsys.readouterr().out
    assert _call(monkeypatch, "--only", "units", "--seeds", 1) == 0
    assert told not in capsys.readouterr().out


def test_what_other_packages_say_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.caveats import peers

    ran = {
        "status": "ran",
        "version": "1.2",
        "told": {"duplicate": 3},
        "asked": {"duplicate": 4},
        "said": ["x1 goes [!]"],
    }
    tools = {"one": ran, "two": {"status": "not run", "why": "not installed"}}
    monkeypatch.setattr(peers, "ask_peers", lambda *_, **__: {"cases": ["duplicate"], "tools": tools})

    assert _call(monkeypatch, "--only", "units", "--seeds", 1, "--peers") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "one 1.2 3 of 4" in shown
    assert "one said: x1 goes [!]" in shown
    assert "two was not run: not installed" in shown


def test_results_of_other_settings_are_not_mixed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    _call(monkeypatch, "--only", "units", "--seeds", 1, "--out", out)
    before = out.read_text(encoding="utf-8")
    mine = tmp_path / "mine.yaml"
    mine.write_text("near_share: 0.1\n", encoding="utf-8")
    for arguments, told in (
        (("--rows", 200), "holds results with --rows 500; give the same, or another file"),
        (("--suite", "held-out"), "holds results with --suite public"),
        (("--thresholds", mine), "holds results with other thresholds"),
    ):
        capsys.readouterr()
        assert _call(monkeypatch, "--only", "units", "--seeds", 1, "--out", out, *arguments) != 0
        assert told in " ".join(capsys.readouterr().err.split())
    assert out.read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--only", "unit"), "there is no study 'unit'; there are independent, explained, cost, association"),
        (("--only", ","), "names no study"),
        (("--rows", 20), "20 background rows; give 50 to 5000"),
        (("--seeds", 0), "0 seeds; the public suite has 1 to 1000"),
        (("--minutes", 0), "0 minutes; give more than 0"),
        (("--minutes", "nan"), "nan minutes; give more than 0"),
        (("--peers", "--peer-python", "/no/such/python"), "'/no/such/python' is no program; give the interpreter of"),
        (("--peer-python", sys.executable), "--peer-python: says where other packages are; give --peers too"),
        (("--out", "/no/such/folder/r.json"), "there is no folder '/no/such/folder'; make it first"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...], told: str
) -> None:
    assert _call(monkeypatch, *arguments) != 0
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_study_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.caveats import command

    monkeypatch.setattr(command, "find_spec", lambda _: None)
    with pytest.raises(InvalidRequestError, match=r"'opinion' needs lightgbm: pip install 'xaisvc\[bench\]'"):
        command.check(command.Options(only="opinion"))
    chosen, _ = command.check(command.Options())

    assert "opinion" not in {study.name for study in chosen}
    assert "association" in {study.name for study in chosen}


def test_an_installation_without_the_suite_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli_bench, "SUITES", tmp_path)
    monkeypatch.setattr(cli_bench, "find_spec", lambda _: None)

    with pytest.raises(InvalidRequestError, match="the suite of cases is not part of this installation"):
        cli_bench.caveat_bench()
