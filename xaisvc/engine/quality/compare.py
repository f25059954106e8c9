"""Two quality reports side by side, and one against a bank's own thresholds."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from xaisvc.engine.quality.result import FORM, KIND
from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation import METRICS, Measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TIMES: Final = ("rows_per_s", "ready_s", "seconds", "peak_memory_mib")
SAMPLED: Final = frozenset({"seed_spread", "budget_spread"})
"""What an exact method has none of."""
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
        verdict: What the interval says about the second: `changed` where no direction is better.
    """

    method: str
    measure: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two reports side by side.

    Attributes:
        differences: Every measure that both have, method by method.
        times: Name of the method to what its times were, first and second; empty on unlike machines.
        no_times: Why times are not compared; empty if they are.
        unlike: What else differs between the reports, so that readers know what they compare.
    """

    differences: tuple[Difference, ...]
    times: Mapping[str, Mapping[str, tuple[float, float]]]
    no_times: str
    unlike: tuple[str, ...]


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
    return found


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """Compares two reports measure by measure.

    The interval of a difference adds the distances of both intervals' ends in squares, sqrt((v - l)^2 + (h' - v')^2):
    as for independent reports. For reports on the same rows it is too wide rather than too narrow.

    Args:
        first: As `read_report` gives it.
        second: The same.
    """
    differences = []
    methods = {one["name"]: one for one in second["methods"]}
    times: dict[str, dict[str, tuple[float, float]]] = {}
    no_times = _why_no_times(first, second)
    for one in first["methods"]:
        other = methods.get(one["name"])
        if other is None:
            continue
        for key, measure in one["measures"].items():
            if key in other["measures"]:
                differences.append(_difference(one["name"], key, Measure(**measure), Measure(**other["measures"][key])))
        both = {name: (one[name], other[name]) for name in TIMES if one.get(name) and other.get(name)}
        if both and not no_times:
            times[one["name"]] = both
    return Comparison(
        differences=tuple(differences), times=times, no_times=no_times, unlike=tuple(_unlike(first, second))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A threshold that a report does not keep.

    Attributes:
        method: The method.
        measure: The measure.
        bound: The threshold as the file has it, for example `at least 0.8`.
        found: What was compared, as text; None if the report lacks it.
    """

    method: str
    measure: str
    bound: str
    found: str | None


def check_thresholds(report: Mapping[str, Any], thresholds: Mapping[str, Any]) -> tuple[Breach, ...]:
    """The thresholds that a report does not keep.

    A file of thresholds names methods, measures and bounds:

        surely: true
        methods:
          auto:
            relative_error: {at_most: 0.01}
            faithfulness_correlation@background: {at_least: 0.8}
        signal: weak

    With `surely: true` the end of the interval on the wrong side is compared, else the value. `signal` is the least
    that the report must say of the model: `weak` or `strong`.

    Args:
        report: As `read_report` gives it.
        thresholds: As read from the bank's file.

    Raises:
        InvalidRequestError: If the thresholds are no such mapping; says where.
    """
    surely, wanted = _read_thresholds(thresholds)
    methods = {one["name"]: one for one in report["methods"]}
    breaches = []
    for method, measure, kind, bound in wanted:
        found = methods.get(method, {}).get("measures", {}).get(measure)
        number = 0.0 if measure in SAMPLED and methods.get(method, {}).get("exact") else None
        if found is not None:
            number = found[("low" if kind == "at_least" else "high") if surely else "value"]
        kept = number is not None and (number >= bound if kind == "at_least" else number <= bound)
        if not kept:
            words = f"{kind.replace('_', ' ')} {bound:g}"
            breaches.append(
                Breach(method=method, measure=measure, bound=words, found=None if number is None else f"{number:.4g}")
            )
    breaches += _signal_breach(report, thresholds.get("signal"))
    return tuple(breaches)


def _signal_breach(report: Mapping[str, Any], least: object) -> list[Breach]:
    if least is None:
        return []
    order = ("none", "weak", "strong")
    if least not in order:
        raise InvalidRequestError.of("signal", f"{least!r} is not one of {', '.join(order)}")
    found = (report.get("signal") or {}).get("strength")
    if found is not None and order.index(found) >= order.index(str(least)):
        return []
    return [Breach(method="the model", measure="signal", bound=f"at least {least}", found=found)]


def _read_thresholds(thresholds: Mapping[str, Any]) -> tuple[bool, list[tuple[str, str, str, float]]]:
    if not isinstance(thresholds, dict) or not isinstance(thresholds.get("methods"), dict):
        raise InvalidRequestError.of("thresholds", "must hold `methods`: name of a method to its measures and bounds")
    unknown = sorted(set(thresholds) - {"methods", "surely", "signal"})
    if unknown:
        raise InvalidRequestError.of(f"thresholds.{unknown[0]}", "is not known; use methods, surely and signal")
    wanted = []
    for method, bounds in thresholds["methods"].items():
        if not isinstance(bounds, dict):
            raise InvalidRequestError.of(f"methods.{method}", "must hold measures with at_least or at_most")
        for measure, bound in bounds.items():
            where = f"methods.{method}.{measure}"
            if str(measure).partition("@")[0] not in METRICS:
                raise InvalidRequestError.of(where, f"is no measure; use one of: {', '.join(METRICS)}")
            if not isinstance(bound, dict) or not bound or set(bound) - {"at_least", "at_most"}:
                raise InvalidRequestError.of(where, "must hold at_least or at_most with a number")
            for kind, number in bound.items():
                if not isinstance(number, int | float) or isinstance(number, bool) or not math.isfinite(number):
                    raise InvalidRequestError.of(f"{where}.{kind}", f"must be a number, got {number!r}")
                wanted.append((str(method), str(measure), str(kind), float(number)))
    return bool(thresholds.get("surely", False)), wanted


def _difference(method: str, key: str, one: Measure, other: Measure) -> Difference:
    change = other.value - one.value
    low = change - math.hypot(other.value - other.low, one.high - one.value)
    high = change + math.hypot(other.high - other.value, one.value - one.low)
    better = METRICS[key.partition("@")[0]].better if key.partition("@")[0] in METRICS else "neither"
    verdict: Verdict = "no clear difference"
    if low > 0 or high < 0:
        verdict = "changed" if better == "neither" else "better" if (low > 0) == (better == "higher") else "worse"
    return Difference(
        method=method,
        measure=key,
        first=one.value,
        second=other.value,
        difference=change,
        low=low,
        high=high,
        verdict=verdict,
    )


def _why_no_times(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    here, there = first["machine"], second["machine"]
    other = [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]
    if first["settings"].get("threads") != second["settings"].get("threads"):
        other.append("threads")
    return f"times are not compared: {_and(other)} differ" if other else ""


def _unlike(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    found = [
        f"{name} (digest)"
        for name in sorted({*first["digests"], *second["digests"]})
        if first["digests"].get(name) != second["digests"].get(name)
    ]
    found += [
        name
        for name in ("budget", "seed", "rows", "output")
        if first["settings"].get(name) != second["settings"].get(name)
    ]
    return found


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
