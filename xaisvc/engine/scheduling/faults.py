"""Whose fault an error is: of the rows, of the service as a whole, or of the caller who happened to compute."""

from __future__ import annotations

from concurrent.futures import CancelledError

from xaisvc.errors import (
    AbandonedError,
    BundleError,
    BusyError,
    LimitExceededError,
    ModelOutputError,
    NotAllowedError,
    NotAuthenticatedError,
    RuntimeUnavailableError,
    StoreError,
    TooLateError,
)

_ALIKE = (BundleError, RuntimeUnavailableError, StoreError)
_PERSONAL = (
    AbandonedError,
    BusyError,
    CancelledError,
    LimitExceededError,
    NotAllowedError,
    NotAuthenticatedError,
    TooLateError,
)


def concerns_all(error: BaseException) -> bool:
    """Whether other rows of the same key would fail alike, so that trying them alone is of no use."""
    return isinstance(error, _ALIKE) or (isinstance(error, ModelOutputError) and error.whatever_rows)


def is_personal(error: BaseException) -> bool:
    """Whether the error is about the caller who computed and says nothing about anybody else's same rows."""
    return isinstance(error, _PERSONAL) or not isinstance(error, Exception)


def as_exception(error: BaseException) -> Exception:
    """The error to hand to whoever waits: what would end a program ends only the work."""
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"the computation was ended by {type(error).__name__}")
