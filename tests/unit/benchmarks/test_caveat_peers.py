"""What counts as a warning of another package, and the cases that it is asked about."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.caveats import peers
from benchmarks.caveats.peers import CASES, CONTROL, judge, make_case


def test_a_sentence_about_dependence_counts_once_for_each_case() -> None:
    said = {
        "duplicate|linear|0": ["x0 and x1 are correlated (0.99)", "they are correlated"],
        "duplicate|boosting|0": ["x0: 1.2"],
        f"{CONTROL}|linear|0": ["x0: 3.4"],
    }
    found = judge(said)

    assert found["told"]["duplicate"] == 1
    assert found["asked"]["duplicate"] == 2
    assert found["told"]["quadratic"] == found["asked"]["quadratic"] == 0
    assert "x0 and x1 are correlated (0.99)" in found["said"]


def test_what_is_said_of_independent_data_too_is_no_warning() -> None:
    said = {
        "duplicate|linear|0": ["Feature Dependence of 12 features"],
        f"{CONTROL}|linear|0": ["Feature Dependence of 10 features"],
    }
    found = judge(said)

    assert found["told"]["duplicate"] == 0
    assert found["control"] == ["Feature Dependence of # features"]


def test_what_was_raised_is_kept() -> None:
    assert judge({"duplicate|linear|0": ["raised ValueError: no"]})["errors"] == ["raised ValueError: no"]


@pytest.mark.parametrize("name", [*CASES, CONTROL])
def test_cases_are_what_they_are_called(name: str) -> None:
    case = make_case(name, "linear", 1000, 2000)
    x = np.column_stack([case["columns"][f"x{j}"] for j in range(6)])
    r = float(np.corrcoef(x[:, 0], x[:, 1])[0, 1])
    squared = float(np.corrcoef(x[:, 0] ** 2, x[:, 1])[0, 1])
    explained = 1 - np.linalg.lstsq(x[:, 2:], x[:, 1], rcond=None)[1].sum() / (x[:, 1] ** 2).sum()

    # Correlations of 2,000 rows are known to about 0.02.
    expected = {"duplicate": 1.0, "negated duplicate": -1.0, "correlated": 0.9, "unused": 0.9}.get(name, 0.0)
    assert r == pytest.approx(expected, abs=0.07)
    assert (squared > 0.9) == (name == "quadratic")
    assert (explained > 0.9) == (name == "redundancy")
    assert case["ignored"] == ("x1" if name == "unused" else "")


def test_a_package_that_is_nowhere_is_not_run() -> None:
    assert peers._ask("shapash", [Path("/no/such/python")], 50) == {"status": "not run", "why": "not installed"}


def test_an_interpreter_may_be_named_from_the_folder_that_one_is_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "env" / "python"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho \'{"version": "1.2", "said": {}}\'\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    answer = peers._ask("shapash", [Path("env/python")], 50)

    assert (answer["status"], answer["version"]) == ("ran", "1.2")


def test_the_script_hears_what_a_package_says(tmp_path: Path) -> None:
    cases = {f"{name}|linear|1": make_case(name, "linear", 1, 60) for name in ("duplicate", CONTROL)}
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases), encoding="utf-8")
    program = (
        "import sys, warnings, logging\n"
        f"sys.path.insert(0, {str(peers.SCRIPT.parent)!r})\n"
        "import peer_script as s\n"
        "def tool(model, frame, target):\n"
        "    warnings.warn('a warning'); print('printed'); logging.getLogger('x').error('logged')\n"
        "    return ['a result', f'{len(frame)} rows']\n"
        "s.TOOLS['lime'] = tool\n"
        f"sys.argv = ['peer_script.py', 'lime', {str(file)!r}]\n"
        "s.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - own words
    said = json.loads(done.stdout.splitlines()[-1])["said"]

    assert said["duplicate|linear|1"] == ["a warning", "printed", "logged", "a result", "60 rows"]
