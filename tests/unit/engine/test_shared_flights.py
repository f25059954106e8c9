"""Rows that several processes are asked for: each is looked for behind memory once, and computed by one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.cache import MemoryCache, TieredCache
from xaisvc.cache.base import CacheOptions
from xaisvc.engine.commands import ExplainCommand
from xaisvc.engine.loading import build_service
from xaisvc.records import MemoryRecordStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SECRET = bytes(range(32))
COMMAND = ExplainCommand(bundle="log-model", rows=[{"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 2.0}], method="kernel")


class Shared(MemoryCache):
    """A cache that processes share: notes what it is asked. Another process has answered what it `has` by now."""

    def __init__(self, has: Mapping[bytes, bytes] | None = None) -> None:
        super().__init__(CacheOptions())
        self.asked: list[str] = []
        self.put: dict[bytes, bytes] = {}
        self._has = has

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        self.put.update(values)
        super().put_many(values)

    def get_many(self, keys: Sequence[bytes]) -> tuple[bytes | None, ...]:
        self.asked.append(f"get {len(keys)}")
        return super().get_many(keys)

    def shared_flights(self) -> Shared:
        return self

    def try_lead(self, keys: Sequence[bytes], seconds: float) -> tuple[bool, ...]:
        self.asked.append(f"lead {len(keys)}")
        assert seconds >= 1
        return (self._has is None,) * len(keys)

    def release(self, keys: Sequence[bytes]) -> None:
        self.asked.append(f"release {len(keys)}")

    def wait_for(self, keys: Sequence[bytes], at_most_s: float) -> tuple[bytes | None, ...]:
        self.asked.append(f"wait {len(keys)}")
        assert at_most_s >= 0
        assert self._has is not None
        return tuple(map(self._has.get, keys))


def answered(bundle_dir: Path, shared: Shared, *, times: int = 1) -> tuple[list[object], int]:
    """What is answered, and how many rows were computed for it."""
    cache = TieredCache(MemoryCache(CacheOptions()), shared)
    service = build_service([bundle_dir], record_store=MemoryRecordStore(), device="cpu", cache=cache, secret=SECRET)
    for _ in range(times):
        outcomes = service.explain(COMMAND)
    rows = service.answering.scheduler.state().batch_rows
    service.answering.close(5.0)
    return [outcome.record and outcome.record.attribution for outcome in outcomes], rows


def test_rows_that_are_nowhere_are_looked_for_once(bundle_dir: Path) -> None:
    shared = Shared()
    _, computed = answered(bundle_dir, shared)

    assert shared.asked == ["get 2", "lead 2", "release 2"]
    assert computed == 2


def test_rows_that_another_process_answered_meanwhile_are_not_computed(bundle_dir: Path) -> None:
    other = Shared()
    expected, _ = answered(bundle_dir, other)
    ours = Shared(has=other.put)
    found, computed = answered(bundle_dir, ours)

    assert ours.asked == ["get 2", "lead 2", "release 0", "wait 2"]
    assert computed == 0
    assert found == expected


def test_the_second_request_is_answered_from_memory(bundle_dir: Path) -> None:
    shared = Shared()
    _, computed = answered(bundle_dir, shared, times=2)

    assert shared.asked == ["get 2", "lead 2", "release 2"]
    assert computed == 2
