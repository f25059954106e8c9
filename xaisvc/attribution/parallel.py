"""Rows spread over threads. What runs in them releases the interpreter: ONNX Runtime, compiled kernels, numpy."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Found = TypeVar("Found")


def in_threads(work: Callable[[Item], Found], items: Sequence[Item], threads: int) -> list[Found]:
    """Applies `work` to every item, in order, in up to `threads` threads, the caller's own among them.

    Items must be independent of each other, so that their number and the number of threads change no answer. An
    exception of one item is raised after the items that already run have ended; those not yet begun never start. Of
    several exceptions that of the first item is raised.
    """
    if threads <= 1 or len(items) <= 1:
        return [work(item) for item in items]
    found: list[Found | None] = [None] * len(items)
    failed: dict[int, BaseException] = {}
    places = iter(range(len(items)))  # the interpreter gives each number to one thread only

    def take_turns() -> None:
        for place in places:
            if failed:
                return
            try:
                found[place] = work(items[place])
            except BaseException as error:  # noqa: BLE001 - raised below, in the caller's thread
                failed[place] = error

    # No pool: its two threads and their messages take twice as long as one thread, and the caller would only wait.
    helpers = [Thread(target=take_turns, name=f"rows_{k}") for k in range(min(threads, len(items)) - 1)]
    started: list[Thread] = []
    try:
        for helper in helpers:
            helper.start()
            started.append(helper)
        take_turns()
    except BaseException as error:  # noqa: BLE001 - an interruption, or no thread to be had: raised below
        failed[-1] = error
    for helper in started:
        helper.join()
    if failed:
        raise failed[min(failed)]
    return cast("list[Found]", found)
