"""Shows a run on a terminal: bars while it goes, a table when it is done."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.caveats import DEFAULT
from benchmarks.caveats.gap_scores import CURVE
from benchmarks.caveats.table import count, interval, number, target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console
    from rich.table import Table as Grid

    from benchmarks.caveats.results import Cell, Results
    from benchmarks.caveats.runner import Task, Watcher
    from benchmarks.caveats.studies import Study
    from benchmarks.caveats.tallies import Total

MET = {True: "yes", False: "no", None: ""}


class _Lines:
    """A line for each study that is begun: for logs, where nobody watches a bar."""

    def __init__(self) -> None:
        self._study = ""

    def starts(self, task: Task) -> None:
        if task.study.name != self._study:
            self._study = task.study.name
            sys.stderr.write(f"{self._study}, seed {task.seed} ...\n")

    def ended(self, cell: Cell) -> None:
        """Nothing to tell."""


@contextmanager
def watching(todo: Sequence[Task], done: Mapping[str, int]) -> Iterator[Watcher]:
    """Bars on standard error, one for each study, if somebody watches; else a line now and then.

    Args:
        todo: Cells that are to be run.
        done: Cells of each study that are done.
    """
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console  # noqa: PLC0415 - heavy: loaded when used
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - heavy

    counts: dict[str, int] = {}
    for task in todo:
        counts[task.study.name] = counts.get(task.study.name, 0) + 1
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as shown:
        bars = {
            name: shown.add_task(name, total=open_cells + done.get(name, 0), completed=done.get(name, 0), now="")
            for name, open_cells in counts.items()
        }

        class _Bars:
            def starts(self, task: Task) -> None:
                shown.update(bars[task.study.name], now=f"{task.part} seed {task.seed}".strip())

            def ended(self, cell: Cell) -> None:
                shown.update(bars[cell.study], advance=1, now="")

        yield _Bars()


def show(results: Results, studies: Sequence[Study], *, every: bool) -> None:
    """The table of all figures that have a target, or of all figures, and what does not fit into it."""
    from rich.console import Console  # noqa: PLC0415 - heavy: loaded when used

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    titles = {study.name: study.title for study in studies}
    totals = [one for one in results.totals() if not one.figure.setting.startswith(CURVE)]
    shown = [one for one in totals if one.figure.count and (every or one.figure.target is not None)]
    cells = "1 cell" if len(results.cells) == 1 else f"{len(results.cells):,} cells"
    console.print(
        f"CaveatBench, {results.suite} seeds, {results.rows} background rows: {cells}, "
        f"{sum(cell.cpu_s for cell in results.cells.values()):,.0f} s of processor time",
        markup=False,
    )
    for study in dict.fromkeys([*(name for name in titles), *(one.study for one in shown)]):
        own = [one for one in shown if one.study == study]
        if not own:
            continue
        places = {name: place for place, name in enumerate(dict.fromkeys(one.figure.name for one in own))}
        own.sort(key=lambda one: places[one.figure.name])  # both thresholds of a quantity below each other
        console.print(f"\n{study}: {titles.get(study, '')}", markup=False)
        console.print(_grid(own, with_setting=any(one.figure.setting != DEFAULT for one in own)))
    counted = [one.figure.met for one in shown if one.figure.met is not None and one.figure.setting == DEFAULT]
    console.print(f"{sum(counted)} of {len(counted)} targets met", markup=False)
    if results.thresholds is not None and all(one.figure.setting == DEFAULT for one in totals):
        console.print("no figure of these studies depends on your thresholds", markup=False)
    _show_trade_off(results, console.print)
    if results.peers:
        _show_peers(results.peers, console)


def _show_peers(peers: Mapping[str, Any], console: Console) -> None:
    """In how many models each package said of a case that features go together, and what."""
    from rich.box import SIMPLE  # noqa: PLC0415 - heavy: loaded when used
    from rich.table import Table  # noqa: PLC0415 - heavy: loaded when used

    grid = Table(box=SIMPLE, pad_edge=False)
    for title in ("package", *peers["cases"]):
        grid.add_column(title)
    told = []
    for name, found in peers["tools"].items():
        if found["status"] != "ran":
            told.append(f"{name} was not run: {found['why']}")
            continue
        grid.add_row(
            f"{name} {found['version']}", *(f"{found['told'][c]} of {found['asked'][c]}" for c in peers["cases"])
        )
        told += [f"{name} said: {line}" for line in found["said"]]
    console.print("\npeers: What other packages say of features that go together")
    if grid.row_count:
        console.print(grid)
    for line in told:
        console.print(line, markup=False, soft_wrap=True)


def _grid(totals: Sequence[Total], *, with_setting: bool) -> Grid:
    from rich.box import SIMPLE  # noqa: PLC0415 - heavy: loaded when used
    from rich.table import Table  # noqa: PLC0415 - heavy: loaded when used

    grid = Table(box=SIMPLE, pad_edge=False)
    grid.add_column("quantity", min_width=44)
    if with_setting:
        grid.add_column("thresholds", no_wrap=True)
    for title in ("value", "95 % interval", "count", "target"):
        grid.add_column(title, justify="right", no_wrap=True)
    grid.add_column("met", no_wrap=True)
    for one in totals:
        figure = one.figure
        cells = [
            number(figure.value),
            interval(one.low, one.high),
            count(figure.count),
            target(figure),
            MET[figure.met],
        ]
        grid.add_row(figure.name, *([figure.setting] if with_setting else []), *cells)
    return grid


def _show_trade_off(results: Results, tell: object) -> None:
    from benchmarks.caveats.results import trade_off  # noqa: PLC0415 - only where it is shown

    found = [one for one in trade_off(results.totals()) if "recall" in one and "false_alarms" in one]
    if found and callable(tell):
        told = "; ".join(
            f"{one['gap_share']:g}: {number(one['recall'])} and {number(one['false_alarms'])}" for one in found
        )
        tell(f"value gap, recall and false alarms by gap_share: {told}", markup=False)
