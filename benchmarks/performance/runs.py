"""What is measured: one run is one process, with one case, one tool and one number of threads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from benchmarks.performance.cases import CASES
from benchmarks.performance.peers import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Job = Literal["truth", "raw", "speed", "cold", "accuracy"]
REPORTED = (64, 512, 2048)
"""Coalitions at which errors are compared, with `FULL_SEEDS` seeds; the steps between them take fewer."""
LADDER = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Coalitions at which errors are measured; a tool goes no further than it has to, see `measure`."""
TARGET_LADDER = (32, 64, 128, 256, 512)
"""Error targets: the outputs' standard deviation over the background, divided by these."""
FULL_SEEDS = 5
STEP_SEEDS = 2
ACCURACY_ROWS = 50
ACCURACY_BACKGROUND = 20
TRUTH_ROWS = 64
LIME_SAMPLES = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process.

    Attributes:
        job: What is measured.
        case: Id of the case.
        tool: Name of the tool; empty for `truth` and `raw`, and for `accuracy`, which takes turns.
        tools: Tools that take turns in one process, so that whatever else the machine does meets all of them.
        b: Background rows.
        threads: Threads, set by environment before anything loads.
        rows: Numbers of rows to explain in one call.
        budgets: Coalitions for each row (samples for LIME); 0 for the tool's default.
        seeds: Seeds for the reported budgets of `accuracy`.
        seconds: About how long one measurement may take.
    """

    job: Job
    case: str
    tool: str = ""
    tools: tuple[str, ...] = ()
    b: int = 100
    threads: int = 1
    rows: tuple[int, ...] = ()
    budgets: tuple[int, ...] = (0,)
    seeds: int = FULL_SEEDS
    seconds: float = 10.0

    @property
    def id(self) -> str:
        """Names the run in files and results."""
        tool = f"-{self.tool}" if self.tool else ""
        return f"{self.job}-{CASES[self.case].name}{tool}-b{self.b}-t{self.threads}"

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Run:
        """From plain values."""
        plain = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        return cls(**plain)  # type: ignore[arg-type]


TREES = ("lgb", "xgb", "rf", "lgb14")
NETWORKS = ("mlp30", "mlp100", "mlp14")
SAMPLED = tuple(tool.name for tool in TOOLS.values() if tool.kind == "sampled")
ACCURATE = (*(name for name in SAMPLED if name != "shap-kernel-default"), "xaisvc-target")
EXACT = ("xaisvc-auto", "shap-tree", "woodelf")
"""What a user would take who may look into a tree model."""


def full_runs(seconds: float) -> Iterator[Run]:
    """Everything that the tables want, the most telling first."""
    for case in (*TREES, *NETWORKS, "lr"):
        yield Run(job="raw", case=case, threads=1, seconds=seconds)
        yield Run(job="raw", case=case, threads=2, seconds=seconds)
    yield from _trees(seconds)
    yield from _sampled(seconds)
    yield from _accuracy()
    for case in ("mlp30", "lr", "lgb"):
        for tool in ("xaisvc-lime", "lime", "xaisvc-lime-continuous", "lime-continuous"):
            yield Run(
                job="speed", case=case, tool=tool, b=1000, rows=(1, 256), budgets=(LIME_SAMPLES,), seconds=seconds
            )
    for case in ("lgb", "mlp30", "lr"):
        yield Run(job="speed", case=case, tool="xaisvc-auto", threads=2, rows=(1, 10_000), seconds=seconds)


def _trees(seconds: float) -> Iterator[Run]:
    for case in TREES:
        for b in (100, 1000):
            yield Run(job="truth", case=case, b=b, rows=(TRUTH_ROWS,))
            for threads in (1, 2):
                yield Run(
                    job="speed",
                    case=case,
                    tool="xaisvc-tree",
                    b=b,
                    threads=threads,
                    rows=(1, 1000, 10_000),
                    seconds=seconds,
                )
            yield Run(job="speed", case=case, tool="shap-tree", b=b, rows=(1, 1000), seconds=seconds)
        # It prepares its background anew in every call, so that many rows are what it is made for.
        yield Run(job="speed", case=case, tool="woodelf", threads=2, rows=(10_000,), seconds=25.0)
        yield Run(job="cold", case=case, tool="xaisvc-tree", b=1000)
        yield Run(job="speed", case=case, tool="fasttreeshap", threads=2, rows=(1, 1000), seconds=seconds)


MANY_ROWS = 1000


def _sampled(seconds: float) -> Iterator[Run]:
    for case in (*NETWORKS, "lr"):
        yield Run(job="speed", case=case, tool="xaisvc-kernel", rows=(1, 16), budgets=(512, 2048), seconds=seconds)
        for tool in SAMPLED:
            budgets = (0,) if tool == "shap-kernel-default" else (512, 2048)
            # Peers take rows one by one, so that only our own rate depends on how many there are.
            rows = (16, MANY_ROWS) if (case, tool) == ("lr", "xaisvc-kernel") else (16,)
            yield Run(job="speed", case=case, tool=tool, threads=2, rows=rows, budgets=budgets, seconds=seconds)
    for tool in ("xaisvc-linear", "shap-linear"):
        yield Run(job="speed", case="lr", tool=tool, rows=(1, 1000), seconds=seconds)


def _accuracy() -> Iterator[Run]:
    # Errors do not depend on how long a measurement may take, so these results fit every choice of it.
    for case in ("mlp30", "mlp14", "lgbr30", "mlp100", "lgb14"):
        b = ACCURACY_BACKGROUND
        yield Run(job="truth", case=case, b=b, rows=(TRUTH_ROWS,))
        tools = (*ACCURATE, *EXACT) if CASES[case].family == "trees" else ACCURATE
        # 500 trees for each of 40,000 model rows: the steps between are left out.
        budgets = REPORTED if case == "lgb14" else LADDER
        yield Run(job="accuracy", case=case, tools=tools, b=b, rows=(ACCURACY_ROWS,), budgets=budgets)


def quick_runs(seconds: float) -> Iterator[Run]:
    """A few minutes: one model of each kind, one thread, the best known peers. Shows that it works, no more."""
    for case in ("xgb", "mlp14"):
        yield Run(job="raw", case=case, seconds=seconds)
    yield Run(job="truth", case="xgb", rows=(8,))
    for tool in ("xaisvc-tree", "shap-tree", "woodelf"):
        yield Run(job="speed", case="xgb", tool=tool, rows=(1, 1000), seconds=seconds)
    yield Run(job="cold", case="xgb", tool="xaisvc-tree")
    yield Run(job="truth", case="mlp14", b=ACCURACY_BACKGROUND, rows=(8,))
    for tool in ("xaisvc-kernel", "shap-kernel", "shap-permutation", "shapiq-kernel"):
        yield Run(job="speed", case="mlp14", tool=tool, rows=(4,), budgets=(512,), seconds=seconds)
    tools = ("xaisvc-kernel", "shap-kernel", "shap-permutation", "shapiq-kernel")
    yield Run(job="accuracy", case="mlp14", tools=tools, b=ACCURACY_BACKGROUND, rows=(8,), budgets=(64, 512), seeds=2)
    for tool in ("xaisvc-lime", "lime"):
        yield Run(job="speed", case="mlp14", tool=tool, b=1000, rows=(4,), budgets=(LIME_SAMPLES,), seconds=seconds)


def tiny_runs(seconds: float) -> Iterator[Run]:
    """Every kind of run on a model of ten trees, with packages that every development environment has."""
    yield Run(job="raw", case="tiny", seconds=seconds)
    yield Run(job="truth", case="tiny", b=20, rows=(4,))
    for tool in ("xaisvc-tree", "shap-tree"):
        yield Run(job="speed", case="tiny", tool=tool, b=20, rows=(1, 4), seconds=seconds)
    yield Run(job="cold", case="tiny", tool="xaisvc-tree", b=20)
    for tool in ("xaisvc-kernel", "shap-kernel"):
        yield Run(job="speed", case="tiny", tool=tool, b=20, rows=(2,), budgets=(32,), seconds=seconds)
    tools = ("xaisvc-kernel", "xaisvc-target", "shap-kernel", "xaisvc-auto", "shap-tree")
    yield Run(job="accuracy", case="tiny", tools=tools, b=20, rows=(4,), budgets=(16, 24), seeds=2)
