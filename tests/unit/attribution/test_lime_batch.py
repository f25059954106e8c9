"""What LIME does around its arithmetic: budgets for all rows, equal rows once, one sample for all, kept plans."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.attribution.games import (
    matrix_problem,
    n_model_rows,
    normal,
    settings,
    table,
    ticking_clock,
    twisted,
)
from xaisvc.attribution import METHODS
from xaisvc.errors import AbandonedError, BudgetTooSmallError, InvalidRequestError, LimitExceededError
from xaisvc.types import Attribution, Deadline, ErrorTarget, Problem, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

P = 5
OURS = pytest.mark.parametrize("name", ["lime", "lime_continuous"])


def _problem() -> Problem:
    return matrix_problem(twisted(P), normal(0, 60, P))


def _same(one: Attribution, other: Attribution) -> bool:
    names = ("values", "standard_errors", "base_values", "outputs")
    return all((getattr(one, name) == getattr(other, name)).all() for name in names) and (
        one.diagnostics == other.diagnostics
    )


@dataclass
class _Plans:
    """A plan store that counts what is made."""

    kept: dict[str, object] = field(default_factory=dict)

    def keep(self, key: str, make: Callable[[], object], n_bytes: Callable[[object], int]) -> object:
        if key not in self.kept:
            self.kept[key] = make()
            assert n_bytes(self.kept[key]) >= 0
        return self.kept[key]

    def keep_arrays(
        self, key: str, make: Callable[[], Mapping[str, NDArray[np.generic]]]
    ) -> Mapping[str, NDArray[np.generic]]:
        raise NotImplementedError


@OURS
@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_bit(name: str, threads: int) -> None:
    problem, rows = _problem(), table(normal(1, 40, P))
    alone = settings(rows, budget=300)

    one = METHODS[name].attribute(problem, rows, alone)
    many = METHODS[name].attribute(problem, rows, replace(alone, threads=threads))

    assert _same(one, many)


@OURS
def test_a_rows_answer_is_the_same_in_any_company(name: str) -> None:
    problem, rows = _problem(), table(normal(1, 40, P))
    together = METHODS[name].attribute(problem, rows, settings(rows, budget=300))

    for index in (0, 17, 39):
        row = rows.take([index])
        alone = METHODS[name].attribute(problem, row, settings(row, budget=300))
        assert (alone.values[0] == together.values[index]).all()
        assert alone.diagnostics[0] == together.diagnostics[index]


def test_all_rows_share_one_sample() -> None:
    problem, rows = _problem(), table(normal(1, 7, P))

    found = METHODS["lime"].attribute(problem, rows, settings(rows, budget=300))

    assert n_model_rows(problem) == 299 + 7
    assert found.model_evaluations.tolist() == [300] * 7


@OURS
def test_equal_rows_are_explained_once(name: str) -> None:
    problem, one = _problem(), table(normal(1, 1, P))
    rows = Table.concat([one, one, one])

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=300))

    assert n_model_rows(problem) == 300
    assert (found.values == found.values[0]).all()


@OURS
def test_no_rows_are_explained_too(name: str) -> None:
    problem, rows = _problem(), table(np.empty((0, P)))

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=300))

    assert found.values.shape == (0, P)


def test_the_sample_is_kept_with_the_plan_and_changes_nothing() -> None:
    plans = _Plans()
    problem, rows = _problem(), table(normal(1, 2, P))
    with_store = replace(problem, plans=plans)
    first = METHODS["lime"].attribute(with_store, rows, settings(rows, budget=300))
    asked = n_model_rows(problem)

    again = METHODS["lime"].attribute(with_store, rows, settings(rows, budget=300))
    without = METHODS["lime"].attribute(problem, rows, settings(rows, budget=300))

    assert asked == 299 + 2
    assert n_model_rows(problem) == asked + 2 + asked
    assert _same(first, again)
    assert _same(first, without)


def test_another_seed_or_size_is_another_plan() -> None:
    plans = _Plans()
    problem, rows = replace(_problem(), plans=plans), table(normal(1, 1, P))
    for seed, budget in ((0, 300), (1, 300), (0, 400)):
        METHODS["lime"].attribute(problem, rows, settings(rows, budget=budget, seed=seed))

    assert len([key for key in plans.kept if key != "lime columns"]) == 3


@pytest.mark.parametrize(("name", "target"), [("lime", 0.05), ("lime_continuous", 0.039)])
def test_an_error_target_is_each_rows_own(name: str, target: float) -> None:
    problem, rows = _problem(), table(np.concatenate([normal(1, 6, P), np.full((1, P), 3.0)]))
    wanted = ErrorTarget(target)

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=wanted))

    assert (found.standard_errors.max(axis=1) <= target).all()
    assert len(set(found.model_evaluations.tolist())) > 1
    assert set(found.model_evaluations.tolist()) <= {100 * 2**k for k in range(11)}
    for index in (0, 6):
        row = rows.take([index])
        alone = METHODS[name].attribute(problem, row, settings(row, budget=wanted))
        assert (alone.values[0] == found.values[index]).all()
        assert alone.model_evaluations[0] == found.model_evaluations[index]


def test_a_target_out_of_reach_is_said() -> None:
    problem, rows = _problem(), table(normal(1, 2, P))

    found = METHODS["lime"].attribute(problem, rows, settings(rows, budget=ErrorTarget(1e-9)))

    assert found.model_evaluations.tolist() == [80_000] * 2
    assert "2 of 2 rows reached the cap of 80,000 samples before the error target." in found.detail


@OURS
def test_stages_add_up_to_the_sample_of_the_last(name: str) -> None:
    problem, rows = _problem(), table(normal(1, 1, P))
    staged = METHODS[name].attribute(problem, rows, settings(rows, budget=ErrorTarget(0.05)))
    size = int(staged.model_evaluations[0])
    assert size > 200

    at_once = METHODS[name].attribute(problem, rows, settings(rows, budget=size))

    # The model is asked in other pieces, so its own sums may differ in the last bits.
    assert staged.values == pytest.approx(at_once.values, rel=0, abs=1e-12)
    assert staged.standard_errors == pytest.approx(at_once.standard_errors, rel=0, abs=1e-12)


@OURS
def test_an_earlier_stages_model_rows_are_not_asked_again(name: str) -> None:
    problem, rows = _problem(), table(normal(1, 1, P))

    found = METHODS[name].attribute(problem, rows, settings(rows, budget=ErrorTarget(0.05)))

    assert n_model_rows(problem) == found.model_evaluations[0]


@OURS
def test_a_deadline_stops_in_time_and_all_rows_get_as_many_samples(name: str) -> None:
    problem, rows = _problem(), table(normal(1, 3, P))

    short = METHODS[name].attribute(problem, rows, settings(rows, budget=Deadline(1.0), clock=ticking_clock(10.0)))
    long = METHODS[name].attribute(problem, rows, settings(rows, budget=Deadline(4.5), clock=ticking_clock(1.0)))

    assert short.model_evaluations.tolist() == [100] * 3
    # Stages end at 1, 2 and 3 s; another 400 samples at 3 / 400 s each would end at 6 s, 200 at 4.5 s.
    assert long.model_evaluations.tolist() == [long.model_evaluations[0]] * 3
    assert 400 <= long.model_evaluations[0] <= 800


@OURS
def test_work_stops_once_nobody_waits(name: str) -> None:
    problem, rows = _problem(), table(normal(1, 100, P))
    looks = iter(range(100))

    def check() -> None:
        if next(looks) == 3:
            raise AbandonedError("the caller went away")

    with pytest.raises(AbandonedError):
        METHODS[name].attribute(problem, rows, replace(settings(rows, budget=300), check=check))

    assert n_model_rows(problem) < 100 * 300 // 2


@OURS
@pytest.mark.parametrize(
    ("budget", "error", "words"),
    [
        (99, BudgetTooSmallError, "99 samples per row are fewer than the 100 needed (4 * 5 players, at least 100)"),
        (ErrorTarget(0.0), InvalidRequestError, "an error target must be a finite number above 0"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(
    name: str, budget: int | ErrorTarget, error: type[Exception], words: str
) -> None:
    problem, rows = _problem(), table(normal(1, 1, P))

    with pytest.raises(error) as caught:
        METHODS[name].attribute(problem, rows, settings(rows, budget=budget))

    assert words in str(caught.value)


@pytest.mark.parametrize(("name", "largest"), [("lime", 200_000), ("lime_continuous", 100_000)])
def test_more_samples_than_memory_allows_are_refused(name: str, largest: int) -> None:
    problem, rows = _problem(), table(normal(1, 1, P))

    with pytest.raises(LimitExceededError, match=f"{largest + 1} samples per row are more than the {largest} allowed"):
        METHODS[name].attribute(problem, rows, settings(rows, budget=largest + 1))

    assert n_model_rows(problem) == 0


def test_more_categories_than_a_byte_holds() -> None:
    names = np.array([f"c{i:03d}" for i in range(400)], dtype=object)
    background = Table({"many": names.copy(), "x": np.linspace(0.0, 1.0, 400)})

    def model(rows: Table) -> np.ndarray:
        return np.array([float(value == "c399") for value in rows.columns["many"]])

    problem = Problem(model=model, background=background, players=_problem().players, space=_problem().space)
    problem = replace(problem, players=replace(problem.players, names=("many", "x"), members=(("many",), ("x",))))
    rows = Table({"many": np.array(["c399", "c143", "new"], dtype=object), "x": np.zeros(3)})

    found = METHODS["lime"].attribute(problem, rows, settings(rows))

    # c399 is drawn about 12 times in 5,000 and is the only one that counts; 143 is 399 less 256.
    assert found.values[0, 0] > 0.5
    assert abs(found.values[1, 0]) < 0.1
    assert np.isfinite(found.values).all()
