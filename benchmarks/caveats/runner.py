"""Runs cells one by one, keeps each at once, and stops in time."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Protocol

from benchmarks.caveats.provenance import code
from benchmarks.caveats.results import Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.caveats import Figure
    from benchmarks.caveats.results import Results
    from benchmarks.caveats.studies import Settings, Study

HELD_OUT = 1000
"""First held-out seed; all below are public. Thresholds and scales were chosen on public ones only."""

SAVE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A cell that is to be run."""

    study: Study
    part: str
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        """What names its cell."""
        return self.study.name, self.part, self.seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Clocks in seconds, so that tests can put their own in.

    Attributes:
        wall: Never goes back.
        cpu: Processor time of this process.
    """

    wall: Callable[[], float] = time.monotonic
    cpu: Callable[[], float] = time.process_time


class Watcher(Protocol):
    """Is told how far a run is."""

    def starts(self, task: Task) -> None:
        """A cell begins."""
        ...

    def ended(self, cell: Cell) -> None:
        """A cell is done."""
        ...


def tasks(studies: Sequence[Study], suite: str, seeds: int | None) -> list[Task]:
    """Cells of all studies, each study as far as the others at any time, so that a run can end anywhere.

    Args:
        studies: What to measure.
        suite: `public` or `held-out`.
        seeds: Seeds of each study; None for what each wants.
    """
    first = HELD_OUT if suite == "held-out" else 0
    found = []
    for study in studies:
        count = seeds or study.seeds
        for k in range(count):
            at = (k + 0.5) / count if seeds is None else float(k)
            found += [(at, Task(study=study, part=part, seed=first + k)) for part in study.parts]
    return [task for _, task in sorted(found, key=lambda pair: pair[0])]


def finite(figure: Figure) -> Figure:
    """The figure, or one that counts for nothing where its value is no finite number, for example of nothing told."""
    return figure if isfinite(figure.value) else replace(figure, value=0.0, count=0)


def open_tasks(every: Sequence[Task], results: Results, *, again: bool) -> list[Task]:
    """Those without a result; with `again` also those whose result is of other code."""
    digests = {study.name: code(study.sources) for study in {task.study.name: task.study for task in every}.values()}

    def is_open(task: Task) -> bool:
        cell = results.cells.get(task.key)
        return cell is None or (again and cell.code != digests[task.study.name])

    return [task for task in every if is_open(task)]


def run(  # noqa: PLR0913 - what a run is made with
    todo: Sequence[Task],
    settings: Settings,
    results: Results,
    *,
    save: Callable[[], None],
    watcher: Watcher,
    seconds: float | None = None,
    clocks: Clocks | None = None,
) -> int:
    """Runs cells in order and saves every few seconds, and at the end whatever happens.

    Args:
        todo: The cells.
        settings: What they are run with.
        results: Where they go.
        save: Keeps the results.
        watcher: Told about each.
        seconds: No cell is begun that would not end within these, judged by the longest of its study so far.
        clocks: Clocks.

    Returns:
        Cells that were left for another time.
    """
    clocks = clocks or Clocks()
    begin = clocks.wall()
    longest: dict[str, float] = {}
    digests: dict[str, str] = {}
    left = 0
    saved = begin
    try:
        for task in todo:
            study = task.study
            spent = clocks.wall() - begin
            if seconds is not None and spent + longest.get(study.name, 0.0) >= seconds:
                left += 1
                continue
            if study.name not in digests:
                digests[study.name] = code(study.sources)
            watcher.starts(task)
            wall, cpu = clocks.wall(), clocks.cpu()
            figures = [finite(figure) for figure in study.run(task.part, task.seed, settings)]
            longest[study.name] = max(longest.get(study.name, 0.0), clocks.wall() - wall)
            cell = Cell(
                study=study.name,
                part=task.part,
                seed=task.seed,
                figures=tuple(figures),
                cpu_s=clocks.cpu() - cpu,
                code=digests[study.name],
            )
            results.add(cell)
            if clocks.wall() - saved >= SAVE_EVERY_S:
                save()
                saved = clocks.wall()
            watcher.ended(cell)
    finally:
        save()
    return left
