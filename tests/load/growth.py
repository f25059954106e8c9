"""What a service holds on to: memory, open files and threads of all its processes, as the kernel counts them."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.load.service import ServiceProcess

MIB = 2**20
_STATUS = re.compile(r"^(VmRSS|Threads):\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a service holds at a moment.

    Attributes:
        at_s: When, on the monotonic clock.
        resident_bytes: Memory of its processes; what they share counts for each.
        files: Open files, sockets among them.
        threads: Threads.
    """

    at_s: float
    resident_bytes: int
    files: int
    threads: int

    @classmethod
    def by(cls, service: ServiceProcess) -> Held:
        """What a service holds now."""
        resident = files = threads = 0
        for pid in service.pids():
            with suppress(OSError):  # the process has just ended
                found = dict(_STATUS.findall(Path(f"/proc/{pid}/status").read_text()))
                resident += 1024 * int(found.get("VmRSS", 0))
                threads += int(found.get("Threads", 0))
                files += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        return cls(at_s=time.monotonic(), resident_bytes=resident, files=files, threads=threads)


@dataclass
class Watch:
    """What a service held while it was watched."""

    looks: list[Held] = field(default_factory=list)

    @property
    def highest_mib(self) -> float:
        """Most memory, in MiB."""
        return max(look.resident_bytes for look in self.looks) / MIB

    def growth_mib(self) -> float:
        """Memory at the end above that in the middle, in MiB: medians of a tenth of the looks, so that a round of the
        garbage collector is none."""
        sizes = [look.resident_bytes / MIB for look in self.looks]
        few = max(1, len(sizes) // 10)
        middle = len(sizes) // 2
        return float(np.median(sizes[-few:]) - np.median(sizes[middle : middle + few]))

    def more_threads(self) -> int:
        """Most threads in the second half above the most in the first."""
        middle = len(self.looks) // 2 or 1
        first, second = self.looks[:middle], self.looks[middle:] or self.looks
        return max(look.threads for look in second) - max(look.threads for look in first)


@contextmanager
def watching(service: ServiceProcess, every_s: float) -> Iterator[Watch]:
    """Looks at a service while the block runs."""
    watch, over = Watch(), threading.Event()

    def look() -> None:
        while True:
            watch.looks.append(Held.by(service))
            if over.wait(every_s):
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def settled(service: ServiceProcess, is_settled: Callable[[Held], bool], within_s: float) -> Held:
    """What a service holds once it has let go of what it should, or when the time is over."""
    end_s = time.monotonic() + within_s
    while True:
        held = Held.by(service)
        if is_settled(held) or time.monotonic() > end_s:
            return held
        time.sleep(0.1)
