"""Tree terms made ready: what does not depend on the rows is worked out once and kept with the bundle."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.attribution.linear import Matrices, players_of_columns
from xaisvc.attribution.tree_plan import TreePlan, make_arrays
from xaisvc.attribution.tree_walk import Walk, compared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types import ColumnFunction, Players, Problem, Table, TableLookUp, TreeTerm

    Matrix = NDArray[np.float32] | NDArray[np.float64]
    Arrays = Mapping[str, NDArray[np.generic]]

_VERSION = "3"
"""Of the arrays of a plan; a new one with every change of their meaning or of the numbers in them."""


@dataclass(frozen=True, slots=True)
class _Named:
    """What a plan is made of, and its name in the store.

    Attributes:
        terms: One tree term for each output; the same trees with other leaf values.
        players: Who shares the credit.
        background: The background's rows.
        owners: Player of each column; int64, (c,).
        matrix: Column matrix of the background.
        alike: Whether the columns of all terms hold the same numbers for the background.
        key: Digest of all of it.
    """

    terms: tuple[TreeTerm, ...]
    players: Players
    background: Table
    owners: NDArray[np.int64]
    matrix: Matrix
    alike: bool
    key: str

    @property
    def n_bytes(self) -> int:
        """Size of what only this object holds."""
        return int(self.matrix.nbytes + self.owners.nbytes)


class ReadyTerms:
    """One tree term of each of k outputs, made ready. Safe to use from several threads.

    Attributes:
        tables: Trees that are looked up in tables.
        walks: Trees that are walked.
    """

    def __init__(self, named: _Named, plan: TreePlan, look_up: TableLookUp | None) -> None:
        self._named = named
        self._plan = plan
        self._look_up = look_up
        self._needed = int(named.terms[0].trees.column.max(initial=-1)) + 1
        walked = plan.walked
        self.tables = plan.trees
        self.walks = int(walked.size)
        self._distinct = _distinct(named.terms)
        self._walks = (
            [Walk(term.trees, walked, named.owners, compared(named.matrix)) for term in named.terms]
            if walked.size
            else []
        )

    @property
    def n_bytes(self) -> int:
        """Size of what is held."""
        return self._plan.n_bytes + self._named.n_bytes

    def base(self, output: int) -> float:
        """Mean of a term over the background, in output units."""
        return self._plan.base(output) + (self._walks[output].base if self._walks else 0.0)

    def add(self, matrices: Matrices, values: NDArray[np.float64]) -> None:
        """Adds the attributions of n rows to `values`, float64, (k, n, p)."""
        terms = self._named.terms
        found = [matrices(columns, self._needed) for columns in self._distinct]
        if all(_same(found[0], other) for other in found[1:]):
            self._add(found[0], values)
            return
        # The same trees read columns that differ for these rows: each output by itself.
        for output, term in enumerate(terms):
            own = np.zeros_like(values)
            self._add(matrices(term.columns, self._needed), own)
            values[output] += own[output]

    def _add(self, matrix: Matrix, values: NDArray[np.float64]) -> None:
        rows = compared(matrix)
        double = matrix.dtype == np.float64
        device = self._look_up if self._plan.trees else None
        if device is None or not device.add(self._plan.arrays, rows, values, double=double):
            self._plan.add(rows, values)
        for walk, own in zip(self._walks, values, strict=False):
            walk.add(rows, own)


def ready(
    problem: Problem, terms: Sequence[TreeTerm], threads: int, most_bytes: int
) -> list[tuple[tuple[int, ...], ReadyTerms]]:
    """Makes terms ready, or takes what was kept of it.

    Args:
        problem: Background, players and store; the same for all outputs.
        terms: One term for each output, all with the same trees.
        threads: Threads that may be used.
        most_bytes: Bound on the size of the tables.

    Returns:
        Which outputs, and their terms made ready: all together, or each alone where all tables are too large together.
    """
    named = _named(problem, tuple(terms))
    if not named.alike:
        return _each(problem, terms, threads, most_bytes)

    def make() -> Arrays:
        return make_arrays(
            named.terms[0].trees,
            np.stack([term.trees.leaf_value for term in named.terms]),
            named.owners,
            compared(named.matrix),
            double=named.matrix.dtype == np.float64,
            threads=threads,
            most_bytes=most_bytes,
        )

    key = f"trees {_VERSION} {named.key} {most_bytes}"
    if problem.plans is None:
        arrays = make()
    elif problem.players.kind == "custom":
        # A caller's own players: likely to come back, but not worth a file that anybody can make the service write.
        arrays = cast("Arrays", problem.plans.keep(key, make, lambda found: TreePlan(cast("Arrays", found)).n_bytes))
    else:
        arrays = problem.plans.keep_arrays(key, make)
    plan = TreePlan(arrays)
    if not plan.is_whole and (len(terms) == 1 or not plan.too_large):
        plan = TreePlan(make())  # a file of the right name with something else in it
    if plan.too_large:
        return _each(problem, terms, threads, most_bytes)
    return [(tuple(range(len(terms))), ReadyTerms(named, plan, problem.look_up))]


def _each(
    problem: Problem, terms: Sequence[TreeTerm], threads: int, most_bytes: int
) -> list[tuple[tuple[int, ...], ReadyTerms]]:
    """The terms made ready one by one."""
    return [((i,), ready(problem, [term], threads, most_bytes)[0][1]) for i, term in enumerate(terms)]


def _distinct(terms: Sequence[TreeTerm]) -> list[ColumnFunction]:
    """The preprocessings in front of some terms, each once."""
    found: list[ColumnFunction] = []
    for term in terms:
        if term.columns not in found:
            found.append(term.columns)
    return found


def _same(first: Matrix, other: Matrix) -> bool:
    """Whether two column matrices hold the same numbers; a missing one is the same as another."""
    return first.dtype == other.dtype and np.array_equal(first, other, equal_nan=True)


def same_trees(first: TreeTerm, other: TreeTerm) -> bool:
    """Whether two terms differ in the values of their leaves at most."""
    a, b = first.trees, other.trees
    pairs = (
        (a.roots, b.roots),
        (a.column, b.column),
        (a.mode, b.mode),
        (a.threshold, b.threshold),
        (a.true_child, b.true_child),
        (a.false_child, b.false_child),
        (a.missing_true, b.missing_true),
    )
    return (
        first.owners == other.owners
        and a.members == b.members
        and all(x is y or (x.dtype == y.dtype and x.tobytes() == y.tobytes()) for x, y in pairs)
    )


def kept(problem: Problem, key: str, make: Callable[[], object], n_bytes: Callable[[object], int]) -> object:
    """The value for a key from the problem's store; made anew if there is none."""
    return make() if problem.plans is None else problem.plans.keep(key, make, n_bytes)


def players_key(players: Players) -> str:
    """A digest of who the players are."""
    return hashlib.sha256(repr(players.members).encode()).hexdigest()[:32]


def _named(problem: Problem, terms: tuple[TreeTerm, ...]) -> _Named:
    """The name of a plan. Hashing the trees takes longer than explaining a row, so it is kept with these objects."""

    def make() -> _Named:
        owners = players_of_columns(terms[0].owners, problem.players)
        needed = int(terms[0].trees.column.max(initial=-1)) + 1
        matrices = Matrices(problem.background)
        matrix = matrices(terms[0].columns, needed)
        alike = all(_same(matrix, matrices(columns, needed)) for columns in _distinct(terms)[1:])
        digest = _digest(terms, owners, matrix)
        return _Named(terms, problem.players, problem.background, owners, matrix, alike, digest)

    # The kept object holds what its key names, so no other object can have got one of these numbers meanwhile.
    numbers = [id(problem.background), *(id(term) for term in terms)]
    key = f"tree term {numbers} {players_key(problem.players)}"
    return cast("_Named", kept(problem, key, make, lambda found: cast("_Named", found).n_bytes))


def _digest(terms: tuple[TreeTerm, ...], owners: NDArray[np.int64], matrix: Matrix) -> str:
    """SHA-256 of everything that decides a plan's arrays."""
    trees = terms[0].trees
    members = repr(sorted((node, sorted(values)) for node, values in trees.members.items()))
    parts = [
        trees.roots,
        trees.column,
        trees.mode,
        trees.threshold,
        trees.true_child,
        trees.false_child,
        trees.missing_true,
        owners,
        matrix,
        *(term.trees.leaf_value for term in terms),
    ]
    digest = hashlib.sha256(members.encode())
    for part in parts:
        array = np.ascontiguousarray(part)
        digest.update(f"|{array.dtype.str} {array.shape}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
