"""Reads what a bundle declares about changes: which other values of a feature may be offered to a person."""

from __future__ import annotations

import math
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from xaisvc.types.schema import Change, Direction, Kind

if TYPE_CHECKING:
    from xaisvc.bundles.yaml_nodes import Node
    from xaisvc.types.schema import Feature

MAX_VALUES = 100_000
"""Values of one feature that may be offered: more than that is no list that anybody can go through."""

_EPOCH = date(1970, 1, 1)
_KEYS = ("direction", "minimum", "maximum", "step", "to")
_ORDERED = ("direction", "minimum", "maximum", "step")


def read_change(node: Node, feature: Feature) -> Change:
    """Reads `change` of one feature.

    Args:
        node: The mapping under `change`.
        feature: The feature, with its kind and its categories.

    Raises:
        BundleError: If a key does not fit the kind, no value is left that could be offered, or there are too many.
    """
    fields = node.fields(_KEYS)
    if feature.kind is Kind.CATEGORY:
        return Change(to=_targets(node, fields, feature))
    if "to" in fields:
        raise fields["to"].error(
            f"only a category is offered by name, and this feature is {feature.kind}; give direction, minimum and "
            "maximum instead"
        )
    if feature.kind is Kind.BOOLEAN:
        _refuse(fields, ("minimum", "maximum", "step"), "a boolean can only become true (increase) or false (decrease)")
    elif feature.kind is Kind.DATE:
        _refuse(fields, ("step",), "a date is offered in whole days")
    minimum = read_bound(fields["minimum"], feature.kind) if "minimum" in fields else None
    maximum = read_bound(fields["maximum"], feature.kind) if "maximum" in fields else None
    if minimum is not None and maximum is not None and minimum > maximum:
        raise node.error("the minimum is above the maximum; swap them")
    step = _step(node, fields.get("step"), feature.kind)
    _check_values(node, step or 1.0, minimum, maximum)
    return Change(
        direction=fields["direction"].choice(Direction) if "direction" in fields else Direction.ANY,
        minimum=minimum,
        maximum=maximum,
        step=step,
    )


def read_bound(node: Node, kind: Kind) -> float:
    """A number, or for dates the days since 1970-01-01, which may be written as a date."""
    if kind is Kind.DATE:
        try:
            return float((date.fromisoformat(node.scalar()) - _EPOCH).days)
        except ValueError:
            pass
    return node.number()


def _targets(node: Node, fields: dict[str, Node], feature: Feature) -> tuple[str, ...]:
    example = f"{{to: [{feature.categories[0]}]}}"
    _refuse(fields, _ORDERED, f"a category has no order; name the categories that may be offered, such as {example}")
    if "to" not in fields:
        raise node.error(f"name the categories that may be offered, such as {example}; no other is ever offered")
    targets: dict[str, None] = {}
    for item in fields["to"].items():
        value = item.scalar()
        if value not in feature.categories:
            raise item.error(f"'{value}' is not one of the categories: {', '.join(feature.categories)}")
        if value in targets:
            raise item.error(f"the category '{value}' stands twice; remove one")
        targets[value] = None
    if not targets:
        raise fields["to"].error("at least one category is required; remove 'change' if none may be offered")
    return tuple(targets)


def _refuse(fields: dict[str, Node], keys: tuple[str, ...], why: str) -> None:
    for key in keys:
        if key in fields:
            raise fields[key].error(f"{why}; remove '{key}'")


def _step(node: Node, given: Node | None, kind: Kind) -> float | None:
    if given is None:
        if kind is Kind.NUMERIC:
            raise node.error(
                "a numeric feature needs 'step', the smallest difference that is worth offering, such as 0.01 or 100: "
                "every value that is offered is checked"
            )
        return None
    step = given.number()
    if step <= 0:
        raise given.error("must be above 0")
    if kind is Kind.INTEGER and not step.is_integer():
        raise given.error(f"an integer feature moves by whole numbers, but the step is {step:g}")
    return step


def _check_values(node: Node, step: float, minimum: float | None, maximum: float | None) -> None:
    if minimum is None or maximum is None:
        return
    low, high, by = (Fraction(repr(value)) for value in (minimum, maximum, step))
    count = math.floor(high / by) - math.ceil(low / by) + 1
    if count < 1:
        raise node.error(
            f"no whole multiple of {step:g} lies between {minimum:g} and {maximum:g}, so nothing could be offered; "
            "widen the bounds or give a smaller 'step'"
        )
    if count > MAX_VALUES:
        raise node.error(
            f"{count:,} values lie between the bounds, and at most {MAX_VALUES:,} can be offered; give a larger 'step' "
            "or narrower bounds"
        )
