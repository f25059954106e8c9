from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from xaisvc.attribution.linear import LinearMethod
from xaisvc.attribution.observed import LINK_ROUNDING, SEEN_SLOPE, link_gaps, sigmoid
from xaisvc.attribution.tree import TreeMethod
from xaisvc.errors import AdditivityError, ModelOutputError
from xaisvc.types import (
    AdditiveModel,
    AttributionMethod,
    LinearTerm,
    Observed,
    Players,
    Problem,
    Settings,
    Space,
    Table,
    TreeEnsemble,
    TreeTerm,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SETTINGS = Settings(budget=None, seed=0, row_seeds=(), clock=time.monotonic)
ALONE = Players(names=("x",), members=(("x",),))
OWNERS = (frozenset({"x"}),)
EDGE = float(np.log(0.999 / 0.001))
"""Log-odds at which p (1 - p) is 1e-3 all but one part in a thousand."""


def table(x: list[float]) -> Table:
    return Table({"x": np.array(x, dtype=np.float64)})


def column(rows: Table) -> NDArray[np.float32]:
    return np.asarray(rows.columns["x"], dtype=np.float32).reshape(-1, 1)


@dataclass
class Model:
    """A function of the rows that remembers which rows it scored."""

    function: Callable[[NDArray[np.float64]], NDArray[Any]]
    seen: list[float] = field(default_factory=list)

    def __call__(self, rows: Table) -> NDArray[np.float64]:
        x = np.asarray(rows.columns["x"], dtype=np.float64)
        self.seen += x.tolist()
        return np.asarray(self.function(x), dtype=np.float64)


def probability(log_odds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The logistic link as a graph computes it, in float32."""
    return (1 / (1 + np.exp(-log_odds.astype(np.float32)))).astype(np.float32)


def linear_problem(tensor: Model, score: Model | None = None) -> Problem:
    """f(x) = x as a linear term."""
    return Problem(
        model=score or Model(lambda x: x),
        background=table([-1.0, 1.0]),
        players=ALONE,
        space=Space.LOG_ODDS,
        additive=AdditiveModel(
            constant=0.0, terms=(LinearTerm(columns=column, owners=OWNERS, weights=np.array([1.0])),)
        ),
        observed=Observed(model=tensor),
    )


def stump(high: float) -> TreeEnsemble:
    """`high` where x > 0, else -1."""
    return TreeEnsemble(
        roots=np.array([0], dtype=np.int32),
        column=np.array([0, -1, -1], dtype=np.int32),
        mode=np.array([1, 0, 0], dtype=np.int8),
        threshold=np.zeros(3, dtype=np.float32),
        true_child=np.array([1, -1, -1], dtype=np.int32),
        false_child=np.array([2, -1, -1], dtype=np.int32),
        missing_true=np.zeros(3, dtype=np.bool_),
        members={},
        leaf_value=np.array([0.0, -1.0, high]),
    )


def tree_problem(tensor: Model, high: float = 2.0) -> Problem:
    term = TreeTerm(columns=column, owners=OWNERS, trees=stump(high))
    return replace(
        linear_problem(tensor, Model(lambda x: np.where(x > 0, high, -1.0))),
        additive=AdditiveModel(constant=0.0, terms=(term,)),
    )


def stump_probability(high: float = 2.0, off: float = 0.0) -> Model:
    return Model(lambda x: probability(np.where(x > 0, high + off, -1.0)))


def observed_model(problem: Problem) -> Model:
    assert problem.observed is not None
    assert isinstance(problem.observed.model, Model)
    return problem.observed.model


@pytest.mark.parametrize(
    ("method", "problem"),
    [(LinearMethod(), linear_problem(Model(probability))), (TreeMethod(), tree_problem(stump_probability()))],
)
def test_the_model_is_scored_once_per_row_in_its_tensor_alone(method: AttributionMethod, problem: Problem) -> None:
    rows = table([0.5, -0.25, 3.0])
    expected = observed_model(problem)(rows)
    observed_model(problem).seen.clear()
    found = method.attribute(problem, rows, SETTINGS)

    assert isinstance(problem.model, Model)
    assert problem.model.seen == []
    assert observed_model(problem).seen == [0.5, -0.25, 3.0]
    np.testing.assert_array_equal(found.predictions, expected)  # the model's own bits, nothing worked out
    np.testing.assert_array_equal(found.outputs, found.base_values + found.values.sum(axis=1))


@pytest.mark.parametrize("pieces", [1, 2, 16384])
def test_rows_whose_probability_hides_their_log_odds_are_scored(pieces: int) -> None:
    score = Model(lambda x: x)
    x = [0.0, EDGE + 0.1, 2.0, -EDGE - 0.1, EDGE - 0.1, 40.0]
    found = LinearMethod().attribute(
        linear_problem(Model(probability), score), table(x), replace(SETTINGS, max_batch_rows=pieces)
    )

    assert score.seen == [x[1], x[3], x[5]]
    assert found.outputs == pytest.approx(np.array(x), abs=1e-6)  # columns are float32 numbers below 8, and 40
    assert found.predictions is not None
    assert found.predictions[5] == 1.0


def test_a_probability_of_other_log_odds_is_refused_with_the_figures() -> None:
    problem = linear_problem(Model(lambda x: probability(x + 0.01)))

    with pytest.raises(
        AdditivityError,
        match=r"attributions of row 1 sum to log-odds of 0\.5, a probability of 0\.622\d+, but the model's probability "
        r"is 0\.624\d+ .*; use method 'permutation'",
    ):
        LinearMethod().attribute(problem, table([3.0, 0.5]), SETTINGS)


def test_trees_that_do_not_give_the_probability_are_refused() -> None:
    with pytest.raises(AdditivityError, match="row 1 sum to log-odds of 2, "):
        TreeMethod().attribute(tree_problem(stump_probability(off=1e-3)), table([-1.0, 1.0]), SETTINGS)


def test_log_odds_hidden_by_a_probability_are_refused_by_their_score() -> None:
    # The probability is right to its last bit at 40 and at 41: only the score can tell.
    problem = linear_problem(Model(probability), Model(lambda x: x + (x > EDGE)))

    with pytest.raises(AdditivityError, match="row 0 sum to 40 but the model's output is 41"):
        LinearMethod().attribute(problem, table([40.0]), SETTINGS)


@pytest.mark.parametrize("value", [-0.5, 1.5])
def test_an_answer_that_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(AdditivityError, match="but the model's probability is"):
        LinearMethod().attribute(linear_problem(Model(lambda x: np.full(len(x), value))), table([0.0]), SETTINGS)


def test_a_probability_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ModelOutputError, match="NaN for 1 of 2 explained rows"):
        LinearMethod().attribute(
            linear_problem(Model(lambda x: np.where(x > 0, np.nan, 0.5))), table([1.0, 0.0]), SETTINGS
        )


def test_several_outputs_each_bring_their_own_predictions() -> None:
    first, second = tree_problem(stump_probability()), tree_problem(stump_probability(1.0), 1.0)
    plain = replace(first, observed=None)
    rows = table([-1.0, 1.0])
    found = TreeMethod().attribute_outputs((first, second, plain), rows, SETTINGS)

    for one, problem in zip(found[:2], (first, second), strict=True):
        np.testing.assert_array_equal(one.predictions, observed_model(problem)(rows))
    assert found[2].predictions is None
    np.testing.assert_array_equal(found[0].values, found[2].values)


@pytest.mark.parametrize("log_odds", [0.0, 2.0, -5.0, EDGE])
def test_every_error_beyond_both_tolerances_is_seen_and_none_within(log_odds: float) -> None:
    total, allowed = np.array([log_odds]), np.array([1e-5])
    true = sigmoid(total)
    slope = float(true[0] * (1 - true[0]))
    # What moves the probability by twice the allowed rounding, and what does not move it at all beyond the tolerance.
    beyond, within = 2 * LINK_ROUNDING / slope + 1e-5, 1e-5

    assert slope > SEEN_SLOPE / 1.01
    assert (link_gaps(total + beyond, allowed, true) > LINK_ROUNDING).all()
    assert (link_gaps(total - beyond, allowed, true) > LINK_ROUNDING).all()
    # Float64 rounding of the two links is 1e-16.
    assert (link_gaps(total + within, allowed, true) <= 1e-15).all()
    assert (link_gaps(total - within, allowed, true) <= 1e-15).all()


def test_the_link_needs_no_small_numbers() -> None:
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
    assert sigmoid(np.array([2.0, -3.0])) == pytest.approx(1 / (1 + np.exp(np.array([-2.0, 3.0]))), abs=1e-15)


class Store:
    """A plan store that keeps everything."""

    def __init__(self) -> None:
        self.kept: dict[str, object] = {}

    def keep(self, key: str, make: Callable[[], object], n_bytes: Callable[[object], int]) -> object:
        if key not in self.kept:
            self.kept[key] = make()
            assert n_bytes(self.kept[key]) >= 0
        return self.kept[key]

    def keep_arrays(self, key: str, make: Callable[[], Any]) -> Any:
        return self.keep(key, make, lambda _: 0)


def test_the_background_of_linear_terms_is_preprocessed_once_for_each_problem() -> None:
    sizes: list[int] = []

    def counted(rows: Table) -> NDArray[np.float32]:
        sizes.append(len(rows))
        return column(rows)

    store = Store()
    term = LinearTerm(columns=counted, owners=OWNERS, weights=np.array([1.0]))
    additive = AdditiveModel(constant=0.0, terms=(term,))
    problem = replace(linear_problem(Model(probability)), additive=additive, plans=store)
    first = LinearMethod().attribute(problem, table([3.0]), SETTINGS)
    again = LinearMethod().attribute(replace(problem), table([3.0]), SETTINGS)
    other = LinearMethod().attribute(replace(problem, background=table([5.0, 5.0])), table([3.0]), SETTINGS)
    renamed = replace(ALONE, kind="custom")
    custom = [
        LinearMethod().attribute(replace(problem, players=replace(renamed)), table([3.0]), SETTINGS) for _ in range(2)
    ]

    # The background for the means, the row, the background for the size of the terms; from then on rows alone.
    assert sizes == [2, 1, 2, 1, 2, 1, 2, 2, 1, 2, 1]
    assert first.values.tolist() == again.values.tolist() == custom[1].values.tolist() == [[3.0]]
    assert other.values.tolist() == [[-2.0]]
