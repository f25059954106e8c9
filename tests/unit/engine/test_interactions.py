from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.interactions import InteractionBatch, explain_interactions
from xaisvc.errors import AbandonedError, MethodNotApplicableError
from xaisvc.types import Space


@cache
def _explainer(name: str) -> Explainer:
    return Explainer(BUNDLES / name, "cpu")


def _interactions(
    name: str, space: Space = Space.LOG_ODDS, players: str = "features", **more: object
) -> tuple[InteractionBatch, Explainer]:
    explainer = _explainer(name)
    return explain_interactions(
        explainer._loaded,
        explainer.bundle.background.take(slice(0, 5)),
        output=explainer.bundle.description.outputs[0],
        space=space,
        players=explainer._loaded.players(players),
        clock=lambda: 0.0,
        **more,  # type: ignore[arg-type]
    ), explainer


@pytest.mark.parametrize("players", ["features", "concepts"])
def test_lines_sum_to_the_values_of_explain(players: str) -> None:
    found, explainer = _interactions("german-credit-boosting", players=players)
    batch = explainer.explain_table(explainer.bundle.background.take(slice(0, 5)), players=players)
    p = len(found.players)

    assert found.values.shape == (len(found), p, p) == (5, p, p)
    # The tree method may keep its tables in float32: 6e-8 of their size, some hundred of them.
    np.testing.assert_allclose(found.values.sum(axis=2), batch.values, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.base_values, batch.base_values, rtol=0, atol=1e-6)
    # One is the float32 score of the graph, the other base value and values summed in float64.
    np.testing.assert_allclose(found.outputs, batch.outputs, rtol=0, atol=1e-5)
    assert (found.space, found.method, found.exact) == (Space.LOG_ODDS, "tree_interactions", True)
    assert "100 trees" in found.detail


def test_trees_interact_and_lines_do_not() -> None:
    trees, _ = _interactions("german-credit-boosting")
    lines, _ = _interactions("german-credit-logistic")
    outside = ~np.eye(len(trees.players), dtype=bool)

    assert np.abs(trees.values[:, outside]).max() > 0.01
    assert not lines.values[:, ~np.eye(len(lines.players), dtype=bool)].any()


def test_a_probability_is_referred_to_log_odds() -> None:
    with pytest.raises(MethodNotApplicableError, match="ask for space 'log_odds', where the model is a sum"):
        _interactions("german-credit-boosting", Space.PROBABILITY)


def test_work_that_nobody_waits_for_stops() -> None:
    def gone() -> None:
        raise AbandonedError("gone")

    with pytest.raises(AbandonedError):
        _interactions("german-credit-boosting", check=gone)
