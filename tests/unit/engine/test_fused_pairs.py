"""Many rows and a whole design in one pass of a graph, as on a GPU, here on the CPU provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.engine.games import BACKGROUND_ROWS, TOLERANCE, assert_alike, load, nothing, random_projection
from tests.unit.engine.mixing_models import HAND_MADE
from xaisvc.attribution.plain_games import project
from xaisvc.engine import fused_pairs
from xaisvc.engine.fused_pairs import BLOCK_ROWS, FusedMaker, FusedPairs, FusedProjected
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.graphs import fused_graph
from xaisvc.runtimes import OrtRuntime
from xaisvc.runtimes.ort import RuntimeSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("name", ["network", "texts and numbers", "texts mixed as texts", "two branches"])
@pytest.mark.parametrize("io_binding", [False, True])
def test_many_rows_together_give_what_rows_alone_give(
    name: str,
    own_rows: int | None,
    io_binding: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    """What runs on a GPU, on the CPU provider: all rows of a block in one pass, the last block filled up."""
    case = load(HAND_MADE[name](), tmp_path)
    design = case.design(own_rows=own_rows)
    rows = case.rows.take(np.arange(BLOCK_ROWS + 3) % len(case.rows))
    mixed = case.loaded.ready(
        case.loaded.bundle.description.outputs[0], case.problem.space, own_rows=own_rows is not None
    ).mixed
    assert mixed is not None
    maker = FusedMaker(OrtRuntime(RuntimeSettings(io_binding=io_binding)), "cpu", lambda: mixed)
    projection = random_projection(len(case.problem.players), len(design))
    none = case.games.none

    pairs = maker.pairs(mixed, design, case.problem, b"design")(rows, nothing)
    projected = maker.projected(mixed, design, case.problem, b"design", projection, none)(rows, nothing)

    expected = case.games.evaluate(design)(rows, nothing)
    assert_alike(pairs, expected)
    by_hand = project(projection, expected, none)
    scale = max(1.0, float(np.abs(by_hand.values).max()))
    np.testing.assert_allclose(projected.values, by_hand.values, rtol=0, atol=TOLERANCE * scale)
    np.testing.assert_allclose(projected.standard_errors, by_hand.standard_errors, rtol=0, atol=10 * TOLERANCE * scale)
    np.testing.assert_array_equal(projected.outputs, pairs.outputs)


@pytest.mark.parametrize("table_bytes", [fused_pairs.MOST_TABLE_BYTES, 0])
def test_on_a_gpu_designs_are_part_of_the_graph(
    table_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_pairs, "MOST_TABLE_BYTES", table_bytes)
    case = load(HAND_MADE["network"](), tmp_path)
    design = case.design()
    by_row = case.games.evaluate(design)(case.rows, nothing)
    there = LoadedBundle(case.loaded.bundle, OrtRuntime(), "cpu")
    there.device = "cuda"  # what it would say there; its graphs run on the CPU provider here
    output = there.bundle.description.outputs[0]
    games_there = there.problem(output, case.problem.space, case.problem.players).games
    assert games_there is not None
    projection = random_projection(4, len(design))

    pairs = games_there.evaluate(design)
    projected = games_there.attribute(design, projection)

    assert isinstance(pairs, FusedPairs)
    assert isinstance(projected, FusedProjected)
    assert pairs.detail.startswith("Coalitions are evaluated inside the model's graph")
    assert_alike(pairs(case.rows, nothing), by_row)
    expected = project(projection, by_row, case.games.none)
    found = projected(case.rows, nothing)
    scale = float(np.abs(expected.values).max())
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=TOLERANCE * scale)
    assert [info.name for info in pairs.model.inputs] == ["x"]


@pytest.mark.parametrize("rows", ["together", "one by one"])
def test_the_answers_behind_the_means_come_out_of_the_same_run(rows: str, tmp_path: Path) -> None:
    case = load(HAND_MADE["texts and numbers"](), tmp_path)
    design = case.design()
    mixed = case.loaded.ready(case.loaded.bundle.description.outputs[0], case.problem.space, own_rows=False).mixed
    assert mixed is not None
    layout = mixed.layout(design, case.problem.players)
    graph = fused_graph(
        mixed.plan,
        mixed.background,
        layout.whole(),
        n_pairs=len(design),
        rows="one by one" if rows == "one by one" else "together",
        answers=True,
    )
    loaded = OrtRuntime().load(graph.SerializeToString(), device="cpu")

    found = loaded.run(mixed.scoring.feeds(case.rows), ["on", "off", "answers"])

    answers = np.asarray(found["answers"], dtype=np.float64)
    assert answers.shape == (len(case.rows), 2 * len(design), BACKGROUND_ROWS)
    both = np.concatenate([found["on"], found["off"]], axis=1)
    np.testing.assert_allclose(answers.mean(axis=2), both, rtol=0, atol=1e-12)  # float64 sums in another order
    plain = case.plain.evaluate(design)(case.rows, nothing)
    np.testing.assert_allclose(found["on"], plain.on, rtol=0, atol=TOLERANCE * np.abs(plain.on).max())
