"""Remove and retrain: models trained without what each method says matters most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.engine.quality.donors import ConditionalReplacement
from xaisvc.engine.quality.workshop import generator
from xaisvc.evaluation import blanked, mix, retrained_losses, top_masks
from xaisvc.types import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.engine.quality.workshop import Workshop

    Floats = NDArray[np.float64]

LEAST_ROWS: Final = 200
"""With fewer, what is trained is mostly noise."""
SHARE: Final = 0.3
"""Of the players that are removed from each row."""
TEST_SHARE: Final = 0.3


def retrained(shop: Workshop, labels: Floats, values: Floats) -> dict[str, Floats]:
    """Squared errors without the leading players and without random ones.

    What is removed is set to missing, or in the conditional variant replaced by the values of a background row that is
    near in what is kept.

    Args:
        shop: The model and its rows.
        labels: Of the first rows, in the workshop's order; float64, (c,).
        values: Attributions of the same rows; float64, (c, p).

    Returns:
        Variant, empty for missing values, to the errors of the rows under test; float64, (2, t).
    """
    count, p = values.shape
    rows, background = shop.rows.take(slice(0, count)), shop.subject.problem.background
    members = shop.subject.members
    owners = np.empty(len(rows.feature_ids), dtype=np.intp)
    for player, owned in enumerate(members):
        owners[list(owned)] = player
    k = np.array([max(1, round(SHARE * p))])
    leading = top_masks(np.abs(values), k)[:, 0, :]
    random = top_masks(generator(shop.seed, "retrain", "random").random(values.shape), k)[:, 0, :]
    test = np.zeros(count, dtype=np.bool_)
    test[generator(shop.seed, "retrain", "split").permutation(count)[: int(TEST_SHARE * count)]] = True
    donors = ConditionalReplacement.of(rows, background, members, 1, generator(shop.seed, "retrain", "donors"))
    places = np.arange(count)
    left: dict[str, list[Floats]] = {"": [], "conditional": []}
    for top in (leading, random):
        keep = ~top[:, None, :]
        near = mix(rows, background, places, donors.donors(places, keep), keep, members)
        numbers = _numbers(Table.concat([rows, near]))  # together, so that a level has one number
        left[""].append(blanked(numbers[:count], owners, top))
        left["conditional"].append(numbers[count:])
    return {
        variant: np.stack([retrained_losses(_fit, one, labels, test) for one in both]) for variant, both in left.items()
    }


def _numbers(rows: Table) -> Floats:
    """Rows as numbers, categories by the number of their level; float64, (n, columns)."""
    parts = []
    for values in rows.columns.values():
        if values.dtype == np.object_:
            texts = np.array(["" if value is None else f"={value}" for value in values])
            parts.append(np.unique(texts, return_inverse=True)[1].astype(np.float64))
        else:
            parts.append(values.astype(np.float64))
    return np.column_stack(parts)


def _fit(train: Floats, labels: Floats, test: Floats) -> Floats:
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - heavy: loaded when used

    known = ~np.isnan(train).all(axis=0)  # a column that was taken from every row tells nothing, and cannot be binned
    if not known.any():
        return np.full(len(test), labels.mean())
    model = HistGradientBoostingRegressor(max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=0)
    return np.asarray(model.fit(train[:, known], labels).predict(test[:, known]), dtype=np.float64)
