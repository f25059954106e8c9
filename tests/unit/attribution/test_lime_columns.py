"""How LIME draws each feature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from xaisvc.attribution.lime_columns import CategoryColumn, NumericColumn, lime_columns
from xaisvc.types import Table

UNIFORMS = np.random.default_rng(0).random(20_000)


def _learn(values: object) -> CategoryColumn | NumericColumn:
    array = np.array(values, dtype=object if any(isinstance(v, str) for v in values) else float)  # type: ignore[attr-defined]
    return lime_columns(Table({"x": array}))["x"]


class TestNumbers:
    def test_bins_are_the_quartiles_and_an_edge_belongs_to_the_bin_below(self) -> None:
        column = _learn(np.arange(1.0, 102.0))

        assert isinstance(column, NumericColumn)
        assert column.edges.tolist() == [26.0, 51.0, 76.0]
        assert column.bins_of(np.array([-5.0, 26.0, 26.5, 51.0, 76.0, 76.1, 999.0])).tolist() == [0, 0, 1, 1, 2, 3, 3]

    def test_draws_stay_in_their_bin_and_come_as_often_as_the_bin_was_seen(self) -> None:
        background = np.random.default_rng(1).gamma(2.0, size=301)
        column = _learn(background)
        bins, values = column.draw(UNIFORMS)

        assert column.bins_of(values).tolist() == bins.tolist()
        # 20,000 draws scatter a share by 0.003.
        assert np.bincount(bins, minlength=5) / len(bins) == pytest.approx([0.25, 0.25, 0.25, 0.25, 0], abs=0.015)

    def test_a_bin_is_drawn_from_a_truncated_normal(self) -> None:
        background = np.random.default_rng(1).gamma(2.0, size=301)
        column = _learn(background)
        assert isinstance(column, NumericColumn)
        bins, values = column.draw(UNIFORMS)
        for index in range(4):
            inside = background[np.searchsorted(column.edges, background) == index]
            low, high = column.lows[index], column.highs[index]
            mean, std = inside.mean(), inside.std()
            law = stats.truncnorm((low - mean) / std, (high - mean) / std, loc=mean, scale=std)

            # About 5,000 draws: the statistic exceeds 0.03 once in ten thousand samples.
            assert stats.kstest(values[bins == index], law.cdf).statistic < 0.03

    def test_missing_is_a_bin_of_its_own(self) -> None:
        column = _learn([1.0, 2.0, 3.0, 4.5, np.nan, np.nan, np.nan, np.nan])
        bins, values = column.draw(UNIFORMS)

        assert column.bins_of(np.array([np.nan])).tolist() == [bins.max()]
        assert np.isnan(values).mean() == pytest.approx(0.5, abs=0.02)
        assert (np.isnan(values) == (bins == bins.max())).all()

    def test_whole_numbers_stay_whole(self) -> None:
        _, whole = _learn([1.0, 2.0, 5.0, 9.0, 14.0, 20.0, 30.0, 31.0, 40.0]).draw(UNIFORMS)
        _, broken = _learn([1.0, 2.0, 5.0, 9.0, 14.5, 20.0, 30.0, 31.0, 40.0]).draw(UNIFORMS)

        assert (whole == np.round(whole)).all()
        assert set(whole.tolist()) >= {3.0, 4.0, 12.0}
        assert (broken != np.round(broken)).any()

    def test_repeated_quartiles_make_fewer_bins(self) -> None:
        column = _learn([0.0] * 70 + list(np.arange(1.0, 31.0)))
        bins, values = column.draw(UNIFORMS)

        assert isinstance(column, NumericColumn)
        assert len(column.edges) == 2
        assert (values[bins == 0] == 0.0).all()


class TestCategories:
    def test_values_come_by_frequency(self) -> None:
        column = _learn(["b", "a", "b", "b"])
        bins, values = column.draw(UNIFORMS)

        assert column.values.tolist() == ["a", "b"]
        assert (values == "b").mean() == pytest.approx(0.75, abs=0.015)
        assert (column.values[bins] == values).all()

    def test_missing_is_a_category(self) -> None:
        column = _learn(["a", None, "a", "a"])
        _, values = column.draw(UNIFORMS)

        assert column.bins_of(np.array([None, "a"], dtype=object)).tolist() == [1, 0]
        assert np.mean([value is None for value in values]) == pytest.approx(0.25, abs=0.015)

    def test_a_category_that_the_background_does_not_hold_is_never_drawn(self) -> None:
        assert _learn(["a", "b"]).bins_of(np.array(["c"], dtype=object)).tolist() == [-1]

    def test_a_flag_is_a_category(self) -> None:
        column = _learn([0.0, 1.0, 1.0, 1.0, np.nan])
        _, values = column.draw(UNIFORMS)
        numbers = values.astype(float)

        assert isinstance(column, CategoryColumn)
        assert set(numbers[~np.isnan(numbers)].tolist()) == {0.0, 1.0}
        assert np.isnan(numbers).mean() == pytest.approx(0.2, abs=0.015)
        assert column.bins_of(np.array([0.0, 1.0, np.nan, 0.5])).tolist() == [0, 1, 2, -1]

    def test_a_constant_is_always_drawn(self) -> None:
        _, values = _learn([5.0, 5.0, 5.0]).draw(UNIFORMS)

        assert (values == 5.0).all()

    def test_draws_do_not_depend_on_the_order_of_the_background(self) -> None:
        one, other = _learn(["a", "b", "c", "c"]), _learn(["c", "b", "c", "a"])

        assert (one.draw(UNIFORMS)[1] == other.draw(UNIFORMS)[1]).all()


@pytest.mark.parametrize("values", [["a", "b", "c"], [1.0, 2.5, 3.0, 7.0], [1.0, 1.0, 2.0]])
def test_the_ends_of_the_unit_interval_are_drawn_too(values: list[object]) -> None:
    column = _learn(values)
    ends = np.array([0.0, np.nextafter(1.0, 0.0)])

    _, drawn = column.draw(ends)

    assert [drawn[0], drawn[1]] == [values[0], values[-1]]
