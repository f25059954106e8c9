"""From an error's class to what the caller sees: one table of gRPC codes, and the google.rpc details around it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from xaisvc import errors
from xaisvc.wire import DOMAIN, ERROR_TO_REASON, INTERNAL_REASON, STOPPING_REASON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

CODES: Mapping[type[errors.XaisvcError], grpc.StatusCode] = MappingProxyType(
    {
        errors.InvalidInputError: grpc.StatusCode.INVALID_ARGUMENT,
        errors.InvalidRowsError: grpc.StatusCode.INVALID_ARGUMENT,
        errors.InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
        errors.BudgetTooSmallError: grpc.StatusCode.INVALID_ARGUMENT,
        errors.MethodNotApplicableError: grpc.StatusCode.INVALID_ARGUMENT,
        errors.LimitExceededError: grpc.StatusCode.RESOURCE_EXHAUSTED,
        errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
        errors.BundleError: grpc.StatusCode.FAILED_PRECONDITION,
        errors.UnsafeModelError: grpc.StatusCode.FAILED_PRECONDITION,
        errors.BundleChangedError: grpc.StatusCode.FAILED_PRECONDITION,
        errors.AudienceError: grpc.StatusCode.FAILED_PRECONDITION,
        errors.ModelOutputError: grpc.StatusCode.FAILED_PRECONDITION,
        errors.AdditivityError: grpc.StatusCode.FAILED_PRECONDITION,
        errors.RuntimeUnavailableError: grpc.StatusCode.FAILED_PRECONDITION,
        errors.StoreError: grpc.StatusCode.UNAVAILABLE,
        errors.AbandonedError: grpc.StatusCode.CANCELLED,
        errors.BusyError: grpc.StatusCode.RESOURCE_EXHAUSTED,
        errors.TooLateError: grpc.StatusCode.DEADLINE_EXCEEDED,
        errors.NotAuthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
        errors.NotAllowedError: grpc.StatusCode.PERMISSION_DENIED,
    }
)
"""Class of an error to the code that the caller gets.

A retry helps with UNAVAILABLE, and with RESOURCE_EXHAUSTED where `RetryInfo` says when.
"""

# gRPC peers accept 8 KiB of metadata in all. Text appears in it up to three times: percent-encoded (three bytes for one
# at worst) as the message, inside the details, and there base64 makes four bytes of three.
MAX_MESSAGE_BYTES = 700
MAX_DETAILS_BYTES = 3600


def status_of(error: errors.XaisvcError) -> status_pb2.Status:
    """The status of an expected error: its own words, its reason and every wrong field that fits into the metadata.

    Raises:
        KeyError: If neither the class nor a parent of it is in the tables.
    """
    known = next(cls for cls in type(error).__mro__ if cls in CODES)
    violations = error.violations if isinstance(error, errors.InvalidInputError) else ()
    retry_after_s = error.retry_after_s if isinstance(error, errors.BusyError) else None
    return _status(CODES[known], str(error), ERROR_TO_REASON[known], violations, retry_after_s=retry_after_s)


def internal_status(correlation_id: str) -> status_pb2.Status:
    """The status of an error that nobody expected. Says nothing but the id under which the log has the traceback."""
    text = f"internal error; the service's log has the cause under correlation id {correlation_id}"
    return _status(grpc.StatusCode.INTERNAL, text, INTERNAL_REASON, (), {"correlation_id": correlation_id})


def stopping_status() -> status_pb2.Status:
    """The status of a call that came after the service had begun to shut down."""
    text = "the service is shutting down; try again in a moment"
    return _status(grpc.StatusCode.UNAVAILABLE, text, STOPPING_REASON, ())


def _status(  # noqa: PLR0913 - one argument for each part of a status
    code: grpc.StatusCode,
    text: str,
    reason: str,
    violations: tuple[errors.FieldViolation, ...],
    metadata: Mapping[str, str] | None = None,
    *,
    retry_after_s: float | None = None,
) -> status_pb2.Status:
    text = _shortened(text, MAX_MESSAGE_BYTES)
    bad_request = error_details_pb2.BadRequest()
    size = 2 * len(text.encode()) + 200
    for violation in violations:
        entry = error_details_pb2.BadRequest.FieldViolation(
            field=_shortened(violation.field, MAX_MESSAGE_BYTES),
            reason=violation.reason,
            description=_shortened(violation.description, MAX_MESSAGE_BYTES),
        )
        size += entry.ByteSize() + 4
        if size > MAX_DETAILS_BYTES:
            break
        bad_request.field_violations.append(entry)
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata or {})
    left_out = len(violations) - len(bad_request.field_violations)
    if left_out:
        info.metadata["violations_left_out"] = str(left_out)
    status = status_pb2.Status(code=code.value[0], message=text)
    details: list[Message] = [info]
    if violations:
        details.append(bad_request)
    if retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(max(1, round(retry_after_s * 1000)))
        details.append(retry)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _shortened(text: str, limit: int) -> str:
    """The text, cut to a number of UTF-8 bytes with a mark where it was cut."""
    raw = text.encode(errors="replace")
    return text if len(raw) <= limit else raw[: limit - 4].decode(errors="ignore") + " ..."
