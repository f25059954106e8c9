"""Answers rows: from the cache, together with other callers who ask the same, or computed in a batch."""

from __future__ import annotations

import itertools
import time
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from xaisvc.cache import CacheKey, MemoryCache, row_names, tenant_salt
from xaisvc.engine.encoded import Encoded
from xaisvc.engine.frames import batch_answers
from xaisvc.engine.payload import Payload
from xaisvc.engine.scheduling import Lane, Task, wait_for
from xaisvc.engine.singles import Singles
from xaisvc.engine.stages import NoStages, Stage
from xaisvc.errors import ModelOutputError
from xaisvc.types import Deadline, ErrorTarget, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from xaisvc.cache import ExplanationCache, Parameter
    from xaisvc.engine.commands import ExplainCommand
    from xaisvc.engine.explainer import Explainer
    from xaisvc.engine.models import Framed
    from xaisvc.engine.question import Question
    from xaisvc.engine.scheduling import Flights, Scheduler
    from xaisvc.engine.singles import Single
    from xaisvc.engine.stages import Stages
    from xaisvc.types import AnswerFrame

RowResult: TypeAlias = bytes | ModelOutputError
"""An encoded answer, or why the model's answer for the row cannot be explained."""

MOST_INTERACTIVE_ROWS = 64
"""Requests of more rows wait behind smaller ones."""

_KEEPING_S = 1e-4
"""What it costs to write an answer to a file or a server and to read it again, in seconds of processor time."""

_MOST_NAMES = 1024


class Answering:
    """Answers rows with as little work as possible. Safe to use from several threads.

    Args:
        scheduler: Computes, in batches across callers.
        flights: Knows what is being computed, so that nothing is computed twice at the same time.
        cache: Keeps answers.
        secret: Keeps tenants apart in the cache.
        clock: Monotonic clock in seconds; the scale of `Interest.until`.
        thread_clock: Processor time that the thread that asks has had, in seconds.
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
        thread_clock: Callable[[], float] = time.thread_time,
        stages: Stages | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.cache = cache
        self._stages = stages or NoStages()
        self._flights = flights
        self._secret = secret
        self._clock = clock
        self._thread_clock = thread_clock
        self._shared_name = lru_cache(maxsize=_MOST_NAMES)(self._make_shared_name)
        near = cache.near()
        self._memory = near if isinstance(near, MemoryCache) else None
        self._singles = Singles(flights, cache, self._submit, clock)

    def answers(self, question: Question, table: Table) -> list[RowResult]:
        """One encoded answer for each row, in order; or why the model's answer for it cannot be explained.

        Args:
            question: How they are to be answered, and for whom.
            table: The rows, validated.

        Raises:
            BusyError: If there is no room for the work.
            TooLateError: If the deadline passed before the answer was there.
            AbandonedError: If the caller has left.
            ModelOutputError: If no row of this model can be explained.
        """
        if isinstance(question.framed.frame.budget, Deadline):  # depends on the time it is given: of no use to others
            return self._compute(question, Payload(table))
        keys = self._names(question, table)
        places = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))  # the first of those that repeat
        places = dict(zip(keys, map(places.__getitem__, keys), strict=True))
        cache = self._cache_for(question.framed, table)
        found = _cached(cache, list(places))
        missing = [key for key in places if key not in found]
        if missing:
            found |= self._flights.share(
                missing, question.interest, lambda lead: self._lead(question, table, lead, places, cache)
            )
        return [found[key] for key in keys]

    def name(self, question: Question, table: Table) -> bytes | None:
        """The name of a single row's answer; None if nobody else can use that answer."""
        return None if isinstance(question.framed.frame.budget, Deadline) else self._names(question, table)[0]

    def at_once(self, key: bytes) -> bytes | None:
        """The answer of this name, if it lies in this process's memory. Waits for nothing."""
        found = None if self._memory is None else self._memory.glance_many((key,))
        return None if found is None else found[0]

    def check_room(self, question: Question) -> None:
        """Refuses a single row for which there is no room, before anything is begun for it.

        Raises:
            BusyError: If there is no room for the work.
            TooLateError: If the deadline has passed.
            AbandonedError: If the caller has left.
        """
        self.scheduler.check_room(Lane.INTERACTIVE, question.caller.id, question.interest)

    def begin(self, question: Question, table: Table, key: bytes) -> Single | None:
        """Begins to answer a single row that is not in memory, for `ended`. Waits for nothing.

        Args:
            question: How it is to be answered, and for whom. Once they have left, what was begun ends by itself.
            table: The row, validated.
            key: Its `name`.

        Returns:
            None if somebody in this process is computing the row already: only `answers` waits for them. Whatever goes
            wrong is the outcome.
        """
        return self._singles.begin(question, table, key)

    def ended(self, single: Single) -> RowResult | None:
        """What became of a row that was begun, once `found` is done; None if it is `answers` that waits for it.

        Raises:
            XaisvcError: As `answers`.
        """
        found = single.found.result()
        self._spent(single.question, single.payload, single.submitted_s)
        return found

    def close(self, grace_s: float) -> bool:
        """Finishes what is being computed, at most `grace_s`, and lets go of the cache.

        Returns:
            Whether everything was finished.
        """
        finished = self.scheduler.close(grace_s)
        self._singles.close()
        self.cache.close()
        return finished

    def _names(self, question: Question, table: Table) -> tuple[bytes, ...]:
        return row_names(self._shared_name(question.framed, question.caller.tenant), table.row_digests())

    def _make_shared_name(self, framed: Framed, tenant: str) -> bytes:
        return cache_key(framed.frame).shared(tenant_salt(self._secret, tenant))

    def _cache_for(self, framed: Framed, table: Table) -> ExplanationCache:
        """Where answers are looked for and kept: only in memory what is computed sooner than written and read."""
        is_quick = len(table) > MOST_INTERACTIVE_ROWS and framed.pace.row_s < _KEEPING_S
        return self.cache.near() if is_quick else self.cache

    def _lead(
        self,
        question: Question,
        table: Table,
        keys: Sequence[bytes],
        places: Mapping[bytes, int],
        cache: ExplanationCache,
    ) -> dict[bytes, RowResult]:
        """Computes rows that nobody else in this process is computing, unless another process is."""

        def computed(keys: Sequence[bytes]) -> dict[bytes, RowResult]:
            if not keys:
                return {}
            payload = Payload(_rows(table, list(map(places.__getitem__, keys))), tuple(keys), cache)
            return dict(zip(keys, self._compute(question, payload), strict=True))

        others = cache.shared_flights()
        # Somebody may have landed them a moment ago. What lies behind memory is not asked again, but by `try_lead`.
        found = _cached(cache.near(), keys)
        keys = [key for key in keys if key not in found]
        if others is None or not keys:
            return found | computed(keys)
        leads = others.try_lead(keys, question.lead_s(len(keys)))
        mine = [key for key, lead in zip(keys, leads, strict=True) if lead]
        try:
            found |= computed(mine)
        finally:
            others.release(mine)
        theirs = [key for key, lead in zip(keys, leads, strict=True) if not lead]
        if theirs:
            at_most_s = min(question.seconds(len(keys)), question.interest.until - self._clock())
            waited = others.wait_for(theirs, max(0.0, at_most_s))
            found |= {key: value for key, value in zip(theirs, waited, strict=True) if value is not None}
            found |= computed([key for key in theirs if key not in found])
        return found

    def _compute(self, question: Question, payload: Payload) -> list[RowResult]:
        submitted_s = self._clock()
        found = wait_for(self._submit(question, payload), question.interest, self._clock)
        self._spent(question, payload, submitted_s)
        return found

    def _spent(self, question: Question, payload: Payload, submitted_s: float) -> None:
        if not payload.began:  # it was found behind memory
            return
        name, method, began_s = question.model.name, question.command.method, payload.began[0]
        self._stages.spent(Stage.WAIT, name, method, submitted_s, began_s)
        self._stages.spent(Stage.COMPUTE, name, method, began_s, self._clock())

    def _submit(self, question: Question, payload: Payload) -> Future[list[RowResult]]:
        """Has rows computed, together with those of others that are asked for in the same way and may be kept."""
        framed, rows = question.framed, len(payload)
        task = Task(
            key=framed if payload.keys else object(),
            rows=payload,
            cost=rows * framed.model_rows,
            lane=Lane.INTERACTIVE if rows <= MOST_INTERACTIVE_ROWS else Lane.BULK,
            caller=question.caller.id,
            interest=question.interest,
        )
        # Not the question: a batch is computed by the function of its first task, whoever asked.
        explainer, command, stages, clock = question.model.explainer, question.command, self._stages, self._clock
        # What a row costs, however busy the machine is with others. A GPU works while the thread waits for it.
        spent = clock if framed.frame.device == "cuda" else self._thread_clock

        def compute(parts: Sequence[Payload], cancel: Callable[[], bool]) -> list[list[RowResult]]:
            now = clock()
            for part in parts:
                part.began.append(now)
            together = parts[0].table if len(parts) == 1 else Table.concat([part.table for part in parts])
            began = spent()
            answers = iter(_explain(explainer, command, together, cancel, stages))
            framed.pace.computed(len(together), spent() - began)
            found = [list(itertools.islice(answers, len(part))) for part in parts]
            _keep(parts, found)
            return found

        return self.scheduler.submit(task, compute)


def _cached(cache: ExplanationCache, keys: Sequence[bytes]) -> dict[bytes, RowResult]:
    values = cache.get_many(keys)
    if values.count(None) == len(values):
        return {}
    return {key: value for key, value in zip(keys, values, strict=True) if value is not None}


def _rows(table: Table, places: list[int]) -> Table:
    """The rows at these places; the table itself if these are all, which copies nothing."""
    return table if places == list(range(len(table))) else table.take(places)


def _keep(parts: Sequence[Payload], found: Sequence[Sequence[RowResult]]) -> None:
    """Puts answers into their caches, all that go into the same one at a time."""
    puts: dict[int, tuple[ExplanationCache, dict[bytes, bytes]]] = {}
    for part, answers in zip(parts, found, strict=True):
        if part.cache is not None:
            _, values = puts.setdefault(id(part.cache), (part.cache, {}))
            # As bytes, without what they were made of, which takes more room.
            values |= {key: bytes(one) for key, one in zip(part.keys, answers, strict=True) if isinstance(one, bytes)}
    for cache, values in puts.values():
        cache.put_many(values)


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
        return [*Encoded.each(batch_answers(batch))]
    except ModelOutputError as error:
        if error.whatever_rows:
            raise
        if len(rows) == 1:
            return [error]
    middle = len(rows) // 2
    first, second = rows.take(slice(0, middle)), rows.take(slice(middle, len(rows)))
    return [answer for part in (first, second) for answer in _explain(explainer, command, part, cancel, stages)]
