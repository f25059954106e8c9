"""Two quality reports side by side."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from xaisvc.engine.quality.assembly import BESIDE
from xaisvc.engine.quality.result import FORM, KIND, Scores
from xaisvc.engine.quality.tables import ROUNDING
from xaisvc.engine.quality.workshop import generator
from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation import METRICS, Measure, difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

TIMES: Final = ("rows_per_s", "ready_s", "seconds", "peak_memory_mib")
WHOLE: Final = frozenset({"remove_and_retrain"})
"""Measures whose rows are others when their number is another."""
_SCORE: Final = frozenset({"numerators", "denominators", "shape"})
_MEASURE: Final = frozenset({"value", "low", "high", "n_rows"})
Verdict = Literal["better", "worse", "no clear difference", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One number of two reports.

    Attributes:
        method: The method.
        measure: The measure, with its replacement where it has one.
        first: In the first report.
        second: In the second.
        difference: Second minus first.
        low: Lower end of its 95 % interval.
        high: Upper end.
        paired_rows: Rows that both reports scored, which the interval is a paired bootstrap over; 0 where the reports
            are on other rows and are taken as independent.
        verdict: What the interval says about the second: `changed` where no direction is better, as for numbers in the
            unit of the output of two models, and where the reports have different seeds; no clear difference where
            both are the rounding of float32 models.
    """

    method: str
    measure: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    paired_rows: int
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two reports side by side.

    Attributes:
        differences: Every measure of a method that both have, method by method.
        times: Name of the method to what its times were, first and second; empty on unlike machines.
        no_times: Why times are not compared; empty if they are.
        unlike: What else differs between the reports, so that readers know what they compare.
        signals: A sentence for each model without a sure signal: its explanations are no better for better numbers.
        no_verdicts: Why nothing is called better or worse; empty if something may be.
    """

    differences: tuple[Difference, ...]
    times: Mapping[str, Mapping[str, tuple[float, float]]]
    no_times: str
    unlike: tuple[str, ...]
    signals: tuple[str, ...]
    no_verdicts: str = ""


def read_report(path: Path) -> dict[str, Any]:
    """Reads a report as `xaisvc bench quality --out` writes it.

    Raises:
        InvalidRequestError: If the file is no such report.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequestError.of(str(path), f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise InvalidRequestError.of(
            str(path), "is no JSON file; give what --out of `xaisvc bench quality` wrote"
        ) from None
    if not isinstance(found, dict) or found.get("kind") != KIND or found.get("form") != FORM:
        raise InvalidRequestError.of(
            str(path), f"is no quality report of form {FORM}; measure again with this version of `xaisvc bench quality`"
        )
    lacking = _lacking(found)
    if lacking:
        raise InvalidRequestError.of(
            str(path), f"is a damaged quality report: '{lacking}' is missing or of another form; measure again"
        )
    return found


def _lacking(found: Mapping[str, Any]) -> str:
    """What a report lacks of that which comparing and gating read; empty if nothing."""
    for name in ("digests", "settings", "machine"):
        if not isinstance(found.get(name), dict):
            return name
    methods = found.get("methods")
    if not isinstance(methods, list):
        return "methods"
    return next((lacking for one in methods if (lacking := _lacking_of_method(one))), "")


def _lacking_of_method(one: object) -> str:
    if not isinstance(one, dict) or not isinstance(one.get("name"), str) or not isinstance(one.get("kind"), str):
        return "methods"
    measures, scores = one.get("measures"), one.get("scores")
    if not isinstance(measures, dict) or not all(set(measure) >= _MEASURE for measure in measures.values()):
        return "measures"
    if not isinstance(scores, dict) or not set(scores) >= set(measures):
        return "scores"
    return "" if all(set(score) >= _SCORE for score in scores.values()) else "scores"


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """Compares two reports measure by measure.

    Reports with the same rows and the same seed met them in the same order. Then what both scored is compared row by
    row: value and interval of the difference are those of `xaisvc.evaluation.difference` on the rows that both have.
    Otherwise the interval adds the distances of both intervals' ends in squares, sqrt((v - l)^2 + (h' - v')^2), as for
    independent reports. Different seeds mean other draws everywhere, which these intervals over rows do not hold, so
    that nothing is called better or worse then.

    Args:
        first: As `read_report` gives it.
        second: The same.
    """
    differences = []
    methods = {one["name"]: one for one in second["methods"]}
    paired = _on_the_same_rows(first, second)
    times: dict[str, dict[str, tuple[float, float]]] = {}
    no_times = _why_no_times(first, second)
    same_model = first["digests"].get("model") == second["digests"].get("model")
    no_verdicts = _why_no_verdicts(first, second)
    for one in first["methods"]:
        other = methods.get(one["name"])
        if other is None or one["kind"] in BESIDE.values():
            continue
        for key, measure in one["measures"].items():
            if key in other["measures"]:
                scores = (one["scores"][key], other["scores"][key]) if paired else None
                pair = Measure(**measure), Measure(**other["measures"][key])
                found = _difference(one["name"], key, pair, scores, same_model=same_model)
                is_judged = found.verdict == "no clear difference" or not no_verdicts
                differences.append(found if is_judged else replace(found, verdict="changed"))
        both = {name: (one[name], other[name]) for name in TIMES if one.get(name) and other.get(name)}
        if both and not no_times:
            times[one["name"]] = both
    return Comparison(
        differences=tuple(differences),
        times=times,
        no_times=no_times,
        unlike=tuple(_unlike(first, second)),
        signals=tuple(_signals(first=first, second=second)),
        no_verdicts=no_verdicts,
    )


def _signals(**reports: Mapping[str, Any]) -> Iterator[str]:
    for place, report in reports.items():
        signal = report.get("signal") or {}
        if signal.get("strength") in {"none", "weak"}:
            yield f"{place} report: {signal.get('statement', '')}"


def _on_the_same_rows(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    rows = first["digests"].get("rows")
    same_rows = rows is not None and rows == second["digests"].get("rows")
    return bool(same_rows and first["settings"].get("seed") == second["settings"].get("seed"))


def _difference(
    method: str,
    key: str,
    measures: tuple[Measure, Measure],
    scores: tuple[Mapping[str, Any], Mapping[str, Any]] | None,
    *,
    same_model: bool,
) -> Difference:
    one, other = measures
    paired = None if scores is None else paired_difference(key, *scores)
    if paired is not None:
        change, low, high = paired.value, paired.low, paired.high
    else:
        change = other.value - one.value
        low = change - math.hypot(other.value - other.low, one.high - one.value)
        high = change + math.hypot(other.high - other.value, one.value - one.low)
    metric = METRICS.get(key.partition("@")[0])  # None for a metric of somebody's own that is not known here
    # in the unit of the output another model has other numbers, whatever its explanations are worth
    is_judged = metric is not None and (same_model or not metric.unit.startswith("output"))
    better = metric.better if metric is not None and is_judged else "neither"
    verdict: Verdict = "no clear difference"
    if (low > 0 or high < 0) and max(abs(one.value), abs(other.value)) > ROUNDING:
        verdict = "changed" if better == "neither" else "better" if (low > 0) == (better == "higher") else "worse"
    return Difference(
        method=method,
        measure=key,
        first=one.value,
        second=other.value,
        difference=change,
        low=low,
        high=high,
        paired_rows=0 if paired is None else paired.n_rows,
        verdict=verdict,
    )


def paired_difference(key: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Measure | None:
    """The second number minus the first on the rows that both have.

    Args:
        key: The measure, with its replacement where it has one.
        first: As `Scores` in JSON, of some first rows.
        second: Of some first of the same rows.

    Returns:
        With the interval of a paired bootstrap; None if no row is in both.
    """
    one, other = Scores(**first).row_scores(), Scores(**second).row_scores()
    count = min(len(one.numerators), len(other.numerators))
    if key.partition("@")[0] in WHOLE and len(one.numerators) != len(other.numerators):
        return None
    rows = np.arange(count)
    return difference(other.take(rows), one.take(rows), generator(0, "compare", key))


def _why_no_verdicts(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    one, other = first["settings"].get("seed"), second["settings"].get("seed")
    if one == other:
        return ""
    return (
        f"the seeds differ ({one} and {other}): rows, sets and everything sampled were drawn anew, which the intervals "
        "do not hold, so nothing is called better or worse; measure both with the same --seed"
    )


def _why_no_times(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    here, there = first["machine"], second["machine"]
    other = [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]
    if first["settings"].get("threads") != second["settings"].get("threads"):
        other.append("threads")
    return f"times are not compared: {_and(other)} {'differs' if len(other) == 1 else 'differ'}" if other else ""


def _unlike(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    found = [
        f"{name} (digest)"
        for name in sorted({*first["digests"], *second["digests"]})
        if first["digests"].get(name) != second["digests"].get(name)
    ]
    found += [
        name
        for name in ("budget", "seed", "rows", "output", "players")
        if first["settings"].get(name) != second["settings"].get(name)
    ]
    if first.get("space") != second.get("space"):
        found.append("space")
    return found


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
