"""Taking features away: which are kept, whose values stand in for the others, and what the model then answers.

Every removal-based metric is arithmetic on v(S), the model's answer when the features in S keep the row's values. Here
v(S) is worked out for many rows and many S in few calls of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, cast

import numpy as np

from xaisvc.types.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.attribution import ModelFunction
    from xaisvc.types.table import Column

    Floats = NDArray[np.float64]
    Masks = NDArray[np.bool_]

MODEL_ROWS_AT_ONCE: Final = 65_536
_PER_ROW: Final = 3
"""Dimensions of masks that differ from row to row."""


class Replacement(Protocol):
    """Chooses background rows whose values stand in for the features that are taken away."""

    @property
    def name(self) -> str:
        """`background` for off-manifold, `conditional` for on-manifold replacement."""
        ...

    def donors(self, places: NDArray[np.intp], keep: Masks) -> NDArray[np.intp]:
        """Background rows that stand in.

        Args:
            places: Which of the explained rows; intp, (c,).
            keep: Features that keep the row's values; bool, (c, m, p).

        Returns:
            Places in the background; intp, (c, m, d). The same rows and masks get the same donors at every call.
        """
        ...


@dataclass(frozen=True, slots=True)
class BackgroundReplacement:
    """Off-manifold replacement: donors are drawn from the whole background whatever is kept.

    A row keeps its donors for every mask and every method, so that methods differ by their attributions only, and
    background rows stand in equally often, give or take one. Where the background is dealt out more than once, a row
    may get a donor twice.

    Attributes:
        drawn: Donors of each explained row; intp, (n, d).
    """

    drawn: NDArray[np.intp]

    @classmethod
    def of(cls, n_rows: int, n_background: int, n_draws: int, rng: np.random.Generator) -> BackgroundReplacement:
        """Deals the background out to the rows, shuffled anew whenever it is used up."""
        wanted = n_rows * n_draws
        decks = [rng.permutation(n_background) for _ in range(-(-wanted // n_background))]
        dealt = np.concatenate(decks)[:wanted] if decks else np.zeros(0, dtype=np.intp)
        return cls(dealt.astype(np.intp).reshape(n_draws, n_rows).T.copy())

    @property
    def name(self) -> str:
        """See `Replacement`."""
        return "background"

    def donors(self, places: NDArray[np.intp], keep: Masks) -> NDArray[np.intp]:
        """See `Replacement`."""
        return np.repeat(self.drawn[places][:, None, :], keep.shape[1], axis=1)


class HybridModel(Protocol):
    """Answers for rows that take some values from the background, faster than row by row."""

    def __call__(self, places: NDArray[np.intp], donors: NDArray[np.intp], keep: Masks) -> Floats:
        """Answers for mixed rows, as the model itself gives them for `mix` up to rounding.

        Args:
            places: Which of the explained rows; intp, (c,).
            donors: Background rows; intp, (c, m, d).
            keep: Players that keep the row's values; bool, (c, m, p).

        Returns:
            float64, (c, m, d).
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What taking features away needs.

    Attributes:
        model: Scores rows in the explained space.
        rows: The n explained rows.
        background: The b rows that stand in.
        members: Features of each player, as places of columns; p of them.
        replacement: Chooses the donors.
        hybrids: Answers for mixed rows, where there is something faster than the model; None to ask the model.
    """

    model: ModelFunction
    rows: Table
    background: Table
    members: tuple[tuple[int, ...], ...]
    replacement: Replacement
    hybrids: HybridModel | None = None

    def outputs(self, keep: Masks) -> Floats:
        """v(S) for each draw: f(x_S, z_rest).

        Args:
            keep: Players that keep the row's values; bool, (n, m, p), or (m, p) for the same masks for every row.

        Returns:
            The model's answers in the explained space; float64, (n, m, d).
        """
        n, m = len(self.rows), keep.shape[-2]
        parts: list[Floats] = []
        per_row = max(1, m)
        start = 0
        while start < n:
            stop = min(n, start + max(1, MODEL_ROWS_AT_ONCE // per_row))
            places = np.arange(start, stop)
            masks = keep[start:stop] if keep.ndim == _PER_ROW else np.broadcast_to(keep, (len(places), *keep.shape))
            donors = self.replacement.donors(places, masks)
            if self.hybrids is not None:
                parts.append(self.hybrids(places, donors, masks))
            else:
                mixed = mix(self.rows, self.background, places, donors, masks, self.members)
                parts.append(self.model(mixed).reshape(donors.shape))
            per_row = m * donors.shape[2]
            start = stop
        return np.concatenate(parts) if parts else np.zeros((0, m, 1))


def mix(  # noqa: PLR0913, PLR0917 - two tables, who meets whom, and what is kept
    rows: Table,
    background: Table,
    places: NDArray[np.intp],
    donors: NDArray[np.intp],
    keep: Masks,
    members: tuple[tuple[int, ...], ...],
) -> Table:
    """Rows that keep some players' values and take the others' from the background.

    Args:
        rows: Explained rows.
        background: Rows that stand in.
        places: Which explained rows; intp, (c,).
        donors: Background rows; intp, (c, m, d).
        keep: bool, (c, m, p).
        members: Columns of each player; every column belongs to one.

    Returns:
        c * m * d rows in the order of `donors`.
    """
    names = rows.feature_ids
    columns: dict[str, Column] = {}
    for player, owned in enumerate(members):
        kept = keep[:, :, player, None]
        for place in owned:
            own = rows.columns[names[place]][places][:, None, None]
            other = background.columns[names[place]][donors]
            columns[names[place]] = cast("Column", np.where(kept, own, other).reshape(-1))
    return Table({name: columns[name] for name in names})


def step_counts(n_players: int, most: int) -> NDArray[np.intp]:
    """Numbers of players along an insertion or deletion curve, the ends 0 and p left out.

    Args:
        n_players: p.
        most: Most steps.

    Returns:
        1 to p - 1, all of them or `most` of them evenly spread; intp, (g,).
    """
    inner = np.arange(1, n_players)
    if len(inner) <= most:
        return inner.astype(np.intp)
    return np.unique(np.round(np.linspace(1, n_players - 1, most)).astype(np.intp))


def top_masks(scores: Floats, counts: NDArray[np.intp]) -> Masks:
    """Which players are among the first k by score, for several k; ties go to the earlier player.

    Args:
        scores: float64, (n, p).
        counts: intp, (g,).

    Returns:
        bool, (n, g, p).
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(scores.shape[1]), order.shape), axis=1)
    return np.asarray(rank[:, None, :] < counts[None, :, None])


def subset_masks(n_players: int, count: int, rng: np.random.Generator) -> Masks:
    """Sets of players, each size from 1 to p - 1 equally likely, with the complement of each; bool, (count, p).

    The complements make sums over sets less noisy, as in paired sampling of Shapley values; they are the second half,
    so that an odd count leaves the last without its own. One player alone gives the full set and the empty one.
    """
    half = -(-count // 2)
    sizes = rng.integers(1, max(n_players, 2), half)
    ranks = np.argsort(rng.random((half, n_players)), axis=1)
    chosen = ranks < sizes[:, None]
    return np.concatenate([chosen, ~chosen])[:count]
