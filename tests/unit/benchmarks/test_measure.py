"""What an explanation costs in predictions, on a clock of the test's own."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.performance import measure

PER_CALL_S = 10.0


def test_the_cost_is_over_predictions_in_the_batches_that_suit_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    now, sizes = [0.0], list[int]()

    def predict(batch: np.ndarray) -> None:
        sizes.append(len(batch))
        now[0] += PER_CALL_S + len(batch) * (1.0 if len(batch) <= 256 else 2.0)

    def explain(rows: np.ndarray, _budget: int, _seed: int) -> None:
        now[0] += 3.0 * len(rows)

    monkeypatch.setattr(measure, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    rows = np.zeros((1000, 4), dtype=np.float32)
    cost = measure.cost_in_predictions(explain, SimpleNamespace(raw=predict), rows, 0)  # type: ignore[arg-type]

    assert set(sizes) == {64, 256, 1000}
    assert cost == pytest.approx(3.0 / (1.0 + PER_CALL_S / 256))
