"""The documentation's section on load and faults, from the results file and nothing else."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.sections import replace_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BEGIN = "<!-- load: written by `python -m benchmarks.service`; change nothing by hand -->"
END = "<!-- end of load -->"

replace_section = partial(replace_between, BEGIN, END)
"""The page with the text between the markers replaced by a section."""
NOTHING = "nothing has been measured yet"
MOST_DIGITS = 1000


def render(content: Mapping[str, Any]) -> str:
    """The section's text."""
    scenarios = content["scenarios"]
    if not scenarios:
        return NOTHING
    parts = [_head(scenarios)]
    parts += [_scenario(name, found) for name, found in scenarios.items()]
    return "\n\n".join(parts)


def _head(scenarios: Mapping[str, Any]) -> str:
    places = {
        f"{found['machine']['processor']}, {found['machine']['cores']} cores, Python {found['machine']['python']}, "
        f"grpcio {found['versions']['grpcio']}"
        for found in scenarios.values()
    }
    dates = sorted({found["date"] for found in scenarios.values()})
    return f"Measured {' and '.join(dates)} on {'; '.join(sorted(places))}; service, load and Redis on the same cores."


def _scenario(name: str, found: Mapping[str, Any]) -> str:
    failed = [check for check, holds in found["checks"].items() if not holds]
    told = f"not so: {', '.join(failed)}" if failed else f"all {len(found['checks'])} checks hold"
    lines = ["| figure | measured | wanted |", "| --- | --- | --- |", *_figures(found)]
    return f"**{name}**: {found['what']}; {told}.\n\n" + "\n".join(lines)


def _figures(found: Mapping[str, Any]) -> Iterator[str]:
    for figure in found["figures"]:
        yield f"| {figure['name']} | {_number(figure['value'])} {figure['unit']}".rstrip() + f" | {_wanted(figure)} |"


def _wanted(figure: Mapping[str, Any]) -> str:
    if figure["target"] is None:
        return ""
    bound = "at least" if figure["at_least"] else "at most"
    return f"{bound} {_number(figure['target'])}" + ("" if figure["met"] else ": missed")


def _number(value: float) -> str:
    """With three significant digits, or all digits before the point."""
    return f"{value:,.0f}" if abs(value) >= MOST_DIGITS else f"{value:.3g}"
