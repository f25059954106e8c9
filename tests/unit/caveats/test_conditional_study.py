from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.unit.caveats.kernels import kernel_parts
from xaisvc.caveats.conditional import conditional_gaps, second_opinion
from xaisvc.structure.amortised import MOST_PLAYERS, study_second_opinion
from xaisvc.structure.opinion_columns import compared_column
from xaisvc.structure.opinion_cuts import cuts_of, linear_gaps
from xaisvc.structure.opinion_fit import mixed, regress
from xaisvc.types import PairValues, Table

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of numerical libraries only get in each other's way with matrices as small as these."""
    with threadpool_limits(1):
        yield


def _weighted(values: dict[frozenset[int], float], c: int, outside: int) -> np.ndarray:
    """Shapley values of the set's players by all orders of c players of the set and some outside."""
    p = c + outside
    found = np.zeros(p)
    orders = list(permutations(range(p)))
    for order in orders:
        held: frozenset[int] = frozenset()
        for player in order:
            found[player] += values[held | {player}] - values[held]
            held |= {player}
    return found[:c] / len(orders)


def test_weights_are_shapley_values_where_players_outside_act_one_by_one() -> None:
    c, outside = 3, 2
    rng = np.random.default_rng(4)
    made = cuts_of(c, rng)
    cuts, weights = made.held, made.weights
    first, slope = rng.normal(size=len(cuts)), rng.normal(size=(len(cuts), outside))
    place = {frozenset(np.flatnonzero(cut).tolist()): k for k, cut in enumerate(cuts)}
    values = {}
    for code in range(2 ** (c + outside)):
        held = frozenset(j for j in range(c + outside) if code >> j & 1)
        k = place.get(frozenset(j for j in held if j < c))
        values[held] = 0.0 if k is None else first[k] + sum(slope[k, j - c] for j in held if j >= c)

    found = weights[:, :, 0] @ first + weights[:, :, 1] @ (first + slope.sum(axis=1))

    np.testing.assert_allclose(found, _weighted(values, c, outside), atol=1e-12)
    assert len(made.orders) == 0


def test_sampled_cuts_hold_their_complements_and_are_near_the_shapley_value() -> None:
    c = 7
    rng = np.random.default_rng(2)
    made = cuts_of(c, rng)
    cuts, weights = made.held, made.weights
    held = {cut.tobytes() for cut in cuts}

    assert all((~cut).tobytes() in held for cut in cuts)
    np.testing.assert_allclose(made.each.mean(axis=0), weights)
    # D(A) = sum of a_i over A, D(everybody) = 0: each player gets a_i less what the last one loses, sum(a) / c.
    a = rng.normal(size=c)
    found = (weights.sum(axis=2) * (cuts @ a)).sum(axis=1)
    # Turned round, every order has a first and a last player: six orders leave 2 / 12 of the sum to chance.
    np.testing.assert_allclose(found, a - a.sum() / c, atol=abs(a.sum()) * 2 / 12 + 1e-9 + np.abs(a).max() / 2)


def test_a_regression_with_all_rows_as_centres_is_the_gaussian_process() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1, 60))
    codes = np.ones((1, 60), dtype=np.int64)
    gram = mixed((1.0, 1.0, 0.5), *kernel_parts(x, codes, x, codes, np.zeros(1)))
    y = np.sin(2 * x[0]) + 0.3 * rng.normal(size=60)
    noise = 0.7

    found = regress(gram, gram, y[:, None], noise, np.arange(60) % 4)
    slopes, constant, variance = found.slopes[0, 0], found.intercepts[0, 0], found.variance[0]

    inverse = np.linalg.inv(gram + noise * np.eye(60))
    middle = inverse.sum(axis=0) @ y / inverse.sum()
    centred = y - middle
    scale = centred @ inverse @ centred / 59
    # The jitter is 1e-10 of a trace of some thousands, and the noise's least eigenvalue is 0.7.
    np.testing.assert_allclose(gram @ slopes, gram @ inverse @ centred, atol=1e-5)
    np.testing.assert_allclose(constant, middle, atol=1e-5)
    np.testing.assert_allclose(variance, scale * np.mean(np.diag(gram - gram @ inverse @ gram)), rtol=1e-4)


def test_regressions_without_a_group_are_those_of_the_other_rows() -> None:
    rng = np.random.default_rng(4)
    x, codes = rng.normal(size=(2, 80)), np.ones((2, 80), dtype=np.int64)
    at = slice(0, 30)
    gram = mixed((1.0, 0.3, 0.3), *kernel_parts(x, codes, x[:, at], codes[:, at], np.zeros(2)))
    y = np.stack([x[0] * x[1], np.sin(x[0])], axis=1) + 0.1 * rng.normal(size=(80, 2))
    groups = np.arange(80) % 5

    found = regress(gram, gram[at], y, 0.2, groups)

    for g in range(5):
        kept = groups != g
        own = np.flatnonzero(~kept)
        alone = regress(gram[kept], gram[at], y[kept], 0.2, np.zeros(kept.sum(), dtype=np.int64))
        expected = gram @ alone.slopes[:, 0].T + alone.intercepts[:, 0]
        # The jitter is that of all rows in one and of four fifths in the other, which moves values of size 1 by 1e-4.
        np.testing.assert_allclose(gram @ found.slopes[:, 1 + g].T + found.intercepts[:, 1 + g], expected, atol=5e-4)
        np.testing.assert_allclose(found.left_out[own], y[own] - expected[own], atol=5e-4)


def test_a_linear_model_moves_what_shapley_values_say() -> None:
    # Five normal columns, two of one player; f adds up: gaps follow from all orders and the law of the columns.
    rng = np.random.default_rng(6)
    mixer = rng.normal(size=(5, 5))
    covariance, slope = mixer @ mixer.T + np.eye(5), rng.normal(size=5)
    owner = np.array([0, 1, 1, 2, 3])
    cross = np.stack([np.where(owner == k, slope, 0.0) @ covariance for k in range(4)])
    row = rng.normal(size=5)
    orders = np.array(list(permutations(range(4))))

    found = linear_gaps(orders, owner, covariance, cross).mean(axis=0) @ row

    values = {}
    for code in range(16):
        held = frozenset(k for k in range(4) if code >> k & 1)
        known, rest = np.isin(owner, list(held)), ~np.isin(owner, list(held))
        steady = covariance[np.ix_(known, known)] * (1 + 0.01 * np.eye(known.sum()))
        values[held] = slope[rest] @ covariance[np.ix_(rest, known)] @ np.linalg.solve(steady, row[known])
    # The diagonal has 1e-9 more.
    np.testing.assert_allclose(found, _weighted(values, 4, 0), atol=1e-7)


def test_a_large_set_of_a_linear_model_has_the_closed_form() -> None:
    # One factor u behind 12 columns, x_j = (u + e_j) / sqrt(2): a of them tell sum / (a + 1).
    rng = np.random.default_rng(9)
    c = 12
    x = (rng.normal(size=(500, 1)) + rng.normal(size=(500, c))) / np.sqrt(2)
    background = Table({f"c{j}": x[:, j].copy() for j in range(c)})
    slope = np.zeros(c)
    slope[0] = 1.0

    def games(rows: Table, design) -> PairValues:  # noqa: ANN001
        own = np.stack(list(rows.columns.values()), axis=1) * slope
        mean = x.mean(axis=0) * slope
        on, off = own @ design.masks.T + mean @ ~design.masks.T, own @ ~design.masks.T + mean @ design.masks.T
        return PairValues(on=on, off=off, outputs=own.sum(axis=1))

    plan = study_second_opinion(
        background, [(name,) for name in background.columns], [tuple(range(c))], games, np.random.default_rng(2)
    )
    rows = (rng.normal(size=(6, 1)) + rng.normal(size=(6, c))) / np.sqrt(2)

    found = conditional_gaps(plan, Table({f"c{j}": rows[:, j].copy() for j in range(c)}))

    expected = np.zeros((6, c))
    for _ in range(400):
        way = rng.permutation(c)
        for order in (way, way[::-1]):
            before = order[: int(np.flatnonzero(order == 0)[0])]
            told = [rows[:, before[:a]].sum(axis=1) / (a + 1) for a in range(len(before) + 1)]
            for a, player in enumerate(before):
                expected[:, player] += (told[a + 1] - told[a]) / 800
            expected[:, 0] -= told[-1] / 800
    error = np.sqrt(np.mean((found.values - expected) ** 2))
    stated = np.sqrt(np.mean(found.errors**2))
    assert np.sqrt(np.mean(expected[:, 0] ** 2)) > 0.3
    # Errors of 72 numbers that hang together; stated ones are to be on the safe side, and of use.
    assert error < 1.5 * stated
    assert stated < 0.06


def test_learning_the_sums_over_cuts_loses_little(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(12)
    x = rng.normal(size=(300, 1)) + 0.8 * rng.normal(size=(300, 4))
    background = Table({f"c{j}": x[:, j].copy() for j in range(4)})
    games = _sum_games(Table({f"c{j}": np.tanh(2 * x[:, j]) for j in range(4)}))

    def bent(rows: Table, design) -> PairValues:  # noqa: ANN001
        return games(Table({name: np.tanh(2 * values) for name, values in rows.columns.items()}), design)

    members, rows = [(f"c{j}",) for j in range(4)], background.take(slice(0, 40))
    found = []
    for most in (3, 4):
        monkeypatch.setattr("xaisvc.structure.amortised.MOST_KEPT", most)
        plan = study_second_opinion(background, members, [(0, 1, 2, 3)], bent, np.random.default_rng(1))
        found.append(conditional_gaps(plan, rows))

    learnt, kept = found
    lost = np.sqrt(np.mean((learnt.values - kept.values) ** 2))
    assert 0 < lost < 0.3 * np.sqrt(np.mean(kept.errors**2))
    assert np.sqrt(np.mean(kept.values**2)) > 5 * lost


def test_stated_errors_are_of_the_size_of_the_errors() -> None:
    rows = Table({"c0": np.array([0.8, -1.0]), "c1": np.array([1.5, 0.3])})
    # E[c1 | c0] = c0, E[c0 | c1] = c1 / 2, f = 2 c0 - c1: the gap of c0 is (-c0 - 2 c1 / 2) / 2.
    expected = (-rows.columns["c0"] - rows.columns["c1"]) / 2
    errors, stated = [], []
    for seed in range(24):
        background, games = _linear(150, seed)
        plan = study_second_opinion(background, [("c0",), ("c1",)], [(0, 1)], games, np.random.default_rng(seed))
        found = conditional_gaps(plan, rows)
        errors.append(found.values[:, 0] - expected)
        stated.append(found.errors[:, 0])

    ratio = np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(stated)))
    # 24 draws of two rows know a root mean square to 1 / sqrt(2 * 24) = 14 %; stated errors are to be on the safe side.
    assert 0.3 < ratio < 1.2


def _linear(n: int, seed: int):  # noqa: ANN202
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    x[:, 1] += x[:, 0]
    x -= x.mean(axis=0)  # what the background's mean is off by is the interventional value's own error
    background = Table({"c0": x[:, 0].copy(), "c1": x[:, 1].copy()})

    def value(rows: Table, held: np.ndarray) -> np.ndarray:
        own = [rows.columns[f"c{j}"] if held[j] else np.full(len(rows), x[:, j].mean()) for j in range(2)]
        return 2.0 * own[0] - own[1]

    def games(rows: Table, design) -> PairValues:  # noqa: ANN001
        assert not design.masks.all(axis=1).any(), "the coalition of everybody is no part of a design"
        on = np.stack([value(rows, mask) for mask in design.masks], axis=1)
        off = np.stack([value(rows, ~mask) for mask in design.masks], axis=1)
        return PairValues(on=on, off=off, outputs=value(rows, np.ones(2, dtype=np.bool_)))

    return background, games


def _sum_games(background: Table):  # noqa: ANN202
    """A sum of the columns, categories by the length of their text, missing as 0."""
    parts = {}
    for name, values in background.columns.items():
        parts[name] = _numbers(values).mean()

    def games(rows: Table, design) -> PairValues:  # noqa: ANN001
        own = np.stack([_numbers(rows.columns[name]) for name in background.columns], axis=1)
        rest = np.array([parts[name] for name in background.columns])
        on = own @ design.masks.T + rest @ ~design.masks.T
        off = own @ ~design.masks.T + rest @ design.masks.T
        return PairValues(on=on, off=off, outputs=own.sum(axis=1))

    return games


def _numbers(values: np.ndarray) -> np.ndarray:
    if values.dtype == object:
        return np.array([0.0 if value is None else float(len(value)) for value in values])
    return np.nan_to_num(values)


def _awkward(n: int) -> Table:
    rng = np.random.default_rng(8)
    a = rng.normal(size=n)
    return Table(
        {
            "constant": np.ones(n),
            "missing": np.full(n, np.nan),
            "a": a,
            "copy": a.copy(),
            "levels": np.array([f"{k:04d}" for k in rng.integers(0, 4, n)], dtype=object),
            "none": np.array([None] * n, dtype=object),
        }
    )


@pytest.mark.parametrize("n", [50, 200])
def test_awkward_columns_are_told_of_in_finite_numbers(n: int) -> None:
    background = _awkward(n)
    names = list(background.columns)
    members = [(name,) for name in names]
    linked = [(0, 1), (2, 3, 4), (5,)]
    plan = study_second_opinion(background, members, linked, _sum_games(background), np.random.default_rng(0))
    odd = Table(
        {
            "constant": np.array([1e9, np.nan]),
            "missing": np.array([5.0, -np.inf]),
            "a": np.array([1e300, -1e300]),
            "copy": np.array([np.nan, 0.0]),
            "levels": np.array(["never seen", None], dtype=object),
            "none": np.array(["x", None], dtype=object),
        }
    )

    found = conditional_gaps(plan, odd)

    assert np.isfinite(found.values).all()
    assert np.isfinite(found.errors).all()
    assert len(plan.sets) == 2  # a set of one player is none
    assert (found.values[:, :2] == 0).all()  # nothing varies there, so nothing can move


def test_too_few_rows_tell_nothing() -> None:
    background = _awkward(49)
    members = [(name,) for name in background.columns]
    plan = study_second_opinion(background, members, [(2, 3)], _sum_games(background), np.random.default_rng(0))

    found = conditional_gaps(plan, background.take([0, 1]))

    assert plan.unstudied == ((2, 3),)
    assert plan.reason == "49 background rows are fewer than the 50 that a second opinion needs"
    assert np.isinf(found.errors[:, 2:4]).all()
    assert (found.errors[:, 4:] == 0).all()
    values = np.ones((2, 6))
    assert not second_opinion(values, np.zeros((2, 6)), found, np.zeros(6, dtype=np.bool_)).gap.any()


def test_a_set_of_too_many_players_tells_nothing_of_them_only() -> None:
    rng = np.random.default_rng(1)
    most = MOST_PLAYERS
    columns = {f"c{j}": rng.normal(size=60) for j in range(most + 3)}
    columns[f"c{most + 2}"] = columns[f"c{most + 1}"].copy()
    background = Table(columns)
    linked = [tuple(range(most + 1)), (most + 1, most + 2)]
    plan = study_second_opinion(
        background, [(name,) for name in columns], linked, _sum_games(background), np.random.default_rng(0)
    )

    found = conditional_gaps(plan, background.take([3]))

    assert plan.unstudied == (tuple(range(most + 1)),)
    assert np.isinf(found.errors[0, : most + 1]).all()
    assert np.isfinite(found.errors[0, most + 1 :]).all()
    # f = the last two + ...: both stand for one fact, so nothing moves between them.
    assert abs(found.values[0, most + 1]) < 0.05


def test_the_same_seed_gives_the_same_plan() -> None:
    background = _awkward(80)
    members = [(name,) for name in background.columns]
    one, other = (
        study_second_opinion(background, members, [(2, 3, 4)], _sum_games(background), np.random.default_rng(6))
        for _ in range(2)
    )

    assert one.sets[0].slopes.tobytes() == other.sets[0].slopes.tobytes()


def test_a_column_is_compared_by_rank_and_by_level() -> None:
    numbers = compared_column("n", np.array([3.0, 1.0, 1.0, np.nan, 100.0]))
    levels = compared_column("l", np.array(["b"] * 5 + ["a"] * 4 + [None], dtype=object))

    scores, codes = numbers.compare(np.array([1.0, 2.0, 100.0, 1e9, np.nan]))
    assert codes.tolist() == [1, 1, 1, 1, 0]
    assert scores[0] < scores[1] < scores[2] == scores[3]
    assert numbers.by_level == 1.0
    # "a" comes fewer than five times, so it shares the code of the unseen.
    assert levels.compare(np.array(["b", "a", "z", None], dtype=object))[1].tolist() == [1, -1, -1, 0]
