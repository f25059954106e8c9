"""Puts a cohort together from its records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.cohorts.change import Mix, find_changes
from xaisvc.cohorts.columns import LEVELS
from xaisvc.cohorts.disclosure import extent_of, nested_too_closely
from xaisvc.cohorts.drivers import watched_share
from xaisvc.cohorts.overall import find_overall
from xaisvc.cohorts.overlap import Told
from xaisvc.cohorts.partition import CUT_KINDS, assign, cut_bands, cut_feature
from xaisvc.cohorts.people import find_people
from xaisvc.cohorts.proportions import percent, share_of
from xaisvc.cohorts.release import Release
from xaisvc.cohorts.rules import find_rules, named
from xaisvc.cohorts.segments import make_segmentation
from xaisvc.errors import InvalidRequestError
from xaisvc.types.cohort import ALARM_FLOOR, MIN_CELL, Alarm, Cohort, Compared, Extent, Period, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.cohorts.columns import Column, Columns, Question
    from xaisvc.cohorts.overall import Overall
    from xaisvc.cohorts.partition import Partition
    from xaisvc.cohorts.people import Use
    from xaisvc.types import Feature
    from xaisvc.types.cohort import Change, Rules

BAND = "band"
"""Cuts a cohort by the output's bands."""

MOST_SEGMENTATIONS = 5
ALARM_KINDS = ("hidden_proxy_use", "possible_manipulation", "proxy_of_protected")
"""Caveats that are alarms."""

_HIDDEN = "hidden_proxy_use"
"""An alarm only about what is watched: the use of linked facts can be hidden in nearly every model."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wish:
    """What is asked of a cohort.

    Attributes:
        segment_by: Ids of features, or `band`.
        period: The days, as they are told.
        left_out: Number of the period's explanations that answer another question, and number of all.
        seed: Draws what rules are judged on.
        other: The records of another cohort, to compare with; None for none.
        other_period: Its days, as they are told.
        uses: Audience to what it did with the explanations.
    """

    segment_by: tuple[str, ...] = ()
    period: Period = field(default_factory=Period)
    left_out: tuple[int, int] = (0, 0)
    seed: int = 0
    other: Columns | None = None
    other_period: Period = field(default_factory=Period)
    uses: Mapping[str, Use] = field(default_factory=dict)


def summarise(columns: Columns, question: Question, wish: Wish, told: Told | None = None) -> Cohort:
    """What may be told of records.

    Args:
        columns: The records.
        question: What they answer.
        wish: What is asked.
        told: What the asker was told before; nothing if None.

    Raises:
        InvalidRequestError: If a cohort holds too few persons or is too close to an earlier one, or if it cannot be cut
            as is asked.
    """
    check_segments(wish.segment_by, question)
    told = Told() if told is None else told
    own = columns.one_each()
    release = Release(told, own.persons)
    overall = find_overall(own, question, release, "cohort")
    other = None if wish.other is None else _compare(wish.other.one_each(), question, release, told)
    partitions = {by: _cut(by, own, question) for by in wish.segment_by}
    segments = tuple(make_segmentation(by, partitions[by], overall, release) for by in wish.segment_by)
    people = find_people(wish.uses, own.persons, release)
    alarms = _alarms(own, question, overall)
    rules = _rules(own, question, partitions, wish.seed)
    changes: tuple[Change, ...] = ()
    if other is not None:
        shown = [partitions[cut.by] for cut in segments if cut.segments]
        mixes = [mix for cut in shown if cut is not None for mix in _mixes(cut, other, question)]
        changes = find_changes(overall, other.overall, mixes)
        other.release.remember()
    release.remember()
    return Cohort(
        bundle=question.bundle,
        bundle_version=question.bundle_version,
        output=question.output,
        period=wish.period,
        n=overall.n,
        adverse=None if overall.adverse is None else share_of(int(overall.adverse.sizes[1]), overall.n),
        adverse_extent=None if own.adverse is None else extent_of(int(own.adverse.sum()), overall.n),
        drivers=() if overall.driven is None else overall.driven.drivers(),
        changes=changes,
        segments=segments,
        reliability=overall.parts(),
        caveats=overall.caveats,
        rules=rules,
        people=people,
        alarms=alarms,
        withheld=(*release.withheld, *(other.release.withheld if other is not None else ())),
        left_out=_left_out(*wish.left_out),
        level="" if overall.reliability is not None else _usual_level(own),
        against=None if other is None else Compared(period=wish.other_period, n=other.overall.n),
    )


def check_segments(segment_by: Sequence[str], question: Question) -> None:
    """Refuses what a cohort cannot be cut by.

    What the asker may not see is refused in the same words as what does not exist.

    Raises:
        InvalidRequestError: Names it, and what there is.
    """
    known = [feature.id for feature in _cuttable(question)] + ([BAND] if question.bands else [])
    for place, by in enumerate(segment_by):
        if by not in known:
            raise InvalidRequestError.of(
                f"segment_by[{place}]", f"a cohort cannot be cut by {by!r}; it can by: {', '.join(known) or 'nothing'}"
            )
        if by in segment_by[:place]:
            raise InvalidRequestError.of(f"segment_by[{place}]", f"{by!r} is named twice; name it once", "NAMED_TWICE")
    if len(segment_by) > MOST_SEGMENTATIONS:
        raise InvalidRequestError.of(
            "segment_by", f"got {len(segment_by)}, but a cohort is cut in at most {MOST_SEGMENTATIONS} ways; name fewer"
        )


def _cuttable(question: Question) -> list[Feature]:
    """Features that segments and rules may name: those that may be shown and are no alarm."""
    return [one for one in question.features if one.kind in CUT_KINDS and one.id not in question.watched]


def _cut(by: str, columns: Columns, question: Question) -> Partition | None:
    if by == BAND:
        cut = None if columns.bands is None else cut_bands(question.bands, columns.bands)
        return None if cut is None or _tells_decision(cut, columns) else cut
    feature = next(one for one in question.features if one.id == by)
    return cut_feature(feature, columns.features[by])


def _tells_decision(bands: Partition, columns: Columns) -> bool:
    """Whether too few persons stand between a border of the bands and the decision, which follow from one number."""
    if columns.adverse is None:
        return False
    below = {f"below {place}": bands.codes < place for place in range(1, len(bands.cells))}
    above = {f"from {place}": bands.codes >= place for place in range(1, len(bands.cells))}
    return bool(nested_too_closely(below | above | {"adverse": columns.adverse, "favourable": ~columns.adverse}))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Other:
    """The cohort to compare with.

    Attributes:
        columns: Its records.
        overall: What is told of all of them.
        release: Decides what is told.
    """

    columns: Columns
    overall: Overall
    release: Release


def _compare(other: Columns, question: Question, release: Release, told: Told) -> _Other:
    """The cohort to compare with. It is told beside the other, so both are looked at together."""
    release.remember()
    own = Release(told, other.persons, "against.")
    overall = find_overall(other, question, own, "against")
    own.remember()
    return _Other(columns=other, overall=overall, release=own)


def _mixes(cut: Partition, other: _Other, question: Question) -> list[Mix]:
    """How many records each segment has in both cohorts; none if a segment is too small in the other one."""
    columns, release = other.columns, other.release
    what = f"segments.{cut.by}"
    values: Column | None = columns.features.get(cut.by)
    if cut.by == BAND:
        values = None if columns.bands is None else np.array(question.bands, dtype=np.object_)[columns.bands]
    if values is None:
        return []
    places = assign(cut, values)
    sizes = [int((places == place).sum()) for place in range(len(cut.cells))]
    if min(sizes) < MIN_CELL or 0 < len(columns) - sum(sizes) < MIN_CELL:
        release.withhold(what, Reason.SMALL)
        return []
    names = [f"{what}.{cell}" for cell in cut.cells]
    if not all(release.allows(name, places == place) for place, name in enumerate(names)):
        release.withhold(what, Reason.EARLIER)
        return []
    for place, name in enumerate(names):
        release.tell(name, places == place)
    now = cut.sizes.tolist()
    return [Mix(by=cut.by, cell=cell, now=now[place], before=sizes[place]) for place, cell in enumerate(cut.cells)]


def _rules(columns: Columns, question: Question, partitions: dict[str, Partition | None], seed: int) -> Rules | None:
    cuts = [
        partitions[feature.id] if feature.id in partitions else cut_feature(feature, columns.features[feature.id])
        for feature in _cuttable(question)
    ]
    decisions, words = columns.adverse, ("favourable", "adverse")
    if decisions is None:
        decisions, words = columns.predictions > np.median(columns.predictions), ("lower", "higher")
    found = find_rules([cut for cut in cuts if cut is not None], decisions, columns.predictions, seed)
    return None if found is None else named(found, words[found.outcome == "true"])


def _alarms(columns: Columns, question: Question, overall: Overall) -> tuple[Alarm, ...]:
    found = []
    watched = watched_share(columns, question) if overall.influence else None
    if watched is not None and watched[1].percent >= 100 * ALARM_FLOOR:
        found.append(Alarm(kind="protected_influence", features=watched[0], share=watched[1], extent=Extent.NEARLY_ALL))
    for one in overall.caveats:
        if one.kind not in ALARM_KINDS or one.extent is Extent.FEW:
            continue
        features = columns.told.get(one.kind, ())
        if one.kind == _HIDDEN:
            features = tuple(name for name in features if name in question.watched)
        if one.kind != _HIDDEN or features:
            found.append(Alarm(kind=one.kind, features=features, share=None, extent=one.extent))
    return tuple(found)


def _usual_level(columns: Columns) -> str:
    """The level of all records but fewer than the smallest cell."""
    counts = np.bincount(columns.levels, minlength=len(LEVELS)).tolist()
    found = [
        level
        for level, count in zip(LEVELS, counts, strict=True)
        if extent_of(count, len(columns)) is Extent.NEARLY_ALL
    ]
    return found[0] if found else ""


def _left_out(count: int, n: int) -> int | None:
    return percent(count / n) if count >= MIN_CELL and n - count >= MIN_CELL else None
