"""The README's section on speed and accuracy, from the results file and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.performance.peers import TOOLS
from benchmarks.performance.runs import EXACT, MANY_ROWS, REPORTED
from benchmarks.performance.statistics import TARGET_NMSE
from benchmarks.sections import replace_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BEGIN = "<!-- benchmarks: written by `python -m benchmarks.performance table`; change nothing by hand -->"
END = "<!-- end of benchmarks -->"

replace_section = partial(replace_between, BEGIN, END)
"""The page with the text between the markers replaced by a section."""
WOODELF_BACKGROUND = 100
TREES = (
    "**Trees, exact.** Rows per second with 1,000 rows in a call (woodelf: 10,000) and `b` background rows; xaisvc and "
    "woodelf with two threads, shap has one. One row, and what an explanation costs in predictions of the same model "
    "(pairs of measurements, one right after the other), with one thread."
)
SAMPLING = (
    "**Sampling at equal coalitions.** Explanations per second with two threads, 16 rows in a call and 100 background "
    "rows; in brackets the share of what the model's own rate allows. shap's default takes 2,048 + 2 d coalitions in "
    "both columns."
)
ERRORS = "**Error at equal evaluations.** Normalised mean squared error with its 95 % interval, 20 background rows."
TIMES = (
    f"**Time to an error of {TARGET_NMSE:g}.** Processor time for one row, between measured budgets, with its 95 % "
    "interval; 20 background rows. Black box: coalitions are sampled, whatever the model is; xaisvc scores trees as it "
    "read them from the ONNX file, the others ask ONNX Runtime. Best setting: what a user would take who may look into "
    "it."
)
LIME = "**LIME, 5,000 samples.** Explanations per second, one thread."
WHOLE = "**`explain()` end to end**, two threads. Caveats are found when they are read, and are not in these times."
MOST_OVER = 1.5
"""A tool that takes iterations instead of coalitions counts at a budget if it spent at most this much of it:
one order of 30 players costs shap 91 coalitions, which is its least."""
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Results:
    """The results file, by what was run."""

    content: Mapping[str, Any]

    def find(self, job: str, case: str, tool: str = "", *, b: int | None = None, threads: int | None = None) -> Any:  # noqa: ANN401 - JSON
        """The result of a run, or None if it was not measured."""
        for outcome in self.content["runs"]:
            run = outcome["run"]
            wanted = (run["job"], run["case"], run["tool"]) == (job, case, tool)
            if wanted and b in {None, run["b"]} and threads in {None, run["threads"]} and outcome["status"] == "done":
                return outcome["result"]
        return None

    def accuracy(self, case: str, tool: str) -> Any:  # noqa: ANN401 - JSON
        """What a tool reached on a case, or None."""
        result = self.find("accuracy", case)
        return result["tools"].get(tool) if result else None

    def speed(  # noqa: PLR0913 - what names a measurement
        self, case: str, tool: str, *, rows: int, budget: int = 0, b: int = 100, threads: int = 1
    ) -> Any:  # noqa: ANN401 - JSON
        """One measured speed, or None."""
        result = self.find("speed", case, tool, b=b, threads=threads)
        measured = result["measured"] if result else []
        return next((found for found in measured if (found["rows_wanted"], found["budget"]) == (rows, budget)), None)

    def raw(self, case: str, threads: int) -> float | None:
        """Rows per second of the model alone."""
        result = self.find("raw", case, threads=threads)
        return result["rows_per_s"] if result else None

    def cases(self, job: str) -> list[str]:
        """Cases that a job measured, in order."""
        return list(dict.fromkeys(found["run"]["case"] for found in self.content["runs"] if found["run"]["job"] == job))


def render(content: Mapping[str, Any]) -> str:
    """The section's text."""
    results = Results(content)
    parts = [_head(content)]
    for title, table in (
        (TREES, _trees(results)),
        (SAMPLING, _sampling(results)),
        (ERRORS, _errors(results)),
        (TIMES, _times(results)),
        (LIME, _lime(results)),
        (WHOLE, _whole(results)),
    ):
        if table:
            parts.append(f"{title}\n\n{table}")
    return "\n\n".join(parts)


def _head(content: Mapping[str, Any]) -> str:
    machine, versions = content["machine"], content["versions"]
    peers = sorted({tool.package for tool in TOOLS.values()} - {"xaisvc"})
    listed = ", ".join(f"{name} {versions[name]}" for name in peers if versions.get(name, "not installed")[0].isdigit())
    return (
        f"{content['date']}, {machine['processor']}, {machine['cores']} cores, Python {machine['python']}, "
        f"onnxruntime {versions['onnxruntime']}; {listed}. Medians; all figures, models and settings are in "
        "[benchmarks/performance](benchmarks/performance/README.md).\n\n"
        + "; ".join(f"{name.rsplit('-v', 1)[0]}: {title}" for name, title in content["cases"].items())
        + "."
    )


def _trees(results: Results) -> str:
    rows = []
    for case in results.cases("speed"):
        woodelf = results.speed(case, "woodelf", rows=10_000, threads=2)
        if woodelf is not None and woodelf["rows"] < woodelf["rows_wanted"]:
            woodelf = None  # it is made for many rows, and fewer fitted into the time
        for b in (100, 1000):
            own = results.speed(case, "xaisvc-tree", rows=1000, b=b, threads=2)
            alone = results.speed(case, "xaisvc-tree", rows=1000, b=b)
            if own is None and alone is None:
                continue
            many = results.speed(case, "xaisvc-tree", rows=10_000, b=b, threads=2)
            shap = results.speed(case, "shap-tree", rows=1000, b=b)
            one, shap_one = (results.speed(case, tool, rows=1, b=b) for tool in ("xaisvc-tree", "shap-tree"))
            best = own or alone
            rows.append(
                [
                    f"{case}, {b:,}",
                    _rate(shap),
                    _rate(woodelf) if b == WOODELF_BACKGROUND else NOTHING,
                    _rate(best),
                    _times_more(best, shap),
                    _times_more(many, woodelf) if b == WOODELF_BACKGROUND else NOTHING,
                    f"{_ms(one)} / {_ms(shap_one)}",
                    f"{alone['cost_in_predictions']:.1f}" if alone and "cost_in_predictions" in alone else NOTHING,
                    f"{best['max_difference_of_scale']:.0e}" if "max_difference_of_scale" in best else NOTHING,
                ]
            )
    return _grid(
        [
            "model, `b`",
            "shap",
            "woodelf",
            "xaisvc",
            "times shap",
            "times woodelf",
            "one row, ms: xaisvc / shap",
            "cost in predictions",
            "largest difference",
        ],
        rows,
    )


def _sampling(results: Results) -> str:
    """Two threads; the share is of what the model alone reaches with two."""
    cases = [case for case in results.cases("raw") if results.find("speed", case, "xaisvc-kernel", threads=2)]
    rows = []
    for tool in TOOLS.values():
        if tool.kind != "sampled":
            continue
        for count in (16, MANY_ROWS):
            cells = [tool.title if count == 16 else f"{tool.title}, {count:,} rows a call"]  # noqa: PLR2004 - as run
            for case in cases:
                for budget in (512, 2048):
                    at = 0 if tool.name == "shap-kernel-default" else budget
                    found = results.speed(case, tool.name, rows=count, budget=at, threads=2)
                    raw = results.raw(case, 2)
                    share = found["evaluations_per_row"] * found["rows_per_s"] / raw if found and raw else None
                    cells.append(_rate(found) + (f" ({share:.0%})" if share is not None else ""))
            if set(cells[1:]) != {NOTHING}:
                rows.append(cells)
    head = ["tool", *(f"{case}, {budget:,}" for case in cases for budget in (512, 2048))]
    return _grid(head, rows) if cases else ""


def _errors(results: Results) -> str:
    rows = []
    for case in results.cases("accuracy"):
        for budget in REPORTED:
            own = _at(results, case, "xaisvc-kernel", budget)
            others = [(tool, _at(results, case, tool, budget)) for tool in _peers()]
            others = [(tool, found) for tool, found in others if found]
            if own is None or not others:
                continue
            best, found = min(others, key=lambda pair: pair[1]["nmse"])
            rows.append(
                [
                    f"{case}, {budget:,}",
                    _interval(own),
                    _interval(found),
                    TOOLS[best].title,
                    f"{own['rank']:.3f} / {max(other['rank'] for _, other in others):.3f}",
                    f"{own['coverage']:.0%}" if own["coverage"] is not None else NOTHING,
                ]
            )
    return _grid(["case, coalitions", "xaisvc", "best other", "which", "rank: xaisvc / best", "coverage at 95 %"], rows)


def _times(results: Results) -> str:
    rows = []
    exact = [name for name in EXACT if TOOLS[name].package != "xaisvc"]
    for case in results.cases("accuracy"):
        kinds = [
            (f"{case}, black box", "xaisvc-kernel", list(_peers())),
            (f"{case}, black box, `ErrorTarget`", "xaisvc-target", list(_peers())),
        ]
        if results.accuracy(case, EXACT[0]):
            kinds.append((f"{case}, best setting", EXACT[0], [*_peers(), *exact]))
        for title, tool, peers in kinds:
            if not _steps(results, case, tool) or not any(_steps(results, case, peer) for peer in peers):
                continue
            own = _reached(results, case, tool)
            others = [(peer, _reached(results, case, peer)) for peer in peers]
            best = min(((peer, at) for peer, at in others if at), key=lambda pair: pair[1]["seconds"], default=None)
            rows.append(
                [
                    title,
                    _milliseconds(own, _steps(results, case, tool)),
                    _milliseconds(best[1], ()) if best else _furthest(results, case, peers),
                    TOOLS[best[0]].title if best else NOTHING,
                    f"{_rounded(best[1]['seconds'] / own['seconds']):g}" if best and own else NOTHING,
                ]
            )
    return _grid(["case", "xaisvc, ms (coalitions)", "best other, ms (coalitions)", "which", "times faster"], rows)


def _lime(results: Results) -> str:
    rows = []
    for case in results.cases("raw"):
        for own, other, mode in (
            ("xaisvc-lime", "lime", "default"),
            ("xaisvc-lime-continuous", "lime-continuous", "continuous"),
        ):
            ours, theirs = (results.speed(case, tool, rows=256, budget=5000, b=1000) for tool in (own, other))
            if ours and theirs:
                rows.append([f"{case}, {mode}", _rate(theirs), _rate(ours), _times_more(ours, theirs)])
    return _grid(["model, mode", "lime", "xaisvc", "times"], rows)


def _whole(results: Results) -> str:
    rows = []
    for case in results.cases("speed"):
        one, many = (results.speed(case, "xaisvc-auto", rows=n, threads=2) for n in (1, 10_000))
        cold = results.find("cold", case, "xaisvc-tree")
        if one:
            started = f"{cold['stored']['first_answer_s']:.2f} s" if cold else NOTHING
            rows.append([case, _ms(one), f"{_rate(many)} ({many['rows']:,} rows)" if many else NOTHING, started])
    return _grid(["model", "one row, ms", "rows per second", "fresh process to first answer"], rows)


def _peers() -> Iterator[str]:
    return (tool.name for tool in TOOLS.values() if tool.kind == "sampled" and tool.package != "xaisvc")


def _steps(results: Results, case: str, tool: str) -> list[Any]:
    result = results.accuracy(case, tool)
    return [found for found in (result["measured"] if result else ()) if "nmse" in found]


def _at(results: Results, case: str, tool: str, budget: int) -> Any:  # noqa: ANN401 - JSON
    """What a tool reached at a budget, if it kept to it."""
    for found in _steps(results, case, tool):
        if found["budget"] == budget and found["coalitions_per_row"] <= MOST_OVER * budget:
            return found
    return None


def _reached(results: Results, case: str, tool: str) -> Any:  # noqa: ANN401 - JSON
    """When a tool reached the target, or None."""
    found = (results.accuracy(case, tool) or {}).get("reached")
    return found if found and found["seconds"] is not None else None


def _furthest(results: Results, case: str, tools: Sequence[str]) -> str:
    steps = [found for tool in tools for found in _steps(results, case, tool)]
    best = min(steps, key=lambda found: found["nmse"])
    return f"not reached: {best['nmse']:.1e} at {best['coalitions_per_row']:,.0f}"


def _rate(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return NOTHING
    rate = found["rows_per_s"]
    return f"{float(f'{rate:.3g}'):,.0f}" if rate >= 100 else f"{rate:.3g}"  # noqa: PLR2004 - three digits


def _times_more(own: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str:
    if own is None or other is None:
        return NOTHING
    return f"{_rounded(own['rows_per_s'] / other['rows_per_s']):,g}"


def _rounded(value: float) -> float:
    """With two significant digits."""
    return float(f"{value:.2g}")


def _ms(found: Mapping[str, Any] | None) -> str:
    return NOTHING if found is None else f"{_rounded(1000 * found['median_s']):g}"


def _milliseconds(reached: Mapping[str, Any] | None, steps: Sequence[Mapping[str, Any]]) -> str:
    if reached is None:
        best = min(steps, key=lambda found: found["nmse"])
        return f"not reached: {best['nmse']:.1e} at {best['coalitions_per_row']:,.0f}"
    low, high = (reached[name] for name in ("seconds_low", "seconds_high"))
    most = "more" if high is None else f"{_rounded(1000 * high):g}"
    interval = "" if low == high else f", {_rounded(1000 * low):g} to {most}"
    coalitions = f" ({reached['coalitions']:,.0f})" if reached["coalitions"] else ""
    before = "at most " if reached["at_most"] and reached["coalitions"] else ""
    return f"{before}{_rounded(1000 * reached['seconds']):g}{interval}{coalitions}"


def _interval(found: Mapping[str, Any]) -> str:
    return f"{found['nmse']:.1e} ({found['nmse_low']:.1e} to {found['nmse_high']:.1e})"


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; empty without rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
