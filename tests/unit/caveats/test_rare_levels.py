"""The second opinion of categories with rare levels, where the truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.unit.caveats.kernels import kernel_parts
from xaisvc.caveats.conditional import conditional_gaps, second_opinion
from xaisvc.structure.amortised import UNEVEN, study_second_opinion
from xaisvc.structure.opinion_fit import mixed
from xaisvc.types import PairValues, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xaisvc.types.second_opinion import OpinionPlan, SecondOpinion


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of numerical libraries only get in each other's way with matrices as small as these."""
    with threadpool_limits(1):
        yield


def _studied(columns: dict[str, np.ndarray], parts: np.ndarray, n: int, linked: tuple[int, ...]) -> OpinionPlan:
    """The plan of a model that adds up parts, one of each column; the first n rows are the background."""
    place = {value: i for i, value in enumerate(columns["a"].tolist())}
    mean = parts[:, :n].mean(axis=1)

    def games(rows: Table, design) -> PairValues:  # noqa: ANN001
        own = parts[:, [place[value] for value in rows.columns["a"].tolist()]].T
        on, off = own @ design.masks.T + mean @ ~design.masks.T, own @ ~design.masks.T + mean @ design.masks.T
        return PairValues(on=on, off=off, outputs=own.sum(axis=1))

    background = Table({name: values[:n] for name, values in columns.items()})
    return study_second_opinion(background, [(name,) for name in columns], [linked], games, np.random.default_rng(1))


def _opinion(plan: OpinionPlan, columns: dict[str, np.ndarray], parts: np.ndarray, n: int) -> SecondOpinion:
    rows = Table({name: values[n:] for name, values in columns.items()})
    values = (parts[:, n:] - parts[:, :n].mean(axis=1, keepdims=True)).T
    # The interventional values err by the background's mean; what an unused player has by conditional ones does too.
    errors = np.full(values.shape, parts[:, :n].sum(axis=0).std() / np.sqrt(n))
    return second_opinion(values, errors, conditional_gaps(plan, rows), (parts == 0).all(axis=1))


def _names(levels: np.ndarray) -> np.ndarray:
    return np.array([f"L{level}" for level in levels], dtype=object)


@pytest.mark.parametrize("count", [100, 200])
def test_an_ignored_category_with_rare_levels_is_seen_to_be_credited(count: int) -> None:
    # f = 2 a + c, q is the rank bin of a: by conditional values a and q share the 2 a.
    rng = np.random.default_rng(count)
    a, c, n = rng.normal(size=560), rng.normal(size=560), 500
    bins = rng.permutation(count)[a.argsort().argsort() * count // 560]
    columns = {"a": a, "q": _names(bins), "c": c}
    parts = np.stack([2 * a, 0 * a, c])

    plan = _studied(columns, parts, n, (0, 1))
    found = _opinion(plan, columns, parts, n)

    known = np.isin(columns["q"][n:], columns["q"][:n])
    share = np.abs(a[n:]) / np.abs(parts[:, n:]).sum(axis=0)
    speaks = known & (share > 0.15)
    assert speaks.sum() >= 35
    assert found.unused[speaks, 1].mean() > 0.95
    truth = np.array([a[bins == own].mean() for own in bins[n:]])
    held = (found.low[:, 1] <= truth) & (truth <= found.high[:, 1])
    assert held[known].mean() > 0.95


def _duplicates(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """One fact four times, rounded to hundredths as a category, and another one; and a model that adds up."""
    rng = np.random.default_rng([11, seed])
    a, c = rng.normal(size=n), rng.normal(size=n)
    level = np.round(100 * a).astype(int)
    columns = {"a": a, "a2": a.copy(), "neg": -a, "ordl": _names(level), "c": c}
    return columns, np.stack([-0.36 * a, -0.36 * a, -0.36 * a, 0.3 * level / 100, 0.5 * c])


def test_four_forms_of_one_fact_share_its_credit() -> None:
    columns, parts = _duplicates(1240, 0)
    n = 1200

    plan = _studied(columns, parts, n, (0, 1, 2, 3))
    found = _opinion(plan, columns, parts, n)

    known = np.isin(columns["ordl"][n:], columns["ordl"][:n])
    values = (parts[:, n:] - parts[:, :n].mean(axis=1, keepdims=True)).T
    truth = values[:, :4].mean(axis=1)
    total = np.abs(values).sum(axis=1)
    inside = (found.low[:, :4] <= truth[:, None]) & (truth[:, None] <= found.high[:, :4])
    assert plan.reason == ""
    assert known.sum() >= 30
    assert inside[known].all()
    # The rounded one counts for + 0.3 and would have - 0.195: a change of sign wherever both matter.
    flips = known & (np.minimum(np.abs(values[:, 3]), np.abs(truth)) > 0.07 * total)
    assert flips.sum() >= 8
    assert found.sign[flips, 3].mean() > 0.9
    assert not found.sign[known][:, :3].any()


def test_a_model_that_tells_neighbouring_rare_levels_apart_leaves_no_opinion() -> None:
    columns, parts = _duplicates(1240, 1)
    levels, own = np.unique(columns["ordl"], return_inverse=True)
    parts[3] += 0.6 * np.random.default_rng(3).normal(size=len(levels))[own]

    plan = _studied(columns, parts, 1200, (0, 1, 2, 3))
    found = _opinion(plan, columns, parts, 1200)

    assert (plan.sets, plan.unstudied, plan.reason) == ((), ((0, 1, 2, 3),), UNEVEN)
    assert np.isinf(found.high[:, :4]).all()
    assert found.told.tolist() == [False] * 4 + [True]


def test_rare_levels_that_stand_for_no_number_leave_no_opinion_of_their_set_alone() -> None:
    rng = np.random.default_rng(2)
    level = rng.integers(0, 150, 500)
    a = rng.normal(size=150)[level] + 0.6 * rng.normal(size=500)
    columns = {"a": a, "q": _names(level), "c": rng.normal(size=500)}

    plan = _studied(columns, np.stack([2 * a, 0 * a, columns["c"]]), 500, (0, 1))

    assert plan.unstudied == ((0, 1),)
    assert plan.reason == "too many rows hold rare levels of q for a second opinion"


def test_levels_on_a_scale_are_read_as_the_formula_says() -> None:
    rng = np.random.default_rng(6)
    a, n = rng.normal(size=300), 290
    q = _names(rng.permutation(100)[a.argsort().argsort() // 3])
    q[3:9] = None
    columns = {"a": a, "q": q}
    plan = _studied(columns, np.stack([2 * a, np.sin(a)]), n, (0, 1))
    rows = Table({"a": a[n:], "q": np.array([*q[n:-3], None, "never seen", q[20]], dtype=object)})

    found = conditional_gaps(plan, rows)

    (one,) = plan.sets
    both = [column.compare(rows.columns[column.feature]) for column in one.columns]
    scores, codes = np.stack([s for s, _ in both]), np.stack([c for _, c in both])
    by_level = np.array([column.by_level for column in one.columns])
    expected = np.zeros((10, 2))
    for k, cut in enumerate(one.cuts):
        inside = np.flatnonzero(cut[one.owner])
        parts = kernel_parts(scores[inside], codes[inside], one.scores[inside], one.codes[inside], by_level[inside])
        gram = mixed(one.kernels[k], *parts)
        for r in range(one.slopes.shape[1]):
            expected += np.outer(gram @ one.slopes[k, r, 0] + one.intercepts[k, r, 0], one.weights[:, k, r])
    assert len(one.columns[1].scores) > 0
    assert codes[1, -3:].tolist() == [0, 0, 1]
    # Single precision, as where levels are compared by equality.
    np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-4)
    assert np.abs(expected).max() > 0.1
