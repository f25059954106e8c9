from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal, multivariate_t, t

from xaisvc.errors import InvalidInputError
from xaisvc.structure.copula import CELLS, Places, Shrinkage, cells_of, fit_margins, scores_of
from xaisvc.structure.support import JOINT_LEVEL, LEAST_DISCORD, study_support
from xaisvc.structure.support_density import choose_form, discord, fit_density, surprise
from xaisvc.structure.support_hybrids import Mixed, Scored, compare, score_by_density
from xaisvc.structure.support_pairs import Cells, pair_table
from xaisvc.structure.support_student import student_grid, student_scores, student_surprise
from xaisvc.structure.support_tails import VALUES, rare_quantile, upper_quantile
from xaisvc.types import BundleDescription, Feature, Kind, Table, TensorColumn

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _describe(table: Table, declared: tuple[str, ...] = ()) -> BundleDescription:
    features = tuple(
        Feature(
            id=name,
            kind=Kind.CATEGORY if values.dtype == np.object_ else Kind.NUMERIC,
            source=TensorColumn(tensor=name),
            categories=declared if values.dtype == np.object_ else (),
        )
        for name, values in table.columns.items()
    )
    return BundleDescription(
        name="b", version="1", owner="", purpose="", out_of_scope="", features=features, outputs=()
    )


def _table(columns: NDArray[np.float64]) -> Table:
    return Table({f"x{j}": columns[:, j].copy() for j in range(columns.shape[1])})


def _gaussian(n: int, r: float, seed: int = 0, width: int = 5) -> NDArray[np.float64]:
    x = np.random.default_rng(seed).standard_normal((n, width))
    x[:, 1] = r * x[:, 0] + np.sqrt(1 - r**2) * x[:, 1]
    return x


# Tails.


def test_a_quantile_that_the_sample_holds_is_the_samples() -> None:
    values = np.random.default_rng(0).exponential(size=1000)

    assert upper_quantile(values, 0.05) == np.quantile(values, 0.95)


@pytest.mark.parametrize(
    ("draw", "exact"),
    [
        (lambda rng: rng.exponential(size=500), -np.log(1e-4)),
        (lambda rng: rng.pareto(4.0, 500), 1e-4**-0.25 - 1),
        (lambda rng: rng.uniform(size=500), 1.0),
    ],
    ids=["exponential", "pareto", "uniform"],
)
def test_a_quantile_beyond_the_sample_follows_the_tail(draw, exact: float) -> None:  # noqa: ANN001 - a lambda
    found = np.array([upper_quantile(draw(np.random.default_rng(seed)), 1e-4, shapes=VALUES) for seed in range(40)])

    # 500 rows say little about 1 in 10,000; the middle of 40 tables lies within 40 %.
    assert np.median(found) == pytest.approx(exact, rel=0.4)


def test_caution_only_raises_the_quantile() -> None:
    values = np.random.default_rng(0).pareto(3.0, 300)

    plain = upper_quantile(values, 1e-4, shapes=VALUES)
    assert upper_quantile(values, 1e-4, shapes=VALUES, caution=1.0) > plain


def test_quantiles_of_nothing_and_of_equal_values() -> None:
    assert np.isnan(upper_quantile(np.zeros(0), 0.01))
    assert upper_quantile(np.full(50, 2.0), 1e-4) == 2.0
    assert upper_quantile(np.array([7.0]), 1e-4) == 7.0


def test_the_rare_quantile_is_exact_for_an_exponential_tail() -> None:
    shares = (np.arange(100_000) + 0.5) / 100_000

    assert rare_quantile(-np.log(1 - shares)) == pytest.approx(-np.log(0.001), rel=1e-3)  # a grid of 100,000


# The density.


def test_without_dependence_surprise_is_half_the_squared_scores() -> None:
    places = Places.of(_table(_gaussian(1500, 0.0)))
    margins, density = fit_density(places, choose_form(places))

    found = surprise(margins, density, places.values)

    half = 0.5 * (scores_of(margins, places.values) ** 2).sum(axis=1)
    assert np.corrcoef(found, half)[0, 1] > 0.99


def test_surprise_orders_gaussian_rows_as_their_density_does() -> None:
    x = _gaussian(2000, 0.9)
    places = Places.of(_table(x))
    margins, density = fit_density(places, choose_form(places))
    covariance = np.eye(5)
    covariance[0, 1] = covariance[1, 0] = 0.9

    found = surprise(margins, density, places.values)

    exact = -multivariate_normal(np.zeros(5), covariance).logpdf(x)
    assert np.corrcoef(found, exact)[0, 1] > 0.98


def test_a_sum_is_found_as_an_equation_and_a_product_as_one_of_logarithms() -> None:
    rng = np.random.default_rng(0)
    parts = rng.exponential(size=(600, 3))
    plain = np.column_stack([parts, parts.sum(axis=1) + 0.05 * rng.standard_normal(600)])
    product = np.column_stack([parts[:, :2], parts[:, 0] * parts[:, 1] * np.exp(0.02 * rng.standard_normal(600))])

    [(feature, logs)] = choose_form(Places.of(_table(plain))).equations.features
    assert (feature, logs) == (3, False)
    [(_, logs)] = choose_form(Places.of(_table(product))).equations.features
    assert logs


def test_an_equation_leaves_what_is_left() -> None:
    rng = np.random.default_rng(0)
    parts = rng.exponential(size=(2000, 3))
    error = 0.1 * rng.standard_normal(2000)
    places = Places.of(_table(np.column_stack([parts, parts.sum(axis=1) + error])))
    margins, density = fit_density(places, choose_form(places))

    assert density.spreads[0] == pytest.approx(0.1, rel=0.1)  # 2,000 rows: 1.6 % of a standard deviation
    broken = places.values[:1] + np.array([0.0, 0.0, 0.0, 2.0])
    gain = surprise(margins, density, broken) - surprise(margins, density, places.values[:1])
    left = error[0] / 0.1
    assert gain[0] == pytest.approx(0.5 * ((left + 20) ** 2 - left**2), rel=0.2)


def test_a_student_block_has_the_density_of_a_student_copula() -> None:
    rng = np.random.default_rng(0)
    shape = np.array([[1.0, 0.6], [0.6, 1.0]])
    x = multivariate_t(np.zeros(2), shape, df=3).rvs(50, random_state=rng)
    normal = ndtri(t(3).cdf(x))

    student = student_scores(normal, student_grid(3.0, 6.0), 6.0)
    found = student_surprise(normal, student, np.linalg.inv(shape), 3.0)

    exact = -multivariate_t(np.zeros(2), shape, df=3).logpdf(x) + t(3).logpdf(x).sum(axis=1)
    exact += 0.5 * (normal**2).sum(axis=1)
    # Straight lines between 129 Student scores, which grow fast far out.
    np.testing.assert_allclose(found - found[0], exact - exact[0], atol=0.15)


def test_heavy_joint_tails_are_seen_and_normal_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    shape = np.full((3, 3), 0.8) + 0.2 * np.eye(3)
    heavy = multivariate_t(np.zeros(3), shape, df=3).rvs(800, random_state=rng)
    light = rng.multivariate_normal(np.zeros(3), shape, 800)

    [block] = choose_form(Places.of(_table(heavy))).blocks
    np.testing.assert_array_equal(block.members, [0, 1, 2])
    assert block.freedom <= 6
    assert choose_form(Places.of(_table(light))).blocks == ()


def test_copies_are_no_block_with_heavy_tails() -> None:
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal((500, 4))
        x[:, 1] = x[:, 0]

        assert choose_form(Places.of(_table(x))).blocks == ()


def test_a_ring_is_found_as_a_pair_and_its_middle_is_unlikely() -> None:
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, 1000), 1 + 0.1 * rng.standard_normal(1000)
    x = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), rng.standard_normal(1000)])
    places = Places.of(_table(x))
    form = choose_form(places)
    margins, density = fit_density(places, form)

    np.testing.assert_array_equal(form.pairs, [[0, 1]])
    middle, edge = surprise(margins, density, np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert middle > edge + 5


def test_independent_features_of_a_wide_table_have_no_discord_at_all() -> None:
    x = np.random.default_rng(0).standard_normal((600, 150))
    x[:, 0] = x[:, 0] > 1.0  # a flag's scores have not variance 1
    x[::5, 1] = np.nan
    places = Places.of(_table(x[:400]))
    form = choose_form(places)
    margins, density = fit_density(places, form)

    assert len(form.pairs) == 0
    # Two sums of 150 squares in different orders.
    np.testing.assert_allclose(discord(margins, density, x[400:]), 0.0, atol=1e-10)


def test_rare_flags_that_go_together_have_the_discord_of_their_correlation_only() -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((2000, 3)) < 0.05).astype(float)
    x[:, 1] = np.where(rng.random(2000) < 0.9, x[:, 0], x[:, 1])
    places = Places.of(_table(x))
    plain = Shrinkage.plain(3, 0.0)
    form = replace(choose_form(places), pairs=np.zeros((0, 2), dtype=np.intp), widths=np.zeros(0), shrinkage=plain)
    margins, density = fit_density(places, form)

    found = discord(margins, density, np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))

    # Scores u and v, standardised with their own variance: (r^2 (u^2 + v^2) - 2 r u v) / (2 (1 - r^2)).
    scores = scores_of(margins, np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))
    own = scores_of(margins, places.values)
    r = float(own[:, 0] @ own[:, 1] / np.sqrt((own[:, 0] @ own[:, 0]) * (own[:, 1] @ own[:, 1])))
    u, v = scores[:, 0] / np.sqrt((own[:, 0] ** 2).mean()), scores[:, 1] / np.sqrt((own[:, 1] ** 2).mean())
    expected = (r**2 * (u**2 + v**2) - 2 * r * u * v) / (2 * (1 - r**2))
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.5)  # the third flag goes with them by chance
    assert found[2] > found[1] + 5


def test_a_table_of_a_pair_without_covariance_counts_all_of_its_dependence() -> None:
    x = _gaussian(1000, 0.6)[:, :2]
    places = Places.of(_table(x))
    margins = fit_margins(places)
    scores = scores_of(margins, places.values)
    cells = Cells(cells_of(margins, places.values, scores), scores, ~margins.discrete, margins.reach)

    own, kept = pair_table(cells, 0, 1, 0.25, kept=0.0), pair_table(cells, 0, 1, 0.25)

    # Without the copula the table is the log ratio itself: large where both are large with different signs.
    low, high = 12, 36  # scores of about -1.5 and 1.5
    assert own[low, high] - own[low, low] > 1.5
    assert abs(kept[low, high] - kept[low, low]) < 1.0


def test_a_gaussian_pair_needs_no_table() -> None:
    assert choose_form(Places.of(_table(_gaussian(1000, 0.9)))).pairs.shape == (0, 2)


def test_the_table_of_two_flags_is_their_log_ratio() -> None:
    counts = np.array([[40, 10], [10, 40]])
    codes = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], counts.ravel(), axis=0).astype(np.intp)
    zeros = np.zeros((100, 2))  # scores without correlation: the Gaussian copula says nothing

    table = pair_table(Cells(codes, zeros, np.zeros(2, dtype=bool), 2.5), 0, 1, 0.1)

    # The prior spreads 0.02 of 100 rows.
    np.testing.assert_allclose(table[:2, :2], -np.log(counts / 25), atol=1e-3)
    assert table.shape == (CELLS + 1, CELLS + 1)


# Hybrids.


def test_hybrids_take_some_features_from_each_row() -> None:
    mixed = Mixed.draw(200, 4, np.random.default_rng(0))

    own = mixed.own.sum(axis=2)
    assert own.min() == 1
    assert own.max() == 3
    assert (mixed.fold[mixed.partner] == mixed.fold).all()
    assert (mixed.partner != np.arange(200)).all()


def test_hybrids_that_score_as_real_rows_do_are_not_unreal() -> None:
    rng = np.random.default_rng(0)
    partner = rng.integers(400, size=(4, 400))
    same = Scored(rng.standard_normal(400), np.zeros(400), rng.standard_normal((4, 400)), partner)
    moved = rng.standard_normal((4, 400)) + 20 * (rng.random((4, 400)) < 0.3)
    other = Scored(rng.standard_normal(400), np.zeros(400), moved, partner)

    nothing, found = compare(same, None, rng), compare(other, None, rng)

    assert (nothing.unreal, nothing.fraction) == (False, 0.0)
    assert found.unreal
    assert found.fraction == pytest.approx(0.3, abs=4 * 0.3 * 0.7 / 40)
    assert 0.005 < found.fraction_error < 0.05


def test_correlated_rows_mix_to_unreal_ones_and_independent_rows_do_not() -> None:
    linked, free = _table(_gaussian(400, 0.95)), _table(_gaussian(400, 0.0))

    unreal = study_support(linked, _describe(linked), np.random.default_rng(0)).hybrids
    real = study_support(free, _describe(free), np.random.default_rng(0)).hybrids

    assert unreal.unreal
    assert unreal.fraction > 0.1
    assert (real.unreal, real.fraction) == (False, 0.0)


@pytest.mark.parametrize("width", [80, 300])
def test_copies_in_wide_tables_are_seen(width: int) -> None:
    x = np.random.default_rng(width).standard_normal((900, width))
    x[:, 1] = x[:, 0]
    x[:, 3] = x[:, 2] + 0.1 * np.random.default_rng(0).standard_normal(900)
    background, fresh = x[:500], x[500:]
    form = choose_form(Places.of(_table(background)))
    mixed = Mixed.draw(500, width, np.random.default_rng(0))
    scored = score_by_density(Places.of(_table(background)), form, mixed)
    found = compare(scored, None, np.random.default_rng(0))
    margins, density = fit_density(Places.of(_table(background)), form)
    limit = upper_quantile(scored.discord, JOINT_LEVEL)

    assert found.unreal
    # A third of the hybrids have f0 and f1 from different rows: 2,000 hybrids of 500 rows, three standard errors.
    assert found.fraction > 0.27
    broken = fresh.copy()
    broken[:, 0], broken[:, 1] = 2.5, -2.5
    assert (discord(margins, density, broken) > limit).all()
    broken = fresh.copy()
    broken[:, 2], broken[:, 3] = 1.5, -1.5
    assert (discord(margins, density, broken) > limit).all()
    # 0.6 of 400 are expected; 5 or more would happen by chance once in 2,500.
    assert (discord(margins, density, fresh) > limit).sum() <= 4


def test_the_classifier_sees_what_no_pair_shows() -> None:
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (800, 2))
    parity = np.column_stack([signs, signs.prod(axis=1)]) * (1 + rng.random((800, 3)))

    found = study_support(_table(parity), _describe(_table(parity)), np.random.default_rng(0)).hybrids

    assert found.unreal
    assert found.fraction > 0.2


# The study.


def test_ranges_are_widened_by_a_tenth_at_least() -> None:
    x = np.random.default_rng(0).uniform(0, 1, (500, 2))

    support = study_support(_table(x), _describe(_table(x)), np.random.default_rng(0))

    np.testing.assert_array_equal(support.lows, x.min(axis=0))
    np.testing.assert_array_equal(support.highs, x.max(axis=0))
    width = support.highs - support.lows
    assert (support.floors <= support.lows - 0.1 * width).all()
    assert (support.ceilings >= support.highs + 0.1 * width).all()
    assert (support.ceilings <= support.highs + width).all()


def test_the_same_seed_gives_the_same_support() -> None:
    table = _table(_gaussian(150, 0.5))

    one, other = (study_support(table, _describe(table), np.random.default_rng(3)) for _ in range(2))

    assert one.hybrids == other.hybrids
    assert one.density is not None
    assert other.density is not None
    assert one.density.limit == other.density.limit
    np.testing.assert_array_equal(one.density.precision, other.density.precision)


def test_a_row_that_is_half_as_likely_is_not_implausible() -> None:
    table = _table(_gaussian(400, 0.0))

    density = study_support(table, _describe(table), np.random.default_rng(0)).density

    assert density is not None
    assert density.limit == LEAST_DISCORD


def test_few_rows_cannot_tell() -> None:
    table = _table(_gaussian(50, 0.9))

    support = study_support(table, _describe(table), np.random.default_rng(0))

    assert support.density is None
    assert support.hybrids.unreal is None
    assert np.isnan(support.hybrids.fraction)
    assert np.isfinite(support.floors).all()


def test_bad_columns_are_borne() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(150)
    table = Table(
        {
            "constant": np.full(150, 7.0),
            "missing": np.full(150, np.nan),
            "nothing": np.full(150, None, dtype=object),
            "x": x,
            "copy": x.copy(),
            "opposite": -x,
            "gaps": np.where(rng.random(150) < 0.5, np.nan, x),
            "codes": np.array([f"c{i}" for i in rng.integers(1000, size=150)], dtype=object),
            "endless": np.where(np.arange(150) == 3, np.inf, rng.standard_normal(150)),
        }
    )

    support = study_support(table, _describe(table), np.random.default_rng(0))

    assert support.hybrids.unreal
    assert support.density is not None
    assert np.isfinite(support.density.limit)
    assert np.isnan(support.lows[:3]).tolist() == [False, True, True]


def test_one_feature_makes_no_hybrid() -> None:
    table = _table(np.random.default_rng(0).standard_normal((120, 1)))

    hybrids = study_support(table, _describe(table), np.random.default_rng(0)).hybrids

    assert (hybrids.unreal, hybrids.fraction) == (False, 0.0)


def test_levels_that_the_background_lacks_by_chance_are_expected() -> None:
    rng = np.random.default_rng(0)
    rare = np.array([f"c{i}" for i in rng.integers(200, size=150)], dtype=object)
    full = np.array(["c1", "c2", "c3"] * 50, dtype=object)
    declared = tuple(f"c{i}" for i in range(200))
    table = Table({"rare": rare, "full": full})

    support = study_support(table, _describe(table, declared), np.random.default_rng(0))

    assert set(support.expected[0]) == set(declared) - set(rare)
    assert support.expected[1] == ()  # it holds all its levels often, so a new one would be news


def test_a_background_that_is_not_the_bundles_is_refused() -> None:
    table = _table(_gaussian(100, 0.0))

    with pytest.raises(InvalidInputError, match="exactly the bundle's features"):
        study_support(table, _describe(_table(_gaussian(100, 0.0, width=4))), np.random.default_rng(0))
