"""Coalitions evaluated by explainer graphs against the plain way, which shares no code with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.engine.games import BACKGROUND_ROWS, TOLERANCE, assert_alike, load, nothing, random_projection
from tests.unit.engine.mixing_models import (
    FLOAT,
    HAND_MADE,
    constant_answer,
    log_of_a,
    model,
    network,
    node,
    numbers,
    texts_and_numbers,
    weights,
)
from xaisvc.attribution.plain_games import project
from xaisvc.engine import games, mixed_model
from xaisvc.engine.graph_pairs import GraphPairs
from xaisvc.errors import ModelOutputError
from xaisvc.types import CoalitionDesign

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from xaisvc.graphs import MixingPlan


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("name", HAND_MADE)
def test_graphs_give_what_the_plain_way_gives(name: str, own_rows: int | None, tmp_path: Path) -> None:
    case = load(HAND_MADE[name](), tmp_path)
    design = case.design(own_rows=own_rows)

    pairs = case.games.evaluate(design)

    assert pairs.detail.startswith("Coalitions are evaluated inside the model's graph")
    assert_alike(pairs(case.rows, nothing), case.plain.evaluate(design)(case.rows, nothing))
    assert case.games.none == case.plain.none


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("name", ["network", "shaped at run time", "one feature alone"])
def test_a_design_without_coalitions_leaves_the_output(name: str, own_rows: int | None, tmp_path: Path) -> None:
    case = load(HAND_MADE[name](), tmp_path)
    design = case.design(own_rows=own_rows)
    empty = replace(
        design, masks=design.masks[:0], background=None if design.background is None else design.background[:0]
    )

    found = case.games.evaluate(empty)(case.rows, nothing)

    assert found.on.shape == found.off.shape == (5, 0)
    assert (found.outputs == case.games.evaluate(design)(case.rows, nothing).outputs).all()


def test_a_comparison_that_is_off_is_seen(tmp_path: Path) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    expected = case.plain.evaluate(case.design())(case.rows, nothing)
    off = replace(expected, on=expected.on * (1 + 1e-5))

    with pytest.raises(AssertionError):
        assert_alike(off, expected)


def test_equal_answers_have_exactly_that_mean(tmp_path: Path) -> None:
    case = load(constant_answer(), tmp_path)

    found = case.games.evaluate(case.design())(case.rows, nothing)

    expected = float(np.float32(0.1))
    assert (found.on == expected).all()
    assert (found.off == expected).all()
    assert (found.outputs == expected).all()
    assert case.games.none == expected


def test_groups_are_mixed_together(tmp_path: Path) -> None:
    case = load(texts_and_numbers(), tmp_path, players={"person": ("age", "home"), "money": ("income",)})
    design = CoalitionDesign(masks=np.array([[True, False]]))

    found = case.games.evaluate(design)(case.rows, nothing)

    assert_alike(found, case.plain.evaluate(design)(case.rows, nothing))


def test_a_row_gets_the_same_bits_in_any_company_and_number_of_threads(tmp_path: Path) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    other = load(HAND_MADE["network"](), tmp_path / "again", threads=3)
    design = case.design(q=200)

    together = case.games.evaluate(design)(case.rows, nothing)
    alone = other.games.evaluate(design)(case.rows.take([3]), nothing)
    threaded = other.games.evaluate(design)(case.rows, nothing)

    np.testing.assert_array_equal(together.on[3], alone.on[0])
    np.testing.assert_array_equal(together.outputs[3], alone.outputs[0])
    np.testing.assert_array_equal(together.off, threaded.off)


def test_answers_that_are_not_finite_are_refused_as_the_plain_way_refuses_them(tmp_path: Path) -> None:
    case = load(log_of_a(), tmp_path)
    bad = replace(case.rows, columns={**case.rows.columns, "a": np.array([1.0, 1.0, -1.0, 1.0, 1.0])})
    design = CoalitionDesign(masks=np.array([[True, False], [False, True]]))
    pairs = case.games.evaluate(design)
    assert isinstance(pairs, GraphPairs)

    with pytest.raises(ModelOutputError) as plain:
        case.plain.evaluate(design)(bad, nothing)
    with pytest.raises(ModelOutputError) as fast:
        pairs(bad, nothing)

    assert str(fast.value) == str(plain.value)


def test_a_graph_that_does_not_agree_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = mixed_model.row_graph

    def wrong(plan: MixingPlan, background: Mapping[str, NDArray[np.generic]], **more: bool) -> bytes:
        layers = tuple(replace(layer, weights=layer.weights * np.float32(1.001)) for layer in plan.layers)
        return right(replace(plan, layers=layers), background, **more)

    monkeypatch.setattr(mixed_model, "row_graph", wrong)
    case = load(HAND_MADE["network"](), tmp_path)
    design = case.design()

    pairs = case.games.evaluate(design)

    assert "evaluated in plain batches, because the graph made for them differs from the model's own" in pairs.detail
    assert_alike(pairs(case.rows, nothing), case.plain.evaluate(design)(case.rows, nothing), tolerance=0)


def test_a_model_with_its_batch_size_inside_falls_back_and_says_so(tmp_path: Path) -> None:
    nodes = [
        node("Reshape", ["x", "shape"], ["three"]),
        node("MatMul", ["three", "w"], ["h"]),
        node("Reshape", ["h", "back"], ["y"]),
    ]
    constants = {"shape": np.array([2, 1, 4]), "back": np.array([2, 1]), "w": weights(4, 1)}
    made = model(nodes, {"x": (FLOAT, [2, 4])}, constants, output=(FLOAT, [2, 1]))
    case = load((made, numbers(*"abcd")), tmp_path)
    design = case.design()

    pairs = case.games.evaluate(design)

    assert pairs.detail == (
        "Coalitions are evaluated in plain batches, because the graph made for them does not run on mixed rows."
    )
    assert_alike(pairs(case.rows, nothing), case.plain.evaluate(design)(case.rows, nothing), tolerance=0)


def test_a_model_of_an_operator_set_without_where_falls_back_and_says_so(tmp_path: Path) -> None:
    case = load((network(opset=8), numbers(*"abcd")), tmp_path)

    pairs = case.games.evaluate(case.design())

    assert pairs.detail == (
        "Coalitions are evaluated in plain batches, because it uses operator set 8, and mixing rows needs 9 or newer."
    )


def test_more_background_rows_than_a_pass_takes_fall_back_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    monkeypatch.setattr(games, "MOST_BACKGROUND_ROWS", BACKGROUND_ROWS - 1)

    everybody = case.games.evaluate(case.design())
    a_few = case.games.evaluate(case.design(own_rows=7))

    assert everybody.detail == (
        "Coalitions are evaluated in plain batches, because 20 background rows of a coalition are more than one pass "
        "of a graph takes."
    )
    assert isinstance(a_few, GraphPairs)


def test_a_projection_on_the_host_is_the_formula(tmp_path: Path) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    design = case.design()
    projection = random_projection(4, len(design))

    found = case.games.attribute(design, projection)(case.rows, nothing)

    expected = project(projection, case.plain.evaluate(design)(case.rows, nothing), case.plain.none)
    scale = float(np.abs(expected.values).max())
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=TOLERANCE * scale)
