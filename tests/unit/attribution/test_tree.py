from __future__ import annotations

import time
from dataclasses import replace
from math import comb, factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.oracle.definition import shapley_by_definition
from tests.unit.graphs.hand_made import Grove, version_5, walk
from xaisvc.attribution.tree import TreeMethod
from xaisvc.attribution.tree_kernel import MOST_PLAYERS, weight_tables
from xaisvc.errors import AdditivityError, MethodNotApplicableError, ModelOutputError
from xaisvc.graphs.trees import TreeSum, read_trees
from xaisvc.types import (
    AdditiveModel,
    AttributionMethod,
    LinearTerm,
    Players,
    Problem,
    Settings,
    Space,
    Table,
    TreeEnsemble,
    TreeTerm,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SETTINGS = Settings(budget=None, seed=0, row_seeds=(), clock=time.monotonic)
# Sums of a few dozen float32 table entries of size 1, each rounded to 6e-8 of itself.
ROUNDING = 1e-6


def table(matrix: NDArray[Any]) -> Table:
    return Table({f"x{i}": matrix[:, i].astype(np.float64) for i in range(matrix.shape[1])})


def matrix(rows: Table) -> NDArray[np.float32]:
    return np.stack(list(rows.columns.values()), axis=1).astype(np.float32)


def alone(count: int) -> Players:
    return Players(names=tuple(f"x{i}" for i in range(count)), members=tuple((f"x{i}",) for i in range(count)))


def problem_of(
    trees: TreeEnsemble,
    background: NDArray[Any],
    *,
    players: Players | None = None,
    owners: Sequence[frozenset[str]] | None = None,
    constant: float = 0.5,
) -> Problem:
    """Trees over the columns of a matrix, as model and as additive reading of it."""
    width = background.shape[1]
    own = tuple(owners or (frozenset({f"x{i}"}) for i in range(width)))
    return Problem(
        model=lambda rows: walk(TreeSum(constant, trees), matrix(rows)),
        background=table(background),
        players=players or alone(width),
        space=Space.RAW,
        additive=AdditiveModel(constant=constant, terms=(TreeTerm(columns=matrix, owners=own, trees=trees),)),
    )


def by_definition(problem: Problem, row: Table) -> NDArray[np.float64]:
    def value(members: frozenset[int]) -> float:
        chosen = {feature for i in members for feature in problem.players.members[i]}
        mixed = {
            name: np.repeat(row.columns[name], len(problem.background)) if name in chosen else column
            for name, column in problem.background.columns.items()
        }
        return float(problem.model(Table(mixed)).mean())

    return shapley_by_definition(value, len(problem.players))


def leaf(value: float) -> TreeEnsemble:
    """One tree that is a single leaf."""
    return chain(0, value)


def chain(branches: int, value: float = 1.0) -> TreeEnsemble:
    """One tree: x0 <= 0 and x1 <= 0 and ...; `value` if all hold, else 0."""
    size = 2 * branches + 1
    is_branch = np.arange(size) < branches
    return TreeEnsemble(
        roots=np.array([0], dtype=np.int32),
        column=np.where(is_branch, np.arange(size), -1).astype(np.int32),
        mode=is_branch.astype(np.int8),
        threshold=np.zeros(size, dtype=np.float32),
        true_child=np.where(is_branch, np.arange(size) + 1, 0).astype(np.int32),
        false_child=np.where(is_branch, np.arange(size) + 1 + branches, 0).astype(np.int32),
        missing_true=np.zeros(size, dtype=bool),
        members={},
        leaf_value=np.where(np.arange(size) == branches, value, 0.0),
    )


GROUPS = Players(names=("p", "q"), members=(("x0", "x2"), ("x1", "x3")), kind="custom")


@pytest.mark.parametrize("players", [None, GROUPS], ids=["features", "groups"])
@pytest.mark.parametrize("seed", range(6))
def test_random_trees_of_every_mode_with_missing_values_follow_the_definition(
    seed: int, players: Players | None
) -> None:
    grove = Grove(seed, depth=6)
    problem = problem_of(read_trees(grove.regressor(), 0).trees, grove.rows(9), players=players)
    rows = table(grove.rows(4))
    found = TreeMethod().attribute(problem, rows, SETTINGS)

    for i in range(len(rows)):
        assert found.values[i] == pytest.approx(by_definition(problem, rows.take([i])), abs=ROUNDING)
    assert found.base_values == pytest.approx(np.full(4, problem.model(problem.background).mean()), abs=ROUNDING)
    assert found.base_values + found.values.sum(axis=1) == pytest.approx(problem.model(rows), abs=ROUNDING)


def test_sets_follow_the_definition() -> None:
    trees = read_trees(version_5(), 0).trees
    background = np.array([[1, 0], [4, 1], [2, 0.5], [3, 0.6]])
    problem = problem_of(trees, background)
    rows = table(np.array([[2, 0.6], [1, 0.4], [np.nan, np.nan]]))
    found = TreeMethod().attribute(problem, rows, SETTINGS)

    for i in range(len(rows)):
        assert found.values[i] == pytest.approx(by_definition(problem, rows.take([i])), abs=ROUNDING)


def test_several_columns_of_one_feature_are_one_player() -> None:
    grove = Grove(3, depth=5)
    # Columns 0 and 1 come from the same feature, column 3 from none.
    owners = [frozenset({"x0"}), frozenset({"x0"}), frozenset({"x2"}), frozenset()]
    players = Players(names=("x0", "x2"), members=(("x0",), ("x2",)))

    def columns(rows: Table) -> NDArray[np.float32]:
        first, second = rows.columns["x0"], rows.columns["x2"]
        return np.stack([first, 0.5 - first, second, np.full(len(rows), 0.5)], axis=1).astype(np.float32)

    trees = read_trees(grove.regressor(), 0).trees
    background = Table({"x0": np.array([-1.0, 0.5, 1.0]), "x2": np.array([0.0, 1.0, -0.5])})
    problem = Problem(
        model=lambda rows: walk(TreeSum(0.0, trees), columns(rows)),
        background=background,
        players=players,
        space=Space.RAW,
        additive=AdditiveModel(constant=0.0, terms=(TreeTerm(columns=columns, owners=tuple(owners), trees=trees),)),
    )
    row = Table({"x0": np.array([0.0]), "x2": np.array([-1.0])})
    found = TreeMethod().attribute(problem, row, SETTINGS)

    assert found.values[0] == pytest.approx(by_definition(problem, row), abs=ROUNDING)


def test_trees_and_linear_terms_add_up() -> None:
    grove = Grove(4)
    plain = problem_of(read_trees(grove.regressor(), 0).trees, grove.rows(6, missing=0.0))
    assert plain.additive is not None
    weights = np.array([0.5, 0.0, -2.0, 1.0])
    line = LinearTerm(columns=matrix, owners=tuple(frozenset({f"x{i}"}) for i in range(4)), weights=weights)
    both = replace(
        plain,
        model=lambda rows: plain.model(rows) + matrix(rows) @ weights,
        additive=AdditiveModel(constant=0.5, terms=(*plain.additive.terms, line)),
    )
    row = table(grove.rows(1, missing=0.0))
    found = TreeMethod().attribute(both, row, SETTINGS)

    assert found.values[0] == pytest.approx(by_definition(both, row), abs=ROUNDING)


def test_no_rows_give_no_values() -> None:
    grove = Grove(0)
    problem = problem_of(read_trees(grove.regressor(), 0).trees, grove.rows(5))
    found = TreeMethod().attribute(problem, table(np.empty((0, 4))), SETTINGS)

    assert found.values.shape == (0, 4)
    assert found.outputs.shape == found.base_values.shape == found.model_evaluations.shape == (0,)


def test_a_tree_of_one_leaf_is_a_constant() -> None:
    found = TreeMethod().attribute(problem_of(leaf(2.0), np.zeros((3, 2))), table(np.ones((2, 2))), SETTINGS)

    assert not found.values.any()
    assert found.base_values.tolist() == [2.5, 2.5]


def test_each_row_costs_one_model_row() -> None:
    grove = Grove(0)
    problem = problem_of(read_trees(grove.regressor(), 0).trees, grove.rows(5))
    found = TreeMethod().attribute(problem, table(grove.rows(3)), SETTINGS)

    assert found.model_evaluations.tolist() == [1, 1, 1]
    assert found.method == "tree"
    assert found.exact
    assert found.value_function == "interventional"
    assert "4 trees" in found.detail
    assert "5 background rows, from tables" in found.detail


def test_sixty_two_players_on_a_path() -> None:
    # The row passes every condition and the background none: all players gain the same share.
    problem = problem_of(chain(MOST_PLAYERS), np.ones((2, MOST_PLAYERS)))
    found = TreeMethod().attribute(problem, table(np.zeros((1, MOST_PLAYERS))), SETTINGS)

    assert found.values == pytest.approx(np.full((1, MOST_PLAYERS), 1 / MOST_PLAYERS), abs=ROUNDING)


def test_sixty_three_players_on_a_path_are_too_many_unless_grouped() -> None:
    count = MOST_PLAYERS + 1
    problem = problem_of(chain(count), np.ones((2, count)))
    halves = Players(
        names=("low", "high"), members=(tuple(f"x{i}" for i in range(32)), tuple(f"x{i}" for i in range(32, count)))
    )

    assert (
        TreeMethod().why_not(problem)
        == "a path of the trees tests 63 players, and at most 62 are supported; use groups"
    )
    assert not TreeMethod().why_not(replace(problem, players=halves))


def test_many_features_on_short_paths_are_fine() -> None:
    trees = chain(1)
    wide = TreeEnsemble(
        roots=np.arange(0, 300, 3, dtype=np.int32),
        column=np.concatenate([np.array([i, -1, -1]) for i in range(100)]).astype(np.int32),
        mode=np.tile(trees.mode, 100),
        threshold=np.tile(trees.threshold, 100),
        true_child=np.concatenate([trees.true_child + 3 * i for i in range(100)]).astype(np.int32),
        false_child=np.concatenate([trees.false_child + 3 * i for i in range(100)]).astype(np.int32),
        missing_true=np.tile(trees.missing_true, 100),
        members={},
        leaf_value=np.tile(trees.leaf_value, 100),
    )
    problem = problem_of(wide, np.ones((2, 100)))
    found = TreeMethod().attribute(problem, table(np.zeros((1, 100))), SETTINGS)

    assert found.values == pytest.approx(np.ones((1, 100)), abs=ROUNDING)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"additive": None, "additive_reason": "the model is a network"}, "the model is a network"),
        ({"additive": AdditiveModel(constant=0.0, terms=())}, "no tree ensemble"),
        ({"background": table(np.empty((0, 4)))}, "the background has no rows"),
        ({"players": Players(names=("x0",), members=(("x0",),))}, "belongs to no player"),
    ],
)
def test_what_cannot_be_explained_is_refused_with_the_reason(change: dict[str, Any], reason: str) -> None:
    grove = Grove(0)
    problem = replace(problem_of(read_trees(grove.regressor(), 0).trees, grove.rows(5)), **change)

    assert reason in TreeMethod().why_not(problem)
    with pytest.raises(MethodNotApplicableError, match=reason):
        TreeMethod().attribute(problem, table(grove.rows(1)), SETTINGS)


def test_a_column_that_mixes_players_is_named() -> None:
    owners = [frozenset({"x0", "x1"}), frozenset({"x1"})]
    problem = problem_of(chain(2), np.ones((2, 2)), owners=owners)
    together = Players(names=("both",), members=(("x0", "x1"),))

    assert TreeMethod().why_not(problem) == (
        "column 0 that reaches the model mixes the players 'x0', 'x1', so their shares need sampling"
    )
    assert not TreeMethod().why_not(replace(problem, players=together))


def test_a_model_that_answers_otherwise_is_refused_with_the_figures() -> None:
    problem = problem_of(chain(2), np.ones((2, 2)))
    wrong = replace(problem, model=lambda rows: problem.model(rows) + 0.1)

    with pytest.raises(AdditivityError, match=r"row 0 sum to 1\.5 but the model's output is 1\.6 \(difference 0\.1"):
        TreeMethod().attribute(wrong, table(np.zeros((1, 2))), SETTINGS)


def test_an_output_that_is_not_finite_is_refused() -> None:
    problem = problem_of(chain(2), np.ones((2, 2)))
    wrong = replace(problem, model=lambda rows: np.full(len(rows), np.nan))

    with pytest.raises(ModelOutputError, match="NaN for 1 of 1 explained rows"):
        TreeMethod().attribute(wrong, table(np.zeros((1, 2))), SETTINGS)


def test_a_matrix_too_narrow_for_the_trees_is_refused() -> None:
    trees = chain(3)
    owners = tuple(frozenset({f"x{i}"}) for i in range(3))
    term = TreeTerm(columns=lambda rows: matrix(rows)[:, :2], owners=owners, trees=trees)
    problem = replace(problem_of(trees, np.ones((2, 3))), additive=AdditiveModel(constant=0.5, terms=(term,)))

    with pytest.raises(ModelOutputError, match=r"shape \(2, 2\) for 2 rows where the model reads 3 columns"):
        TreeMethod().attribute(problem, table(np.zeros((1, 3))), SETTINGS)


def test_whole_numbers_are_compared_as_float32() -> None:
    # 16777217 is the first whole number that float32 cannot hold: ONNX Runtime sees 16777216.
    trees = replace(chain(1), threshold=np.array([16777216.0, 0, 0], dtype=np.float32))
    owners = (frozenset({"x0"}),)
    term = TreeTerm(columns=lambda rows: rows.columns["x0"].astype(np.int64)[:, None], owners=owners, trees=trees)
    problem = Problem(
        model=lambda rows: (rows.columns["x0"].astype(np.float32) <= 16777216).astype(np.float64),
        background=table(np.array([[16777220.0]])),
        players=alone(1),
        space=Space.RAW,
        additive=AdditiveModel(constant=0.0, terms=(term,)),
    )

    assert TreeMethod().attribute(problem, table(np.array([[16777217.0]])), SETTINGS).values.tolist() == [[1.0]]


def test_weights_are_those_of_the_formula() -> None:
    gain, loss = weight_tables()

    for a in range(6):
        for c in range(6):
            both = factorial(a + c)
            assert gain[a, c] == pytest.approx(factorial(a - 1) * factorial(c) / both if a else 0, rel=1e-15)
            assert loss[a, c] == pytest.approx(factorial(a) * factorial(c - 1) / both if c else 0, rel=1e-15)
    assert gain[31, 31] == pytest.approx(1 / (31 * comb(62, 31)), rel=1e-15)


def test_it_is_an_attribution_method() -> None:
    assert isinstance(TreeMethod(), AttributionMethod)
    assert (TreeMethod().name, TreeMethod().exact) == ("tree", True)
