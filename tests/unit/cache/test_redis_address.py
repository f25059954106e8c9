from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xaisvc.cache import CacheOptions
from xaisvc.cache.redis_address import RedisAddress, parse_address
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

WORD, OTHER = "word", "sesame"
SPECIAL = ("p@ss", "p?#")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("redis://cache", RedisAddress(host="cache", port=6379)),
        ("redis://cache:7000/2", RedisAddress(host="cache", port=7000, database=2)),
        ("redis://[::1]:7000/", RedisAddress(host="::1", port=7000)),
        ("rediss://cache:7000", RedisAddress(host="cache", port=7000, tls=True)),
        ("redis://:p%40ss@cache", RedisAddress(host="cache", port=6379, password=SPECIAL[0])),
        ("redis://app:p%3F%23@cache", RedisAddress(host="cache", port=6379, username="app", password=SPECIAL[1])),
        ("unix:///run/redis.sock", RedisAddress(socket="/run/redis.sock")),
        ("unix://app:word@/run/redis.sock", RedisAddress(socket="/run/redis.sock", username="app", password=WORD)),
    ],
)
def test_addresses_are_read(address: str, expected: RedisAddress) -> None:
    assert parse_address(address, CacheOptions()) == expected


def test_user_and_password_of_the_options_go_first() -> None:
    parsed = parse_address("redis://app:word@cache", CacheOptions(username="other", password=OTHER))

    assert (parsed.username, parsed.password) == ("other", OTHER)


@pytest.mark.parametrize(
    "address",
    [
        "redis:sesame",
        "redis://",
        "redis://:sesame@",
        "redis://app:sesame@cache:port",
        "redis://app:sesame@cache:99999",
        "redis://cache/sesame",
        "redis://cache/-1",
        "redis://app:sesame@[cache",
        "unix:sesame",
        "unix://sesame",
        "unix://",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(InvalidInputError, match="write redis://HOST:PORT/DB") as caught:
        parse_address(address, CacheOptions())

    assert "sesame" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("address", ["redis://:ses?me@cache", "redis://cache?socket_timeout=60", "redis://a#b"])
def test_options_in_the_address_are_refused(address: str) -> None:
    with pytest.raises(InvalidInputError, match="leave them out, and write such characters of a password as %3F"):
        parse_address(address, CacheOptions())


def test_an_address_does_not_show_who_we_are() -> None:
    shown = repr(parse_address("redis://app:sesame@cache", CacheOptions()))

    assert "sesame" not in shown
    assert "app" not in shown


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_certificates_for_an_address_without_tls_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} is given, but the address speaks no TLS"):
        parse_address("redis://cache", CacheOptions(**{name: tmp_path / "file.pem"}))


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_certificates_that_are_not_there_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"{name}: there is no such file: file\.pem") as caught:
        parse_address("rediss://cache", CacheOptions(**{name: tmp_path / "file.pem"}))

    assert str(tmp_path) not in str(caught.value)


def test_files_that_hold_no_certificates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.pem"
    path.write_text("no certificate")

    with pytest.raises(InvalidInputError, match="ca_file holds no certificates in PEM form"):
        parse_address("rediss://cache", CacheOptions(ca_file=path))
    with pytest.raises(InvalidInputError, match="cert_file and key_file hold no certificate with its private key"):
        parse_address("rediss://cache", CacheOptions(cert_file=path))
    with pytest.raises(InvalidInputError, match="key_file is given without cert_file"):
        parse_address("rediss://cache", CacheOptions(key_file=path))
