"""What the service counts: about its calls, about the stages of its requests, and what its parts count themselves.

Labels are names that the service knows: methods of the protocol, bundles that are served, methods of explanation. What
a caller writes never becomes a label.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from xaisvc.cache import TieredCache
from xaisvc.engine.scheduling.gauges import BATCH_SIZE_BOUNDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

    from xaisvc.cache import ExplanationCache
    from xaisvc.engine.letters import LetterWarning
    from xaisvc.engine.scheduling.gauges import SchedulerState
    from xaisvc.engine.stages import Stage

_STAGE_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_MOST_KNOWN = 1024


class CallMetrics:
    """Counts calls by method and code.

    Args:
        registry: Where the metrics are listed.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("xaisvc_calls", "Calls answered.", ("method", "code"), registry=registry)
        self._seconds = Histogram("xaisvc_call_seconds", "Time from call to answer.", ("method",), registry=registry)
        self._rows = Counter("xaisvc_request_rows", "Rows in requests.", ("method",), registry=registry)
        self._calls_of = cache(self._calls.labels)  # methods and codes are few, looking up their numbers is slow
        self._seconds_of = cache(self._seconds.labels)
        self._rows_of = cache(self._rows.labels)

    def called(self, method: str, code: str, seconds: float, rows: int) -> None:
        """Counts one call.

        Args:
            method: Full name of the method.
            code: Name of the status.
            seconds: Time it took.
            rows: Rows that it brought.
        """
        self._calls_of(method, code).inc()
        self._seconds_of(method).observe(seconds)
        if rows:
            self._rows_of(method).inc(rows)


class StageMetrics:
    """Counts what requests and batches take, by bundle.

    Args:
        registry: Where the metrics are listed.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "xaisvc_stage_seconds",
            "Time that requests spent in each stage; a batch counts for each request in it.",
            ("stage", "bundle"),
            registry=registry,
            buckets=_STAGE_BOUNDS_S,
        )
        self._seconds_of = lru_cache(maxsize=_MOST_KNOWN)(self._seconds.labels)
        of_model = ("bundle", "method")
        self._batches = Counter("xaisvc_model_batches", "Computations of a model.", of_model, registry=registry)
        self._rows = Counter("xaisvc_explained_rows", "Rows explained by computing.", of_model, registry=registry)
        self._model_rows = Counter("xaisvc_model_rows", "Rows scored by a model.", of_model, registry=registry)
        self._reloads = Counter("xaisvc_reloads", "New versions found.", ("bundle", "outcome"), registry=registry)

    def spent(self, stage: Stage, bundle: str, method: str, start_s: float, end_s: float) -> None:
        """Counts one request's time in one stage."""
        del method
        self._seconds_of(stage.value, bundle).observe(max(0.0, end_s - start_s))

    def computed(self, bundle: str, method: str, rows: int, model_rows: int) -> None:
        """Counts one computation."""
        self._batches.labels(bundle, method).inc()
        self._rows.labels(bundle, method).inc(rows)
        self._model_rows.labels(bundle, method).inc(model_rows)

    def reloaded(self, bundle: str, outcome: str) -> None:
        """Counts a new version."""
        self._reloads.labels(bundle, outcome).inc()


class PartMetrics:
    """Reads what the parts of the service count themselves, when somebody asks.

    Args:
        scheduler: One reading of the scheduler.
        cache: The cache.
        backlog: Records that wait to be written.
        in_flight: Calls in progress.
        serving: Whether the server says SERVING.
        warnings: What should be mended before letters go out.
    """

    def __init__(  # noqa: PLR0913 - one reading of each part, all by name
        self,
        *,
        scheduler: Callable[[], SchedulerState],
        cache: ExplanationCache,
        backlog: Callable[[], int],
        in_flight: Callable[[], int],
        serving: Callable[[], bool],
        warnings: Callable[[], Iterable[LetterWarning]] = tuple,
    ) -> None:
        self._scheduler = scheduler
        self._cache = cache
        self._backlog = backlog
        self._in_flight = in_flight
        self._serving = serving
        self._warnings = warnings

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        yield _gauge("xaisvc_serving", "1 if the service answers, 0 if it drains or cannot record.", self._serving())
        yield _gauge("xaisvc_calls_in_flight", "Calls in progress.", self._in_flight())
        yield _gauge("xaisvc_records_waiting", "Records that wait to be written.", self._backlog())
        yield from self._of_scheduler(self._scheduler())
        yield from self._of_cache()
        letters = GaugeMetricFamily(
            "xaisvc_letter_warnings",
            "1 for each thing that should be mended before letters go out; the log says what.",
            labels=["bundle", "concern", "pack"],
        )
        for warning in self._warnings():
            letters.add_metric([warning.bundle, warning.concern, warning.pack], 1)
        yield letters

    def describe(self) -> list[Metric]:
        """Nothing, so that registering does not read the parts before they are there."""
        return []

    @staticmethod
    def _of_scheduler(state: SchedulerState) -> Iterator[Metric]:
        yield _gauge("xaisvc_queue_requests", "Requests that wait to be computed.", state.waiting_tasks)
        yield _gauge("xaisvc_queue_model_rows", "Model rows that wait.", state.waiting_cost)
        yield _gauge("xaisvc_queue_seconds", "Time until a new large request would have its turn.", state.waiting_s)
        yield _gauge("xaisvc_running_batches", "Batches being computed.", state.running_batches)
        yield _gauge("xaisvc_compute_threads", "Compute threads that are alive.", state.live_threads)
        for name, text, value in (
            ("queue_waited_seconds", "Time that requests waited to be computed, all together.", state.waited_s),
            ("computed_seconds", "Time spent computing.", state.computed_s),
            ("batch_rows", "Rows in batches.", state.batch_rows),
            ("batch_model_rows", "Model rows in batches, as they were estimated.", state.batch_cost),
            ("batch_reruns", "Computations repeated to find a request at fault.", state.reruns),
        ):
            yield CounterMetricFamily(f"xaisvc_{name}", text, value=value)
        ends = CounterMetricFamily("xaisvc_queued", "What became of requests to be computed.", labels=["outcome"])
        for outcome in ("answered", "failed", "abandoned", "late", "refused", "dropped"):
            ends.add_metric([outcome], getattr(state, outcome))
        yield ends
        sizes = HistogramMetricFamily("xaisvc_batch_requests", "Requests computed together.")
        total, buckets = 0, []
        for bound, count in zip((*map(float, BATCH_SIZE_BOUNDS), float("inf")), state.batch_sizes, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
        sizes.add_metric([], buckets, sum_value=state.batch_tasks)
        yield sizes

    def _of_cache(self) -> Iterator[Metric]:
        cache = self._cache
        tiers = zip(("memory", "behind"), cache.tiers, strict=True) if isinstance(cache, TieredCache) else None
        found = CounterMetricFamily("xaisvc_cache", "What became of keys and calls.", labels=["tier", "outcome"])
        for tier, part in tiers or (("memory", cache),):
            counts = part.counts()
            for outcome in ("hits", "misses", "rejected", "failures", "dropped", "evictions"):
                found.add_metric([tier, outcome], getattr(counts, outcome))
        yield found


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
