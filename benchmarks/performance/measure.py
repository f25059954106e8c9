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
from benchmarks.performance.runs import REPORTED, STEP_SEEDS, TARGET_LADDER
from benchmarks.performance.statistics import Step, assess, reach

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.performance.runs import Run
    from benchmarks.performance.subject import BlackBox, Explain, Subject

    Result = dict[str, object]

MOST_REPEATS = 15
RAW_BATCHES = (64, 256, 1000, 4000)
MIB = 1024.0  # the kernel counts in KiB
TREES, PAIRED_ROWS = "xaisvc-tree", 1000
"""Whose cost is told in predictions of the model, and of how many rows in a call."""
DEAR_S = 1.0
MORE_ROWS = 1000
"""A call that takes so long, and hardly longer for four rows, is timed with so many to learn what a row costs."""
LOOP_S = 0.05
"""Length of one timed stretch of the bare model: calls of a few microseconds are timed many at once."""
ENOUGH = 5e-4
"""An error at which a tool has surely reached 1e-3, the one that times are compared at."""
FAR = 2.0
"""A tool with this many times the smallest error of a peer at the step before is not the best one at the next: one seed
is enough to say where it is. xaisvc's kernel, which is compared with the best, always gets all."""
SHORT_S = 0.5
SHORT_REPEATS = 7
"""Calls of milliseconds are timed several times."""


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
    explain(subject.data.rows[-1:], run.budgets[0], 0)
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
            if run.tool == TREES and run.threads == 1 and n >= PAIRED_ROWS:
                found["cost_in_predictions"] = cost_in_predictions(explain, subject.black_box(), rows, budget)
            if truth is not None and TOOLS[run.tool].value_function == "interventional":
                found |= _difference(answer.values, truth.values)
            measured.append(found)
    return {**result, "measured": measured, "memory_peak_mib": peak_memory_mib()}


def cost_in_predictions(explain: Explain, model: BlackBox, rows: NDArray[np.float32], budget: int) -> float:
    """Time of an explanation over that of a prediction, with the batch size that suits the model best.

    The median of pairs of stretches, one right after the other: a machine's speed differs by a third between runs.
    """

    def prediction_s(batch: NDArray[np.float32]) -> float:
        n_loops = max(1, len(rows) // len(batch))
        start = time.perf_counter()
        for _ in range(n_loops):
            model.raw(batch)
        return (time.perf_counter() - start) / (n_loops * len(batch))

    batches = [np.ascontiguousarray(rows[:size]) for size in RAW_BATCHES if size <= len(rows)]
    best = min(batches, key=lambda batch: min(prediction_s(batch) for _ in range(MOST_REPEATS)))
    ratios = []
    for _ in range(MOST_REPEATS):
        alone = prediction_s(best)
        start = time.perf_counter()
        explain(rows, budget, 0)
        ratios.append((time.perf_counter() - start) / len(rows) / alone)
    return statistics.median(ratios)


def _cost(explain: Explain, subject: Subject, budget: int) -> tuple[float, float]:
    """Seconds for a call and for each row in it, from a call of one row and one of four.

    Where three rows more are lost in the noise of a call that takes seconds by itself, a thousand are asked for.
    """

    def taken(n: int) -> float:
        start = time.perf_counter()
        explain(subject.data.rows[-n:], budget, 0)
        return time.perf_counter() - start

    taken(1)
    one, more = taken(1), 4
    longer = taken(more)
    if one >= DEAR_S and longer < 2 * one:
        more = min(MORE_ROWS, len(subject.data.rows))
        longer = taken(more)
    slope = max(0.0, longer - one) / (more - 1)
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
    """Tools take turns at each step of their ladders."""
    truth = load_truth(subject)
    if truth is None:
        raise ValueError(f"{run.id}: there is no truth to compare with; run its 'truth' first")
    n = min(run.rows[0], len(truth.values))
    turns = [_Turn(run, subject, name, truth.values[:n]) for name in run.tools]
    for step in range(max(len(turn.ladder) for turn in turns)):
        best = min((turn.nmse for turn in turns if turn.is_peer), default=np.inf)
        for turn in turns:
            turn.take(step, best)
    return {"tools": {turn.tool.name: turn.result() for turn in turns}, "truth_nmse": truth.nmse}


class _Turn:
    """One tool on its way through its ladder."""

    def __init__(self, run: Run, subject: Subject, name: str, truth: NDArray[np.float64]) -> None:
        self.tool = TOOLS[name]
        self.ladder = {"sampled": run.budgets, "target": TARGET_LADDER}.get(self.tool.kind, (0,))
        self.is_peer = self.tool.kind == "sampled" and self.tool.package != "xaisvc"
        self.nmse = np.inf
        self._run, self._subject, self._truth = run, subject, truth
        self._rows = subject.data.rows[: len(truth)]
        self._measured: list[Result] = []
        self._steps: list[Step] = []
        self._why = ""
        try:
            self._explain = self.tool.open(subject)
        except ModuleNotFoundError as error:
            self._why = f"not installed: {error}"

    def result(self) -> Result:
        """All steps, and when the target was reached."""
        found: Result = {"measured": self._measured}
        if self._steps:
            found["reached"] = reach(self._steps, self._truth, rng=np.random.default_rng(0))
        return found | ({"why": self._why} if self._why else {})

    def take(self, step: int, best: float) -> None:
        """Goes on to a step, unless nothing further is to be learnt.

        Args:
            step: Index in the ladder.
            best: Smallest error of a peer at the step before: one that is far from it needs no more seeds.
        """
        if self._why or step >= len(self.ladder):
            return
        budget = self.ladder[step]
        try:
            found = self._measure(budget, self._seeds(budget, best))
        except Exception as error:  # noqa: BLE001 - a refusal is a result: other budgets go on
            self._measured.append({"budget": budget, "refused": f"{type(error).__name__}: {error}"[:200]})
            return
        self._measured.append(found)
        if self.nmse < ENOUGH and (budget >= REPORTED[-1] or self.tool.kind != "sampled"):
            self._why = "far enough"
        elif float(str(found["seconds_per_row"])) * len(self._rows) > 3 * self._run.seconds:
            self._why = "too slow to go on"

    def _seeds(self, budget: int, best: float) -> int:
        if self.tool.kind not in {"sampled", "target"}:
            return 1
        if self.tool.kind == "sampled" and budget not in REPORTED and len(self.ladder) > 1:
            return min(STEP_SEEDS if budget <= REPORTED[-1] else 1, self._run.seeds)
        far = self.tool.name != "xaisvc-kernel" and self.nmse > FAR * best
        return 1 if far and self._steps else self._run.seeds

    def _measure(self, budget: int, n_seeds: int) -> Result:
        rows, n = self._rows, len(self._rows)
        # One seed is timed, after a first row of it: a plan for a seed is made once, not for every row.
        self._explain(rows[:1], budget, 0)
        answers, wall, cpu = [], [], []
        while not wall or (sum(wall) < SHORT_S and len(wall) < SHORT_REPEATS):
            start, start_cpu = time.perf_counter(), time.process_time()
            first = self._explain(rows, budget, 0)
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - start_cpu)
        answers = [first, *(self._explain(rows, budget, seed) for seed in range(1, n_seeds))]
        values = [answer.values for answer in answers]
        accuracy = assess(
            values, self._truth, [answer.standard_errors for answer in answers], rng=np.random.default_rng(0)
        )
        self.nmse = accuracy.nmse
        evaluations = sum(answer.evaluations for answer in answers) / (n * n_seeds)
        seconds = statistics.median(cpu) / n
        squared = np.stack([((found - self._truth) ** 2).sum(axis=1) for found in values])
        coalitions = evaluations / self._subject.b
        self._steps.append(Step(seconds=seconds, coalitions=coalitions, squared=squared))
        return {
            "budget": budget,
            "rows": n,
            "seeds": n_seeds,
            "evaluations_per_row": evaluations,
            "coalitions_per_row": coalitions,
            "seconds_per_row": statistics.median(wall) / n,
            "cpu_seconds_per_row": seconds,
            **asdict(accuracy),
        }
