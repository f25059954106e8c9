from __future__ import annotations

import numpy as np
import pytest

from benchmarks.caveats import Figure
from benchmarks.caveats.association_cases import NULL_CASES, SCREEN_CASES, linked_pairs
from xaisvc.structure.association import MOST_ROWS, detectable, holm, power_of, study_association
from xaisvc.types.association import Association, Power
from xaisvc.types.schema import Feature, Kind, TensorColumn
from xaisvc.types.table import Table


def _study(columns: dict[str, np.ndarray], seed: int = 0) -> Association:
    return study_association(Table(columns), tuple(columns), np.random.default_rng(seed))


def test_holm_steps_down_over_the_pairs_that_were_tested() -> None:
    p = np.array([[0.0, 0.01, 0.04], [0.01, 0.0, np.nan], [0.04, np.nan, 0.0]])

    found = holm(p)

    assert found[0, 1] == found[1, 0] == 0.02
    assert found[0, 2] == 0.04
    assert np.isnan(found[1, 2])
    assert found[2, 2] == 0.0


def test_holm_never_puts_a_larger_tail_before_a_smaller() -> None:
    p = np.array([[0.0, 0.01, 0.011], [0.01, 0.0, 0.5], [0.011, 0.5, 0.0]])

    assert holm(p)[0, 2] == pytest.approx(0.03)


def test_pairs_sets_and_redundancies_come_together() -> None:
    rng = np.random.default_rng(1)
    a, b, c, d, e, f, g = rng.standard_normal((7, 500))
    columns = {"a": a, "b": a + 0.5 * b, "c": c, "d": np.sign(c * d), "d source": d, "e": e, "f": f, "g": g}
    columns["h"], columns["i"] = rng.standard_normal((2, 500))

    found = _study(columns)

    assert found.linked[0, 1]
    assert found.effect[0, 1] == pytest.approx(0.89, abs=0.03)  # 1 / sqrt(1.25), four standard errors
    assert not found.linked[2, 3]
    assert found.clusters == ((0, 1), (2, 3, 4))
    assert [one.predictors for one in found.redundancies if one.feature == 3] == [(2, 4)]
    assert found.merges.shape == (9, 4)
    assert found.between == 0.0
    assert found.power is Power.FULL
    assert (found.n_rows, found.n_complete) == (500, 500)


def test_the_same_generator_gives_the_same_study() -> None:
    columns = {f"x{j}": np.random.default_rng(j).standard_normal(120) for j in range(4)}
    columns["x0"] = np.abs(columns["x1"]) + np.abs(columns["x2"])

    one, other = _study(columns, 3), _study(columns, 3)

    assert one.redundancies == other.redundancies
    assert (one.effect == other.effect).all()


def test_all_arrays_are_read_only() -> None:
    found = _study({"a": np.arange(60.0), "b": np.arange(60.0) ** 2})

    for values in (found.effect, found.p_value, found.linked, found.by_missingness, found.merges):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0


def test_features_may_come_from_the_schema_and_leave_columns_out() -> None:
    x = np.arange(80.0)
    table = Table({"a": x, "b": -x, "c": x})
    features = [Feature(id=name, kind=Kind.NUMERIC, source=TensorColumn(tensor=name)) for name in ("c", "a")]

    found = study_association(table, features, np.random.default_rng(0))

    assert found.features == ("c", "a")
    assert found.effect.tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("n", "power"),
    [
        (500, Power.FULL),
        (499, Power.REDUCED),
        (149, Power.STRONG_ONLY),
        (50, Power.STRONG_ONLY),
        (49, Power.CANNOT_TELL),
    ],
)
def test_the_number_of_rows_says_what_can_be_seen(n: int, power: Power) -> None:
    assert power_of(n) is power


def test_too_few_rows_cannot_tell() -> None:
    found = _study({"a": np.arange(49.0), "b": np.arange(49.0)})

    assert found.power is Power.CANNOT_TELL
    assert np.isnan(found.p_value[0, 1])
    assert found.effect[0, 1] == 0.0
    assert not found.linked[0, 1]
    assert found.detectable == 1.0
    assert found.clusters == ()


def test_rows_that_are_complete_are_counted() -> None:
    a, b = np.arange(100.0), np.arange(100.0)
    a[:60], b[50:] = np.nan, np.nan

    found = _study({"a": a, "b": b})

    assert found.n_complete == 0
    assert found.power is Power.CANNOT_TELL


def test_what_is_detectable_is_detected_in_95_of_100_tables() -> None:
    rng = np.random.default_rng(4)
    r = detectable(200, 4)
    hits = 0
    for _ in range(100):
        x = rng.standard_normal((200, 4))
        y = r * x[:, 0] + np.sqrt(1 - r**2) * rng.standard_normal(200)
        hits += ("a", "b") in linked_pairs(
            Table({"a": x[:, 0].copy(), "b": y, "c": x[:, 1].copy(), "d": x[:, 2].copy()})
        )

    assert 88 <= hits <= 100  # three standard errors below 95


_ROWS = np.arange(200.0)
_NAMES = np.array([f"{k}" for k in range(200)], dtype=object)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"a": np.zeros(0), "b": np.zeros(0)}, id="no rows"),
        pytest.param({"a": np.ones(1)}, id="one row"),
        pytest.param({"a": np.ones(200), "b": np.full(200, np.nan), "c": np.full(200, None)}, id="nothing varies"),
        pytest.param({"a": np.where(_ROWS % 7 == 0, np.inf, _ROWS), "b": _ROWS * 1e305, "c": -_ROWS}, id="extremes"),
        pytest.param({"id": _NAMES, "again": _NAMES.copy()}, id="names of rows"),
    ],
)
def test_bad_tables_are_studied_without_a_word(columns: dict[str, np.ndarray]) -> None:
    found = _study(columns)

    f = len(columns)
    assert found.effect.shape == found.p_value.shape == found.linked.shape == (f, f)
    assert found.merges.shape == (max(f - 1, 0), 4)
    assert np.isfinite(found.effect).all()


def test_what_follows_from_trivial_dependence_and_very_many_rows_is_not_linked() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 100_000))

    found = _study({"a": a, "b": 0.03 * a + b})

    assert found.n_rows == MOST_ROWS
    assert not found.linked[0, 1]


def test_every_shape_is_seen_in_500_rows_and_nothing_else() -> None:
    case = SCREEN_CASES[0]
    for seed in (0, 1, 2):
        assert linked_pairs(case.table(seed, 500)) == set(case.pairs)


def test_independent_tables_have_no_links() -> None:
    linked = [bool(linked_pairs(case.table(seed, 200))) for case in NULL_CASES for seed in range(20)]

    assert sum(linked) <= 5  # 1 in 100 expected; 6 or more of 100 would happen by chance once in 1,500


def test_a_figure_knows_whether_its_target_is_met() -> None:
    assert Figure("recall", 0.99, 100, 0.95).met
    assert not Figure("false alarms", 0.02, 100, 0.01, "most").met
    assert Figure("time", 1.0, 1).met is None
