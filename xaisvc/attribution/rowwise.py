"""Rows one by one: what every model-agnostic method does around its own arithmetic.

A row is computed from itself, its seed and the problem, never from its neighbours, so its answer is the same alone, in
a batch and in another order. Rows that repeat are computed once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xaisvc.attribution.masking import score
from xaisvc.types import Attribution, Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types import Problem, Settings, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTask:
    """One row to explain.

    Attributes:
        row: The row, as a table of one.
        output: f(row).
        seed: The row's own 32 bytes.
        end: Reading of `clock` at which a deadline ends for this row; infinity without a deadline.
        clock: Monotonic clock in seconds.
    """

    row: Table
    output: float
    seed: bytes
    end: float
    clock: Callable[[], float]

    def generator(self, *, stream: int = 0) -> np.random.Generator:
        """A generator that gives the same numbers for the same row, seed and stream on every machine."""
        return np.random.Generator(np.random.PCG64([int.from_bytes(self.seed, "little"), stream]))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAnswer:
    """The attribution of one row.

    Attributes:
        values: float64, (p,).
        standard_errors: float64, (p,).
        base_value: What the values are added to.
        model_evaluations: Model rows this row costs when it is explained alone.
        n_coalitions: Coalitions (LIME: samples) evaluated.
        exact: Whether the values are exact.
        target_met: False if an error target was not reached.
        diagnostics: Name to number; empty if the method has none.
    """

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    base_value: float
    model_evaluations: int
    n_coalitions: int
    exact: bool
    target_met: bool = True
    diagnostics: Mapping[str, float] = field(default_factory=dict)


class RowMethod(Protocol):
    """A method's arithmetic for one row."""

    def __call__(self, task: RowTask) -> RowAnswer:
        """Explains one row."""
        ...


def by_row(
    problem: Problem,
    rows: Table,
    settings: Settings,
    explain: RowMethod,
) -> tuple[list[RowAnswer], NDArray[np.float64]]:
    """Explains rows one by one, each distinct row once.

    Args:
        problem: What is explained.
        rows: n rows.
        settings: A deadline is shared out evenly among the distinct rows.
        explain: Explains one row.

    Returns:
        One answer per row, and the outputs f(row), float64, (n,).
    """
    start = settings.clock()
    digests = rows.row_digests() if len(rows) > 1 else (b"",) * len(rows)
    places: dict[tuple[bytes, bytes], list[int]] = {}
    for index, key in enumerate(zip(digests, settings.row_seeds, strict=True)):
        places.setdefault(key, []).append(index)

    answers: dict[int, RowAnswer] = {}
    outputs = np.empty(len(rows))
    for n_done, ((_, seed), indices) in enumerate(places.items()):
        row = rows.take([indices[0]])
        output = float(score(problem, row, "explained rows")[0])
        task = RowTask(
            row=row,
            output=output,
            seed=seed,
            end=_end_of_row(settings, start, n_left=len(places) - n_done),
            clock=settings.clock,
        )
        answer = explain(task)
        for index in indices:
            answers[index] = answer
            outputs[index] = output
    return [answers[index] for index in range(len(rows))], outputs


def _end_of_row(settings: Settings, start: float, *, n_left: int) -> float:
    if not isinstance(settings.budget, Deadline):
        return float("inf")
    now = settings.clock()
    return now + max(0.0, start + settings.budget.seconds - now) / n_left


def assemble(  # noqa: PLR0913 - one keyword for each part of an answer that methods word themselves
    problem: Problem,
    answers: Sequence[RowAnswer],
    outputs: NDArray[np.float64],
    *,
    method: str,
    detail: str,
    value_function: str = "interventional",
) -> Attribution:
    """Puts the answers of n rows into one `Attribution`."""
    shape = (len(answers), len(problem.players))
    return Attribution(
        values=np.array([answer.values for answer in answers]).reshape(shape),
        base_values=np.array([answer.base_value for answer in answers], dtype=np.float64),
        outputs=outputs,
        standard_errors=np.array([answer.standard_errors for answer in answers]).reshape(shape),
        method=method,
        exact=all(answer.exact for answer in answers),
        model_evaluations=np.array([answer.model_evaluations for answer in answers], dtype=np.int64),
        detail=detail,
        diagnostics=tuple(answer.diagnostics for answer in answers if answer.diagnostics),
        value_function=value_function,
    )
