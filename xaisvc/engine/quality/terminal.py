"""A quality report, or two side by side, on a terminal: tables are folded where they do not fit, and never cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.table import Table

from xaisvc.engine.quality.fewer_rows import on_fewer_rows
from xaisvc.engine.quality.tables import TIME_UP, Grid, contest_table, main_table, notes, players, short, turned

if TYPE_CHECKING:
    from rich.console import Console

    from xaisvc.engine.quality.compare import Comparison
    from xaisvc.engine.quality.result import QualityReport

MANY: Final = 4
"""Columns of the main table from which its numbers are easier to read without their intervals."""
_BETWEEN: Final = 3
"""Characters between two columns."""
_EDGES: Final = 2


def print_report(report: QualityReport, console: Console) -> None:
    """Prints the summary of a report.

    Args:
        report: What was measured.
        console: Where to; its width decides where tables are folded.
    """
    console.print(
        f"{report.bundle}, output {report.output} in {report.space}: {report.rows:,} rows, {players(report)}",
        markup=False,
    )
    if report.signal is not None:
        console.print(
            report.signal.statement, markup=False, style="bold red" if report.signal.strength == "none" else ""
        )
    few = sum(one.outcome == "measured" for one in report.methods) <= MANY
    print_grid(turned(main_table(report, intervals=few)), console)
    if report.contests:
        print_grid(contest_table(report), console)
    for note in (*on_fewer_rows(report), *notes(report)):
        console.print(note, markup=False)
    if not report.complete:
        console.print(TIME_UP, markup=False)


def print_comparison(found: Comparison, console: Console, *, every: bool) -> None:
    """Prints how two reports differ.

    Args:
        found: The reports side by side.
        console: Where to; its width decides where tables are folded.
        every: Whether what does not differ clearly is shown too.
    """
    if found.unlike:
        console.print(f"the reports differ in: {', '.join(found.unlike)}", markup=False)
    for said in (*found.signals, found.no_verdicts):
        if said:
            console.print(said, markup=False)
    lines = tuple(
        (
            one.method,
            one.measure,
            short(one.first),
            short(one.second),
            f"{short(one.difference)} [{short(one.low)}, {short(one.high)}]",
            f"{one.paired_rows:,}" if one.paired_rows else "other rows",
            one.verdict,
        )
        for one in found.differences
        if every or one.verdict != "no clear difference"
    )
    if lines:
        head = ("method", "measure", "first", "second", "difference", "same rows", "second is")
        print_grid(Grid(head, lines), console, keys=2)
    if not found.differences:
        console.print("there is nothing to compare: no method was measured in both reports", markup=False)
    hidden = len(found.differences) - len(lines)
    if hidden:
        console.print(f"{hidden:,} measures without a clear difference; --all shows them", markup=False)
    for name, times in found.times.items():
        shown = ", ".join(f"{key} {short(one)} -> {short(other)}" for key, (one, other) in times.items())
        console.print(f"{name}: {shown}", markup=False)
    if found.no_times:
        console.print(found.no_times, markup=False)


def folded(grid: Grid, width: int, *, keys: int = 1) -> tuple[Grid, ...]:
    """The table in pieces that fit a width, each with the first columns, which say what a line is about.

    Args:
        grid: The table.
        width: Characters in a line.
        keys: First columns that every piece has.

    Returns:
        Pieces with all columns in their order. One column beside the first ones is in a piece even where it does not
        fit: a wide line can be read, a number without its end cannot.
    """
    widths = [_widest(grid, place) for place in range(len(grid.head))]
    first = tuple(range(keys))
    room = width - _EDGES - sum(widths[:keys]) - _BETWEEN * (keys - 1)
    pieces: list[list[int]] = []
    left = 0
    for place in range(keys, len(widths)):
        needed = widths[place] + _BETWEEN
        if not pieces or needed > left:
            pieces.append([])
            left = room
        pieces[-1].append(place)
        left -= needed
    return tuple(_columns(grid, (*first, *piece)) for piece in pieces)


def _columns(grid: Grid, places: tuple[int, ...]) -> Grid:
    head, *lines = (tuple(line[place] for place in places) for line in (grid.head, *grid.lines))
    return Grid(head, tuple(lines))


def _widest(grid: Grid, place: int) -> int:
    """Characters of the widest cell of a column."""
    return max(cell_len(line[place]) for line in (grid.head, *grid.lines))


def print_grid(grid: Grid, console: Console, *, keys: int = 1) -> None:
    """Prints a table, in several pieces where it does not fit.

    Args:
        grid: The table.
        console: Where to.
        keys: First columns that every piece has.
    """
    for piece in folded(grid, console.width, keys=keys):
        shown = Table(box=SIMPLE, pad_edge=False)
        for place, title in enumerate(piece.head):
            shown.add_column(
                title, justify="right" if place >= keys else "left", no_wrap=True, min_width=_widest(piece, place)
            )
        for line in piece.lines:
            shown.add_row(*line)
        console.print(shown, crop=False)
