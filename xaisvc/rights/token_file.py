"""The file that keeps the tokens: read as a whole, replaced in one step, changed by one process at a time."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from xaisvc.errors import InvalidRequestError, NotFoundError, StoreError
from xaisvc.rights.token_text import tokens_from_text, tokens_to_text
from xaisvc.rights.tokens import Grant, Token, issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    Signature: TypeAlias = tuple[int, ...] | None

TOKENS_FILE = "tokens.json"
"""Its name in the data folder."""
MAX_FILE_BYTES = 4 * 1024 * 1024
"""Largest file that is read or written, about ten thousand tokens."""
KEEP_ENDED = timedelta(days=400)
"""Tokens that ended longer ago leave the file when another one is made."""
LOCK_WAIT_S = 5.0
LOCK_POLL_S = 0.02


class TokenFile:
    """The tokens of one service, in a JSON file with mode 0600.

    A reader sees the whole file before a change or the whole file after it. Two processes that change it at once take
    turns, and neither loses what the other wrote.

    Args:
        path: The file; it need not exist.
        clock: Monotonic clock in seconds, for the wait for another process.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._clock = clock
        self._sleep = sleep

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self._path.name

    def signature(self) -> Signature:
        """What changes whenever the file is replaced or written to; None if there is none."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return (error.errno or 0,)
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def read(self) -> tuple[Token, ...] | None:
        """The tokens in the order of their making; None if there is no file.

        Raises:
            StoreError: If the file cannot be read, is damaged or may be changed by others.
        """
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not block
            with os.fdopen(descriptor, "rb") as file:
                mode = os.fstat(descriptor).st_mode
                content = file.read(MAX_FILE_BYTES + 1) if stat.S_ISREG(mode) else b""
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"{self.name} cannot be read: {error.strerror}; run `xaisvc token` as the user that runs the service"
            ) from None
        if not stat.S_ISREG(mode):
            raise StoreError(f"{self.name} is no plain file; remove it, and make tokens with `xaisvc token create`")
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StoreError(
                f"{self.name} can be changed by others than its owner, who could make tokens; "
                f"run `chmod 600 {self.name}` in the data folder"
            )
        if len(content) > MAX_FILE_BYTES:
            raise StoreError(f"{self.name} has more than {MAX_FILE_BYTES} bytes; put a good copy back")
        return tokens_from_text(content, self.name)

    def create(self, grant: Grant, *, now: datetime, randomness: Callable[[int], bytes]) -> tuple[Token, str]:
        """Makes a token and keeps it durably.

        Args:
            grant: What it allows.
            now: The time, in UTC.
            randomness: As for `issue`.

        Returns:
            The token as it is kept, and its text, which exists nowhere else.

        Raises:
            InvalidRequestError: If the grant does not fit, or its name belongs to another tenant.
            StoreError: If the file is damaged or cannot be written.
        """
        grant.check()
        with self._alone():
            tokens = self.read() or ()
            other = next((token for token in tokens if token.name == grant.name and token.tenant != grant.tenant), None)
            if other is not None:
                owner = f"tenant '{other.tenant}'" if other.tenant else "no tenant"
                raise InvalidRequestError.of(
                    "name", f"'{grant.name}' has a token with {owner} already; choose another name, or that tenant"
                )
            ids = {token.id for token in tokens}
            token, text = issue(grant, now=now, randomness=randomness)
            while token.id in ids:
                token, text = issue(grant, now=now, randomness=randomness)
            kept = [old for old in tokens if (end := old.ended(now)) is None or end > now - KEEP_ENDED]
            self._write([*kept, token])
        return token, text

    def revoke(self, public_id: str, *, now: datetime) -> Token:
        """Ends a token. One that is revoked already stays as it is.

        Raises:
            NotFoundError: If there is none with this id.
            StoreError: If the file is damaged or cannot be written.
        """
        with self._alone():
            tokens = list(self.read() or ())
            place = next((place for place, token in enumerate(tokens) if token.id == public_id), None)
            if place is None:
                raise NotFoundError("there is no token with this id; `xaisvc token list` shows the ids")
            if tokens[place].revoked is None:
                tokens[place] = replace(tokens[place], revoked=now.replace(microsecond=0))
                self._write(tokens)
        return tokens[place]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the lock that all who change the file take. It is a file of its own, because the other is replaced."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = self._opened(self._target().with_name(self.name + ".lock"), os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            end_s = self._clock() + LOCK_WAIT_S
            while not self._locked(lock):
                if self._clock() >= end_s:
                    raise StoreError(
                        f"{self.name} has been locked by another process for {LOCK_WAIT_S:g} s; try again when it ends"
                    )
                self._sleep(LOCK_POLL_S)
            yield
        finally:
            os.close(lock)  # releases the lock

    def _locked(self, lock: int) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._unwritable(error) from None
        return True

    def _write(self, tokens: list[Token]) -> None:
        """Replaces the file in one step; durable when this returns. The lock must be held."""
        content = tokens_to_text(tokens)
        if len(content) > MAX_FILE_BYTES:
            raise StoreError(
                f"{self.name} would have more than {MAX_FILE_BYTES} bytes: too many tokens; let several callers of one "
                f"team share one, or allow all names ('*') instead of long lists"
            )
        target = self._target()
        draft = target.with_name(self.name + ".part")
        try:
            descriptor = self._opened(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
            folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._unwritable(error) from None

    def _opened(self, path: Path, flags: int) -> int:
        """A descriptor of a file with mode 0600. If root makes it, it belongs to whom the folder belongs."""
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            if os.geteuid() == 0:
                folder = path.parent.stat()
                os.fchown(descriptor, folder.st_uid, folder.st_gid)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _target(self) -> Path:
        """Where the file really lies, so that a link to it stays a link."""
        return self._path.resolve()

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.name} cannot be changed: {error.strerror}; run this as the user that runs the service, "
            "with a data folder that it may write to"
        )
