"""What a service does beside answering: looks after its health, its bundles and the age of its records."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from xaisvc.engine.reloading import ReloadOutcome
from xaisvc.errors import StoreError
from xaisvc.server.memory import trim_memory
from xaisvc.telemetry import Event, frames

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from xaisvc.config import Settings
    from xaisvc.engine.letters import LetterWarning
    from xaisvc.engine.reloading import Reload
    from xaisvc.server.assembly import Assembly
    from xaisvc.server.health import Health
    from xaisvc.server.instruments import Instruments
    from xaisvc.telemetry import Logger

_T = TypeVar("_T")

HEALTH_EVERY_S = 0.1
RETAIN_EVERY_S = 86_400.0
LETTERS_EVERY_S = 86_400.0
RETAINER = "xaisvc retention"
"""Who a removal for age is recorded as asked for by."""
_FOR_EVER_MONTHS = 12_000
_AGAIN_S = 60.0
_EVENTS: Mapping[ReloadOutcome, Event] = {
    ReloadOutcome.REPLACED: Event.BUNDLE_REPLACED,
    ReloadOutcome.ADDED: Event.BUNDLE_ADDED,
    ReloadOutcome.REFUSED: Event.BUNDLE_REFUSED,
    ReloadOutcome.GONE: Event.BUNDLE_GONE,
}


class Upkeep:
    """Runs beside the server, in tasks of the same loop; what blocks has a thread of its own.

    Args:
        settings: How often, and how long records are kept.
        parts: The service with its parts.
        health: Told whether requests can be answered, and which bundles there are.
        instruments: Counts reloads.
        logger: Where events go.
        sleep: Waits for some seconds.
        trim: Gives memory back to the system.
    """

    def __init__(  # noqa: PLR0913 - composed once, all by name
        self,
        settings: Settings,
        parts: Assembly,
        *,
        health: Health,
        instruments: Instruments,
        logger: Logger,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        trim: Callable[[], None] = trim_memory,
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._health = health
        self._instruments = instruments
        self._logger = logger
        self._sleep = sleep
        self._trim = trim
        self._asked = asyncio.Event()
        # One thread each: a folder that hangs must not keep old records from being removed, nor the other way round.
        self._reload_thread = ThreadPoolExecutor(1, thread_name_prefix="xaisvc-reload")
        self._retain_thread = ThreadPoolExecutor(1, thread_name_prefix="xaisvc-retain")
        self._tasks: list[asyncio.Task[None]] = []
        self._warned: frozenset[LetterWarning] = frozenset()
        self._busy = 0
        self._lock = threading.Lock()

    @property
    def busy(self) -> int:
        """Pieces of work that still block a thread."""
        return self._busy

    def begin(self) -> None:
        """Begins, in the running loop."""
        for work in (
            self._look_after_health,
            self._look_after_bundles,
            self._look_after_letters,
            self._look_after_age,
        ):
            self._tasks.append(asyncio.create_task(self._kept_up(work)))

    def look_now(self) -> None:
        """Has the bundles looked at at once, as SIGHUP asks for."""
        self._asked.set()

    async def end(self) -> None:
        """Begins nothing more. What is being loaded is dropped once it is loaded."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for thread in (self._reload_thread, self._retain_thread):
            thread.shutdown(wait=False, cancel_futures=True)

    async def _kept_up(self, work: Callable[[], Awaitable[None]]) -> None:
        """Goes on after a fault of ours, which the log then has; a service without upkeep would not be noticed."""
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - as said
                self._logger.error(  # noqa: TRY400 - a traceback with texts may hold values
                    Event.TASK_FAILED,
                    task=work.__name__.removeprefix("_"),
                    error=type(error).__qualname__,
                    frames=frames(error),
                )
                await self._sleep(_AGAIN_S)

    async def _look_after_health(self) -> None:
        """Says NOT_SERVING while nothing can be recorded: no record, no explanation."""
        was = ""
        while True:
            failure = self._parts.store.failure
            if bool(failure) != bool(was):
                await self._health.set_well(well=not failure)
                if failure:
                    self._logger.error(Event.RECORDS_FAILING, text=failure)
                else:
                    self._logger.info(Event.RECORDS_WELL)
            was = failure
            await self._sleep(HEALTH_EVERY_S)

    async def _look_after_bundles(self) -> None:
        """Takes up new versions every so often, and when asked to."""
        every_s = self._settings.reload_seconds or None
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), every_s)
            except TimeoutError:
                await self._look(at_once=False)
            else:
                self._asked.clear()
                await self._look(at_once=True)

    async def _look(self, *, at_once: bool) -> None:
        def look() -> list[Reload]:
            found = self._parts.reloader.look(at_once=at_once)
            if any(reload.outcome is ReloadOutcome.REPLACED for reload in found):
                self._trim()
            return found

        found = await self._in(self._reload_thread, look)
        for reload in found:
            self._instruments.stages.reloaded(reload.bundle, reload.outcome.value)
            tell = self._logger.error if reload.outcome is ReloadOutcome.REFUSED else self._logger.info
            about = {"version": reload.version, "model_sha256": reload.model, "reason": reload.reason}
            tell(
                _EVENTS[reload.outcome],
                bundle=reload.bundle,
                **{name: value for name, value in about.items() if value},
            )
        if at_once:
            self._logger.info(Event.LOOKED, changes=len(found))
        await self._health.set_models(model.name for model in self._parts.service.models)
        self._tell_warnings()

    async def _look_after_letters(self) -> None:
        """Says at the start, and once a day, what should be mended before letters go out."""
        while True:
            self._tell_warnings()
            await self._sleep(LETTERS_EVERY_S)

    def _tell_warnings(self) -> None:
        """Writes a line for each warning that there was not at the last look."""
        found = self._parts.service.letter_warnings()
        for warning in found:
            if warning not in self._warned:
                self._logger.warning(
                    Event.LETTERS,
                    bundle=warning.bundle,
                    concern=warning.concern.value,
                    pack=warning.pack,
                    text=warning.text,
                )
        self._warned = frozenset(found)

    async def _look_after_age(self) -> None:
        """Removes the contents of records that are old enough, once a day."""
        while True:
            try:
                removed = await self._in(self._retain_thread, self._retain)
                if removed:
                    self._logger.info(Event.RETAINED, removed=removed)
            except StoreError as error:
                self._logger.error(Event.RETAIN_FAILED, text=str(error))  # noqa: TRY400 - the text says all
            await self._sleep(RETAIN_EVERY_S)

    async def _in(self, thread: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        def counted() -> _T:
            with self._lock:
                self._busy += 1
            try:
                return work()
            finally:
                with self._lock:
                    self._busy -= 1

        return await asyncio.get_running_loop().run_in_executor(thread, counted)

    def _retain(self) -> dict[str, int]:
        months = {name: count or _FOR_EVER_MONTHS for name, count in self._settings.retention.items()}
        return self._parts.retain(months, self._settings.retention_months or _FOR_EVER_MONTHS, caller=RETAINER)
