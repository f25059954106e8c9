"""Remove and retrain: models trained without what each method says matters most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.engine.quality.workshop import generator
from xaisvc.evaluation import retrained_losses, top_masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.engine.quality.workshop import Workshop

    Floats = NDArray[np.float64]

LEAST_ROWS: Final = 200
"""With fewer, what is trained is mostly noise."""
SHARE: Final = 0.3
"""Of the players that are removed from each row."""
TEST_SHARE: Final = 0.3


def retrained(shop: Workshop, labels: Floats, values: Floats) -> Floats:
    """Squared errors without the leading players and without random ones.

    Args:
        shop: The model and its rows.
        labels: Of the first rows, in the workshop's order; float64, (c,).
        values: Attributions of the same rows; float64, (c, p).

    Returns:
        Of the rows under test; float64, (2, t).
    """
    count, p = values.shape
    numbers = _numbers(shop, count)
    owners = np.empty(numbers.shape[1], dtype=np.intp)
    for player, owned in enumerate(shop.subject.members):
        owners[list(owned)] = player
    k = np.array([max(1, round(SHARE * p))])
    leading = top_masks(np.abs(values), k)[:, 0, :]
    random = top_masks(generator(shop.seed, "retrain", "random").random(values.shape), k)[:, 0, :]
    test = np.zeros(count, dtype=np.bool_)
    test[generator(shop.seed, "retrain", "split").permutation(count)[: int(TEST_SHARE * count)]] = True
    return np.stack([retrained_losses(_fit, numbers, labels, owners, top, test) for top in (leading, random)])


def _numbers(shop: Workshop, count: int) -> Floats:
    """Rows as numbers, categories by the number of their level; float64, (c, columns)."""
    parts = []
    for values in shop.rows.take(slice(0, count)).columns.values():
        if values.dtype == np.object_:
            texts = np.array(["" if value is None else f"={value}" for value in values])
            parts.append(np.unique(texts, return_inverse=True)[1].astype(np.float64))
        else:
            parts.append(values.astype(np.float64))
    return np.column_stack(parts)


def _fit(train: Floats, labels: Floats, test: Floats) -> Floats:
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - heavy: loaded when used

    model = HistGradientBoostingRegressor(max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=0)
    return np.asarray(model.fit(train, labels).predict(test), dtype=np.float64)
