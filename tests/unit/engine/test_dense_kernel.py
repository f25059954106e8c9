"""The compiled loops against matrix products in float64."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from xaisvc.engine import dense_kernel as kernel
from xaisvc.engine.network import CompiledNetwork
from xaisvc.graphs import CutTensor, DenseLayer, DenseNetwork

# float32 sums of up to a hundred products of about 0.1 each, passed through up to three layers.
TOLERANCE = 2e-6
FUNCTIONS = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "logistic": lambda x: 1.0 / (1.0 + np.exp(-x)),
}


def network(
    *widths: int, activation: str = "relu", link: str = "logistic", column: int = 0, complement: bool = False,
    is_logit: bool = False,
) -> DenseNetwork:  # fmt: skip
    """A network of random layers."""
    rng = np.random.default_rng(sum(widths))
    layers = [
        DenseLayer(
            weights=(rng.normal(size=(c, h)) / np.sqrt(c)).astype(np.float32),
            bias=rng.normal(0, 0.3, size=h).astype(np.float32),
            activation="identity" if i == len(widths) - 2 else activation,  # type: ignore[arg-type]
        )
        for i, (c, h) in enumerate(pairwise(widths))
    ]
    owners = tuple(f"f{i}" for i in range(widths[0]))
    tensor = CutTensor(name="x", owners=owners, layout=(widths[0],), element=1)
    return DenseNetwork(
        tensor=tensor,
        layers=tuple(layers),
        link=link,
        column=column,
        complement=complement,
        is_logit=is_logit,  # type: ignore[arg-type]
    )


def expected(made: DenseNetwork, rows: np.ndarray) -> np.ndarray:
    numbers = rows.astype(np.float64)
    for layer in made.layers:
        numbers = FUNCTIONS[layer.activation](numbers @ layer.weights + layer.bias)
    if made.link == "softmax":
        powers = np.exp(numbers)
        shares = (powers / powers.sum(axis=-1, keepdims=True))[..., made.column]
    else:
        shares = FUNCTIONS[made.link](numbers[..., made.column])
    shares = 1.0 - shares if made.complement else shares
    return np.log(shares) - np.log(1.0 - shares) if made.is_logit else shares


def matrix(n: int, c: int) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, c)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 11, 12, 13, 96, 97, 250])
@pytest.mark.parametrize("widths", [(3, 32, 1), (30, 40, 50, 1), (1, 33, 64, 31, 1)])
def test_answers_are_those_of_matrix_products(n: int, widths: tuple[int, ...]) -> None:
    made, rows = network(*widths), matrix(n, widths[0])

    np.testing.assert_allclose(CompiledNetwork.of(made).answers(rows), expected(made, rows), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize(
    ("link", "column", "complement"),
    [
        ("identity", 2, False),
        ("logistic", 1, False),
        ("logistic", 0, True),
        ("softmax", 2, False),
        ("softmax", 0, True),
    ],
)
def test_activations_and_links(activation: str, link: str, column: int, complement: bool) -> None:  # noqa: FBT001 - a case
    made = network(6, 34, 33, 3, activation=activation, link=link, column=column, complement=complement)
    rows = matrix(40, 6)

    np.testing.assert_allclose(CompiledNetwork.of(made).answers(rows), expected(made, rows), rtol=0, atol=TOLERANCE)


def test_log_odds_are_taken_of_the_rounded_probability() -> None:
    made, rows = network(6, 34, 1, is_logit=True), matrix(40, 6)

    # A probability is rounded to 6e-8; its log-odds move by up to that over p (1 - p), at least 0.02 here.
    assert np.abs(expected(made, rows)).max() < 3.5
    np.testing.assert_allclose(CompiledNetwork.of(made).answers(rows), expected(made, rows), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("number", "steepest"), [(kernel.TANH, 20.0), (kernel.LOGISTIC, 200.0)])
def test_activations_hold_far_out_and_keep_what_is_no_number(number: int, steepest: float) -> None:
    function = FUNCTIONS["tanh" if number == kernel.TANH else "logistic"]
    points = np.concatenate([np.linspace(-steepest, steepest, 9600), [np.inf, -np.inf, 0.0, 1e-30], np.zeros(28)])
    numbers = points.astype(np.float32)
    numbers[-1] = np.nan
    with np.errstate(over="ignore"):
        wanted = function(numbers.astype(np.float64))

    kernel.activate(numbers, numbers.size, number)

    # Three roundings of float32 near one.
    np.testing.assert_allclose(numbers, wanted, rtol=0, atol=2e-7)


def test_a_missing_number_stays_missing() -> None:
    rows = matrix(20, 6)
    rows[3, 1] = np.nan

    for activation in FUNCTIONS:
        answers = CompiledNetwork.of(network(6, 34, 33, 1, activation=activation)).answers(rows)

        assert np.flatnonzero(np.isnan(answers)).tolist() == [3]


def test_a_row_has_the_same_bits_in_any_company() -> None:
    compiled, rows = CompiledNetwork.of(network(30, 64, 64, 1, activation="tanh")), matrix(200, 30)

    together = compiled.answers(rows)

    np.testing.assert_array_equal(
        [compiled.answers(rows[[i]])[0] for i in (0, 5, 100, 199)], together[[0, 5, 100, 199]]
    )
