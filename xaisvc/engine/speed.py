"""What a bundle's model and its explanations cost on this machine: the use case behind `xaisvc bench speed`.

Time, model evaluations and error always stand together: a method that is fast because it looks at little says so.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from xaisvc.attribution import METHODS
from xaisvc.bundles import encode_rows, load_bundle
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.machine import describe_machine, describe_versions, forget_peak_memory, peak_memory_mib
from xaisvc.engine.surroundings import usable_cpus
from xaisvc.errors import AbandonedError, InvalidRequestError, MethodNotApplicableError, XaisvcError
from xaisvc.runtimes import OrtRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xaisvc.bundles import Bundle
    from xaisvc.engine.batch import ExplanationBatch
    from xaisvc.types import Device, LoadedModel, Table

Outcome = Literal["measured", "not applicable", "refused", "too slow", "failed"]

RAW_BATCHES = (1, 64, 256, 1000, 4000)
MOST_REPEATS = 15
LOOP_S = 0.02
"""Length of one timed stretch of the bare model: calls of a few microseconds are timed many at once."""
PACKAGES = ("xaisvc", "numpy", "numba", "onnx", "onnxruntime", "onnxruntime-gpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRequest:
    """What to measure.

    Attributes:
        methods: Names of methods; None for every method.
        budget: Coalitions per row (samples for LIME); None for each method's default.
        n_rows: Most rows to explain in one call.
        threads: Threads; None for all CPUs that the process may use.
        seconds_per_method: About how long one method may take, preparation included; where preparing takes most of it,
            half of it is spent on measuring nevertheless, for a rate of one row tells nothing.
        device: Where to run the model.
    """

    methods: tuple[str, ...] | None = None
    budget: int | None = None
    n_rows: int = 1000
    threads: int | None = None
    seconds_per_method: float = 10.0
    device: Device = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpeed:
    """What the model alone reaches.

    Attributes:
        rows_per_s: With the best batch size.
        batch_rows: That batch size.
        by_batch: Batch size to rows per second.
    """

    rows_per_s: float
    batch_rows: int
    by_batch: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpeed:
    """What one method took. Numbers are None unless the outcome is `measured`.

    Attributes:
        method: Its name.
        outcome: `measured`; `not applicable` to this model; `refused`, for example because the budget is too small;
            `too slow` to answer one row in the time allowed; `failed` with an error that nobody foresaw.
        why: The reason, unless it was measured.
        exact: Whether the values are exact.
        n_rows: Rows explained in one call.
        rows_per_s: Median over repeats.
        rows_per_s_low: Slowest repeat.
        rows_per_s_high: Fastest repeat.
        repeats: How many.
        one_row_s: Median time of a call with one row.
        preparation_s: From an opened bundle to the first answer. Less where earlier processes left plans on disk.
        evaluations_per_row: Model rows scored for each explained row.
        mean_standard_error: Over rows and players, in `space`; 0 for exact methods.
        space: Unit of the attributions.
        share_of_bound: Time that the model alone needs for these evaluations, over the time taken; None where the
            method scores the model for the output only.
        peak_memory_mib: Most memory of the process while the method ran, what is loaded anyway included.
    """

    method: str
    outcome: Outcome
    why: str = ""
    exact: bool | None = None
    n_rows: int | None = None
    rows_per_s: float | None = None
    rows_per_s_low: float | None = None
    rows_per_s_high: float | None = None
    repeats: int | None = None
    one_row_s: float | None = None
    preparation_s: float | None = None
    evaluations_per_row: float | None = None
    mean_standard_error: float | None = None
    space: str | None = None
    share_of_bound: float | None = None
    peak_memory_mib: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedReport:
    """What was measured, on what, with what.

    Attributes:
        bundle: Name and version.
        digests: SHA-256 of the bundle's parts.
        device: What the model ran on.
        threads: Threads.
        background_rows: b.
        rows: Different rows at hand.
        budget: As asked for.
        model: The model alone.
        methods: In the order asked for.
        machine: Processor, CPUs that the process may use, system.
        versions: Package to version.
    """

    bundle: str
    digests: Mapping[str, str]
    device: str
    threads: int
    background_rows: int
    rows: int
    budget: int | None
    model: ModelSpeed
    methods: tuple[MethodSpeed, ...]
    machine: Mapping[str, object]
    versions: Mapping[str, str]

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return asdict(self)


def measure_speed(
    bundle: str | Path | Bundle,
    rows: Table | None,
    request: SpeedRequest,
    *,
    clock: Callable[[], float] = time.perf_counter,
    tell: Callable[[str], None] = lambda _: None,
) -> SpeedReport:
    """Measures the model of a bundle and its explanations.

    Args:
        bundle: The bundle or its folder.
        rows: Rows to explain, validated; the background by default.
        request: What to measure.
        clock: Monotonic clock in seconds.
        tell: Told what is being measured.

    Raises:
        BundleError: If the bundle cannot be loaded.
        InvalidRequestError: If a method is unknown, there are no rows, or a number is not positive.
        RuntimeUnavailableError: If the device is not there.
    """
    names = _methods(request.methods)
    for field, number in (
        ("rows", request.n_rows),
        ("seconds_per_method", request.seconds_per_method),
        ("threads", request.threads),
    ):
        if number is not None and not 0 < number < float("inf"):
            raise InvalidRequestError.of(field, f"must be positive, got {number}")
    loaded = load_bundle(bundle) if isinstance(bundle, str | Path) else bundle
    table = loaded.background if rows is None else rows
    if not len(table):
        raise InvalidRequestError.of("data", "there are no rows to explain; give a file with at least one row")
    table = _different(table, request.n_rows)
    threads = request.threads or usable_cpus()
    setting = _Setting(bundle=loaded, rows=table, request=request, threads=threads, clock=clock)
    tell("the model alone")
    device, model = _model_speed(setting)
    found = []
    for name in names:
        tell(name)
        found.append(_method_speed(setting, name, model))
    return SpeedReport(
        bundle=f"{loaded.description.name} {loaded.description.version}",
        digests=asdict(loaded.digests),
        device=device,
        threads=threads,
        background_rows=len(loaded.background),
        rows=len(table),
        budget=request.budget,
        model=model,
        methods=tuple(found),
        machine=describe_machine(),
        versions=describe_versions(PACKAGES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What all measurements share."""

    bundle: Bundle
    rows: Table
    request: SpeedRequest
    threads: int
    clock: Callable[[], float]


def _methods(wanted: Sequence[str] | None) -> tuple[str, ...]:
    for name in wanted or ():
        if name not in METHODS:
            raise InvalidRequestError.of(
                "methods", f"unknown method {name!r}; use some of: {', '.join(METHODS)}", "UNKNOWN_METHOD"
            )
    return tuple(dict.fromkeys(wanted)) if wanted else tuple(METHODS)


def _different(rows: Table, most: int) -> Table:
    """The first different rows: rows that repeat cost nothing, so they would flatter."""
    first: dict[bytes, int] = {}
    for index, digest in enumerate(rows.row_digests()):
        first.setdefault(digest, index)
    return rows.take(list(first.values())[:most])


def _model_speed(setting: _Setting) -> tuple[str, ModelSpeed]:
    """One session for each thread, as the explainer uses them."""
    bundle, rows, request, clock = setting.bundle, setting.rows, setting.request, setting.clock
    threads = setting.threads
    sessions = [OrtRuntime().load(bundle.model, device=request.device) for _ in range(threads)]
    tensor = bundle.description.outputs[0].tensor
    rates: dict[int, float] = {}
    with ThreadPoolExecutor(threads) as pool:
        for size in RAW_BATCHES:
            batch = rows.take(np.arange(size) % len(rows))
            feeds = encode_rows(bundle.description, sessions[0].inputs, batch)

            def once(session: LoadedModel, feeds: Mapping[str, np.ndarray] = feeds) -> None:
                session.run(feeds, [tensor])

            once(sessions[0])
            start = clock()
            once(sessions[0])
            n_loops = max(1, int(LOOP_S / max(clock() - start, 1e-9)))

            def loop(session: LoadedModel, once: Callable[[LoadedModel], None] = once, n: int = n_loops) -> None:
                for _ in range(n):
                    once(session)

            budget_s = request.seconds_per_method / len(RAW_BATCHES)
            taken = _repeat(lambda loop=loop: list(pool.map(loop, sessions)), budget_s, clock)  # type: ignore[misc]
            rates[size] = size * n_loops * threads / statistics.median(taken)
    best = max(rates, key=lambda size: rates[size])
    return sessions[0].device, ModelSpeed(rows_per_s=rates[best], batch_rows=best, by_batch=rates)


def _method_speed(setting: _Setting, name: str, model: ModelSpeed) -> MethodSpeed:
    rows, request, clock = setting.rows, setting.request, setting.clock
    forget_peak_memory()
    begin = clock()
    # Nothing between two pieces of work may take the whole machine for ever: a method that does not answer is stopped.
    longest_s = 3 * request.seconds_per_method
    end = begin + longest_s

    def explain(table: Table) -> ExplanationBatch:
        return explainer.explain_table(
            table, method=name, budget=None if METHODS[name].exact else request.budget, cancel=lambda: clock() > end
        )

    try:
        explainer = Explainer(setting.bundle, request.device, threads=setting.threads)
        explain(rows.take([len(rows) - 1]))
        prepared_s = clock() - begin
        left_s = max(request.seconds_per_method / 2, request.seconds_per_method - prepared_s)
        end = clock() + longest_s
        one_row = _repeat(lambda: explain(rows.take([0])), left_s / 4, clock)
        n_rows = _affordable(explain, rows, statistics.median(one_row), left_s / 4, clock)
        chosen = rows.take(slice(0, n_rows))
        answer = explain(chosen)
        taken = _repeat(lambda: explain(chosen), left_s / 2, clock)
    except MethodNotApplicableError as error:
        return MethodSpeed(method=name, outcome="not applicable", why=str(error))
    except AbandonedError:
        why = f"no answer within {clock() - begin:.0f} s, preparation included; allow more seconds per method"
        return MethodSpeed(method=name, outcome="too slow", why=why)
    except XaisvcError as error:
        return MethodSpeed(method=name, outcome="refused", why=str(error))
    except Exception as error:  # noqa: BLE001 - what breaks one method must not take the numbers of the others along
        return MethodSpeed(
            method=name,
            outcome="failed",
            why=f"it broke off with an error of xaisvc's own ({type(error).__name__}); please report it",
        )
    evaluations = float(answer.model_evaluations.mean())
    rate = n_rows / statistics.median(taken)
    return MethodSpeed(
        method=name,
        outcome="measured",
        exact=answer.exact,
        n_rows=n_rows,
        rows_per_s=rate,
        rows_per_s_low=n_rows / max(taken),
        rows_per_s_high=n_rows / min(taken),
        repeats=len(taken),
        one_row_s=statistics.median(one_row),
        preparation_s=prepared_s,
        evaluations_per_row=evaluations,
        mean_standard_error=float(answer.standard_errors.mean()),
        space=str(answer.space.value),
        share_of_bound=evaluations * rate / model.rows_per_s if evaluations > 1 else None,
        peak_memory_mib=peak_memory_mib(),
    )


def _affordable(
    explain: Callable[[Table], object], rows: Table, one_row_s: float, seconds: float, clock: Callable[[], float]
) -> int:
    """How many rows fit into `seconds`: doubled until they would not, since calls have a price of their own."""
    n_rows, taken = 1, one_row_s
    while n_rows < len(rows) and 2 * taken <= seconds:
        n_rows = min(2 * n_rows, len(rows))
        start = clock()
        explain(rows.take(slice(0, n_rows)))
        taken = clock() - start
        seconds -= taken / 2  # half of what is tried comes out of the time for what is measured
    return n_rows


def _repeat(call: Callable[[], object], seconds: float, clock: Callable[[], float]) -> list[float]:
    """Seconds of each call: once at least, then while another fits."""
    taken: list[float] = []
    while not taken or (len(taken) < MOST_REPEATS and sum(taken) + taken[-1] < seconds):
        start = clock()
        call()
        taken.append(clock() - start)
    return taken
