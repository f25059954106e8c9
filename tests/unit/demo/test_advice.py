from __future__ import annotations

import sys
from pathlib import Path

from xaisvc.demo.advice import next_steps


def test_without_a_service_the_steps_start_one() -> None:
    steps = next_steps(Path("out/demo"), None, find=lambda name: f"/bin/{name}")

    assert "\nxaisvc serve --models out/demo/models\n" in steps
    assert "grpcurl -plaintext -d @ 127.0.0.1:8765" in steps


def test_with_a_service_the_steps_call_it_where_it_listens() -> None:
    steps = next_steps(Path("out/demo"), "127.0.0.1:4711", find=lambda name: f"/bin/{name}")

    assert "serve --models" not in steps
    assert steps.count("127.0.0.1:4711") == 2


def test_programs_that_are_not_on_the_path_are_named_beside_python() -> None:
    steps = next_steps(Path("out/demo"), None, find=lambda _: None)
    command = next(line for line in steps.splitlines() if " explain " in line and not line.startswith("#"))

    assert Path(sys.executable).with_name("xaisvc") == Path(command.split()[0]).absolute()


def test_the_review_is_made_from_the_records_of_the_demonstration() -> None:
    steps = next_steps(Path("out/demo"), None, find=lambda name: f"/bin/{name}")

    assert "\nxaisvc cohort german-credit-boosting --data-dir out/demo/data" in steps
    assert "--ids out/demo/review-credit/now.txt" in steps
