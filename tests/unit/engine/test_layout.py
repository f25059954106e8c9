"""Designs laid out as tables for a graph, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.engine.games import assert_alike, load, nothing
from tests.unit.engine.mixing_models import HAND_MADE
from xaisvc.engine import layout as layouts
from xaisvc.engine.graph_pairs import GraphPairs
from xaisvc.errors import AbandonedError
from xaisvc.types import Space

if TYPE_CHECKING:
    from pathlib import Path


def test_tables_beyond_the_bound_are_not_kept_and_give_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    monkeypatch.setattr(layouts, "PIECE_ROWS", 100)
    monkeypatch.setattr(layouts, "CHUNK_NUMBERS", 6)
    monkeypatch.setattr(layouts, "MOST_PIECE_BYTES", 2**15)
    design = case.design(q=150)
    kept = case.games.evaluate(design)
    monkeypatch.setattr(layouts, "MOST_KEPT_BYTES", 1000)
    unkept = load(HAND_MADE["network"](), tmp_path / "again").games.evaluate(design)
    assert isinstance(kept, GraphPairs)
    assert isinstance(unkept, GraphPairs)

    first = unkept(case.rows, nothing)

    assert len(unkept.layout.chunks.pieces) > 1
    assert unkept.layout.held_bytes == unkept.layout._masks.nbytes
    assert not unkept.layout._kept
    np.testing.assert_array_equal(first.on, unkept(case.rows.take([0, 1, 2, 3, 4]), nothing).on)
    np.testing.assert_array_equal(first.on[:1], unkept(case.rows.take([0]), nothing).on)
    assert_alike(first, kept(case.rows, nothing), tolerance=1e-12)  # the same chunks: at most the last bit
    biggest = max(
        sum(table.nbytes for table in unkept.layout.piece(chunks).tables) for chunks in unkept.layout.chunks.pieces
    )
    assert biggest <= layouts.MOST_PIECE_BYTES


def test_work_stops_between_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "PIECE_ROWS", 100)
    monkeypatch.setattr(layouts, "CHUNK_NUMBERS", 6)
    monkeypatch.setattr(layouts, "MOST_PIECE_BYTES", 2**15)
    case = load(HAND_MADE["network"](), tmp_path)
    pairs = case.games.evaluate(case.design(q=150))
    calls = []

    def check() -> None:
        calls.append(None)
        if len(calls) == 3:
            msg = "nobody waits"
            raise AbandonedError(msg)

    with pytest.raises(AbandonedError):
        pairs(case.rows.take([0]), check)

    assert len(calls) == 3


def test_a_design_is_laid_out_once(tmp_path: Path) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    first, again, other = (case.games.evaluate(design) for design in (case.design(), case.design(), case.design(q=8)))
    assert isinstance(first, GraphPairs)
    assert isinstance(again, GraphPairs)
    assert isinstance(other, GraphPairs)

    assert first.layout is again.layout
    assert first.layout is not other.layout
    assert case.problem.space is Space.RAW
