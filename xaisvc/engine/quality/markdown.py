"""A quality report's summary as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xaisvc.engine.quality.fewer_rows import on_fewer_rows
from xaisvc.engine.quality.tables import (
    KEY_MEASURES,
    TIME_UP,
    contest_table,
    lower_first,
    main_table,
    notes,
    players,
    short,
)
from xaisvc.evaluation import METRICS

if TYPE_CHECKING:
    from xaisvc.engine.quality.result import QualityReport
    from xaisvc.engine.quality.tables import Grid

INTERVALS: Final = (
    "Square brackets: 95 % intervals over rows. `random` stands for an explanation that means nothing: a score near "
    "its own says nothing about a method. `reference` are the values that errors are measured against."
)


def markdown(report: QualityReport) -> str:
    """The report's summary as Markdown."""
    reference = report.reference
    place = (
        f"Output `{report.output}` in {report.space}, {report.rows:,} rows, {players(report)}, "
        f"{report.background_rows:,} background rows, seed {report.settings['seed']}. {report.machine['processor']}, "
        f"{report.settings['threads']} {'thread' if report.settings['threads'] == 1 else 'threads'}, {report.date}."
    )
    lines = [f"# Quality of explanations: {report.bundle}", "", place, ""]
    if report.signal is not None:
        lines += [f"**{report.signal.statement}**", ""]
    if not report.complete:
        lines += [TIME_UP, ""]
    lines += [*_markdown_grid(main_table(report, intervals=True)), ""]
    lines += [INTERVALS, "", *(f"- {one}" for one in on_fewer_rows(report)), ""]
    if reference is not None:
        how = (
            "exact values"
            if reference.exact
            else (f"a sampled reference with a relative standard error of {short(reference.relative_standard_error)}")
        )
        lines += [f"Errors are against {how} ({reference.method}), {reference.n_rows:,} rows.", ""]
    if report.contests:
        lines += ["## The planner's choice against other packages", "", *_markdown_grid(contest_table(report)), ""]
    lines += ["## What the columns say", ""]
    for key, title in KEY_MEASURES:
        metric = METRICS[key.partition("@")[0]]
        if any(key in method.measures for method in report.methods):
            way = {"higher": "Higher is better.", "lower": "Lower is better.", "neither": ""}[metric.better]
            lines.append(f"- {title}: {metric.shows} {way} It cannot show: {lower_first(metric.cannot_show)}")
    left = notes(report)
    if left:
        lines += ["", "## What could not be measured", "", *(f"- {note}" for note in left)]
    return "\n".join(lines) + "\n"


def _markdown_grid(grid: Grid) -> list[str]:
    cells = [[one.replace("|", "\\|") for one in line] for line in (grid.head, *grid.lines)]
    rows = ["| " + " | ".join(line) + " |" for line in cells]
    return [rows[0], "| " + " | ".join(["---", *["---:"] * (len(grid.head) - 1)]) + " |", *rows[1:]]
