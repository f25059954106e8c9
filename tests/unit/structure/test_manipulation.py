"""Models that answer made-up rows with something else are suspected; honest ones are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.structure.manipulation import _Tally, study_manipulation
from xaisvc.types.reliance import Manipulation, Sign
from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Score = Callable[[Table], Floats]


def paired_table(n: int = 300, seed: int = 0) -> Table:
    """A twin of a, whole numbers, and two columns that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    return Table(
        {
            "a": a,
            "twin": a + 0.05 * rng.normal(size=n),
            "count": rng.poisson(4.0, size=n).astype(float),
            "driver": rng.normal(size=n),
            "decoy": rng.normal(size=n),
        }
    )


def found_in(score: Score, table: Table | None = None, seed: int = 0, **options: frozenset[str]) -> Manipulation:
    return study_manipulation(table or paired_table(), score, np.random.default_rng(seed), **options)


def twins_differ(t: Table) -> NDArray[np.bool_]:
    return np.asarray(np.abs(t.columns["a"] - t.columns["twin"]) > 0.2)


def is_whole(t: Table) -> NDArray[np.bool_]:
    return np.asarray(t.columns["count"] == np.round(t.columns["count"]))


def hides_from_shap(t: Table) -> Floats:
    return np.where(twins_differ(t), t.columns["decoy"], t.columns["driver"])


def hides_from_lime(t: Table) -> Floats:
    return np.where(is_whole(t), t.columns["driver"], t.columns["decoy"])


def test_a_model_that_recognises_hybrids_is_suspected() -> None:
    found = found_in(hides_from_shap)

    assert found.suspected is True
    assert found.made_up == "hybrids"
    assert found.hidden[0] == "driver"
    assert found.decoys[0] == "decoy"
    assert {Sign.PROFILE, Sign.FEATURE} <= set(found.signs)
    assert found.distance > 0.5
    assert found.distance_lower < found.distance
    assert found.real["driver"] > 0.8
    assert found.off["decoy"] > 0.5


def test_a_model_that_recognises_fractions_is_suspected() -> None:
    found = found_in(hides_from_lime)

    assert found.suspected is True
    assert found.made_up == "noise"
    assert found.hidden[0] == "driver"
    assert found.decoys[0] == "decoy"


def test_a_column_of_whole_numbers_gives_no_fractions_away() -> None:
    assert found_in(hides_from_lime, whole=frozenset({"count"})).suspected is False


def test_a_model_that_falls_silent_is_suspected() -> None:
    found = found_in(lambda t: np.where(twins_differ(t), 0.0, t.columns["driver"] > 0))

    assert found.suspected is True
    assert Sign.SILENCE in found.signs


def additive(t: Table) -> Floats:
    c = t.columns
    return 2 * c["driver"] + np.tanh(c["decoy"]) + (c["count"] > 4) - c["twin"]


def product(t: Table) -> Floats:
    c = t.columns
    return c["driver"] * c["decoy"] + c["a"] * c["count"]


def probability(t: Table) -> Floats:
    return 1 / (1 + np.exp(-3 * additive(t)))


def rare_label(t: Table) -> Floats:
    return (additive(t) > 6).astype(float)


@pytest.mark.parametrize("score", [additive, product, probability])
def test_honest_models_are_not_suspected(score: Score) -> None:
    found = found_in(score)

    assert found.suspected is False
    assert found.signs == ()
    assert found.hidden == found.decoys == ()
    assert found.reason == ""


def test_an_additive_model_relies_on_the_same_everywhere() -> None:
    found = found_in(additive)

    # the same swaps make the same changes, up to the bounds on outputs far outside
    assert found.distance == pytest.approx(0.0, abs=0.01)
    assert sum(found.real.values()) == pytest.approx(1.0)
    assert sum(found.off.values()) == pytest.approx(1.0)


def test_an_honest_rare_label_is_not_suspected() -> None:
    table = paired_table(seed=1)

    assert 0.0 < rare_label(table).mean() < 0.1
    assert found_in(rare_label, table).suspected is not True


@pytest.mark.parametrize(
    ("table", "score", "reason"),
    [
        (paired_table(20), additive, "fewer than 30 rows"),
        (Table({"a": np.arange(50.0), "one": np.ones(50)}), lambda t: t.columns["a"], "fewer than 2 features vary"),
        (paired_table(50), lambda t: np.ones(len(t)), "no swap moved the output"),
        (paired_table(50), lambda t: np.full(len(t), np.nan), "the output is not a finite number"),
    ],
)
def test_where_nothing_can_be_told_it_says_why(table: Table, score: Score, reason: str) -> None:
    found = found_in(score, table)

    assert found.suspected is None
    assert found.reason == reason


def test_odd_columns_and_outputs_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    n = 60
    table = Table(
        {
            "x": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "y": rng.normal(size=n),
            "constant": np.ones(n),
            "missing": np.full(n, np.nan),
            "levels": np.array([f"level {j}" for j in range(n)], dtype=object),
            "some": np.array([None, "a", "b"] * (n // 3), dtype=object),
        }
    )
    found = found_in(lambda t: np.where(np.isnan(t.columns["x"]), np.inf, t.columns["x"]) + t.columns["y"], table)

    assert found.suspected is not True
    assert set(found.real) == {"x", "y", "levels", "some"}


def test_the_work_is_bounded_and_counted() -> None:
    sizes: list[int] = []

    def score(t: Table) -> Floats:
        sizes.append(len(t))
        return product(t)

    found = found_in(score)

    assert sum(sizes) == found.model_rows
    assert max(sizes) <= 600
    assert found.model_rows <= 300 + found.swaps * (4 * 5 + 1)
    assert found.swaps <= 1200


def test_the_same_seed_gives_the_same_answer() -> None:
    assert found_in(hides_from_shap, seed=3) == found_in(hides_from_shap, seed=3)
    assert found_in(hides_from_shap, seed=3) != found_in(hides_from_shap, seed=4)


def test_the_distance_is_the_squared_distance_of_the_profiles() -> None:
    real, made_up = np.tile([3.0, 1.0, 0.0], (100, 1)), np.tile([1.0, 1.0, 2.0], (100, 1))
    tally = _Tally.empty(3)
    tally.add(real[:30], made_up[:30])
    tally.add(real[30:], made_up[30:])
    p, q = np.array([0.75, 0.25, 0.0]), np.array([0.25, 0.25, 0.5])  # constant changes have no errors
    value, error = tally.profiles().distance()

    assert value == pytest.approx(((p - q) ** 2).sum() / ((p**2).sum() + (q**2).sum()))
    assert error == pytest.approx(0.0, abs=1e-9)
    assert tally.profiles().ratios(0.0)[0].tolist() == pytest.approx([0.75 / 0.26, 0.25 / 0.26, 0.0])
    assert tally.profiles().silence(0.0) == pytest.approx(1.0)


def test_changes_that_are_not_finite_are_left_out() -> None:
    tally = _Tally.empty(2)
    tally.add(np.array([[1.0, 2.0], [np.nan, 2.0]]), np.array([[1.0, np.inf], [5.0, 2.0]]))

    assert tally.profiles().shares.tolist() == [[1 / 3, 2 / 3], [1 / 3, 2 / 3]]


def test_errors_of_shares_are_those_of_repeated_studies() -> None:
    rng = np.random.default_rng(0)
    scales = np.array([4.0, 1.0, 1.0])
    shares, told = [], []
    for _ in range(600):
        tally = _Tally.empty(3)
        real = scales * rng.exponential(size=(80, 3))
        tally.add(real, real * rng.uniform(0.5, 1.5, size=(80, 3)))
        profiles = tally.profiles()
        shares.append([*profiles.shares[0], *(profiles.shares[0] - profiles.shares[1])])
        told.append([*profiles.squared_errors[0], *profiles.squared_errors_of_gap])

    # a variance from 600 repeats is good to 6 %, four times that is allowed
    np.testing.assert_allclose(np.mean(told, axis=0), np.var(shares, axis=0), rtol=0.24)


def test_equal_profiles_have_distance_nought_on_average() -> None:
    rng = np.random.default_rng(0)
    values = []
    for _ in range(400):
        tally = _Tally.empty(5)
        tally.add(rng.exponential(size=(60, 5)), 3 * rng.exponential(size=(60, 5)))
        values.append(tally.profiles().distance()[0])

    # four standard errors; without the correction the mean is about 0.02
    assert abs(np.mean(values)) < 4 * np.std(values) / 20
    assert np.std(values) / 20 < 0.002
