"""Shows on a terminal how far `xaisvc explain` is."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xaisvc.engine.progress import Progress

LEAST_ROWS = 100
"""Fewer rows are done before anybody would read a bar."""


class Bar(Protocol):
    """Where the command tells how far it is."""

    def explained(self, progress: Progress) -> None:
        """So many rows are computed."""
        ...

    def written(self, rows: int) -> None:
        """So many views are written."""
        ...


class _NoBar:
    def explained(self, progress: Progress) -> None:
        """Nobody watches."""

    def written(self, rows: int) -> None:
        """Nobody watches."""


@contextmanager
def progress_bar(rows: int, *, prints_views: bool) -> Iterator[Bar]:
    """Two bars on standard error, one for rows explained and one for views written, if somebody watches.

    Args:
        rows: Rows in all.
        prints_views: Whether views go to standard output: on a terminal they and the bars would be in each other's way.
    """
    if rows < LEAST_ROWS or not sys.stderr.isatty() or (prints_views and sys.stdout.isatty()):
        yield _NoBar()
        return
    from rich.console import Console  # noqa: PLC0415 - heavy: loaded when used
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn  # noqa: PLC0415 - heavy: loaded when used
    from rich.progress import Progress as RichProgress  # noqa: PLC0415 - heavy: loaded when used

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # Rich prints what goes to standard output above the bars; where that is a file or a pipe it must stay untouched.
    with RichProgress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=False,
    ) as shown:
        explaining = shown.add_task("rows explained", total=rows)
        writing = shown.add_task("views written", total=rows)

        class _Bar:
            def explained(self, progress: Progress) -> None:
                shown.update(explaining, completed=progress.rows_done)

            def written(self, rows: int) -> None:
                shown.update(writing, completed=rows)

        yield _Bar()
