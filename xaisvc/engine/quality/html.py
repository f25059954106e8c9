"""A quality report as one HTML page that needs nothing from outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal

from markupsafe import Markup, escape

from xaisvc.engine.quality.charts import Line, interval_chart, line_chart, matrix_chart
from xaisvc.engine.quality.fewer_rows import on_fewer_rows
from xaisvc.engine.quality.missing import NO_TRUTH
from xaisvc.engine.quality.style import STYLE
from xaisvc.engine.quality.tables import (
    TIME_UP,
    contest_table,
    lower_first,
    main_table,
    metric_table,
    notes,
    players,
    short,
    turned,
)
from xaisvc.evaluation import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xaisvc.engine.quality.result import QualityReport
    from xaisvc.engine.quality.tables import Grid
    from xaisvc.evaluation import Metric

FEW: Final = 5
"""Methods that fit beside each other."""
_KINDS: Final[Mapping[str, Literal["reference", "null"]]] = {"reference": "reference", "null": "null"}
_GROUPS: Final = {
    "accuracy": "How far the values are from the true ones.",
    "faithfulness": "Whether the values say what the model does when features are taken away.",
    "stability": "Whether the values stay when what should not matter changes.",
    "robustness": "Whether the values are about this model, and about what it uses.",
    "complexity": "How many factors the explanation has, and what a reader of the first few loses.",
}
_REPLACED: Final = {
    "background": "Replaced from the background: any value a feature has, whatever the others are. The model is also"
    " asked about rows that could not exist.",
    "conditional": "Replaced to fit what is kept: values of background rows that are near in the kept features. "
    "Closer to the data; what goes together leaves together.",
}


def render_html(report: QualityReport) -> str:
    """The page.

    Args:
        report: What was measured.

    Returns:
        HTML with its styles and charts inside, without scripts.
    """
    body = Markup("\n").join(
        [
            Markup("<h1>Quality of explanations: {}</h1>").format(report.bundle),
            _head(report),
            _signal(report),
            Markup("<h2>Summary</h2>"),
            _grid(_summary(report)),
            _reading(report),
            *_contests(report),
            Markup("<h2>Error against budget</h2>"),
            _errors(report),
            Markup("<h2>Insertion and deletion</h2>"),
            _curves(report),
            Markup("<h2>Agreement</h2>"),
            _agreement(report),
            Markup("<h2>Stability</h2>"),
            _stability(report),
            Markup("<h2>Every metric</h2>"),
            *_metrics(report),
            _left_out(report),
            _provenance(report),
        ]
    )
    return str(
        Markup(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            'content="width=device-width, initial-scale=1"><title>Quality of explanations: {}</title><style>{}</style>'
            "</head><body><main>\n{}\n</main></body></html>\n"
        ).format(report.bundle, Markup(STYLE), body)  # noqa: S704 - the styles are ours
    )


def _summary(report: QualityReport) -> Grid:
    """Methods as columns while they fit the width of a page."""
    table = main_table(report, intervals=True)
    return turned(table) if len(table.lines) <= FEW else table


def _head(report: QualityReport) -> Markup:
    return Markup("<p>Output <b>{}</b> in {}; {} rows, {}, {} background rows; seed {}; {}; {}.</p>{}").format(
        report.output,
        report.space,
        f"{report.rows:,}",
        players(report),
        f"{report.background_rows:,}",
        report.settings["seed"],
        report.machine["processor"],
        report.date,
        Markup() if report.complete else Markup('<p class="weak">{}</p>').format(TIME_UP),
    )


def _signal(report: QualityReport) -> Markup:
    signal = report.signal
    if signal is None and "labels" in report.digests:
        return Markup('<p class="weak">The time was up before the labels were looked at. Go on with --resume.</p>')
    if signal is None:
        return Markup('<p class="small">No labels were given, so nothing is known about the model\'s signal.</p>')
    kind = {"none": "null", "weak": "weak"}.get(signal.strength, "strong")
    skills = "; ".join(
        f"skill against {name}: {short(one.value)} [{short(one.low)}, {short(one.high)}]"
        for name, one in signal.skills.items()
    )
    return Markup('<p class="{}">{} <span class="small">({} rows; {})</span></p>').format(
        kind, signal.statement, f"{signal.n_rows:,}", skills
    )


def _reading(report: QualityReport) -> Markup:
    reference = report.reference
    parts = [
        Markup(
            "<p>Square brackets hold 95 % intervals over rows: what other rows of the same kind would give. Methods "
            "that explained fewer rows have wider ones. <b>random</b> is an explanation that means nothing: the "
            "reference values of each row, shuffled. A score near its own says nothing about a method, whatever its "
            "size. <b>reference</b> are the values that errors are measured against: what the metrics say of true "
            "Shapley values, or of the best that could be had. A score that is better than theirs says that the metric "
            "likes something else than they are.</p>"
        )
    ]
    if reference is not None:
        parts.append(
            Markup("<p>Errors are against {} ({}).</p>").format(
                "exact Shapley values of this model and background"
                if reference.exact
                else "a sampled reference with a relative standard error of "
                f"{short(reference.relative_standard_error)}: smaller errors cannot be told",
                reference.method,
            )
        )
    fewer = Markup().join(Markup("<li>{}</li>").format(one) for one in on_fewer_rows(report))
    if fewer:
        parts.append(Markup("<ul>{}</ul>").format(fewer))
    parts.append(
        Markup("<p>No number here says that an explanation is right for its reader, or that the model is right.</p>")
    )
    return Markup("\n").join(parts)


def _contests(report: QualityReport) -> tuple[Markup, ...]:
    if not report.contests:
        return ()
    return (
        Markup("<h2>The planner's choice against other packages</h2>"),
        Markup("<p>On the same rows and background; ours takes no more model rows than the peer did.</p>"),
        _grid(contest_table(report)),
    )


def _errors(report: QualityReport) -> Markup:
    names = list(dict.fromkeys(point.method for point in report.errors))
    lines = [
        Line(
            name,
            tuple(
                (one.evaluations_per_row, one.error.value, one.error.low, one.error.high)
                for one in report.errors
                if one.method == name and one.error.value > 0
            ),
            dots=tuple(
                (one.evaluations_per_row, seed)
                for one in report.errors
                if one.method == name and len(one.seeds) > 1
                for seed in one.seeds
            ),
        )
        for name in names
    ]
    drawn = [line for line in lines if line.points]
    missing = "; ".join(_not_drawn(report, {line.name for line in drawn}))
    if not drawn:
        return Markup('<p class="none">Nothing to draw: {}.</p>').format(missing or "no method was measured")
    said = Markup(
        "<p>Relative error of the values against model rows scored for each row. Lower and further left is better. "
        "Bars are 95 % intervals over rows; small circles are single seeds, and the line is the root of their mean "
        "square. {}</p>"
    ).format(missing and f"Not drawn: {missing}.")
    chart = line_chart(
        drawn,
        title="error against budget",
        x="model evaluations per row",
        y="relative error",
        log_x=True,
        log_y=True,
    )
    return Markup("{}{}").format(said, chart)


def _not_drawn(report: QualityReport, drawn: set[str]) -> Iterator[str]:
    """Which methods have no error that changes with their budget, and why."""
    without: dict[str, list[str]] = {}
    for method in report.methods:
        if method.outcome != "measured" or method.kind in _KINDS or method.name in drawn:
            continue
        if any(one.method == method.name for one in report.errors):
            why = "exact at every budget"
        elif "relative_error" not in method.measures:
            why = NO_TRUTH
        elif not report.complete:
            why = "the time was up before it was asked at several budgets"
        else:
            why = "it gave no answer at any of the budgets"
        without.setdefault(why, []).append(method.name)
    yield from (f"{', '.join(names)} ({why})" for why, names in without.items())


def _curves(report: QualityReport) -> Markup:
    parts = [
        Markup(
            "<p>Features enter (insertion) or leave (deletion) in the order in which a method says they support the "
            "row's own answer. A good order rises fast in insertion and falls fast in deletion; beyond 1 or below 0 "
            "the features left would pull the other way. A straight line from corner to corner is what a random "
            "order gives where effects add up. Orders are judged here, not sizes.</p>"
        )
    ]
    for replacement, words in _REPLACED.items():
        parts.append(Markup("<p>{}</p>").format(words))
        for kind in ("insertion", "deletion"):
            lines = []
            for method in report.methods:
                found = method.curves.get(replacement)
                if found is not None:
                    heights = found.insertion if kind == "insertion" else found.deletion
                    points = tuple((x, y, None, None) for x, y in zip(found.shares, heights, strict=True))
                    lines.append(Line(method.name, points, kind=_KINDS.get(method.kind, "method")))
            parts.append(
                line_chart(
                    lines,
                    title=f"{kind}, {replacement} replacement",
                    x=f"share of features {'kept' if kind == 'insertion' else 'taken away'} ({replacement})",
                    y="share of the way to the row's answer",
                )
            )
    return Markup("\n").join(parts)


def _agreement(report: QualityReport) -> Markup:
    found = report.agreement
    if found is None:
        return Markup('<p class="none">Fewer than two methods were measured.</p>')
    said = Markup(
        "<p>How alike methods are, on rows that both explained. Methods that agree can be wrong together; methods "
        "that answer different questions, such as SHAP and LIME, may differ and both be right.</p>"
    )
    charts = [
        (found.rank, "order of all features (Spearman correlation of sizes)"),
        (found.sign, "sign of the five leading features (share that both have with the same sign)"),
        (found.top, "the five leading features (share that both have)"),
    ]
    return Markup("\n").join(
        [
            said,
            *(
                Markup("<figure><p>{}</p>{}</figure>").format(title, matrix_chart(found.methods, values, title=title))
                for values, title in charts
            ),
        ]
    )


def _stability(report: QualityReport) -> Markup:
    parts = [
        Markup("<p>Steady is not right: a method can be steadily wrong. Exact methods do not depend on a seed.</p>")
    ]
    for name in ("seed_spread", "background_spread", "budget_spread", "max_sensitivity"):
        items = [
            (method.name, one.value, one.low, one.high)
            for method in report.methods
            if (one := method.measures.get(name)) is not None
        ]
        if items:
            metric = METRICS[name]
            parts.append(
                Markup("<figure><p>{}: {}</p>{}</figure>").format(
                    metric.title, lower_first(metric.shows), interval_chart(items, title=metric.title, x=metric.title)
                )
            )
    return Markup("\n").join(parts)


def _metrics(report: QualityReport) -> list[Markup]:
    parts: list[Markup] = []
    for group, words in _GROUPS.items():
        shown = [
            metric
            for metric in METRICS.values()
            if metric.group == group
            and any(key.partition("@")[0] == metric.id for one in report.methods for key in one.measures)
        ]
        if shown:
            parts.append(Markup("<h3>{}</h3><p>{}</p>").format(group.capitalize(), words))
            parts += [_metric(report, metric) for metric in shown]
    return parts


def _metric(report: QualityReport, metric: Metric) -> Markup:
    way = {"higher": "higher is better", "lower": "lower is better", "neither": "no direction is better"}[metric.better]
    unit = metric.unit.replace("output", report.space) or "no unit"
    return Markup(
        "<details><summary>{}</summary><p>{} <b>It cannot show:</b> {}</p>"
        '<p class="small">{}; {}; from {} to {}. {}.</p>{}</details>'
    ).format(
        metric.title,
        metric.shows,
        lower_first(metric.cannot_show),
        way.capitalize(),
        unit,
        _end(metric.lowest),
        _end(metric.highest),
        metric.source[:1].upper() + metric.source[1:],
        _grid(metric_table(report, metric)),
    )


def _end(value: float) -> str:
    return {float("inf"): "infinity", float("-inf"): "minus infinity"}.get(value, short(value))


def _left_out(report: QualityReport) -> Markup:
    left = notes(report)
    if not left:
        return Markup()
    items = Markup().join(Markup("<li>{}</li>").format(note) for note in left)
    return Markup("<h2>What could not be measured</h2><ul>{}</ul>").format(items)


def _provenance(report: QualityReport) -> Markup:
    kept = {
        "digests": report.digests,
        "settings": report.settings,
        "machine": report.machine,
        "versions": report.versions,
        "seconds": round(report.seconds, 1),
    }
    text = escape(json.dumps(kept, indent=2, default=str))
    return Markup('<h2>Provenance</h2><pre tabindex="0">{}</pre>').format(text)


def _grid(grid: Grid) -> Markup:
    head = Markup().join(Markup("<th>{}</th>").format(one) for one in grid.head)
    lines = Markup("\n").join(
        Markup("<tr>{}</tr>").format(Markup().join(Markup("<td>{}</td>").format(one) for one in line))
        for line in grid.lines
    )
    return Markup(
        '<div class="wide" tabindex="0"><table><thead><tr>{}</tr></thead><tbody>\n{}\n</tbody></table></div>'
    ).format(head, lines)
