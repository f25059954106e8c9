"""Rows spread over threads. What runs in them releases the interpreter: ONNX Runtime, compiled kernels, numpy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Found = TypeVar("Found")


def in_threads(work: Callable[[Item], Found], items: Sequence[Item], threads: int) -> list[Found]:
    """Applies `work` to every item, in order, in up to `threads` threads.

    Items must be independent of each other, so that their number and the number of threads change no answer. An
    exception of one item is raised after the items that already run have ended; those not yet begun never start.
    """
    if threads <= 1 or len(items) <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(threads, len(items)), thread_name_prefix="rows") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
