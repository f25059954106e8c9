from __future__ import annotations

import numpy as np

from xaisvc.evaluation import METRICS, Evidence, Neighbours, Removed

RNG = np.random.default_rng(0)
N, P = 12, 4


def evidence() -> Evidence:
    values = RNG.normal(size=(N, P))
    removed = RNG.random((6, P)) < 0.5
    steps = RNG.normal(size=(N, 3))
    return Evidence(
        values=values,
        base_values=np.zeros(N),
        outputs=values.sum(axis=1),
        truth=values + 0.1,
        removed=Removed(
            removed=removed,
            drops=RNG.normal(size=(N, 6)),
            single_drops=RNG.normal(size=(N, P)),
            empty=np.zeros(N),
            shares=np.array([0.25, 0.5, 0.75]),
            inserted=steps,
            deleted=-steps,
            important=RNG.normal(size=(N, 3, 2)),
            unimportant=RNG.normal(size=(N, 3, 2)),
        ),
        seeds=RNG.normal(size=(3, N, P)),
        backgrounds=RNG.normal(size=(2, N, P)),
        budgets=RNG.normal(size=(2, N, P)),
        neighbours=Neighbours(
            values=RNG.normal(size=(N, 2, P)),
            rows=RNG.normal(size=(N, P)),
            neighbours=RNG.normal(size=(N, 2, P)),
            outputs=RNG.normal(size=(N, 2)),
        ),
        again=np.stack([values, values + 0.5]),
        randomised=RNG.normal(size=(N, P)),
        with_noise=RNG.normal(size=(N, P + 2)),
        n_unused=2,
        copied=RNG.normal(size=(N, P + 1)),
        original=1,
        retrained=RNG.random((2, 5)),
    )


def test_every_metric_gives_a_number_in_its_range() -> None:
    found = evidence()
    for metric in METRICS.values():
        scores = metric.of(found)
        assert scores is not None, metric.id
        assert metric.lowest <= scores.value() <= metric.highest, metric.id


def test_every_metric_says_nothing_without_its_part() -> None:
    found = evidence()
    bare = Evidence(values=found.values, base_values=found.base_values, outputs=found.outputs)

    assert {metric.part for metric in METRICS.values() if metric.of(bare) is not None} == {"values"}


def test_every_metric_says_what_it_can_and_cannot_show() -> None:
    for name, metric in METRICS.items():
        assert name == metric.id
        assert metric.shows.endswith(".")
        assert metric.cannot_show.endswith(".")
        assert metric.source


def test_the_worse_of_alone_and_reordered_counts() -> None:
    found = evidence()
    scores = METRICS["batch_dependence"].of(found)
    assert scores is not None

    assert np.allclose(scores.numerators, 0.5 / np.abs(found.values).max(axis=1))


def test_noise_columns_are_the_last() -> None:
    values = np.array([[1.0, 2.0, 0.5, 0.5]])
    found = Evidence(values=values[:, :2], base_values=np.zeros(1), outputs=np.zeros(1), with_noise=values, n_unused=2)
    scores = METRICS["noise_credit"].of(found)
    assert scores is not None

    assert scores.value() == 0.25


def test_steadiness_ends_where_its_range_ends() -> None:
    values = np.ones((2, P))
    near = Neighbours(
        values=np.ones((2, 3, P)), rows=np.ones((2, P)), neighbours=np.zeros((2, 3, P)), outputs=np.zeros((2, 3))
    )
    still = Evidence(values=values, base_values=np.zeros(2), outputs=np.ones(2), neighbours=near)
    for name in ("relative_input_stability", "relative_output_stability"):
        scores = METRICS[name].of(still)

        assert scores is not None
        assert scores.value() == METRICS[name].lowest
