"""Redis dies, hangs, dawdles, forgets, fills up and lies, under load: requests get slower, none fails or is wrong.

What a fault adds is counted from what the same requests take in a service beside it that has no Redis and computes each
answer: while Redis fails every request is a miss, and computing is not what the fault costs. That service is measured
just before and just after each fault, under the same load, as the machine is not equally quick all the time. Redis is
filled with all answers again before the next fault.

"at first" is the longest of all answers from the fault until it ends, so it also holds whatever else kept the machine
busy then; the longest without Redis says how much that is. "later" is the median from two seconds after the fault.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, replace
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
HELD_BACK_S = 0.2  # eight times what a command may take
RECOVERY_S = 30.0
BASE_S = 2.5
"""How long computing without Redis is measured, before a fault and after it."""

FIRST_MS, LATER_MS, BACK_S = 60.0, 2.0, 10.0
SETTINGS = {"cache_bytes": 1024}
"""Next to nothing is kept in a service's own memory, so that every request asks Redis, or is computed without one."""


@dataclass(frozen=True)
class Fault:
    """Something that happens to Redis.

    Attributes:
        name: What.
        begin: Makes it happen.
        end: Undoes it.
        breaks: Whether Redis cannot be used meanwhile, so that the service gives up asking it.
        proxied: Whether it takes a proxy between the service and Redis, which alone makes a call longer.
    """

    name: str
    begin: Callable[[], object]
    end: Callable[[], object]
    breaks: bool = True
    proxied: bool = False


def run(
    folder: Path, *, seconds: float = 5.0, rows: int = ROWS, names: Sequence[str] = (), flags: tuple[str, ...] = ()
) -> Report:
    """Lets each fault happen for some seconds, or those that are named."""
    report = Report(
        "redis_faults", f"{IN_FLIGHT} calls in flight, each fault for {seconds:g} s, added to computing without Redis"
    )
    subject = Subject.of(LOGISTIC, rows)
    requests = [subject.request(i).SerializeToString() for i in range(len(subject.rows))]
    expected = [row[None, :] for row in subject.expected()]
    with redis_with_proxy(folder) as (redis, proxy):
        address = f"unix://{proxy.socket}"
        (folder / "without").mkdir()
        with (
            running(folder, "--cache", address, *flags, models=[LOGISTIC], settings=SETTINGS) as service,
            running(folder / "without", "--cache", "memory:", *flags, models=[LOGISTIC], settings=SETTINGS) as without,
        ):
            fill = Job(target=service.target, in_flight=IN_FLIGHT, tolerance=TOLERANCE)
            compute = Job(target=without.target, seconds=BASE_S, in_flight=IN_FLIGHT, tolerance=TOLERANCE)
            warm = generator.run(replace(compute, seconds=1.0), folder / "warm", requests, expected)
            report.check_answers(warm)
            for fault in _faults(redis, proxy):
                if names and fault.name not in names:
                    continue
                place = folder / fault.name
                proxy.stand_between(between=fault.proxied)
                report.check_answers(generator.run(fill, folder / f"{fault.name}-fill", requests, expected))
                before = generator.run(compute, folder / f"{fault.name}-before", requests, expected)
                job = Job(target=service.target, seconds=1e6, in_flight=IN_FLIGHT, tolerance=TOLERANCE, stop_file=True)
                job.write(place, requests, expected)
                happened = _happen(fault, redis, place, seconds)
                after = generator.run(compute, folder / f"{fault.name}-after", requests, expected)
                for tally in (before, happened.tally, after):
                    report.check_answers(tally)
                _tell(report, fault, happened, (before, after))
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
        keys = list(client.scan_iter("xaisvc:*", count=1000))
        changed = {}
        for place, (key, value) in enumerate(zip(keys, client.mget(keys), strict=True)):
            lies = (rng.bytes(len(value)), value[:-1], value[::-1], b"", b"\x80\x04K\x01.") if value else (b"",)
            changed[key] = lies[place % len(lies)]
        client.mset(changed)  # at once: what changes them must not keep the machine busy for long

    return [
        Fault("killed", redis.kill, redis.start),
        Fault("stopped", lambda: redis.signal(signal.SIGSTOP), lambda: redis.signal(signal.SIGCONT)),
        Fault("slow", lambda: proxy.hold_back(HELD_BACK_S), lambda: proxy.hold_back(0.0), proxied=True),
        Fault("flushed", lambda: _client(redis).flushall(), lambda: None, breaks=False),
        Fault("full", full, lambda: _client(redis).config_set("maxmemory", 0), breaks=False),
        Fault("corrupted", corrupted, lambda: None, breaks=False),
    ]


@dataclass(frozen=True)
class Happened:
    """A load in whose midst a fault happened; times in seconds since it began.

    Attributes:
        tally: What became of the calls.
        since_s: When the fault began.
        until_s: When it ended.
        back_s: Seconds from then until Redis was used again.
    """

    tally: Tally
    since_s: float
    until_s: float
    back_s: float


def _happen(fault: Fault, redis: RedisProcess, place: Path, seconds: float) -> Happened:
    """Lets one fault happen in the middle of a load, and waits until Redis is used again."""
    load = generator.start(place)
    began_s = load.began_s()
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
    return Happened(load.tally(60.0), fault_s, ended_s, back_s)


def _tell(report: Report, fault: Fault, happened: Happened, without: Sequence[Tally]) -> None:
    """Compares a fault with computing without Redis, before and after it."""
    tally, since_s, until_s = happened.tally, happened.since_s, happened.until_s
    found_ms = _usual_ms(_between(tally, 0.2, since_s))
    computed = np.concatenate([_between(one, 0.2, BASE_S) for one in without])
    base_ms = _usual_ms(computed)
    report.figure(f"{fault.name}: found in Redis before, p50", found_ms, "ms")
    report.figure(f"{fault.name}: computed without Redis, p50", base_ms, "ms")
    report.figure(f"{fault.name}: computed without Redis, longest", _longest_ms(computed), "ms")
    first_ms = _longest_ms(_between(tally, since_s, until_s))
    report.figure(f"{fault.name}: added at first", first_ms - base_ms, "ms", at_most=FIRST_MS)
    later_ms = _usual_ms(_between(tally, since_s + min(2.0, (until_s - since_s) / 2), until_s))
    wanted_ms = LATER_MS if fault.breaks else None  # else no breaker opens, and Redis goes on to be asked
    report.figure(f"{fault.name}: added later, p50", later_ms - base_ms, "ms", at_most=wanted_ms)
    if fault.breaks:
        report.check("Redis is used again", happened.back_s < RECOVERY_S, happened.back_s)
        report.figure(f"{fault.name}: used again after", happened.back_s, "s", at_most=BACK_S)


def _usual_ms(latencies_s: np.ndarray) -> float:
    return 1000 * float(np.median(latencies_s)) if len(latencies_s) else float("nan")


def _longest_ms(latencies_s: np.ndarray) -> float:
    return 1000 * float(latencies_s.max()) if len(latencies_s) else float("nan")


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
