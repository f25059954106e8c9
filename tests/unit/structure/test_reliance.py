"""What may be said about a model's use of its features, and what may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.structure.donors import near_donors, random_donors, survey
from xaisvc.structure.reliance import study_reliance
from xaisvc.structure.usage import usage_upper, usage_upper_new_rows
from xaisvc.types.reliance import Hindrance, Use
from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.types.reliance import Reliance

    Score = Callable[[Table], NDArray[np.float64]]

NOTHING = frozenset[str]()


def normal_table(n: int = 300, d: int = 4, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    return Table({f"x{j}": rng.normal(size=n) for j in range(d)})


def uses(found: Reliance) -> dict[str, Use]:
    return {entry.features[0]: entry.use for entry in found.features}


def studied(table: Table, score: Score, *, swaps: int = 300, seed: int = 0, **options: object) -> Reliance:
    return study_reliance(table, score, NOTHING, np.random.default_rng(seed), swaps=swaps, **options)  # type: ignore[arg-type]


def test_the_limit_without_effects_is_the_closed_form() -> None:
    assert usage_upper(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300), rel=1e-12)
    assert usage_upper(0, 3000) < 0.001
    assert usage_upper(0, 0) == 1.0


@pytest.mark.parametrize(("moved", "count"), [(1, 300), (7, 100), (150, 300), (299, 300)])
def test_at_the_limit_so_few_effects_have_a_chance_of_one_in_twenty(moved: int, count: int) -> None:
    from scipy.stats import binom

    # betaincinv answers to about 1e-10
    assert binom.cdf(moved, count, usage_upper(moved, count)) == pytest.approx(0.05, abs=1e-7)


def test_the_limit_holds_although_more_swaps_follow_only_where_little_was_seen() -> None:
    from scipy.stats import binom

    first, total, clear = 300, 3000, 9  # 9 of 300 are 3 %
    for rate in (0.0005, 0.00099, 0.0011, 0.002, 0.005, 0.0101, 0.016, 0.02, 0.03, 0.05):
        misses = sum(binom.pmf(k, first, rate) for k in range(clear, first + 1) if usage_upper(k, first) < rate)
        for k in range(clear):
            later = next((j for j in range(total) if usage_upper(k + j, total) >= rate), 0)
            misses += binom.pmf(k, first, rate) * binom.cdf(later - 1, total - first, rate)

        assert misses <= 0.05 + 1e-9, rate


def test_the_limit_for_new_rows_knows_that_the_background_is_small() -> None:
    many = usage_upper_new_rows(0, 10**9, 100)

    assert many == pytest.approx(1 - 0.05 ** (1 / 50), rel=1e-6)  # 50 independent pairs
    assert usage_upper_new_rows(0, 100, 10**9) == pytest.approx(usage_upper(0, 100), rel=1e-6)


def test_used_and_unused_features_are_told_apart() -> None:
    table = normal_table()
    found = studied(table, lambda t: 2 * t.columns["x0"] + 0.01 * t.columns["x1"] * t.columns["x2"])

    assert uses(found) == {"x0": Use.USED, "x1": Use.USED, "x2": Use.USED, "x3": Use.NO_EFFECT_SEEN}
    assert found.of("x3").usage_upper == pytest.approx(1 - 0.05 ** (1 / 300))
    assert found.of("x3").tests > 400
    assert found.of("x0").usage_rate == 1.0


def test_effects_are_the_mean_and_largest_change() -> None:
    table = Table({"x": np.arange(50) % 2.0, "y": np.arange(50.0)})
    found = studied(table, lambda t: 3.0 * t.columns["x"])

    assert found.of("x").random.mean_effect == pytest.approx(3.0)  # the value of a flag can only be the other one
    assert found.of("x").largest_effect == pytest.approx(3.0)
    assert found.output_sd == pytest.approx(1.5)


def test_no_noise_of_single_precision_is_an_effect() -> None:
    table = normal_table(d=3)

    def shaky(t: Table) -> NDArray[np.float64]:  # the last bits depend on the place in the batch
        place = (np.arange(len(t)) * 7 + len(t)) % 3 - 1
        return ((100 + t.columns["x0"]) * (1 + 2e-7 * place)).astype(np.float32).astype(np.float64)

    found = studied(table, shaky, swaps=3000)

    assert uses(found) == {"x0": Use.USED, "x1": Use.NO_EFFECT_SEEN, "x2": Use.NO_EFFECT_SEEN}
    assert 0 < found.noise < 1e-4


def test_noise_at_extreme_outputs_does_not_hide_effects_elsewhere() -> None:
    table = normal_table(n=600, d=3)

    def log_odds(t: Table) -> NDArray[np.float64]:  # a certain probability in single precision has few steps left
        raw = 3 * t.columns["x0"] + 0.001 * t.columns["x1"]
        place = (np.arange(len(t)) * 7 + len(t)) % 3 - 1
        return raw + 1e-8 * np.exp(np.abs(raw)) * place

    found = studied(table, log_odds, swaps=1000)

    assert uses(found) == {"x0": Use.USED, "x1": Use.USED, "x2": Use.NO_EFFECT_SEEN}


def test_a_model_drowned_in_noise_lets_nothing_be_said() -> None:
    noise = np.random.default_rng(1)
    found = studied(normal_table(), lambda t: t.columns["x0"] + noise.normal(0, 0.1, len(t)))

    assert found.of("x3").use is Use.CANNOT_TELL
    assert found.of("x3").hindrance is Hindrance.NOISE
    assert found.of("x3").usage_upper == 1.0


def test_rare_bursts_of_noise_are_no_use() -> None:
    bursts = np.random.default_rng(1)
    found = studied(normal_table(), lambda t: t.columns["x0"] + (bursts.random(len(t)) < 2e-3), swaps=1000)

    assert found.of("x3").use in {Use.CANNOT_TELL, Use.NO_EFFECT_SEEN}


def test_use_beyond_the_range_of_the_background_is_found() -> None:
    table = normal_table(n=200, d=3)
    cut = float(table.columns["x1"].max()) + 0.1
    found = studied(table, lambda t: t.columns["x0"] + 5.0 * (t.columns["x1"] > cut), swaps=300)

    assert found.of("x1").use is Use.RARELY_USED
    assert found.of("x1").usage_rate == 0.0
    assert found.of("x1").aimed.moved > 0
    assert found.of("x2").use is Use.NO_EFFECT_SEEN


def test_use_behind_the_gate_of_another_feature_is_found() -> None:
    table = normal_table(n=200, d=4)
    cut = float(table.columns["x1"].max()) + 0.1
    found = studied(table, lambda t: t.columns["x0"] + t.columns["x2"] * (t.columns["x1"] > cut), swaps=1000)

    assert found.of("x2").use is Use.RARELY_USED
    assert found.of("x3").use is Use.NO_EFFECT_SEEN


def test_each_of_many_categories_is_tried() -> None:
    rng = np.random.default_rng(0)
    levels = np.array([f"level {j}" for j in rng.permutation(1000)], dtype=object)
    table = Table({"x": rng.normal(size=1000), "c": levels})
    found = studied(table, lambda t: t.columns["x"] + 9.0 * (t.columns["c"] == "level 7"), swaps=2000)

    assert found.of("c").use is Use.RARELY_USED


def test_a_declared_category_that_no_row_has_is_tried() -> None:
    table = Table({"c": np.array(["a", "b"] * 30, dtype=object), "x": np.arange(60.0)})

    def score(t: Table) -> NDArray[np.float64]:
        return t.columns["x"] + 90.0 * (t.columns["c"] == "z")

    assert studied(table, score).of("c").use is Use.NO_EFFECT_SEEN
    assert studied(table, score, categories={"c": ("a", "b", "z")}).of("c").use is Use.RARELY_USED


def test_a_window_between_the_values_of_the_rows_is_found() -> None:
    table = normal_table(n=200, d=2)
    values = np.sort(table.columns["x1"])
    start, stop = values[100] + 0.1 * (values[101] - values[100]), values[101]
    found = studied(
        table, lambda t: t.columns["x0"] + 5.0 * ((t.columns["x1"] > start) & (t.columns["x1"] < stop)), swaps=1500
    )

    assert found.of("x1").use is Use.RARELY_USED


def test_a_missing_value_that_matters_is_found() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    values[5] = np.nan
    table = Table({"x": values, "y": np.arange(1000.0)})
    found = studied(table, lambda t: np.where(np.isnan(t.columns["x"]), 4.0, 0.0) + t.columns["y"] / 1000)

    assert found.of("x").use is Use.RARELY_USED


def test_columns_without_two_values_let_nothing_be_said() -> None:
    n = 60
    table = Table(
        {
            "x": np.arange(float(n)),
            "constant": np.ones(n),
            "missing": np.full(n, np.nan),
            "none": np.full(n, None, dtype=object),
        }
    )
    found = studied(table, lambda t: t.columns["x"])

    for name in ("constant", "missing", "none"):
        assert found.of(name).use is Use.CANNOT_TELL
        assert found.of(name).hindrance is Hindrance.CONSTANT
        assert found.of(name).usage_upper == 1.0


def test_one_row_is_too_few() -> None:
    found = study_reliance(
        Table({"x": np.ones(1), "y": np.ones(1)}), lambda t: t.columns["x"], frozenset({"y"}), np.random.default_rng(0)
    )

    assert found.of("x").hindrance is Hindrance.FEW_ROWS
    assert found.of("y").use is Use.PROVEN_UNUSED


def test_outputs_that_are_not_finite_count_for_nothing() -> None:
    found = studied(normal_table(), lambda t: np.full(len(t), np.nan))

    assert found.of("x0").hindrance is Hindrance.NOT_FINITE

    half = studied(normal_table(), lambda t: np.where(t.columns["x1"] > 0, np.inf, t.columns["x0"]))

    assert half.of("x0").use is Use.USED
    assert half.of("x3").use is Use.NO_EFFECT_SEEN
    assert half.of("x0").random.count < 200  # about half of 300


def test_a_proof_is_taken_and_a_wrong_one_is_refuted() -> None:
    table = normal_table()
    found = study_reliance(
        table, lambda t: t.columns["x0"] + t.columns["x1"], frozenset({"x1", "x3"}), np.random.default_rng(0)
    )

    assert found.of("x3").use is Use.PROVEN_UNUSED
    assert found.of("x2").use is Use.NO_EFFECT_SEEN
    assert found.of("x1").use is Use.USED
    assert found.refuted == ("x1",)


def test_linked_features_are_swapped_together() -> None:
    x = np.random.default_rng(0).normal(size=200)
    table = Table({"a": x, "b": x.copy(), "c": x + 1.0, "d": x - 1.0})
    found = study_reliance(
        table,
        lambda t: t.columns["a"] - t.columns["b"],  # swapping both cancels out, and yet the model uses them
        frozenset({"c", "d"}),
        np.random.default_rng(0),
        swaps=300,
        clusters=[("a", "b"), ("c", "d"), ("b", "c")],
    )
    both, proven, mixed = found.groups

    assert both.use is Use.USED
    assert both.random.moved == 0
    assert proven.use is Use.PROVEN_UNUSED
    assert mixed.use is Use.USED
    assert mixed.features == ("b", "c")


@pytest.mark.parametrize("swaps", [1, 100, 300, 1000])
def test_the_work_is_bounded_and_counted(swaps: int) -> None:
    sizes: list[int] = []

    def score(t: Table) -> NDArray[np.float64]:
        sizes.append(len(t))
        return t.columns["x0"] + 1e-3 * (t.columns["x1"] > 3.2)

    table = normal_table(n=400, d=5)
    found = studied(table, score, swaps=swaps, clusters=[("x3", "x4")])

    assert sum(sizes) == found.model_rows
    assert found.model_rows <= (2 * swaps + 100) * 6 + 4_500
    assert max(sizes) <= 4096


def test_the_same_seed_gives_the_same_answer() -> None:
    table = normal_table(n=2500, d=3)

    def score(t: Table) -> NDArray[np.float64]:
        return t.columns["x0"] * (t.columns["x1"] > 1)

    assert studied(table, score, seed=5) == studied(table, score, seed=5)
    assert studied(table, score, seed=5) != studied(table, score, seed=6)


def test_few_rows_and_many_columns_are_no_trouble() -> None:
    table = normal_table(n=50, d=300)
    found = studied(table, lambda t: t.columns["x7"] + 0.0, swaps=20)

    assert [name for name, use in uses(found).items() if use is not Use.NO_EFFECT_SEEN] == ["x7"]


def test_random_donors_are_all_rows_with_another_value_alike() -> None:
    codes = np.array([0, 1, 1, 2, 0, 1])
    rows = np.repeat(np.arange(6), 3000)
    donors = random_donors(codes, rows, np.random.default_rng(0))
    counts = np.zeros((6, 6))
    np.add.at(counts, (rows, donors), 1)
    others = codes[:, None] != codes[None, :]
    expected = 3000 * others / others.sum(axis=1, keepdims=True)

    assert (counts[~others] == 0).all()
    # five standard errors of a count of about 1000
    np.testing.assert_allclose(counts, expected, atol=5 * np.sqrt(1000))


def test_without_another_value_there_is_no_donor() -> None:
    assert random_donors(np.zeros(4, dtype=np.intp), np.arange(4), np.random.default_rng(0)).tolist() == [-1] * 4


def test_near_donors_are_near_in_linked_columns_only() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    group = np.array(["low", "high"], dtype=object)[(x > 0).astype(int)]
    table = Table({"x": x, "twin": x + 0.1 * rng.normal(size=400), "other": rng.normal(size=400), "group": group})
    landscape = survey(table)
    rows = np.arange(400)
    donors = near_donors(landscape, (0,), rows, rng)

    assert (donors != rows).all()
    assert landscape.links[0, 2] == 0.0
    gap = np.abs(table.columns["twin"] - table.columns["twin"][donors])
    assert gap.mean() < 0.1  # 1.1 for random donors
    assert (group[donors] == group).mean() > 0.95
    other = np.abs(table.columns["other"] - table.columns["other"][donors])
    assert other.mean() == pytest.approx(1.13, abs=0.2)  # 2 / sqrt(pi), as for random donors


def test_near_donors_of_a_flag_have_the_other_value() -> None:
    rng = np.random.default_rng(0)
    flag = (rng.random(100) < 0.05).astype(float)
    table = Table({"flag": flag, "x": rng.normal(size=100) + flag})
    donors = near_donors(survey(table), (0,), np.arange(100), rng)

    assert (flag[donors] != flag).all()
