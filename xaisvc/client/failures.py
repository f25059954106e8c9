"""Failed calls become the library's errors, with the fields that the service named."""

from __future__ import annotations

from contextlib import contextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from xaisvc import errors
from xaisvc.wire import DOMAIN, REASON_TO_ERROR, STOPPING_REASON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DETAILS_KEY = "grpc-status-details-bin"

# What gRPC says where two sides do not understand each other; where a later release says something else, the client
# says that nothing answers.
_NO_TLS = "WRONG_VERSION_NUMBER"
_NOT_VOUCHED_FOR = ("CERTIFICATE_VERIFY_FAILED", "Hostname Verification Check failed", "is not in peer certificate")
_NOT_CONNECTED = "failed to connect to all addresses"
_HUNG_UP = "Socket closed"


class Unreachable(Enum):
    """Why there is no connection, so far as what gRPC says of it tells."""

    NOBODY = auto()
    """Nothing answers."""
    NO_TLS = auto()
    """Who answers speaks no TLS."""
    NOT_VOUCHED_FOR = auto()
    """Their certificate is not trusted, not for this name or out of date."""
    NOT_LET_IN = auto()
    """They ended the connection before it was encrypted."""
    TLS_ONLY = auto()
    """They end connections without TLS."""


def why_unreachable(details: str, *, encrypted: bool) -> Unreachable:
    """Why there is no connection.

    Args:
        details: What gRPC says of the failed call.
        encrypted: Whether the connection uses TLS.
    """
    if encrypted and _NO_TLS in details:
        return Unreachable.NO_TLS
    if encrypted and any(text in details for text in _NOT_VOUCHED_FOR):
        return Unreachable.NOT_VOUCHED_FOR
    if _NOT_CONNECTED in details and _HUNG_UP in details:
        return Unreachable.NOT_LET_IN if encrypted else Unreachable.TLS_ONLY
    return Unreachable.NOBODY


@contextmanager
def failures_told(target: str, timeout_s: float, *, encrypted: bool = False) -> Iterator[None]:
    """Turns gRPC's errors into the library's.

    Args:
        target: Whom the client asks.
        timeout_s: How long it waits, in seconds.
        encrypted: Whether its connection uses TLS.
    """
    try:
        yield
    except grpc.RpcError as error:
        metadata = dict(cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ()))
        details = metadata.get(_DETAILS_KEY)
        restored = _restored(details) if isinstance(details, bytes) else None
        raise restored or _judged(error, target, timeout_s, encrypted=encrypted) from None


def _judged(error: grpc.RpcError, target: str, timeout_s: float, *, encrypted: bool) -> errors.XaisvcError:
    """The error for a status that gRPC itself gave: nobody there, no understanding, too late, too large."""
    code = error.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.ServiceUnreachableError(_unreachable(error.details() or "", target, encrypted=encrypted))
    if code is grpc.StatusCode.CANCELLED:  # not by us: a caller who cancels does not wait for an answer
        return errors.ServiceUnreachableError(f"{target} shut down before it answered; try again in a moment")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.TooLateError(
            f"{target} did not answer within {timeout_s:g} s; send fewer rows, lower the budget or raise timeout_s"
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return errors.LimitExceededError(
            "the request or its answer has more bytes than the service or this client allows; send fewer rows or ask "
            "for fewer views at once, or raise max_message_bytes"
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return errors.ServiceError(f"what listens at {target} does not know this call: is it xaisvc of this version?")
    return errors.ServiceError(f"the call to {target} failed with {code.name}")


def _unreachable(details: str, target: str, *, encrypted: bool) -> str:
    """Why there is no connection, in words; never in gRPC's own."""
    why = why_unreachable(details, encrypted=encrypted)
    if why is Unreachable.NO_TLS:
        return (
            f"what listens at {target} speaks no TLS: leave out tls, ca, certificate and key, or start the service "
            "with --tls-certificate and --tls-key"
        )
    if why is Unreachable.NOT_VOUCHED_FOR:
        return (
            f"the certificate of {target} comes from no authority that this client trusts, is not for this name or is "
            "out of date; name the file of its authority as ca, and the host as the certificate has it"
        )
    if why is Unreachable.NOT_LET_IN:
        return (
            f"what listens at {target} ended the connection before it was encrypted; if it asks its clients for a "
            "certificate, give certificate and key, of an authority that it trusts"
        )
    if why is Unreachable.TLS_ONLY:
        return (
            f"what listens at {target} ends connections without TLS; if it is xaisvc with a certificate, say tls=True, "
            "or name the file of its authority as ca"
        )
    return f"nothing answers at {target}; start the service there with `xaisvc serve`, or give its address as target"


def _restored(details: bytes) -> errors.XaisvcError | None:
    """The error that the service raised; None if the details are not ours."""
    try:
        status = status_pb2.Status.FromString(details)
        info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        for detail in status.details:
            detail.Unpack(info)
            detail.Unpack(bad_request)
            detail.Unpack(retry)
    except DecodeError:
        return None
    return _from_details(status, info, bad_request, retry) if info.domain == DOMAIN else None


def _from_details(
    status: status_pb2.Status,
    info: error_details_pb2.ErrorInfo,
    bad_request: error_details_pb2.BadRequest,
    retry: error_details_pb2.RetryInfo,
) -> errors.XaisvcError:
    if info.reason == STOPPING_REASON:
        return errors.ServiceUnreachableError(status.message)
    cls = REASON_TO_ERROR.get(info.reason, errors.ServiceError)
    if issubclass(cls, errors.BusyError):
        return cls(status.message, retry.retry_delay.ToMilliseconds() / 1000)
    if not issubclass(cls, errors.InvalidInputError):
        return cls(status.message)
    violations = [errors.FieldViolation(v.field, v.reason, v.description) for v in bad_request.field_violations]
    if issubclass(cls, errors.InvalidRowsError):
        return cls(violations)
    return cls(status.message, violations)
