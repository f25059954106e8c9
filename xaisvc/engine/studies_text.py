"""What studies have found, as plain text for a person at a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.association import FULL_ROWS, STRONG_ONLY_ROWS
from xaisvc.structure.association_pairs import FEWEST_ROWS
from xaisvc.structure.support import JOINT_LEVEL
from xaisvc.types.association import Power
from xaisvc.types.reliance import Use
from xaisvc.types.support import Enough

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xaisvc.types import Output
    from xaisvc.types.association import Association
    from xaisvc.types.reliance import FeatureReliance
    from xaisvc.types.studies import Studies

_COLUMNS = 100
_MOST_PAIRS = 12
_MOST_PROXIES = 5
_LEAST_JOINED = 0.2

_POWER = {
    Power.FULL: (FULL_ROWS, ""),
    Power.REDUCED: (FULL_ROWS, "weak links may be missed"),
    Power.STRONG_ONLY: (STRONG_ONLY_ROWS, "only strong links are seen"),
    Power.CANNOT_TELL: (FEWEST_ROWS, "nothing can be told about links"),
}
"""Rows that a table has fewer of, and what follows from it."""

_ENOUGH = {
    Enough.ENOUGH: "",
    Enough.REDUCED: "fewer than 500: weak dependence is missed",
    Enough.TOO_FEW: "fewer than 100: attributions and all that is said about dependence are coarse",
}
_USE = {
    Use.PROVEN_UNUSED: "not used: the graph proves it",
    Use.USED: "used",
    Use.RARELY_USED: "rarely used, but with a large effect",
    Use.NO_EFFECT_SEEN: "no effect seen, which is no proof",
    Use.CANNOT_TELL: "cannot tell",
}


def describe_studies(outputs: Sequence[tuple[Output, Studies]]) -> str:
    """What was found about the background, and about the model for each of its outputs.

    Args:
        outputs: The outputs, one at least, each with its studies.
    """
    lines: list[str] = []
    for place, (output, studies) in enumerate(outputs):
        if not place:
            lines += ["features that go together", *_links(studies.association)]
            lines += ["", "how they join, by the mean strength between them", *_dendrogram(studies.association)]
            lines += ["", "rows that mix background rows", *_hybrids(studies)]
            lines += ["", "what a row may hold without a caveat", *_support(studies)]
        title = f"output '{output.id}'"
        lines += ["", f"{title}: background", *_background(studies)]
        lines += ["", f"{title}: what it relies on", *_reliance(studies)]
        lines += ["", f"{title}: second opinion (conditional values)", *_opinion(studies)]
        if studies.manipulation is not None:
            lines += ["", f"{title}: made-up rows", *_manipulation(studies)]
        if studies.proxies:
            lines += ["", f"{title}: stand-ins for protected attributes", *_proxies(studies)]
    return "\n".join(line.rstrip() for line in lines)


def _background(studies: Studies) -> Iterator[str]:
    found = studies.adequacy
    note = _ENOUGH[found.enough]
    yield from _entry("rows", f"{found.rows:,}, {found.distinct_rows:,} different" + (f"; {note}" if note else ""))
    if found.age_days is not None:
        yield from _entry("age", f"{found.age_days:,} days" + (", stale" if found.stale else ""))
    yield from _entry("base value", f"{found.base_value:.4g}, standard error {found.base_error:.2g}")


def _links(found: Association) -> Iterator[str]:
    least, note = _POWER[found.power]
    power = f"correlations from {found.detectable:.2f} on are found" if found.detectable < 1 else "no link can be found"
    if note:
        # Rows without one of the values say nothing about a pair, so there may be rows enough and yet too few.
        power = f"{'most pairs have ' if found.n_rows >= least else ''}fewer than {least}: {note}"
    yield from _entry("power", f"{found.n_rows:,} rows; {power}")
    f = len(found.features)
    pairs = [(float(found.effect[i, j]), i, j) for i in range(f) for j in range(i + 1, f) if found.linked[i, j]]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    for effect, i, j in pairs[:_MOST_PAIRS]:
        missing = " (by where values are missing)" if found.by_missingness[i, j] else ""
        yield from _entry(f"{effect:.2f}", f"{found.features[i]} and {found.features[j]}{missing}")
    if len(pairs) > _MOST_PAIRS:
        yield from _entry("", f"and {len(pairs) - _MOST_PAIRS:,} weaker pairs")
    for one in found.redundancies:
        others = ", ".join(found.features[i] for i in one.predictors)
        yield from _entry(f"{one.r_squared:.0%}", f"of {found.features[one.feature]} follows from {others}")
    for cluster in found.clusters:
        yield from _entry("set", ", ".join(found.features[i] for i in cluster))
    if not pairs and not found.redundancies:
        yield from _entry("links", "none found" if found.power is not Power.CANNOT_TELL else "cannot tell")


def _dendrogram(found: Association) -> Iterator[str]:
    """Average linkage from the strongest merge down, each set named by its features.

    Of many features by chance some always seem to join, so only what joins sets with a link between them is shown.
    """
    joined = found.linked.copy()
    for redundancy in found.redundancies:
        joined[redundancy.feature, redundancy.predictors] = joined[redundancy.predictors, redundancy.feature] = True
    sets: list[tuple[int, ...]] = [(place,) for place in range(len(found.features))]
    shown = 0
    for one, other, distance, _ in found.merges:
        left, right = sets[int(one)], sets[int(other)]
        sets.append((*left, *right))
        if 1 - distance < _LEAST_JOINED or shown == _MOST_PAIRS or not joined[np.ix_(left, right)].any():
            continue
        shown += 1
        names = [[found.features[place] for place in one_set] for one_set in (left, right)]
        yield from _entry(f"{1 - distance:.2f}", " + ".join(map(_named, names)))
    if not shown:
        yield from _entry("", f"nothing joins at {_LEAST_JOINED} or more by a link that is no chance")


def _named(features: Sequence[str]) -> str:
    return features[0] if len(features) == 1 else f"({', '.join(features)})"


def _hybrids(studies: Studies) -> Iterator[str]:
    found = studies.support.hybrids
    if found.unreal is None:
        yield from _entry("plausible", "cannot tell")
    elif found.unreal:
        yield from _entry(
            "plausible",
            f"not all of them: {found.fraction:.0%} (+- {found.fraction_error:.0%}) are unlike any real row; "
            f"area {found.area:.2f}",
        )
    else:
        yield from _entry("plausible", f"they cannot be told from real rows (area {found.area:.2f})")


def _support(studies: Studies) -> Iterator[str]:
    support, units = studies.support, studies.units
    for j, name in enumerate(support.features):
        if support.categories[j]:
            levels = len(support.levels[j]) + len(support.expected[j])
            parts = [f"{levels:,} categories"]
        elif np.isnan(support.lows[j]):
            parts = ["cannot tell: no value in the background"]
        else:
            parts = [_bounds("from", "to", support.floors[j], support.ceilings[j])]
        if support.misses[j]:
            parts.append("or missing")
        if units.judged[j]:
            parts.append(f"another unit is looked for {_bounds('below', 'above', units.floors[j], units.ceilings[j])}")
        yield from _entry(name, "; ".join(parts), width=26)
    told = f"all but about 1 in {1 / JOINT_LEVEL:,.0f} rows of the background's kind"
    told = told if support.density is not None else "cannot tell: too few rows, or nothing varies"
    yield from _entry("all values together", told, width=26)


def _bounds(before: str, between: str, low: float, high: float) -> str:
    ends = [f"{word} {float(f'{end:.4g}'):,.6g}" for word, end in ((before, low), (between, high)) if np.isfinite(end)]
    return " ".join(ends) if before == "from" else " and ".join(ends)


def _reliance(studies: Studies) -> Iterator[str]:
    for one in studies.reliance.features:
        yield from _entry(", ".join(one.features), _use(one), width=26)


def _use(one: FeatureReliance) -> str:
    text = _USE[one.use]
    if one.use in {Use.USED, Use.RARELY_USED}:
        return f"{text}; {one.usage_rate:.1%} of {one.random.count:,} swaps moved the output"
    if one.use is Use.NO_EFFECT_SEEN:
        return f"{text}; used for at most {one.usage_upper_new_rows:.2%} of new rows (95 %), {one.tests:,} swaps"
    if one.hindrance is not None:
        return f"{text} ({one.hindrance.value.replace('_', ' ')})"
    return text


def _opinion(studies: Studies) -> Iterator[str]:
    plan = studies.opinion
    if plan is None:
        yield from _entry("players", "there is none for players that a caller names")
        return
    if studies.association.power is Power.CANNOT_TELL:
        yield from _entry("players", "cannot tell: too few rows to see which of them depend on each other")
    elif not plan.sets and not plan.unstudied and studies.association.power is Power.STRONG_ONLY:
        yield from _entry("players", "none was seen to depend on another; with so few rows only strong links are")
    elif not plan.sets and not plan.unstudied:
        yield from _entry("players", "none depend on each other, so conditional values are the same")
    for one in plan.sets:
        yield from _entry("set", f"{len(one.players)} players that depend on each other, {one.studied:,} cuts studied")
    if plan.unstudied:
        yield from _entry("not told", f"{sum(map(len, plan.unstudied))} players: {plan.reason}")


def _manipulation(studies: Studies) -> Iterator[str]:
    found = studies.manipulation
    if found is None or found.suspected is None:
        yield from _entry("answers", f"cannot tell{': ' + found.reason if found and found.reason else ''}")
    elif found.suspected:
        hidden, decoys = ", ".join(found.hidden) or "none", ", ".join(found.decoys) or "none"
        yield from _entry(
            "answers",
            "the model relies on other features there than in real rows, as a model does that hides something; hidden: "
            f"{hidden}; put forward: {decoys}",
        )
    else:
        yield from _entry("answers", "the model relies on the same features there as in real rows")


def _proxies(studies: Studies) -> Iterator[str]:
    for one in studies.proxies:
        if one.refusal:
            yield from _entry(one.attribute, f"cannot tell: {one.refusal}")
            continue
        telling = [proxy for proxy in (*one.features, *one.clusters) if proxy.tells][:_MOST_PROXIES]
        if not telling:
            yield from _entry(one.attribute, f"no feature tells it ({one.rows:,} rows)")
        for proxy in telling:
            share = "" if np.isnan(proxy.share) else f", {proxy.share:.0%} of the model's attribution"
            yield from _entry(one.attribute, f"{proxy.source} tells {proxy.group}: area {proxy.area:.2f}{share}")
        if one.together is not None and one.together.tells:
            yield from _entry(one.attribute, f"all features together: area {one.together.area:.2f}")


def _entry(key: str, text: str, *, width: int = 12) -> list[str]:
    head = f"  {key:<{width}}  "
    wrapped = textwrap.wrap(text, max(_COLUMNS - len(head), 40), break_long_words=False) or [""]
    return [head + wrapped[0], *(" " * len(head) + line for line in wrapped[1:])]
