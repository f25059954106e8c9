"""Rows are answered the same from the cache, in a batch with strangers, from a follower's seat, and alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.cache import MemoryCache, TieredCache
from xaisvc.cache.base import CacheOptions
from xaisvc.engine.answered import Repeated, Underway
from xaisvc.engine.commands import ExplainCommand, ViewRequest
from xaisvc.engine.loading import Capacity, build_service
from xaisvc.engine.models import Pace
from xaisvc.errors import AbandonedError, BusyError, NotAllowedError, NotFoundError, TooLateError
from xaisvc.records import EventKind, MemoryRecordStore
from xaisvc.types import LOCAL, Caller, Deadline, ErrorTarget, Interest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from xaisvc.engine.commands import RowOutcome
    from xaisvc.engine.service import ExplanationService

ROWS = [{"a": float(a), "b": float(b)} for a, b in np.random.default_rng(5).uniform(0.5, 3.0, (40, 2))]


@pytest.fixture
def store() -> MemoryRecordStore:
    return MemoryRecordStore()


@pytest.fixture
def service(bundle_dir: Path, store: MemoryRecordStore) -> Iterator[ExplanationService]:
    made = build_service([bundle_dir], record_store=store, device="cpu", capacity=Capacity(workers=2))
    yield made
    made.answering.close(5.0)


def command(rows: Sequence[Mapping[str, object]], **changes: object) -> ExplainCommand:
    return ExplainCommand(**{"bundle": "log-model", "rows": rows, "method": "kernel", **changes})  # type: ignore[arg-type]


def stored_parts(store: MemoryRecordStore) -> list[bytes]:
    return [
        part.content
        for event in store.events(kinds=[EventKind.EXPLANATIONS])
        for part in event.parts
        if part is not None
    ]


def attributions(outcomes: Sequence[RowOutcome]) -> list[object]:
    return [outcome.record and (outcome.record.attribution, outcome.record.caveats) for outcome in outcomes]


@pytest.mark.parametrize("method", ["exact", "kernel", "permutation", "lime"])
def test_a_cached_answer_is_byte_for_byte_the_computed_one(
    service: ExplanationService, store: MemoryRecordStore, method: str
) -> None:
    first = service.explain(command(ROWS[:3], method=method))
    batches = service.answering.scheduler.state().batches
    second = service.explain(command(ROWS[:3], method=method))

    assert service.answering.scheduler.state().batches == batches  # nothing was computed again
    assert attributions(first) == attributions(second)
    parts = stored_parts(store)
    assert parts[:3] == parts[3:]
    assert first[0].record is not None
    assert second[0].record is not None
    assert first[0].record.id != second[0].record.id


def test_rows_that_repeat_are_computed_once(service: ExplanationService) -> None:
    outcomes = service.explain(command([ROWS[0], ROWS[1], ROWS[0]]))

    assert service.answering.scheduler.state().batch_rows == 2
    assert attributions(outcomes)[0] == attributions(outcomes)[2]


def test_answers_do_not_depend_on_the_company_they_keep(bundle_dir: Path) -> None:
    def fresh() -> ExplanationService:
        return build_service([bundle_dir], record_store=MemoryRecordStore(), device="cpu")

    together = fresh()
    with ThreadPoolExecutor(16) as pool:
        crowd = list(pool.map(lambda row: together.explain(command([row]))[0], ROWS))
    alone = fresh()
    for row, outcome in zip(ROWS, crowd, strict=True):
        lone = alone.explain(command([row]))[0]
        assert lone.record is not None
        assert outcome.record is not None
        # Models round float32 answers differently in batches of another shape.
        np.testing.assert_allclose(
            [player.value for player in outcome.record.attribution.players],
            [player.value for player in lone.record.attribution.players],
            rtol=0,
            atol=1e-6,
        )
        assert outcome.record.attribution.detail == lone.record.attribution.detail


def test_callers_of_the_same_row_at_the_same_time_share_one_computation(
    service: ExplanationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer = next(iter(service.models)).explainer
    begun, may_end = threading.Event(), threading.Event()
    computed = []
    real = explainer.explain_table

    def slow(rows: object, **choices: object) -> object:
        computed.append(rows)
        begun.set()
        assert may_end.wait(30)
        return real(rows, **choices)  # type: ignore[arg-type]

    monkeypatch.setattr(explainer, "explain_table", slow)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(service.explain, command(ROWS[:1]))
        assert begun.wait(30)
        others = [pool.submit(service.explain, command(ROWS[:1])) for _ in range(3)]
        may_end.set()
        answers = [attributions(future.result()) for future in (first, *others)]

    assert len(computed) == 1
    assert all(answer == answers[0] for answer in answers)


def test_a_caller_who_leaves_harms_nobody_who_waits_for_the_same_row(
    service: ExplanationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer = next(iter(service.models)).explainer
    begun, may_end = threading.Event(), threading.Event()
    real = explainer.explain_table

    def slow(rows: object, **choices: object) -> object:
        begun.set()
        assert may_end.wait(30)
        return real(rows, **choices)  # type: ignore[arg-type]

    monkeypatch.setattr(explainer, "explain_table", slow)
    leaver = Interest()
    with ThreadPoolExecutor(2) as pool:
        leaving = pool.submit(service.explain, command(ROWS[:1]), interest=leaver)
        assert begun.wait(30)
        staying = pool.submit(service.explain, command(ROWS[:1]))
        leaver.leave()
        with pytest.raises(AbandonedError):
            leaving.result(30)
        may_end.set()

        assert staying.result(30)[0].record is not None


def test_tenants_never_share_a_cached_answer(service: ExplanationService) -> None:
    anna, ben = Caller(id="a", tenant="one"), Caller(id="b", tenant="two")

    first = service.explain(command(ROWS[:1]), caller=anna)[0]
    computed = service.answering.scheduler.state().batch_rows
    service.explain(command(ROWS[:1]), caller=ben)

    assert service.answering.scheduler.state().batch_rows == computed + 1
    assert first.record is not None
    with pytest.raises(NotFoundError, match="there is no explanation with this id"):
        service.get_explanation(first.record.id, ben)
    assert service.get_explanation(first.record.id, anna) == first.record
    assert service.get_explanation(first.record.id, LOCAL) == first.record


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seed": 0}, {"seed": 1}),
        ({"budget": 20}, {"budget": 22}),
        ({"method": "lime"}, {"method": "lime_continuous"}),
        ({"players": "features"}, {"players": {"one": ("a",), "other": ("b",)}}),
    ],
)
def test_what_changes_the_answer_changes_the_name_in_the_cache(
    service: ExplanationService, one: dict[str, object], other: dict[str, object]
) -> None:
    service.explain(command(ROWS[:1], **one))
    computed = service.answering.scheduler.state().batch_rows

    service.explain(command(ROWS[:1], **other))
    assert service.answering.scheduler.state().batch_rows == computed + 1


def test_what_a_deadline_gave_is_never_kept(service: ExplanationService) -> None:
    for _ in range(2):
        service.explain(command(ROWS[:1], budget=Deadline(0.05), method="permutation"))

    assert service.answering.scheduler.state().batch_rows == 2


def test_an_error_target_is_kept_under_its_number(service: ExplanationService) -> None:
    for target in (0.5, 0.5, 0.25):
        service.explain(command(ROWS[:1], budget=ErrorTarget(target), method="permutation"))

    assert service.answering.scheduler.state().batch_rows == 2


def test_a_passed_deadline_of_the_call_computes_nothing(bundle_dir: Path) -> None:
    service = build_service([bundle_dir], record_store=MemoryRecordStore(), device="cpu")

    with pytest.raises(TooLateError):
        service.explain(command(ROWS[:1]), interest=Interest(until=0.0))
    assert service.answering.scheduler.state().batches == 0


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(
    bundle_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = build_service(
        [bundle_dir], record_store=MemoryRecordStore(), device="cpu", capacity=Capacity(workers=1, max_waiting=1)
    )
    explainer = next(iter(service.models)).explainer
    begun, may_end = threading.Event(), threading.Event()
    real = explainer.explain_table

    def slow(rows: object, **choices: object) -> object:
        begun.set()
        assert may_end.wait(30)
        return real(rows, **choices)  # type: ignore[arg-type]

    monkeypatch.setattr(explainer, "explain_table", slow)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(service.explain, command(ROWS[:1]))
        assert begun.wait(30)
        waiting = pool.submit(service.explain, command(ROWS[1:2]))
        while service.answering.scheduler.state().waiting_tasks == 0:
            pass
        with pytest.raises(BusyError) as caught:
            service.explain(command(ROWS[2:3]))
        may_end.set()
        running.result(30)
        waiting.result(30)

    assert caught.value.retry_after_s > 0


def test_a_broken_cache_costs_time_and_nothing_else(bundle_dir: Path) -> None:
    cache = MemoryCache(CacheOptions())
    cache.close()
    service = build_service([bundle_dir], record_store=MemoryRecordStore(), device="cpu", cache=cache)

    first, second = (attributions(service.explain(command(ROWS[:2]))) for _ in range(2))
    assert first == second
    assert service.answering.scheduler.state().batch_rows == 4


@pytest.mark.parametrize(("count", "row_s", "kept"), [(65, 1e-6, 0), (64, 1e-6, 64), (65, 1e-2, 65)])
def test_many_rows_that_are_computed_sooner_than_kept_stay_in_memory(
    bundle_dir: Path, monkeypatch: pytest.MonkeyPatch, count: int, row_s: float, kept: int
) -> None:
    behind = MemoryCache(CacheOptions())
    cache = TieredCache(MemoryCache(CacheOptions()), behind)
    service = build_service([bundle_dir], record_store=MemoryRecordStore(), device="cpu", cache=cache)
    monkeypatch.setattr(Pace, "row_s", row_s)
    rows = [{"a": 1.0 + i / 100, "b": 0.5} for i in range(count)]

    first = attributions(service.explain(command(rows, method="auto")))
    assert behind.counts().misses == kept  # looking again goes to memory alone
    batches = service.answering.scheduler.state().batches

    assert attributions(service.explain(command(rows, method="auto"))) == first
    assert service.answering.scheduler.state().batches == batches
    assert len(behind._entries) == kept


def test_a_single_row_in_memory_is_answered_at_once_and_recorded(
    service: ExplanationService, store: MemoryRecordStore
) -> None:
    asked = command(ROWS[:1], subjects=("someone",))
    assert service.begin_at_once(asked) is None
    first = service.explain(asked)
    misses = service.answering.cache.counts().misses

    answered = service.begin_at_once(asked)

    assert isinstance(answered, Repeated)
    assert answered.stored.result() is None
    answered.told()
    record = answered.record()
    assert [(record.attribution, record.caveats)] == attributions(first)
    assert (answered.id, answered.created_at) == (record.id, record.created_at)
    assert service.get_explanation(answered.id) == record
    assert stored_parts(store)[0] == stored_parts(store)[1]
    assert service.answering.cache.counts().misses == misses


@pytest.mark.parametrize(
    "asked",
    [
        command(ROWS[:1], seed=1),
        command([ROWS[0], ROWS[0]]),
        command({"a": [ROWS[0]["a"]], "b": [ROWS[0]["b"]]}),  # type: ignore[arg-type]
        command([{"a": "x", "b": 1.0}]),
        command([{"a": 1.0}]),
        command(ROWS[:1], views=(ViewRequest(audience="data_scientist", format="text"),)),
        command(ROWS[:1], budget=Deadline(0.05)),
    ],
    ids=["another seed", "two", "columns", "wrong", "less", "viewed", "a deadline"],
)
def test_what_takes_longer_is_not_answered_at_once(
    service: ExplanationService, store: MemoryRecordStore, asked: ExplainCommand
) -> None:
    service.explain(command(ROWS[:1]))
    service.explain(command(ROWS[:1], budget=Deadline(0.05)))
    stored = len(stored_parts(store))
    misses = service.answering.cache.counts().misses

    assert service.begin_at_once(asked) is None
    assert len(stored_parts(store)) == stored
    assert service.answering.cache.counts().misses == misses


def test_what_is_answered_at_once_obeys_the_same_rights(service: ExplanationService) -> None:
    service.explain(command(ROWS[:1]))
    few = Caller(id="few", rows_per_minute=1)
    service.explain(command(ROWS[:1]), caller=few)

    with pytest.raises(BusyError, match="1 rows a minute"):
        service.begin_at_once(command(ROWS[:1]), caller=few)
    with pytest.raises(NotFoundError):
        service.begin_at_once(command(ROWS[:1]), caller=Caller(id="other", bundles=frozenset({"else"})))
    with pytest.raises(NotAllowedError):
        service.begin_at_once(command(ROWS[:1]), caller=Caller(id="exact", methods=frozenset()))
    assert isinstance(service.begin_at_once(command(ROWS[:1]), caller=Caller(id="x", tenant="another")), Underway)


def test_the_pace_of_a_model_is_that_of_its_last_batch_of_many() -> None:
    pace = Pace()
    assert pace.row_s == float("inf")
    pace.computed(100, 0.5)
    pace.computed(63, 63.0)
    assert pace.row_s == 0.005


def test_the_pace_is_processor_time_and_not_that_of_waiting_for_others(
    service: ExplanationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = command([{"a": 1.0 + i / 100, "b": 0.5} for i in range(100)])
    readings = iter([5.0, 5.001])
    monkeypatch.setattr(service.answering, "_thread_clock", readings.__next__)

    service.explain(asked)

    framed = service.models.find("log-model", LOCAL).known(asked)
    assert framed is not None
    assert framed.pace.row_s == pytest.approx(1e-5)


def test_a_part_of_a_stream_is_the_same_as_the_whole(service: ExplanationService) -> None:
    rows = [*ROWS[:5], {"a": "x", "b": 1.0}, {"a": -1.0, "b": 0.0}, *ROWS[5:8]]
    whole = service.explain(command(rows))
    prepared = service.prepare_stream(command(rows))

    batches = [service.explain_part(prepared, start, min(start + 4, 10)) for start in range(0, 10, 4)]

    assert [batch.next_row for batch in batches] == [4, 8, 10]
    assert [index for batch in batches for index in batch.indices] == [0, 1, 2, 3, 4, 7, 8, 9]
    assert [outcome.index for batch in batches for outcome in batch.failed] == [5, 6]
    for batch in batches:
        rows = zip(batch.indices, batch.ids, batch.answers.values, batch.answers.caveats, strict=True)
        for index, record_id, values, caveats in rows:
            record = whole[index].record
            assert record is not None
            assert [player.value for player in record.attribution.players] == values.tolist()
            assert record.caveats == caveats
            assert service.get_explanation(record_id).attribution == record.attribution


def test_a_part_of_a_stream_says_the_same_whether_it_was_computed_or_kept(service: ExplanationService) -> None:
    prepared = service.prepare_stream(command(ROWS[:5]))
    computed, kept = (service.explain_part(prepared, 0, 5).answers for _ in range(2))

    assert service.answering.scheduler.state().batches == 1
    for name in computed.__dataclass_fields__:
        first, second = getattr(computed, name), getattr(kept, name)
        np.testing.assert_array_equal(np.array(first, dtype=object), np.array(second, dtype=object), err_msg=name)


def test_the_cache_keeps_bytes_and_not_what_they_were_made_of(service: ExplanationService) -> None:
    service.explain(command(ROWS[:2]))

    assert {type(value) for _, value in service.answering.cache._entries.values()} == {bytes}  # type: ignore[attr-defined]


def test_who_may_not_see_numbers_gets_none(service: ExplanationService) -> None:
    seller = Caller(id="seller", audiences=frozenset({"customer"}))
    outcome = service.explain(command(ROWS[:1]), caller=seller)[0]

    assert outcome.record is not None  # what of it is sent is for the server to say, and tested there
    with pytest.raises(NotAllowedError, match="data_scientist"):
        service.get_explanation(outcome.record.id, seller)
    with pytest.raises(NotAllowedError, match="data_scientist"):
        service.prepare_stream(command(ROWS[:1]), seller)
    with pytest.raises(NotAllowedError, match="players of the caller's own making"):
        service.explain(command(ROWS[:1], players={"both": ("a", "b")}), caller=seller)
    failed = service.explain(command([{"a": -1.0, "b": 0.0}]), caller=seller)[0]
    assert failed.error
    assert not any(character.isdigit() for character in failed.error)
