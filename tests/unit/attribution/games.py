"""Small models over tables, for the tests of attribution."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import Feature, Kind, Players, Problem, Settings, Space, Table, TensorColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types import Budget


@dataclass
class MatrixModel:
    """A function of a float matrix as a model of a table; counts what it is asked.

    Attributes:
        function: From (n, p) to (n,).
        calls: Number of rows of every call so far.
    """

    function: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    calls: list[int] = field(default_factory=list)

    def __call__(self, rows: Table) -> NDArray[np.float64]:
        self.calls.append(len(rows))
        return self.function(np.column_stack(list(rows.columns.values())).astype(np.float64))


def table(matrix: NDArray[np.float64]) -> Table:
    """Columns x0, x1, ... of a matrix."""
    return Table({f"x{j}": matrix[:, j].copy() for j in range(matrix.shape[1])})


def alone(names: Sequence[str]) -> Players:
    """Every feature as a player."""
    return Players(names=tuple(names), members=tuple((name,) for name in names))


def matrix_problem(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    background: NDArray[np.float64],
    *,
    players: Players | None = None,
    space: Space = Space.RAW,
) -> Problem:
    """A problem about a function of a float matrix."""
    rows = table(background)
    return Problem(
        model=MatrixModel(function), background=rows, players=players or alone(rows.feature_ids), space=space
    )


def n_model_rows(problem: Problem) -> int:
    """Rows that a `MatrixModel` was asked for so far."""
    assert isinstance(problem.model, MatrixModel)
    return sum(problem.model.calls)


def row_seeds(rows: Table, seed: int = 0) -> tuple[bytes, ...]:
    """Seeds made from a row and the caller's seed, as the engine makes them."""
    return tuple(hashlib.blake2b(digest + str(seed).encode(), digest_size=32).digest() for digest in rows.row_digests())


def settings(
    rows: Table,
    *,
    budget: Budget | None = None,
    seed: int = 0,
    max_batch_rows: int = 16384,
    clock: Callable[[], float] = lambda: 0.0,
) -> Settings:
    """Settings for rows; the clock stands still."""
    return Settings(
        budget=budget,
        seed=seed,
        row_seeds=row_seeds(rows, seed),
        clock=clock,
        max_batch_rows=max_batch_rows,
        plan_seed=hashlib.blake2b(str(seed).encode(), digest_size=32).digest(),
    )


def ticking_clock(step_s: float) -> Callable[[], float]:
    """A clock that goes on by `step_s` whenever it is read."""
    ticks = itertools.count()
    return lambda: next(ticks) * step_s


def twisted(p: int, seed: int = 0) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A smooth function of p numbers with interactions of all orders."""
    weights = np.random.default_rng(seed).normal(size=(p, 6))
    # einsum, because a product by BLAS may give a row other bits beside other rows, as it does on some processors
    return lambda matrix: np.tanh(np.einsum("nf,fh->nh", matrix, weights)).sum(axis=1) + matrix[:, 0] * matrix[:, -1]


def normal(seed: int, n: int, p: int) -> NDArray[np.float64]:
    """An (n, p) matrix of standard normals."""
    return np.random.default_rng(seed).normal(size=(n, p))


def features(kinds: Mapping[str, Kind], concepts: Mapping[str, str] | None = None) -> tuple[Feature, ...]:
    """Features of a schema; `concepts` gives a feature its concept."""
    return tuple(
        Feature(id=name, kind=kind, source=TensorColumn(tensor=name), concept=(concepts or {}).get(name))
        for name, kind in kinds.items()
    )
