from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from xaisvc import errors
from xaisvc.server.status import CODES, internal_status, status_of
from xaisvc.wire import ERROR_TO_REASON

METADATA_LIMIT_BYTES = 8192  # what gRPC peers accept by default


def subclasses(cls: type) -> list[type]:
    return [found for child in cls.__subclasses__() for found in (child, *subclasses(child))]


ERRORS = [
    cls
    for cls in subclasses(errors.XaisvcError)
    if cls.__module__ == "xaisvc.errors" and not issubclass(cls, errors.ServiceError)  # only clients raise those
]


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_every_error_has_a_code_and_a_reason(cls: type[errors.XaisvcError]) -> None:
    assert cls in CODES, f"give {cls.__name__} a code in xaisvc/server/status.py"
    assert cls in ERROR_TO_REASON, f"give {cls.__name__} a reason in xaisvc/wire.py"


def test_tables_name_no_error_that_is_gone() -> None:
    assert set(ERRORS) == set(CODES) == set(ERROR_TO_REASON)


def details(status: object) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest]:
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:  # type: ignore[attr-defined]
        detail.Unpack(info)
        detail.Unpack(bad_request)
    return info, bad_request


def test_wrong_rows_name_every_field() -> None:
    error = errors.InvalidRowsError(
        [errors.FieldViolation("rows[3].age", "WRONG_TYPE", "must be a number, but is text")]
    )

    status = status_of(error)
    info, bad_request = details(status)

    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert status.message == "rows[3].age: must be a number, but is text"
    assert (info.reason, info.domain) == ("INVALID_ROWS", "xaisvc")
    assert [(v.field, v.reason, v.description) for v in bad_request.field_violations] == [
        ("rows[3].age", "WRONG_TYPE", "must be a number, but is text")
    ]


def test_a_class_of_ones_own_counts_as_its_parent() -> None:
    class OwnError(errors.NotFoundError):
        pass

    assert status_of(OwnError("gone")).code == grpc.StatusCode.NOT_FOUND.value[0]


@pytest.mark.parametrize("letter", ["x", "é", "漢"])
def test_many_long_violations_fit_into_the_metadata(letter: str) -> None:
    violations = [
        errors.FieldViolation(f"rows[{i}].{letter * 900}", "UNKNOWN_FEATURE", letter * 900) for i in range(50)
    ]

    converted = rpc_status.to_status(status_of(errors.InvalidRowsError(violations)))
    info, bad_request = details(status_of(errors.InvalidRowsError(violations)))

    percent_encoded = sum(1 if byte < 0x80 else 3 for byte in converted.details.encode())
    base64 = sum(len(value) * 4 // 3 + 4 for _, value in converted.trailing_metadata)
    assert percent_encoded + base64 < METADATA_LIMIT_BYTES - 300  # the rest: names of headers and gRPC's own
    assert 0 < len(bad_request.field_violations) < 50
    assert int(info.metadata["violations_left_out"]) == 50 - len(bad_request.field_violations)


def test_an_internal_error_tells_its_correlation_id_only() -> None:
    status = internal_status("c0ffee")

    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert status.message == "internal error; the service's log has the cause under correlation id c0ffee"
    assert details(status)[0].metadata["correlation_id"] == "c0ffee"
