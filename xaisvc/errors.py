"""The errors of xaisvc, split by whose fault they are.

An error says what is wrong, where, and what to do. It knows no transport: `server/status.py` alone maps these classes
to gRPC status codes, and a text that leaves the process is always one written here, never a library's own.

    XaisvcError
    ├── InvalidInputError (ValueError)        the caller can mend the request
    │   ├── InvalidRowsError                  values that do not fit the bundle's feature schema
    │   ├── InvalidRequestError               method, output, players, budget, language, format
    │   │   ├── BudgetTooSmallError
    │   │   └── MethodNotApplicableError      the named method has no meaning for this model
    │   └── LimitExceededError                more rows, bytes or work than allowed
    ├── NotFoundError (LookupError)           bundle, output, audience, record
    ├── BundleError (ValueError)              a bundle's owner can mend the bundle
    │   ├── UnsafeModelError                  refused before anything ran
    │   └── BundleChangedError                the files changed after they were pinned
    ├── AudienceError (ValueError)            whoever keeps the audience files can mend them
    ├── ModelOutputError (ArithmeticError)    the model answered with something that cannot be explained
    │   └── AdditivityError                   base value and attributions do not sum to the output
    ├── RuntimeUnavailableError (RuntimeError)  the wanted device or library is not there
    ├── StoreError (OSError)                  a record could not be written or read
    ├── AbandonedError                        nobody waits for the answer any more
    ├── BusyError                             too much is waiting already; says when to try again
    ├── TooLateError (TimeoutError)           the caller's deadline passed before the answer was there
    ├── NotAuthenticatedError (PermissionError)  no token, or one that is not valid
    ├── NotAllowedError (PermissionError)     the token does not cover what is asked
    └── ServiceError                          a client got no usable answer; the service itself never raises these
        └── ServiceUnreachableError (ConnectionError)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that is wrong.

    Attributes:
        field: Path of the field as the caller wrote it, for example `rows[3].age`.
        reason: Stable upper-case code, for example `UNKNOWN_CATEGORY`.
        description: What is wrong and what to do, one or two sentences. Never holds internal text.
    """

    field: str
    reason: str
    description: str


class XaisvcError(Exception):
    """Base of every error that xaisvc raises on purpose."""


class InvalidInputError(XaisvcError, ValueError):
    """The request is wrong and the caller can mend it.

    Attributes:
        violations: Every field found wrong, in the order of the request; may be empty.
    """

    def __init__(self, message: str, violations: Sequence[FieldViolation] = ()) -> None:
        super().__init__(message)
        self.violations = tuple(violations)


class InvalidRowsError(InvalidInputError):
    """Rows hold values that do not fit the bundle's feature schema."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        shown = "; ".join(f"{v.field}: {v.description}" for v in violations[:5])
        more = len(violations) - 5
        super().__init__(shown + (f"; and {more} more" if more > 0 else ""), violations)


class InvalidRequestError(InvalidInputError):
    """A parameter of the request is unknown or contradicts another."""

    @classmethod
    def of(cls, field: str, description: str, reason: str = "INVALID_VALUE") -> InvalidRequestError:
        """Builds the error for one field, with the message `field: description`."""
        return cls(f"{field}: {description}", (FieldViolation(field, reason, description),))


class BudgetTooSmallError(InvalidRequestError):
    """The budget cannot give an attribution; the message names the minimum."""


class MethodNotApplicableError(InvalidRequestError):
    """The method was asked for by name but has no meaning for this model; the message says why."""


class LimitExceededError(InvalidInputError):
    """The request is larger than the service allows; the message names the limit."""


class NotFoundError(XaisvcError, LookupError):
    """A bundle, output, audience or record with this name is not known here."""


class BundleError(XaisvcError, ValueError):
    """A bundle is incomplete or contradicts itself.

    Attributes:
        file: File name inside the bundle, or an empty text.
        line: Line in that file, from 1; 0 where it has no meaning.
        field: Path of the field, for example `features[2].kind`, or an empty text.
    """

    def __init__(self, message: str, *, file: str = "", line: int = 0, field: str = "") -> None:
        where = file + (f":{line}" if line else "")
        super().__init__(": ".join(part for part in (where, field, message) if part))
        self.file = file
        self.line = line
        self.field = field


class UnsafeModelError(BundleError):
    """The ONNX file breaks a safety rule and was not run."""


class BundleChangedError(BundleError):
    """A file of a loaded bundle differs from the digest pinned when it was loaded."""


class AudienceError(XaisvcError, ValueError):
    """A file that declares audiences, their words or their rights is incomplete or contradicts another.

    Attributes:
        file: File name inside the audiences folder, or an empty text.
        line: Line in that file, from 1; 0 where it has no meaning.
        field: Path of the field, for example `sections.2.max_for`, or an empty text.
    """

    def __init__(self, message: str, *, file: str = "", line: int = 0, field: str = "") -> None:
        where = file + (f":{line}" if line else "")
        super().__init__(": ".join(part for part in (where, field, message) if part))
        self.file = file
        self.line = line
        self.field = field


class ModelOutputError(XaisvcError, ArithmeticError):
    """The model's answer cannot be explained: not finite, of the wrong shape, or different for equal rows.

    Attributes:
        whatever_rows: Whether the model itself is at fault, so that no row is to be named.
    """

    def __init__(self, message: str = "", *, whatever_rows: bool = False) -> None:
        super().__init__(message)
        self.whatever_rows = whatever_rows


class AdditivityError(ModelOutputError):
    """An exact method's values do not sum to the model's output, so they are not returned."""


class RuntimeUnavailableError(XaisvcError, RuntimeError):
    """The wanted device, library or extra is not installed or not usable here."""


class StoreError(XaisvcError, OSError):
    """The durable store of records cannot be read or written, so nothing was answered."""


class AbandonedError(XaisvcError):
    """The caller went away before the answer was ready, so the work was stopped."""


class BusyError(XaisvcError):
    """The service has as much work waiting as it may; nothing of the request was begun.

    Attributes:
        retry_after_s: Seconds after which a new try is likely to be taken.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooLateError(XaisvcError, TimeoutError):
    """The caller's deadline passed, or would pass, before the answer was there.

    Service and client watch the same deadline, and either may see it pass first: it is one error, whoever tells of it.
    What had begun may still be recorded.
    """


class NotAuthenticatedError(XaisvcError, PermissionError):
    """The call bears no token, or one that is unknown, revoked or expired. Which of these is never said."""


class NotAllowedError(XaisvcError, PermissionError):
    """The caller's token does not cover what is asked; the message says what it covers."""


class ServiceError(XaisvcError):
    """The service failed, or answered with something this client does not understand."""


class ServiceUnreachableError(ServiceError, ConnectionError):
    """Nothing answers at the client's target, or it is shutting down."""
