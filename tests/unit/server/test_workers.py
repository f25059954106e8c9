from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextvars import ContextVar

import pytest

from xaisvc.server.workers import Workers

KNOWN: ContextVar[str] = ContextVar("known")


async def test_work_runs_in_a_thread_and_knows_the_call_it_is_for() -> None:
    workers = Workers(2)
    KNOWN.set("mine")

    thread, known = await workers.run(lambda: (threading.current_thread().name, KNOWN.get()))

    assert thread.startswith("xaisvc-worker")
    assert known == "mine"
    assert workers.running == 0


async def test_what_work_raises_is_raised_where_it_is_waited_for() -> None:
    workers = Workers(1)

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await workers.run(fail)
    assert await workers.run(lambda: 1) == 1


async def test_many_results_that_land_together_reach_each_their_own() -> None:
    workers = Workers(8)

    found = await asyncio.gather(*(workers.run(lambda i=i: i) for i in range(500)))

    assert found == list(range(500))


async def test_work_whose_caller_has_gone_never_starts() -> None:
    workers = Workers(1)
    gate, begun = threading.Event(), []
    first = asyncio.create_task(workers.run(gate.wait))
    second = asyncio.create_task(workers.run(lambda: begun.append(2)))
    await asyncio.sleep(0)

    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    await first
    await workers.run(lambda: None)

    assert begun == []


async def test_a_caller_who_leaves_harms_nobody_whose_result_lands_with_theirs() -> None:
    workers = Workers(2)
    gate = threading.Event()
    left = asyncio.create_task(workers.run(gate.wait))
    stays = asyncio.create_task(workers.run(gate.wait))
    await asyncio.sleep(0.01)

    left.cancel()
    gate.set()

    assert await stays is True


async def test_what_another_thread_makes_is_waited_for_in_no_thread() -> None:
    workers = Workers(1)
    made: Future[int] = Future()
    failed: Future[int] = Future()
    waiting = [asyncio.create_task(workers.landed(one)) for one in (made, failed)]
    await asyncio.sleep(0)

    threading.Thread(target=made.set_result, args=(3,)).start()
    threading.Thread(target=failed.set_exception, args=(OSError("full"),)).start()

    assert await waiting[0] == 3
    with pytest.raises(OSError, match="full"):
        await waiting[1]
    assert await workers.run(lambda: 1) == 1


async def test_what_is_there_already_is_not_waited_for() -> None:
    made: Future[None] = Future()
    made.set_result(None)

    assert await Workers(1).landed(made) is None
