"""Answers rows: from the cache, together with other callers who ask the same, or computed in a batch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from xaisvc.cache import CacheKey, MemoryCache, row_names, tenant_salt
from xaisvc.engine.frames import row_answers
from xaisvc.engine.models import choices_key
from xaisvc.engine.payload import Payload
from xaisvc.engine.scheduling import Lane, Task, wait_for
from xaisvc.engine.stages import NoStages, Stage
from xaisvc.errors import ModelOutputError
from xaisvc.records.answers import encode_answers
from xaisvc.types import Deadline, ErrorTarget, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from xaisvc.cache import ExplanationCache, Parameter
    from xaisvc.engine.commands import ExplainCommand
    from xaisvc.engine.explainer import Explainer
    from xaisvc.engine.models import Framed, ServedModel
    from xaisvc.engine.scheduling import Flights, Scheduler
    from xaisvc.engine.stages import Stages
    from xaisvc.types import AnswerFrame, Caller, Interest

RowResult: TypeAlias = bytes | ModelOutputError
"""An encoded answer, or why the model's answer for the row cannot be explained."""

MOST_INTERACTIVE_ROWS = 64
"""Requests of more rows wait behind smaller ones."""

_KEEPING_S = 1e-4
"""What it costs to write an answer to a file or a server and to read it again, in seconds."""

_MOST_NAMES = 1024
_SECONDS_PER_MODEL_ROW = 2e-6
_LEAST_LEAD_S, _MOST_LEAD_S = 1.0, 60.0


class Answering:
    """Answers rows with as little work as possible. Safe to use from several threads.

    Args:
        scheduler: Computes, in batches across callers.
        flights: Knows what is being computed, so that nothing is computed twice at the same time.
        cache: Keeps answers.
        secret: Keeps tenants apart in the cache.
        clock: Monotonic clock in seconds; the scale of `Interest.until`.
        stages: Told how long requests wait and are computed; nobody if None.
    """

    def __init__(  # noqa: PLR0913 - composes itself from its parts, most by name
        self,
        scheduler: Scheduler[Payload, RowResult],
        flights: Flights[bytes, RowResult],
        cache: ExplanationCache,
        *,
        secret: bytes,
        clock: Callable[[], float] = time.monotonic,
        stages: Stages | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.cache = cache
        self._stages = stages or NoStages()
        self._flights = flights
        self._secret = secret
        self._clock = clock
        self._shared_name = lru_cache(maxsize=_MOST_NAMES)(self._make_shared_name)

    def answers(  # noqa: PLR0913, PLR0917 - one request in its parts
        self,
        model: ServedModel,
        framed: Framed,
        command: ExplainCommand,
        table: Table,
        caller: Caller,
        interest: Interest,
    ) -> list[RowResult]:
        """One encoded answer for each row, in order; or why the model's answer for it cannot be explained.

        Args:
            model: The version of the model that answers.
            framed: What the request comes to.
            command: The request.
            table: Its rows, validated.
            caller: Who asks.
            interest: Whether they still wait.

        Raises:
            BusyError: If there is no room for the work.
            TooLateError: If the deadline passed before the answer was there.
            AbandonedError: If the caller has left.
            ModelOutputError: If no row of this model can be explained.
        """
        question = _Question(model, framed, command, caller, interest, self._cache_for(framed, table))
        if isinstance(framed.frame.budget, Deadline):  # depends on the time it is given: nobody else can use it
            return self._compute(question, table, object())
        keys = row_names(self._shared_name(framed, caller.tenant), table.row_digests())
        places: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            places.setdefault(key, place)
        found = _cached(question.cache, list(places))
        missing = [key for key in places if key not in found]
        if missing:
            found |= self._flights.share(missing, interest, lambda lead: self._lead(question, table, lead, places))
        return [found[key] for key in keys]

    def at_once(self, framed: Framed, table: Table, caller: Caller) -> list[bytes] | None:
        """One encoded answer for each row, if all of them lie in this process's memory; else None. Waits for nothing.

        Args:
            framed: What the request comes to.
            table: Its rows, validated.
            caller: Who asks.
        """
        memory = self.cache.near()
        if not isinstance(memory, MemoryCache) or isinstance(framed.frame.budget, Deadline):
            return None
        found = memory.glance_many(row_names(self._shared_name(framed, caller.tenant), table.row_digests()))
        return None if found is None else list(found)

    def close(self, grace_s: float) -> bool:
        """Finishes what is being computed, at most `grace_s`, and lets go of the cache.

        Returns:
            Whether everything was finished.
        """
        finished = self.scheduler.close(grace_s)
        self.cache.close()
        return finished

    def _make_shared_name(self, framed: Framed, tenant: str) -> bytes:
        return cache_key(framed.frame).shared(tenant_salt(self._secret, tenant))

    def _cache_for(self, framed: Framed, table: Table) -> ExplanationCache:
        """Where answers are looked for and kept: only in memory what is computed sooner than written and read."""
        is_quick = len(table) > MOST_INTERACTIVE_ROWS and framed.pace.row_s < _KEEPING_S
        return self.cache.near() if is_quick else self.cache

    def _lead(
        self, question: _Question, table: Table, keys: Sequence[bytes], places: Mapping[bytes, int]
    ) -> dict[bytes, RowResult]:
        """Computes rows that nobody else in this process is computing, unless another process is."""
        others = question.cache.shared_flights()
        # Somebody may have landed them a moment ago. What lies behind memory is not asked again, but by `try_lead`.
        found = _cached(question.cache.near(), keys)
        keys = [key for key in keys if key not in found]
        if others is None or not keys:
            return found | self._computed(question, table, keys, places)
        seconds = len(keys) * question.framed.model_rows * _SECONDS_PER_MODEL_ROW
        leads = others.try_lead(keys, min(max(_LEAST_LEAD_S, 2 * seconds), _MOST_LEAD_S))
        mine = [key for key, lead in zip(keys, leads, strict=True) if lead]
        try:
            found |= self._computed(question, table, mine, places)
        finally:
            others.release(mine)
        theirs = [key for key, lead in zip(keys, leads, strict=True) if not lead]
        if theirs:
            at_most_s = min(seconds, question.interest.until - self._clock())
            waited = others.wait_for(theirs, max(0.0, at_most_s))
            found |= {key: value for key, value in zip(theirs, waited, strict=True) if value is not None}
            found |= self._computed(question, table, [key for key in theirs if key not in found], places)
        return found

    def _computed(
        self, question: _Question, table: Table, keys: Sequence[bytes], places: Mapping[bytes, int]
    ) -> dict[bytes, RowResult]:
        if not keys:
            return {}
        rows = table.take([places[key] for key in keys])
        batch_key = (id(question.model), *choices_key(question.command))
        found = dict(zip(keys, self._compute(question, rows, batch_key), strict=True))
        question.cache.put_many({key: value for key, value in found.items() if isinstance(value, bytes)})
        return found

    def _compute(self, question: _Question, rows: Table, key: Hashable) -> list[RowResult]:
        interest, command = question.interest, question.command
        payload = Payload(rows)
        task = Task(
            key=key,
            rows=payload,
            cost=len(rows) * question.framed.model_rows,
            lane=Lane.INTERACTIVE if len(rows) <= MOST_INTERACTIVE_ROWS else Lane.BULK,
            caller=question.caller.id,
            interest=interest,
        )
        model, stages, clock = question.model, self._stages, self._clock

        def compute(parts: Sequence[Payload], cancel: Callable[[], bool]) -> list[list[RowResult]]:
            now = clock()
            for part in parts:
                part.began.append(now)
            together = parts[0].table if len(parts) == 1 else Table.concat([part.table for part in parts])
            answers = iter(_explain(model.explainer, command, together, cancel, stages))
            question.framed.pace.computed(len(together), clock() - now)
            return [[next(answers) for _ in range(len(part))] for part in parts]

        submitted = clock()
        found = wait_for(self.scheduler.submit(task, compute), interest, clock)
        began = payload.began[0]
        stages.spent(Stage.WAIT, model.name, command.method, submitted, began)
        stages.spent(Stage.COMPUTE, model.name, command.method, began, clock())
        return found


@dataclass(frozen=True, slots=True)
class _Question:
    """One request, so far as rows are answered by it."""

    model: ServedModel
    framed: Framed
    command: ExplainCommand
    caller: Caller
    interest: Interest
    cache: ExplanationCache


def _cached(cache: ExplanationCache, keys: Sequence[bytes]) -> dict[bytes, RowResult]:
    return {key: value for key, value in zip(keys, cache.get_many(keys), strict=True) if value is not None}


def cache_key(frame: AnswerFrame) -> CacheKey:
    """What all rows of a request share of the name of their cached answers."""
    budget = frame.budget
    parameters: list[tuple[str, Parameter]] = [("device", frame.device)]
    if isinstance(budget, ErrorTarget):
        parameters.append(("standard_error", budget.standard_error))
    elif isinstance(budget, int):
        parameters.append(("budget", budget))
    return CacheKey(
        answer_version=frame.answer_version,
        digests=frame.digests,
        output=frame.output,
        space=frame.space,
        method=frame.method,
        parameters=tuple(parameters),
        seed=frame.seed,
        value_function=frame.value_function,
        players=frame.players,
    )


def _explain(
    explainer: Explainer, command: ExplainCommand, rows: Table, cancel: Callable[[], bool], stages: Stages
) -> list[RowResult]:
    """Explains rows as one batch; where the model cannot answer, halves it until the rows at fault stand alone."""
    try:
        batch = explainer.explain_table(
            rows,
            method=command.method,
            output=command.output,
            players=command.players,
            budget=command.budget,
            seed=command.seed,
            space=command.space,
            cancel=cancel,
        )
        scored = int(batch.model_evaluations.sum())
        stages.computed(explainer.bundle.description.name, batch.method, len(batch), scored)
        return [*encode_answers(row_answers(batch))]
    except ModelOutputError as error:
        if error.whatever_rows:
            raise
        if len(rows) == 1:
            return [error]
    middle = len(rows) // 2
    first, second = rows.take(slice(0, middle)), rows.take(slice(middle, len(rows)))
    return [answer for part in (first, second) for answer in _explain(explainer, command, part, cancel, stages)]
