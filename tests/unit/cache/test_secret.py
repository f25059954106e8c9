from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from xaisvc.cache import load_secret
from xaisvc.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "cache.secret"
    secret = load_secret(path)

    assert len(secret) == 32
    assert load_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["cache.secret"]


def test_two_files_hold_two_secrets(tmp_path: Path) -> None:
    assert load_secret(tmp_path / "one") != load_secret(tmp_path / "two")


def test_threads_that_make_it_at_once_get_the_same(tmp_path: Path) -> None:
    start = threading.Barrier(8)
    secrets: list[bytes] = []

    def load() -> None:
        start.wait()
        secrets.append(load_secret(tmp_path / "secret"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(secrets) == 8
    assert len(set(secrets)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    load_secret(path)
    path.chmod(mode)

    with pytest.raises(InvalidInputError, match=r"others may read the secret in secret; .*chmod 600"):
        load_secret(path)


@pytest.mark.parametrize("length", [0, 31, 4097])
def test_a_secret_of_another_length_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "secret"
    path.write_bytes(bytes(length))
    path.chmod(0o600)

    with pytest.raises(InvalidInputError, match="it must have 32 to 4096 random bytes"):
        load_secret(path)


def test_what_is_no_file_is_refused_without_its_folder(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "secret")  # noqa: PTH102  said plainly: a folder

    with pytest.raises(InvalidInputError, match="secret in secret cannot be made or read") as caught:
        load_secret(tmp_path / "secret")
    assert str(tmp_path) not in str(caught.value)
