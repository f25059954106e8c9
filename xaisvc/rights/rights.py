"""From the text of a token to the caller who bears it."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from xaisvc.errors import NotAuthenticatedError
from xaisvc.rights.tokens import SECRET_BYTES, digest_of, split_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from xaisvc.rights.watch import TokenWatch
    from xaisvc.types import Caller

NOT_AUTHENTICATED = (
    "the call needs a valid token: send the metadata `authorization: Bearer xai_...`; whoever runs the service makes "
    "tokens with `xaisvc token create` and sees with `xaisvc token list` which have expired or been revoked"
)
"""What every caller without a valid token is told, whatever is wrong."""

_NOBODY = ("", "A" * 43)
"""What a text that is no token is checked as, so that it costs what every other check costs."""
_NO_DIGEST = bytes(SECRET_BYTES)
"""What the secret of an unknown token is compared with; nobody knows a text with this SHA-256."""


class Rights:
    """Knows the callers by their tokens. Safe to use from several threads.

    Args:
        watch: The tokens.
        now: The time, in UTC.
    """

    def __init__(self, watch: TokenWatch, *, now: Callable[[], datetime]) -> None:
        self._watch = watch
        self._now = now

    @property
    def in_use(self) -> bool:
        """Whether there are tokens at all, valid or not. Once true, it stays so."""
        return self._watch.tokens is not None

    def caller(self, token: str) -> Caller:
        """Who bears a token. One hash and one comparison in constant time, whatever the text is.

        Raises:
            NotAuthenticatedError: If it is missing, malformed, unknown, wrong, revoked or expired; which is not said.
        """
        public_id, secret = split_token(token) or _NOBODY
        known = (self._watch.tokens or {}).get(public_id)
        right = hmac.compare_digest(digest_of(secret), _NO_DIGEST if known is None else known.digest)
        if known is None or not right or known.state(self._now()) != "active":
            raise NotAuthenticatedError(NOT_AUTHENTICATED)
        return known.caller
