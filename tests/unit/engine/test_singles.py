"""Single rows that no thread waits for: begun by an event loop, looked for, computed together, and ended once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.cache import MemoryCache, TieredCache
from xaisvc.cache.base import CacheOptions
from xaisvc.engine.answered import Repeated, Underway
from xaisvc.engine.commands import ExplainCommand
from xaisvc.engine.loading import Capacity, build_service
from xaisvc.errors import AbandonedError, BusyError, RuntimeUnavailableError, TooLateError
from xaisvc.records import EventKind, MemoryRecordStore
from xaisvc.types import LOCAL, Caller, Interest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from xaisvc.engine.commands import RowOutcome
    from xaisvc.engine.service import ExplanationService

ROWS = [{"a": float(a), "b": float(b)} for a, b in np.random.default_rng(6).uniform(0.5, 3.0, (20, 2))]
NOT_FINITE = {"a": 0.0, "b": 1.0}
WAIT_S = 30.0


def command(row: Mapping[str, object], **changes: object) -> ExplainCommand:
    return ExplainCommand(**{"bundle": "log-model", "rows": [row], "method": "kernel", **changes})  # type: ignore[arg-type]


class FarCache(MemoryCache):
    """Stands for a cache in a file or on a server, whose every look waits until it may go on."""

    def __init__(self) -> None:
        super().__init__(CacheOptions())
        self.looks: list[int] = []
        self.looking = threading.Semaphore(0)
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.error: Exception | None = None

    def get_many(self, keys: Sequence[bytes]) -> tuple[bytes | None, ...]:
        self.looks.append(len(keys))
        self.looking.release()
        assert self.may_go_on.wait(WAIT_S)
        if self.error is not None:
            raise self.error
        return super().get_many(keys)


class Gate:
    """Computations that stand still until they are let go."""

    def __init__(self, service: ExplanationService, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[int] = []
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        explainer = next(iter(service.models)).explainer
        real = explainer.explain_table

        def slow(rows: object, **choices: object) -> object:
            self.rows.append(len(rows))  # type: ignore[arg-type]
            self.begun.release()
            assert self.may_end.wait(WAIT_S)
            return real(rows, **choices)  # type: ignore[arg-type]

        monkeypatch.setattr(explainer, "explain_table", slow)


@pytest.fixture
def store() -> MemoryRecordStore:
    return MemoryRecordStore()


@pytest.fixture
def far() -> FarCache:
    return FarCache()


@pytest.fixture
def serve(bundle_dir: Path, store: MemoryRecordStore) -> Iterator[Callable[..., ExplanationService]]:
    """Makes services that know the kind of the requests here already."""
    made: list[ExplanationService] = []

    def make(*, known: bool = True, **parts: object) -> ExplanationService:
        service = build_service([bundle_dir], record_store=store, device="cpu", **parts)  # type: ignore[arg-type]
        made.append(service)
        if known:
            next(iter(service.models)).framed(command(ROWS[0]))
        return service

    yield make
    for service in made:
        service.answering.close(0.0)


def begun(service: ExplanationService, row: Mapping[str, object], interest: Interest | None = None) -> Underway:
    found = service.begin_at_once(command(row), interest=interest)

    assert isinstance(found, Underway)
    return found


def ended(service: ExplanationService, underway: Underway) -> RowOutcome:
    assert underway.single is not None
    underway.single.found.exception(WAIT_S)
    answered = service.end(underway, LOCAL, Interest())
    assert answered is not None
    answered.stored.result(WAIT_S)
    answered.told()
    (outcome,) = answered.outcomes
    return outcome


def attribution(outcome: RowOutcome) -> object:
    assert outcome.record is not None
    return outcome.record.attribution, outcome.record.caveats


def explanations(store: MemoryRecordStore) -> int:
    return len(list(store.events(kinds=[EventKind.EXPLANATIONS])))


def test_a_row_that_is_nowhere_is_computed_recorded_and_kept(
    serve: Callable[..., ExplanationService], store: MemoryRecordStore
) -> None:
    service = serve()
    outcome = ended(service, begun(service, ROWS[0]))
    again = service.begin_at_once(command(ROWS[0]))

    assert isinstance(again, Repeated)
    record = again.record()
    assert (record.attribution, record.caveats) == attribution(outcome)
    assert attribution(outcome) == attribution(serve().explain(command(ROWS[0]))[0])
    assert explanations(store) == 3
    assert service.answering.cache.counts().misses == 1


def test_rows_of_many_callers_are_computed_together(
    serve: Callable[..., ExplanationService], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(capacity=Capacity(workers=1))
    gate = Gate(service, monkeypatch)
    first = begun(service, ROWS[0])
    assert gate.begun.acquire(timeout=WAIT_S)
    others = [begun(service, row) for row in ROWS[1:9]]
    gate.may_end.set()
    for underway, row in zip([first, *others], ROWS, strict=False):
        assert attribution(ended(service, underway)) == attribution(service.explain(command(row))[0])

    assert gate.rows == [1, 8]


def test_what_lies_behind_memory_is_looked_for_together_and_not_computed(
    serve: Callable[..., ExplanationService], far: FarCache
) -> None:
    before = serve(cache=TieredCache(MemoryCache(CacheOptions()), far), secret=bytes(32))
    expected = [attribution(before.explain(command(row))[0]) for row in ROWS[:5]]
    far.looks.clear()
    service = serve(cache=TieredCache(MemoryCache(CacheOptions()), far), secret=bytes(32))
    far.may_go_on.clear()
    while far.looking.acquire(blocking=False):
        pass
    first = begun(service, ROWS[0])
    assert far.looking.acquire(timeout=WAIT_S)
    others = [begun(service, row) for row in ROWS[1:5]]
    far.may_go_on.set()
    found = [attribution(ended(service, underway)) for underway in [first, *others]]

    assert found == expected
    assert far.looks == [1, 4]
    assert service.answering.scheduler.state().submitted == 0


def test_a_row_that_somebody_is_computing_is_waited_for_and_computed_once(
    serve: Callable[..., ExplanationService], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve()
    gate = Gate(service, monkeypatch)
    first = begun(service, ROWS[0])
    second = begun(service, ROWS[0])

    assert second.single is None
    assert service.end(second, LOCAL, Interest()) is None
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(service.begin_prepared, second.prepared, LOCAL, Interest())
        gate.may_end.set()
        answered = waiting.result(WAIT_S)
    assert attribution(answered.outcomes[0]) == attribution(ended(service, first))
    assert gate.rows == [1]


def test_a_row_that_another_process_is_computing_is_left_to_who_can_wait(
    serve: Callable[..., ExplanationService], far: FarCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    led: list[bool] = []

    released: list[Sequence[bytes]] = []

    class Others:
        def try_lead(self, keys: Sequence[bytes], seconds: float) -> tuple[bool, ...]:
            assert seconds >= 1
            return (not led,) * len(keys)

        def release(self, keys: Sequence[bytes]) -> None:
            released.append(keys)

    others = Others()
    monkeypatch.setattr(far, "shared_flights", lambda: others)
    service = serve(cache=TieredCache(MemoryCache(CacheOptions()), far))
    ours = begun(service, ROWS[0])
    ended(service, ours)
    assert ours.single is not None
    assert released == [(ours.single.key,)]  # by then it has been put
    assert far.counts().hits == 0

    led.append(True)
    theirs = begun(service, ROWS[1])
    assert theirs.single is not None
    assert theirs.single.found.result(WAIT_S) is None
    assert service.end(theirs, LOCAL, Interest()) is None
    assert len(released) == 1
    assert begun(service, ROWS[1]).single is not None  # the flight was given up


def test_a_caller_who_leaves_ends_the_row_and_harms_nobody(
    serve: Callable[..., ExplanationService], store: MemoryRecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(capacity=Capacity(workers=1))
    gate = Gate(service, monkeypatch)
    running = begun(service, ROWS[0])
    assert gate.begun.acquire(timeout=WAIT_S)
    interest = Interest()
    leaving, staying = begun(service, ROWS[1], interest), begun(service, ROWS[2])
    follower = begun(service, ROWS[1])
    with ThreadPoolExecutor(1) as pool:
        heir = pool.submit(service.begin_prepared, follower.prepared, LOCAL, Interest())
        interest.leave()
        assert leaving.single is not None
        with pytest.raises(AbandonedError):
            leaving.single.found.result(WAIT_S)
        gate.may_end.set()
        assert heir.result(WAIT_S).outcomes[0].record is not None
    for underway in (running, staying):
        assert ended(service, underway).record is not None

    assert sum(gate.rows) == 3  # the row of who left was computed for who took over
    assert explanations(store) == 3
    assert not len(service.answering._flights)


def test_a_caller_who_leaves_while_it_is_looked_for_computes_nothing(
    serve: Callable[..., ExplanationService], far: FarCache
) -> None:
    service = serve(cache=TieredCache(MemoryCache(CacheOptions()), far))
    far.may_go_on.clear()
    interest = Interest()
    leaving = begun(service, ROWS[0], interest)
    interest.leave()
    far.may_go_on.set()

    assert leaving.single is not None
    with pytest.raises(AbandonedError):
        leaving.single.found.result(WAIT_S)
    assert service.answering.scheduler.state().submitted == 0


def test_a_full_queue_refuses_before_anything_is_begun_and_answers_what_is_known(
    serve: Callable[..., ExplanationService], far: FarCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(capacity=Capacity(workers=1, max_waiting=1), cache=TieredCache(MemoryCache(CacheOptions()), far))
    service.explain(command(ROWS[5]))
    gate = Gate(service, monkeypatch)
    first = begun(service, ROWS[0])
    assert gate.begun.acquire(timeout=WAIT_S)
    second = begun(service, ROWS[1])
    while not service.answering.scheduler.state().waiting_tasks:
        pass
    looks = len(far.looks)
    few = Caller(id="few", rows_per_minute=1)
    with pytest.raises(BusyError) as caught:
        service.begin_at_once(command(ROWS[2]), caller=few)

    assert caught.value.retry_after_s > 0
    assert len(far.looks) == looks
    known = service.begin_at_once(command(ROWS[5]), caller=few)
    assert isinstance(known, Repeated)  # nothing was taken from their rows
    gate.may_end.set()
    for underway in (first, second):
        ended(service, underway)


def test_a_passed_deadline_begins_nothing(serve: Callable[..., ExplanationService]) -> None:
    service = serve()
    with pytest.raises(TooLateError):
        service.begin_at_once(command(ROWS[0]), interest=Interest(until=0.0))

    assert not len(service.answering._flights)
    assert service.answering.scheduler.state().batches == 0


def test_a_row_the_model_cannot_answer_says_so(
    serve: Callable[..., ExplanationService], store: MemoryRecordStore
) -> None:
    service = serve()
    outcome = ended(service, begun(service, NOT_FINITE))

    assert outcome.record is None
    assert "not finite" in outcome.error
    assert explanations(store) == 0
    assert isinstance(service.begin_at_once(command(NOT_FINITE)), Underway)  # it is not kept


@pytest.mark.parametrize("stage", ["look", "compute"])
def test_whatever_goes_wrong_leaves_nobody_waiting(
    serve: Callable[..., ExplanationService], far: FarCache, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    service = serve(cache=TieredCache(MemoryCache(CacheOptions()), far))
    error = RuntimeUnavailableError("it is broken")
    if stage == "look":
        far.error = error
    else:

        def broken(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(next(iter(service.models)).explainer, "explain_table", broken)
    single = begun(service, ROWS[0]).single

    assert single is not None
    with pytest.raises(RuntimeUnavailableError, match="it is broken"):
        single.found.result(WAIT_S)
    assert not len(service.answering._flights)


@pytest.mark.parametrize("tiers", [1, 2])
def test_a_service_that_has_closed_refuses(serve: Callable[..., ExplanationService], far: FarCache, tiers: int) -> None:
    service = serve(cache=MemoryCache(CacheOptions()) if tiers == 1 else TieredCache(MemoryCache(CacheOptions()), far))
    far.may_go_on.clear()
    waiting = begun(service, ROWS[0]) if tiers > 1 else None
    far.may_go_on.set()
    service.answering.close(WAIT_S)

    if waiting is not None:  # what was begun before has an end, whichever it is
        assert waiting.single is not None
        assert waiting.single.found.exception(WAIT_S) is None or isinstance(waiting.single.found.exception(), BusyError)
    with pytest.raises(BusyError):
        service.begin_at_once(command(ROWS[1]))


def test_the_first_request_of_its_kind_is_read_where_it_may_take_time(
    serve: Callable[..., ExplanationService],
) -> None:
    assert serve(known=False).begin_at_once(command(ROWS[0])) is None
