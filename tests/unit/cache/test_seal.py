from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaisvc.cache.seal import SEALED_BYTES, Seal
from xaisvc.errors import InvalidInputError

SECRET = bytes(range(32))
ONE, TWO = (bytes([i]) * 32 for i in (1, 2))


@given(st.binary(max_size=200))
def test_what_is_sealed_opens(value: bytes) -> None:
    seal = Seal(SECRET)
    sealed = seal.close(ONE, value)

    assert len(sealed) == len(value) + SEALED_BYTES
    assert seal.open(ONE, sealed) == value
    assert seal.open(TWO, sealed) is None
    assert Seal(SECRET[::-1]).open(ONE, sealed) is None


@given(st.binary(max_size=100), st.data())
def test_what_was_changed_does_not_open(value: bytes, data: st.DataObject) -> None:
    sealed = bytearray(Seal(SECRET).close(ONE, value))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))

    assert Seal(SECRET).open(ONE, bytes(sealed)) is None


@given(st.binary(max_size=100))
def test_what_was_never_sealed_does_not_open(content: bytes) -> None:
    assert Seal(SECRET).open(ONE, content) is None


def test_the_layout_is_a_version_a_mark_and_the_value() -> None:
    secret = hmac.digest(SECRET, b"xaisvc cache seal", "sha256")
    mark = hmac.digest(secret, b"\x01" + hashlib.sha256(ONE).digest() + b"value", "sha256")

    assert Seal(SECRET).close(ONE, b"value") == b"\x01" + mark + b"value"


def test_names_are_keyed() -> None:
    seal = Seal(SECRET)

    assert len({seal.name(ONE), seal.name(TWO), Seal(SECRET[::-1]).name(ONE), ONE, TWO}) == 5


@pytest.mark.parametrize("length", [0, 31])
def test_a_short_secret_is_refused(length: int) -> None:
    with pytest.raises(InvalidInputError, match=f"secret has {length} bytes; a cache outside this process needs"):
        Seal(bytes(length))
