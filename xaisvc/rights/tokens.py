"""Tokens: what a bearer may do, and how one is made. Of the secret only its SHA-256 is ever kept.

A token is written `xai_<public id>_<secret>`: 16 hexadecimal digits that name it, and 256 random bits in base64url. The
secret is random and long, so a plain SHA-256 is enough: there is no dictionary to try, and with a slow hash anybody who
sends wrong tokens could keep the service busy.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from xaisvc.errors import InvalidRequestError
from xaisvc.types import LOCAL, Caller

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    Randomness: TypeAlias = Callable[[int], bytes]

PREFIX = "xai"
ID_BYTES = 8
SECRET_BYTES = 32
LONGEST = timedelta(days=3650)
"""Longest time that a token may be valid; nothing is valid for ever."""
MOST_NAMES = 1000
"""Most names in one scope; a caller with more should have all (None)."""
MOST_ROWS_PER_MINUTE = 1_000_000_000

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
NAME_RULE = "use up to 100 letters, digits, '.', '_' and '-', starting with a letter or digit"
PUBLIC_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{16}})_([A-Za-z0-9_-]{{43}})", re.ASCII)

State = Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token is to allow. None for a set of names means all of them.

    Attributes:
        name: Who it is for; records keep it. Several tokens of one tenant may share it, so that one can follow another.
        tenant: Whose cached answers and records the bearer shares.
        bundles: Bundles that exist for the bearer.
        audiences: Audiences whose views the bearer may have.
        methods: Attribution methods the bearer may name, beside `auto`.
        rows_per_minute: Most rows explained in a minute; None for no bound.
        valid_for: How long it is valid.
    """

    name: str
    tenant: str = ""
    bundles: frozenset[str] | None
    audiences: frozenset[str] | None
    methods: frozenset[str] | None
    rows_per_minute: int | None = None
    valid_for: timedelta

    def check(self) -> None:
        """Refuses what does not fit.

        Raises:
            InvalidRequestError: Naming the field and what to do.
        """
        check_name("name", self.name)
        if self.name == LOCAL.id:
            raise InvalidRequestError.of(
                "name", f"'{LOCAL.id}' stands for callers where no tokens are in use; choose another name"
            )
        if self.tenant:
            check_name("tenant", self.tenant)
        for kind, names in (("bundles", self.bundles), ("audiences", self.audiences), ("methods", self.methods)):
            for name in sorted(names or ()):
                check_name(kind, name)
            if names is not None and len(names) > MOST_NAMES:
                raise InvalidRequestError.of(kind, f"names {len(names)}; name {MOST_NAMES} at most, or allow all")
        if self.rows_per_minute is not None and not 1 <= self.rows_per_minute <= MOST_ROWS_PER_MINUTE:
            raise InvalidRequestError.of(
                "rows_per_minute", f"must be from 1 to {MOST_ROWS_PER_MINUTE}; leave it out for no bound"
            )
        if not timedelta(0) < self.valid_for <= LONGEST:
            raise InvalidRequestError.of("expires", f"must be in the future and at most {LONGEST.days} days away")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token as it is kept. The digest is left out of its text form; the secret is not known here.

    Attributes:
        id: Public id.
        name: Who it is for.
        tenant: Whose cached answers and records the bearer shares.
        bundles: As in `Caller`.
        audiences: As in `Caller`.
        methods: As in `Caller`.
        rows_per_minute: As in `Caller`.
        digest: SHA-256 of the secret's text, 32 bytes.
        created: When it was made, in UTC.
        expires: From when on it is no longer valid, in UTC.
        revoked: When it was revoked, in UTC; None if it was not.
    """

    id: str
    name: str
    tenant: str
    bundles: frozenset[str] | None
    audiences: frozenset[str] | None
    methods: frozenset[str] | None
    rows_per_minute: int | None
    digest: bytes = field(repr=False)
    created: datetime
    expires: datetime
    revoked: datetime | None = None

    def state(self, now: datetime) -> State:
        """Whether it is valid at this time, and if not, why."""
        if self.revoked is not None:
            return "revoked"
        return "active" if now < self.expires else "expired"

    def ended(self, now: datetime) -> datetime | None:
        """Since when it is no longer valid; None while it is."""
        state = self.state(now)
        if state == "active":
            return None
        return self.expires if self.revoked is None else min(self.revoked, self.expires)

    @property
    def caller(self) -> Caller:
        """Who bears it."""
        return Caller(
            id=self.name,
            tenant=self.tenant,
            bundles=self.bundles,
            audiences=self.audiences,
            methods=self.methods,
            rows_per_minute=self.rows_per_minute,
        )


def check_name(field_name: str, name: str) -> None:
    """Refuses a name that is no plain word.

    Raises:
        InvalidRequestError: If it is not; the message says what to write.
    """
    if not NAME.fullmatch(name):
        raise InvalidRequestError.of(field_name, f"{name[:100]!r} does not fit; {NAME_RULE}")


def digest_of(secret: str) -> bytes:
    """SHA-256 of a secret's text, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def split_token(text: str) -> tuple[str, str] | None:
    """Public id and secret of a token's text; None if it does not have the form of a token."""
    match = _TOKEN.fullmatch(text)
    return None if match is None else (match[1], match[2])


def issue(grant: Grant, *, now: datetime, randomness: Randomness) -> tuple[Token, str]:
    """Makes a token.

    Args:
        grant: What it allows.
        now: The time, in UTC; fractions of a second are dropped.
        randomness: Gives that many bytes that nobody can foretell, for example `secrets.token_bytes`.

    Returns:
        The token as it is kept, and its text, which exists nowhere else.

    Raises:
        InvalidRequestError: If the grant does not fit.
    """
    grant.check()
    created = now.replace(microsecond=0)
    public_id = randomness(ID_BYTES).hex()
    secret = base64.urlsafe_b64encode(randomness(SECRET_BYTES)).rstrip(b"=").decode()
    token = Token(
        id=public_id,
        name=grant.name,
        tenant=grant.tenant,
        bundles=grant.bundles,
        audiences=grant.audiences,
        methods=grant.methods,
        rows_per_minute=grant.rows_per_minute,
        digest=digest_of(secret),
        created=created,
        expires=created + grant.valid_for,
    )
    return token, f"{PREFIX}_{public_id}_{secret}"
