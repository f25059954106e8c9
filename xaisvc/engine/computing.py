"""Computes the answers of a call chunk by chunk. A row's answer is the same in any chunk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from xaisvc.types import Attribution, Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.attribution import Plan
    from xaisvc.engine.chunks import ChunkPlan
    from xaisvc.engine.progress import Ticker
    from xaisvc.types import ModelFunction, Output, Problem, Settings, Table

    Repeats = tuple[NDArray[np.intp], NDArray[np.intp]]

_LEAST_SECONDS = 1e-6


@runtime_checkable
class ManyOutputs(Protocol):
    """A method that answers several problems of one graph, background and set of players in one pass."""

    def attribute_outputs(self, problems: Sequence[Problem], rows: Table, settings: Settings) -> Sequence[Attribution]:
        """One attribution per problem, each as `AttributionMethod.attribute` gives it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One output to explain.

    Attributes:
        target: The output.
        problem: What is explained.
        plan: The method that runs, and why.
        tensor: Scores rows in the tensor's own unit; None where that is the unit explained.
    """

    target: Output
    problem: Problem
    plan: Plan
    tensor: ModelFunction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one job for n rows.

    Attributes:
        attribution: The numbers.
        predictions: Output tensor of each row, in the tensor's own unit; float64, (n,).
    """

    attribution: Attribution
    predictions: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is the same for all chunks of a call.

    Attributes:
        jobs: The outputs to explain.
        settings: How the methods run; a chunk has seeds of its own rows, and a deadline is shared out.
        rows: All rows of the call; the settings have their seeds already.
        seeds: The seeds of other rows, those of a chunk.
        chunks: How the call is cut up.
        ticker: How far the call is.
        end: Reading of the clock at which a deadline ends.
    """

    jobs: tuple[Job, ...]
    settings: Settings
    rows: Table
    seeds: Callable[[Table], Sequence[bytes]]
    chunks: ChunkPlan
    ticker: Ticker
    end: float


def answer(work: Work, rows: Table, repeats: Repeats | None) -> list[Answer]:
    """Answers all jobs for n rows.

    Args:
        work: What to do.
        rows: The rows.
        repeats: `Table.distinct` of the rows. Rows that repeat are computed once.

    Returns:
        One answer per job, with n rows each.

    Raises:
        AbandonedError: If nobody waits any more.
    """
    if repeats is None:
        return _merged(work, rows, None)
    first, inverse = repeats
    found = _merged(work, rows.take(first), np.bincount(inverse))
    return [_spread(one, inverse) for one in found]


def _merged(work: Work, rows: Table, weights: NDArray[np.intp] | None) -> list[Answer]:
    """Answers for distinct rows; `weights` says how many rows of the call each stands for, None for one each."""
    count = len(rows)
    mergers = [_Merger(count) for _ in work.jobs]
    for chunk, part, settings in cut(work, rows, weights):
        for merger, job, attribution in zip(mergers, work.jobs, _attribute(work.jobs, part, settings), strict=True):
            merger.add(chunk, attribution, _predictions(job, attribution, part))
    return [merger.answer() for merger in mergers]


def cut(work: Work, rows: Table, weights: NDArray[np.intp] | None) -> Iterator[tuple[slice, Table, Settings]]:
    """The chunks with their rows and settings: seeds, and a fair share of what is left of a deadline."""
    settings, ticker = work.settings, work.ticker
    count, start = len(rows), 0
    timed, until = isinstance(settings.budget, Deadline), 0.0
    if timed:
        now = settings.clock()
        stands_for = count if weights is None else int(weights.sum())
        until = now + max(0.0, work.end - now) * stands_for / max(1, ticker.rows_left)
    while start < count:
        settings.check()
        chunk = slice(start, min(count, start + ticker.piece(work.chunks.chunk_rows)))
        n_rows = chunk.stop - chunk.start
        part = rows.take(chunk)
        own = settings if part is work.rows else replace(settings, row_seeds=work.seeds(part))
        if timed:
            seconds = (until - settings.clock()) * n_rows / (count - start)
            own = replace(own, budget=Deadline(max(_LEAST_SECONDS, seconds)))
        yield chunk, part, own
        ticker.advance(n_rows, n_rows if weights is None else int(weights[chunk].sum()))
        start = chunk.stop


def _attribute(jobs: Sequence[Job], rows: Table, settings: Settings) -> Sequence[Attribution]:
    method = jobs[0].plan.method
    together = len(jobs) > 1 and all(job.plan.method is method for job in jobs)
    if together and isinstance(method, ManyOutputs):
        return method.attribute_outputs([job.problem for job in jobs], rows, settings)
    found = []
    for place, job in enumerate(jobs):
        own = settings
        if isinstance(settings.budget, Deadline):
            # Each output gets an equal part; what one leaves over is not carried on, so that the order does not matter.
            own = replace(settings, budget=Deadline(settings.budget.seconds / len(jobs)))
        if place:
            settings.check()
        found.append(job.plan.method.attribute(job.problem, rows, own))
    return found


def _predictions(job: Job, found: Attribution, rows: Table) -> NDArray[np.float64] | None:
    """The output tensor of each row, scored here unless the method has done it; None if the outputs are just that."""
    if job.tensor is None:
        return None
    return job.tensor(rows) if found.predictions is None else found.predictions


class _Merger:
    """Puts the answers of chunks together in arrays made once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._whole: Answer | None = None
        self._is_one = False
        self._details: list[str] = []
        self._detail_rows = 0
        self._exact = True
        self._diagnostics: list[Mapping[str, float]] = []
        self._own: list[tuple[bool, str]] = []

    def add(self, chunk: slice, found: Attribution, predictions: NDArray[np.float64] | None) -> None:
        """Takes in the answer of the rows of `chunk`; without predictions, the outputs are the predictions."""
        if chunk == slice(0, self._count):  # one chunk holds everything: nothing to copy
            self._whole = Answer(attribution=found, predictions=found.outputs if predictions is None else predictions)
            self._is_one = True
            return
        if self._whole is None:
            outputs = np.empty(self._count)
            whole = replace(
                found,
                values=np.empty((self._count, found.values.shape[1])),
                base_values=np.empty(self._count),
                outputs=outputs,
                # Zeros that nobody writes to take no memory, as for exact methods.
                standard_errors=np.zeros((self._count, found.values.shape[1])),
                model_evaluations=np.empty(self._count, dtype=np.int64),
            )
            self._whole = Answer(
                attribution=whole, predictions=outputs if predictions is None else np.empty(self._count)
            )
        whole = self._whole.attribution
        whole.values[chunk] = found.values
        whole.base_values[chunk] = found.base_values
        whole.outputs[chunk] = found.outputs
        whole.model_evaluations[chunk] = found.model_evaluations
        if not found.exact:
            whole.standard_errors[chunk] = found.standard_errors
        if predictions is not None:
            self._whole.predictions[chunk] = predictions
        self._exact = self._exact and found.exact
        self._diagnostics.extend(found.diagnostics)
        self._own.extend(found.own or [(found.exact, found.detail)] * len(found.values))
        if not self._details or found.detail == self._details[0]:
            self._details = self._details or [found.detail]
        elif len(self._details) == 1:
            self._detail_rows = chunk.start
            self._details.append(found.detail)

    def answer(self) -> Answer:
        """Everything that was taken in."""
        if self._whole is None:
            raise AssertionError("a call has at least one row")
        if self._is_one:
            return self._whole
        detail = self._details[0]
        if len(self._details) > 1:
            detail += f" (These counts are of the first {self._detail_rows:,} of {self._count:,} rows worked on.)"
        found = replace(
            self._whole.attribution,
            detail=detail,
            exact=self._exact,
            diagnostics=tuple(self._diagnostics),
            own=tuple(self._own) if len(set(self._own)) > 1 else (),
            predictions=None,  # those of all chunks are in the answer
        )
        return replace(self._whole, attribution=found)


def _spread(found: Answer, inverse: NDArray[np.intp]) -> Answer:
    """The answers of distinct rows, for all rows that are like them."""
    one = found.attribution
    outputs = one.outputs[inverse]
    values = one.values[inverse]
    spread = replace(
        one,
        values=values,
        base_values=one.base_values[inverse],
        outputs=outputs,
        standard_errors=np.zeros(values.shape) if one.exact else one.standard_errors[inverse],
        model_evaluations=one.model_evaluations[inverse],
        diagnostics=tuple(one.diagnostics[i] for i in inverse) if one.diagnostics else (),
        own=tuple(one.own[i] for i in inverse) if one.own else (),
    )
    same = found.predictions is one.outputs
    return Answer(attribution=spread, predictions=outputs if same else found.predictions[inverse])
