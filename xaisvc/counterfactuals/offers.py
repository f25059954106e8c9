"""The regions that are offered: found from a grid, asked of the model once more, and cut to what is good."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.counterfactuals.grids import product
from xaisvc.counterfactuals.regions import evenly, region_of, shares
from xaisvc.types.counterfactual import Alternative, ChangedFeature

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xaisvc.counterfactuals.grids import Grid
    from xaisvc.counterfactuals.judging import Goal, Judge, Trials
    from xaisvc.counterfactuals.ladders import Ladder

PASSES = 3
"""How often a region that was not good everywhere is cut and asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A region of one row.

    Attributes:
        row: Place of the row.
        ladders: What changes, in the order of the schema.
        places: Places of the values offered along each ladder, the nearest first; all between two of a number, any of a
            category.
        cost: The smallest change, in spreads of the background.
        is_proven: Whether every combination was scored or is proven to have the answer of one that was.
        predictions: Answers of the combinations scored in it, the smallest change first; None until it is asked.
        is_dense: Whether every combination was scored.
    """

    row: int
    ladders: tuple[Ladder, ...]
    places: tuple[NDArray[np.intp], ...]
    cost: float
    is_proven: bool
    predictions: NDArray[np.float64] | None = None
    is_dense: bool = False

    def alternative(self, goal: Goal) -> Alternative:
        """The region as it is handed out."""
        if self.predictions is None:
            raise AssertionError("a region is offered after it was asked, never before")
        return Alternative(
            changes=tuple(_changed(ladder, places) for ladder, places in zip(self.ladders, self.places, strict=True)),
            size=self.cost,
            prediction=float(self.predictions[0]),
            weakest=goal.weakest(self.predictions),
            scored=len(self.predictions),
            complete=self.is_proven or self.is_dense,
        )


def offer_of(grid: Grid) -> Offer:
    """The region from a grid's smallest good change on.

    Where all rungs were tried, it is as large as they are good. Where only some were, it reaches to the ends of the
    ladders, and is to be cut.
    """
    corner = grid.corner
    if corner is None:
        raise AssertionError("a grid without a good combination has no region")
    ladders = grid.ladders
    if not grid.is_full:
        places = tuple(_from(ladder, rung) for ladder, rung in zip(ladders, corner, strict=True))
        return Offer(row=grid.row, ladders=ladders, places=places, cost=grid.cost, is_proven=False)
    weights = [ladder.sizes for ladder in ladders]
    rungs = region_of(grid.good, corner, [ladder.is_ordered for ladder in ladders], weights)
    found = Offer(
        row=grid.row,
        ladders=ladders,
        places=tuple(_values(ladder, chosen) for ladder, chosen in zip(ladders, rungs, strict=True)),
        cost=grid.cost,
        is_proven=True,
    )
    if all(bool((sizes[chosen] == 1).all()) for sizes, chosen in zip(weights, rungs, strict=True)):
        return replace(found, predictions=grid.predictions[np.ix_(*rungs)].ravel(), is_dense=True)
    return found


def ask(
    offers: Sequence[Offer], judge: Judge, new_trials: Callable[[], Trials], most: tuple[int, int]
) -> list[Offer | None]:
    """Asks the model about regions that were not scored everywhere, and cuts them to what is good.

    Args:
        offers: Regions.
        judge: Asks the model.
        new_trials: Makes an empty collection of changed rows.
        most: Most combinations to score in a region with one feature, and with two.

    Returns:
        The regions as they can be offered; None for one whose smallest change is not good after all.
    """
    found: list[Offer | None] = list(offers)
    for left in reversed(range(PASSES)):
        trials = new_trials()
        asked = []
        for i, offer in enumerate(found):
            if offer is None or offer.predictions is not None:
                continue
            picks = _picks(offer, most[len(offer.ladders) - 1])
            chosen = tuple(places[pick] for places, pick in zip(offer.places, picks, strict=True))
            asked.append((i, offer, picks, trials.add(offer.row, product(offer.ladders, chosen))))
        if not asked:
            break
        verdicts = judge(trials)
        for i, offer, picks, at in asked:
            shape = tuple(len(pick) for pick in picks)
            good, predictions = verdicts.good[at].reshape(shape), verdicts.predictions[at].reshape(shape)
            found[i] = _cut(offer, picks, good, predictions, is_last=not left)
    return found


def _cut(
    offer: Offer,
    picks: tuple[NDArray[np.intp], ...],
    good: NDArray[np.bool_],
    predictions: NDArray[np.float64],
    *,
    is_last: bool,
) -> Offer | None:
    """A region cut to what is good of it; without predictions if it is to be asked once more."""
    corner = (0,) * good.ndim
    if not good[corner]:
        return None
    ordered = [ladder.is_ordered for ladder in offer.ladders]
    kept = region_of(good, corner, ordered, [np.ones(len(pick), dtype=np.intp) for pick in picks])
    is_dense = all(len(pick) == len(places) for pick, places in zip(picks, offer.places, strict=True))
    places = tuple(
        part[: int(pick[chosen].max()) + 1] if ladder.is_ordered else part[pick[chosen]]
        for ladder, part, pick, chosen in zip(offer.ladders, offer.places, picks, kept, strict=True)
    )
    cut = replace(offer, places=places)
    if not (good.all() or is_dense or is_last):
        return cut
    return replace(cut, predictions=predictions[np.ix_(*kept)].ravel(), is_dense=is_dense)


def _from(ladder: Ladder, rung: int) -> NDArray[np.intp]:
    """All values from a rung to the end; of a category that rung first, then all others."""
    start, count = int(ladder.starts[rung]), len(ladder.values)
    if ladder.is_ordered:
        return np.arange(start, count)
    return np.concatenate([[start], np.delete(np.arange(count), start)]).astype(np.intp)


def _values(ladder: Ladder, rungs: NDArray[np.intp]) -> NDArray[np.intp]:
    """The places of all values on some rungs."""
    if not ladder.is_ordered:
        return ladder.starts[rungs]
    last = int(rungs[-1])
    return np.arange(int(ladder.starts[rungs[0]]), int(ladder.starts[last] + ladder.sizes[last]))


def _picks(offer: Offer, most: int) -> tuple[NDArray[np.intp], ...]:
    """Which values of a region to score along each ladder: evenly spread, and the denser the nearer."""
    lengths = [len(places) for places in offer.places]
    return tuple(_dense(length, share) for length, share in zip(lengths, shares(lengths, most), strict=True))


def _dense(length: int, most: int) -> NDArray[np.intp]:
    if length <= most:
        return np.arange(length)
    near = 2 ** np.arange(int(np.log2(length)) + 1) - 1
    near = near[: max(most // 2, 1)]
    return np.union1d(near, evenly(length, max(most - len(near), 1))).astype(np.intp)


def _changed(ladder: Ladder, places: NDArray[np.intp]) -> ChangedFeature:
    values = ladder.values[places]
    if not ladder.is_ordered:
        order = {target: i for i, target in enumerate(ladder.axis.targets)}
        targets = tuple(sorted((str(value) for value in values), key=order.__getitem__))
        return ChangedFeature(feature=ladder.axis.feature, current=ladder.own, targets=targets, values=len(targets))
    return ChangedFeature(
        feature=ladder.axis.feature,
        current=ladder.own,
        nearest=float(values[0]),
        farthest=float(values[-1]),
        values=len(values),
    )
