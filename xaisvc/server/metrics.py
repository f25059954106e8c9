"""What the service counts about its calls."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram


class CallMetrics:
    """Counts calls by method and code.

    Args:
        registry: Where the metrics are listed.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("xaisvc_calls", "Calls answered.", ("method", "code"), registry=registry)
        self._seconds = Histogram("xaisvc_call_seconds", "Time from call to answer.", ("method",), registry=registry)
        self._rows = Counter("xaisvc_request_rows", "Rows in requests.", ("method",), registry=registry)

    def called(self, method: str, code: str, seconds: float, rows: int) -> None:
        """Counts one call.

        Args:
            method: Full name of the method.
            code: Name of the status.
            seconds: Time it took.
            rows: Rows that it brought.
        """
        self._calls.labels(method, code).inc()
        self._seconds.labels(method).observe(seconds)
        if rows:
            self._rows.labels(method).inc(rows)
