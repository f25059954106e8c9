from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from xaisvc.errors import InvalidRequestError
from xaisvc.rights import Grant, digest_of, issue, split_token
from xaisvc.types import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_a_token_names_itself_and_keeps_only_the_hash_of_256_random_bits(grant: Callable[..., Grant]) -> None:
    asked: list[int] = []

    def randomness(size: int) -> bytes:
        asked.append(size)
        return bytes(range(size))

    token, text = issue(grant(), now=NOON, randomness=randomness)

    bits = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"  # base64url of the bytes 0 to 31
    assert asked == [8, 32]
    assert text == f"xai_0001020304050607_{bits}"
    assert split_token(text) == ("0001020304050607", bits)
    assert token.digest == hashlib.sha256(bits.encode()).digest() == digest_of(bits)
    assert bits not in repr(token)
    assert token.digest.hex() not in repr(token)
    assert repr(token.digest) not in repr(token)


def test_the_bearer_is_who_was_granted(grant: Callable[..., Grant]) -> None:
    token, _ = issue(
        grant(tenant="retail", methods=frozenset({"tree"}), rows_per_minute=60),
        now=NOON,
        randomness=secrets.token_bytes,
    )

    expected = Caller(
        id="desk",
        tenant="retail",
        bundles=frozenset({"loans"}),
        audiences=frozenset({"customer"}),
        methods=frozenset({"tree"}),
        rows_per_minute=60,
    )
    assert token.caller == expected


def test_a_token_ends_at_its_expiry_to_the_second(grant: Callable[..., Grant]) -> None:
    token, _ = issue(
        grant(valid_for=timedelta(hours=1)), now=NOON.replace(microsecond=999_999), randomness=secrets.token_bytes
    )

    assert token.expires == NOON + timedelta(hours=1)
    assert token.state(token.expires - timedelta(microseconds=1)) == "active"
    assert token.state(token.expires) == "expired"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xai",
        "xai_0001020304050607_",
        "xai_0001020304050607_" + "A" * 42,
        "xai_0001020304050607_" + "A" * 44,
        "xai_000102030405060_" + "A" * 43,
        "xai_000102030405060G_" + "A" * 43,
        "XAI_0001020304050607_" + "A" * 43,
        "xai_0001020304050607_" + "A" * 42 + "+",
        "xai_0001020304050607_" + "A" * 43 + "\n",
        " xai_0001020304050607_" + "A" * 43,
        "xai_0001020304050607_" + "é" * 43,
        "xai_٠٠٠١٠٢٠٣٠٤٠٥٠٦٠٧_" + "A" * 43,
    ],
)
def test_what_has_not_the_form_of_a_token_is_none(text: str) -> None:
    assert split_token(text) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name: '' does not fit; use up to 100 letters"),
        ({"name": "two words"}, "name: 'two words' does not fit"),
        ({"name": "-rf"}, "name: '-rf' does not fit"),
        ({"name": "x" * 101}, "does not fit"),
        ({"name": "desk\n"}, "name: 'desk\\\\n' does not fit"),
        ({"name": "local"}, "name: 'local' stands for callers where no tokens are in use; choose another name"),
        ({"tenant": "a/b"}, "tenant: 'a/b' does not fit"),
        ({"bundles": frozenset({"loans", "../loans"})}, "bundles: '../loans' does not fit"),
        ({"audiences": frozenset({""})}, "audiences: '' does not fit"),
        ({"methods": frozenset({"tree,linear"})}, "methods: 'tree,linear' does not fit"),
        ({"bundles": frozenset(f"b{i}" for i in range(1001))}, "bundles: names 1001; name 1000 at most, or allow all"),
        ({"rows_per_minute": 0}, "rows_per_minute: must be from 1 to 1000000000; leave it out for no bound"),
        ({"valid_for": timedelta(0)}, "expires: must be in the future and at most 3650 days away"),
        ({"valid_for": timedelta(days=3650, seconds=1)}, "expires: must be in the future and at most 3650 days away"),
    ],
)
def test_a_grant_that_does_not_fit_is_refused_with_the_field(
    grant: Callable[..., Grant], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        issue(grant(**changes), now=NOON, randomness=secrets.token_bytes)
