"""Answers single rows while no thread waits for them: an event loop begins them, and is told when they have ended."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from xaisvc.engine.behind import Behind
from xaisvc.engine.payload import Payload
from xaisvc.engine.scheduling import as_exception

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.cache import ExplanationCache, SharedFlights
    from xaisvc.engine.question import Question
    from xaisvc.engine.scheduling import Flights, Trip
    from xaisvc.errors import ModelOutputError
    from xaisvc.types import Table


class Single:
    """One row that was begun. It ends once; whoever else waits for the same row is told first.

    Attributes:
        question: How it is to be answered, and for whom.
        key: Name of its answer.
        payload: The row.
        submitted_s: When it was begun, by the clock of who computes.
        found: The answer, or why the model's answer cannot be explained; None where another process is computing the
            row, which somebody has to wait for.
    """

    __slots__ = ("_trip", "found", "key", "payload", "question", "submitted_s")

    def __init__(
        self,
        question: Question,
        key: bytes,
        payload: Payload,
        trip: Trip[bytes, bytes | ModelOutputError],
        submitted_s: float,
    ) -> None:
        self.question = question
        self.key = key
        self.payload = payload
        self.submitted_s = submitted_s
        self.found: Future[bytes | ModelOutputError | None] = Future()
        self._trip = trip

    def land(self, answer: bytes | ModelOutputError) -> None:
        """Ends it with an answer."""
        with self._trip as trip:
            trip.land({self.key: answer})
        self.found.set_result(answer)

    def fail(self, error: BaseException) -> None:
        """Ends it with an error, which others inherit only if it is about them too."""
        with self._trip as trip:
            trip.fail((self.key,), error)
        self.found.set_exception(as_exception(error))

    def step_back(self) -> None:
        """Ends it with nothing, so that somebody who can wait sees to it."""
        self._trip.leave()
        self.found.set_result(None)


class Singles:
    """Begins single rows that do not lie in memory. What lies behind memory is looked for by a thread of its own.

    Args:
        flights: Knows what is being computed.
        cache: Keeps answers.
        submit: Has rows computed; the future fails by itself once nobody waits.
        clock: Monotonic clock in seconds.
    """

    def __init__(
        self,
        flights: Flights[bytes, bytes | ModelOutputError],
        cache: ExplanationCache,
        submit: Callable[[Question, Payload], Future[list[bytes | ModelOutputError]]],
        clock: Callable[[], float],
    ) -> None:
        self._flights = flights
        self._cache = cache
        self._submit = submit
        self._clock = clock
        self._behind: Behind[Single] | None = None if cache.near() is cache else Behind(self._look)

    def begin(self, question: Question, table: Table, key: bytes) -> Single | None:
        """Begins a row; None if somebody in this process is at it already.

        Whatever goes wrong is the outcome.

        Args:
            question: How it is to be answered, and for whom.
            table: The row.
            key: Name of its answer.
        """
        trip = self._flights.lead(key, question.interest)
        if trip is None:
            return None
        single = Single(question, key, Payload(table, (key,), self._cache), trip, self._clock())
        if self._behind is None or not self._behind.add(single):
            self._look((single,))
        return single

    def close(self) -> None:
        """Ends what is looked for."""
        if self._behind is not None:
            self._behind.close()

    def _look(self, singles: Sequence[Single]) -> None:
        """Lands what is cached, and has the rest computed, unless another process is at it."""
        try:
            found = self._cache.get_many([single.key for single in singles])
            missing = []
            for single, answer in zip(singles, found, strict=True):
                if answer is None:
                    missing.append(single)
                else:
                    single.land(answer)
            self._lead(missing)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must leave nobody waiting
            for single in singles:
                if not single.found.done():
                    single.fail(error)

    def _lead(self, singles: Sequence[Single]) -> None:
        """Has computed what no other process is computing."""
        others = self._cache.shared_flights()
        if others is None or not singles:
            for single in singles:
                self._compute(single)
            return
        seconds = max(single.question.lead_s(1) for single in singles)
        leads = others.try_lead([single.key for single in singles], seconds)
        for single, is_ours in zip(singles, leads, strict=True):
            if is_ours:
                self._compute(single, others)
            else:
                single.step_back()

    def _compute(self, single: Single, others: SharedFlights | None = None) -> None:
        """Has a row computed; the other processes are told that it has been, and put, or never will be."""

        def end(error: BaseException | None, found: Sequence[bytes | ModelOutputError]) -> None:
            if others is not None:
                others.release((single.key,))
            if error is None:
                single.land(found[0])
            else:
                single.fail(error)

        try:
            future = self._submit(single.question, single.payload)
        except BaseException as error:  # noqa: BLE001 - the outcome, like any other
            end(error, ())
        else:
            future.add_done_callback(lambda done: end(done.exception(), () if done.exception() else done.result()))
