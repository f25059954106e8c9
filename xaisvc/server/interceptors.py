"""The edge of every call: bytes become a message or a clear refusal, errors become statuses, each call is logged once.

Deserialisers run here and not inside gRPC, which would answer a malformed message with UNKNOWN and its own class names.
Values of a request never reach the log.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from xaisvc.errors import InvalidRequestError, LimitExceededError, XaisvcError
from xaisvc.server import convert
from xaisvc.server.status import internal_status, status_of, stopping_status
from xaisvc.telemetry import Event, frames
from xaisvc.v1 import explanations_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from typing import NoReturn, TypeAlias

    from google.protobuf.message import Message
    from google.rpc import status_pb2

    from xaisvc.telemetry import Logger

    Context: TypeAlias = grpc.aio.ServicerContext[object, object]
    Handler: TypeAlias = grpc.RpcMethodHandler[object, object]


HEALTH_PREFIX = "/grpc.health."


class StoppingError(Exception):
    """The call came after the service had begun to shut down."""


class InFlight:
    """Admits calls and knows those in progress, so that a shutdown can wait for the answers and end what remains."""

    def __init__(self) -> None:
        self._calls: set[asyncio.Task[object]] = set()
        self._streams: set[asyncio.Task[object]] = set()
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def call(self, method: str) -> Iterator[None]:
        """Counts one call for as long as the block runs. Health is neither counted nor ever refused.

        Raises:
            StoppingError: If no more calls are admitted, or this one has been cut off.
        """
        if method.startswith(HEALTH_PREFIX):
            yield
            return
        if self._draining:
            raise StoppingError
        self._idle.clear()
        try:
            with self._known(self._calls):
                yield
        finally:
            if not self._calls:
                self._idle.set()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Knows one stream for as long as the block runs. A shutdown does not wait for streams.

        Raises:
            StoppingError: If the stream has been cut off.
        """
        with self._known(self._streams):
            yield

    @contextmanager
    def _known(self, tasks: set[asyncio.Task[object]]) -> Iterator[None]:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("calls run in tasks of their own")
        tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if task not in tasks:  # cut off by us: answer it
                task.uncancel()
                raise StoppingError from None
            raise
        finally:
            tasks.discard(task)

    async def drain(self, grace_s: float) -> bool:
        """Admits no more calls, waits for those in progress, and cuts off what remains.

        Args:
            grace_s: How long to wait, in seconds.

        Returns:
            Whether all calls were answered in time.
        """
        self._draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace_s)
        answered = self._idle.is_set()
        for tasks in (self._calls, self._streams):
            while tasks:
                tasks.pop().cancel()
        return answered


class Edge(grpc.aio.ServerInterceptor):
    """Wraps every method of every service on the server, health and reflection included.

    Args:
        logger: Where each call leaves its line.
        clock: Monotonic clock in seconds.
        new_id: Makes correlation ids.
        in_flight: Counts the calls with one answer.
        max_message_bytes: Largest answer that is sent.
    """

    def __init__(
        self,
        *,
        logger: Logger,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        in_flight: InFlight,
        max_message_bytes: int,
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._new_id = new_id
        self._in_flight = in_flight
        self._max_message_bytes = max_message_bytes

    async def intercept_service(  # type: ignore[override] # the stub is generic where gRPC calls with any message
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Replaces a method's handler by one that takes bytes; unknown methods stay unknown."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._unary_unary(handler, method))
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._unary_stream(handler, method), response_serializer=handler.response_serializer
            )
        return grpc.stream_stream_rpc_method_handler(
            self._stream_stream(handler, method), response_serializer=handler.response_serializer
        )

    def _unary_unary(self, handler: Handler, method: str) -> Callable[[bytes, Context], Awaitable[bytes]]:
        behaviour = cast("Callable[[object, Context], Awaitable[Message]]", handler.unary_unary)

        async def call(raw: bytes, context: Context) -> bytes:
            started_s = self._clock()
            sizes: dict[str, int] = {}
            code = grpc.StatusCode.OK
            try:
                with self._in_flight.call(method):
                    request = _decoded(handler, raw, method)
                    if isinstance(request, explanations_pb2.ExplainRequest):
                        sizes["rows"] = convert.row_count(request)
                    response = await behaviour(request, context)
                    if isinstance(response, explanations_pb2.ExplainResponse):
                        sizes["records"] = sum(result.HasField("explanation") for result in response.results)
                    return self._encoded(response)
            except asyncio.CancelledError:
                code = grpc.StatusCode.CANCELLED
                raise
            except Exception as error:  # noqa: BLE001 - the last line before gRPC, which would show the text to callers
                failure = error
                code, status = self._judged(error, method, context)
            finally:
                milliseconds = round((self._clock() - started_s) * 1000, 3)
                self._logger.info(Event.CALL, method=method, code=code.name, milliseconds=milliseconds, **sizes)
            return await _refuse(context, failure, status)

        return call

    def _unary_stream(self, handler: Handler, method: str) -> Callable[[bytes, Context], Awaitable[None]]:
        behaviour = cast("Callable[[object, Context], Awaitable[None]]", handler.unary_stream)

        async def call(raw: bytes, context: Context) -> None:
            try:
                with self._in_flight.stream():
                    await behaviour(_decoded(handler, raw, method), context)
            except Exception as error:  # noqa: BLE001 - as above
                await _refuse(context, error, self._judged(error, method, context)[1])

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
                    async for response in behaviour(requests(raws), context):
                        yield response
            except Exception as error:  # noqa: BLE001 - as above
                await _refuse(context, error, self._judged(error, method, context)[1])

        return call

    def _encoded(self, response: Message) -> bytes:
        raw = response.SerializeToString()
        if len(raw) > self._max_message_bytes:
            raise LimitExceededError(
                f"the answer has {len(raw)} bytes and the service sends {self._max_message_bytes} at most; "
                "ask for fewer rows, audiences or formats at once"
            )
        return raw

    def _judged(
        self, error: Exception, method: str, context: Context
    ) -> tuple[grpc.StatusCode, status_pb2.Status | None]:
        """Code and status of an error; what nobody expected goes to the log under an id of its own."""
        if isinstance(error, grpc.aio.AbortError):  # a servicer of gRPC's own has refused already
            return context.code(), None
        if isinstance(error, XaisvcError):
            status = status_of(error)
            return _code(status.code), status
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


def _code(number: int) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == number)


async def _refuse(context: Context, error: Exception, status: status_pb2.Status | None) -> NoReturn:
    if status is None:
        raise error
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError  # abort_with_status has raised
