from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from xaisvc.attribution.linear import LinearMethod, _check_sums, _clearly_adds_up, players_of_columns
from xaisvc.attribution.observed import sigmoid
from xaisvc.errors import AdditivityError, MethodNotApplicableError, ModelOutputError
from xaisvc.types import AdditiveModel, AttributionMethod, LinearTerm, Players, Problem, Settings, Space, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

SETTINGS = Settings(budget=None, seed=0, row_seeds=(), clock=time.monotonic)
WEIGHTS = np.array([2.0, -1.0, 0.5, 3.0])
# Feature "hot" reaches the model as two columns, the last column is the same in every row.
OWNERS = (frozenset({"x"}), frozenset({"hot"}), frozenset({"hot"}), frozenset[str]())
EACH = Players(names=("x", "hot"), members=(("x",), ("hot",)))


def rows_of(x: list[float], hot: list[float]) -> Table:
    return Table({"x": np.array(x, dtype=np.float64), "hot": np.array(hot, dtype=np.float64)})


def columns(rows: Table) -> NDArray[np.float64]:
    hot = rows.columns["hot"]
    return np.stack([rows.columns["x"], hot == 1, hot == 2, np.ones(len(rows))], axis=1)


def problem_of(**change: Any) -> Problem:
    term = LinearTerm(columns=columns, owners=OWNERS, weights=WEIGHTS)
    plain = Problem(
        model=lambda rows: 0.25 + columns(rows) @ WEIGHTS,
        background=rows_of([0.0, 1.0, 2.0, 5.0], [1.0, 1.0, 2.0, 0.0]),
        players=EACH,
        space=Space.LOG_ODDS,
        additive=AdditiveModel(constant=0.25, terms=(term,)),
    )
    return replace(plain, **change)


def test_values_are_weights_times_the_distance_from_the_background_mean() -> None:
    found = LinearMethod().attribute(problem_of(), rows_of([3.0, 0.0], [2.0, 1.0]), SETTINGS)

    # Means: x 2, hot=1 1/2, hot=2 1/4.
    assert found.values == pytest.approx(np.array([[2.0, 0.5 + 0.375], [-4.0, -0.5 - 0.125]]))
    assert found.base_values == pytest.approx(np.full(2, 0.25 + 4.0 - 0.5 + 0.125 + 3.0))
    assert found.outputs == pytest.approx(found.base_values + found.values.sum(axis=1))
    assert (found.method, found.exact, found.model_evaluations.tolist()) == ("linear", True, [1, 1])
    assert not found.standard_errors.any()


def test_a_group_gets_the_sum_of_its_members() -> None:
    together = Players(names=("all",), members=(("hot", "x"),), kind="custom")
    rows = rows_of([3.0], [2.0])
    apart = LinearMethod().attribute(problem_of(), rows, SETTINGS)
    found = LinearMethod().attribute(problem_of(players=together), rows, SETTINGS)

    assert found.values == pytest.approx(apart.values.sum(axis=1, keepdims=True))


def test_pieces_give_the_same() -> None:
    rows = rows_of(list(range(7)), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0])
    whole = LinearMethod().attribute(problem_of(), rows, SETTINGS)
    pieces = LinearMethod().attribute(problem_of(), rows, replace(SETTINGS, max_batch_rows=2))

    np.testing.assert_array_equal(pieces.values, whole.values)


def test_no_rows_give_no_values() -> None:
    found = LinearMethod().attribute(problem_of(), rows_of([], []), SETTINGS)

    assert found.values.shape == (0, 2)


def test_a_mixing_column_without_weight_does_not_matter() -> None:
    owners = (*OWNERS[:3], frozenset({"x", "hot"}))
    weights = np.array([2.0, -1.0, 0.5, 0.0])
    term = LinearTerm(columns=columns, owners=owners, weights=weights)
    used = problem_of(additive=AdditiveModel(constant=0.0, terms=(replace(term, weights=WEIGHTS),)))
    unused = problem_of(model=lambda rows: columns(rows) @ weights, additive=AdditiveModel(constant=0.0, terms=(term,)))

    assert LinearMethod().why_not(used) == (
        "column 3 that reaches the model mixes the players 'hot', 'x', so their shares need sampling"
    )
    assert not LinearMethod().why_not(unused)
    assert LinearMethod().attribute(unused, rows_of([3.0], [2.0]), SETTINGS).values == pytest.approx(
        np.array([[2.0, 0.875]])
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"additive": None, "additive_reason": "the model is a network"}, "the model is a network"),
        ({"additive": None}, "no sum of weighted columns"),
        ({"background": rows_of([], [])}, "the background has no rows"),
    ],
)
def test_what_cannot_be_explained_is_refused_with_the_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(MethodNotApplicableError, match=reason):
        LinearMethod().attribute(problem_of(**change), rows_of([1.0], [1.0]), SETTINGS)


def test_a_model_that_answers_otherwise_is_refused() -> None:
    wrong = problem_of(model=lambda rows: columns(rows) @ WEIGHTS)

    with pytest.raises(AdditivityError, match=r"difference 0\.25"):
        LinearMethod().attribute(wrong, rows_of([1.0], [1.0]), SETTINGS)


def test_a_missing_value_that_reaches_the_model_is_refused() -> None:
    with pytest.raises(ModelOutputError, match="NaN for 1 of 2 explained rows"):
        LinearMethod().attribute(problem_of(), rows_of([1.0, np.nan], [1.0, 1.0]), SETTINGS)
    with pytest.raises(ModelOutputError, match="the background is not finite"):
        LinearMethod().attribute(problem_of(background=rows_of([np.nan], [1.0])), rows_of([1.0], [1.0]), SETTINGS)


def test_players_of_columns() -> None:
    mixed = (*OWNERS, frozenset({"x", "hot"}))

    assert players_of_columns(mixed, EACH).tolist() == [0, 1, 1, -1, -2]


def test_it_is_an_attribution_method() -> None:
    assert isinstance(LinearMethod(), AttributionMethod)
    assert (LinearMethod().name, LinearMethod().exact) == ("linear", True)


@pytest.mark.parametrize("seed", range(20))
def test_what_passes_a_row_alone_passes_among_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    passed = 0
    for _ in range(200):
        values = rng.normal(size=(1, 4)) * 10.0 ** rng.uniform(-9, 9)
        base = float(rng.normal() * 10.0 ** rng.uniform(-9, 9))
        size = np.abs(values).sum() + abs(base)
        outputs = values.sum(axis=1) + base + size * 10.0 ** rng.uniform(-8, -4) * rng.choice([-1, 1])
        outputs[rng.random(1) < 0.05] = rng.choice([np.nan, np.inf, -np.inf])
        predictions = None
        if rng.random() < 0.5:
            predictions = sigmoid(outputs) + 10.0 ** rng.uniform(-8, -4) * rng.choice([-1, 1])
        if _clearly_adds_up(values[0], base, outputs[0], predictions, 1e-12):
            _check_sums(values, base, outputs, predictions, 1e-12)
            passed += 1

    assert 20 < passed < 180


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_row_alone_with_a_number_that_is_not_finite_never_passes_soon(broken: float) -> None:
    good = np.array([1.0, 2.0])

    assert _clearly_adds_up(good, 0.0, 3.0, None, 1.0)
    assert not _clearly_adds_up(np.array([1.0, broken]), 0.0, 3.0, None, 1.0)
    assert not _clearly_adds_up(good, broken, 3.0, None, 1.0)
    assert not _clearly_adds_up(good, 0.0, broken, None, 1.0)
    assert not _clearly_adds_up(good, 0.0, 3.0, np.array([broken]), 1.0)
