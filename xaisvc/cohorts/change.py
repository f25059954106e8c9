"""What is different between two cohorts, beyond chance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.cohorts.proportions import difference, percent, points, quantile, student, word_of
from xaisvc.types.cohort import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.cohorts.drivers import Driven
    from xaisvc.cohorts.overall import Overall
    from xaisvc.types.cohort import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How many records a segment has in two cohorts.

    Attributes:
        by: What it is cut by.
        cell: The segment.
        now: Number of records in this cohort.
        before: Number of records in the other one.
    """

    by: str
    cell: Cell
    now: int
    before: int


def find_changes(now: Overall, before: Overall, mixes: Sequence[Mix] = ()) -> tuple[Change, ...]:
    """Compares what is told of both cohorts: adverse share, share of normal explanations, drivers, sizes of segments.

    Counts are compared by Newcombe's interval, drivers by the normal theory of a difference of two ratios with
    `sqrt(se_now^2 + se_before^2)`. The intervals of all m subjects hold together with 95 % (Bonferroni). Both cohorts
    count as samples of what the model is asked; where they share persons, the intervals are too wide, never too narrow.
    """
    counts = []
    if now.adverse is not None and before.adverse is not None:
        counts.append(("adverse", int(now.adverse.sizes[1]), int(before.adverse.sizes[1])))
    if now.normal is not None and before.normal is not None:
        counts.append(("normal", now.normal, before.normal))
    pairs = _pairs(now.driven, before.driven)
    m = len(counts) + len(pairs) + len(mixes)
    z = quantile(m)
    found = []
    for subject, count, other in counts:
        low, high = difference(count, now.n, other, before.n, z)
        found.append(_change(subject, "", (other / before.n, count / now.n), (low, high)))
    for mix in mixes:
        low, high = difference(mix.now, now.n, mix.before, before.n, z)
        change = _change("segment", "", (mix.before / before.n, mix.now / now.n), (low, high))
        found.append(replace(change, by=mix.by, cell=mix.cell))
    if now.driven is None or before.driven is None:
        return tuple(found)
    t = student(min(now.driven.n, before.driven.n), m)
    for concept, j, i in pairs:
        share, other_share = float(now.driven.shares[j]), float(before.driven.shares[i])
        half = t * float(np.hypot(now.driven.errors[j], before.driven.errors[i]))
        gap = share - other_share
        found.append(_change("driver", concept, (other_share, share), (gap - half, gap + half)))
    return tuple(found)


def _pairs(now: Driven | None, before: Driven | None) -> list[tuple[str, int, int]]:
    """Concepts that are told in both cohorts, with the same features behind them, and their places."""
    if now is None or before is None:
        return []
    places = {(group.concept, group.features): place for place, group in enumerate(before.groups)}
    return [
        (group.concept, place, places[group.concept, group.features])
        for place, group in enumerate(now.groups)
        if group.concept and (group.concept, group.features) in places
    ]


def _change(subject: str, concept: str, shares: tuple[float, float], interval: tuple[float, float]) -> Change:
    low, high = points(*interval)
    return Change(
        subject=subject,
        concept=concept,
        before=percent(shares[0]),
        now=percent(shares[1]),
        low=low,
        high=high,
        word=word_of(*interval),
    )
