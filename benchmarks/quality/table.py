"""The suite's table for pages, from its results."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.sections import replace_between
from xaisvc.engine.quality.tables import verdict
from xaisvc.evaluation import Measure

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULTS: Final = Path(__file__).parent / "results.json"
PAGE: Final = Path(__file__).parent / "README.md"
README: Final = Path(__file__).parents[2] / "README.md"
BEGIN: Final = "<!-- quality: begin -->"
END: Final = "<!-- quality: end -->"
COLUMNS: Final = (
    ("relative_error", "error"),
    ("insertion_area@background", "insertion"),
    ("insertion_area@conditional", "insertion, on manifold"),
    ("faithfulness_correlation@background", "faithfulness"),
    ("seed_spread", "seeds"),
    ("noise_credit", "noise"),
    ("fidelity_of_first_3", "first 3"),
)


def write_table(results: Mapping[str, Any], page: Path = PAGE, readme: Path = README) -> None:
    """Writes what both pages show between their markers."""
    for path, content in ((page, whole(results)), (readme, short_section(results))):
        text = path.read_text(encoding="utf-8")
        path.write_text(replace_between(BEGIN, END, text, content), encoding="utf-8")


def whole(results: Mapping[str, Any]) -> str:
    """What the page shows: a short table, then every method."""
    return f"{short_section(results)}\n\n## Every method\n\n{section(results)}"


def short_section(results: Mapping[str, Any]) -> str:
    """One line for each case: the planner's choice, the most accurate other package, and what means nothing.

    Args:
        results: Id of a case to its report.
    """
    lines = [
        "| case | planner's choice | error | most accurate other package | error | faithfulness: ours, LIME, random |",
        "| --- | --- | ---: | --- | ---: | --- |",
    ]
    for report in results.values():
        methods = {one["name"]: one for one in report["methods"] if one["outcome"] == "measured"}
        auto = methods["auto"]
        peers = [one for one in methods.values() if one["kind"] == "peer" and "relative_error" in one["measures"]]
        best = min(peers, key=lambda one: one["measures"]["relative_error"]["value"], default=None)
        key = "faithfulness_correlation@background"
        scores = [
            _short(methods[name]["measures"][key]["value"]) for name in ("auto", "lime", "random") if name in methods
        ]
        cells = [
            report["title"],
            auto["detail"],
            _cell(auto, "relative_error"),
            "" if best is None else best["name"],
            "" if best is None else _cell(best, "relative_error"),
            ", ".join(scores),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_notes(results)])


def section(results: Mapping[str, Any]) -> str:
    """The table with its notes, as Markdown.

    Args:
        results: Id of a case to its report.
    """
    lines = [
        "| case | method | rows | evaluations | " + " | ".join(title for _, title in COLUMNS) + " |",
        "| --- | --- |" + " ---: |" * (2 + len(COLUMNS)),
    ]
    for report in results.values():
        for number, method in enumerate(one for one in report["methods"] if one["outcome"] == "measured"):
            cells = [_cell(method, key) for key, _ in COLUMNS]
            name = f"{method['name']} ({method['detail']})" if method["name"] == "auto" else method["name"]
            head = [
                report["title"] if number == 0 else "",
                name,
                f"{method['n_rows']:,}",
                _short(method["evaluations_per_row"]),
            ]
            lines.append("| " + " | ".join([*head, *cells]) + " |")
    return "\n".join(lines)


def _notes(results: Mapping[str, Any]) -> list[str]:
    contests = [one for report in results.values() for one in report["contests"]]
    verdicts = Counter(verdict(Measure(**one["advantage"])) for one in contests)
    told = "; ".join(f"{words}: {count}" for words, count in sorted(verdicts.items()))
    closed = [report["closed_form_error"] for report in results.values() if "closed_form_error" in report]
    measured_on = [report["machine"] for report in results.values()]
    measured_on = [report["machine"] for report in results.values()]
    machines = sorted({f"{one['processor']}, {one['cpus']} cores" for one in measured_on})
    versions: dict[str, str] = {}
    for report in results.values():
        versions.update(report["versions"])
    said = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()) if name != "xaisvc")
    contest = (
        f"The planner's choice against other packages, on the same rows and with no more model rows than they take, "
        f"{len(contests)} contests. {told}."
        if contests
        else "No other package was measured."
    )
    closed_form = [f"Error of exact values against a closed form: {error:.1e}." for error in closed]
    return [contest, *closed_form, "", f"{'; '.join(machines)}. {said}."]


def _cell(method: Mapping[str, Any], key: str) -> str:
    found = method["measures"].get(key)
    if found is None:
        return "exact" if key == "seed_spread" and method["exact"] else ""
    if key == "relative_error" and method["exact"] and found["value"] == 0:
        return "exact"
    return f"{_short(found['value'])} [{_short(found['low'])}, {_short(found['high'])}]"


def _short(value: float | None) -> str:
    if value is None:
        return ""
    rounded = float(f"{value:.2g}")
    return f"{value:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"  # noqa: PLR2004 - digits before the point are enough
