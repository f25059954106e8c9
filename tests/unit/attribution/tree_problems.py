"""Problems about random trees over a matrix, for the tests of what is read from trees."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.unit.graphs.hand_made import Grove, walk
from xaisvc.graphs.trees import TreeSum, read_trees
from xaisvc.types import AdditiveModel, LinearTerm, LinkedModel, Players, Problem, Settings, Space, Table, TreeTerm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xaisvc.types import TreeEnsemble

WIDTH = 4
SETTINGS = Settings(budget=None, seed=0, row_seeds=(), clock=time.monotonic)
GROUPS = Players(names=("p", "q"), members=(("x0", "x2"), ("x1", "x3")), kind="custom")


def table(matrix: NDArray[Any]) -> Table:
    """Columns x0, x1, ... of a matrix."""
    return Table({f"x{i}": matrix[:, i].astype(np.float64) for i in range(matrix.shape[1])})


def matrix(rows: Table) -> NDArray[np.float32]:
    return np.stack(list(rows.columns.values()), axis=1).astype(np.float32)


def filled(rows: Table) -> NDArray[np.float32]:
    """The matrix with 0.25 where a value is missing: what reaches a linear term."""
    return np.nan_to_num(matrix(rows), nan=0.25)


def alone(count: int) -> Players:
    return Players(names=tuple(f"x{i}" for i in range(count)), members=tuple((f"x{i}",) for i in range(count)))


def owners(count: int) -> tuple[frozenset[str], ...]:
    return tuple(frozenset({f"x{i}"}) for i in range(count))


def random_trees(seed: int, **more: Any) -> TreeEnsemble:
    """Trees of every branch mode over `WIDTH` columns."""
    return read_trees(Grove(seed, width=WIDTH, **more).regressor(), 0).trees


def rows_of(seed: int, count: int, *, missing: float = 0.15) -> NDArray[Any]:
    return Grove(seed, width=WIDTH).rows(count, missing=missing)


def tree_term(trees: TreeEnsemble, width: int = WIDTH) -> TreeTerm:
    return TreeTerm(columns=matrix, owners=owners(width), trees=trees)


def linear_term(weights: Sequence[float]) -> LinearTerm:
    return LinearTerm(columns=filled, owners=owners(len(weights)), weights=np.array(weights))


def output_of(model: AdditiveModel, rows: Table) -> NDArray[np.float64]:
    """What a sum is for rows, from trees walked one row at a time."""
    total = np.full(len(rows), model.constant)
    for term in model.terms:
        if isinstance(term, TreeTerm):
            total = total + walk(TreeSum(0.0, term.trees), matrix(rows))
        else:
            total = total + filled(rows).astype(np.float64) @ term.weights
    return total


def sum_problem(
    model: AdditiveModel, background: NDArray[Any], *, players: Players | None = None, space: Space = Space.RAW
) -> Problem:
    """A problem whose model is the sum."""
    return Problem(
        model=lambda rows: output_of(model, rows),
        background=table(background),
        players=players or alone(background.shape[1]),
        space=space,
        additive=model,
    )


def tree_problem(trees: TreeEnsemble, background: NDArray[Any], **more: Any) -> Problem:
    width = background.shape[1]
    return sum_problem(AdditiveModel(constant=0.5, terms=(tree_term(trees, width),)), background, **more)


def linked_problem(
    sums: Sequence[AdditiveModel], background: NDArray[Any], *, players: Players | None = None
) -> Problem:
    """A problem whose model is the probability of the first sum: logistic of one, softmax of several."""

    def probability(rows: Table) -> NDArray[np.float64]:
        margins = np.stack([output_of(model, rows) for model in sums])
        if len(sums) == 1:
            return np.asarray(1.0 / (1.0 + np.exp(-margins[0])))
        shares = np.exp(margins - margins.max(axis=0))
        return np.asarray(shares[0] / shares.sum(axis=0))

    return Problem(
        model=probability,
        background=table(background),
        players=players or alone(background.shape[1]),
        space=Space.PROBABILITY,
        additive_reason="the probability is a logistic function of a sum",
        linked=LinkedModel(sums=tuple(sums)),
    )


def game(problem: Problem, row: Table) -> Callable[[frozenset[int]], float]:
    """v(S), every coalition scored by the model, once."""
    known: dict[frozenset[int], float] = {}

    def value(members: frozenset[int]) -> float:
        if members not in known:
            chosen = {feature for i in members for feature in problem.players.members[i]}
            mixed = {
                name: np.repeat(row.columns[name], len(problem.background)) if name in chosen else column
                for name, column in problem.background.columns.items()
            }
            known[members] = float(problem.model(Table(mixed)).mean())
        return known[members]

    return value


def chain(branches: int, value: float = 1.0) -> TreeEnsemble:
    """One tree: x0 <= 0 and x1 <= 0 and ...; `value` if all hold, else 0."""
    size = 2 * branches + 1
    is_branch = np.arange(size) < branches
    whole = random_trees(0)
    return replace(
        whole,
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
