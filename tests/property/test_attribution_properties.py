"""The axioms of the Shapley value, and what a row's answer must not depend on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.attribution import games
from xaisvc.attribution import METHODS
from xaisvc.types import Attribution, Players

EXACT = ["exact", "kernel"]  # with a budget that covers every coalition
SHAPLEY = ["exact", "kernel", "permutation"]
ROUNDING = 1e-11  # sums of at most 2^6 * 5 numbers below 1e3 in float64


@dataclass(frozen=True)
class Case:
    """A model with interactions, rows and a background, all from one seed."""

    p: int
    n_background: int
    seed: int

    def function(self, matrix: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        first, second = rng.normal(size=(2, self.p, 3))
        return np.asarray(np.sin(matrix @ first).sum(axis=1) + (matrix @ second).prod(axis=1))

    @property
    def background(self) -> np.ndarray:
        return games.normal(self.seed + 1, self.n_background, self.p)

    def rows(self, n: int) -> np.ndarray:
        return games.normal(self.seed + 2, n, self.p)


cases = st.builds(Case, p=st.integers(2, 6), n_background=st.integers(1, 5), seed=st.integers(0, 10_000))
quick = settings(max_examples=25, deadline=None)


def _explain(  # noqa: PLR0913 - a call of a method, spelled out
    name: str,
    function: object,
    rows: np.ndarray,
    background: np.ndarray,
    *,
    players: Players | None = None,
    budget: int | None = None,
) -> Attribution:
    problem = games.matrix_problem(function, background, players=players)  # type: ignore[arg-type]
    explained = games.table(rows)
    return METHODS[name].attribute(problem, explained, games.settings(explained, budget=budget))


@pytest.mark.parametrize("name", SHAPLEY)
@given(case=cases)
@quick
def test_efficiency(name: str, case: Case) -> None:
    found = _explain(name, case.function, case.rows(2), case.background, budget=200)

    assert found.base_values + found.values.sum(axis=1) == pytest.approx(found.outputs, rel=0, abs=ROUNDING)
    assert found.outputs == pytest.approx(case.function(case.rows(2)), rel=0, abs=ROUNDING)
    assert found.base_values == pytest.approx(case.function(case.background).mean(), rel=0, abs=ROUNDING)


@pytest.mark.parametrize("name", ["kernel", "permutation"])
@given(seed=st.integers(0, 10_000), p=st.integers(10, 20))
@settings(max_examples=10, deadline=None)
def test_efficiency_when_sampled(name: str, seed: int, p: int) -> None:
    case = Case(p=p, n_background=2, seed=seed)
    found = _explain(name, case.function, case.rows(1), case.background, budget=320)

    assert not found.exact
    assert found.base_values + found.values.sum(axis=1) == pytest.approx(found.outputs, rel=0, abs=1e-9)


@pytest.mark.parametrize("name", EXACT)
@given(case=cases, data=st.data())
@quick
def test_a_player_that_the_model_ignores_gets_exactly_zero(name: str, case: Case, data: st.DataObject) -> None:
    ignored = data.draw(st.integers(0, case.p - 1))

    def function(matrix: np.ndarray) -> np.ndarray:
        blind = matrix.copy()
        blind[:, ignored] = 0.0
        # Row by row: the bits of a matrix product may depend on its number of rows.
        return np.array([case.function(row[None, :])[0] for row in blind])

    found = _explain(name, function, case.rows(1), case.background)

    assert found.values[0, ignored] == 0.0


@pytest.mark.parametrize("name", ["kernel", "permutation"])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_a_player_that_the_model_ignores_gets_zero_within_the_error(name: str, seed: int) -> None:
    case = Case(p=12, n_background=2, seed=seed)

    def function(matrix: np.ndarray) -> np.ndarray:
        return case.function(np.column_stack([matrix[:, :-1], np.zeros(len(matrix))]))

    found = _explain(name, function, case.rows(1), case.background, budget=320)

    assert not found.exact
    # Five errors and rounding: a permutation sees no change at all from such a player.
    assert abs(found.values[0, -1]) <= 5 * found.standard_errors[0, -1] + ROUNDING


@pytest.mark.parametrize("name", EXACT)
@given(case=cases)
@quick
def test_symmetry(name: str, case: Case) -> None:
    """Two players that the model and the data cannot tell apart get the same."""

    def function(matrix: np.ndarray) -> np.ndarray:
        joined = matrix.copy()
        joined[:, 0] = joined[:, 1] = matrix[:, 0] + matrix[:, 1]
        return case.function(joined)

    rows, background = case.rows(1), case.background
    rows[:, 1] = rows[:, 0]
    background[:, 1] = background[:, 0]

    found = _explain(name, function, rows, background)

    assert found.values[0, 0] == pytest.approx(found.values[0, 1], rel=0, abs=ROUNDING)


@pytest.mark.parametrize("name", SHAPLEY)
@given(case=cases, a=st.floats(-3, 3), b=st.floats(-3, 3))
@quick
def test_linearity(name: str, case: Case, a: float, b: float) -> None:
    """The same seed draws the same coalitions, so even sampled values are linear in the model."""
    other = Case(p=case.p, n_background=case.n_background, seed=case.seed + 17)
    rows, background = case.rows(1), case.background

    def mixed(matrix: np.ndarray) -> np.ndarray:
        return a * case.function(matrix) + b * other.function(matrix)

    one, two, both = (
        _explain(name, function, rows, background).values for function in (case.function, other.function, mixed)
    )

    assert both == pytest.approx(a * one + b * two, rel=0, abs=1e-10)


@pytest.mark.parametrize("name", EXACT)
@given(case=cases, data=st.data())
@quick
def test_the_order_of_the_players_does_not_matter(name: str, case: Case, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(case.p)))
    players = Players(names=tuple(f"x{j}" for j in order), members=tuple((f"x{j}",) for j in order), kind="custom")

    plain = _explain(name, case.function, case.rows(1), case.background)
    reordered = _explain(name, case.function, case.rows(1), case.background, players=players)

    assert reordered.values[0] == pytest.approx(plain.values[0, list(order)], rel=0, abs=ROUNDING)


@pytest.mark.parametrize("name", SHAPLEY)
@given(case=cases)
@quick
def test_a_row_of_the_background_alone_gets_zeros(name: str, case: Case) -> None:
    row = case.rows(1)

    found = _explain(name, case.function, row, np.repeat(row, case.n_background, axis=0))

    # Zero but for the last bits of a matrix product, which may depend on its number of rows.
    assert np.abs(found.values).max() <= ROUNDING


@pytest.mark.parametrize("name", [*SHAPLEY, "lime"])
@given(seed=st.integers(0, 10_000), order=st.permutations(range(4)))
@settings(max_examples=10, deadline=None)
def test_a_row_gets_the_same_bits_alone_in_a_batch_and_in_another_order(name: str, seed: int, order: list[int]) -> None:
    case = Case(p=9, n_background=4, seed=seed)
    rows = case.rows(4)
    budget = 250

    together = _explain(name, case.function, rows, case.background, budget=budget)
    shuffled = _explain(name, case.function, rows[order], case.background, budget=budget)
    alone = [_explain(name, case.function, row[None, :], case.background, budget=budget) for row in rows]

    for field in ("values", "standard_errors", "base_values", "outputs", "model_evaluations"):
        expected = getattr(together, field)
        assert (getattr(shuffled, field) == expected[order]).all()
        assert (np.concatenate([getattr(one, field) for one in alone]) == expected).all()
