"""Killed processes, full and failing disks, lost power: what was acknowledged is there, and the chain verifies."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.records.events import add, as_read, make_event, open_store, verify
from tests.unit.records.kill_writer import kill_again_and_again
from xaisvc.errors import StoreError
from xaisvc.records import store_path

ROOT = Path(__file__).parents[3]
STRACE = shutil.which("strace")


def strace_works() -> bool:
    if STRACE is None:
        return False
    tried = subprocess.run([STRACE, "-o", os.devnull, sys.executable, "-c", ""], check=False, capture_output=True)  # noqa: S603
    return tried.returncode == 0


needs_strace = pytest.mark.skipif(not strace_works(), reason="strace is not installed or may not trace here")


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    report = kill_again_and_again(tmp_path, kills=5)

    assert (report.lost, report.problems) == ([], [])
    assert report.acknowledged > 0
    assert report.recorded >= report.acknowledged


FULL = """
import json, resource, signal, sys, time
from pathlib import Path
from tests.unit.records.events import make_event, open_store
from xaisvc.errors import StoreError
from xaisvc.records import store_path

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead, as on a full disk
store = open_store(store_path(Path(sys.argv[1])))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
kept, failures = [], []
for i in range(100):
    try:
        store.append(make_event(str(i), bytes(20_000))).result(60)
        kept.append(str(i))
    except StoreError as error:
        failures.append(str(error))
readable = all(store.get(name) is not None for name in kept)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
for _ in range(600):  # it finds out by itself
    if not store.failure:
        break
    time.sleep(0.05)
failure = store.failure
store.append(make_event("after", bytes(20_000))).result(60)
store.close()
print(json.dumps({"kept": kept, "failures": sorted(set(failures)), "readable": readable, "failure": failure}))
"""


def test_a_disk_that_takes_no_more_and_then_does(tmp_path: Path) -> None:
    """The limit on the size of files stands for the end of the disk: the log cannot grow beyond it."""
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", FULL, str(tmp_path)], check=False, capture_output=True, text=True, cwd=ROOT, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)

    assert 0 < len(told["kept"]) < 100
    assert told["failures"]
    assert all("nothing was recorded, so nothing was answered" in failure for failure in told["failures"])
    assert (told["readable"], told["failure"]) == (True, "")
    report = verify(store_path(tmp_path))
    assert report.problems == ()
    with closing(open_store(store_path(tmp_path))) as store:
        assert [event.id for event in store.events()] == [*told["kept"], "after"]


TELL = """
import os, sys
from pathlib import Path
from tests.unit.records.events import make_event, open_store
from xaisvc.errors import StoreError
from xaisvc.records import store_path

store = open_store(store_path(Path(sys.argv[1])))
for i in range(int(sys.argv[2])):
    try:
        store.append(make_event(str(i), bytes(3_000))).result(60)
        os.write(1, b"stored %d\\n" % i)
    except StoreError as error:
        os.write(1, b"failed %d\\n" % i)
os._exit(0)
"""


def traced(tmp_path: Path, events: int, *options: str) -> tuple[list[str], str]:
    """Runs a writer under strace; gives its calls in their order and what it told."""
    log = tmp_path / "calls"
    command = [str(STRACE), "-f", "-y", "-o", str(log), *options, sys.executable, "-c", TELL, str(tmp_path / "data")]
    ran = subprocess.run(  # noqa: S603 - our own program
        [*command, str(events)], check=False, capture_output=True, text=True, cwd=ROOT, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    return log.read_text().splitlines(), ran.stdout


@needs_strace
def test_the_log_is_synced_before_anything_is_acknowledged(tmp_path: Path) -> None:
    calls, told = traced(tmp_path, 20, "-e", "trace=fdatasync,fsync,write,pwrite64")

    assert told.count("stored") == 20
    unsynced, acknowledged = True, 0
    for call in calls:
        if "sqlite3-wal" in call and "pwrite64" in call:
            unsynced = True
        elif re.search(r"f(data)?sync\(\d+<[^>]*sqlite3-wal>\)\s+= 0", call) or "sync resumed" in call:
            unsynced = False
        elif '"stored ' in call:
            assert not unsynced, f"acknowledged before the log was synced: {call}"
            acknowledged += 1
    assert acknowledged == 20


@needs_strace
@pytest.mark.parametrize(("call", "error"), [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fdatasync", "EIO")])
@pytest.mark.parametrize("when", [1, 2, 3, 5, 8, 13, 21])
def test_a_call_that_fails_loses_nothing_acknowledged(tmp_path: Path, call: str, error: str, when: int) -> None:
    """Each of the first calls fails once, as on a full or a failing disk; the file is opened again afterwards."""
    open_store(store_path(tmp_path / "data")).close()
    inject = f"inject={call}:error={error}:when={when}"
    try:
        _, told = traced(tmp_path, 6, "-e", f"trace={call}", "-e", inject)
    except AssertionError as refused:  # it failed while the store was being opened: then it says so and stops
        assert "StoreError" in str(refused)  # noqa: PT017 - the text of the other process
        told = ""

    stored = re.findall(r"stored (\d+)", told)
    report = verify(store_path(tmp_path / "data"))
    assert report.problems == ()
    with closing(open_store(store_path(tmp_path / "data"))) as store:
        assert [name for name in stored if store.get(name) is None] == []


def test_every_prefix_of_the_log_is_a_store_that_verifies(tmp_path: Path) -> None:
    """A power failure keeps some prefix of the log: the store then ends with some commit, and nothing is torn."""
    data, cut = tmp_path / "data", tmp_path / "cut"
    path = store_path(data)
    store = open_store(path)
    for i in range(12):
        add(store, make_event(f"{i}", b"x" * 3000))
    shutil.copytree(data, tmp_path / "crashed")  # as the disk is while the store is open
    store.close()
    log = (tmp_path / "crashed" / (path.name + "-wal")).read_bytes()
    assert len(log) > 100_000

    found = []
    for size in [*range(0, len(log), 4_500), len(log)]:
        shutil.rmtree(cut, ignore_errors=True)
        shutil.copytree(tmp_path / "crashed", cut, ignore=shutil.ignore_patterns("*-shm"))
        (cut / (path.name + "-wal")).write_bytes(log[:size])
        try:
            store = open_store(store_path(cut))
        except StoreError as error:
            pytest.fail(f"{size} bytes of the log: {error}")
        found.append(len(list(store.events())))
        store.close()
        assert verify(store_path(cut)).problems == ()

    assert found == sorted(found)
    assert found[-1] == 12


def test_the_sequence_goes_on_whatever_the_clock_does(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    for day in (20, 3, 28, 1):  # the clock jumps between, and inside, the lives of a store
        with closing(open_store(path)) as store:
            add(store, make_event(f"{day}-a", at=f"2026-02-{day:02}T00:00:00.000Z"))
            add(store, make_event(f"{day}-b", at=f"2025-02-{day:02}T00:00:00.000Z"))

    with closing(open_store(path)) as store:
        assert [event.id for event in store.events()] == [f"{day}-{part}" for day in (20, 3, 28, 1) for part in "ab"]
        assert store.get("20-a") == as_read(make_event("20-a", at="2026-02-20T00:00:00.000Z"))
    assert verify(path).problems == ()
