"""Kills a process that writes records, again and again, and looks whether anything that it acknowledged is lost.

    python -m tests.unit.records.kill_writer --kills 200

The writer has many threads; each tells the id of an event after its future was done. It is killed (SIGKILL) at a random
moment, and everything is read back: every id that was told must be there with its content, the chain must verify.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tests.unit.records.events import MASTER, make_event, open_store, verify
from xaisvc.records import store_path

THREADS = 16


@dataclass(frozen=True)
class KillReport:
    """What came of it.

    Attributes:
        kills: Times the writer was killed.
        acknowledged: Events it had acknowledged, over all lives.
        recorded: Events in the store at the end.
        lost: Ids that were acknowledged and are not there, or not as they were.
        problems: What `verify` found, over all lives.
        slowest_open_s: Longest time to open the store after a kill.
    """

    kills: int
    acknowledged: int
    recorded: int
    lost: list[str]
    problems: list[str]
    slowest_open_s: float


def write_until_killed(folder: Path, life: int) -> None:
    """The writer: tells on standard output when it is ready, and then each id that is durable."""
    store = open_store(store_path(folder), master=MASTER)
    os.write(1, b"ready\n")

    def work(thread: int) -> None:
        number = 0
        while True:
            event_id = f"{life}-{thread}-{number}"
            store.append(make_event(event_id, *content_of(event_id), subjects=[f"s{number}"])).result()
            os.write(1, f"{event_id}\n".encode())
            number += 1

    threads = [threading.Thread(target=work, args=[i]) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def content_of(event_id: str) -> tuple[bytes, bytes]:
    """What an event holds, so that it can be compared without being kept."""
    return event_id.encode() * 40, event_id.encode()


def kill_again_and_again(folder: Path, kills: int, seed: int = 0, longest_s: float = 0.4) -> KillReport:
    """Runs and kills the writer, and reads everything back after each time."""
    generator = np.random.default_rng(seed)
    acknowledged: list[str] = []
    lost: list[str] = []
    problems: list[str] = []
    slowest = 0.0
    path = store_path(folder)
    for life in range(kills):
        told = _one_life(folder, life, float(generator.uniform(0, longest_s)))
        acknowledged += told
        start = time.monotonic()
        store = open_store(path, master=MASTER)
        slowest = max(slowest, time.monotonic() - start)
        for event_id in told:
            event = store.get(event_id)
            if event is None or tuple(part and part.content for part in event.parts) != content_of(event_id):
                lost.append(event_id)
        store.close()
        problems += [problem.to_text() for problem in verify(path, master=MASTER).problems]
    report = verify(path, master=MASTER)
    store = open_store(path, master=MASTER)
    there = {event.id for event in store.events(with_parts=False)}
    store.close()
    lost += sorted(set(acknowledged) - there - set(lost))
    return KillReport(kills, len(acknowledged), report.events, lost, problems, slowest)


def _one_life(folder: Path, life: int, lifetime_s: float) -> list[str]:
    command = [sys.executable, "-m", "tests.unit.records.kill_writer", "--write", str(folder), "--life", str(life)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own program
    if process.stdout is None or process.stdout.readline() != b"ready\n":
        process.kill()
        raise RuntimeError("the writer does not start")
    # Every second life lasts until something is acknowledged, however slow the machine.
    first = process.stdout.readline() if life % 2 else b""
    timer = threading.Timer(lifetime_s, process.kill)
    timer.start()
    told = (first + process.stdout.read()).decode()
    process.wait()
    process.stdout.close()
    timer.join()
    return told[: told.rfind("\n") + 1].split()  # a last line that was cut short told nothing


def main() -> None:
    """Runs as a script; exit status 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--life", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.write is not None:
        write_until_killed(chosen.write, chosen.life)
        return
    with tempfile.TemporaryDirectory() as folder:
        report = kill_again_and_again(Path(folder), chosen.kills, chosen.seed)
    sys.stdout.write(json.dumps(asdict(report), indent=2) + "\n")
    raise SystemExit(1 if report.lost or report.problems else 0)


if __name__ == "__main__":
    main()
