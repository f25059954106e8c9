"""A file that is damaged, locked, full, foreign or gone makes a request slower, never failed or wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import apsw
import numpy as np
import pytest

from tests.unit.cache.conftest import WAIT_S
from xaisvc.cache import CacheCounts, CacheOptions, SqliteCache, load_secret, sqlite_file
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.unit.cache.conftest import Clock

SECRET = bytes(range(32))
ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))


@pytest.fixture(autouse=True)
def _patient(patient_files: None) -> None:
    """Nobody gives up; tests of what is locked for good say so."""


def give_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a file that is locked is waited for as briefly as it is for callers."""
    monkeypatch.setattr(sqlite_file, "_BUSY_MS", 5)
    monkeypatch.setattr(sqlite_file, "_WRITE_BUSY_MS", 50)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "cache.sqlite3"


@pytest.fixture
def open_file(path: Path) -> Iterator[Callable[..., SqliteCache]]:
    """Opens caches in the same file; all are closed after the test."""
    caches: list[SqliteCache] = []

    def open_one(**options: object) -> SqliteCache:
        chosen = CacheOptions(**{"secret": SECRET, **options})  # type: ignore[arg-type] # of tests
        caches.append(SqliteCache.open(f"sqlite:{path}", chosen))
        return caches[-1]

    yield open_one
    for cache in caches:
        cache.close()


def put(cache: SqliteCache, values: Mapping[bytes, bytes]) -> None:
    cache.put_many(values)
    assert cache.flush(WAIT_S)


def numbered(count: int, size: int = 1000) -> dict[bytes, bytes]:
    """Values that differ, under keys that differ."""
    return {i.to_bytes(32, "big"): i.to_bytes(4, "big") * (size // 4) for i in range(count)}


def wrong(cache: SqliteCache, values: Mapping[bytes, bytes]) -> list[bytes]:
    """Keys that are answered with another value than theirs; a miss is not wrong."""
    found = dict(zip(values, cache.get_many(list(values)), strict=True))
    return [key for key, value in found.items() if value not in {None, values[key]}]


def test_entries_outlive_the_process(open_file: Callable[..., SqliteCache]) -> None:
    put(open_file(), {ONE: b"one"})
    open_file().close()

    assert open_file().get_many([ONE]) == (b"one",)


def test_closing_writes_what_still_waits(open_file: Callable[..., SqliteCache]) -> None:
    cache = open_file()
    cache.put_many({ONE: b"one"})
    cache.close()

    assert open_file().get_many([ONE]) == (b"one",)


def test_caches_on_one_file_share_entries(open_file: Callable[..., SqliteCache]) -> None:
    first, second = open_file(), open_file()
    put(first, {ONE: b"one"})
    put(second, {TWO: b"two"})

    assert first.get_many([ONE, TWO]) == (b"one", b"two")
    assert second.get_many([ONE, TWO]) == (b"one", b"two")


def test_the_file_and_its_secret_are_for_their_owner_only(path: Path) -> None:
    cache = SqliteCache.open(f"sqlite:{path}", CacheOptions())
    put(cache, {ONE: b"one"})
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    cache.close()

    assert modes == dict.fromkeys(
        ["cache.sqlite3", "cache.sqlite3-wal", "cache.sqlite3-shm", "cache.sqlite3.secret"], 0o600
    )


def test_a_secret_of_its_own_is_kept_beside_the_file(path: Path) -> None:
    first = SqliteCache.open(f"sqlite:{path}", CacheOptions())
    put(first, {ONE: b"one"})
    first.close()
    secret = load_secret(path.with_name("cache.sqlite3.secret"))
    second = SqliteCache.open(f"sqlite:{path}", CacheOptions(secret=secret))

    assert second.get_many([ONE]) == (b"one",)
    second.close()


def test_another_secret_sees_nothing(open_file: Callable[..., SqliteCache]) -> None:
    put(open_file(), {ONE: b"one"})

    assert open_file(secret=SECRET[::-1]).get_many([ONE]) == (None,)


def test_the_file_does_not_hold_the_key(open_file: Callable[..., SqliteCache], path: Path) -> None:
    put(open_file(), {ONE: b"one value", TWO: b"two"})
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())

    assert b"one value" in content
    assert ONE not in content
    assert ONE[:8] not in content


def test_nothing_older_than_the_time_to_live_is_served(open_file: Callable[..., SqliteCache], clock: Clock) -> None:
    cache = open_file(ttl_s=60, clock=clock)
    put(cache, {ONE: b"one"})

    clock.now += 59.9
    assert cache.get_many([ONE]) == (b"one",)
    clock.now += 0.2
    assert cache.get_many([ONE]) == (None,)


def test_what_expired_makes_room(open_file: Callable[..., SqliteCache], path: Path, clock: Clock) -> None:
    cache = open_file(ttl_s=60, clock=clock)
    put(cache, numbered(100))
    clock.now += 61
    put(cache, {ONE: b"one"})
    cache.close()

    with apsw.Connection(str(path)) as file:
        assert file.execute("SELECT count(*) FROM entries").get == 1


def test_times_of_another_start_of_the_machine_are_not_trusted(
    open_file: Callable[..., SqliteCache], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = tmp_path / "boot_id"
    monkeypatch.setattr(sqlite_file, "_BOOT", boot)
    boot.write_text("first")
    put(open_file(), {ONE: b"one"})
    assert open_file().get_many([ONE]) == (b"one",)

    boot.write_text("second")
    assert open_file().get_many([ONE]) == (None,)


def test_the_file_stays_within_its_bound_and_the_oldest_go_first(
    open_file: Callable[..., SqliteCache], path: Path
) -> None:
    bound = 2 * 2**20
    cache = open_file(max_file_bytes=bound)
    values = numbered(6000)
    for start in range(0, 6000, 100):
        put(cache, dict(list(values.items())[start : start + 100]))
        assert path.stat().st_size <= bound

    found = [value is not None for value in cache.get_many(list(values))]
    assert cache.counts().evictions == found.count(False)
    assert found.count(True) > 1000
    kept = [sum(found[start : start + 100]) for start in range(0, 6000, 100)]  # of what was put at the same time
    assert kept == sorted(kept)
    assert wrong(cache, values) == []


def test_what_would_fill_the_file_at_once_leaves_a_cache_that_works(open_file: Callable[..., SqliteCache]) -> None:
    cache = open_file(max_file_bytes=2**18)
    put(cache, {ONE: bytes(2**20)})
    put(cache, {TWO: b"two"})

    assert cache.get_many([ONE, TWO]) == (None, b"two")
    assert cache.counts().dropped == 1


def test_more_than_may_wait_is_dropped_and_nobody_waits(open_file: Callable[..., SqliteCache], path: Path) -> None:
    cache = open_file()
    put(cache, {ONE: b"one"})
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")  # keeps our thread from writing
    for i in range(30):
        cache.put_many({bytes([i]) * 32: bytes(2**20)})

    assert cache.counts().dropped == 15  # 16 MiB wait, seals among them
    assert cache.get_many([ONE]) == (b"one",)
    other.execute("ROLLBACK")
    other.close()


def test_a_reader_that_is_stuck_does_not_make_the_log_grow_for_ever(
    open_file: Callable[..., SqliteCache], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a snapshot still sees cannot be taken out of the write-ahead log."""
    monkeypatch.setattr(sqlite_file, "_LOG_BYTES", 2**20)
    give_up_soon(monkeypatch)
    cache = open_file()
    put(cache, {ONE: b"one"})
    stuck = apsw.Connection(str(path))
    stuck.execute("BEGIN")
    stuck.execute("SELECT * FROM entries").get  # noqa: B018  takes the snapshot
    for i in range(10, 18):
        put(cache, {bytes([i]) * 32: bytes(2**19)})
    log = path.with_name(path.name + "-wal")

    assert log.stat().st_size < 4 * 2**20
    assert cache.counts().dropped > 3
    assert cache.get_many([ONE]) == (b"one",)
    stuck.execute("COMMIT")
    stuck.close()
    put(cache, {TWO: b"two"})
    assert cache.get_many([TWO]) == (b"two",)
    assert log.stat().st_size < 2**20


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"the minutes of a meeting\n" * 400, id="text"),
        pytest.param(b"SQLite format 3\x00" + bytes(4080), id="a head without a body"),
        pytest.param(os.urandom(4096), id="noise"),
    ],
)
def test_what_is_no_database_is_left_alone(
    open_file: Callable[..., SqliteCache], path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    cache = open_file()
    put(cache, {ONE: b"one"})

    assert cache.get_many([ONE]) == (None,)
    assert path.read_bytes() == content
    assert caplog.messages == [
        "cache: the file is no cache of xaisvc; it is left alone, and nothing is cached in a file"
    ]


@pytest.mark.parametrize("setting", ["CREATE TABLE entries (number, expires, value)", "PRAGMA application_id = 7"])
def test_a_database_of_another_program_is_left_alone(
    open_file: Callable[..., SqliteCache], path: Path, setting: str
) -> None:
    path.parent.mkdir()
    with apsw.Connection(str(path)) as other:
        other.execute(setting)
    other.close()
    content = path.read_bytes()
    cache = open_file()
    put(cache, {ONE: b"one"})

    assert cache.get_many([ONE]) == (None,)
    cache.close()
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_a_miss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = SqliteCache.open(f"sqlite:{tmp_path / 'file' / 'cache'}", CacheOptions(secret=SECRET))
    cache.put_many({ONE: b"one"})

    assert cache.get_many([ONE]) == (None,)
    assert caplog.messages == ["cache: the file cannot be opened; going on without it"]
    cache.close()


def test_a_locked_file_is_a_miss_until_it_is_free(
    open_file: Callable[..., SqliteCache],
    path: Path,
    clock: Clock,
    until: Callable[[Callable[[], bool]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = open_file(clock=clock)
    put(cache, {ONE: b"one"})
    cache.close()
    give_up_soon(monkeypatch)
    other = apsw.Connection(str(path))
    other.pragma("locking_mode", "exclusive")
    other.execute("BEGIN EXCLUSIVE")

    cache = open_file(clock=clock)
    assert cache.get_many([ONE]) == (None,)
    until(lambda: not cache._breaker._probing)
    other.execute("ROLLBACK")
    other.close()
    clock.now += 2.1
    assert cache.get_many([ONE]) == (None,)  # begins a probe, and does not wait for it
    until(lambda: cache._breaker.closed)

    assert cache.get_many([ONE]) == (b"one",)


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_file_serves_nothing_wrong_and_works_again(
    open_file: Callable[..., SqliteCache], path: Path, until: Callable[[Callable[[], bool]], None], seed: int
) -> None:
    """Bytes are overwritten behind the back of one that is using the file, and of one that opens it later."""
    values = numbered(300)
    cache = open_file()
    put(cache, values)
    other = apsw.Connection(str(path))
    other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    other.close()
    randomness = np.random.default_rng(seed)
    with path.open("r+b") as file:
        for place in randomness.integers(
            100, path.stat().st_size, size=200
        ):  # the first 100 bytes say whose file it is
            file.seek(place)
            file.write(randomness.bytes(16))

    for user in (cache, open_file()):
        for _ in range(3):
            assert wrong(user, values) == []
            put(user, numbered(10))

        def works(user: SqliteCache = user) -> bool:
            put(user, {ONE: b"one"})
            assert wrong(user, values) == []
            return user.get_many([ONE]) == (b"one",)

        until(works)


def test_a_file_that_is_cut_short_serves_nothing_wrong_and_works_again(
    open_file: Callable[..., SqliteCache], path: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    values = numbered(300)
    cache = open_file()
    put(cache, values)
    cache.close()
    os.truncate(path, path.stat().st_size // 2)
    cache = open_file()

    def works() -> bool:
        assert wrong(cache, values) == []
        put(cache, {ONE: b"one"})
        return cache.get_many([ONE]) == (b"one",)

    until(works)


def test_damage_is_said(open_file: Callable[..., SqliteCache], path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = open_file()
    put(cache, numbered(300))
    cache.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(path.stat().st_size - 4096))
    cache = open_file()

    assert cache.get_many(list(numbered(300))) == (None,) * 300
    assert caplog.messages == ["cache: the file is damaged; it will be emptied"]


def test_a_file_that_is_removed_is_a_cache_that_goes_on(open_file: Callable[..., SqliteCache], path: Path) -> None:
    cache = open_file()
    put(cache, {ONE: b"one"})
    for file in path.parent.iterdir():
        file.unlink()
    put(cache, {TWO: b"two"})

    assert wrong(cache, {ONE: b"one", TWO: b"two"}) == []


def test_spoiled_entries_are_misses_and_counted(open_file: Callable[..., SqliteCache], path: Path) -> None:
    cache = open_file()
    put(cache, {ONE: b"one", TWO: b"two", THREE: b"three"})
    with apsw.Connection(str(path)) as intruder:
        numbers = [row[0] for row in intruder.execute("SELECT number FROM entries ORDER BY length(value)")]
        one, two, three = numbers if len(numbers) == 3 else (0, 0, 0)
        intruder.execute("UPDATE entries SET value = substr(value, 1, 20) WHERE number = ?", (three,))
        intruder.execute("UPDATE entries SET number = 1 WHERE number = ?", (one,))
        intruder.execute("UPDATE entries SET number = ? WHERE number = ?", (one, two))
        intruder.execute("UPDATE entries SET number = ? WHERE number = 1", (two,))

    assert cache.get_many([ONE, TWO, THREE]) == (None, None, None)
    assert cache.counts() == CacheCounts(misses=3, rejected=3)


def test_an_entry_that_was_made_huge_is_not_read(open_file: Callable[..., SqliteCache], path: Path) -> None:
    cache = open_file()
    put(cache, {ONE: b"one", TWO: b"two"})
    with apsw.Connection(str(path)) as intruder:
        intruder.execute(
            "UPDATE entries SET value = zeroblob(3000000) WHERE expires = (SELECT min(expires) FROM entries)"
        )

    assert cache.get_many([ONE, TWO]) == (None, None)
    assert cache.counts().failures == 0


_WRITER = """
import sys, itertools
from xaisvc.cache import CacheOptions, SqliteCache
cache = SqliteCache.open("sqlite:" + sys.argv[1], CacheOptions(secret=bytes(range(32))))
for i in itertools.count():
    cache.put_many({i.to_bytes(32, "big"): i.to_bytes(4, "big") * 250})
    if i % 20 == 0:
        cache.flush(1)
    if i == 200:
        print("writing", flush=True)
"""


def test_processes_that_are_killed_while_they_write_leave_nothing_wrong(
    open_file: Callable[..., SqliteCache], path: Path
) -> None:
    values = numbered(3000)
    reader = open_file()
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE)  # noqa: S603  ours
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        assert wrong(reader, values) == []
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()

        assert wrong(reader, values) == []
        assert reader.get_many([bytes(32)]) == (bytes(1000),)
    put(reader, {ONE: b"one"})
    assert reader.get_many([ONE]) == (b"one",)


_FULL = """
import resource, sys
from xaisvc.cache import CacheOptions, SqliteCache
cache = SqliteCache.open("sqlite:" + sys.argv[1], CacheOptions(secret=bytes(range(32))))
cache.put_many({bytes(32): b"first"})
cache.flush(60)
resource.setrlimit(resource.RLIMIT_FSIZE, (2**17, 2**17))  # writing beyond fails, as it does on a full disk
for i in range(1, 200):
    cache.put_many({i.to_bytes(32, "big"): bytes(10_000)})
    cache.flush(60)
found = cache.get_many([i.to_bytes(32, "big") for i in range(200)])
assert set(found) <= {b"first", bytes(10_000), None}, found
print(cache.counts().dropped > 100, cache.counts().failures > 0)
cache.close()
"""


def test_a_full_disk_is_a_cache_that_keeps_nothing_more(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FULL, str(path)], capture_output=True, check=False, text=True)  # noqa: S603  ours

    assert (done.stdout, done.stderr, done.returncode) == ("True True\n", "", 0)


def test_threads_that_read_while_others_write_see_nothing_wrong(open_file: Callable[..., SqliteCache]) -> None:
    values = numbered(200)
    caches = [open_file(), open_file()]
    found_wrong: list[bytes] = []

    def work(cache: SqliteCache) -> None:
        for i in range(20):
            cache.put_many(dict(list(values.items())[i * 10 : i * 10 + 10]))
            found_wrong.extend(wrong(cache, values))

    threads = [threading.Thread(target=work, args=(cache,)) for cache in caches * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found_wrong == []
    assert sum(cache.counts().failures for cache in caches) == 0


def test_an_address_without_a_path_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="the address names no file; write sqlite:PATH"):
        SqliteCache.open("sqlite:", CacheOptions())


def test_a_short_secret_is_refused(path: Path) -> None:
    with pytest.raises(InvalidInputError, match="at least 32 random bytes"):
        SqliteCache.open(f"sqlite:{path}", CacheOptions(secret=SECRET[:31]))
