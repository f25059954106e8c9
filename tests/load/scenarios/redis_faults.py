"""Redis dies, hangs, dawdles, forgets, fills up and lies, under load: requests get slower, none fails or is wrong."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.load import generator
from tests.load.jobs import Job
from tests.load.redis import redis_with_proxy
from tests.load.reports import Report
from tests.load.service import running
from tests.load.subjects import LOGISTIC, TOLERANCE, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from redis import Redis

    from tests.load.jobs import Tally
    from tests.load.redis import Proxy, RedisProcess

ROWS = 2000
IN_FLIGHT = 4
HELD_BACK_S = 0.2  # four times what a command may take
RECOVERY_S = 30.0
FIRST_MS, LATER_MS, BACK_S = 60.0, 2.0, 10.0
SETTINGS = {"cache_bytes": 1024}
"""Next to nothing is kept in the service's own memory, so that every request asks Redis."""


@dataclass(frozen=True)
class Fault:
    """Something that happens to Redis.

    Attributes:
        name: What.
        begin: Makes it happen.
        end: Undoes it.
        breaks: Whether Redis cannot be used meanwhile, so that the service gives up asking it.
    """

    name: str
    begin: Callable[[], object]
    end: Callable[[], object]
    breaks: bool = True


def run(
    folder: Path, *, seconds: float = 5.0, rows: int = ROWS, names: Sequence[str] = (), flags: tuple[str, ...] = ()
) -> Report:
    """Lets each fault happen for some seconds, or those that are named."""
    report = Report("redis_faults", f"{IN_FLIGHT} calls in flight, each fault for {seconds:g} s, all values in Redis")
    subject = Subject.of(LOGISTIC, rows)
    requests = [subject.request(i).SerializeToString() for i in range(len(subject.rows))]
    expected = [row[None, :] for row in subject.expected()]
    with redis_with_proxy(folder) as (redis, proxy):
        address = f"unix://{proxy.socket}"
        with running(folder, "--cache", address, *flags, models=[LOGISTIC], settings=SETTINGS) as service:
            warm = Job(target=service.target, in_flight=IN_FLIGHT, tolerance=TOLERANCE)
            for name in ("cold", "warm"):
                report.check_answers(generator.run(warm, folder / name, requests, expected))
            for fault in _faults(redis, proxy):
                if names and fault.name not in names:
                    continue
                job = Job(target=service.target, seconds=1e6, in_flight=IN_FLIGHT, tolerance=TOLERANCE, stop_file=True)
                place = folder / fault.name.replace(" ", "-")
                job.write(place, requests, expected)
                _happen(report, fault, redis, place, seconds)
            report.check("the service still runs", service.process.poll() is None)
    return report


def _faults(redis: RedisProcess, proxy: Proxy) -> list[Fault]:
    def full() -> None:
        client = _client(redis)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        client.flushall()

    def corrupted() -> None:
        client, rng = _client(redis), np.random.default_rng(1)
        for place, key in enumerate(client.scan_iter("xaisvc:*", count=1000)):
            value = client.get(key) or b""
            lies = (rng.bytes(len(value)), value[:-1], value[::-1], b"", b"\x80\x04K\x01.")
            client.set(key, lies[place % len(lies)])

    return [
        Fault("killed", redis.kill, redis.start),
        Fault("stopped", lambda: redis.signal(signal.SIGSTOP), lambda: redis.signal(signal.SIGCONT)),
        Fault("slow", lambda: proxy.hold_back(HELD_BACK_S), lambda: proxy.hold_back(0.0)),
        Fault("flushed", lambda: _client(redis).flushall(), lambda: None, breaks=False),
        Fault("full", full, lambda: _client(redis).config_set("maxmemory", 0), breaks=False),
        Fault("corrupted", corrupted, lambda: None, breaks=False),
    ]


def _happen(report: Report, fault: Fault, redis: RedisProcess, place: Path, seconds: float) -> None:
    """Lets one fault happen in the middle of a load, and waits until Redis is used again."""
    load = generator.start(place)
    while not (place / "began").exists():
        time.sleep(0.01)
    began_s = float((place / "began").read_text())
    time.sleep(1.0)
    fault_s = time.monotonic() - began_s
    fault.begin()
    time.sleep(seconds)
    fault.end()
    ended_s = time.monotonic()
    back_s = _used_again_s(redis)
    ended_s -= began_s
    time.sleep(0.5)
    (place / "stop").touch()
    tally = load.tally(60.0)
    report.check_answers(tally)
    usual = _usual_ms(tally, 0.2, fault_s)
    report.figure(f"{fault.name}: usual p50", usual, "ms")
    report.figure(f"{fault.name}: longest, added", _longest_ms(tally, fault_s, ended_s) - usual, "ms", at_most=FIRST_MS)
    later = _usual_ms(tally, fault_s + min(2.0, seconds / 2), ended_s)
    report.figure(f"{fault.name}: later p50, added", later - usual, "ms", at_most=LATER_MS)
    if fault.breaks:
        report.check("Redis is used again", back_s < RECOVERY_S, back_s)
        report.figure(f"{fault.name}: used again after", back_s, "s", at_most=BACK_S)


def _usual_ms(tally: Tally, since_s: float, until_s: float) -> float:
    found = _between(tally, since_s, until_s)
    return 1000 * float(np.median(found)) if len(found) else float("nan")


def _longest_ms(tally: Tally, since_s: float, until_s: float) -> float:
    found = _between(tally, since_s, until_s)
    return 1000 * float(found.max()) if len(found) else float("nan")


def _between(tally: Tally, since_s: float, until_s: float) -> np.ndarray:
    """Latencies of the answers that came in a stretch of time."""
    moments = np.array(tally.moments_s)
    return np.array(tally.latencies_s)[(moments >= since_s) & (moments < until_s)]


def _used_again_s(redis: RedisProcess) -> float:
    """Seconds until Redis is asked for values in earnest: a probe alone is one command."""
    began_s = time.monotonic()
    client = _client(redis)
    first = _reads(client)
    while (waited_s := time.monotonic() - began_s) < RECOVERY_S:
        if _reads(client) - first > 2 * IN_FLIGHT:
            break
        time.sleep(0.02)
    return waited_s


def _reads(client: Redis) -> int:
    return int(client.info("commandstats").get("cmdstat_getrange", {}).get("calls", 0))


def _client(redis: RedisProcess) -> Redis:
    from redis import Redis

    return Redis(unix_socket_path=str(redis.socket), socket_timeout=10.0)
