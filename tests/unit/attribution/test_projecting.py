"""A projection applied in blocks of rows, against its formula for each row."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.engine.games import random_projection
from xaisvc.attribution import projecting
from xaisvc.attribution.projecting import BLOCK_ROWS, project
from xaisvc.types.sampling import PairValues

P, Q = 5, 37


def _pairs(n: int) -> PairValues:
    rng = np.random.default_rng(n)
    return PairValues(on=rng.normal(size=(n, Q)), off=rng.normal(size=(n, Q)), outputs=rng.normal(size=n))


@pytest.mark.parametrize("n", [0, 1, BLOCK_ROWS, 3 * BLOCK_ROWS + 3])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_row_is_what_the_formula_says(n: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projecting, "_WORTH_A_THREAD", 0)
    projection, pairs = random_projection(P, Q), _pairs(n)

    found = project(projection, pairs, 0.25, threads)

    assert found.values.shape == (n, P)
    assert found.standard_errors.shape == (n, P)
    for row in range(n):
        odd, total = (pairs.on[row] - pairs.off[row]) / 2, pairs.outputs[row] - 0.25
        energy = ((projection.energy @ odd + projection.energy_share * total) ** 2).sum()
        spread = ((projection.spread @ odd + projection.spread_share * total) ** 2).sum(axis=0)
        assert found.values[row] == pytest.approx(projection.weights @ odd + projection.share * total, rel=0, abs=1e-12)
        assert found.standard_errors[row] == pytest.approx(np.sqrt(spread + projection.scale**2 * energy), rel=1e-12)


def test_a_row_has_the_same_bits_alone_in_company_and_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    projection, pairs = random_projection(P, Q), _pairs(2 * BLOCK_ROWS + 3)
    whole = project(projection, pairs, 0.25)
    monkeypatch.setattr(projecting, "_WORTH_A_THREAD", 0)

    spread = project(projection, pairs, 0.25, 2)

    np.testing.assert_array_equal(spread.values, whole.values)
    np.testing.assert_array_equal(spread.standard_errors, whole.standard_errors)
    for row in range(len(pairs.outputs)):
        one = slice(row, row + 1)
        alone = project(projection, PairValues(on=pairs.on[one], off=pairs.off[one], outputs=pairs.outputs[one]), 0.25)
        np.testing.assert_array_equal(alone.values[0], whole.values[row])
        np.testing.assert_array_equal(alone.standard_errors[0], whole.standard_errors[row])
