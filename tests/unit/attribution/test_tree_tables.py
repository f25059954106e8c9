"""Tables against the direct walk of the same trees, which the tests of `tree` hold against the definition."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.graphs.hand_made import Grove, version_5, walk
from tests.unit.graphs.set_trees import SetTrees
from xaisvc.attribution import tree_layout, tree_terms
from xaisvc.attribution.tree import TreeMethod
from xaisvc.attribution.tree_few import FEW_ROWS
from xaisvc.attribution.tree_plan import TreePlan, make_arrays
from xaisvc.attribution.tree_walk import Walk
from xaisvc.graphs.trees import TreeSum, read_trees
from xaisvc.types import AdditiveModel, Players, Problem, Settings, Space, Table, TreeEnsemble, TreeMode, TreeTerm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SETTINGS = Settings(budget=None, seed=0, row_seeds=(), clock=time.monotonic)
# A value is a sum of float32 entries, each rounded to 6e-8 of itself, of which few dozen are as large as the largest.
AGREEMENT = 1e-6


def walked(
    trees: TreeEnsemble, players: NDArray[np.int64], background: NDArray[Any], rows: NDArray[Any], p: int
) -> tuple[float, NDArray[np.float64]]:
    """Base and values by the direct walk."""
    walk_ = Walk(trees, trees.roots, players, background.astype(np.float64))
    values = np.zeros((len(rows), p))
    walk_.add(rows.astype(np.float64), values)
    return walk_.base, values


def looked_up(
    trees: TreeEnsemble, players: NDArray[np.int64], background: NDArray[Any], rows: NDArray[Any], p: int, **more: Any
) -> tuple[float, NDArray[np.float64], TreePlan]:
    """Base and values from tables."""
    double = background.dtype == np.float64
    own = background.astype(np.float64)
    plan = TreePlan(make_arrays(trees, trees.leaf_value[None], players, own, double=double, **more))
    values = np.zeros((1, len(rows), p))
    plan.add(rows.astype(np.float64), values)
    return plan.base(0), values[0], plan


def assert_equal(found: tuple[float, NDArray[np.float64]], expected: tuple[float, NDArray[np.float64]]) -> None:
    scale = max(1.0, np.abs(expected[1]).max(initial=0.0))
    assert found[0] == pytest.approx(expected[0], abs=1e-12 * scale)
    assert np.abs(found[1] - expected[1]).max(initial=0.0) <= AGREEMENT * scale


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    depth=st.integers(0, 7),
    width=st.integers(1, 9),
    trees=st.integers(1, 12),
    missing=st.sampled_from([0.0, 0.3]),
    background=st.sampled_from([1, 2, 40]),
    rows=st.sampled_from([1, 3, 9, 70]),
    double=st.booleans(),
    grouping=st.sampled_from(["alone", "pairs", "constant", "one"]),
)
def test_tables_equal_the_walk(  # noqa: PLR0913, PLR0917  one argument per dimension of the search
    seed: int,
    depth: int,
    width: int,
    trees: int,
    missing: float,
    background: int,
    rows: int,
    double: bool,  # noqa: FBT001  hypothesis passes it by name
    grouping: str,
) -> None:
    grove = Grove(seed, trees=trees, depth=depth, width=width)
    ensemble = read_trees(grove.regressor(double=double), 0).trees
    dtype = np.float64 if double else np.float32
    pinned, explained = (
        grove.rows(background, missing=missing).astype(dtype),
        grove.rows(rows, missing=missing).astype(dtype),
    )
    players = np.arange(width)
    if grouping == "pairs":
        players = players // 2
    elif grouping == "one":
        players = np.zeros(width, dtype=np.int64)
    elif grouping == "constant":
        players[-1] = -1
        pinned[:, -1] = explained[:, -1] = pinned[0, -1]

    expected = walked(ensemble, players, pinned, explained, width)
    base, values, plan = looked_up(ensemble, players, pinned, explained, width)

    # Leaves far larger than what their sum spreads over are walked; the two ways must agree there too.
    assert plan.trees + plan.walked.size == ensemble.roots.size
    if plan.trees:
        assert_equal((base, values), expected)


def test_the_comparison_sees_one_background_row() -> None:
    grove = Grove(1, depth=5)
    trees = read_trees(grove.regressor(), 0).trees
    background, rows, players = grove.rows(30), grove.rows(8), np.arange(4)
    expected = walked(trees, players, background, rows, 4)
    base, values, _ = looked_up(trees, players, background[1:], rows, 4)

    with pytest.raises(AssertionError):
        assert_equal((base, values), expected)


@pytest.mark.parametrize("repeats", [1, 4])  # one row after the other, and side by side
def test_sets_equal_the_walk(repeats: int) -> None:
    trees = read_trees(version_5(), 0).trees
    assert TreeMode.MEMBER in trees.mode
    rows = np.array([[2, 0.6], [1, 0.4], [4, np.nan], [np.nan, np.nan], [np.inf, -np.inf], [3, 0.5]], dtype=np.float32)
    rows = np.tile(rows, (repeats, 1))
    players = np.arange(2)

    assert (len(rows) <= FEW_ROWS) == (repeats == 1)

    expected = walked(trees, players, rows[::-1], rows, 2)
    base, values, _ = looked_up(trees, players, rows[::-1], rows, 2)

    assert_equal((base, values), expected)


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_sets_that_cut_decimals_off_equal_the_walk(seed: int, double: bool) -> None:  # noqa: FBT001  as above
    grove = SetTrees(seed, trees=6, double=double)
    trees = read_trees(grove.node(), 0).trees
    background, rows, players = grove.rows(15), grove.rows(80), np.arange(3)
    assert TreeMode.WHOLE_MEMBER in trees.mode

    base, values, plan = looked_up(trees, players, background, rows, 3)

    assert plan.trees
    assert_equal((base, values), walked(trees, players, background, rows, 3))


@pytest.mark.parametrize("double", [True, False])
def test_ranks_tell_the_ends_of_whole_sets_apart(double: bool) -> None:  # noqa: FBT001  as above
    members = [-(2.0**24) - 2, -3.0, 0.0, 5.0, 2.0**24 + 2, 2.0**31 - 128]
    ends = np.array([*members, *(np.array(members) + 1), *(np.array(members) - 1)])
    values = np.concatenate([ends, np.nextafter(ends, np.inf), np.nextafter(ends, -np.inf), [np.nan, np.inf, -np.inf]])
    if not double:
        single = ends.astype(np.float32)
        values = np.concatenate([single, np.nextafter(single, np.float32(np.inf)), np.nextafter(single, -single)])
    trees = TreeEnsemble(
        roots=np.array([0], dtype=np.int32),
        column=np.array([0, -1, -1], dtype=np.int32),
        mode=np.array([TreeMode.WHOLE_MEMBER, 0, 0], dtype=np.int8),
        threshold=np.zeros(3),
        true_child=np.array([1, 0, 0], dtype=np.int32),
        false_child=np.array([2, 0, 0], dtype=np.int32),
        missing_true=np.array([True, False, False]),
        members={0: frozenset(members)},
        leaf_value=np.array([0, 1.0, -2.0]),
    )
    rows, players = values[:, None], np.arange(1)

    assert_equal(looked_up(trees, players, rows, rows, 1)[:2], walked(trees, players, rows, rows, 1))


@pytest.mark.parametrize("limit", [0.0, -0.0, 0.1, np.inf, -np.inf, np.nan, 5e-324, 3.4028234663852886e38, 1e300])
@pytest.mark.parametrize("mode", [*range(TreeMode.LEQ, TreeMode.MEMBER)])
@pytest.mark.parametrize("double", [True, False])
def test_every_test_holds_as_it_is_compared(mode: TreeMode, limit: float, double: bool) -> None:  # noqa: FBT001  as above
    around = np.nextafter(np.repeat(np.array([limit]), 3), [-np.inf, limit, np.inf])
    values = np.concatenate([around, [0.0, -0.0, 1.0, -1.0, 0.1, np.inf, -np.inf, np.nan]])
    if not double:
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
    trees = TreeEnsemble(
        roots=np.array([0], dtype=np.int32),
        column=np.array([0, 0, -1, -1, -1], dtype=np.int32),
        mode=np.array([mode, mode, 0, 0, 0], dtype=np.int8),
        threshold=np.array([limit, limit / 2, 0, 0, 0]),
        true_child=np.array([1, 2, 0, 0, 0], dtype=np.int32),
        false_child=np.array([4, 3, 0, 0, 0], dtype=np.int32),
        missing_true=np.array([True, False, False, False, False]),
        members={},
        leaf_value=np.array([0, 0, 1.0, -2.0, 3.0]),
    )
    rows = values[:, None]
    players = np.arange(1)

    assert_equal(looked_up(trees, players, rows, rows, 1)[:2], walked(trees, players, rows, rows, 1))


def random_tree(rng: np.random.Generator, branches: int, width: int, shape: str) -> list[tuple[int, float, int, int]]:
    """A tree of nodes (column or -1, threshold or value, true child, false child), as deep as its shape says."""
    nodes: list[list[Any]] = [[-1, rng.normal(), 0, 0]]
    last = 0
    for _ in range(branches):
        leaves = [i for i, node in enumerate(nodes) if node[0] < 0]
        at = last if shape == "chain" else int(rng.choice(leaves))
        nodes[at] = [int(rng.integers(width)), float(rng.normal()), len(nodes), len(nodes) + 1]
        last = len(nodes) + int(rng.integers(2))
        nodes += [[-1, rng.normal(), 0, 0], [-1, rng.normal(), 0, 0]]
    return [tuple(node) for node in nodes]  # type: ignore[misc]


def ensemble_of(trees: Sequence[Sequence[tuple[int, float, int, int]]]) -> TreeEnsemble:
    starts = np.cumsum([0, *(len(tree) for tree in trees)])
    nodes = [node for tree in trees for node in tree]
    shift = np.repeat(starts[:-1], [len(tree) for tree in trees])
    column = np.array([node[0] for node in nodes], dtype=np.int32)
    numbers = np.array([node[1] for node in nodes])
    return TreeEnsemble(
        roots=starts[:-1].astype(np.int32),
        column=column,
        mode=(column >= 0).astype(np.int8),
        threshold=np.where(column >= 0, numbers, 0).astype(np.float32),
        true_child=(np.array([node[2] for node in nodes]) + shift).astype(np.int32),
        false_child=(np.array([node[3] for node in nodes]) + shift).astype(np.int32),
        missing_true=np.zeros(len(nodes), dtype=bool),
        members={},
        leaf_value=np.where(column < 0, numbers, 0.0),
    )


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), wide=st.booleans(), columns=st.sampled_from([20, 60]))
def test_trees_beyond_the_limits_are_walked_and_the_others_looked_up(seed: int, wide: bool, columns: int) -> None:  # noqa: FBT001  as above
    rng = np.random.default_rng(seed)
    shapes = [("any", 12), ("chain", 18), ("any", 60 if wide else 30), ("chain", 3)]
    trees = ensemble_of([random_tree(rng, branches, columns, shape) for shape, branches in shapes])
    x = rng.normal(size=(60, columns)).astype(np.float32)
    problem = problem_of(trees, x[:25])
    rows = table(x[25:])
    found = TreeMethod().attribute(problem, rows, SETTINGS)

    base, values = walked(trees, np.arange(columns), x[:25], x[25:], columns)
    assert_equal((float(found.base_values[0]), found.values), (base, values))
    assert "all 4 trees" in found.detail


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    depth=st.integers(9, 16),
    repeats=st.integers(0, 3),
    cutting=st.sampled_from(tree_layout._CUTTINGS),
)
def test_deep_leaves_equal_the_walk(seed: int, depth: int, repeats: int, cutting: tuple[float, int]) -> None:
    """Leaves with up to sixteen players on their path have tables, from eleven to thirteen on of another form."""
    rng = np.random.default_rng(seed)
    columns = [*rng.permutation(16)[:depth].tolist(), *rng.integers(0, 16, repeats).tolist()]
    size = len(columns)
    turned = rng.random(size) < 0.5
    chain: list[tuple[int, float, int, int]] = []
    for i, column in enumerate(columns):
        on, off = i + 1, size + 1 + i
        chain.append((column, float(rng.normal()), off if turned[i] else on, on if turned[i] else off))
    chain += [(-1, float(rng.normal()), 0, 0) for _ in range(size + 1)]
    trees = ensemble_of([chain, random_tree(rng, 6, 16, "any")])
    x = rng.normal(size=(80, 16)).astype(np.float32)
    players = np.arange(16)
    with mock.patch.object(tree_layout, "_CUTTINGS", (cutting,)):
        base, values, plan = looked_up(trees, players, x[:40], x[40:], 16)
    alone = np.zeros((1, 1, 16))
    plan.add(x[79:].astype(np.float64), alone)

    assert not plan.walked.size
    if len(set(columns)) > 13:  # more than the bits of the largest table of several leaves
        assert (np.asarray(plan.arrays["cut_deep"]) >= 0).any()
    assert_equal((base, values), walked(trees, players, x[:40], x[40:], 16))
    assert np.array_equal(alone[0, 0], values[-1])


def test_a_chain_of_many_players_is_walked() -> None:
    rng = np.random.default_rng(0)
    count = 20
    chain = [(i, 1.0, i + 1, count + 1 + i) for i in range(count)] + [(-1, 1.0 + i, 0, 0) for i in range(count + 1)]
    trees = ensemble_of([chain, random_tree(rng, 5, count, "any")])
    x = rng.normal(size=(40, count)).astype(np.float32)
    problem = problem_of(trees, x[:30])
    found = TreeMethod().attribute(problem, table(x[30:]), SETTINGS)

    assert "1 from tables of all patterns and 1 walked leaf by leaf" in found.detail
    assert_equal((float(found.base_values[0]), found.values), walked(trees, np.arange(count), x[:30], x[30:], count))


@pytest.mark.parametrize("most_bytes", [0, 20_000, 60_000, 10**6])
def test_tables_stay_within_their_bound(most_bytes: int) -> None:
    rng = np.random.default_rng(3)
    trees = ensemble_of([random_tree(rng, branches, 12, "any") for branches in (3, 40, 10, 40, 6)])
    x = rng.normal(size=(50, 12)).astype(np.float32)
    _, _, plan = looked_up(trees, np.arange(12), x[:20], x[20:], 12, most_bytes=most_bytes)
    whole = walked(trees, np.arange(12), x[:20], x[20:], 12)
    rest = Walk(trees, plan.walked, np.arange(12), x[:20].astype(np.float64))
    values = np.zeros((1, 30, 12))
    plan.add(x[20:].astype(np.float64), values)
    rest.add(x[20:].astype(np.float64), values[0])

    assert plan.trees + plan.walked.size == 5
    assert (plan.trees > 0) == (most_bytes > 0)
    assert np.asarray(plan.arrays["table"]).nbytes <= most_bytes
    assert_equal((plan.base(0) + rest.base, values[0]), whole)


def table(matrix: NDArray[Any]) -> Table:
    return Table({f"x{i}": matrix[:, i].astype(np.float64) for i in range(matrix.shape[1])})


def columns_of(rows: Table) -> NDArray[np.float32]:
    return np.stack(list(rows.columns.values()), axis=1).astype(np.float32)


def problem_of(trees: TreeEnsemble, background: NDArray[Any]) -> Problem:
    names = tuple(f"x{i}" for i in range(background.shape[1]))
    term = TreeTerm(columns=columns_of, owners=tuple(frozenset({name}) for name in names), trees=trees)
    return Problem(
        model=lambda rows: walk(TreeSum(0.0, trees), columns_of(rows)),
        background=table(background),
        players=Players(names=names, members=tuple((name,) for name in names)),
        space=Space.RAW,
        additive=AdditiveModel(constant=0.0, terms=(term,)),
    )


@pytest.mark.parametrize("columns", [5, 90])
def test_a_row_has_the_same_bits_in_any_company(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xaisvc.attribution.tree._ROWS_WORTH_A_THREAD", 7)
    rng = np.random.default_rng(5)
    trees = ensemble_of([random_tree(rng, 15, columns, "any") for _ in range(20)])
    x = rng.normal(size=(60, columns)).astype(np.float32)
    problem = problem_of(trees, x[:20])
    rows = table(x[20:])
    whole = TreeMethod().attribute(problem, rows, SETTINGS).values
    in_threads = TreeMethod().attribute(problem, rows, replace(SETTINGS, threads=3)).values
    in_pieces = TreeMethod().attribute(problem, rows, replace(SETTINGS, max_batch_rows=3)).values
    alone = np.concatenate([TreeMethod().attribute(problem, rows.take([i]), SETTINGS).values for i in range(40)])
    turned = TreeMethod().attribute(problem, rows.take(slice(None, None, -1)), SETTINGS).values[::-1]

    for other in (in_threads, in_pieces, alone, turned):
        assert np.array_equal(whole, other)


@pytest.mark.parametrize("company", [1, 2, 7, 8, 30])
def test_a_walked_row_has_the_same_bits_in_any_company(company: int) -> None:
    grove = Grove(5, trees=4, depth=8, width=12)
    trees = read_trees(grove.regressor(), 0).trees
    background, rows, players = grove.rows(60), grove.rows(40), np.arange(12)
    _, expected = walked(trees, players, background, rows, 12)

    _, values = walked(trees, players, background, rows[:company], 12)

    np.testing.assert_array_equal(values, expected[:company])


def test_blocks_do_not_matter() -> None:
    rng = np.random.default_rng(6)
    trees = ensemble_of([random_tree(rng, 12, 6, "any") for _ in range(9)])
    x = rng.normal(size=(2500, 6)).astype(np.float32)
    _, whole, plan = looked_up(trees, np.arange(6), x[:30], x, 6)
    values = np.zeros((1, 1, 6))
    for i in (0, 1023, 1024, 2047, 2048, 2499):
        values[:] = 0.0
        plan.add(x[i : i + 1].astype(np.float64), values)

        assert np.array_equal(values[0, 0], whole[i])


def test_outputs_over_other_columns_are_kept_apart() -> None:
    grove = Grove(9, depth=4)
    trees = read_trees(grove.regressor(), 0).trees
    background, rows = grove.rows(12, missing=0.0), table(grove.rows(9, missing=0.0))
    first = problem_of(trees, background)

    def of_term(columns: Any) -> Problem:
        term = TreeTerm(columns=columns, owners=tuple(frozenset({f"x{i}"}) for i in range(4)), trees=trees)
        return replace(
            first,
            model=lambda rows: walk(TreeSum(0.0, trees), columns(rows)),
            additive=AdditiveModel(constant=0.0, terms=(term,)),
        )

    def same_on_the_background(rows: Table) -> NDArray[np.float32]:
        found = columns_of(rows)
        return found if len(rows) == len(background) else -found

    problems = [first, of_term(lambda rows: -columns_of(rows)), of_term(same_on_the_background)]
    for problem, found in zip(problems, TreeMethod().attribute_outputs(problems, rows, SETTINGS), strict=True):
        assert np.array_equal(found.values, TreeMethod().attribute(problem, rows, SETTINGS).values)


class Store:
    """A plan store that counts and keeps everything."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.made: list[str] = []
        self.on_disk = 0

    def keep(self, key: str, make: Any, n_bytes: Any) -> Any:
        if key not in self.kept:
            self.kept[key] = make()
            assert n_bytes(self.kept[key]) >= 0
            self.made.append(key)
        return self.kept[key]

    def keep_arrays(self, key: str, make: Any) -> Any:
        self.on_disk += 1
        return self.keep(key, make, lambda arrays: sum(array.nbytes for array in arrays.values()))


def test_plans_are_made_once_and_told_apart() -> None:
    grove = Grove(2, depth=4)
    trees = read_trees(grove.regressor(), 0).trees
    background, rows = grove.rows(12), table(grove.rows(3))
    store = Store()
    problem = replace(problem_of(trees, background), plans=store)
    groups = Players(names=("a", "b"), members=(("x0", "x1"), ("x2", "x3")))
    variants = [
        problem,
        replace(problem, players=groups),
        replace(problem, background=table(background[1:])),
        replace(problem_of(replace(trees, leaf_value=2 * trees.leaf_value), background), plans=store),
    ]
    found = [TreeMethod().attribute(variant, rows, SETTINGS) for variant in variants]
    made = len(store.made)
    again = [TreeMethod().attribute(variant, rows, SETTINGS) for variant in variants]

    assert len([key for key in store.made if key.startswith("trees ")]) == len(variants)
    assert len(store.made) == made
    for variant, first, second in zip(variants, found, again, strict=True):
        assert np.array_equal(first.values, second.values)
        assert np.array_equal(first.values, TreeMethod().attribute(replace(variant, plans=None), rows, SETTINGS).values)


def test_players_of_a_caller_are_not_kept_on_disk() -> None:
    grove = Grove(2, depth=4)
    store = Store()
    groups = Players(names=("a", "b"), members=(("x0", "x1"), ("x2", "x3")), kind="custom")
    problem = problem_of(read_trees(grove.regressor(), 0).trees, grove.rows(12))
    found = TreeMethod().attribute(replace(problem, players=groups, plans=store), table(grove.rows(3)), SETTINGS)

    assert found.values.shape == (3, 2)
    assert len([key for key in store.made if key.startswith("trees ")]) == 1
    assert not store.on_disk


@pytest.mark.parametrize("together", [True, False])
def test_outputs_of_the_same_trees_are_those_of_each_alone(together: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001  as above
    grove = Grove(7, depth=5, targets=3)
    sums = [read_trees(grove.regressor(), target).trees for target in range(3)]
    background, rows = grove.rows(15), table(grove.rows(20))
    problems = [problem_of(trees, background) for trees in sums]
    problems.append(problem_of(read_trees(Grove(8).regressor(), 0).trees, background))
    sizes = [looked_up(trees, np.arange(4), background, background, 4)[2].arrays["table"].nbytes for trees in sums]
    # Room for the tables of all outputs, or for those of each alone.
    method = TreeMethod() if together else TreeMethod(table_bytes=2 * max(sizes))
    made: list[int] = []

    def counted(trees: TreeEnsemble, leaf_values: NDArray[np.float64], *rest: Any, **more: Any) -> Any:
        made.append(len(leaf_values))
        return make_arrays(trees, leaf_values, *rest, **more)

    monkeypatch.setattr(tree_terms, "make_arrays", counted)
    found = method.attribute_outputs(problems, rows, SETTINGS)

    assert made == ([3, 1] if together else [3, 1, 1, 1, 1])
    for problem, attribution in zip(problems, found, strict=True):
        alone = method.attribute(problem, rows, SETTINGS)
        assert np.array_equal(attribution.values, alone.values)
        assert np.array_equal(attribution.base_values, alone.base_values)
        assert attribution.detail == alone.detail
