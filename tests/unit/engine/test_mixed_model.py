"""A model's graph taken apart: what is done before rows are mixed, and what after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.engine.games import TOLERANCE, assert_alike, load, nothing
from tests.unit.engine.mixing_models import FLOAT, HAND_MADE, model, node, numbers, weights
from xaisvc.engine import mixed_model
from xaisvc.engine.graph_pairs import GraphPairs
from xaisvc.runtimes import OrtRuntime

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["network", "texts and numbers", "two branches"])
def test_a_first_linear_layer_is_split_and_gives_the_same_as_unsplit(name: str, tmp_path: Path) -> None:
    case = load(HAND_MADE[name](), tmp_path)
    design = case.design()
    split = case.loaded.ready(case.loaded.bundle.description.outputs[0], case.problem.space, own_rows=False).mixed
    assert split is not None
    assert split.plan.layers
    whole = mixed_model.take_apart(
        split.scoring,
        case.problem.background,
        space=case.problem.space,
        sources={feature.id: feature.source for feature in case.loaded.bundle.description.features},
        log_odds=lambda: None,
        runtime=OrtRuntime(),
        splits=False,
    )
    assert not whole.plan.layers
    pairs = [
        GraphPairs(
            problem=case.problem,
            design=design,
            mixed=mixed,
            session=mixed.session(OrtRuntime(), "cpu", own_rows=False),
            layout=mixed.layout(design, case.problem.players),
        )
        for mixed in (split, whole)
    ]

    assert_alike(pairs[0](case.rows, nothing), pairs[1](case.rows, nothing))


def test_missing_values_of_a_coalition_do_not_leak_through_the_split_layer(tmp_path: Path) -> None:
    """A linear layer of NaN is NaN; behind it a node makes a number of it, so every coalition has an answer."""
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("IsNaN", ["h"], ["bad"]),
        node("Where", ["bad", "seven", "h"], ["good"]),
        node("Tanh", ["good"], ["t"]),
        node("MatMul", ["t", "v"], ["y"]),
    ]
    constants = {"w": weights(3, 4), "v": weights(4, 1), "seven": np.array([0.7], np.float32)}
    data = numbers(*"abc")
    data.loc[[2, 5, 31], "a"] = np.nan
    data.loc[[3, 32], "b"] = np.nan
    case = load((model(nodes, {"x": (FLOAT, [None, 3])}, constants), data), tmp_path)
    design = case.design()

    found = case.games.evaluate(design)(case.rows, nothing)

    assert np.isnan(case.rows.columns["a"][1])
    assert_alike(found, case.plain.evaluate(design)(case.rows, nothing))


def test_large_models_are_not_held_twice_and_answer_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = load(HAND_MADE["network"](), tmp_path)
    design = case.design()
    expected = case.games.evaluate(design)(case.rows, nothing)
    monkeypatch.setattr(mixed_model, "MOST_COPIED_BYTES", 0)
    large = load(HAND_MADE["network"](), tmp_path / "again").games.evaluate(design)
    assert isinstance(large, GraphPairs)

    found = large(case.rows, nothing)

    assert large.session.run({"x": np.zeros((1, 4), np.float32)}, large.layout.whole())[1] is None
    np.testing.assert_array_equal(found.on, expected.on)
    np.testing.assert_allclose(found.outputs, expected.outputs, rtol=0, atol=TOLERANCE)
