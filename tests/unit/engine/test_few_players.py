"""Answers of models with one player or four: every method enumerates, whatever the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import xaisvc
from tests.unit.engine.games import BACKGROUND_ROWS
from tests.unit.engine.mixing_models import FLOAT, model, node, numbers, weights
from xaisvc.engine.explainer import Explainer, Surroundings
from xaisvc.types import Deadline, ErrorTarget

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from xaisvc.types import Budget

BUDGETS = [None, ErrorTarget(1e-3), Deadline(0.2)]


def tanh_explainer(p: int, folder: Path) -> tuple[Explainer, pd.DataFrame]:
    """y = sum of tanh(x w), from p features."""
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Tanh", ["h"], ["t"]), node("MatMul", ["t", "v"], ["y"])]
    made = model(nodes, {"x": (FLOAT, [None, p])}, {"w": weights(p, 6), "v": weights(6, 1)})
    data = numbers(*"abcd"[:p])
    xaisvc.create_bundle(model=made, background=data[:BACKGROUND_ROWS], path=folder / "tanh")
    # The clock stands still, so that a deadline leaves time for everything.
    return Explainer(folder / "tanh", "cpu", surroundings=Surroundings(clock=lambda: 0.0)), data[30:35].reset_index(
        drop=True
    )


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("method", ["kernel", "permutation", "exact", "auto"])
def test_one_player_gets_everything(method: str, budget: Budget | None, tmp_path: Path) -> None:
    explainer, rows = tanh_explainer(1, tmp_path)

    found = explainer.explain(rows, method=method, budget=budget)

    # One subtraction in float64; what `auto` chooses for an additive graph adds float32 numbers: 1.2e-8 was seen.
    tolerance = 1e-6 if method == "auto" else 1e-12
    np.testing.assert_allclose(found.values[:, 0], found.outputs - found.base_values, rtol=0, atol=tolerance)
    assert np.ptp(found.values) > 0


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("method", ["kernel", "permutation", "auto"])
def test_four_players_are_enumerated_by_every_method(method: str, budget: Budget | None, tmp_path: Path) -> None:
    explainer, rows = tanh_explainer(4, tmp_path)
    expected = explainer.explain(rows, method="exact")

    found = explainer.explain(rows, method=method, budget=budget)

    # Coalitions in another order: float32 sums in chunks of another size.
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=2e-6)
