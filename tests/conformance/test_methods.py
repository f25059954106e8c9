"""What every attribution method promises, run over the registry.

A new method needs one line in `PROBLEMS`: a problem that it can be used for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.attribution.games import MatrixModel, matrix_problem, n_model_rows, normal, settings, table, twisted
from xaisvc.attribution import METHODS
from xaisvc.errors import MethodNotApplicableError, ModelOutputError
from xaisvc.types import (
    AdditiveModel,
    Attribution,
    AttributionMethod,
    LinearTerm,
    Problem,
    Table,
    TreeEnsemble,
    TreeTerm,
)

if TYPE_CHECKING:
    from collections.abc import Callable

P = 6
SMALL_BUDGET = 200
ARRAYS = ("values", "base_values", "outputs", "standard_errors", "model_evaluations")

# Rounding of float64 sums; the graph methods are checked against float32 models elsewhere.
ROUNDING = 1e-9
TABLE_ROUNDING = 1e-7  # table entries of trees are float32, off by at most 6e-8 of themselves; these are below 3


def _matrix(rows: Table) -> np.ndarray:
    return np.column_stack(list(rows.columns.values())).astype(np.float64)


OWNERS = tuple(frozenset({f"x{j}"}) for j in range(P))


def _black_box(p: int = P) -> Problem:
    return matrix_problem(twisted(p), normal(1, 40, p))


def _linear() -> Problem:
    weights = normal(3, 1, P)[0]
    term = LinearTerm(columns=_matrix, owners=OWNERS, weights=weights)
    problem = matrix_problem(lambda matrix: (matrix * weights).sum(axis=1) + 0.5, normal(1, 40, P))
    return replace(problem, additive=AdditiveModel(constant=0.5, terms=(term,)))


def _trees() -> Problem:
    """Two trees: x0 <= 0, below it x1 <= 0.5 on the false side; x2 > -0.2."""
    trees = TreeEnsemble(
        roots=np.array([0, 5], dtype=np.int32),
        column=np.array([0, -1, 1, -1, -1, 2, -1, -1], dtype=np.int32),
        mode=np.array([1, 0, 1, 0, 0, 4, 0, 0], dtype=np.int8),
        threshold=np.array([0.0, 0.0, 0.5, 0.0, 0.0, -0.2, 0.0, 0.0], dtype=np.float32),
        true_child=np.array([1, -1, 3, -1, -1, 6, -1, -1], dtype=np.int32),
        false_child=np.array([2, -1, 4, -1, -1, 7, -1, -1], dtype=np.int32),
        missing_true=np.zeros(8, dtype=np.bool_),
        members={},
        leaf_value=np.array([0.0, 1.0, 0.0, 2.0, -1.0, 0.0, 0.25, 0.75]),
    )

    def function(matrix: np.ndarray) -> np.ndarray:
        first = np.where(matrix[:, 0] <= 0.0, 1.0, np.where(matrix[:, 1] <= 0.5, 2.0, -1.0))
        return np.asarray(first + np.where(matrix[:, 2] > np.float32(-0.2), 0.25, 0.75))

    term = TreeTerm(columns=_matrix, owners=OWNERS, trees=trees)
    return replace(matrix_problem(function, normal(1, 40, P)), additive=AdditiveModel(constant=0.0, terms=(term,)))


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "linear": _linear,
    "tree": _trees,
    "exact": _black_box,
    "kernel": lambda: _black_box(9),
    "permutation": lambda: _black_box(9),
    "lime": lambda: _black_box(9),
    "lime_selected": lambda: _black_box(9),
    "lime_continuous": lambda: _black_box(9),
    "lime_reference": lambda: _black_box(9),
}

every_method = pytest.mark.parametrize("name", list(METHODS))


def _rows(problem: Problem, n: int) -> Table:
    return table(normal(2, n, len(problem.players)))


def _same(one: Attribution, other: Attribution) -> bool:
    return all((getattr(one, name) == getattr(other, name)).all() for name in ARRAYS)


def test_every_registered_method_has_a_problem_here() -> None:
    assert set(PROBLEMS) == set(METHODS), "add the new method to PROBLEMS in tests/conformance/test_methods.py"


def test_the_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        METHODS["mine"] = METHODS["exact"]  # type: ignore[index]


@every_method
def test_it_has_the_form_and_the_name_of_a_method_and_is_frozen(name: str) -> None:
    method = METHODS[name]

    assert isinstance(method, AttributionMethod)
    assert method.name == name
    with pytest.raises(FrozenInstanceError):
        method.name = "other"  # type: ignore[misc]
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        method.cache = {}  # type: ignore[attr-defined]


@every_method
@pytest.mark.parametrize("n", [1, 3])
def test_shapes_and_types(name: str, n: int) -> None:
    problem = PROBLEMS[name]()
    p = len(problem.players)
    rows = _rows(problem, n)

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=SMALL_BUDGET))

    shapes = {
        "values": (n, p),
        "standard_errors": (n, p),
        "base_values": (n,),
        "outputs": (n,),
        "model_evaluations": (n,),
    }
    for field, shape in shapes.items():
        array = getattr(found, field)
        assert array.shape == shape, field
        assert array.dtype == (np.int64 if field == "model_evaluations" else np.float64), field
        assert np.isfinite(array).all(), field
    assert found.method == name
    assert found.detail
    assert found.value_function in {"interventional", "local_surrogate"}
    assert len(found.diagnostics) in {0, n}
    assert {field.name for field in fields(found)} >= set(ARRAYS)


@every_method
def test_outputs_are_the_models_and_shapley_values_sum_to_them(name: str) -> None:
    problem = PROBLEMS[name]()
    rows = _rows(problem, 3)

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=SMALL_BUDGET))

    assert found.outputs == pytest.approx(problem.model(rows), rel=0, abs=ROUNDING)
    if found.value_function == "interventional":
        assert found.base_values == pytest.approx(problem.model(problem.background).mean(), rel=0, abs=ROUNDING)
        allowed = TABLE_ROUNDING if name == "tree" else ROUNDING
        assert found.base_values + found.values.sum(axis=1) == pytest.approx(found.outputs, rel=0, abs=allowed)


@every_method
def test_exactness_is_stated_and_goes_with_the_errors(name: str) -> None:
    problem = PROBLEMS[name]()
    rows = _rows(problem, 3)

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=SMALL_BUDGET))

    assert found.exact or not METHODS[name].exact
    assert found.exact == (not found.standard_errors.any())


@every_method
def test_exact_values_are_those_of_enumeration(name: str) -> None:
    if not METHODS[name].exact:
        return
    problem = PROBLEMS[name]()
    rows = _rows(problem, 5)

    found = METHODS[name].attribute(problem, rows, settings(rows))
    truth = METHODS["exact"].attribute(problem, rows, settings(rows))

    allowed = TABLE_ROUNDING if name == "tree" else ROUNDING
    assert found.values == pytest.approx(truth.values, rel=0, abs=allowed)


@every_method
def test_the_same_seed_gives_the_same_bits_and_another_seed_other_samples(name: str) -> None:
    problem = PROBLEMS[name]()
    rows = _rows(problem, 2)

    one, again, other = (
        METHODS[name].attribute(problem, rows, settings(rows, budget=SMALL_BUDGET, seed=seed)) for seed in (0, 0, 1)
    )

    assert _same(one, again)
    assert _same(one, other) == one.exact


@every_method
def test_a_row_gets_the_same_answer_alone_and_in_another_order(name: str) -> None:
    problem = PROBLEMS[name]()
    rows = _rows(problem, 4)
    order = [2, 0, 3, 1]
    together = METHODS[name].attribute(problem, rows, settings(rows, budget=SMALL_BUDGET))
    shuffled_rows = rows.take(order)
    shuffled = METHODS[name].attribute(problem, shuffled_rows, settings(shuffled_rows, budget=SMALL_BUDGET))

    for index in range(4):
        row = rows.take([index])
        alone = METHODS[name].attribute(problem, row, settings(row, budget=SMALL_BUDGET))
        for field in ARRAYS:
            assert (getattr(alone, field)[0] == getattr(together, field)[index]).all(), field
    for field in ARRAYS:
        assert (getattr(shuffled, field) == getattr(together, field)[order]).all(), field


@every_method
def test_eight_threads_get_the_answers_of_one(name: str) -> None:
    problem = PROBLEMS[name]()
    parts = [table(normal(10 + index, 2, len(problem.players))) for index in range(8)]

    def explain(rows: Table) -> Attribution:
        return METHODS[name].attribute(problem, rows, settings(rows, budget=SMALL_BUDGET))

    in_turn = [explain(rows) for rows in parts]
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(explain, parts))

    assert all(_same(one, other) for one, other in zip(in_turn, at_once, strict=True))


@every_method
def test_the_budget_is_kept_and_evaluations_are_counted(name: str) -> None:
    problem = PROBLEMS[name]()
    row = _rows(problem, 1)

    found = METHODS[name].attribute(problem, row, settings(row, budget=SMALL_BUDGET))

    n_background = len(problem.background)
    spent = n_model_rows(problem)
    if METHODS[name].exact:
        assert spent <= 2 ** len(problem.players) * n_background + n_background
    elif found.value_function == "interventional":
        # A pilot may cost as much as half an explanation; it belongs to the plan, not to the row.
        pilot = spent - int(found.model_evaluations[0])
        assert 0 <= pilot <= SMALL_BUDGET * n_background / 2
        assert found.model_evaluations[0] <= SMALL_BUDGET * n_background + n_background + 1
        spent -= pilot
    else:
        assert spent <= SMALL_BUDGET + 1
    # LIME's package scores the row a second time, as the first of its samples.
    assert found.model_evaluations[0] <= spent <= found.model_evaluations[0] + 1


@every_method
def test_no_call_of_the_model_is_larger_than_allowed(name: str) -> None:
    problem = PROBLEMS[name]()
    rows = _rows(problem, 3)

    METHODS[name].attribute(problem, rows, settings(rows, budget=SMALL_BUDGET, max_batch_rows=64))

    assert isinstance(problem.model, MatrixModel)
    assert max(problem.model.calls) <= 64


@every_method
def test_inputs_are_left_as_they_were(name: str) -> None:
    problem = PROBLEMS[name]()
    rows = _rows(problem, 2)
    before = rows.row_digests(), problem.background.row_digests()

    METHODS[name].attribute(problem, rows, settings(rows, budget=SMALL_BUDGET))

    assert before == (rows.row_digests(), problem.background.row_digests())


@every_method
def test_answers_that_are_not_finite_are_refused(name: str) -> None:
    problem = PROBLEMS[name]()
    rows = _rows(problem, 2)
    broken = replace(problem, model=lambda asked: np.full(len(asked), np.nan))

    with pytest.raises(ModelOutputError, match=r"NaN|not finite"):
        METHODS[name].attribute(broken, rows, settings(rows, budget=SMALL_BUDGET))


@every_method
def test_answers_of_the_wrong_shape_are_refused(name: str) -> None:
    problem = PROBLEMS[name]()
    rows = _rows(problem, 2)
    broken = replace(problem, model=lambda asked: np.zeros((len(asked), 1)))

    with pytest.raises(ModelOutputError, match="shape"):
        METHODS[name].attribute(broken, rows, settings(rows, budget=SMALL_BUDGET))


@every_method
def test_a_problem_that_it_cannot_take_is_refused_with_the_reason(name: str) -> None:
    problem = _black_box(16)
    reason = METHODS[name].why_not(problem)
    rows = _rows(problem, 1)
    if not reason:
        assert METHODS[name].attribute(problem, rows, settings(rows, budget=300)).values.shape == (1, 16)
        return

    with pytest.raises(MethodNotApplicableError) as caught:
        METHODS[name].attribute(problem, rows, settings(rows))

    assert reason in str(caught.value)
    assert n_model_rows(problem) == 0


@pytest.mark.parametrize("name", ["kernel", "permutation"])
def test_a_hundred_players(name: str) -> None:
    weights = normal(0, 1, 100)[0]
    problem = matrix_problem(lambda matrix: np.tanh(matrix @ weights / 5), normal(1, 3, 100))
    rows = table(normal(2, 1, 100))

    found = METHODS[name].attribute(problem, rows, settings(rows))

    assert found.base_values + found.values.sum(axis=1) == pytest.approx(found.outputs, rel=0, abs=ROUNDING)
    # tanh of a sum: the order of the effects is that of the terms, up to the sampling error.
    terms = weights * (normal(2, 1, 100)[0] - normal(1, 3, 100).mean(axis=0))
    assert np.corrcoef(found.values[0], terms)[0, 1] > 0.8


@pytest.mark.parametrize("name", ["exact", "kernel", "permutation"])
@pytest.mark.parametrize("n_background", [1, 3])
def test_one_player_gets_everything(name: str, n_background: int) -> None:
    problem = matrix_problem(lambda matrix: matrix[:, 0] ** 2, normal(1, n_background, 1))
    rows = table(normal(2, 2, 1))

    found = METHODS[name].attribute(problem, rows, settings(rows))

    assert found.exact
    assert found.values[:, 0] == pytest.approx(found.outputs - found.base_values, rel=0, abs=1e-15)


@pytest.mark.parametrize("name", ["lime", "lime_continuous", "lime_reference"])
def test_lime_takes_one_player_and_a_small_background(name: str) -> None:
    problem = matrix_problem(lambda matrix: matrix[:, 0] ** 2, normal(1, 5, 1))
    rows = table(normal(2, 2, 1))

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=SMALL_BUDGET))

    assert np.isfinite(found.values).all()
