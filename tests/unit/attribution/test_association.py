"""Association of mixed columns, against other implementations and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from xaisvc.attribution import association_matrix
from xaisvc.types import Table

RNG_SEED = 7


def _text(values: object) -> np.ndarray:
    found = np.empty(len(values), dtype=object)  # type: ignore[arg-type]
    found[:] = [None if value is None else str(value) for value in values]  # type: ignore[attr-defined]
    return found


def _pair(a: np.ndarray, b: np.ndarray) -> float:
    matrix = association_matrix(Table({"a": a, "b": b}))
    assert matrix[0, 1] == matrix[1, 0]
    return float(matrix[0, 1])


class TestNumbers:
    def test_it_is_the_absolute_rank_correlation(self) -> None:
        rng = np.random.default_rng(RNG_SEED)
        a = rng.integers(0, 20, 200).astype(float)  # with ties
        b = -a + rng.normal(scale=5, size=200)

        assert _pair(a, b) == pytest.approx(abs(stats.spearmanr(a, b).statistic), abs=1e-12)

    def test_any_monotone_function_is_fully_associated(self) -> None:
        a = np.linspace(-3, 3, 50)

        assert _pair(a, -np.exp(a)) == pytest.approx(1.0, abs=1e-12)

    def test_missing_values_are_left_out_pair_by_pair(self) -> None:
        rng = np.random.default_rng(RNG_SEED)
        a, b = rng.normal(size=(2, 100))
        b += a
        a[:10] = np.nan
        b[5:20] = np.nan

        assert _pair(a, b) == pytest.approx(abs(stats.spearmanr(a[20:], b[20:]).statistic), abs=1e-12)


class TestNumberAndCategory:
    def test_groups_of_disjoint_ranges_are_strongly_associated(self) -> None:
        a = np.arange(90.0)
        b = _text(np.repeat(["x", "y", "z"], 30))

        # Ranks 1 to 90 in three runs of 30: within variance (30^2 - 1) / 12 each, total (90^2 - 1) / 12.
        within = 3 * 30 * (30**2 - 1) / 12 / 87
        total = 90 * (90**2 - 1) / 12 / 89
        assert _pair(a, b) == pytest.approx(np.sqrt(1 - within / total), abs=1e-12)
        assert _pair(b, a) == _pair(a, b)

    def test_many_small_groups_of_noise_are_not_associated(self) -> None:
        rng = np.random.default_rng(RNG_SEED)
        found = [_pair(rng.normal(size=120), _text(rng.integers(0, 40, 120))) for _ in range(30)]

        # Without the correction 40 groups in 120 rows would show sqrt(39 / 119) = 0.57 on pure noise.
        assert np.mean(np.square(found)) < 0.1

    def test_a_group_for_every_row_says_nothing(self) -> None:
        assert _pair(np.arange(20.0), _text(range(20))) == 0.0


class TestCategories:
    def test_the_same_categories_by_other_names_are_fully_associated(self) -> None:
        a = np.random.default_rng(RNG_SEED).integers(0, 4, 100)

        assert _pair(_text(a), _text(a * 7)) == pytest.approx(1.0, abs=1e-12)

    def test_it_is_bergsmas_corrected_v(self) -> None:
        counts = np.array([[20, 5, 5], [4, 16, 10]])
        a = _text(np.repeat([0, 1], counts.sum(axis=1)))
        b = _text(np.concatenate([np.repeat([0, 1, 2], row) for row in counts]))
        n, r, c = counts.sum(), 2, 3
        phi_squared = stats.chi2_contingency(counts, correction=False).statistic / n
        corrected = phi_squared - (r - 1) * (c - 1) / (n - 1)
        expected = np.sqrt(corrected / min(r - 1 - (r - 1) ** 2 / (n - 1), c - 1 - (c - 1) ** 2 / (n - 1)))

        assert _pair(a, b) == pytest.approx(expected, abs=1e-12)

    def test_noise_is_not_associated(self) -> None:
        rng = np.random.default_rng(RNG_SEED)
        found = [_pair(_text(rng.integers(0, 6, 100)), _text(rng.integers(0, 6, 100))) for _ in range(30)]

        # Without the correction the mean square would be about 5 * 5 / 100 / 5 = 0.05.
        assert np.mean(np.square(found)) < 0.02

    def test_a_missing_category_is_left_out(self) -> None:
        a = _text(["x", "y"] * 20)
        b = _text(["u", "v"] * 19 + [None, None])

        assert _pair(a, b) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    "other",
    [np.arange(10.0), _text("abababccab"), np.full(10, np.nan), _text([None] * 10)],
    ids=["n", "c", "nan", "none"],
)
@pytest.mark.parametrize("constant", [np.full(10, 3.0), _text("x" * 10)], ids=["number", "category"])
def test_a_constant_is_associated_with_nothing(constant: np.ndarray, other: np.ndarray) -> None:
    assert _pair(constant.copy(), other.copy()) == 0.0


def test_two_complete_rows_are_too_few() -> None:
    nan = np.nan

    assert _pair(np.array([1.0, 2.0, nan, 4.0]), np.array([1.0, 2.0, 3.0, nan])) == 0.0


def test_the_matrix_is_symmetric_with_ones_on_the_diagonal_and_stays_in_range() -> None:
    rng = np.random.default_rng(RNG_SEED)
    base = rng.normal(size=60)
    rows = Table(
        {
            "a": base,
            "b": base * 2,
            "c": _text(np.digitize(base, [-1, 0, 1])),
            "d": _text(rng.integers(0, 3, 60)),
            "e": np.full(60, 1.0),
        }
    )

    matrix = association_matrix(rows)

    assert matrix.dtype == np.float64
    assert matrix.shape == (5, 5)
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 1).all()
    assert ((matrix >= 0) & (matrix <= 1)).all()
    assert matrix[0, 1] == 1.0
    assert matrix[0, 2] > 0.8


def test_many_columns_together_are_what_two_are_alone() -> None:
    rng = np.random.default_rng(RNG_SEED)
    base = rng.normal(size=(50, 4)).cumsum(axis=1)
    columns = {f"n{i}": column for i, column in enumerate(base.T)}
    columns |= {"ties": np.round(base[:, 1]), "same": -base[:, 2], "constant": np.full(50, 3.0)}
    columns |= {
        "holes": np.where(rng.random(50) < 0.2, np.nan, base[:, 3]),
        "text": _text(np.digitize(base[:, 0], [0])),
    }
    names = list(columns)

    matrix = association_matrix(Table(columns))

    for i, one in enumerate(names):
        for j, other in enumerate(names[:i]):
            # Sums of the same 50 products in another order.
            assert matrix[i, j] == pytest.approx(_pair(columns[one], columns[other]), abs=1e-14)
    assert matrix[names.index("same"), names.index("n2")] == 1.0
    assert not matrix[names.index("constant"), : names.index("constant")].any()


def test_a_background_of_one_row_has_no_associations() -> None:
    assert (association_matrix(Table({"a": np.ones(1), "b": _text("x")})) == np.eye(2)).all()
