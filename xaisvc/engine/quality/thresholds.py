"""A quality report against a bank's own thresholds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from xaisvc.engine.quality.compare import paired_difference
from xaisvc.engine.quality.missing import why_missing, why_no_signal
from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLED: Final = frozenset({"seed_spread", "budget_spread"})
"""What an exact method has none of."""
VARIANTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"removed": ("@background", "@conditional"), "retrained": ("", "@conditional")}
)
"""Ends of the names of measures whose metric needs a part of the evidence that there are several of."""
LEAST_SURE_ROWS: Final = 16
"""With fewer, intervals over rows hold less than they say."""
BOUNDS: Final = frozenset({"at_least", "at_most", "over_random"})
NOTHING: Final = "must hold `methods`, name of a method to its measures and bounds, or `signal`, weak or strong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A threshold that a report does not keep.

    Attributes:
        method: The method.
        measure: The measure.
        bound: The threshold as the file has it, for example `at least 0.8`.
        found: What was compared, as text; None if the report lacks it.
        why: Why the report lacks it, and what it has; empty if it was compared.
    """

    method: str
    measure: str
    bound: str
    found: str | None
    why: str = ""

    def __str__(self) -> str:
        """The breach as a sentence."""
        found = "was not measured" if self.found is None else f"is {self.found}"
        return f"{self.method}: {self.measure} {found}, must be {self.bound}{self.why and f'; {self.why}'}"


def check_thresholds(report: Mapping[str, Any], thresholds: Mapping[str, Any]) -> tuple[Breach, ...]:
    """The thresholds that a report does not keep.

    A file of thresholds names methods, measures and bounds:

        surely: true
        methods:
          auto:
            relative_error: {at_most: 0.01}
            faithfulness_correlation@background: {at_least: 0.8, over_random: 0.1}
        signal: weak

    With `surely: true` the end of the interval on the wrong side is compared, else the value; a number over fewer than
    `LEAST_SURE_ROWS` rows does not keep its bound then. `over_random` is how much
    better than that of `random` the number must be on the same rows; its interval is that of a paired bootstrap.
    `signal` is the least that the report must say of the model: `weak` or `strong`.

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
        number = _number(methods, method, measure, kind, surely=surely)
        kept = number is not None and (number <= bound if kind == "at_most" else number >= bound)
        few = _too_few_rows(methods, method, measure) if surely else ""
        if not kept or few:
            words = (
                f"better than random by {bound:g}" if kind == "over_random" else f"{kind.replace('_', ' ')} {bound:g}"
            )
            found = None if number is None else f"{number:.4g}{few}"
            why = why_missing(report, method, measure, kind) if number is None else ""
            breaches.append(Breach(method=method, measure=measure, bound=words, found=found, why=why))
    breaches += _signal_breach(report, thresholds.get("signal"))
    return tuple(breaches)


def _number(methods: Mapping[str, Any], method: str, measure: str, kind: str, *, surely: bool) -> float | None:
    """What is held against a bound; None if the report lacks it."""
    own = methods.get(method, {})
    found: float | None = None
    if kind == "over_random":
        scores, null = own.get("scores", {}).get(measure), methods.get("random", {}).get("scores", {}).get(measure)
        advantage = None if scores is None or null is None else paired_difference(measure, null, scores)
        if advantage is not None:
            is_higher = METRICS[measure.partition("@")[0]].better == "higher"
            found = advantage.value if is_higher else -advantage.value
            if surely:
                found = advantage.low if is_higher else -advantage.high
    elif measure in own.get("measures", {}):
        found = own["measures"][measure][("low" if kind == "at_least" else "high") if surely else "value"]
    elif measure in SAMPLED and own.get("exact"):
        found = 0.0
    return found


def _too_few_rows(methods: Mapping[str, Any], method: str, measure: str) -> str:
    found = methods.get(method, {}).get("measures", {}).get(measure)
    if found is None or found["n_rows"] >= LEAST_SURE_ROWS:
        return ""
    return f" over {found['n_rows']} rows, which are too few to be sure ({LEAST_SURE_ROWS} are needed)"


def _signal_breach(report: Mapping[str, Any], least: object) -> list[Breach]:
    if least is None:
        return []
    order = ("none", "weak", "strong")
    if least not in order:
        raise InvalidRequestError.of("signal", f"{least!r} is not one of {', '.join(order)}")
    found = (report.get("signal") or {}).get("strength")
    if found is not None and order.index(found) >= order.index(str(least)):
        return []
    why = "" if found is not None else why_no_signal(report)
    return [Breach(method="the model", measure="signal", bound=f"at least {least}", found=found, why=why)]


def _read_thresholds(thresholds: Mapping[str, Any]) -> tuple[bool, list[tuple[str, str, str, float]]]:
    if not isinstance(thresholds, dict):
        raise InvalidRequestError.of("thresholds", NOTHING)
    unknown = sorted(map(str, set(thresholds) - {"methods", "surely", "signal"}))
    if unknown:
        raise InvalidRequestError.of(f"thresholds.{unknown[0]}", "is not known; use methods, surely and signal")
    by_method = thresholds.get("methods", {} if thresholds.get("signal") is not None else None)
    if not isinstance(by_method, dict):
        raise InvalidRequestError.of("thresholds", NOTHING)
    wanted = []
    for method, bounds in by_method.items():
        if not isinstance(bounds, dict):
            raise InvalidRequestError.of(f"methods.{method}", "must hold measures with at_least or at_most")
        for measure, bound in bounds.items():
            where = f"methods.{method}.{measure}"
            _check_measure(where, str(measure))
            wanted += [(str(method), str(measure), kind, number) for kind, number in _read_bound(where, measure, bound)]
    surely = thresholds.get("surely", False)
    if not isinstance(surely, bool):
        raise InvalidRequestError.of("thresholds.surely", f"must be true or false, got {surely!r}")
    if not wanted and thresholds.get("signal") is None:
        raise InvalidRequestError.of("thresholds", "holds no bound, so that every report would keep it; give one")
    return surely, wanted


def _check_measure(where: str, measure: str) -> None:
    metric, _, variant = measure.partition("@")
    if metric not in METRICS:
        raise InvalidRequestError.of(where, f"is no measure; use one of: {', '.join(METRICS)}")
    variants = VARIANTS.get(METRICS[metric].part, ("",))
    if (f"@{variant}" if "@" in measure else "") not in variants:
        known = " or ".join(f"{metric}{one}" for one in variants)
        raise InvalidRequestError.of(where, f"is never measured; name it {known}")


def _read_bound(where: str, measure: str, bound: object) -> list[tuple[str, float]]:
    if not isinstance(bound, dict) or not bound or set(bound) - BOUNDS:
        raise InvalidRequestError.of(where, "must hold at_least, at_most or over_random with a number")
    if "over_random" in bound and METRICS[measure.partition("@")[0]].better == "neither":
        raise InvalidRequestError.of(f"{where}.over_random", "has no meaning: no direction of it is better")
    for kind, number in bound.items():
        if not isinstance(number, int | float) or isinstance(number, bool) or not math.isfinite(number):
            raise InvalidRequestError.of(f"{where}.{kind}", f"must be a number, got {number!r}")
    return [(str(kind), float(number)) for kind, number in bound.items()]
