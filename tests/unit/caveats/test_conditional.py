from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.unit.caveats.kernels import kernel_parts
from xaisvc.caveats.conditional import (
    FLOOR_SCALE,
    INTERPLAY_SCALE,
    SEEN_SCALE,
    conditional_gaps,
    second_opinion,
)
from xaisvc.structure.amortised import study_second_opinion
from xaisvc.structure.opinion_fit import column_parts, mixed
from xaisvc.types import PairValues, Table
from xaisvc.types.second_opinion import Gaps, Thresholds

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of numerical libraries only get in each other's way with matrices as small as these."""
    with threadpool_limits(1):
        yield


def _gaps(values: list[list[float]], error: float = 0.001) -> Gaps:
    found = np.array(values)
    empty = np.zeros((len(found), 0))
    return Gaps(
        values=found,
        errors=np.full(found.shape, error),
        sets=(),
        totals=empty,
        total_errors=empty,
        linked=np.ones(found.shape[1], np.bool_),
    )


def _no_errors(values: np.ndarray) -> np.ndarray:
    return np.zeros(values.shape)


NOBODY = np.zeros(3, dtype=np.bool_)


def test_a_gap_speaks_from_its_share_on() -> None:
    values = np.array([[1.0, -0.5, 0.5]])  # T = 2

    found = second_opinion(
        values, _no_errors(values), _gaps([[0.12, -0.09, 0.0]]), NOBODY, thresholds=Thresholds(gap_share=0.05)
    )

    assert found.gap.tolist() == [[True, False, False]]


def test_a_gap_within_its_error_does_not_speak() -> None:
    values = np.array([[1.0, -0.5, 0.5]])

    found = second_opinion(
        values, _no_errors(values), _gaps([[0.3, 0.0, 0.0]], error=0.2), NOBODY, thresholds=Thresholds(gap_errors=2.0)
    )

    assert not found.gap.any()
    assert found.severity.tolist() == [0]


def test_a_sign_change_needs_both_values_to_matter() -> None:
    values = np.array([[1.0, -0.2, 0.8], [1.0, -0.001, 0.999]])

    found = second_opinion(values, _no_errors(values), _gaps([[0.0, 0.5, 0.0], [0.0, 0.5, 0.0]]), NOBODY)

    assert found.sign.tolist() == [[False, True, False], [False, False, False]]
    assert found.severity.tolist()[0] == 3


def test_an_unused_player_with_conditional_credit() -> None:
    values = np.array([[1.0, 0.0, 1.0]])
    unused = np.array([False, True, False])

    found = second_opinion(values, _no_errors(values), _gaps([[-0.3, 0.3, 0.0]]), unused)

    assert found.unused.tolist() == [[False, True, False]]
    assert second_opinion(values, _no_errors(values), _gaps([[-0.3, 0.3, 0.0]]), NOBODY).unused.sum() == 0


def test_the_interval_holds_both_values_and_their_errors() -> None:
    values = np.array([[1.0, 0.5, 0.5]])
    errors = np.full(values.shape, 0.03)
    limits = Thresholds(interval_errors=2.0)

    found = second_opinion(values, errors, _gaps([[0.2, 0.0, 0.0]], error=0.04), NOBODY, thresholds=limits)

    np.testing.assert_allclose(found.low[0], [1.0 - 0.06, 0.4, 0.4], atol=1e-12)  # 2 * 0.03, or 2 * 0.05
    np.testing.assert_allclose(found.high[0], [1.2 + 0.1, 0.6, 0.6], atol=1e-12)


def test_a_relied_on_player_without_conditional_credit_is_hidden() -> None:
    values = np.array([[0.5, 0.5, 1.0]])
    relied = np.array([True, False, True])
    gaps = _gaps([[-0.48, -0.48, 0.96]])

    found = second_opinion(values, _no_errors(values), gaps, NOBODY, relied=relied)

    assert found.hidden.tolist() == [[True, False, False]]
    assert not second_opinion(values, _no_errors(values), gaps, NOBODY).hidden.any()


def test_the_sum_of_a_set_has_an_interval_of_its_own() -> None:
    values = np.array([[1.0, -0.4, 0.5]])
    errors = np.array([[0.01, 0.02, 0.5]])
    gaps = replace(_gaps([[-0.5, 0.6, 0.0]]), sets=((0, 1),), totals=np.array([[0.1]]), total_errors=np.array([[0.04]]))

    found = second_opinion(values, errors, gaps, NOBODY, thresholds=Thresholds(interval_errors=2.0))

    np.testing.assert_allclose(found.set_values, [[0.6]])
    np.testing.assert_allclose(found.set_low, [[0.6 - 2 * 0.03]])
    np.testing.assert_allclose(found.set_high, [[0.7 + 2 * 0.05]])


def test_another_top_three_is_the_highest_severity() -> None:
    values = np.array([[1.0, 0.8, 0.6, 0.1]])
    unused = np.zeros(4, dtype=np.bool_)

    found = second_opinion(values, _no_errors(values), _gaps([[0.0, 0.0, -0.4, 0.4]]), unused)
    same = second_opinion(values, _no_errors(values), _gaps([[0.2, -0.2, 0.0, 0.0]]), unused)

    assert (found.top_changes.tolist(), found.severity.tolist()) == ([True], [3])
    assert (same.top_changes.tolist(), same.severity.tolist()) == ([False], [1])
    np.testing.assert_allclose(found.moved, [0.4 / 2.5])


def test_nothing_is_said_of_a_player_of_whom_nothing_can_be_told() -> None:
    values = np.array([[1.0, -1.0, 0.5]])
    gaps = _gaps([[0.0, 0.0, 0.0]])
    gaps.errors[:, 1] = np.inf

    found = second_opinion(values, _no_errors(values), gaps, np.array([False, True, False]))

    assert found.told.tolist() == [True, False, True]
    assert (found.low[0, 1], found.high[0, 1]) == (-np.inf, np.inf)
    assert not found.unused.any()


def test_rows_without_any_credit_say_nothing() -> None:
    values = np.zeros((2, 3))

    found = second_opinion(values, _no_errors(values), _gaps([[0.0] * 3] * 2), np.array([True, False, False]))

    assert found.severity.tolist() == [0, 0]
    assert found.moved.tolist() == [0.0, 0.0]


def _mixed_table(n: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    b = a + 0.5 * rng.normal(size=n)
    b[rng.random(n) < 0.1] = np.nan
    c = np.array([None if u < 0.05 else f"k{int(u * 4)}" for u in rng.random(n)], dtype=object)
    return Table({"a": a, "b": b, "c": c, "d": rng.normal(size=n)})


def _score(table: Table) -> np.ndarray:
    a, b, c, d = (table.columns[name] for name in "abcd")
    level = np.array([{"k0": 1.0, "k1": -1.0}.get(str(value), 0.3) for value in c])
    return np.tanh(a + np.nan_to_num(b, nan=0.7)) * (1.0 + 0.5 * d) + level * a


def _games(background: Table, score=_score, members=None):  # noqa: ANN001, ANN202
    names = list(background.columns)
    owner = [names.index(name) if members is None else _owner(members, name) for name in names]

    def evaluate(rows: Table, design) -> PairValues:  # noqa: ANN001
        on, off = np.empty((len(rows), len(design))), np.empty((len(rows), len(design)))
        for k, mask in enumerate(design.masks):
            picks = slice(None) if design.background is None else design.background[k]
            b = len(background.take(picks))
            for held, found in ((mask, on), (~mask, off)):
                columns = {}
                for name, player in zip(names, owner, strict=True):
                    if held[player]:
                        columns[name] = np.repeat(rows.columns[name], b)
                    else:
                        columns[name] = np.tile(background.columns[name][picks], len(rows))
                found[:, k] = score(Table(columns)).reshape(len(rows), -1).mean(axis=1)
        return PairValues(on=on, off=off, outputs=score(rows))

    return evaluate


def _owner(members, name: str) -> int:  # noqa: ANN001
    return next(k for k, own in enumerate(members) if name in own)


def test_the_compiled_reading_is_the_formula() -> None:
    background, rows = _mixed_table(80, 1), _mixed_table(7, 2)
    members = [("a",), ("b", "c"), ("d",)]
    plan = study_second_opinion(
        background, members, [(0, 1)], _games(background, members=members), np.random.default_rng(3)
    )

    found = conditional_gaps(plan, rows)

    (one,) = plan.sets
    both = [column.compare(rows.columns[column.feature]) for column in one.columns]
    scores, codes = np.stack([s for s, _ in both]), np.stack([c for _, c in both])
    by_level = np.array([column.by_level for column in one.columns])
    expected = np.zeros((7, 2))
    for k, cut in enumerate(one.cuts):
        inside = np.flatnonzero(cut[one.owner])
        parts = kernel_parts(scores[inside], codes[inside], one.scores[inside], one.codes[inside], by_level[inside])
        gram = mixed(one.kernels[k], *parts)
        for r in range(2):
            expected += np.outer(gram @ one.slopes[k, r, 0] + one.intercepts[k, r, 0], one.weights[:, k, r])
    # Single precision: sums of 80 products that are off by 1e-7 each, of slopes some ten times the sum.
    np.testing.assert_allclose(found.values[:, :2], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.totals[:, 0], expected.sum(axis=1), rtol=1e-4, atol=2e-5)
    assert np.abs(expected).max() > 0.01
    assert (found.values[:, 2] == 0).all()


def test_the_compiled_reading_of_a_large_set_is_the_formula() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(120, 1)) + 0.7 * rng.normal(size=(120, 8))
    columns = {f"c{j}": x[:, j].copy() for j in range(8)}
    columns["c3"][rng.random(120) < 0.1] = np.nan
    columns["c7"] = np.array(["high" if v > 0 else "low" for v in x[:, 7]], dtype=object)
    background, rows = Table(columns), Table({name: values[:9] for name, values in columns.items()})
    members = [("c0", "c7"), *((f"c{j}",) for j in range(1, 7))]

    def score(table: Table) -> np.ndarray:
        numbers = np.stack([np.nan_to_num(table.columns[f"c{j}"]) for j in range(7)], axis=1)
        return np.tanh(numbers).sum(axis=1) + numbers[:, 0] * numbers[:, 1] + (table.columns["c7"] == "high")

    plan = study_second_opinion(
        background, members, [tuple(range(7))], _games(background, score, members), np.random.default_rng(3)
    )

    found = conditional_gaps(plan, rows)

    (one,) = plan.sets
    scores, codes = map(
        np.stack, zip(*(column.compare(rows.columns[column.feature]) for column in one.columns), strict=True)
    )
    lines, nears = np.zeros((9, one.scores.shape[1])), np.zeros((9, one.scores.shape[1]))
    for j, column in enumerate(one.columns):
        line, near = column_parts(scores[j], codes[j], one.scores[j], one.codes[j], column.by_level)
        lines, nears = lines + line / 8, nears + near / 8
    gram = mixed(one.kernels[0], lines, nears)
    each = np.einsum("nu,mgu->nmg", gram, one.slopes[0]) + one.intercepts[0]  # (rows, players, 1 + g)
    assert not one.by_product
    assert np.abs(each[:, :, 0]).max() > 0.1
    # As above; here slopes are some hundred times the sum.
    np.testing.assert_allclose(found.values, each[:, :, 0], rtol=1e-3, atol=1e-4)
    seen = np.sqrt(7 / 8 * ((each[:, :, 1:] - each[:, :, 1:].mean(axis=2, keepdims=True)) ** 2).sum(axis=2))
    floor = np.hypot(FLOOR_SCALE * one.floor, INTERPLAY_SCALE * one.interplay)
    np.testing.assert_allclose(found.errors, np.hypot(SEEN_SCALE * seen, floor), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("linked", [(0, 1), (0, 1, 2, 3)])
def test_a_row_says_the_same_in_any_company(linked: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    background, rows = _mixed_table(80, 1), _mixed_table(9, 5)
    monkeypatch.setattr("xaisvc.structure.opinion_cuts.MOST_ENUMERATED", 3)
    monkeypatch.setattr("xaisvc.structure.amortised.MOST_ENUMERATED", 3)
    plan = study_second_opinion(
        background, [("a",), ("b",), ("c",), ("d",)], [linked], _games(background), np.random.default_rng(3)
    )

    together = conditional_gaps(plan, rows)

    alone = [conditional_gaps(plan, rows.take([i])) for i in range(9)]
    assert np.concatenate([one.values for one in alone]).tobytes() == together.values.tobytes()
    assert np.concatenate([one.errors for one in alone]).tobytes() == together.errors.tobytes()


@pytest.mark.parametrize("rho", [0.9, -0.8])
def test_a_linear_model_of_two_normal_features_has_the_closed_form(rho: float) -> None:
    # f = 2 x0 + 0 x1 + x2: conditional minus interventional value of x0 is (rho * 0 * x0 - rho * 2 * x1) / 2.
    rng = np.random.default_rng(11)
    x = rng.normal(size=(500, 3))
    x[:, 1] = rho * x[:, 0] + np.sqrt(1 - rho**2) * x[:, 1]
    background = Table({f"c{j}": x[:, j].copy() for j in range(3)})

    def score(table: Table) -> np.ndarray:
        return 2.0 * table.columns["c0"] + table.columns["c2"]

    members = [("c0",), ("c1",), ("c2",)]
    plan = study_second_opinion(background, members, [(0, 1)], _games(background, score), np.random.default_rng(1))
    rows = Table({"c0": np.array([0.5, -1.0]), "c1": np.array([1.0, -1.2]), "c2": np.zeros(2)})

    found = conditional_gaps(plan, rows)

    expected = -rho * rows.columns["c1"]
    # The slope of 500 rows is known to 2 sqrt(1 - rho^2) / sqrt(500) / 2 = 0.03 at most, four of which are allowed.
    np.testing.assert_allclose(found.values[:, 0], expected, atol=0.11)
    np.testing.assert_allclose(found.values[:, 1], -expected, atol=0.11)
    assert (np.abs(found.values[:, 0] - expected) < 4 * found.errors[:, 0]).all()
    assert (found.values[:, 2] == 0).all()
