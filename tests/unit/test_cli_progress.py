"""Bars are shown to who watches, and never get into what is piped on."""

from __future__ import annotations

import io
import sys

import pytest
import typer

from xaisvc.cli_progress import progress_bar
from xaisvc.engine.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def use(rows: int, *, prints_views: bool) -> None:
    with progress_bar(rows, prints_views=prints_views) as bar:
        bar.explained(Progress(rows_done=rows, rows=rows, seconds_elapsed=1.0, seconds_left=0.0))
        typer.echo("a view")
        bar.written(rows)


@pytest.mark.parametrize(
    ("rows", "errors", "output", "prints_views", "shown"),
    [
        (500, Terminal, io.StringIO, True, True),
        (500, Terminal, Terminal, False, True),
        (500, Terminal, Terminal, True, False),
        (500, io.StringIO, io.StringIO, False, False),
        (99, Terminal, io.StringIO, True, False),
    ],
)
def test_bars_are_shown_where_somebody_watches(  # noqa: PLR0913 - one argument per circumstance
    monkeypatch: pytest.MonkeyPatch,
    *,
    rows: int,
    errors: type[io.StringIO],
    output: type[io.StringIO],
    prints_views: bool,
    shown: bool,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", errors())
    monkeypatch.setattr(sys, "stdout", output())

    use(rows, prints_views=prints_views)

    assert ("rows explained" in sys.stderr.getvalue()) is shown  # type: ignore[attr-defined]
    if not isinstance(sys.stdout, Terminal):
        assert sys.stdout.getvalue() == "a view\n"
