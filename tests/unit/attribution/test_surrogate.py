"""LIME's surrogate: the fit, its errors and what says how far it can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from xaisvc.attribution.surrogate import (
    SETS_TOGETHER,
    SurrogateFitter,
    WeightedSums,
    draw_resamples,
    fit_surrogate,
    weights_at,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = draw_resamples(np.random.default_rng(0))


def closeness(design: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of each draw, the first being the row itself."""
    return weights_at(((design - design[0]) ** 2).sum(axis=1), design.shape[1])


class TestSurrogate:
    def test_closeness_is_the_packages_kernel(self) -> None:
        agreement = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
        width = 0.75 * np.sqrt(3)
        distances = np.linalg.norm(agreement - agreement[0], axis=1)

        assert closeness(agreement) == pytest.approx(np.sqrt(np.exp(-(distances**2) / width**2)), abs=1e-15)

    def test_it_is_scikit_learns_ridge(self) -> None:
        rng = np.random.default_rng(0)
        agreement = rng.integers(0, 2, (400, 6)).astype(float)
        agreement[0] = 1.0
        answers = rng.normal(size=400) + agreement @ rng.normal(size=6) + 1e5
        weights = closeness(agreement)
        reference = Ridge(alpha=1.0).fit(agreement, answers, sample_weight=weights)

        found = fit_surrogate(agreement, answers, weights, RESAMPLES)

        # 1e5 costs scikit-learn's centring five of sixteen digits.
        assert found.weights == pytest.approx(reference.coef_, abs=1e-8)
        assert found.intercept == pytest.approx(reference.intercept_, abs=1e-6)
        assert found.diagnostics["r2"] == pytest.approx(reference.score(agreement, answers, weights), abs=1e-8)

    def test_noise_has_no_fidelity_on_draws_left_out_and_unstable_weights(self) -> None:
        rng = np.random.default_rng(0)
        agreement = rng.integers(0, 2, (1000, 8)).astype(float)
        agreement[0] = 1.0

        found = fit_surrogate(agreement, rng.normal(size=1000), closeness(agreement), RESAMPLES).diagnostics

        assert found["fidelity"] < 0.05
        assert found["stability_top3_jaccard"] < 0.8
        assert found["stability_sign_flips"] > 0.0

    def test_a_clear_signal_is_stable(self) -> None:
        rng = np.random.default_rng(0)
        agreement = rng.integers(0, 2, (1000, 8)).astype(float)
        agreement[0] = 1.0
        answers = agreement @ np.array([5.0, -4.0, 3.0, 0, 0, 0, 0, 0]) + 0.1 * rng.normal(size=1000)

        found = fit_surrogate(agreement, answers, closeness(agreement), RESAMPLES).diagnostics

        assert found["stability_top3_jaccard"] == 1.0
        assert found["stability_sign_flips"] == 0.0
        assert found["fidelity"] > 0.99

    def test_columns_far_from_zero_lose_no_digits(self) -> None:
        rng = np.random.default_rng(0)
        design = rng.normal(size=(400, 3))
        answers = design @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=400)
        weights = closeness(design)
        near = fit_surrogate(design, answers, weights, RESAMPLES)

        far = fit_surrogate(design + 1e6, answers, weights, RESAMPLES)

        # 1e6 costs a column six of sixteen digits before any arithmetic.
        assert far.weights == pytest.approx(near.weights, abs=1e-9)
        assert far.standard_errors == pytest.approx(near.standard_errors, rel=1e-7)
        assert far.diagnostics["local_prediction"] == pytest.approx(near.diagnostics["local_prediction"], abs=1e-8)

    def test_columns_not_chosen_have_no_weight_and_no_error(self) -> None:
        rng = np.random.default_rng(0)
        design = rng.normal(size=(400, 4))
        answers, weights = design @ np.arange(4.0), closeness(design)
        chosen = np.array([1, 3])

        found = fit_surrogate(design, answers, weights, RESAMPLES, chosen)
        alone = fit_surrogate(design[:, chosen], answers, weights, RESAMPLES)

        assert found.weights.tolist() == [0.0, alone.weights[0], 0.0, alone.weights[1]]
        assert found.standard_errors.tolist() == [0.0, alone.standard_errors[0], 0.0, alone.standard_errors[1]]

    @pytest.mark.parametrize(("m", "p"), [(5000, 30), (1037, 7), (400, 2), (200, 1)])
    def test_a_set_of_answers_has_the_same_bits_at_any_place_among_others(self, m: int, p: int) -> None:
        rng = np.random.default_rng(0)
        design = rng.normal(size=(m, p))
        answers = np.tanh(rng.normal(size=(SETS_TOGETHER + 3, p)) @ design.T) + 0.1 * rng.normal(size=(1, m))
        fitter = SurrogateFitter(design, closeness(design), RESAMPLES)
        alone = fitter.fit(answers[:1])

        for place in range(len(answers)):
            found = fitter.fit(np.roll(answers, place, axis=0)).one(place)

            assert found.weights.tolist() == alone.weights[0].tolist()
            assert found.standard_errors.tolist() == alone.standard_errors[0].tolist()
            assert found.intercept == alone.intercepts[0]
            assert found.diagnostics == alone.one(0).diagnostics

    def test_blocks_of_different_lengths_are_scikit_learns_ridge_too(self) -> None:
        rng = np.random.default_rng(0)
        design = rng.normal(size=(1037, 4))
        answers, weights = rng.normal(size=(3, 1037)), closeness(design)

        found = SurrogateFitter(design, weights, RESAMPLES).fit(answers)

        for index in range(3):
            reference = Ridge(alpha=1.0).fit(design, answers[index], sample_weight=weights)
            # Rounding of float64 sums over 1,037 draws.
            assert found.weights[index] == pytest.approx(reference.coef_, abs=1e-12)
            assert found.intercepts[index] == pytest.approx(reference.intercept_, abs=1e-12)
            score = reference.score(design, answers[index], weights)
            assert found.diagnostics["r2"][index] == pytest.approx(score, abs=1e-12)

    def test_the_held_out_score_is_that_of_a_fit_to_the_rest(self) -> None:
        rng = np.random.default_rng(0)
        design = rng.normal(size=(1000, 4))
        answers, weights = design @ np.arange(4.0) + rng.normal(size=1000), closeness(design)
        part = Ridge(alpha=1.0).fit(design[:800], answers[:800], sample_weight=weights[:800])

        found = fit_surrogate(design, answers, weights, RESAMPLES).diagnostics["fidelity"]

        # Rounding of float64 sums over 1,000 draws.
        assert found == pytest.approx(part.score(design[800:], answers[800:], weights[800:]), abs=1e-12)

    def test_a_resample_is_what_a_refit_gives_to_first_order(self) -> None:
        rng = np.random.default_rng(0)
        m, p = 5000, 6
        agreement = rng.integers(0, 2, (m, p)).astype(float)
        agreement[0] = 1.0
        answers = agreement @ rng.normal(size=p) + rng.normal(size=m)
        weights = closeness(agreement)
        blocks = np.repeat(np.arange(50), m // 50)

        refits = []
        for resample in RESAMPLES:
            times = (resample + 1.0)[blocks]
            refits.append(WeightedSums.of(agreement, answers, weights * times).ridge(np.arange(p))[0])
        stated = fit_surrogate(agreement, answers, weights, RESAMPLES).standard_errors

        # The scatter of 64 refits is itself uncertain by 9 %; three times that.
        assert stated == pytest.approx(np.std(refits, axis=0, ddof=1), rel=0.27)
