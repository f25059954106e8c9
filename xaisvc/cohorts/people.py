"""What people did with the explanations of a cohort, in numbers that single out neither clients nor staff."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xaisvc.cohorts.disclosure import extent_of
from xaisvc.cohorts.proportions import quantile, share_of, wilson
from xaisvc.types.cohort import MIN_CELL, Extent, People, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.cohorts.release import Release
    from xaisvc.types.cohort import Share

RARELY = 0.05
"""Where fewer than this share of verdicts deviates, and not by chance, readers may follow the model without judging."""

_DEVIATE, _NOT_USED = "deviate", "not_used"


@dataclass(slots=True)
class Use:
    """What one audience did, as it is counted.

    Attributes:
        opened: Persons of whom a view was opened.
        verdicts: Person to the last verdict: `agree`, `deviate` or `not_used`.
        days: Reader to the days on which they opened a view.
    """

    opened: set[int] = field(default_factory=set)
    verdicts: dict[int, str] = field(default_factory=dict)
    days: dict[str, set[str]] = field(default_factory=dict)


def find_people(uses: Mapping[str, Use], persons: NDArray[np.uint64], release: Release) -> tuple[People, ...]:
    """What may be told of each audience. Counts are of persons and of readers, never of events.

    Args:
        uses: Audience to what it did.
        persons: The persons of the cohort; uint64, (n,).
        release: Decides what is told.
    """
    own = persons.tolist()
    return tuple(_one(audience, uses[audience], own, release) for audience in sorted(uses))


def _one(audience: str, use: Use, persons: Sequence[int], release: Release) -> People:
    import numpy as np  # noqa: PLC0415 - the arrays of this function only

    opened = np.array([person in use.opened for person in persons], dtype=np.bool_)
    verdicts = [use.verdicts.get(person, "") for person in persons]
    judged = np.array([bool(verdict) for verdict in verdicts], dtype=np.bool_)
    overridden = np.array([verdict == _DEVIATE for verdict in verdicts], dtype=np.bool_)
    unused = np.array([verdict == _NOT_USED for verdict in verdicts], dtype=np.bool_)
    place = f"people.{audience}"
    n_opened = _told(f"{place}.opened", opened, np.ones_like(opened), release)
    n_judged = _told(f"{place}.judged", judged, np.ones_like(judged), release)
    n_overridden = _told(f"{place}.overridden", overridden, judged, release) if n_judged is not None else None
    n_unused = _told(f"{place}.unused", unused, judged, release) if n_judged is not None else None
    if (
        n_overridden is not None
        and n_unused is not None
        and 0 < n_judged_left(n_judged, n_overridden, n_unused) < MIN_CELL
    ):
        n_unused = None  # else the number of those who agreed could be worked out
        release.withhold(f"{place}.unused", Reason.SMALL)
    all_judged, all_overridden = int(judged.sum()), int(overridden.sum())
    many = all_judged >= MIN_CELL
    readers = len(use.days)
    repeated = sum(len(days) > 1 for days in use.days.values())
    tell_repeats = min(repeated, readers - repeated) >= MIN_CELL
    return People(
        audience=audience,
        opened=n_opened,
        judged=n_judged,
        overridden=_share(n_overridden, n_judged),
        override_extent=extent_of(all_overridden, all_judged) if many else Extent.WITHHELD,
        unused=_share(n_unused, n_judged),
        readers=readers if readers >= MIN_CELL else None,
        repeat_readers=share_of(repeated, readers) if tell_repeats else None,
        rarely_overridden=many and wilson(all_overridden, all_judged, quantile())[1] < RARELY,
    )


def n_judged_left(judged: int | None, overridden: int, unused: int) -> int:
    """Persons whose last verdict agrees with the model."""
    return (judged or 0) - overridden - unused


def _told(name: str, members: NDArray[np.bool_], among: NDArray[np.bool_], release: Release) -> int | None:
    """A number of persons, if it and what it leaves of others is large enough, and far enough from what was told."""
    count, left = int(members.sum()), int((among & ~members).sum())
    if count < MIN_CELL or 0 < left < MIN_CELL:
        release.withhold(name, Reason.SMALL)
        return None
    if not release.allows(name, members):
        release.withhold(name, Reason.EARLIER)
        return None
    release.tell(name, members)
    return count


def _share(count: int | None, n: int | None) -> Share | None:
    return None if count is None or n is None else share_of(count, n)
