"""Coalitions of sums without a mixed row, against every mixed row walked through the trees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.unit.attribution.tree_problems import (
    GROUPS,
    WIDTH,
    chain,
    filled,
    linear_term,
    random_trees,
    rows_of,
    sum_problem,
    table,
    tree_problem,
    tree_term,
)
from xaisvc.attribution.linear import Matrices
from xaisvc.attribution.plain_games import PlainPairs
from xaisvc.attribution.sum_kernel import add_leaves, count_passing, fill_patterns
from xaisvc.attribution.sum_tables import SumTable
from xaisvc.attribution.tree_coalitions import MOST_PLAYERS
from xaisvc.types import AdditiveModel, CoalitionDesign, LinearTerm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Problem

# Of the largest number: some hundred float64 sums in another order; measured 2e-15.
ROUNDING = 1e-13
EVERYTHING = 2**30


def design_of(p: int, background: str, *, n_background: int = 24, pairs: int = 40) -> CoalitionDesign:
    """Random coalitions, over all background rows, over groups of them, or over rows of their own."""
    rng = np.random.default_rng(p)
    masks = rng.random((pairs, p)) < 0.5
    groups = rng.permutation(n_background).reshape(3, -1)
    picks = {
        "all rows": None,
        "groups": groups[rng.integers(3, size=pairs)],
        "own rows": rng.integers(n_background, size=(pairs, 7)),
    }
    return CoalitionDesign(masks=masks, background=picks[background])


def found_by(table_of: SumTable, rows: NDArray[Any]) -> NDArray[np.float64]:
    """Coalition values of rows."""
    matrices = Matrices(table(rows))
    found = np.empty((len(rows), table_of.absent.size))
    table_of.fill([matrices(columns, needed) for columns, needed in table_of.reads], found)
    return found


def expected_of(problem: Problem, design: CoalitionDesign, rows: NDArray[Any]) -> NDArray[np.float64]:
    """The same from mixed rows."""
    pairs = PlainPairs(problem, design, 4096, 1)(table(rows), lambda: None)
    return np.concatenate([pairs.on, pairs.off], axis=1)


@pytest.mark.parametrize("background", ["all rows", "groups", "own rows"])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_sums_of_trees_and_columns_are_those_of_mixed_rows(background: str, seed: int, *, grouped: bool) -> None:
    terms = (tree_term(random_trees(seed)), linear_term([0.5, -2.0, 0.0, 3.0]), tree_term(random_trees(seed + 50)))
    players = GROUPS if grouped else None
    problem = sum_problem(AdditiveModel(constant=1.5, terms=terms), rows_of(seed, 24), players=players)
    design = design_of(len(problem.players), background)
    rows = rows_of(seed + 100, 9)

    made = SumTable.of(problem, design, EVERYTHING)

    assert made is not None
    expected = expected_of(problem, design, rows)
    assert np.ptp(expected) > 1  # trees that never branch would say nothing
    atol = ROUNDING * np.abs(expected).max()
    np.testing.assert_allclose(found_by(made, rows), expected, rtol=0, atol=atol)


def test_a_comparison_that_is_off_is_seen() -> None:
    """One row of the background that a leaf counts too often."""
    problem, design = tree_problem(random_trees(3), rows_of(3, 24)), design_of(WIDTH, "groups")
    made = SumTable.of(problem, design, EVERYTHING)
    assert made is not None
    rows = rows_of(103, 9)
    found = found_by(made, rows)

    made.trees[0].counts[0] += 1

    assert np.abs(found_by(made, rows) - found).max() > 1e-3


def test_a_row_gets_the_same_bits_in_any_company() -> None:
    terms = (tree_term(random_trees(8)), linear_term([0.3, 0.1, -0.7, 2.0]))
    problem = sum_problem(AdditiveModel(constant=0.1, terms=terms), rows_of(8, 24))
    made = SumTable.of(problem, design_of(WIDTH, "groups", pairs=333), EVERYTHING)
    assert made is not None
    rows = rows_of(108, 70)

    together = found_by(made, rows)

    for place in (0, 33, 69):
        np.testing.assert_array_equal(together[place], found_by(made, rows[place : place + 1])[0])
    np.testing.assert_array_equal(together[::-1], found_by(made, rows[::-1]))


def test_a_column_of_several_players_has_no_table() -> None:
    shared = LinearTerm(columns=filled, owners=(frozenset({"x0", "x1"}),), weights=np.ones(1))
    problem = sum_problem(AdditiveModel(constant=0.0, terms=(shared,)), rows_of(0, 24, missing=0.0))

    assert SumTable.of(problem, design_of(WIDTH, "all rows"), EVERYTHING) is None


def test_columns_that_are_the_same_in_every_row_belong_to_nobody() -> None:
    """A column without an owner is part of every coalition, in a linear term and in a tree."""
    background, rows = rows_of(5, 24, missing=0.0), rows_of(105, 6, missing=0.0)
    background[:, 2], rows[:, 2] = 0.75, 0.75
    nobody = (frozenset({"x0"}), frozenset({"x1"}), frozenset[str](), frozenset({"x3"}))
    terms = (
        replace(tree_term(random_trees(5)), owners=nobody),
        replace(linear_term([1.0, 2.0, 4.0, 8.0]), owners=nobody),
    )
    problem = sum_problem(AdditiveModel(constant=0.0, terms=terms), background)
    design = design_of(WIDTH, "own rows")

    made = SumTable.of(problem, design, EVERYTHING)

    assert made is not None
    expected = expected_of(problem, design, rows)
    np.testing.assert_allclose(found_by(made, rows), expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


def test_paths_of_more_players_than_patterns_are_counted_for_have_no_table() -> None:
    for branches, fits in ((MOST_PLAYERS, True), (MOST_PLAYERS + 1, False)):
        background = np.random.default_rng(branches).normal(size=(24, branches)).astype(np.float32)
        design = design_of(branches, "all rows", pairs=5)
        made = SumTable.of(tree_problem(chain(branches), background), design, EVERYTHING)

        assert (made is not None) == fits


def test_a_table_keeps_to_its_bound() -> None:
    problem, design = tree_problem(random_trees(2), rows_of(2, 24)), design_of(WIDTH, "all rows")
    made = SumTable.of(problem, design, EVERYTHING)
    assert made is not None

    assert SumTable.of(problem, design, made.n_bytes) is not None
    assert SumTable.of(problem, design, made.trees[0].n_bytes - 1) is None
    twice = sum_problem(
        AdditiveModel(constant=0.0, terms=(tree_term(random_trees(2)), tree_term(random_trees(2)))), rows_of(2, 24)
    )
    assert SumTable.of(twice, design, 2 * made.trees[0].n_bytes - 1) is None


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [1, 3, 6])
def test_leaves_are_counted_by_pattern_or_row_by_row(size: int, kind: type[np.unsignedinteger[Any]]) -> None:
    """Groups of one coalition are gone through row by row, large ones by pattern: both against the definition."""
    rng = np.random.default_rng(size)
    coalitions, leaves, b, d = 90, 5, 30, 12
    masks = rng.random((size, coalitions)) < 0.5
    bounds, members = np.array([0, size]), np.arange(size)
    patterns = np.empty((1, coalitions), dtype=np.uint16)
    fill_patterns(masks, bounds, members, patterns)
    failed = rng.integers(0, 2**size, (leaves, b)).astype(np.uint16)
    picks = rng.integers(0, b, (3, d))
    order = rng.permutation(coalitions)
    first = np.array([0, 1, 5, coalitions])  # groups of 1, 4 and 85
    counts = np.zeros((leaves, coalitions), dtype=kind)
    sizes, set_of = np.full(leaves, size), np.zeros(leaves, dtype=np.int64)

    count_passing(failed, sizes, set_of, patterns, picks, first, order, counts)

    for group in range(3):
        for k in order[first[group] : first[group + 1]].tolist():
            absent = sum(1 << i for i in range(size) if not masks[i, k])
            assert counts[:, k].tolist() == ((failed[:, picks[group]] & absent) == 0).sum(axis=1).tolist()


@pytest.mark.parametrize("coalitions", [1, 3, 8, 130])
@pytest.mark.parametrize("leaves", [1, 2, 5, 2100])
def test_leaves_are_added_unless_the_row_rules_them_out(leaves: int, coalitions: int) -> None:
    rng = np.random.default_rng(leaves + coalitions)
    failed = rng.integers(0, 4, (leaves, 3)).astype(np.uint16)
    patterns = rng.integers(0, 4, (2, coalitions)).astype(np.uint16)
    set_of, worth = rng.integers(0, 2, leaves), rng.normal(size=leaves)
    counts = rng.integers(0, 9, (leaves, coalitions)).astype(np.uint8)
    found = np.ones((3, coalitions))

    add_leaves(failed, worth, set_of, patterns, counts, found)

    lives = (patterns[set_of][:, None, :] & failed[:, :, None]) == 0
    expected = 1 + (lives * (worth[:, None] * counts)[:, None, :]).sum(axis=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * leaves * 9)
