"""Ten thousand poisoned entries in each store outside the process: none is served, all are counted."""

from __future__ import annotations

import hashlib
import io
import pickletools
from typing import TYPE_CHECKING

import apsw
import numpy as np
import pytest
from redis import Redis

from xaisvc.cache import CacheCounts, CacheKey, CacheOptions, RedisCache, SqliteCache, tenant_salt
from xaisvc.types import Digests, Players, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from xaisvc.cache import ExplanationCache

SECRET = bytes(range(32))
COUNT = 10_000
WAIT_S = 60.0

KEY = CacheKey(
    answer_version=1,
    digests=Digests(model="a" * 64, background="b" * 64, schema="c" * 64),
    output="default_risk",
    space=Space.LOG_ODDS,
    method="tree",
    seed=0,
    value_function="interventional",
    players=Players(names=("age",), members=(("age",),)),
)
ROWS = [hashlib.sha256(b"row %d" % i).digest() for i in range(COUNT // 2)]
MINE = KEY.row_keys(ROWS, tenant_salt(SECRET, "mine"))
THEIRS = KEY.row_keys(ROWS, tenant_salt(SECRET, "theirs"))
VALUES = {key: hashlib.sha256(key).digest() * (1 + i % 40) for i, key in enumerate(MINE + THEIRS)}

PICKLE = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."  # runs a program where it is unpickled


def poison(randomness: np.random.Generator, place: int, stored: bytes, other: bytes, same_row: bytes) -> bytes:
    """An entry made from its own content, that of another key, and that of the same row of another tenant."""
    kinds: list[Callable[[], bytes]] = [
        lambda: _with_a_bit_turned(randomness, stored),
        lambda: stored[: int(randomness.integers(1, len(stored)))],
        lambda: stored + randomness.bytes(int(randomness.integers(1, 50))),
        lambda: other,
        lambda: same_row,
        lambda: bytes([stored[0] - 1]) + stored[1:],  # what an older release could have written
        lambda: stored[1:],
        lambda: stored[:1] + hashlib.sha256(stored[33:]).digest() + stored[33:],  # sealed without the secret
        lambda: PICKLE,
        lambda: stored[:33] + PICKLE,
        lambda: randomness.bytes(len(stored)),
    ]
    return kinds[place % len(kinds)]()


def _with_a_bit_turned(randomness: np.random.Generator, stored: bytes) -> bytes:
    turned = bytearray(stored)
    turned[int(randomness.integers(len(stored)))] ^= 1 << int(randomness.integers(8))
    return bytes(turned)


def poison_all(stored: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Every entry poisoned, each by name."""
    randomness = np.random.default_rng(20_261)
    names = list(stored)
    half = len(names) // 2
    return {
        name: poison(randomness, i, stored[name], stored[names[i - 1]], stored[names[(i + half) % len(names)]])
        for i, name in enumerate(names)
    }


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def poisoned(
    request: pytest.FixtureRequest, tmp_path: Path, patient_files: None
) -> Iterator[tuple[ExplanationCache, Callable[[Callable[[Mapping[bytes, bytes]], Mapping[bytes, bytes]]], None]]]:
    """A cache that holds all values, and a function that lets an intruder change what is stored, by name."""
    del patient_files
    if request.param == "redis":
        address = request.getfixturevalue("redis_server").address
        client = Redis.from_url(address)
        client.flushall()
        cache: ExplanationCache = RedisCache.open(address, CacheOptions(secret=SECRET, timeout_s=WAIT_S))
        name_of = cache._name  # type: ignore[attr-defined] # of RedisCache

        def change(how: Callable[[Mapping[bytes, bytes]], Mapping[bytes, bytes]]) -> None:
            names = [name_of(key) for key in VALUES]
            client.mset(how(dict(zip(names, client.mget(names), strict=True))))
            client.close()
    else:
        path = tmp_path / "cache"
        cache = SqliteCache.open(f"sqlite:{path}", CacheOptions(secret=SECRET))

        def change(how: Callable[[Mapping[bytes, bytes]], Mapping[bytes, bytes]]) -> None:
            with apsw.Connection(str(path)) as intruder:
                stored = dict(intruder.execute("SELECT number, value FROM entries"))
                rows = [(value, number) for number, value in how(stored).items()]
                intruder.executemany("UPDATE entries SET value = ? WHERE number = ?", rows)

    for start in range(0, COUNT, 1000):
        cache.put_many(dict(list(VALUES.items())[start : start + 1000]))
    assert cache.flush(WAIT_S)
    yield cache, change
    cache.close()


def test_no_poisoned_entry_is_served_and_all_are_counted_and_replaced(
    poisoned: tuple[ExplanationCache, Callable[[Callable[[Mapping[bytes, bytes]], Mapping[bytes, bytes]]], None]],
) -> None:
    cache, change = poisoned
    assert cache.get_many(list(VALUES)) == tuple(VALUES.values())

    change(poison_all)
    assert cache.get_many(list(VALUES)) == (None,) * COUNT
    assert cache.counts() == CacheCounts(hits=COUNT, misses=COUNT, rejected=COUNT)

    for start in range(0, COUNT, 1000):
        cache.put_many(dict(list(VALUES.items())[start : start + 1000]))
    assert cache.flush(WAIT_S)
    assert cache.get_many(list(VALUES)) == tuple(VALUES.values())


def test_an_intruder_who_changes_nothing_is_not_noticed(
    poisoned: tuple[ExplanationCache, Callable[[Callable[[Mapping[bytes, bytes]], Mapping[bytes, bytes]]], None]],
) -> None:
    """So it is the poison that was found above, not the hand that wrote it."""
    cache, change = poisoned
    change(lambda stored: stored)

    assert cache.get_many(list(VALUES)) == tuple(VALUES.values())


def test_the_pickle_is_one() -> None:
    text = io.StringIO()
    pickletools.dis(PICKLE, out=text)

    assert "REDUCE" in text.getvalue()


def test_tenants_never_find_each_others_entries(
    poisoned: tuple[ExplanationCache, Callable[[Callable[[Mapping[bytes, bytes]], Mapping[bytes, bytes]]], None]],
) -> None:
    cache, _ = poisoned
    stranger = KEY.row_keys(ROWS, tenant_salt(SECRET, "stranger"))

    assert not set(MINE) & set(THEIRS)
    assert cache.get_many(stranger) == (None,) * len(ROWS)
