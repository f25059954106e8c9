"""Why a report lacks a number that somebody looks for, and what it has instead."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from xaisvc.evaluation import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "seeds": ("stability",),
        "budgets": ("half of the budget", "stability"),
        "backgrounds": ("halves of the background", "stability"),
        "neighbours": ("stability",),
        "again": ("stability",),
        "randomised": ("the randomised model", "robustness"),
        "with_noise": ("appended noise", "robustness"),
        "copied": ("a copied column", "robustness"),
        "retrained": ("remove and retrain", "retraining"),
    }
)
"""Part of the evidence to how a note begins that says why it is missing."""
NO_TRUTH: Final = "it does not estimate the Shapley values that errors are measured against"


def why_missing(report: Mapping[str, Any], method: str, measure: str, kind: str) -> str:
    """Why a report has no number to hold against a bound.

    Args:
        report: As `compare.read_report` gives it.
        method: Whose number.
        measure: Its name, of a metric that is known.
        kind: The bound: `at_least`, `at_most` or `over_random`.
    """
    methods = {one["name"]: one for one in report["methods"]}
    own = methods.get(method)
    if own is None:
        return f"the report has no method '{method}'; it has: {', '.join(methods) or 'none'}"
    if own.get("outcome", "measured") != "measured":
        return f"'{method}' was {own['outcome']}: {own.get('why', '')}"
    if kind == "over_random" and measure in own.get("measures", {}):
        return "'random' has no such number in the report; bound it with at_least or at_most"
    has = ", ".join(own.get("measures", {})) or "no numbers"
    return f"{_reason(report, own, measure)}; of '{method}' the report has: {has}"


def why_no_signal(report: Mapping[str, Any]) -> str:
    """Why a report says nothing of the model's signal."""
    if "labels" in report.get("digests", {}):
        return "the time was up before the labels were looked at; go on with --resume"
    return "no labels were given; measure with --labels"


def _reason(report: Mapping[str, Any], own: Mapping[str, Any], measure: str) -> str:
    part = METRICS[measure.partition("@")[0]].part
    starts = NOTED.get(part, ())
    noted = next((note for start in starts for note in own.get("notes", ()) if note.startswith(f"{start}:")), None)
    if noted is not None:
        return str(noted).rstrip(". ")
    if part == "truth":
        return NO_TRUTH
    if part == "retrained" and "labels" not in report.get("digests", {}):
        return "it needs labels, which were not given"
    if part == "budgets":
        return "it is measured only where a budget of coalitions can be halved"
    return "no row has a number of it"
