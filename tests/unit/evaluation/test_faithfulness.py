from __future__ import annotations

import numpy as np
import pytest

from xaisvc.evaluation import (
    BackgroundReplacement,
    Polynomial,
    Removal,
    curve,
    curve_area,
    faithfulness_correlation,
    faithfulness_estimate,
    importance_towards,
    infidelity,
    infidelity_share,
    prediction_gap,
    step_counts,
    subset_masks,
    top_masks,
)
from xaisvc.types import Table


def test_correlation_of_summed_values_with_drops_by_hand() -> None:
    values = np.array([[1.0, 2.0, 4.0]])
    removed = np.array([[True, False, False], [False, True, False], [True, True, False]])
    # sums 1, 2, 3 against drops 2, 4, 9: deviations (-1, 0, 1) and (-3, -1, 4): 7 / sqrt(2 * 26)
    found = faithfulness_correlation(values, removed, np.array([[2.0, 4.0, 9.0]]))

    assert found.numerators == pytest.approx([7 / np.sqrt(52)])


def test_a_constant_side_has_no_correlation() -> None:
    removed = np.eye(2, dtype=bool)

    assert np.isnan(faithfulness_correlation(np.ones((1, 2)), removed, np.array([[1.0, 2.0]])).numerators[0])
    assert np.isnan(faithfulness_estimate(np.array([[1.0, 2.0]]), np.full((1, 2), 0.1)).numerators[0])


def test_estimate_by_hand() -> None:
    # deviations (-1, 0, 1) and (0, -1, 1): 1 / sqrt(2 * 2)
    found = faithfulness_estimate(np.array([[0.0, 1.0, 2.0]]), np.array([[5.0, 4.0, 6.0]]))

    assert found.numerators == pytest.approx([0.5])


def test_infidelity_by_hand() -> None:
    values = np.array([[1.0, 2.0], [0.0, 0.0]])
    removed = np.array([[True, False], [True, True]])
    drops = np.array([[2.0, 3.0], [1.0, 3.0]])  # sums (1, 3) and (0, 0): gaps (-1, 0) and (-1, -3)

    assert infidelity(values, removed, drops).numerators.tolist() == [0.5, 5.0]
    assert infidelity_share(values, removed, drops).value() == pytest.approx(5.5 / (13 / 2 + 10 / 2))
    assert infidelity_share(np.zeros((2, 2)), removed, drops).value() == 1.0


def test_areas_by_hand() -> None:
    # a row that goes up from 1 to 5 and one that goes down from 2 to 0; one step in the middle
    full, empty = np.array([5.0, 0.0]), np.array([1.0, 2.0])
    outputs = np.array([[4.0], [1.5]])  # 3 of 4 and 0.5 of 2 on the way
    inserted = curve_area(outputs, full, empty, np.array([0.5]), inserting=True)
    deleted = curve_area(outputs, full, empty, np.array([0.5]), inserting=False)

    # insertion heights (0, 3, 4): (1.5 + 3.5) / 2 = 2.5; (0, 0.5, 2): (0.25 + 1.25) / 2 = 0.75; over 4 + 2
    assert inserted.numerators.tolist() == [2.5, 0.75]
    assert inserted.value() == pytest.approx(3.25 / 6)
    # deletion heights (4, 3, 0): (3.5 + 1.5) / 2; (2, 0.5, 0): (1.25 + 0.25) / 2
    assert deleted.value() == pytest.approx((2.5 + 0.75) / 6)
    assert curve(outputs, full, empty).tolist() == [3.5 / 6]


def test_the_gap_is_the_mean_of_absolute_changes() -> None:
    outputs = np.array([[[1.0, 3.0], [2.0, 2.0]]])

    assert prediction_gap(outputs, np.array([2.0])).numerators.tolist() == [0.5]


def test_importance_follows_the_rows_own_direction() -> None:
    values = np.array([[1.0, -2.0], [1.0, -2.0]])

    assert importance_towards(values, np.array([1.0, 0.0]), np.array([0.0, 1.0])).tolist() == [[1, -2], [-1, 2]]


def test_true_values_beat_random_ones_on_every_metric() -> None:
    rng = np.random.default_rng(8)
    truth = Polynomial(terms=(((0,), 3.0), ((1,), -1.0), ((2, 3), 1.5), ((4,), 0.3), ((5,), 0.1)))
    x, z = rng.normal(size=(300, 6)), rng.normal(size=(200, 6))
    values = truth.shapley_values(x, z)
    shuffled = rng.permuted(values, axis=1)
    names = [f"f{j}" for j in range(6)]

    def as_table(numbers: np.ndarray) -> Table:
        return Table({name: numbers[:, j].copy() for j, name in enumerate(names)})

    removal = Removal(
        model=lambda rows: truth(np.column_stack([rows.columns[name] for name in names]).astype(np.float64)),
        rows=as_table(x),
        background=as_table(z),
        members=tuple((j,) for j in range(6)),
        replacement=BackgroundReplacement.of(300, 200, 20, rng),
    )
    full = truth(x)
    removed = subset_masks(6, 32, rng)
    drops = full[:, None] - removal.outputs(~removed).mean(axis=2)
    single = full[:, None] - removal.outputs(~np.eye(6, dtype=bool)).mean(axis=2)
    empty = removal.outputs(np.zeros((1, 6), dtype=bool)).mean(axis=(1, 2))
    counts = step_counts(6, 12)

    def scores(candidate: np.ndarray) -> dict[str, float]:
        first = top_masks(importance_towards(candidate, full, empty), counts)
        largest = top_masks(np.abs(candidate), counts)
        inserted, deleted = removal.outputs(first).mean(axis=2), removal.outputs(~first).mean(axis=2)
        return {
            "correlation": faithfulness_correlation(candidate, removed, drops).value(),
            "estimate": faithfulness_estimate(candidate, single).value(),
            "infidelity": -infidelity(candidate, removed, drops).value(),
            "share": -infidelity_share(candidate, removed, drops).value(),
            "insertion": curve_area(inserted, full, empty, counts / 6, inserting=True).value(),
            "deletion": -curve_area(deleted, full, empty, counts / 6, inserting=False).value(),
            "important": prediction_gap(removal.outputs(~largest), full).value(),
            "unimportant": -prediction_gap(removal.outputs(largest), full).value(),
        }

    good, bad = scores(values), scores(shuffled)

    assert all(good[name] > bad[name] for name in good), (good, bad)


def test_curves_leave_out_what_their_areas_leave_out() -> None:
    full, empty = np.array([5.0, 0.0, 1.0]), np.array([1.0, 2.0, 0.0])
    outputs = np.array([[4.0], [1.5], [np.nan]])

    assert curve(outputs, full, empty).tolist() == [3.5 / 6]
    assert curve_area(outputs, full, empty, np.array([0.5]), inserting=True).usable.tolist() == [True, True, False]


def test_there_is_no_curve_where_no_row_goes_any_way() -> None:
    assert np.isnan(curve(np.ones((2, 3)), np.ones(2), np.ones(2))).all()


def test_a_perfect_correlation_is_not_above_one() -> None:
    values = np.random.default_rng(0).normal(size=(500, 7))

    assert np.abs(faithfulness_estimate(values, 3.0 * values).numerators).max() <= 1.0
