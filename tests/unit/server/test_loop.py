"""The event loop: it is told of everything when it has nothing to do, and once a millisecond while it has."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from xaisvc.server.loop import NEWS_S, SparingSelector, new_loop

if TYPE_CHECKING:
    from collections.abc import Iterator

READ = 1


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


class _Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_busy_loop_looks_for_news_once_a_millisecond(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    clock = _Clock()
    with SparingSelector(clock) as selector:
        selector.register(ours, READ, "ours")
        assert selector.select(0) == []

        theirs.send(b"x")
        clock.now_s += 0.9 * NEWS_S
        assert selector.select(0) == []
        clock.now_s += 0.2 * NEWS_S
        assert [key.data for key, _ in selector.select(0)] == ["ours"]


@pytest.mark.parametrize("timeout", [5.0, None])
def test_a_loop_without_work_is_told_at_once(pair: tuple[socket.socket, socket.socket], timeout: float | None) -> None:
    ours, theirs = pair
    with SparingSelector(_Clock()) as selector:
        selector.register(ours, READ, "ours")
        selector.select(0)
        theirs.send(b"x")

        assert [key.data for key, _ in selector.select(timeout)] == ["ours"]


def test_a_loop_that_never_rests_still_hears_the_wire_and_its_clock(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    heard = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, lambda: heard.append(ours.recv(1)))
        loop.call_later(0.01, heard.append, b"late")
        theirs.send(b"x")
        done = asyncio.Event()
        loop.call_later(5.0, done.set)  # where the wire or the clock is never heard

        def rest_never() -> None:
            if len(heard) == 2:
                done.set()
            if not done.is_set():
                loop.call_soon(rest_never)

        loop.call_soon(rest_never)
        await done.wait()
        loop.remove_reader(ours)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work())

    assert heard == [b"x", b"late"]
