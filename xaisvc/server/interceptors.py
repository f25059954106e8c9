"""The edge of every call: bytes become a message or a clear refusal, errors become statuses, each call is logged once.

Deserialisers run here and not inside gRPC, which would answer a malformed message with UNKNOWN and its own class names.
Values of a request never reach the log.
"""

from __future__ import annotations

import asyncio
import inspect
from functools import cache
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from xaisvc.engine.permissions import safe_error
from xaisvc.errors import InvalidRequestError, LimitExceededError, TooLateError, XaisvcError
from xaisvc.server import calls, convert
from xaisvc.server.in_flight import StoppingError
from xaisvc.server.status import internal_status, status_of, stopping_status
from xaisvc.telemetry import Event, frames
from xaisvc.v1 import explanations_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import NoReturn, TypeAlias

    from google.protobuf.message import Message
    from google.rpc import status_pb2

    from xaisvc.server.auth import Door
    from xaisvc.server.calls import Call
    from xaisvc.server.in_flight import InFlight
    from xaisvc.server.metrics import CallMetrics
    from xaisvc.server.traces import Traces
    from xaisvc.telemetry import Logger

    Context: TypeAlias = grpc.aio.ServicerContext[object, object]
    Handler: TypeAlias = grpc.RpcMethodHandler[object, object]


OWN_PREFIX = "/xaisvc."
_HEALTH_PREFIX = "/grpc.health.v1.Health/"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Edge(grpc.aio.ServerInterceptor):
    """Wraps every method of every service on the server, health and reflection included.

    Args:
        logger: Where each call leaves its line.
        clock: Monotonic clock in seconds.
        new_id: Makes correlation ids.
        in_flight: Admits calls.
        door: Knows callers by what they send along.
        metrics: Counts calls.
        traces: Traces calls; None if they are not.
        max_message_bytes: Largest answer that is sent.
        stalled_s: Longest time that a message of a stream waits for its reader, in seconds; None for ever.
    """

    def __init__(  # noqa: PLR0913 - composed once, all by name
        self,
        *,
        logger: Logger,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        in_flight: InFlight,
        door: Door,
        metrics: CallMetrics,
        max_message_bytes: int,
        traces: Traces | None = None,
        stalled_s: float | None = None,
    ) -> None:
        self._logger = logger.bind()  # made once: an unbound one would be made anew for each line
        self._clock = clock
        self._new_id = new_id
        self._in_flight = in_flight
        self._door = door
        self._metrics = metrics
        self._traces = traces
        self._max_message_bytes = max_message_bytes
        self._stalled_s = stalled_s
        self._handlers: dict[str, Handler] = {}  # the methods of the server; a handler serves any number of calls
        self._refusing = cache(self._make_refusing)

    async def intercept_service(  # type: ignore[override] # the stub is generic where gRPC calls with any message
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Replaces a method's handler by one that takes bytes; unknown methods stay unknown."""
        method = handler_call_details.method
        known = self._handlers.get(method)
        if known is not None:
            is_one_too_many = self._in_flight.is_full and method.startswith(OWN_PREFIX)  # health is never refused
            return self._refusing(method) if is_one_too_many else known
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return self._handlers.setdefault(method, self._wrapped(handler, method))

    def _make_refusing(self, method: str) -> Handler:
        """Refuses calls of a method while there is no room: at once, whoever asks, and before their message is taken.

        It stands for handlers of every kind, since it neither reads nor writes a message. The status is made once, and
        set: to raise it costs more. A busy service has the least time for those whom it turns away.
        """
        busy = status_of(self._in_flight.busy())
        code, reason, status = _CODES[busy.code], _reason(busy), rpc_status.to_status(busy)

        async def refuse(_: object, context: Context) -> None:
            line = _Line(self._clock())
            line.code, line.reason = code, reason
            context.set_trailing_metadata(status.trailing_metadata)
            context.set_code(code)
            context.set_details(status.details)
            self._end(line, method)

        return grpc.stream_stream_rpc_method_handler(refuse)

    def _wrapped(self, handler: Handler, method: str) -> Handler:
        """The handler with our edge around it."""
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._unary_unary(handler, method))
        if handler.unary_stream is not None:
            if inspect.isasyncgenfunction(handler.unary_stream):
                return grpc.unary_stream_rpc_method_handler(self._answers(handler, method))
            return grpc.unary_stream_rpc_method_handler(
                self._unary_stream(handler, method), response_serializer=handler.response_serializer
            )
        return grpc.stream_stream_rpc_method_handler(
            self._stream_stream(handler, method), response_serializer=handler.response_serializer
        )

    def _unary_unary(self, handler: Handler, method: str) -> Callable[[bytes, Context], Awaitable[bytes]]:
        behaviour = cast("Callable[[object, Context], Awaitable[Message]]", handler.unary_unary)

        async def call(raw: bytes, context: Context) -> bytes:
            line = _Line(self._clock())
            try:
                with self._in_flight.call(method):
                    line.call = self._begin(method, context)
                    request = _decoded(handler, raw, method)
                    line.read(request)
                    response = await behaviour(request, context)
                    line.wrote(response)
                    return self._encoded(response)
            except asyncio.CancelledError:
                line.code = grpc.StatusCode.CANCELLED
                raise
            except Exception as error:  # noqa: BLE001 - the last line before gRPC, which would show the text to callers
                failure = error
                line.code, status = self._judged(error, method, context, line.call)
                line.reason = _reason(status)
            finally:
                self._end(line, method)
            return await _refuse(context, failure, status)

        return call

    def _answers(self, handler: Handler, method: str) -> Callable[[bytes, Context], Awaitable[None]]:
        """For methods of ours that answer many messages: like one long call, as long as somebody reads."""
        behaviour = cast("Callable[[object, Context], AsyncIterator[Message]]", handler.unary_stream)

        async def call(raw: bytes, context: Context) -> None:
            line = _Line(self._clock())
            try:
                with self._in_flight.call(method):
                    line.call = self._begin(method, context)
                    request = _decoded(handler, raw, method)
                    line.read(request)
                    responses = behaviour(request, context)
                    del raw, request  # a stream lives as long as its reader takes: nothing is kept twice
                    async for response in responses:
                        line.wrote(response)
                        await self._write(context, self._encoded(response))
            except asyncio.CancelledError:
                line.code = grpc.StatusCode.CANCELLED
                raise
            except Exception as error:  # noqa: BLE001 - as above
                failure = error
                line.code, status = self._judged(error, method, context, line.call)
                line.reason = _reason(status)
            else:
                return
            finally:
                self._end(line, method)
            await _refuse(context, failure, status)

        return call

    async def _write(self, context: Context, raw: bytes) -> None:
        """Hands a message to the connection, which takes it once it has room: once the reader keeps up.

        Raises:
            TooLateError: If it does not for too long. They learn of it once they read on, behind what was sent.
        """
        try:
            async with asyncio.timeout(self._stalled_s):
                await context.write(raw)
        except TimeoutError:
            raise TooLateError(
                f"nobody took the next batch of this stream for {self._stalled_s:g} seconds, so it was ended; take it "
                "up again with first_row"
            ) from None

    def _begin(self, method: str, context: Context) -> Call:
        """Who asks, and until when they wait.

        Raises:
            NotAuthenticatedError: If the caller is not known.
        """
        metadata = context.invocation_metadata()
        caller = self._door.admit(method, metadata)
        traces = self._traces if method.startswith(OWN_PREFIX) else None
        left_s = cast("float | None", context.time_remaining())  # the stub does not know of calls without a deadline
        trace = None if traces is None else traces.begin(method, metadata)
        return calls.begin(caller, left_s, self._clock, trace)

    def _end(self, line: _Line, method: str) -> None:
        """The call is over: nobody waits for anything of it any more."""
        if line.call is not None:
            line.call.interest.leave()
            if line.call.trace is not None:
                line.call.trace.end(line.code.name, line.sizes.get("rows", 0))
        seconds = self._clock() - line.started_s
        self._metrics.called(method, line.code.name, seconds, line.sizes.get("rows", 0))
        caller = {} if line.call is None else {"caller": line.call.caller.id}
        is_well = line.code is grpc.StatusCode.OK and method.startswith(_HEALTH_PREFIX)
        log = self._logger.debug if is_well else self._logger.info  # monitors ask for health every few seconds
        log(
            Event.CALL,
            method=method,
            code=line.code.name,
            milliseconds=round(seconds * 1000, 3),
            **line.sizes,
            **caller,
            **({"reason": line.reason} if line.reason else {}),
        )

    def _unary_stream(self, handler: Handler, method: str) -> Callable[[bytes, Context], Awaitable[None]]:
        behaviour = cast("Callable[[object, Context], Awaitable[None]]", handler.unary_stream)

        async def call(raw: bytes, context: Context) -> None:
            try:
                with self._in_flight.stream():
                    self._begin(method, context)
                    await behaviour(_decoded(handler, raw, method), context)
            except Exception as error:  # noqa: BLE001 - as above
                await _refuse(context, error, self._refused(error, method, context))

        return call

    def _stream_stream(
        self, handler: Handler, method: str
    ) -> Callable[[AsyncIterator[bytes], Context], AsyncIterator[object]]:
        behaviour = cast("Callable[[AsyncIterator[object], Context], AsyncIterator[object]]", handler.stream_stream)

        async def requests(raws: AsyncIterator[bytes]) -> AsyncIterator[object]:
            async for raw in raws:
                yield _decoded(handler, raw, method)

        async def call(raws: AsyncIterator[bytes], context: Context) -> AsyncIterator[object]:
            try:
                with self._in_flight.stream():
                    self._begin(method, context)
                    async for response in behaviour(requests(raws), context):
                        yield response
            except Exception as error:  # noqa: BLE001 - as above
                await _refuse(context, error, self._refused(error, method, context))

        return call

    def _refused(self, error: Exception, method: str, context: Context) -> status_pb2.Status | None:
        """The status of a stream of the protocols beside ours that ended in an error, which the log then has."""
        code, status = self._judged(error, method, context)
        self._logger.info(Event.CALL, method=method, code=code.name, reason=_reason(status))
        return status

    def _encoded(self, response: Message) -> bytes:
        raw = response.SerializeToString()
        if len(raw) > self._max_message_bytes:
            raise LimitExceededError(
                f"the answer has {len(raw)} bytes and the service sends {self._max_message_bytes} at most; "
                "ask for fewer rows, audiences or formats at once"
            )
        return raw

    def _judged(
        self, error: Exception, method: str, context: Context, call: Call | None = None
    ) -> tuple[grpc.StatusCode, status_pb2.Status | None]:
        """Code and status of an error; what nobody expected goes to the log under an id of its own."""
        if isinstance(error, grpc.aio.AbortError):  # a servicer of gRPC's own has refused already
            return context.code(), None
        if isinstance(error, XaisvcError):
            status = status_of(error if call is None else safe_error(error, call.caller))
            return _CODES[status.code], status
        if isinstance(error, StoppingError):
            return grpc.StatusCode.UNAVAILABLE, stopping_status()
        correlation_id = self._new_id()
        self._logger.error(
            Event.FAILURE,
            correlation_id=correlation_id,
            method=method,
            error=type(error).__qualname__,
            frames=frames(error),
        )
        self._logger.debug(Event.FAILURE_TEXT, correlation_id=correlation_id, text=str(error))
        return grpc.StatusCode.INTERNAL, internal_status(correlation_id)


class _Line:
    """What the log and the metrics will say of one call."""

    def __init__(self, started_s: float) -> None:
        self.started_s = started_s
        self.code = grpc.StatusCode.OK
        self.call: Call | None = None
        self.reason = ""
        self.sizes: dict[str, int] = {}

    def read(self, request: object) -> None:
        """Takes note of the size of a request."""
        if isinstance(request, explanations_pb2.ExplainStreamRequest):
            request = request.request
        if isinstance(request, explanations_pb2.ExplainRequest):
            self.sizes["rows"] = convert.row_count(request)

    def wrote(self, response: object) -> None:
        """Takes note of the explanations in an answer."""
        if isinstance(response, explanations_pb2.ExplainResponse):
            self.sizes["records"] = sum(result.HasField("explanation") for result in response.results)
        if isinstance(response, explanations_pb2.ExplainStreamResponse):
            self.sizes["records"] = self.sizes.get("records", 0) + len(response.batch.ids)


def _decoded(handler: Handler, raw: bytes, method: str) -> object:
    if handler.request_deserializer is None:
        return raw
    try:
        return handler.request_deserializer(raw)
    except DecodeError:
        name = method.rpartition("/")[2]
        raise InvalidRequestError.of(
            "request",
            f"the bytes are no {name}Request of this protocol; encode the message with the .proto files of the service",
            reason="MALFORMED",
        ) from None


def _reason(status: status_pb2.Status | None) -> str:
    """Why a call was refused, in one word."""
    info = error_details_pb2.ErrorInfo()
    found = status is not None and any(detail.Unpack(info) for detail in status.details)
    return info.reason if found else ""


async def _refuse(context: Context, error: Exception, status: status_pb2.Status | None) -> NoReturn:
    if status is None:
        raise error
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError  # abort_with_status has raised
