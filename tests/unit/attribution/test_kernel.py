"""Kernel SHAP: what it says, what it keeps, and what a pilot finds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from tests.unit.attribution.games import matrix_problem, n_model_rows, normal, settings, table, twisted
from xaisvc.attribution import METHODS
from xaisvc.attribution.designs import pair_sequence
from xaisvc.attribution.odd_kernel import OddKernel
from xaisvc.attribution.pilot import (
    N_ROWS,
    Pilot,
    default_prior,
    fit_own,
    fit_prior,
    from_arrays,
    n_stand_ins,
    prior_of_errors,
    run_pilot,
    to_arrays,
)
from xaisvc.attribution.plain_games import PlainGames
from xaisvc.attribution.projections import Prior
from xaisvc.types import Deadline, ErrorTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

SEED = bytes(32)


class Store:
    """Keeps everything, and counts what it had to make."""

    def __init__(self) -> None:
        self.kept: dict[str, object] = {}
        self.n_bytes = 0

    def keep(self, key: str, make: Callable[[], object], n_bytes: Callable[[object], int]) -> object:
        if key not in self.kept:
            self.kept[key] = make()
            self.n_bytes += n_bytes(self.kept[key])
        return self.kept[key]

    def keep_arrays(
        self, key: str, make: Callable[[], Mapping[str, NDArray[np.generic]]]
    ) -> Mapping[str, NDArray[np.generic]]:
        return cast("Mapping[str, NDArray[np.generic]]", self.keep(key, make, lambda _: 0))


def test_the_answer_says_what_it_is_made_of() -> None:
    problem, rows = matrix_problem(twisted(12), normal(1, 7, 12)), table(normal(2, 2, 12))

    found = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=101))

    assert found.detail == (
        "Kernel SHAP from 100 coalitions per row over 7 background rows, in complementary pairs that all rows share; "
        "values and standard errors are the posterior mean and deviation under the odd product kernel."
    )


def test_a_large_background_is_sampled_and_costs_no_more_than_a_small_one() -> None:
    rows = table(normal(2, 1, 12))
    large, larger = (matrix_problem(twisted(12), normal(1, b, 12)) for b in (300, 900))

    found = METHODS["kernel"].attribute(large, rows, settings(rows, budget=100))
    same = METHODS["kernel"].attribute(larger, rows, settings(rows, budget=100))

    assert "over 300 background rows, 50 of them for each pair" in found.detail
    assert found.model_evaluations[0] == 100 * 50 + 300 + 1
    assert same.model_evaluations[0] == 100 * 50 + 900 + 1
    # v0 is over the whole background all the same.
    background = np.column_stack(list(large.background.columns.values()))
    assert found.base_values[0] == pytest.approx(twisted(12)(background).mean(), rel=0, abs=1e-12)


def test_a_kept_plan_is_made_once_and_changes_no_bit() -> None:
    problem, store = matrix_problem(twisted(12), normal(1, 40, 12)), Store()
    keeping = replace(problem, plans=store)
    rows, others = table(normal(2, 2, 12)), table(normal(3, 2, 12))

    plain = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=400))
    first = METHODS["kernel"].attribute(keeping, rows, settings(rows, budget=400))
    made = dict(store.kept)
    before = n_model_rows(problem)
    METHODS["kernel"].attribute(keeping, others, settings(others, budget=400))

    assert (plain.values == first.values).all()
    assert (plain.standard_errors == first.standard_errors).all()
    assert store.kept == made
    assert len(made) == 3  # design, pilot, projection
    assert store.n_bytes > 0
    # No second pilot: two rows, each with its coalitions and itself, and the background.
    assert n_model_rows(problem) - before == 2 * (400 * 40 + 1) + 40


def test_plans_of_other_outputs_players_and_seeds_are_apart() -> None:
    store = Store()
    rows = table(normal(2, 1, 12))
    for function, seed in ((twisted(12), 0), (twisted(12, seed=1), 0), (twisted(12), 1)):
        problem = replace(matrix_problem(function, normal(1, 40, 12)), plans=store)
        METHODS["kernel"].attribute(problem, rows, settings(rows, budget=100, seed=seed))

    assert len(store.kept) == 3 * 3  # design, pilot, projection


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_change_no_bit(threads: int) -> None:
    problem, rows = matrix_problem(twisted(9), normal(1, 20, 9)), table(normal(2, 5, 9))
    plan = settings(rows, budget=150)

    alone = METHODS["kernel"].attribute(problem, rows, plan)
    together = METHODS["kernel"].attribute(problem, rows, replace(plan, threads=threads))

    assert (alone.values == together.values).all()
    assert (alone.standard_errors == together.standard_errors).all()


def test_it_can_be_given_up_between_chunks() -> None:
    problem, rows = matrix_problem(twisted(9), normal(1, 20, 9)), table(normal(2, 3, 9))
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        METHODS["kernel"].attribute(problem, rows, replace(settings(rows, budget=150, max_batch_rows=40), check=check))

    assert n_model_rows(problem) < 3 * 150 * 20 / 2


class TestPilot:
    def test_it_is_run_when_it_costs_at_most_half_an_explanation(self) -> None:
        # 8 rows, 96 pairs: 1,536 model rows for each row that stands in.
        assert n_stand_ins(30, 100, 2 * 1536 - 1) == 0
        assert n_stand_ins(30, 100, 2 * 1536) == 1
        assert n_stand_ins(30, 100, 2 * 15360) == 10
        assert n_stand_ins(30, 100, 10**9) == 10
        assert n_stand_ins(30, 1000, 7 * 2 * 1536 - 1) == 0  # two more, to see what sampling the background adds
        assert n_stand_ins(30, 1000, 7 * 2 * 1536) == 5
        assert n_stand_ins(30, 10, 10**9) == 0  # too few rows to speak for others
        assert n_stand_ins(5, 100, 10**9) == 0  # all pairs are few

    def test_it_is_said_and_not_run_against_a_deadline(self) -> None:
        rows = table(normal(2, 1, 12))
        problem = matrix_problem(twisted(12), normal(1, 40, 12))

        found = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=400))
        quick = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=Deadline(1.0)))

        assert f"pilot on background rows, {N_ROWS * (2 * 97 * 3 + 1):,} model rows once" in found.detail
        assert "pilot" not in quick.detail

    def test_it_gives_players_that_do_much_a_longer_reach(self) -> None:
        p, rng = 12, np.random.default_rng(0)
        masks = pair_sequence(p, 120, SEED)
        signs = np.where(masks, 1.0, -1.0)
        slopes = np.where(np.arange(p) < 3, 1.0, 0.01)
        triples = signs[:, 0] * signs[:, 1] * signs[:, 2]
        effects, shared = rng.normal(size=(8, p)) * slopes, rng.normal(size=8)
        odd = effects @ signs.T + np.outer(shared, triples)

        fitted = fit_prior(masks, odd, 2.0 * (effects.sum(axis=1) + shared))

        assert fitted is not None
        assert fitted[0].rho[:3].min() > 3 * fitted[0].rho[3:].max()
        assert fitted[0].white < default_prior(p).white

    def test_it_travels_as_arrays(self) -> None:
        pilot = Pilot(
            prior=Prior(np.array([0.1, 0.2]), white=0.3, own=4.0, slopes=np.array([5.0, 6.0])),
            sampling_noise=1.5,
            n_model_rows=12_345,
            sees_rows_apart=True,
        )

        def rebuilt(some: Pilot) -> Pilot:
            found = from_arrays(to_arrays(some))
            assert found is not None
            return found

        again = rebuilt(pilot)

        assert (again.prior.rho == pilot.prior.rho).all()
        assert (again.prior.slopes == pilot.prior.slopes).all()
        assert again.prior.own == 4.0
        assert (again.prior.white, again.sampling_noise, again.n_model_rows) == (0.3, 1.5, 12_345)
        assert again.sees_rows_apart
        assert not rebuilt(replace(pilot, sees_rows_apart=False)).sees_rows_apart
        assert from_arrays(to_arrays(None)) is None

    def test_values_without_interactions_fit_nothing(self) -> None:
        masks = pair_sequence(12, 120, SEED)
        odd = np.where(masks, 0.5, -0.5) @ normal(0, 12, 8)
        total = normal(0, 12, 8).sum(axis=0)

        assert fit_prior(masks, odd.T, total) is None


@pytest.mark.parametrize(("p", "slopes"), [(5, 10.0), (15, 10.0), (30, 5.0), (150, 1.0)])
def test_errors_suppose_that_slopes_shrink_with_the_number_of_players(p: int, slopes: float) -> None:
    prior = replace(default_prior(p), white=0.3)
    blind = Pilot(prior=prior, sampling_noise=0.0, n_model_rows=1, sees_rows_apart=False)

    for pilot in (None, blind):
        supposed = prior_of_errors(pilot, prior)
        assert supposed is not None
        assert (supposed.own, supposed.white, supposed.slopes.tolist()) == (24.0, 0.3, [slopes] * p)
        assert supposed.rho is prior.rho
    assert prior_of_errors(replace(blind, sees_rows_apart=True), prior) is None


@pytest.mark.parametrize(("stand_ins", "apart"), [(1, False), (3, True)])
def test_a_pilot_says_whether_it_saw_background_rows_apart(stand_ins: int, apart: bool) -> None:  # noqa: FBT001 - a parameter
    p = 12
    problem = matrix_problem(twisted(p), normal(1, 20, p))
    games = PlainGames(problem, 4096, 1)

    pilot = run_pilot(games, problem.background, p, stand_ins, SEED, lambda: None)

    assert pilot is not None
    assert pilot.sees_rows_apart == apart


def test_what_games_against_single_rows_have_alone_is_told_from_what_they_share() -> None:
    """Games drawn from the prior itself, twelve players: the variances that they were drawn with come back."""
    p, rows, s, own, slopes = 12, 40, 6, 3.0, np.linspace(1.0, 9.0, 12)
    rng = np.random.default_rng(0)
    masks = pair_sequence(p, 120, SEED)
    signs = np.concatenate([np.where(masks, 1.0, -1.0), np.ones((1, p))])
    prior = Prior(np.full(p, 1 / p), white=0.1)
    covariance = OddKernel(prior.rho).between(signs, signs) + prior.white * np.eye(len(signs))
    root = np.linalg.cholesky(covariance)
    shared = rng.normal(size=(rows, 1, len(signs))) @ root.T
    alone = np.sqrt(own) * rng.normal(size=(rows, s, len(signs))) @ root.T
    data = shared + alone + (rng.normal(size=(rows, s, p)) * np.sqrt(slopes)) @ signs.T

    found, of_players = fit_own(masks, data[..., :-1], 2.0 * data[..., -1], prior)

    # 40 rows of 109 degrees of freedom tell variances to 2 %, what is shared, a difference, to 5 %.
    assert found == pytest.approx(own, rel=0.2)
    # 200 deviations of each player tell a variance to 10 %; the interactions of 121 pairs add some percent.
    assert of_players == pytest.approx(slopes, rel=0.4)


def test_a_small_background_is_cut_into_groups_at_no_more_model_rows() -> None:
    problem, rows = matrix_problem(twisted(12), normal(1, 20, 12)), table(normal(2, 1, 12))

    found = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=100))

    assert "from 500 coalitions per row over 20 background rows, 4 of them for each pair" in found.detail
    assert found.model_evaluations[0] == 100 * 20 + 20 + 1
    assert n_model_rows(problem) == found.model_evaluations[0]


def test_an_error_target_lets_rows_go_one_by_one() -> None:
    problem = matrix_problem(twisted(12), normal(1, 10, 12))
    quiet = normal(1, 10, 12)[:1]  # a row of the background: small effects
    rows = table(np.concatenate([quiet, 3 * normal(2, 2, 12)]))

    found = METHODS["kernel"].attribute(problem, rows, settings(rows, budget=ErrorTarget(0.05)))

    assert found.standard_errors.max() <= 0.05
    assert len(set(found.model_evaluations.tolist())) > 1
