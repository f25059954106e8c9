from __future__ import annotations

import grpc
import pytest
from grpc_status import rpc_status

from xaisvc import errors
from xaisvc.client.answers import ExplainReply, RowReply
from xaisvc.client.answers import record as decode
from xaisvc.client.failures import failures_told
from xaisvc.engine.commands import RenderedView
from xaisvc.server.status import CODES, internal_status, status_of, stopping_status
from xaisvc.v1 import explanations_pb2 as pb


class FailedCall(grpc.RpcError):
    """A failed call as gRPC raises it."""

    def __init__(self, code: grpc.StatusCode, metadata: tuple[tuple[str, str | bytes], ...] = ()) -> None:
        super().__init__("library text")
        self._code = code
        self._metadata = metadata

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "library text"

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self._metadata


def told(call: FailedCall) -> errors.XaisvcError:
    with pytest.raises(errors.XaisvcError) as caught, failures_told("host:1", 2.0):
        raise call
    return caught.value


def over_the_wire(error: errors.XaisvcError) -> errors.XaisvcError:
    status = rpc_status.to_status(status_of(error))
    return told(FailedCall(status.code, tuple(status.trailing_metadata)))


@pytest.mark.parametrize("cls", CODES, ids=lambda cls: cls.__name__)
def test_every_error_of_the_service_is_raised_again(cls: type[errors.XaisvcError]) -> None:
    violation = errors.FieldViolation("rows[3].age", "WRONG_TYPE", "must be a number")
    if issubclass(cls, errors.InvalidRowsError):
        error: errors.XaisvcError = cls([violation])
    elif issubclass(cls, errors.InvalidInputError):
        error = cls("mend it", [violation])
    elif issubclass(cls, errors.BusyError):
        error = cls("mend it", 1.5)
    else:
        error = cls("mend it")

    found = over_the_wire(error)

    assert type(found) is cls
    assert str(found) == str(error)
    assert getattr(found, "violations", None) == getattr(error, "violations", None)
    assert getattr(found, "retry_after_s", None) == getattr(error, "retry_after_s", None)


def test_an_internal_error_keeps_its_correlation_id() -> None:
    status = rpc_status.to_status(internal_status("c0ffee"))

    found = told(FailedCall(status.code, tuple(status.trailing_metadata)))

    assert type(found) is errors.ServiceError
    assert "c0ffee" in str(found)


def test_a_service_that_is_stopping_is_unreachable() -> None:
    status = rpc_status.to_status(stopping_status())

    found = told(FailedCall(status.code, tuple(status.trailing_metadata)))

    assert type(found) is errors.ServiceUnreachableError
    assert str(found) == "the service is shutting down; try again in a moment"


@pytest.mark.parametrize(
    ("code", "cls", "words"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.ServiceUnreachableError, "nothing answers at host:1"),
        (grpc.StatusCode.CANCELLED, errors.ServiceUnreachableError, "host:1 shut down before it answered"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.TooLateError, "did not answer within 2 s"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.LimitExceededError, "more bytes than .* allows; send fewer rows"),
        (grpc.StatusCode.UNIMPLEMENTED, errors.ServiceError, "is it xaisvc of this version"),
        (grpc.StatusCode.DATA_LOSS, errors.ServiceError, "failed with DATA_LOSS"),
    ],
)
def test_failures_of_grpc_itself_get_our_words(
    code: grpc.StatusCode, cls: type[errors.XaisvcError], words: str
) -> None:
    for metadata in ((), (("grpc-status-details-bin", b"\xff"),)):
        found = told(FailedCall(code, metadata))

        assert type(found) is cls
        assert "library text" not in str(found)
        with pytest.raises(cls, match=words):
            raise found


def test_builtin_classes_catch_what_they_should() -> None:
    assert isinstance(told(FailedCall(grpc.StatusCode.UNAVAILABLE)), ConnectionError)
    assert isinstance(told(FailedCall(grpc.StatusCode.DEADLINE_EXCEEDED)), TimeoutError)


def test_a_reply_raises_the_error_of_its_first_wrong_row() -> None:
    reply = ExplainReply((RowReply(index=0, record=None, error=errors.ModelOutputError("not finite")),))

    with pytest.raises(errors.ModelOutputError, match="not finite"):
        _ = reply.records
    assert list(reply.errors) == [0]


def test_a_view_that_was_not_asked_for_is_named(record: object) -> None:
    view = RenderedView(
        audience="customer", format="text", language="en", media_type="text/plain", content="x", status="complete"
    )
    reply = RowReply(index=0, record=record, views=(view,))  # type: ignore[arg-type]

    assert reply.view("customer", "text") is view
    with pytest.raises(errors.NotFoundError, match="did not ask for view customer/html; it asked for: customer/text"):
        reply.view("customer")


@pytest.fixture
def record() -> object:

    message = pb.Explanation(id="r1")
    message.output.prediction_space = message.attribution.space = 1
    return decode(message)


def test_words_of_a_newer_service_are_refused() -> None:

    message = pb.Explanation(id="r1")
    message.output.prediction_space = 17

    with pytest.raises(errors.ServiceError, match="something this client does not know"):
        decode(message)
