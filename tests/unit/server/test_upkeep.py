from __future__ import annotations

import asyncio
import io
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xaisvc.config import Settings
from xaisvc.engine.letters import LetterConcern, LetterWarning
from xaisvc.engine.reloading import Reload, ReloadOutcome
from xaisvc.errors import StoreError
from xaisvc.server.health import Health
from xaisvc.server.instruments import Instruments
from xaisvc.server.memory import trim_memory
from xaisvc.server.upkeep import Upkeep
from xaisvc.telemetry import make_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

PATIENCE_S = 60.0


@dataclass
class FakeReloader:
    found: list[list[Reload]] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)
    breaks: bool = False

    def look(self, *, at_once: bool) -> list[Reload]:
        self.asked.append(at_once)
        if self.breaks:
            self.breaks = False
            raise RuntimeError("row 7 holds 4711")
        return self.found.pop(0) if self.found else []


@dataclass
class FakeStore:
    failure: str = ""


@dataclass
class FakeParts:
    """What the upkeep sees of the service."""

    reloader: FakeReloader = field(default_factory=FakeReloader)
    store: FakeStore = field(default_factory=FakeStore)
    retained: list[tuple[dict[str, int], int, str]] = field(default_factory=list)
    retain_fails: bool = False
    warnings: list[LetterWarning] = field(default_factory=list)

    @property
    def service(self) -> Any:
        return type("Service", (), {"models": (), "letter_warnings": staticmethod(lambda: tuple(self.warnings))})

    def retain(self, months: Mapping[str, int], default_months: int, *, caller: str) -> dict[str, int]:
        self.retained.append((dict(months), default_months, caller))
        if self.retain_fails:
            raise StoreError("the disk is full")
        return {"credit": 3}


@dataclass
class Kept:
    upkeep: Upkeep
    health: Health
    instruments: Instruments
    stream: io.StringIO
    slept: list[float]
    trims: list[bool]

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]


@asynccontextmanager
async def kept_up(parts: FakeParts, **settings: Any) -> AsyncIterator[Kept]:
    stream, slept, trims = io.StringIO(), [], []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0.001 if seconds < 1 or seconds == 60 else 3600)

    health, instruments = Health(()), Instruments.make()
    upkeep = Upkeep(
        Settings(**settings),
        parts,  # type: ignore[arg-type]
        health=health,
        instruments=instruments,
        logger=make_logger("json", "info", stream),
        sleep=sleep,
        trim=lambda: trims.append(parts.reloader.asked[-1]),
    )
    upkeep.begin()
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield Kept(upkeep, health, instruments, stream, slept, trims)
    finally:
        await upkeep.end()


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the condition belongs to another thread
        await asyncio.sleep(0.002)


def overdue(bundle: str) -> LetterWarning:
    return LetterWarning(bundle=bundle, concern=LetterConcern.STALE, pack="eu", text="read it again")


async def test_what_is_the_matter_with_letters_is_told_at_the_start_and_when_a_bundle_comes() -> None:
    parts = FakeParts(warnings=[overdue("credit")])
    async with kept_up(parts) as kept:
        await until(lambda: kept.events("letters_warning"))
        parts.warnings.append(overdue("fraud"))
        kept.upkeep.look_now()
        await until(lambda: len(kept.events("letters_warning")) > 1)
        kept.upkeep.look_now()
        await until(lambda: len(kept.events("looked_for_bundles")) > 1)

        found = kept.events("letters_warning")

    assert [(line["bundle"], line["level"]) for line in found] == [("credit", "warning"), ("fraud", "warning")]
    assert (found[0]["concern"], found[0]["pack"], found[0]["text"]) == ("pack_stale", "eu", "read it again")


async def test_health_follows_the_record_store() -> None:
    parts = FakeParts()
    async with kept_up(parts) as kept:
        parts.store.failure = "the disk is full"
        await until(lambda: not kept.health.is_serving)
        parts.store.failure = ""
        await until(lambda: kept.health.is_serving)

        assert [line["text"] for line in kept.events("records_failing")] == ["the disk is full"]
        assert len(kept.events("records_well")) == 1


async def test_a_signal_has_the_bundles_looked_at_and_what_became_of_them_is_told() -> None:
    replaced = Reload(outcome=ReloadOutcome.REPLACED, bundle="credit", version="2", model="ab")
    refused = Reload(outcome=ReloadOutcome.REFUSED, bundle="fraud", version="1", model="cd", reason="it is wrong")
    parts = FakeParts(FakeReloader([[replaced, refused]]))
    async with kept_up(parts) as kept:
        assert parts.reloader.asked == []  # nobody has asked
        kept.upkeep.look_now()
        await until(lambda: kept.events("looked_for_bundles"))

        (new,), (old,) = kept.events("bundle_replaced"), kept.events("bundle_refused")
        assert (new["bundle"], new["version"], new["model_sha256"], new["level"]) == ("credit", "2", "ab", "info")
        assert (old["bundle"], old["version"], old["reason"], old["level"]) == ("fraud", "1", "it is wrong", "error")
        assert parts.reloader.asked == [True]
        assert kept.trims == [True]  # what the old version held goes back to the system
        sample = ("xaisvc_reloads_total", {"bundle": "fraud", "outcome": "refused"})
        assert kept.instruments.registry.get_sample_value(*sample) == 1


async def test_they_are_looked_at_every_so_often_where_that_is_set() -> None:
    parts = FakeParts()
    async with kept_up(parts, reload_seconds=0.01):
        await until(lambda: len(parts.reloader.asked) > 2)

        assert set(parts.reloader.asked) == {False}


async def test_a_fault_of_ours_does_not_end_the_upkeep_and_shows_no_values() -> None:
    parts = FakeParts(FakeReloader(breaks=True))
    async with kept_up(parts, reload_seconds=0.01) as kept:
        await until(lambda: len(parts.reloader.asked) > 2)

        (line,) = kept.events("task_failed")
        assert (line["task"], line["error"]) == ("look_after_bundles", "RuntimeError")
        assert "4711" not in kept.stream.getvalue()
        assert "exc_info" not in line


async def test_old_records_are_removed_at_the_start_and_once_a_day_and_zero_keeps_them() -> None:
    parts = FakeParts()
    async with kept_up(parts, retention={"credit": 60, "fraud": 0}, retention_months=0) as kept:
        await until(lambda: 86_400.0 in kept.slept)

        ((months, default, caller),) = parts.retained
        assert months == {"credit": 60, "fraud": 12_000}  # a thousand years
        assert (default, caller) == (12_000, "xaisvc retention")
        assert [line["removed"] for line in kept.events("retained")] == [{"credit": 3}]


async def test_a_removal_that_fails_is_told_and_tried_the_next_day() -> None:
    parts = FakeParts(retain_fails=True)
    async with kept_up(parts) as kept:
        await until(lambda: 86_400.0 in kept.slept)

        assert [line["text"] for line in kept.events("retain_failed")] == ["the disk is full"]
        assert kept.events("task_failed") == []


def test_memory_can_be_given_back() -> None:
    trim_memory()  # a wrong signature would end the process
