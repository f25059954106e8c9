from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from xaisvc.errors import NotAuthenticatedError, StoreError
from xaisvc.rights import TOKENS_FILE, Grant, Rights, Token, TokenFile, TokenWatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class Desk:
    """A token file, a service that watches it, and what the service said."""

    path: Path
    file: TokenFile
    time: Any
    grant: Callable[..., Grant]
    randomness: Any
    read: list[int] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    def create(self, name: str = "desk") -> tuple[Token, str]:
        return self.file.create(self.grant(name=name), now=self.time.utc, randomness=self.randomness)

    def revoke(self, token: Token) -> None:
        self.file.revoke(token.id, now=self.time.utc)

    def watch(self) -> TokenWatch:
        return TokenWatch(self.file, clock=self.time.clock, on_read=self.read.append, on_damage=self.damage.append)

    def rights(self) -> Rights:
        return Rights(self.watch(), now=self.time.now)


@pytest.fixture
def desk(tmp_path: Path, file: TokenFile, time: Any, grant: Callable[..., Grant], randomness: Any) -> Desk:
    return Desk(tmp_path / TOKENS_FILE, file, time, grant, randomness)


def test_a_new_token_and_a_revoked_one_count_within_a_second(desk: Desk) -> None:
    _, first = desk.create()
    rights = desk.rights()
    rights.caller(first)

    made, second = desk.create("late")
    desk.time.pass_(1.0)
    assert rights.caller(second).id == "late"
    desk.revoke(made)
    desk.time.pass_(1.0)

    with pytest.raises(NotAuthenticatedError):
        rights.caller(second)
    rights.caller(first)
    assert (desk.read, desk.damage) == ([2, 2], [])


def test_the_file_is_looked_at_every_half_second_at_most(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    signature = TokenFile.signature
    monkeypatch.setattr(TokenFile, "signature", lambda self: (looks.append(desk.time.monotonic_s), signature(self))[1])
    watch = desk.watch()

    for _ in range(100):
        desk.time.pass_(0.1)
        assert watch.tokens is None

    assert len(looks) <= 1 + 10 / 0.5
    assert max(later - earlier for earlier, later in pairwise(looks)) <= 0.6 + 1e-9  # one step late; sums of 0.1 round


def test_the_first_file_brings_tokens_into_use(desk: Desk) -> None:
    rights = desk.rights()
    assert not rights.in_use

    desk.create()
    desk.time.pass_(1.0)

    assert rights.in_use


def test_a_file_with_no_token_at_all_brings_them_into_use_too(desk: Desk) -> None:
    desk.path.write_text('{"version": 1, "tokens": []}')

    assert desk.rights().in_use


@pytest.mark.parametrize("damage", ["cut", "gone", "pipe", "open to others"])
def test_damage_leaves_the_last_good_state_and_is_said_once(desk: Desk, damage: str) -> None:
    made, text = desk.create()
    rights = desk.rights()
    good = desk.path.read_bytes()
    if damage == "cut":
        desk.path.write_bytes(good[:-10])
    elif damage == "open to others":
        desk.path.chmod(0o666)
    else:
        desk.path.unlink()
        if damage == "pipe":
            os.mkfifo(desk.path)

    for _ in range(10):
        desk.time.pass_(1.0)
        assert rights.caller(text).id == "desk"
    assert len(desk.damage) == 1
    assert desk.damage[0].startswith(TOKENS_FILE)

    desk.path.unlink(missing_ok=True)
    desk.path.write_bytes(good)
    desk.path.chmod(0o600)
    desk.revoke(made)
    desk.time.pass_(1.0)
    with pytest.raises(NotAuthenticatedError):
        rights.caller(text)
    assert desk.read == [1]


def test_a_damaged_file_stops_the_start(desk: Desk) -> None:
    desk.path.write_text("{")

    with pytest.raises(StoreError, match=r"tokens\.json is damaged"):
        desk.watch()


def test_a_change_while_the_file_is_being_read_is_seen_at_the_next_look(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, text = desk.create()
    read = TokenFile.read

    def read_then_change(self: TokenFile) -> Any:
        found = read(self)
        monkeypatch.setattr(TokenFile, "read", read)
        desk.revoke(made)
        return found

    monkeypatch.setattr(TokenFile, "read", read_then_change)
    rights = desk.rights()
    rights.caller(text)
    desk.time.pass_(0.5)

    with pytest.raises(NotAuthenticatedError):
        rights.caller(text)


def test_others_do_not_wait_while_one_reads(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.create()
    watch = desk.watch()
    desk.create()
    reading, go_on = threading.Event(), threading.Event()
    read = TokenFile.read

    def read_slowly(self: TokenFile) -> Any:
        reading.set()
        assert go_on.wait(60)
        return read(self)

    monkeypatch.setattr(TokenFile, "read", read_slowly)
    desk.time.pass_(1.0)
    reader = threading.Thread(target=lambda: watch.tokens)
    reader.start()
    assert reading.wait(60)

    desk.time.pass_(1.0)  # the next look is due again
    assert len(watch.tokens or ()) == 1
    go_on.set()
    reader.join()
    assert len(watch.tokens or ()) == 2
