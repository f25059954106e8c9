"""The documentation's section on caveats, from the results file and nothing else."""

from __future__ import annotations

from functools import partial
from math import floor, log10
from typing import TYPE_CHECKING, Any

from benchmarks.caveats import DEFAULT, Figure
from benchmarks.caveats.studies import studies
from benchmarks.sections import replace_between

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BEGIN = "<!-- caveats: written by `python -m benchmarks.caveats table`; change nothing by hand -->"
END = "<!-- end of caveats -->"

replace_section = partial(replace_between, BEGIN, END)
"""The page with the text between the markers replaced by a section."""
NOTHING = "nothing has been measured yet"
MOST_DECIMALS = 5
LARGE, TENTH = 10, 0.1
PEER_HEAD = (
    "**What other packages say.** Each was given the same data and models and asked for its explanations in its usual "
    "way; counted is whether anything it said (warnings, printed text, log, text of its results) was about features "
    "that go together, and was not said of independent data too."
)


def number(value: float) -> str:
    """A share or a size, with as many decimals as its distance from 0 and 1 needs.

    >>> number(0.98412), number(0.99961), number(0.0013), number(1.0), number(0.0), number(41.24)
    ('0.984', '0.9996', '0.0013', '1', '0', '41.2')
    """
    if value == int(value):
        return f"{int(value):,}"
    if value >= LARGE:
        return f"{value:,.1f}"
    small = abs(value)
    decimals = 3 if small > TENTH else 1 - floor(log10(small))  # two digits that count
    if 0 < 1 - small < 1:
        decimals = max(decimals, -floor(log10(1 - small)))  # one digit of what is missing to 1
    return f"{value:.{min(decimals, MOST_DECIMALS)}f}"


def interval(low: float | None, high: float | None) -> str:
    """Two ends.

    >>> interval(0.0, 0.0371), interval(None, None)
    ('0 to 0.037', '')
    """
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def count(value: int) -> str:
    """A number of cases."""
    return f"{value:,}"


def target(figure: Figure) -> str:
    """What a figure should be.

    >>> target(Figure("recall", 0.9, 10, 0.98)), target(Figure("seen", 0.9, 10))
    ('at least 0.98', '')
    """
    if figure.target is None:
        return ""
    return f"{'at least' if figure.bound == 'least' else 'at most'} {figure.target:g}"


def render(content: Mapping[str, Any]) -> str:
    """The section's text: every figure that has a target, by study."""
    totals = [one for one in content["totals"] if one["setting"] == DEFAULT and one["target"] is not None]
    totals = [one for one in totals if one["count"]]
    if not totals:
        return NOTHING
    titles = {study.name: study.title for study in studies()}
    measured = {one["study"] for one in totals}
    rows = []
    for study in [*(name for name in titles if name in measured), *sorted(measured - titles.keys())]:
        rows.append([f"**{titles.get(study, study)}**", "", "", "", "", ""])
        rows += [_row(one) for one in totals if one["study"] == study]
    head = ["quantity", "value", "95 % interval", "count", "target", "met"]
    parts = [_head(content, totals), _grid(head, rows)]
    if content["trade_off"]:
        parts.append(_trade_off(content["trade_off"]))
    if content["peers"]:
        parts.append(peers_table(content["peers"]))
    return "\n\n".join(parts)


def peers_table(peers: Mapping[str, Any]) -> str:
    """What each package said of each case."""
    cases = list(peers["cases"])
    rows = []
    for name, found in peers["tools"].items():
        if found["status"] != "ran":
            rows.append([name, *(["not run"] * len(cases)), found["why"]])
            continue
        cells = [f"{found['told'][case]} of {found['asked'][case]}" for case in cases]
        rows.append([f"{name} {found['version']}", *cells, "; ".join(found["said"]) or "nothing"])
    return f"{PEER_HEAD}\n\n{_grid(['package', *cases, 'what it said'], rows)}"


def _head(content: Mapping[str, Any], totals: Sequence[Mapping[str, Any]]) -> str:
    last = content["runs"][-1]
    met = sum(bool(one["met"]) for one in totals)
    own = [cell for study in content["studies"].values() for cell in study["cells"]]
    spent = sum(cell["cpu_s"] for cell in own) / 60
    return (
        f"{last['date'][:10]}, {last['machine']['processor']}, {last['machine']['cores']} cores: {content['suite']} "
        f"seeds, {content['rows']} background rows, {len(own):,} cells, "
        f"{spent:,.0f} minutes of processor time. {met} of {len(totals)} targets met. "
        "Intervals are Wilson's, for as many independent cases as the cases of a seed are worth."
        + _changed(content["studies"])
    )


def _changed(studies_found: Mapping[str, Any]) -> str:
    """Says which studies were measured while their code changed."""
    several = [name for name, study in studies_found.items() if len({cell.get("code") for cell in study["cells"]}) > 1]
    return f" The code changed between cells of {', '.join(several)}." if several else ""


def _row(one: Mapping[str, Any]) -> list[str]:
    figure = Figure(one["name"], one["value"], one["count"], one["target"], one["bound"])
    met = "yes" if one["met"] else "**no**"
    return [
        figure.name,
        number(figure.value),
        interval(one["low"], one["high"]),
        count(figure.count),
        target(figure),
        met,
    ]


def _trade_off(found: Sequence[Mapping[str, float]]) -> str:
    head = ["`gap_share`", *(f"{one['gap_share']:g}" for one in found)]
    rows = [
        [name.replace("_", " "), *(number(one[name]) if name in one else "" for one in found)]
        for name in ("recall", "false_alarms")
    ]
    return f"**Value gap by threshold.** The default is 0.045.\n\n{_grid(head, rows)}"


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
