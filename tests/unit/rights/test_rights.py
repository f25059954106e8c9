from __future__ import annotations

import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from xaisvc.errors import NotAuthenticatedError
from xaisvc.rights import NOT_AUTHENTICATED, Grant, Rights, TokenFile, TokenWatch, tokens
from xaisvc.types import Caller

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def texts(file: TokenFile, time: Any, grant: Callable[..., Grant], randomness: Any) -> dict[str, str]:
    """What a caller may send, by what is the matter with it."""
    made = {}
    for name, lasts in (("good", timedelta(days=1)), ("revoked", timedelta(days=1)), ("expired", timedelta(hours=1))):
        token, made[name] = file.create(grant(valid_for=lasts), now=time.utc, randomness=randomness)
        if name == "revoked":
            file.revoke(token.id, now=time.utc)
    time.pass_(3600)
    good = made["good"]
    other = "B" if good[-1] == "A" else "A"
    return {
        **made,
        "missing": "",
        "malformed": "good morning",
        "cut": good[:-1],
        "wrong secret": good[:-5] + other * 5,
        "secret of another": good[:21] + made["revoked"][21:],
        "unknown id": "xai_" + "f" * 16 + good[20:],
        "long": "x" * 100_000,
        "not ASCII": "xai_" + "é" * 60,
        "not UTF-8": "xai_\udcff",
    }


@pytest.fixture
def rights(file: TokenFile, texts: dict[str, str], time: Any) -> Rights:
    del texts  # made before the file is read
    return Rights(TokenWatch(file, clock=time.clock, on_read=lambda _: None, on_damage=lambda _: None), now=time.now)


WRONG = (
    "missing", "malformed", "cut", "wrong secret", "secret of another", "unknown id", "revoked", "expired", "long",
    "not ASCII", "not UTF-8",
)  # fmt: skip


def test_a_good_token_gives_its_caller(rights: Rights, texts: dict[str, str]) -> None:
    expected = Caller(id="desk", bundles=frozenset({"loans"}), audiences=frozenset({"customer"}), methods=frozenset())

    assert rights.caller(texts["good"]) == expected


@pytest.mark.parametrize("what", WRONG)
def test_every_wrong_token_gets_one_and_the_same_answer(rights: Rights, texts: dict[str, str], what: str) -> None:
    with pytest.raises(NotAuthenticatedError) as caught:
        rights.caller(texts[what])

    assert type(caught.value) is NotAuthenticatedError
    assert caught.value.args == (NOT_AUTHENTICATED,)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("what", ["good", *WRONG])
def test_every_token_costs_one_hash_and_one_comparison_of_equal_length(
    rights: Rights, texts: dict[str, str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []
    compared: list[tuple[int, int]] = []
    digest, compare = tokens.digest_of, hmac.compare_digest

    def counted_digest(secret: str) -> bytes:
        hashed.append(len(secret))
        return digest(secret)

    def counted_compare(first: Any, second: Any) -> bool:
        compared.append((len(first), len(second)))
        return compare(first, second)

    monkeypatch.setattr("xaisvc.rights.rights.digest_of", counted_digest)
    monkeypatch.setattr("xaisvc.rights.rights.hmac.compare_digest", counted_compare)
    try:
        rights.caller(texts[what])
    except NotAuthenticatedError:
        assert what != "good"

    assert hashed == [43]
    assert compared == [(32, 32)]


def test_nothing_shows_a_secret(rights: Rights, texts: dict[str, str]) -> None:
    secret = texts["good"][21:]
    shown = [repr(rights), repr(rights.caller(texts["good"])), repr(dict(rights._watch.tokens or {}))]

    assert not [text for text in shown if secret in text]
    assert not [text for text in shown if tokens.digest_of(secret).hex() in text]
