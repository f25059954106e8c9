"""LIME against the lime package 0.2.0.1."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from lime.lime_base import LimeBase
from lime.lime_tabular import LimeTabularExplainer

from tests.unit.attribution.games import matrix_problem, normal, settings, table, twisted
from xaisvc.attribution import METHODS
from xaisvc.attribution.lime import LimeMethod
from xaisvc.attribution.lime_columns import lime_columns
from xaisvc.attribution.lime_selection import Selection, select_columns
from xaisvc.attribution.surrogate import WeightedSums, draw_resamples, fit_surrogate, weights_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.types import Attribution, Table

P = 8
RESAMPLES = draw_resamples(np.random.default_rng(0))


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

    found = fit_surrogate(
        agreement,
        function(inverse),
        weights_at(((agreement - agreement[0]) ** 2).sum(axis=1), agreement.shape[1]),
        RESAMPLES,
    )

    assert found.weights == pytest.approx(_lime_weights(reference, P), rel=0, abs=1e-6)
    assert found.intercept == pytest.approx(reference.intercept[1], rel=0, abs=1e-6)
    assert found.diagnostics["r2"] == pytest.approx(reference.score, rel=0, abs=1e-6)
    assert found.diagnostics["local_prediction"] == pytest.approx(reference.local_pred[0], rel=0, abs=1e-6)


def test_another_kernel_width_would_be_seen() -> None:
    background, row = normal(2, 150, P), normal(0, 1, P)[0]
    explainer = _lime(background, 0)
    reference = explainer.explain_instance(row, twisted(P), num_features=P, num_samples=1000)
    agreement, inverse = _lime(background, 0)._LimeTabularExplainer__data_inverse(row, 1000)

    wider = fit_surrogate(
        agreement,
        twisted(P)(inverse),
        weights_at(((agreement - agreement[0]) ** 2).sum(axis=1), agreement.shape[1]) ** 0.9,
        RESAMPLES,
    )

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
        agrees = (bins == column.bins_of(row[index : index + 1])).mean()
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


@pytest.mark.parametrize("name", ["lime", "lime_continuous"])
def test_bootstrap_errors_are_the_scatter_over_seeds(name: str) -> None:
    problem, rows = matrix_problem(twisted(P), normal(2, 150, P)), table(normal(5, 1, P))
    runs = [METHODS[name].attribute(problem, rows, settings(rows, budget=1000, seed=seed)) for seed in range(60)]
    scatter = np.std([run.values[0] for run in runs], axis=0, ddof=1)
    stated = np.sqrt(np.mean([run.standard_errors[0] ** 2 for run in runs], axis=0))

    # A standard deviation from 60 runs is itself uncertain by 9 %; three times that, and the shrinkage by the ridge.
    assert stated == pytest.approx(scatter, rel=0.35)


def _continuous(background: NDArray[np.float64], seed: int, categories: list[int]) -> LimeTabularExplainer:
    return LimeTabularExplainer(
        background,
        mode="regression",
        categorical_features=categories,
        feature_selection="none",
        discretize_continuous=False,
        sample_around_instance=True,
        random_state=np.random.RandomState(seed),  # noqa: TID251 - the lime package takes no Generator
    )


def _with_codes(seed: int, n: int) -> NDArray[np.float64]:
    """Numbers in columns 0, 2 and 4 to 7, codes of categories in columns 1 and 3."""
    matrix = normal(seed, n, P) * 3.0 + 1.0
    matrix[:, 1] = np.random.default_rng(seed).integers(0, 3, n)
    matrix[:, 3] = np.random.default_rng(seed + 1).integers(0, 5, n)
    return matrix


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("mode", ["bins", "continuous"])
def test_its_own_samples_with_categories_give_its_own_weights(seed: int, mode: str) -> None:
    background, row = _with_codes(10, 150), _with_codes(20 + seed, 1)[0]
    function = twisted(P)

    def explainer() -> LimeTabularExplainer:
        if mode == "continuous":
            return _continuous(background, seed, [1, 3])
        state = np.random.RandomState(seed)  # noqa: TID251 - the lime package takes no Generator
        return LimeTabularExplainer(
            background, mode="regression", categorical_features=[1, 3], feature_selection="none", random_state=state
        )

    reference = explainer().explain_instance(row, function, num_features=P, num_samples=1000)
    again = explainer()
    data, inverse = again._LimeTabularExplainer__data_inverse(row, 1000)
    design = (data - again.scaler.mean_) / again.scaler.scale_

    found = fit_surrogate(
        design, function(inverse), weights_at(((design - design[0]) ** 2).sum(axis=1), design.shape[1]), RESAMPLES
    )

    assert found.weights == pytest.approx(_lime_weights(reference, P), rel=0, abs=1e-6)
    assert found.intercept == pytest.approx(reference.intercept[1], rel=0, abs=1e-6)
    assert found.diagnostics["r2"] == pytest.approx(reference.score, rel=0, abs=1e-6)
    assert found.diagnostics["local_prediction"] == pytest.approx(reference.local_pred[0], rel=0, abs=1e-6)


@pytest.mark.parametrize("mode", ["bins", "continuous"])
def test_the_compiled_fit_and_the_shared_draws_are_the_packages_algorithm(mode: str) -> None:
    background, rows = normal(2, 150, P), normal(5, 3, P)
    problem, asked = matrix_problem(twisted(P), background), table(rows)
    name = "lime" if mode == "bins" else "lime_continuous"
    recorded: list[NDArray[np.float64]] = []

    def model(drawn: Table) -> NDArray[np.float64]:
        recorded.append(np.column_stack(list(drawn.columns.values())))
        return problem.model(drawn)

    found = METHODS[name].attribute(replace(problem, model=model), asked, settings(asked, budget=1000))

    drawn = np.concatenate([piece for piece in recorded if len(piece) > 1])
    for index, row in enumerate(rows):
        sample = np.concatenate([row[None], drawn]) if mode == "bins" else drawn[1000 * index : 1000 * (index + 1)]
        if mode == "bins":
            discretize = _lime(background, 0).discretizer.discretize
            data = (discretize(sample) == discretize(row)).astype(float)
        else:
            data = (sample - background.mean(axis=0)) / background.std(axis=0)
        base = LimeBase(lambda distances: np.sqrt(np.exp(-(distances**2) / (0.75**2 * P))))
        intercept, weights, score, local = base.explain_instance_with_data(
            data,
            twisted(P)(sample)[:, None],
            np.linalg.norm(data - data[0], axis=1),
            0,
            P,
            feature_selection="none",
        )
        assert found.values[index] == pytest.approx([dict(weights)[j] for j in range(P)], rel=0, abs=1e-6)
        assert found.base_values[index] == pytest.approx(intercept, rel=0, abs=1e-6)
        assert found.diagnostics[index]["r2"] == pytest.approx(score, rel=0, abs=1e-6)
        assert found.diagnostics[index]["local_prediction"] == pytest.approx(local[0], rel=0, abs=1e-6)


def test_around_the_row_own_samples_are_as_close_to_lime_as_the_errors_say() -> None:
    background, rows = normal(2, 150, P), normal(5, 6, P)
    problem, asked = matrix_problem(twisted(P), background), table(rows)
    found = METHODS["lime_continuous"].attribute(problem, asked, settings(asked, budget=2000))
    scores = []
    for index, row in enumerate(rows):
        explainer = _continuous(background, index, [])
        weights = _lime_weights(explainer.explain_instance(row, twisted(P), num_features=P, num_samples=2000), P)
        # As many samples, so the package's errors are as large as ours.
        scores.append((found.values[index] - weights) / (np.sqrt(2.0) * found.standard_errors[index]))

    # 48 scores; ours share their draws, so they count as about 16: their root mean square is 1 with a scatter of 0.18.
    assert 0.5 < np.sqrt(np.mean(np.square(scores))) < 1.55


@pytest.mark.parametrize("kind", ["none", "auto", "highest_weights", "forward_selection", "lasso_path"])
@pytest.mark.parametrize("n_columns", [1, 3, 6, 7, P])
@pytest.mark.parametrize("mode", ["bins", "continuous"])
def test_selection_is_the_packages_own(kind: Selection, n_columns: int, mode: str) -> None:
    background, row = normal(2, 150, P), normal(3, 1, P)[0]
    explainer = _lime(background, 0) if mode == "bins" else _continuous(background, 0, [])
    data, inverse = explainer._LimeTabularExplainer__data_inverse(row, 1000)
    design = (data - explainer.scaler.mean_) / explainer.scaler.scale_
    answers, weights = twisted(P)(inverse), weights_at(((design - design[0]) ** 2).sum(axis=1), design.shape[1])
    state = np.random.RandomState(0)  # noqa: TID251 - the lime package takes no Generator
    reference = LimeBase(lambda distances: np.sqrt(np.exp(-(distances**2) / (0.75**2 * P))), random_state=state)
    intercept, kept, score, _ = reference.explain_instance_with_data(
        design,
        answers[:, None],
        np.linalg.norm(design - design[0], axis=1),
        0,
        n_columns,
        feature_selection=kind,
    )

    chosen = select_columns(WeightedSums.of(design, answers, weights), design[0], kind, n_columns)
    found = fit_surrogate(design, answers, weights, RESAMPLES, chosen)

    assert chosen.tolist() == sorted(int(place) for place, _ in kept)
    assert found.weights[chosen] == pytest.approx([dict(kept)[place] for place in chosen], rel=0, abs=1e-6)
    assert found.intercept == pytest.approx(intercept, rel=0, abs=1e-6)
    assert found.diagnostics["r2"] == pytest.approx(score, rel=0, abs=1e-6)


@pytest.mark.parametrize("kind", ["highest_weights", "forward_selection", "lasso_path"])
def test_the_method_selects_as_the_package_does_on_the_same_draws(kind: Selection) -> None:
    background, rows = normal(2, 150, P), normal(5, 3, P)
    problem, asked = matrix_problem(twisted(P), background), table(rows)
    recorded: list[NDArray[np.float64]] = []

    def model(drawn: Table) -> NDArray[np.float64]:
        recorded.append(np.column_stack(list(drawn.columns.values())))
        return problem.model(drawn)

    method = LimeMethod(selection=kind, n_selected=4)
    found = method.attribute(replace(problem, model=model), asked, settings(asked, budget=1000))

    drawn = np.concatenate([piece for piece in recorded if len(piece) > 1])
    discretize = _lime(background, 0).discretizer.discretize
    for index, row in enumerate(rows):
        sample = np.concatenate([row[None], drawn])
        data = (discretize(sample) == discretize(row)).astype(float)
        base = LimeBase(lambda distances: np.sqrt(np.exp(-(distances**2) / (0.75**2 * P))))
        _, weights, _, _ = base.explain_instance_with_data(
            data, twisted(P)(sample)[:, None], np.linalg.norm(data - 1.0, axis=1), 0, 4, feature_selection=kind
        )
        expected = [dict(weights).get(j, 0.0) for j in range(P)]
        assert found.values[index] == pytest.approx(expected, rel=0, abs=1e-6)
