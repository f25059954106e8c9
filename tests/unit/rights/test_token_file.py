from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from xaisvc.errors import InvalidRequestError, NotFoundError, StoreError
from xaisvc.rights import TOKENS_FILE, Grant, TokenFile, split_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def test_what_is_made_is_read_back(file: TokenFile, grant: Callable[..., Grant], randomness: Any) -> None:
    assert file.read() is None

    first, _ = file.create(grant(), now=NOON, randomness=randomness)
    second, _ = file.create(
        grant(name="risk", tenant="t", bundles=None, audiences=None, methods=None, rows_per_minute=7),
        now=NOON,
        randomness=randomness,
    )

    assert file.read() == (first, second)


def test_the_secret_is_nowhere_on_disk_and_the_files_are_their_owners(
    tmp_path: Path, file: TokenFile, grant: Callable[..., Grant]
) -> None:
    for left in (TOKENS_FILE + ".part", TOKENS_FILE + ".lock"):  # by somebody careless
        (tmp_path / left).write_text("x" * 10_000)
        (tmp_path / left).chmod(0o666)
    before = os.umask(0)
    try:
        _, text = file.create(grant(), now=NOON, randomness=secrets.token_bytes)
    finally:
        os.umask(before)

    parts = split_token(text)
    assert parts is not None
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(written) == {TOKENS_FILE, TOKENS_FILE + ".lock"}
    assert parts[0].encode() in written[TOKENS_FILE]  # the search below would find the secret
    assert not [name for name, content in written.items() if parts[1].encode() in content]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_revoking_ends_a_token_once_and_leaves_the_others(
    file: TokenFile, grant: Callable[..., Grant], randomness: Any
) -> None:
    first, _ = file.create(grant(), now=NOON, randomness=randomness)
    second, _ = file.create(grant(), now=NOON, randomness=randomness)

    revoked = file.revoke(first.id, now=NOON + DAY)
    again = file.revoke(first.id, now=NOON + 2 * DAY)

    assert again == revoked == replace(first, revoked=NOON + DAY)
    assert file.read() == (revoked, second)


def test_revoking_what_is_not_there_says_where_the_ids_are(file: TokenFile) -> None:
    with pytest.raises(NotFoundError, match="no token with this id; `xaisvc token list` shows the ids"):
        file.revoke("0" * 16, now=NOON)


def test_a_name_belongs_to_one_tenant(file: TokenFile, grant: Callable[..., Grant], randomness: Any) -> None:
    file.create(grant(tenant="retail"), now=NOON, randomness=randomness)
    file.create(grant(tenant="retail"), now=NOON, randomness=randomness)

    with pytest.raises(InvalidRequestError, match="name: 'desk' has a token with tenant 'retail' already"):
        file.create(grant(), now=NOON, randomness=randomness)


def test_an_id_is_never_given_twice(file: TokenFile, grant: Callable[..., Grant]) -> None:
    drawn = iter([b"\1" * 8, b"a" * 32, b"\1" * 8, b"b" * 32, b"\2" * 8, b"c" * 32])

    made = [file.create(grant(), now=NOON, randomness=lambda _: next(drawn))[0].id for _ in range(2)]

    assert made == ["01" * 8, "02" * 8]


def test_tokens_that_ended_long_ago_leave_the_file(
    file: TokenFile, grant: Callable[..., Grant], randomness: Any
) -> None:
    expired, _ = file.create(grant(valid_for=DAY), now=NOON, randomness=randomness)
    revoked, _ = file.create(grant(valid_for=3000 * DAY), now=NOON, randomness=randomness)
    lasting, _ = file.create(grant(valid_for=3000 * DAY), now=NOON, randomness=randomness)
    file.revoke(revoked.id, now=NOON + 2 * DAY)

    def ids(now: datetime) -> list[str]:
        made, _ = file.create(grant(valid_for=3000 * DAY), now=now, randomness=randomness)
        return [token.id for token in file.read() or () if token.id != made.id]

    assert expired.id in ids(NOON + 401 * DAY - timedelta(seconds=1))
    assert expired.id not in ids(NOON + 401 * DAY)
    assert revoked.id in ids(NOON + 402 * DAY - timedelta(seconds=1))
    left = ids(NOON + 402 * DAY)
    assert revoked.id not in left
    assert lasting.id in left


def test_a_link_to_the_file_stays_a_link(tmp_path: Path, grant: Callable[..., Grant], randomness: Any) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / TOKENS_FILE
    link.symlink_to(tmp_path / "real" / TOKENS_FILE)

    made, _ = TokenFile(link).create(grant(), now=NOON, randomness=randomness)

    assert link.is_symlink()
    assert TokenFile(tmp_path / "real" / TOKENS_FILE).read() == (made,)


def test_a_file_that_others_may_change_is_refused(
    tmp_path: Path, file: TokenFile, grant: Callable[..., Grant], randomness: Any
) -> None:
    file.create(grant(), now=NOON, randomness=randomness)
    (tmp_path / TOKENS_FILE).chmod(0o620)

    with pytest.raises(StoreError, match=r"can be changed by others than its owner.*chmod 600 tokens\.json"):
        file.read()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_plain_file_is_refused_at_once(
    tmp_path: Path, file: TokenFile, make: Callable[[Path], None]
) -> None:
    make(tmp_path / TOKENS_FILE)

    with pytest.raises(StoreError, match=r"tokens\.json (is no plain file|cannot be read)"):
        file.read()


def test_a_folder_that_cannot_be_used_is_said_without_its_path(tmp_path: Path, grant: Callable[..., Grant]) -> None:
    (tmp_path / "taken").write_text("")
    file = TokenFile(tmp_path / "taken" / TOKENS_FILE)

    with pytest.raises(
        StoreError, match=r"tokens\.json cannot be changed: .*data folder that it may write to"
    ) as caught:
        file.create(grant(), now=NOON, randomness=secrets.token_bytes)
    assert str(tmp_path) not in str(caught.value)


def _entry(**changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "id": "00" * 8,
        "name": "desk",
        "tenant": "",
        "bundles": ["loans"],
        "audiences": ["customer"],
        "methods": [],
        "rows_per_minute": None,
        "sha256": "ab" * 32,
        "created": "2026-03-01T12:00:00Z",
        "expires": "2026-05-30T12:00:00Z",
        "revoked": None,
    }
    return {**values, **changes}


def _text(*entries: object, version: object = 1) -> str:
    return json.dumps({"version": version, "tokens": list(entries)})


def test_the_entry_that_the_cases_below_damage_is_whole(tmp_path: Path, file: TokenFile) -> None:
    (tmp_path / TOKENS_FILE).write_text(_text(_entry()))

    (token,) = file.read() or ()
    assert token.caller.bundles == {"loans"}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "it is no JSON, perhaps cut off"),
        (_text(_entry())[:-20], "it is no JSON, perhaps cut off"),
        ("\udcff", "it is no JSON, perhaps cut off"),
        ("[" * 100_000, "it is no JSON, perhaps cut off"),
        ("[]", "the file: must be an object with exactly the fields version, tokens"),
        ('{"version": 1, "tokens": [], "more": 1}', "the file: must be an object with exactly the fields"),
        ('{"version": 1, "version": 1, "tokens": []}', "a name stands twice in one object"),
        (_text(version=2), "version: is not 1"),
        (_text(version=True), "version: is not 1"),
        ('{"version": 1, "tokens": {}}', "tokens: is no list"),
        (_text(_entry(), _entry()), "tokens: two have the same id"),
        (_text(_entry(), 3), r"tokens\[1\]: must be an object with exactly the fields id, name"),
        (_text({**_entry(), "admin": True}), r"tokens\[0\]: must be an object with exactly the fields"),
        (_text(_entry(id="SECRETVALUE")), r"tokens\[0\]\.id: does not have the form"),
        (_text(_entry(name="a b")), r"tokens\[0\]\.name: does not have the form"),
        (_text(_entry(name=None)), r"tokens\[0\]\.name: does not have the form"),
        (_text(_entry(tenant="a b")), r"tokens\[0\]\.tenant: does not have the form"),
        (_text(_entry(tenant=None)), r"tokens\[0\]\.tenant: does not have the form"),
        (_text(_entry(bundles="loans")), r"tokens\[0\]\.bundles: must be null for all, or a list of names"),
        (_text(_entry(audiences=[None])), r"tokens\[0\]\.audiences: must be null for all, or a list of names"),
        (_text(_entry(methods=[""])), r"tokens\[0\]\.methods: must be null for all, or a list of names"),
        (_text(_entry(rows_per_minute=0)), r"tokens\[0\]\.rows_per_minute: must be null for no bound"),
        (_text(_entry(rows_per_minute=True)), r"tokens\[0\]\.rows_per_minute: must be null for no bound"),
        (_text(_entry(rows_per_minute=1.5)), r"tokens\[0\]\.rows_per_minute: must be null for no bound"),
        (_text(_entry(sha256="ab")), r"tokens\[0\]\.sha256: does not have the form"),
        (_text(_entry(expires=None)), r"tokens\[0\]\.expires: does not have the form"),
        (_text(_entry(expires="2026-05-30T12:00:00+00:00")), r"tokens\[0\]\.expires: does not have the form"),
        (_text(_entry(expires="2026-02-30T12:00:00Z")), r"tokens\[0\]\.expires: is no time that exists"),
        (_text(_entry(revoked="yesterday")), r"tokens\[0\]\.revoked: does not have the form"),
    ],
)
def test_a_damaged_file_is_refused_with_the_place_and_without_a_value(
    tmp_path: Path, file: TokenFile, content: str, what: str
) -> None:
    (tmp_path / TOKENS_FILE).write_bytes(content.encode(errors="surrogateescape"))

    with pytest.raises(StoreError, match=rf"tokens\.json is damaged: {what}.*put a good copy back") as caught:
        file.read()
    assert "SECRETVALUE" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_damaged_file_is_not_written_over(tmp_path: Path, file: TokenFile, grant: Callable[..., Grant]) -> None:
    (tmp_path / TOKENS_FILE).write_text("{}")

    with pytest.raises(StoreError, match="damaged"):
        file.create(grant(), now=NOON, randomness=secrets.token_bytes)
    with pytest.raises(StoreError, match="damaged"):
        file.revoke("00" * 8, now=NOON)
    assert (tmp_path / TOKENS_FILE).read_text() == "{}"


def test_a_file_that_would_grow_too_large_is_not_written(
    tmp_path: Path, file: TokenFile, grant: Callable[..., Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.create(grant(), now=NOON, randomness=secrets.token_bytes)
    before = (tmp_path / TOKENS_FILE).read_bytes()
    monkeypatch.setattr("xaisvc.rights.token_file.MAX_FILE_BYTES", len(before))

    with pytest.raises(StoreError, match="too many tokens"):
        file.create(grant(), now=NOON, randomness=secrets.token_bytes)
    assert (tmp_path / TOKENS_FILE).read_bytes() == before


def test_a_lock_that_is_never_released_is_waited_for_no_longer_than_five_seconds(
    tmp_path: Path, grant: Callable[..., Grant], time: Any
) -> None:
    held, waiting = (
        TokenFile(tmp_path / TOKENS_FILE),
        TokenFile(tmp_path / TOKENS_FILE, clock=time.clock, sleep=time.pass_),
    )
    start_s = time.monotonic_s

    with held._alone(), pytest.raises(StoreError, match="locked by another process for 5 s"):
        waiting.create(grant(), now=NOON, randomness=secrets.token_bytes)
    waited_s = time.monotonic_s - start_s
    waiting.create(grant(), now=NOON, randomness=secrets.token_bytes)

    assert 5 <= waited_s < 5.1  # one pause of 0.02 s more at most


def _make_some(path: Path, name: str, count: int) -> None:
    file = TokenFile(path, clock=lambda: 0.0)  # time stands still: the lock is waited for as long as it takes
    grant = Grant(name=name, bundles=None, audiences=None, methods=None, valid_for=DAY)
    for _ in range(count):
        file.create(grant, now=NOON, randomness=secrets.token_bytes)


def test_processes_that_make_tokens_at_once_lose_none(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")  # as two command lines are
    makers = [context.Process(target=_make_some, args=(tmp_path / TOKENS_FILE, name, 25)) for name in ("a", "b", "c")]
    for maker in makers:
        maker.start()
    seen = 0
    while any(maker.is_alive() for maker in makers):
        tokens = TokenFile(tmp_path / TOKENS_FILE).read() or ()  # never a part of a file
        assert len(tokens) >= seen
        seen = len(tokens)
    for maker in makers:
        maker.join()

    assert [maker.exitcode for maker in makers] == [0, 0, 0]
    names = [token.name for token in TokenFile(tmp_path / TOKENS_FILE).read() or ()]
    assert {name: names.count(name) for name in "abc"} == {"a": 25, "b": 25, "c": 25}
