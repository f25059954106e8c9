"""A cohort cut into segments, and where it is weaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.cohorts.disclosure import visible_rows
from xaisvc.cohorts.overall import reliability_parts
from xaisvc.cohorts.proportions import difference, percent, quantile, share_of, word_of
from xaisvc.types.cohort import Comparison, Reason, Segment, Segmentation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.cohorts.overall import Overall, Split
    from xaisvc.cohorts.partition import Partition
    from xaisvc.cohorts.release import Release

_ADVERSE = 1


def make_segmentation(by: str, partition: Partition | None, overall: Overall, release: Release) -> Segmentation:
    """The segments of one partition, as far as they may be told.

    Args:
        by: Id of the feature, or `band`.
        partition: The cells; None if they would be one.
        overall: What is told of all records.
        release: Decides what is told.
    """
    what = f"segments.{by}"
    if partition is None:
        release.withhold(what, Reason.SMALL)
        return Segmentation(by=by, segments=())
    members = [partition.codes == place for place in range(len(partition.cells))]
    names = [f"{what}.{cell}" for cell in partition.cells]
    if not all(release.allows(name, own) for name, own in zip(names, members, strict=True)):
        release.withhold(what, Reason.EARLIER)
        return Segmentation(by=by, segments=())
    for name, own in zip(names, members, strict=True):
        release.tell(name, own)
    adverse = _told_counts("adverse", overall.adverse, partition, what, release)
    reliability = _told_counts("reliability", overall.reliability, partition, what, release)
    has_normal = overall.normal is not None
    sizes = partition.sizes.tolist()
    segments = []
    for place, (cell, n) in enumerate(zip(partition.cells, sizes, strict=True)):
        outcome, levels = adverse.get(place), reliability.get(place)
        segments.append(
            Segment(
                cell=cell,
                n=n,
                share=percent(n / overall.n),
                adverse=None if outcome is None else share_of(int(outcome[_ADVERSE]), n),
                adverse_compared=None
                if outcome is None or overall.adverse is None
                else _compared(int(outcome[_ADVERSE]), n, int(overall.adverse.sizes[_ADVERSE]), overall.n, len(sizes)),
                reliability=()
                if levels is None or overall.reliability is None
                else reliability_parts(overall.reliability, levels),
                weaker=None
                if levels is None or overall.reliability is None or not has_normal
                else _compared(
                    n - int(levels[0]), n, overall.n - int(overall.reliability.sizes[0]), overall.n, len(sizes)
                ),
            )
        )
    return Segmentation(by=by, segments=tuple(segments))


def _told_counts(
    kind: str, split: Split | None, partition: Partition, what: str, release: Release
) -> dict[int, NDArray[np.int64]]:
    """The parts of each segment that may be told, by its place."""
    if split is None:
        return {}
    k = len(split.parts)
    cells = len(partition.cells)
    joint = partition.codes * k + split.codes
    table = np.bincount(joint, minlength=cells * k).reshape(cells, k).astype(np.int64)
    names = [[f"{what}.{cell}.{split.name(kind, part)}" for part in range(k)] for cell in partition.cells]
    barred = np.array(
        [
            not all(release.allows(name, joint == place * k + part) for part, name in enumerate(own))
            for place, own in enumerate(names)
        ]
    )
    visible = visible_rows(table, barred)
    if not visible.all():
        release.withhold(f"{what}.{kind}", Reason.EARLIER if barred.any() else Reason.SMALL)
    for place in np.flatnonzero(visible).tolist():
        for part, name in enumerate(names[place]):
            release.tell(name, joint == place * k + part)
    return {place: table[place] for place in np.flatnonzero(visible).tolist()}


def _compared(count: int, n: int, all_count: int, all_n: int, comparisons: int) -> Comparison | None:
    """How a segment's share compares with that of all other records; all intervals of a partition hold together."""
    low, high = difference(count, n, all_count - count, all_n - n, quantile(comparisons))
    return word_of(low, high)
