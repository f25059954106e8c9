"""Pieces of streams take turns: so many at a time, caller by caller, and no turn is lost with whoever leaves."""

from __future__ import annotations

import asyncio

from xaisvc.server.turns import Turns


class _Work:
    """Pieces that note when they begin, and last until they are told to end."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, *names: str) -> None:
        """Begins pieces; the first letter of each is its caller."""
        for name in names:
            self.ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._piece(name))
        await _settle()

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await _settle()

    async def leave(self, name: str) -> None:
        self.tasks[name].cancel()
        await _settle()

    async def _piece(self, name: str) -> None:
        async with self._turns.turn(name[0]):
            self.begun.append(name)
            await self.ends[name].wait()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_than_so_many_run_at_a_time() -> None:
    work = _Work(Turns(2))
    await work.begin("a1", "a2", "a3", "a4")
    assert work.begun == ["a1", "a2"]

    await work.end("a2")
    assert work.begun == ["a1", "a2", "a3"]
    await work.end("a1")
    await work.end("a3")
    await work.end("a4")
    await work.begin("a5", "a6", "a7")
    assert work.begun == ["a1", "a2", "a3", "a4", "a5", "a6"]


async def test_callers_come_one_after_the_other_however_much_one_brings() -> None:
    work = _Work(Turns(1))
    await work.begin("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    for name in ("a1", "a2", "b1", "c1", "a3", "b2"):
        assert work.begun[-1] == name
        await work.end(name)

    assert work.begun == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


async def test_who_leaves_while_waiting_is_passed_over() -> None:
    work = _Work(Turns(1))
    await work.begin("a1", "a2", "b1")
    await work.leave("a2")
    await work.end("a1")

    assert work.begun == ["a1", "b1"]


async def test_who_leaves_while_at_work_gives_the_turn_to_the_next() -> None:
    work = _Work(Turns(1))
    await work.begin("a1", "b1")
    await work.leave("a1")

    assert work.begun == ["a1", "b1"]


async def test_a_turn_that_comes_at_the_moment_of_leaving_is_not_lost() -> None:
    work = _Work(Turns(1))
    await work.begin("a1", "b1", "c1")
    work.ends["a1"].set()
    await asyncio.sleep(0)  # the turn is given to b1, who has not seen it yet
    await work.leave("b1")

    assert work.begun == ["a1", "c1"]
