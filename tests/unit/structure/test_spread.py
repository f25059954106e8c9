"""How attributions depend on the draw of the background and on the other players."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.structure.spread import FEWEST_ROWS, MOST_ROWS, study_spread
from xaisvc.types import CoalitionDesign, PairValues, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.types.studies import PlayerSpread

    Model = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Games:
    """Coalition values by definition: every mixed row is scored."""

    def __init__(self, model: Model, background: NDArray[np.float64]) -> None:
        self.model = model
        self.background = background
        self.scored = 0

    def __call__(self, rows: Table, design: CoalitionDesign) -> PairValues:
        own = np.column_stack([rows.columns[name] for name in rows.columns]).astype(np.float64)
        assert design.background is not None
        on, off = np.empty((2, len(own), len(design)))
        for k, (mask, stand_ins) in enumerate(zip(design.masks, design.background, strict=True)):
            others = self.background[stand_ins]
            for i, row in enumerate(own):
                on[i, k] = self.model(np.where(mask, row, others)).mean()
                off[i, k] = self.model(np.where(mask, others, row)).mean()
                self.scored += 2 * len(others)
        return PairValues(on=on, off=off, outputs=self.model(own))


def study(model: Model, background: NDArray[np.float64]) -> tuple[Games, PlayerSpread]:
    games = Games(model, background)
    table = Table({f"f{i}": column for i, column in enumerate(background.T)})
    return games, study_spread(table, model(background), background.shape[1], games, np.random.default_rng(3))


def drawn(b: int, p: int = 3) -> NDArray[np.float64]:
    return np.random.default_rng(5).normal(size=(b, p)) * [1.0, 5.0, 1.0][:p]


def test_of_a_sum_the_error_is_that_of_a_mean_and_nothing_plays_together() -> None:
    background = drawn(320)
    _, found = study(lambda x: 2 * x[:, 0] + x[:, 1], background)

    # phi_i = w_i (x_i - mean): its standard error is |w_i| sd_i / sqrt(b). 64 parts give it within a tenth, mostly.
    closed = np.array([2.0, 1.0, 0.0]) * background.std(axis=0) / np.sqrt(320)
    assert found.background_errors == pytest.approx(closed, rel=0.3)
    assert found.background_errors[2] == 0.0
    assert found.interplay == pytest.approx(0.0, abs=1e-12)


def test_errors_that_take_each_other_away_do_so_in_the_sum() -> None:
    background = drawn(320)
    background[:, 1] = background[:, 0] + 0.1 * background[:, 2]
    _, found = study(lambda x: x[:, 0] - x[:, 1], background)

    # phi_0 + phi_1 = -0.1 (c - mean): a tenth of the standard error of either, which 64 parts give within a tenth.
    closed = 0.1 * background[:, 2].std() / np.sqrt(320)
    assert np.sqrt(found.background_covariance[:2, :2].sum()) == pytest.approx(closed, rel=0.3)
    assert np.sqrt(found.background_covariance.diagonal()) == pytest.approx(found.background_errors, rel=1e-9)


def test_the_error_is_right_on_average() -> None:
    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(40):
        background = rng.normal(size=(160, 2))
        _, found = study(lambda x: x[:, 0] + 3 * x[:, 1], background)
        ratios.append(found.background_errors / (np.array([1.0, 3.0]) / np.sqrt(160)))

    # A variance from 64 parts is right on average and within 18 %; 80 of them leave a standard error of 2 %.
    assert np.square(ratios).mean() == pytest.approx(1.0, abs=0.08)
    assert np.square(ratios).std() < 0.3


def test_a_product_of_centred_players_is_all_interplay() -> None:
    _, found = study(lambda x: x[:, 0] * x[:, 1] + x[:, 2], drawn(320))

    # Alone each adds next to nothing (the mean of the other is near 0), after the other everything.
    assert (found.interplay[:2] > 0.8).all()
    assert found.interplay[2] < 0.2


def test_the_work_is_what_it_says() -> None:
    games, found = study(lambda x: x[:, 0], drawn(1000, 2))

    assert found.rows == MOST_ROWS
    assert found.model_rows == games.scored == 2 * 2 * 40 * 320


@pytest.mark.parametrize("b", [2, FEWEST_ROWS - 1])
def test_too_few_rows_tell_nothing(b: int) -> None:
    _, found = study(lambda x: x[:, 0], drawn(b))

    assert np.isinf(found.background_errors).all()
    assert found.rows == 0


def test_one_player_errs_as_the_base_value_does() -> None:
    background = drawn(200, 1)
    _, found = study(lambda x: 3 * x[:, 0], background)

    assert found.background_errors == pytest.approx(3 * background.std(ddof=1) / np.sqrt(200))


def test_the_same_draw_gives_the_same_study() -> None:
    first = study(lambda x: np.abs(x).sum(axis=1), drawn(100))[1]
    second = study(lambda x: np.abs(x).sum(axis=1), drawn(100))[1]

    assert (first.background_errors == second.background_errors).all()
