"""What stands out in a cohort, found once for the conclusion and for the actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.types.cohort import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xaisvc.types.cohort import Change
    from xaisvc.views.catalogue import SlotValue
    from xaisvc.views.cohort_context import CohortContext

POINTS: Mapping[str, tuple[str, ...]] = {
    "protected": ("facts",),
    "proxy": ("facts",),
    "proxy_unnamed": (),
    "manipulation": (),
    "unreliable": (),
    "care": (),
    "weaker": ("segments",),
    "changed": ("subjects",),
    "hidden": ("facts",),
    "hidden_unnamed": (),
    "followed": ("readers",),
}
"""Kind of a point, most urgent first, to the slots that its sentences may use."""

STAND_IN_KINDS: Mapping[str, str] = {"proxy_of_protected": "proxy", "hidden_proxy_use": "hidden"}
"""Kind of an alarm about certain facts to how its sentences are called."""

MOST_NAMED = 3
"""Most segments or changes that one sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Something that asks for a decision.

    Attributes:
        kind: A key of `POINTS`.
        slots: Values of its slots.
    """

    kind: str
    slots: Mapping[str, SlotValue]


def find_points(context: CohortContext) -> tuple[Point, ...]:
    """What stands out, most urgent first."""
    order = list(POINTS)
    return tuple(sorted(_points(context), key=lambda point: order.index(point.kind)))


def changed(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Changes beyond chance, largest first."""
    found = [one for one in changes if one.word is not Comparison.NOT_BEYOND_CHANCE]
    return tuple(sorted(found, key=lambda one: -abs(one.now - one.before)))


def change_name(context: CohortContext, change: Change) -> str:
    """What a change is about, in words."""
    if change.subject == "driver":
        driver = next(one for one in context.cohort.drivers if one.concept == change.concept)
        return context.theme(driver.concept, driver.features)
    if change.cell is not None:
        return f"{context.subject(change.by)}: {context.cell(change.by, change.cell)}"
    return context.language.filled(f"cohort.change.{change.subject}")


def _points(context: CohortContext) -> Iterator[Point]:
    cohort, code = context.cohort, context.language.code
    for alarm in cohort.alarms:
        facts = tuple(context.description.feature(one).label(code) for one in alarm.features)
        if alarm.kind == "protected_influence":
            yield Point(kind="protected", slots={"facts": facts})
        elif alarm.kind == "possible_manipulation":
            yield Point(kind="manipulation", slots={})
        else:
            kind = STAND_IN_KINDS[alarm.kind]
            yield Point(kind=kind, slots={"facts": facts}) if facts else Point(kind=f"{kind}_unnamed", slots={})
    if cohort.level in POINTS:  # `normal` is no point
        yield Point(kind=cohort.level, slots={})
    if context.weaker:
        named = tuple(f"{context.subject(by)}: {context.cell(by, one.cell)}" for by, one in context.weaker[:MOST_NAMED])
        yield Point(kind="weaker", slots={"segments": "; ".join(named)})
    found = changed(cohort.changes)
    if found:
        subjects = "; ".join(dict.fromkeys(change_name(context, one) for one in found[:MOST_NAMED]))
        yield Point(kind="changed", slots={"subjects": subjects})
    readers = tuple(context.names.get(one.audience, one.audience) for one in cohort.people if one.rarely_overridden)
    if readers:
        yield Point(kind="followed", slots={"readers": readers})
