from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.caveats.support_row import RowScreen, row_support
from xaisvc.structure.copula import placed
from xaisvc.structure.support import study_support
from xaisvc.structure.support_density import discord, surprise
from xaisvc.types import BundleDescription, Feature, Kind, Table, TensorColumn

if TYPE_CHECKING:
    from xaisvc.types.support import Support

LEVELS = ("a", "b", "c", "d")


def _rows(n: int, seed: int) -> dict[str, np.ndarray]:
    """Two correlated numbers, a sum of three, a ring, a heavy-tailed pair, a rule, a small count, a gap."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    parts = rng.exponential(size=(n, 2))
    angle = rng.uniform(0, 2 * np.pi, n)
    scale = np.sqrt(rng.chisquare(2, n) / 2)
    heavy = rng.standard_normal(n)
    code = rng.integers(4, size=n)
    return {
        "x": x,
        "y": 0.9 * x + np.sqrt(0.19) * rng.standard_normal(n),
        "one": parts[:, 0],
        "two": parts[:, 1],
        "sum": parts.sum(axis=1) + 0.02 * rng.standard_normal(n),
        "east": np.cos(angle) + 0.05 * rng.standard_normal(n),
        "north": np.sin(angle) + 0.05 * rng.standard_normal(n),
        "first": heavy / scale,
        "second": (heavy + 0.2 * rng.standard_normal(n)) / scale,
        "level": np.array(LEVELS, dtype=object)[code],
        "ruled": 4.0 * (code % 2) + 0.3 * rng.standard_normal(n),
        "count": rng.poisson(2.0, n).astype(float),
        "gap": np.where(rng.random(n) < 0.2, np.nan, rng.standard_normal(n)),
    }


@pytest.fixture(scope="module")
def support() -> Support:
    table = Table(_rows(800, 0))
    features = tuple(
        Feature(
            id=name,
            kind=Kind.CATEGORY if name == "level" else Kind.NUMERIC,
            source=TensorColumn(tensor=name),
            categories=(*LEVELS, "e") if name == "level" else (),
        )
        for name in table.feature_ids
    )
    description = BundleDescription(
        name="b", version="1", owner="", purpose="", out_of_scope="", features=features, outputs=()
    )
    return study_support(table, description, np.random.default_rng(0))


@pytest.fixture(scope="module")
def screen(support: Support) -> RowScreen:
    return RowScreen.of(support)


def _hybrid(**values: float | str | None) -> Table:
    """A row in the middle of everything, but for what is given."""
    plain: dict[str, float | str | None] = {
        "x": 0.0, "y": 0.0, "one": 0.7, "two": 0.7, "sum": 1.4, "east": 1.0, "north": 0.0, "first": 0.0, "second": 0.0,
        "level": "a", "ruled": 0.0, "count": 2.0, "gap": 0.0,
    }  # fmt: skip
    columns = {}
    for name, value in {**plain, **values}.items():
        dtype = object if name == "level" else np.float64
        columns[name] = np.array([np.nan if value is None and dtype is np.float64 else value], dtype=dtype)
    return Table(columns)


def test_every_part_of_the_density_is_there(support: Support) -> None:
    density = support.density
    assert density is not None
    assert len(density.targets)
    assert len(density.blocks)
    assert len(density.pairs)


@pytest.mark.parametrize("n", [1, 5, 400])
def test_surprise_is_that_of_the_study_for_any_number_of_rows(support: Support, screen: RowScreen, n: int) -> None:
    rows = _rows(n, 7)
    rows["x"][0] = 50.0
    rows["gap"][-1] = np.nan
    rows["sum"][n // 2] = np.nan
    assert support.density is not None

    found = row_support(screen, Table(rows))

    expected = surprise(support.margins, support.density, placed(Table(rows), support.levels))
    np.testing.assert_allclose(found.surprise, expected, rtol=1e-9)  # the same sums in another order
    apart = discord(support.margins, support.density, placed(Table(rows), support.levels))
    np.testing.assert_allclose(found.discord, apart, rtol=1e-6, atol=1e-9)


def test_fresh_rows_are_seldom_spoken_of(screen: RowScreen) -> None:
    found = row_support(screen, Table(_rows(4000, 11)))

    any_of = found.out_of_range.any(axis=1) | found.unknown.any(axis=1) | found.implausible
    assert any_of.mean() < 0.02  # 1 % by design; one background of 800 rows may be off by as much


def test_what_is_found_is_locked(screen: RowScreen) -> None:
    found = row_support(screen, _hybrid())

    with pytest.raises(ValueError, match="read-only"):
        found.out_of_range[0, 0] = True


def test_a_plain_row_is_supported(screen: RowScreen) -> None:
    found = row_support(screen, _hybrid())

    assert not found.out_of_range.any()
    assert not found.unknown.any()
    assert not found.implausible.any()


@pytest.mark.parametrize(
    "values",
    [{"x": 2.0, "y": -2.0}, {"sum": 5.0}, {"east": 0.0, "north": 0.0}, {"level": "b"}],
    ids=["correlation", "sum", "ring", "rule"],
)
def test_values_that_do_not_go_together_are_implausible(screen: RowScreen, values: dict[str, float | str]) -> None:
    found = row_support(screen, _hybrid(**values))

    assert found.implausible.tolist() == [True]
    assert not found.out_of_range.any()


def test_values_beyond_the_range_are_named(screen: RowScreen, support: Support) -> None:
    found = row_support(screen, _hybrid(x=1e3, count=-np.inf))

    assert [support.features[j] for j in np.flatnonzero(found.out_of_range[0])] == ["x", "count"]


def test_new_levels_and_new_gaps_are_unknown(screen: RowScreen, support: Support) -> None:
    for values, expected in (
        ({"level": "zebra"}, ["level"]),
        ({"level": "e"}, ["level"]),  # declared, but a background of 800 rows would hold it
        ({"level": None}, ["level"]),
        ({"x": None}, ["x"]),
        ({"gap": None}, []),
    ):
        found = row_support(screen, _hybrid(**values))
        assert [support.features[j] for j in np.flatnonzero(found.unknown[0])] == expected


def test_without_a_density_only_values_are_judged() -> None:
    table = Table({"x": np.arange(50.0)})
    feature = Feature(id="x", kind=Kind.NUMERIC, source=TensorColumn(tensor="x"))
    description = BundleDescription(
        name="b", version="1", owner="", purpose="", out_of_scope="", features=(feature,), outputs=()
    )
    screen = RowScreen.of(study_support(table, description, np.random.default_rng(0)))

    found = row_support(screen, Table({"x": np.array([10.0, 1e6])}))

    assert found.out_of_range.tolist() == [[False], [True]]
    assert np.isnan(found.surprise).all()
    assert not found.implausible.any()
