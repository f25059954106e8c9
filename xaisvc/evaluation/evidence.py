"""What was observed of one method: what metrics are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What the model answers when players are taken away, with one kind of replacement; see `removal`.

    Attributes:
        removed: Sets of players that were taken away, the same for all rows; bool, (m, p).
        drops: f(x) - v(not S) for these sets; float64, (n, m).
        single_drops: f(x) - v(all but j); float64, (n, p).
        empty: v(nobody); float64, (n,).
        shares: Share of players inserted or removed at each step of the curves; float64, (g,).
        inserted: v when only the first players are kept, most supporting first; float64, (n, g).
        deleted: v when the first players are taken away; float64, (n, g).
        important: Answers when the k players with the largest absolute attributions are replaced; float64, (n, g, d).
        unimportant: Answers when all others are replaced; float64, (n, g, d).
    """

    removed: NDArray[np.bool_]
    drops: Floats
    single_drops: Floats
    empty: Floats
    shares: Floats
    inserted: Floats
    deleted: Floats
    important: Floats
    unimportant: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Rows close to the explained ones, and what the method says about them.

    Attributes:
        values: Attributions of q neighbours of each row; float64, (n, q, p).
        rows: The rows' numbers; float64, (n, c).
        neighbours: The neighbours' numbers; float64, (n, q, c).
        outputs: f of the neighbours; float64, (n, q).
    """

    values: Floats
    rows: Floats
    neighbours: Floats
    outputs: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Attributions of n rows by one method, with what else was observed; a metric without its part gives nothing.

    Attributes:
        values: float64, (n, p).
        base_values: float64, (n,).
        outputs: f(x) in the explained space; float64, (n,).
        truth: True attributions; float64, (n, p).
        removed: With one kind of replacement.
        seeds: Repeats with other seeds; float64, (r, n, p).
        backgrounds: Repeats with halves of the background; float64, (r, n, p).
        budgets: Attributions with half of the budget and with all of it; float64, (2, n, p).
        neighbours: Of the rows.
        again: The same rows one by one and in another order; float64, (2, n, p).
        randomised: Attributions for the randomised model; float64, (n, p).
        with_noise: Attributions with columns appended that the model ignores, last; float64, (n, p + u).
        n_unused: u.
        copied: Attributions with one column split into two that enter alike: the original and, last, the copy; float64,
            (n, p + 1).
        original: Player of the column that was copied.
        retrained: Squared errors of models trained without the leading players of each row and without random ones, of
            the rows under test; float64, (2, t).
    """

    values: Floats
    base_values: Floats
    outputs: Floats
    truth: Floats | None = None
    removed: Removed | None = None
    seeds: Floats | None = None
    backgrounds: Floats | None = None
    budgets: Floats | None = None
    neighbours: Neighbours | None = None
    again: Floats | None = None
    randomised: Floats | None = None
    with_noise: Floats | None = None
    n_unused: int = 0
    copied: Floats | None = None
    original: int = -1
    retrained: Floats | None = None
