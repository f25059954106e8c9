"""Where a value lies in what the model has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from xaisvc.types import Kind

if TYPE_CHECKING:
    from xaisvc.types import ExplanationRecord, Feature

Position: TypeAlias = Literal["missing", "below", "new", "within", "high", "above", "unknown"]

OUTSIDE_KINDS = frozenset({"input_out_of_range", "unit_change"})
_EDGE = 0.1
_MANY_VALUES = 20


def position(record: ExplanationRecord, feature: Feature) -> Position:
    """Where a feature's value in the record's row lies in what the model has seen.

    Returns:
        `new` for a value that a caveat says the background does not hold, where there is no range; `below` or `above`
        outside the range; `high` in its upper tenth, which is rare for amounts, but not for integers
        with fewer than 20 possible values, whose ends are common; `within` otherwise; `unknown` without a range.
    """
    value = record.row[feature.id]
    if value is None:
        return "missing"
    if isinstance(value, str) or feature.observed_range is None:
        return "new" if feature.id in _features_outside(record) else "unknown"
    low, high = feature.observed_range
    if value < low:
        return "below"
    if value > high:
        return "above"
    width = high - low
    if feature.kind is Kind.BOOLEAN or width <= 0 or (feature.kind is Kind.INTEGER and width < _MANY_VALUES):
        return "within"
    return "high" if value > high - _EDGE * width and feature.kind is not Kind.DATE else "within"


def _features_outside(record: ExplanationRecord) -> set[str]:
    """Features that a caveat names as outside the background; a player of several features names none of them."""
    named = {player for caveat in record.caveats if caveat.kind in OUTSIDE_KINDS for player in caveat.players}
    return {p.features[0] for p in record.attribution.players if p.player in named and len(p.features) == 1}
