"""Budgets: numbers, error targets, deadlines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.attribution.games import matrix_problem, n_model_rows, normal, settings, table, ticking_clock, twisted
from xaisvc.attribution import METHODS
from xaisvc.attribution.kernel import coalition_range
from xaisvc.errors import BudgetTooSmallError, InvalidRequestError, LimitExceededError
from xaisvc.types import Deadline, ErrorTarget

if TYPE_CHECKING:
    from xaisvc.types import Budget

SAMPLED = ["kernel", "permutation", "lime", "lime_reference"]


def _problem(p: int = 12, b: int = 10):  # noqa: ANN202 - a Problem; only the tests below use it
    return matrix_problem(twisted(p, seed=1), normal(1, b, p)), table(normal(2, 2, p))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "kernel",
            (
                "budget: 3 coalitions per row are fewer than the 28 needed (2 * 12 players + 4); "
                "raise the budget to 28 or more, or leave it out for 2072"
            ),
        ),
        (
            "permutation",
            (
                "budget: 3 coalitions per row are fewer than the 176 needed (8 orders of 12 players, 2 * (12 - 1) "
                "coalitions each); raise the budget to 176 or more, or leave it out for 2072"
            ),
        ),
        (
            "lime",
            (
                "budget: 3 samples per row are fewer than the 100 needed (4 * 12 players, at least 100); "
                "raise the budget to 100 or more, or leave it out for 5000"
            ),
        ),
    ],
)
def test_a_budget_too_small_names_the_minimum(name: str, text: str) -> None:
    problem, rows = _problem()

    with pytest.raises(BudgetTooSmallError) as caught:
        METHODS[name].attribute(problem, rows, settings(rows, budget=3))

    assert str(caught.value) == text
    assert [(v.field, v.reason) for v in caught.value.violations] == [("budget", "BUDGET_TOO_SMALL")]
    assert n_model_rows(problem) == 0


@pytest.mark.parametrize(("name", "minimum"), [("kernel", 28), ("permutation", 176), ("lime", 100)])
def test_the_minimum_it_names_is_enough(name: str, minimum: int) -> None:
    problem, rows = _problem()

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=minimum))

    assert np.isfinite(found.values).all()
    assert (found.standard_errors > 0).all()


@pytest.mark.parametrize(
    ("name", "largest", "unit"),
    [
        ("kernel", 500_000, "coalitions"),
        ("permutation", 500_000, "coalitions"),
        ("lime", 200_000, "samples"),
        ("lime_reference", 200_000, "samples"),
    ],
)
def test_a_budget_that_would_fill_the_memory_is_refused(name: str, largest: int, unit: str) -> None:
    problem, rows = _problem(p=20)

    with pytest.raises(LimitExceededError) as caught:
        METHODS[name].attribute(problem, rows, settings(rows, budget=10**9))

    assert str(caught.value) == (
        f"budget: 1000000000 {unit} per row are more than the {largest} allowed; lower the budget"
    )
    assert [(v.field, v.reason) for v in caught.value.violations] == [("budget", "LIMIT_EXCEEDED")]
    assert n_model_rows(problem) == 0


def test_one_coalition_is_called_one() -> None:
    problem, rows = _problem()

    with pytest.raises(BudgetTooSmallError, match="budget: 1 coalition per row is fewer than the 28 needed"):
        METHODS["kernel"].attribute(problem, rows, settings(rows, budget=1))


def test_a_large_budget_for_few_players_is_all_coalitions() -> None:
    problem, rows = _problem(p=5)

    found = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=10**9))

    assert found.exact
    assert (found.model_evaluations == 30 * 10 + 11).all()


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (True, "budget: got bool; give a whole number of"),
        (0.5, "budget: got float; give a whole number of"),
        (ErrorTarget(0.0), "an error target must be a finite number above 0, in the unit of the output; got 0.0"),
        (ErrorTarget(float("nan")), "an error target must be a finite number above 0"),
        (Deadline(-1.0), "a deadline must be a finite number above 0, in seconds; got -1.0"),
        (Deadline(float("inf")), "a deadline must be a finite number above 0"),
    ],
    ids=str,
)
def test_budgets_that_make_no_sense_are_refused(name: str, budget: object, text: str) -> None:
    problem, rows = _problem()

    with pytest.raises(InvalidRequestError, match=text):
        METHODS[name].attribute(problem, rows, settings(rows, budget=budget))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "target", "minimum"), [("kernel", 0.003, 256), ("permutation", 0.02, 176), ("lime", 0.1, 100)]
)
def test_an_error_target_takes_the_first_of_doubling_budgets_that_meets_it(
    name: str, target: float, minimum: int
) -> None:
    problem, rows = _problem(b=7)  # no groups, which a number of coalitions would use and twelve players in stages not

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=ErrorTarget(target)))

    for index in range(2):
        row = rows.take([index])
        sizes = (minimum * 2**stage for stage in range(12))
        runs = (METHODS[name].attribute(problem, row, settings(row, budget=size)) for size in sizes)
        n_missed, first = next((stage, run) for stage, run in enumerate(runs) if run.standard_errors.max() <= target)
        assert n_missed > 0  # or the test would not see the search
        assert (found.standard_errors[index] == first.standard_errors[0]).all()


def test_an_error_target_that_only_enumeration_meets_ends_exact() -> None:
    problem, rows = _problem(p=10)

    found = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=ErrorTarget(1e-9)))

    assert found.exact
    assert "these are all coalitions" in found.detail
    # 256, 512 and all 1022 coalitions; every stage scores the row itself.
    assert (found.model_evaluations == (2**10 - 2) * 10 + 10 + 3).all()


def test_stages_of_an_error_target_pay_for_a_coalition_once() -> None:
    problem, rows = _problem(p=10)
    row = rows.take([0])

    METHODS["kernel"].attribute(problem, row, settings(row, budget=ErrorTarget(1e-9)))

    assert n_model_rows(problem) == (2**10 - 2) * 10 + 10 + 3  # three stages score the row itself


def test_a_cap_that_was_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xaisvc.attribution.kernel.MAX_COALITIONS", 600)
    problem, rows = _problem()

    found = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=ErrorTarget(1e-9)))

    assert "2 of 2 rows reached the cap of 600 coalitions before the error target." in found.detail
    # 256, 512 and 600 coalitions; every stage scores the row itself.
    assert (found.model_evaluations == 600 * 10 + 10 + 3).all()


@pytest.mark.parametrize(("p", "first"), [(5, 30), (12, 256), (100, 400)])
def test_an_error_target_of_kernel_starts_where_errors_can_be_told(p: int, first: int) -> None:
    assert coalition_range(p).first_stage == first


def test_an_error_target_does_not_stop_on_errors_that_are_small_by_luck() -> None:
    """28 coalitions, the fewest, give some rows a tiny error and values that are 14 of them away."""
    weights = normal(100, 12, 16) / 2.3
    problem = matrix_problem(lambda matrix: np.maximum(matrix @ weights, 0.0).sum(axis=1) / 4.0, normal(3, 10, 12))
    rows = table(normal(4, 60, 12))
    truth = METHODS["exact"].attribute(problem, rows, settings(rows)).values

    def covered(budget: Budget) -> tuple[float, float]:
        found = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=budget))
        off = np.abs(found.values - truth) / found.standard_errors
        return float((off <= 1.96).mean()), float(off.max())

    share, farthest = covered(ErrorTarget(1.0))
    # 720 values of 60 rows, not independent: the share is known to about 2 %. Five errors are rare with 100 degrees.
    assert 0.92 <= share <= 0.99
    assert farthest < 5.5
    assert covered(28)[1] > farthest


class TestDeadline:
    @pytest.mark.parametrize("name", SAMPLED)
    def test_the_minimum_is_done_even_when_time_is_up(self, name: str) -> None:
        problem, rows = _problem(b=7)  # no groups, as above
        late = settings(rows, budget=Deadline(1e-6), clock=ticking_clock(1.0))
        minimum = {"kernel": 28, "permutation": 176, "lime": 100, "lime_reference": 100}[name]

        found = METHODS[name].attribute(problem, rows, late)
        expected = METHODS[name].attribute(problem, rows, settings(rows, budget=minimum))

        assert (found.values == expected.values).all()
        assert (found.standard_errors == expected.standard_errors).all()

    @pytest.mark.parametrize("name", ["kernel", "permutation"])
    def test_one_that_passed_before_the_minimum_was_done_is_said(self, name: str) -> None:
        problem, rows = _problem()
        text = "The deadline had passed before the fewest coalitions that give values and errors were done."

        late, early = (
            METHODS[name].attribute(problem, rows, settings(rows, budget=Deadline(seconds), clock=ticking_clock(1.0)))
            for seconds in (1e-6, 1e6)
        )

        assert text in late.detail
        assert text not in early.detail

    @pytest.mark.parametrize("name", ["kernel", "permutation", "lime"])
    def test_more_time_buys_less_error(self, name: str) -> None:
        _, rows = _problem()
        row = rows.take([0])

        def errors(seconds: float) -> float:
            # Time goes on with the work: a second for each call of the model.
            clock_problem, _ = _problem()
            model = clock_problem.model
            limits = settings(row, budget=Deadline(seconds), clock=lambda: float(len(model.calls)), max_batch_rows=200)
            return float(METHODS[name].attribute(clock_problem, row, limits).standard_errors.max())

        assert errors(400.0) < errors(40.0) / 2

    @pytest.mark.parametrize("name", ["kernel", "permutation", "lime"])
    @pytest.mark.parametrize("seconds", [40.0, 90.0, 333.0])
    def test_it_stops_in_time(self, name: str, seconds: float) -> None:
        problem, rows = _problem()
        model = problem.model
        limits = settings(rows, budget=Deadline(seconds), clock=lambda: float(len(model.calls)), max_batch_rows=200)

        METHODS[name].attribute(problem, rows, limits)

        # The prediction of a stage counts on equal steps; coalitions come in calls of 20, so one call may be left over.
        assert len(model.calls) <= seconds + 4

    def test_rows_share_the_time_evenly(self) -> None:
        problem, _ = _problem(p=20)
        rows = table(normal(2, 5, 20))
        model = problem.model
        limits = settings(rows, budget=Deadline(1000.0), clock=lambda: float(len(model.calls)), max_batch_rows=200)

        found = METHODS["kernel"].attribute(problem, rows, limits)

        assert found.model_evaluations.max() < 2 * found.model_evaluations.min()


@pytest.mark.parametrize("name", ["kernel", "permutation"])
def test_under_an_error_target_a_rows_detail_does_not_tell_of_the_rows_around_it(name: str) -> None:
    problem = matrix_problem(twisted(12), normal(1, 10, 12))
    quiet = normal(1, 10, 12)[:1]  # a row of the background: small effects, so it stops early
    matrix = np.concatenate([quiet, 3 * normal(2, 2, 12)])
    budget = ErrorTarget(0.05)

    def explain(rows: np.ndarray) -> list[tuple[bool, str]]:
        found = METHODS[name].attribute(problem, table(rows), settings(table(rows), budget=budget))
        return list(found.own or [(found.exact, found.detail)] * len(rows))

    together = explain(matrix)

    assert len(set(together)) > 1
    assert together == [explain(matrix[i : i + 1])[0] for i in range(len(matrix))]
