"""What a running service knows of the token file: read again soon after it changed, and never forgotten if damaged."""

from __future__ import annotations

import threading
from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xaisvc.rights.token_file import TokenFile
    from xaisvc.rights.tokens import Token

LOOK_EVERY_S = 0.5
"""A change is seen by the first question that comes this long after the last look."""


class TokenWatch:
    """The tokens of a file, as they are now. Safe to use from several threads.

    Once a file has been seen, tokens are in use until the process ends: a file that is damaged or gone later leaves the
    last good state, so that nobody turns rights off by deleting it.

    Args:
        file: The file.
        clock: Monotonic clock in seconds.
        on_read: Told the number of tokens whenever the file was read again.
        on_damage: Told once for each change after which the file could not be used, and why.

    Raises:
        StoreError: If the file is damaged now.
    """

    def __init__(
        self,
        file: TokenFile,
        *,
        clock: Callable[[], float],
        on_read: Callable[[int], None],
        on_damage: Callable[[str], None],
    ) -> None:
        self._file = file
        self._clock = clock
        self._on_read = on_read
        self._on_damage = on_damage
        self._looking = threading.Lock()
        self._next_look_s = clock() + LOOK_EVERY_S
        self._signature = file.signature()  # before the reading: what changes in between is read again
        self._tokens = _by_id(file.read())

    @property
    def tokens(self) -> Mapping[str, Token] | None:
        """Public id to token; None while there has been no file."""
        now_s = self._clock()
        if now_s >= self._next_look_s and self._looking.acquire(blocking=False):
            try:
                self._next_look_s = now_s + LOOK_EVERY_S
                self._look()
            finally:
                self._looking.release()
        return self._tokens

    def _look(self) -> None:
        signature = self._file.signature()
        if signature == self._signature:
            return
        self._signature = signature
        try:
            found = _by_id(self._file.read())
        except StoreError as error:
            self._on_damage(str(error))
            return
        if found is not None:
            self._tokens = found
            self._on_read(len(found))
        elif self._tokens is not None:
            self._on_damage(f"{self._file.name} is gone; put it back")


def _by_id(tokens: tuple[Token, ...] | None) -> Mapping[str, Token] | None:
    return None if tokens is None else MappingProxyType({token.id: token for token in tokens})
