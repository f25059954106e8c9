"""One run, in the process that was started for it: prepares, warms up, repeats, and says what it took."""

from __future__ import annotations

import resource
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.performance.peers import TOOLS
from benchmarks.performance.references import load_truth, make_truth
from benchmarks.performance.runs import REPORTED, STEP_SEEDS
from benchmarks.performance.statistics import assess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.performance.runs import Run
    from benchmarks.performance.subject import BlackBox, Explain, Subject

    Result = dict[str, object]

MOST_REPEATS = 15
RAW_BATCHES = (64, 256, 1000, 4000)
MIB = 1024.0  # the kernel counts in KiB
LOOP_S = 0.05
"""Length of one timed stretch of the bare model: calls of a few microseconds are timed many at once."""
ENOUGH = 5e-4
"""An error at which a tool has surely reached 1e-3, the one that times are compared at."""


def measure(run: Run, subject: Subject) -> Result:
    """Does what the run asks for; plain values for JSON."""
    jobs: dict[str, Callable[[Run, Subject], Result]] = {
        "truth": _truth,
        "raw": _raw,
        "speed": _speed,
        "cold": _cold,
        "accuracy": _accuracy,
    }
    return jobs[run.job](run, subject)


def peak_memory_mib() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def repeat(call: Callable[[], object], seconds: float) -> Result:
    """Calls until the time is used up, at most 15 times and at least once; wall seconds."""
    taken: list[float] = []
    while not taken or (len(taken) < MOST_REPEATS and sum(taken) + taken[-1] < seconds):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return {"median_s": statistics.median(taken), "min_s": min(taken), "max_s": max(taken), "repeats": len(taken)}


def _truth(run: Run, subject: Subject) -> Result:
    truth = make_truth(subject, run.rows[0])
    return {"rows": len(truth.values), "nmse": truth.nmse, "how": truth.how}


def _raw(run: Run, subject: Subject) -> Result:
    """What the model alone reaches: the best batch size, and with two threads the better of two ways to use them."""
    one_session = subject.black_box()
    each = [replace(subject, threads=1).black_box() for _ in range(run.threads)]
    results = []
    with ThreadPoolExecutor(run.threads) as pool:
        for size in RAW_BATCHES:
            rows = np.ascontiguousarray(subject.data.rows[:size])
            results.append({"way": "one session", **_rate([one_session], rows, pool, run.seconds / 8)})
            if run.threads > 1:
                results.append({"way": "a session for each thread", **_rate(each, rows, pool, run.seconds / 8)})
    return {"measured": results, "rows_per_s": max(float(str(found["rows_per_s"])) for found in results)}


def _rate(sessions: Sequence[BlackBox], rows: NDArray[np.float32], pool: ThreadPoolExecutor, seconds: float) -> Result:
    sessions[0].raw(rows)
    start = time.perf_counter()
    sessions[0].raw(rows)
    n_loops = max(1, int(LOOP_S / max(time.perf_counter() - start, 1e-9)))

    def loop(session: BlackBox) -> None:
        for _ in range(n_loops):
            session.raw(rows)

    timing = repeat(lambda: list(pool.map(loop, sessions)), seconds)
    n_rows = len(rows) * n_loops * len(sessions)
    return {"batch": len(rows), "rows_per_s": n_rows / float(str(timing["median_s"])), **timing}


def _prepare(run: Run, subject: Subject) -> tuple[Explain, Result]:
    """Opens the tool and asks it once for one row: what is compiled, tabulated or loaded late counts too."""
    _ = subject.data.rows
    before = peak_memory_mib()
    start = time.perf_counter()
    explain = TOOLS[run.tool].open(subject)
    opened = time.perf_counter() - start
    # The largest budget: a tool may refuse a smaller one.
    explain(subject.data.rows[-1:], run.budgets[-1] if run.job == "accuracy" else run.budgets[0], 0)
    ready = time.perf_counter() - start
    return explain, {
        "open_s": opened,
        "ready_s": ready,
        "memory_before_mib": before,
        "memory_ready_mib": peak_memory_mib(),
    }


def _speed(run: Run, subject: Subject) -> Result:
    explain, result = _prepare(run, subject)
    truth = load_truth(subject)
    measured = []
    for budget in run.budgets:
        fixed, slope = _cost(explain, subject, budget)
        for wanted in run.rows:
            n = int(max(1, min(wanted, (run.seconds - fixed) / max(slope, 1e-9))))
            rows = subject.data.rows[:n]
            answer = explain(rows, budget, 0)
            timing = repeat(lambda rows=rows, budget=budget: explain(rows, budget, 0), run.seconds)
            found: Result = {
                "budget": budget,
                "rows_wanted": wanted,
                "rows": n,
                "rows_per_s": n / float(str(timing["median_s"])),
                "evaluations_per_row": answer.evaluations / n,
                **timing,
            }
            if answer.standard_errors is not None:
                found["mean_standard_error"] = float(answer.standard_errors.mean())
            if truth is not None and TOOLS[run.tool].value_function == "interventional":
                found |= _difference(answer.values, truth.values)
            measured.append(found)
    return {**result, "measured": measured, "memory_peak_mib": peak_memory_mib()}


def _cost(explain: Explain, subject: Subject, budget: int) -> tuple[float, float]:
    """Seconds for a call and for each row in it, from a call of one row and one of four."""

    def taken(n: int) -> float:
        start = time.perf_counter()
        explain(subject.data.rows[-n:], budget, 0)
        return time.perf_counter() - start

    taken(1)
    one, four = taken(1), taken(4)
    slope = max(0.0, four - one) / 3
    return max(0.0, one - slope), slope


def _difference(values: NDArray[np.float64], truth: NDArray[np.float64]) -> Result:
    n = min(len(values), len(truth))
    scale = float(np.abs(truth).max())
    gap = values[:n] - truth[:n]
    return {
        "max_difference": float(np.abs(gap).max()),
        "scale": scale,
        "max_difference_of_scale": float(np.abs(gap).max()) / scale,
        "nmse": float((gap**2).mean() / (truth[:n] ** 2).mean()),
    }


def _cold(run: Run, subject: Subject) -> Result:
    """From nothing loaded to the first answer, as a fresh process of a service has it."""
    row = subject.data.rows[:1].copy()
    start, start_cpu = time.perf_counter(), time.process_time()
    explain = TOOLS[run.tool].open(subject)
    opened = time.perf_counter() - start
    explain(row, run.budgets[0], 0)
    first, first_cpu = time.perf_counter() - start, time.process_time() - start_cpu
    explain(row, run.budgets[0], 0)
    return {
        "open_s": opened,
        "first_answer_s": first,
        "first_answer_cpu_s": first_cpu,
        "second_answer_s": time.perf_counter() - start - first,
        "memory_peak_mib": peak_memory_mib(),
    }


def _accuracy(run: Run, subject: Subject) -> Result:
    explain, result = _prepare(run, subject)
    truth = load_truth(subject)
    if truth is None:
        raise ValueError(f"{run.id}: there is no truth to compare with; run its 'truth' first")
    n = min(run.rows[0], len(truth.values))
    rows = subject.data.rows[:n]
    measured: list[Result] = []
    for budget in run.budgets:
        seeds = run.seeds if budget in REPORTED or len(run.budgets) == 1 else min(STEP_SEEDS, run.seeds)
        try:
            explain(rows[:1], budget, 0)
            start, start_cpu = time.perf_counter(), time.process_time()
            # One seed is timed, after a first row of it: a plan for a seed is made once, not for every row.
            answers = [explain(rows, budget, 0)]
            taken, taken_cpu = time.perf_counter() - start, time.process_time() - start_cpu
            answers += [explain(rows, budget, seed) for seed in range(1, seeds)]
        except Exception as error:  # noqa: BLE001 - a refusal is a result: other budgets go on
            measured.append({"budget": budget, "refused": f"{type(error).__name__}: {error}"[:200]})
            continue
        accuracy = assess(
            [answer.values for answer in answers],
            truth.values[:n],
            [answer.standard_errors for answer in answers],
            rng=np.random.default_rng(0),
        )
        evaluations = sum(answer.evaluations for answer in answers) / (n * seeds)
        measured.append(
            {
                "budget": budget,
                "rows": n,
                "seeds": seeds,
                "evaluations_per_row": evaluations,
                "coalitions_per_row": evaluations / subject.b,
                "seconds_per_row": taken / n,
                "cpu_seconds_per_row": taken_cpu / n,
                **asdict(accuracy),
            }
        )
        enough = accuracy.nmse < ENOUGH and budget >= REPORTED[-1]
        if enough or taken > run.seconds * 3:
            break  # nothing further is asked of it, or it would take too long
    return {**result, "measured": measured, "memory_peak_mib": peak_memory_mib(), "truth_nmse": truth.nmse}
