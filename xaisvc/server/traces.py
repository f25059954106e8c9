"""Traces in OpenTelemetry: one span for each call and one for each stage of it, sent where the settings say.

A span holds the method, the code, the number of rows, the bundle and the method of explanation: never a value of a row,
never whom a row is about, never who called.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

    from xaisvc.engine.stages import Stage
    from xaisvc.server.place import Place

_CARRIED = frozenset({"traceparent", "tracestate"})
_SEND_S = 2.0
_NS = 1_000_000_000


class CallTrace:
    """The span of one call.

    Args:
        span: The span.
        tracer: Makes the spans of its stages.
        to_ns: From the monotonic clock to nanoseconds since 1970.
    """

    def __init__(self, span: Span, tracer: Tracer, to_ns: Callable[[float], int]) -> None:
        self._span = span
        self._tracer = tracer
        self._to_ns = to_ns

    def spent(self, stage: Stage, bundle: str, method: str, start_s: float, end_s: float) -> None:
        """Adds a stage that is over."""
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415 - heavy: loaded when used

        self._span.set_attributes({"xaisvc.bundle": bundle, "xaisvc.method": method})
        child = self._tracer.start_span(
            str(stage), context=set_span_in_context(self._span), start_time=self._to_ns(start_s)
        )
        child.end(self._to_ns(end_s))

    def end(self, code: str, rows: int) -> None:
        """The call is over."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - heavy: loaded when used

        self._span.set_attributes({"rpc.grpc.status": code, "xaisvc.rows": rows})
        if code != "OK":
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class Traces:
    """Makes and sends spans. Sending happens behind the calls' back and is given up if it does not work.

    Args:
        exporter: Sends them.
        process: Number of this process, told with every span.
        clock: Monotonic clock in seconds.
        now: The time, in UTC.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        process: int = 0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - heavy: loaded when used
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

        resource = Resource.create({"service.name": "xaisvc", "service.instance.id": str(process)})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("xaisvc")
        self._clock = clock
        self._now = now

    def begin(self, method: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> CallTrace:
        """Begins the span of a call, below the caller's span if the call names one.

        Args:
            method: Full name of the method.
            metadata: The call's metadata.
        """
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - heavy: loaded when used
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - as above
            TraceContextTextMapPropagator,
        )

        carried = {key: value for key, value in metadata or () if key in _CARRIED and isinstance(value, str)}
        service, _, name = method.lstrip("/").partition("/")
        span = self._tracer.start_span(
            f"{service}/{name}",
            context=TraceContextTextMapPropagator().extract(carried),
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": name},
        )
        return CallTrace(span, self._tracer, self._to_ns)

    def close(self) -> None:
        """Sends what waits. Who collects may be gone: nothing waits for them longer than two seconds."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(_SEND_S)

    def _to_ns(self, moment_s: float) -> int:
        ago_s = self._clock() - moment_s
        return int((self._now().timestamp() - ago_s) * _NS)


def open_traces(endpoint: str, place: Place) -> Traces | None:
    """Traces that are sent to a collector by OTLP over gRPC; None without an endpoint.

    Args:
        endpoint: `http://HOST:PORT`, or `https://HOST:PORT` for TLS.
        place: Which process this is.

    Raises:
        InvalidRequestError: If the endpoint is none, or what sends traces is not installed.
    """
    if not endpoint:
        return None
    if not endpoint.startswith(("http://", "https://")):
        raise InvalidRequestError.of("otlp_endpoint", "must be http://HOST:PORT, or https://HOST:PORT for TLS")
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415 - heavy, and may be missing
            OTLPSpanExporter,
        )
    except ImportError:
        raise InvalidRequestError.of(
            "otlp_endpoint", "sending traces needs the extra 'traces'; install xaisvc[traces], or leave it empty"
        ) from None
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=_SEND_S)
    return Traces(exporter, process=place.index)
