"""A run of CaveatBench stops in time, goes on where it stopped, and repeats nothing that is done."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest

from benchmarks.caveats import Figure, share
from benchmarks.caveats.results import Cell, Results, read, trade_off, write
from benchmarks.caveats.runner import HELD_OUT, Clocks, Task, finite, open_tasks, run, tasks
from benchmarks.caveats.studies import Settings, Study
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class _Nobody:
    def starts(self, task: Task) -> None: ...

    def ended(self, cell: Cell) -> None: ...


def _study(calls: list[tuple[str, int]], *, seeds: int = 4, name: str = "coins") -> Study:
    def figures(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
        calls.append((part, seed))
        return [share("heads", seed % 2, 1, 0.5), Figure("rows", settings.rows, 1, kind="mean")]

    return Study(name=name, title="Coins", run=figures, seeds=seeds, parts=("a", "b"), sources=("benchmarks.caveats",))


def _run(study: Study, results: Results, *, seconds: float | None = None, clock: Iterator[float] | None = None) -> int:
    todo = open_tasks(tasks([study], results.suite, None), results, again=False)
    ticks = clock or count()
    clocks = Clocks(wall=lambda: float(next(ticks)), cpu=lambda: 0.0)
    settings = Settings(rows=results.rows)
    return run(todo, settings, results, save=lambda: None, watcher=_Nobody(), seconds=seconds, clocks=clocks)


def test_public_and_held_out_seeds_are_apart() -> None:
    study = _study([])
    public, held_out = ({task.seed for task in tasks([study], suite, 900)} for suite in ("public", "held-out"))

    assert max(public) < HELD_OUT <= min(held_out)


def test_studies_advance_together() -> None:
    order = [task.study.name for task in tasks([_study([], seeds=2, name="few"), _study([], seeds=4)], "public", None)]

    # Halfway through the run half of each study is done.
    assert sorted(order[: len(order) // 2]) == ["coins"] * 4 + ["few"] * 2


def test_finished_cells_are_not_run_again(tmp_path: Path) -> None:
    calls: list[tuple[str, int]] = []
    results = Results(suite="public", rows=500)
    _run(_study(calls, seeds=2), results)
    write(results, tmp_path / "results.json")
    again = read(tmp_path / "results.json")
    left = _run(_study(calls, seeds=3), again)

    assert left == 0
    assert calls == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert {one.figure.name: one.figure.count for one in again.totals()} == {"heads": 6, "rows": 6}


def test_what_other_code_measured_is_repeated_only_when_asked() -> None:
    study, results = _study([], seeds=1), Results(suite="public", rows=500)
    _run(study, results)
    every = tasks([study], "public", None)
    assert open_tasks(every, results, again=True) == []

    old = next(iter(results.cells.values()))
    results.add(Cell(study=old.study, part=old.part, seed=old.seed, figures=old.figures, cpu_s=0.0, code="old"))

    assert open_tasks(every, results, again=False) == []
    assert [task.key for task in open_tasks(every, results, again=True)] == [old.key]


def test_a_run_begins_nothing_that_would_end_too_late() -> None:
    calls: list[tuple[str, int]] = []
    results = Results(suite="public", rows=500)
    # Each look at the clock takes a second, so a cell takes one to two and the checks around it three.
    left = _run(_study(calls), results, seconds=12.0)

    assert 0 < len(calls) < 8
    assert left == 8 - len(calls)
    assert len(results.cells) == len(calls)


def test_a_value_that_is_no_number_counts_for_nothing() -> None:
    assert finite(Figure("width", float("inf"), 8, 0.05)) == Figure("width", 0.0, 0, 0.05)
    assert finite(Figure("width", 0.04, 8, 0.05)) == Figure("width", 0.04, 8, 0.05)


def test_results_are_saved_when_a_cell_fails() -> None:
    def broken(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
        if seed:
            raise ZeroDivisionError
        return [share(part, settings.rows, settings.rows)]

    study = Study(name="x", title="", run=broken, seeds=2, sources=("benchmarks.caveats",))
    results, saved = Results(suite="public", rows=500), []
    with pytest.raises(ZeroDivisionError):
        run(
            tasks([study], "public", None),
            Settings(),
            results,
            save=lambda: saved.append(len(results.cells)),
            watcher=_Nobody(),
        )

    assert saved[-1] == 1


def test_results_survive_the_file(tmp_path: Path) -> None:
    results = Results(suite="held-out", rows=200, thresholds={"near_share": 0.1}, peers={"cases": []})
    _run(_study([]), results)
    write(results, tmp_path / "r.json")
    found = read(tmp_path / "r.json")

    assert found == results
    assert not list(tmp_path.glob("*.part"))


def test_the_file_holds_totals_that_follow_from_its_cells(tmp_path: Path) -> None:
    results = Results(suite="public", rows=500)
    _run(_study([]), results)
    write(results, tmp_path / "r.json")
    content = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    heads = next(one for one in content["totals"] if one["name"] == "heads")

    assert (heads["value"], heads["count"], heads["seeds"], heads["met"]) == (0.5, 8, 4, True)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 1}', "no JSON"])
def test_another_file_is_not_overwritten(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(InvalidRequestError, match="holds no results of this command; name another file"):
        read(path)


def test_the_trade_off_has_both_sides_of_each_threshold() -> None:
    results = Results(suite="public", rows=500)
    figures = tuple(
        share(f"value gap, {kind}", hits, 10, setting=f"gap_share={at}")
        for at, kind, hits in (
            (0.1, "recall", 6),
            (0.1, "false alarms", 0),
            (0.02, "recall", 9),
            (0.02, "false alarms", 1),
        )
    )
    results.add(Cell(study="opinion", part="", seed=0, figures=figures, cpu_s=0.0, code=""))

    assert trade_off(results.totals()) == [
        {"gap_share": 0.02, "recall": 0.9, "recall_of": 10, "false_alarms": 0.1, "false_alarms_of": 10},
        {"gap_share": 0.1, "recall": 0.6, "recall_of": 10, "false_alarms": 0.0, "false_alarms_of": 10},
    ]
