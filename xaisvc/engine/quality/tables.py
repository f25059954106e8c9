"""The tables of a quality report as texts: what the terminal, Markdown and HTML show alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xaisvc.engine.quality.result import MethodQuality, QualityReport
    from xaisvc.evaluation import Measure, Metric

KEY_MEASURES: Final = (
    ("relative_error", "error"),
    ("insertion_area@background", "insertion"),
    ("insertion_area@conditional", "on manifold"),
    ("deletion_area@background", "deletion"),
    ("faithfulness_correlation@background", "faithfulness"),
    ("infidelity_share@background", "infidelity"),
    ("seed_spread", "seeds"),
    ("background_spread", "backgrounds"),
    ("noise_credit", "noise"),
    ("fidelity_of_first_3", "first 3"),
)
"""Measures of the main table with their headings."""
ROUNDING: Final = 1e-5
"""Relative errors below this are those of float32 models, not of methods."""
TIME_UP: Final = (
    "The time was up before everything was measured. Go on with --resume; a step that was stopped begins anew, so give "
    "more --minutes where nothing was added."
)
_SIGNIFICANT: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts.

    Attributes:
        head: Headings.
        lines: Cells line by line.
    """

    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def main_table(report: QualityReport, *, intervals: bool) -> Grid:
    """One line for each method that was measured: what it costs, and the measures of `KEY_MEASURES`.

    Args:
        report: The report.
        intervals: Whether numbers carry their 95 % intervals.
    """
    present = [(key, title) for key, title in KEY_MEASURES if any(key in method.measures for method in report.methods)]
    lines = []
    for method in report.methods:
        if method.outcome == "measured":
            cells = [_name(method), f"{method.n_rows:,}", short(method.evaluations_per_row), short(method.rows_per_s)]
            cells.append("" if method.peak_memory_mib is None else f"{method.peak_memory_mib:,.0f}")
            cells += [cell(method, key, intervals=intervals) for key, _ in present]
            lines.append(tuple(cells))
    return Grid(("method", "rows", "evaluations", "rows/s", "MiB", *(title for _, title in present)), tuple(lines))


def turned(grid: Grid) -> Grid:
    """The table with its lines as columns, for places that are higher than wide."""
    whole = (grid.head, *grid.lines)
    columns = tuple(zip(*whole, strict=True))
    return Grid(columns[0], columns[1:])


def metric_table(report: QualityReport, metric: Metric) -> Grid:
    """One line for each method with a metric's numbers, replacement by replacement."""
    keys = [
        key
        for key in (metric.id, f"{metric.id}@background", f"{metric.id}@conditional")
        if any(key in method.measures for method in report.methods)
    ]
    titles = {metric.id: "value", f"{metric.id}@background": "background", f"{metric.id}@conditional": "conditional"}
    lines = tuple(
        (_name(method), f"{method.measures[keys[0]].n_rows:,}" if keys[0] in method.measures else "", *cells)
        for method in report.methods
        if (cells := tuple(cell(method, key, intervals=True) for key in keys)) and any(cells)
    )
    return Grid(("method", "rows", *(titles[key] for key in keys)), lines)


def contest_table(report: QualityReport) -> Grid:
    """The planner's choice against peers."""
    lines = tuple(
        (
            one.peer,
            f"{one.budget:,}",
            short(one.own_evaluations),
            short(one.peer_evaluations),
            with_interval(one.advantage),
            verdict(one.advantage),
        )
        for one in report.contests
    )
    return Grid(("peer", "budget", "evaluations, ours", "evaluations, peer", "error of peer minus ours", "so"), lines)


def verdict(advantage: Measure) -> str:
    """What an interval of a difference in error says about ours."""
    if max(abs(advantage.low), abs(advantage.high)) < ROUNDING:
        return "alike up to rounding"
    if advantage.low > 0:
        return "ours is more accurate"
    return "the peer is more accurate" if advantage.high < 0 else "not told apart"


def cell(method: MethodQuality, key: str, *, intervals: bool) -> str:
    """A measure of a method as text; `exact` for an error that is none, empty where there is no number."""
    found = method.measures.get(key)
    if found is None:
        return "exact" if key == "seed_spread" and method.exact else ""
    if key == "relative_error" and found.value == 0 and method.exact:
        return "exact"
    return with_interval(found) if intervals else short(found.value)


def with_interval(one: Measure) -> str:
    """A number and its interval.

    >>> from xaisvc.evaluation import Measure
    >>> with_interval(Measure(value=0.51234, low=0.4, high=0.6123, n_rows=9))
    '0.512 [0.4, 0.612]'
    """
    return f"{short(one.value)} [{short(one.low)}, {short(one.high)}]"


def short(value: float | None) -> str:
    """Three significant digits; nothing for None.

    >>> short(23456.7), short(0.00012345), short(0.0), short(None), short(-1.2)
    ('23,500', '0.000123', '0', '', '-1.2')
    """
    if value is None:
        return ""
    rounded = float(f"{value:.3g}")
    if rounded == 0:
        return "0"
    return f"{rounded:,.0f}" if abs(rounded) >= _SIGNIFICANT else f"{rounded:g}"


def players(report: QualityReport) -> str:
    """How many share the credit, and what they are."""
    return f"{report.features} {'groups of features' if report.players == 'custom' else report.players}"


def notes(report: QualityReport) -> tuple[str, ...]:
    """What could not be measured, and why."""
    found = [f"{one.name}: {one.outcome}. {one.why}" for one in report.methods if one.outcome != "measured"]
    found += [f"{one.name}, {note}" for one in report.methods for note in one.notes]
    return tuple(found)


def lower_first(text: str) -> str:
    """The text with a small first letter, to stand inside a sentence.

    >>> lower_first("Whether it is."), lower_first("PGI")
    ('whether it is.', 'PGI')
    """
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _name(method: MethodQuality) -> str:
    return f"{method.name} ({method.detail})" if method.name == "auto" else method.name
