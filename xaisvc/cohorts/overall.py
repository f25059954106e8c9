"""What is told of all records together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.cohorts.columns import LEVELS
from xaisvc.cohorts.disclosure import coarse_parts, extent_of, nested_too_closely
from xaisvc.cohorts.drivers import UNRELIABLE, find_drivers
from xaisvc.cohorts.proportions import share_of
from xaisvc.errors import InvalidRequestError
from xaisvc.types.cohort import MIN_CELL, CaveatCount, Extent, Reason, ReliabilityPart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.cohorts.columns import Columns, Question
    from xaisvc.cohorts.drivers import Driven
    from xaisvc.cohorts.release import Release


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """The records by the parts of an outcome that are large enough to be told.

    Attributes:
        parts: Places of the values that are told together, part by part.
        codes: Part of each record; intp, (n,).
        sizes: Number of records in each part; int64, (parts,).
    """

    parts: tuple[tuple[int, ...], ...]
    codes: NDArray[np.intp]
    sizes: NDArray[np.int64]

    def name(self, kind: str, part: int) -> str:
        """What the number of a part is called among the numbers that are told."""
        return ".".join((kind, *map(str, self.parts[part])))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overall:
    """What is told of all records together, as counts.

    Attributes:
        n: Number of records.
        adverse: By favourable (0) and adverse (1) decision; None if it may not be told.
        reliability: By level; None if it may not be told.
        driven: What drove the outcomes; None if it may not be told.
        influence: Whether shares of the influence may be told at all.
        caveats: How many records have a caveat, kind by kind.
    """

    n: int
    adverse: Split | None
    reliability: Split | None
    driven: Driven | None
    influence: bool
    caveats: tuple[CaveatCount, ...]

    @property
    def normal(self) -> int | None:
        """Number of records with normal reliability; None if it is not told."""
        split = self.reliability
        return int(split.sizes[0]) if split is not None and split.parts[0] == (0,) else None

    def parts(self) -> tuple[ReliabilityPart, ...]:
        """Levels of reliability; empty if they are not told."""
        return () if self.reliability is None else reliability_parts(self.reliability, self.reliability.sizes)


def check_size(columns: Columns, place: str) -> None:
    """Refuses a cohort of too few persons.

    Raises:
        InvalidRequestError: If they are too few.
    """
    if len(columns) < MIN_CELL:
        raise InvalidRequestError.of(
            place,
            f"holds fewer than {MIN_CELL} persons (records of the same row count once), and a number about so few "
            "could be read back to one of them; ask for a longer period or for more records",
            reason="TOO_FEW",
        )


def find_overall(columns: Columns, question: Question, release: Release, place: str) -> Overall:
    """What may be told of all records together.

    Args:
        columns: One record for each person.
        question: What they answer.
        release: Decides what is told.
        place: The cohort, as a refusal calls it.

    Raises:
        InvalidRequestError: If they are too few, or too close to a cohort that the asker was told of.
    """
    check_size(columns, place)
    everybody = np.ones(len(columns), dtype=np.bool_)
    if not release.allows("n", everybody):
        raise InvalidRequestError.of(
            place,
            f"differs by fewer than {MIN_CELL} persons from cohorts that were asked for before, so that numbers about "
            "these few could be worked out; ask for the same cohort again, or for one that differs more",
            reason="TOO_CLOSE",
        )
    release.tell("n", everybody)
    adverse = None
    if columns.adverse is not None:
        adverse = make_split("adverse", columns.adverse.astype(np.intp), 2, release)
    reliability = make_split("reliability", columns.levels.astype(np.intp), len(LEVELS), release)
    reliable = columns.levels < UNRELIABLE
    influence = release.allows("drivers", reliable)
    driven = find_drivers(columns, question) if influence else None
    if driven is None:
        few = int(reliable.sum()) < MIN_CELL
        release.withhold("drivers", Reason.SMALL if few else Reason.DOMINATED if influence else Reason.EARLIER)
    if influence:
        release.tell("drivers", reliable)
    return Overall(
        n=len(columns),
        adverse=adverse,
        reliability=reliability,
        driven=driven,
        influence=influence,
        caveats=_caveats(columns, reliability, release),
    )


def make_split(kind: str, values: NDArray[np.intp], count: int, release: Release) -> Split | None:
    """Records by value; neighbouring values that are too rare are told together.

    Returns:
        The split; None if everything would be one part, or it is too close to what was told before.
    """
    parts = coarse_parts(np.bincount(values, minlength=count).tolist())
    place_of = {value: place for place, part in enumerate(parts) for value in part}
    codes = np.array([place_of[value] for value in range(count)], dtype=np.intp)[values]
    split = Split(parts=parts, codes=codes, sizes=np.bincount(codes, minlength=len(parts)).astype(np.int64))
    if len(parts) == 1:
        release.withhold(kind, Reason.SMALL)
        return None
    names = [split.name(kind, part) for part in range(len(parts))]
    if not all(release.allows(name, codes == part) for part, name in enumerate(names)):
        release.withhold(kind, Reason.EARLIER)
        return None
    for part, name in enumerate(names):
        release.tell(name, codes == part)
    return split


def reliability_parts(split: Split, sizes: NDArray[np.int64]) -> tuple[ReliabilityPart, ...]:
    """Levels of reliability of some records, of which `sizes` are in each part."""
    n = int(sizes.sum())
    return tuple(
        ReliabilityPart(levels=tuple(LEVELS[level] for level in part), share=share_of(int(size), n))
        for part, size in zip(split.parts, sizes, strict=True)
    )


def _caveats(columns: Columns, reliability: Split | None, release: Release) -> tuple[CaveatCount, ...]:
    """How many records have a caveat, kind by kind; a kind within another, or in a level, must not tell too much."""
    n = len(columns)
    extents = {kind: extent_of(int(has.sum()), n) for kind, has in columns.caveats.items()}
    told = {kind: columns.caveats[kind] for kind, extent in extents.items() if extent is Extent.SOME}
    others = {}
    if reliability is not None:
        others = {f"level {part}": reliability.codes >= part for part in range(1, len(reliability.parts))}
    close = nested_too_closely(told | others)
    # What is left when the smaller of two sets is not told is told; where the smaller one is a level, its kind goes.
    close |= {kind for kind in told if _holds_closely(told[kind], others)}
    found = []
    for kind in sorted(extents):
        extent, number = extents[kind], None
        if kind in told:
            name = f"caveats.{kind}"
            if kind in close:
                extent = Extent.WITHHELD
                release.withhold(name, Reason.SMALL)
            elif not release.allows(name, told[kind]):
                extent = Extent.WITHHELD
                release.withhold(name, Reason.EARLIER)
            else:
                number = int(told[kind].sum())
                release.tell(name, told[kind])
        found.append(CaveatCount(kind=kind, extent=extent, n=number))
    return tuple(found)


def _holds_closely(members: NDArray[np.bool_], others: dict[str, NDArray[np.bool_]]) -> bool:
    """Whether another set lies within this one and leaves too few of it."""
    return any(
        not (other & ~members).any() and 0 < int((members & ~other).sum()) < MIN_CELL for other in others.values()
    )
