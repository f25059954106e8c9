"""LIME against the lime package 0.2.0.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from lime.lime_tabular import LimeTabularExplainer

from tests.unit.attribution.games import matrix_problem, normal, settings, table, twisted
from xaisvc.attribution import METHODS
from xaisvc.attribution.lime_columns import lime_columns
from xaisvc.attribution.surrogate import closeness, fit_surrogate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.types import Attribution

P = 8


def _lime(background: NDArray[np.float64], seed: int) -> LimeTabularExplainer:
    state = np.random.RandomState(seed)  # noqa: TID251 - the lime package takes no Generator
    return LimeTabularExplainer(background, mode="regression", feature_selection="none", random_state=state)


def _lime_weights(explanation: object, p: int) -> NDArray[np.float64]:
    weights = np.zeros(p)
    for index, weight in explanation.local_exp[1]:  # type: ignore[attr-defined]
        weights[index] = weight
    return weights


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_its_own_samples_give_its_own_weights(seed: int, offset: float) -> None:
    twist = twisted(P)

    def function(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        return twist(matrix) + offset

    background, row = normal(2, 150, P), normal(seed, 1, P)[0]
    asked: list[NDArray[np.float64]] = []

    def recorded(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        asked.append(matrix)
        return function(matrix)

    reference = _lime(background, seed).explain_instance(row, recorded, num_features=P, num_samples=1000)
    # The same draws again: the method behind them is private, so it is called by its mangled name.
    agreement, inverse = _lime(background, seed)._LimeTabularExplainer__data_inverse(row, 1000)
    assert (inverse == asked[0]).all()

    found = fit_surrogate(agreement, function(inverse), closeness(agreement), np.random.default_rng(0))

    assert found.weights == pytest.approx(_lime_weights(reference, P), rel=0, abs=1e-6)
    assert found.intercept == pytest.approx(reference.intercept[1], rel=0, abs=1e-6)
    assert found.diagnostics["r2"] == pytest.approx(reference.score, rel=0, abs=1e-6)
    assert found.diagnostics["local_prediction"] == pytest.approx(reference.local_pred[0], rel=0, abs=1e-6)


def test_another_kernel_width_would_be_seen() -> None:
    background, row = normal(2, 150, P), normal(0, 1, P)[0]
    explainer = _lime(background, 0)
    reference = explainer.explain_instance(row, twisted(P), num_features=P, num_samples=1000)
    agreement, inverse = _lime(background, 0)._LimeTabularExplainer__data_inverse(row, 1000)

    wider = fit_surrogate(agreement, twisted(P)(inverse), closeness(agreement) ** 0.9, np.random.default_rng(0))

    assert np.abs(wider.weights - _lime_weights(reference, P)).max() > 1e-4


def test_draws_follow_the_same_law() -> None:
    background = np.random.default_rng(0).gamma(2.0, size=(120, 3))
    row = background[0]
    n = 20_000
    agreement, inverse = _lime(background, 0)._LimeTabularExplainer__data_inverse(row, n)
    generator = np.random.default_rng(1)
    for index, column in enumerate(lime_columns(table(background)).values()):
        bins, values = column.draw(generator.random(n))
        numbers = values.astype(np.float64)

        # 20,000 draws: a share scatters by 0.003, a mean by 0.007 standard deviations; five times that is allowed.
        agrees = (bins == column.bin_of(float(row[index]))).mean()
        assert agrees == pytest.approx(agreement[1:, index].mean(), abs=0.02)
        scale = background[:, index].std()
        assert np.quantile(numbers, [0.1, 0.3, 0.5, 0.7, 0.9]) == pytest.approx(
            np.quantile(inverse[1:, index], [0.1, 0.3, 0.5, 0.7, 0.9]), abs=0.06 * scale
        )
        assert numbers.min() >= background[:, index].min()
        assert numbers.max() <= background[:, index].max()


def _correlation(one: Attribution, other: Attribution) -> float:
    pairs = zip(one.values, other.values, strict=True)
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))


@pytest.mark.parametrize(
    "make", [lambda: twisted(P), lambda: lambda matrix: matrix[:, 0] * 2 + matrix[:, 1]], ids=["twisted", "linear"]
)
def test_own_samples_are_as_close_to_lime_as_lime_is_to_itself(
    make: Callable[[], Callable[[NDArray[np.float64]], NDArray[np.float64]]],
) -> None:
    problem, rows = matrix_problem(make(), normal(2, 150, P)), table(normal(5, 6, P))

    def run(name: str, seed: int) -> Attribution:
        return METHODS[name].attribute(problem, rows, settings(rows, budget=2000, seed=seed))

    one, two, ours = run("lime_reference", 0), run("lime_reference", 1), run("lime", 2)
    itself = _correlation(one, two)

    # Correlations here are about 0.98 and scatter by about 0.01 from seed to seed.
    assert itself > 0.9
    assert _correlation(ours, one) > itself - 0.03
    assert _correlation(ours, two) > itself - 0.03


def test_bootstrap_errors_are_the_scatter_over_seeds() -> None:
    problem, rows = matrix_problem(twisted(P), normal(2, 150, P)), table(normal(5, 1, P))
    runs = [METHODS["lime"].attribute(problem, rows, settings(rows, budget=1000, seed=seed)) for seed in range(60)]
    scatter = np.std([run.values[0] for run in runs], axis=0, ddof=1)
    stated = np.sqrt(np.mean([run.standard_errors[0] ** 2 for run in runs], axis=0))

    # A standard deviation from 60 runs is itself uncertain by 9 %; three times that, and the shrinkage by the ridge.
    assert stated == pytest.approx(scatter, rel=0.35)
