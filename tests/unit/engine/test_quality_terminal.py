from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from xaisvc.engine.quality.tables import Grid
from xaisvc.engine.quality.terminal import folded, print_grid

GRID = Grid(
    ("method", *(f"method_{k} (exact)" for k in range(9))),
    tuple((f"row {i}", *(f"0.{i}{k}4 [0.{i}{k}1, 0.{i}{k}9]" for k in range(9))) for i in range(5)),
)


@pytest.mark.parametrize("width", [30, 80, 120, 160, 400])
def test_no_number_is_cut(width: int) -> None:
    out = StringIO()
    print_grid(GRID, Console(file=out, width=width))
    lines = out.getvalue().splitlines()

    assert "…" not in out.getvalue()
    for line in (GRID.head, *GRID.lines):
        assert all(cell in out.getvalue() for cell in line)
    if width > 30:  # where one column fits beside the first one, no line is longer than the terminal
        assert max(map(len, lines)) <= width
    whole = sum(max(len(line[place]) for line in (GRID.head, *GRID.lines)) + 3 for place in range(10)) - 1
    assert (out.getvalue().count("row 0") == 1) == (width >= whole)  # folded only where it must be


def test_pieces_hold_each_column_once_and_the_first_ones_always() -> None:
    pieces = folded(GRID, 80, keys=2)

    assert len(pieces) > 2
    assert all(piece.head[:2] == GRID.head[:2] for piece in pieces)
    assert [title for piece in pieces for title in piece.head[2:]] == list(GRID.head[2:])
    assert [cell for piece in pieces for cell in piece.lines[4][2:]] == list(GRID.lines[4][2:])


def test_what_stands_in_two_places_is_counted_as_two() -> None:
    wide = Grid(("m", "一一一一一", "b"), (("x", "1", "2"),))

    # 1 + 10 + 1 characters, three between two columns and two at the edges
    assert len(folded(wide, 20)) == 1
    assert len(folded(wide, 19)) == 2
