"""Signal: is the model better than a trivial rule on the rows given? If not, explaining it misleads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation.measures import RowScores
from xaisvc.evaluation.shapes import check_shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Target = Literal["binary", "number"]

FOLDS: Final = 5
_CUTS: Final = 15
_CLIP: Final = 1e-6
"""Probabilities are kept this far from 0 and 1, so that one sure mistake does not decide a mean."""
_LEAST: Final = 20
"""Rows on each side of a cut."""


def losses(predictions: Floats, labels: Floats, target: Target) -> Floats:
    """Loss of each row: -ln of the probability of what happened (nats) for `binary`, the squared error for `number`.

    Probabilities are moved to between 1e-6 and 1 - 1e-6 first, so that one sure mistake (13.8 nats) does not decide a
    mean. Range: 0 to infinity, lower is better.

    Args:
        predictions: Probability of label 1, or a number; float64, (n,).
        labels: 0 or 1, or a number; float64, (n,).
        target: What is predicted.

    Returns:
        float64, (n,).
    """
    check_shapes(predictions=(predictions, "n"), labels=(labels, "n"))
    if target == "number":
        return np.asarray((predictions - labels) ** 2)
    if not np.isin(labels, (0.0, 1.0)).all():  # what is missing or a class of another number would count as 0 or 1
        raise InvalidRequestError.of("labels", "must each be 0 or 1 for the target 'binary'; leave out missing ones")
    sure = np.clip(predictions, _CLIP, 1.0 - _CLIP)
    return np.asarray(-np.log(np.where(labels > 0, sure, 1.0 - sure)))


def skill(model_losses: Floats, trivial_losses: Floats) -> RowScores:
    """Skill score 1 - (sum of the model's losses / sum of the trivial rule's losses).

    Murphy 1988; with squared errors against the mean of the same rows it is R squared. Unit: none. Range: minus
    infinity to 1, higher is better; 0 is no better than the trivial rule, below 0 worse.

    Args:
        model_losses: float64, (n,).
        trivial_losses: float64, (n,).
    """
    return RowScores(model_losses, trivial_losses, "one_minus")


def prior_predictions(labels: Floats, rng: np.random.Generator) -> Floats:
    """What the mean label of the other four of 5 random folds predicts; float64, (n,).

    Nothing of a row's own label is in it. With fewer than 5 rows each is a fold; at least 2 are needed.
    """
    found = np.empty(len(labels))
    for test in _folds(len(labels), rng):
        found[test] = labels[~test].mean()
    return found


def one_feature_rule(columns: Sequence[NDArray[np.generic]], labels: Floats, rng: np.random.Generator) -> Floats:
    """What the best rule on one feature predicts: the mean label on each side of one cut, or of each category.

    Cuts are at 15 evenly spread quantiles, at least 20 rows on each side, missing values on the lower one; feature and
    cut with the smallest squared error on the other folds are taken, the mean of all if none is better. Category means
    are drawn to the mean of all with the weight of 20 rows; missing is a category, an unknown one gets the mean of all.

    Args:
        columns: Features: float64 with NaN for missing, or texts with None as object; (n,) each.
        labels: float64, (n,).
        rng: Deals rows to 5 folds.

    Returns:
        Predictions for each row by rules that did not see it; float64, (n,).
    """
    found = np.empty(len(labels))
    for test in _folds(len(labels), rng):
        best, error = np.full(int(test.sum()), labels[~test].mean()), np.inf
        for values in columns:
            predicted, loss = _rule(values, labels, test)
            if loss < error:
                best, error = predicted, loss
        found[test] = best
    return found


def last_value(times: Floats, labels: Floats, target: Target) -> Floats:
    """What the label before predicts: the last number, or the share of ones that followed such a label so far.

    `number`: the label of the row before, in order of time. `binary`: of the earlier rows that came right after a label
    equal to that of the row before, (ones + 1) / (rows + 2), Laplace's rule of succession.

    Args:
        times: Order of the rows, equal times in the order given; float64, (n,).
        labels: 0 or 1, or a number; float64, (n,).
        target: What is predicted.

    Returns:
        float64, (n,) in the order given; NaN for the first row. A row sees labels of rows before it only, which with
        equal times includes some of its own time.
    """
    order = np.argsort(times, kind="stable")
    before = np.full(len(labels), np.nan)
    in_order = labels[order]
    if target == "number":
        before[1:] = in_order[:-1]
    else:
        previous, current = in_order[:-1], in_order[1:]
        for level in (0.0, 1.0):
            at = np.flatnonzero(previous == level)
            seen = np.arange(len(at))
            ones = np.concatenate([[0.0], np.cumsum(current[at])[:-1]]) if len(at) else np.zeros(0)
            before[at + 1] = (ones + 1.0) / (seen + 2.0)  # Laplace's rule: no certainty from nothing
    found = np.empty(len(labels))
    found[order] = before
    return found


def _folds(n: int, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    fold = rng.permutation(n) % min(FOLDS, n)
    return [fold == k for k in range(min(FOLDS, n))]


def _rule(values: NDArray[np.generic], labels: Floats, test: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Predictions of the rows under test and the squared error on the others."""
    if values.dtype == np.object_:
        return _by_category(values, labels, test)
    numbers = np.asarray(values, dtype=np.float64)
    train_x, train_y = numbers[~test], labels[~test]
    mean = train_y.mean()
    best, cut, error = (mean, mean), np.inf, float(((train_y - mean) ** 2).sum())
    known = np.isfinite(train_x)
    if known.any():
        for level in np.unique(np.quantile(train_x[known], np.linspace(0, 1, _CUTS + 2)[1:-1])):
            above = train_x > level  # a missing value is on the lower side
            if min(above.sum(), (~above).sum()) < _LEAST:
                continue
            low, high = float(train_y[~above].mean()), float(train_y[above].mean())
            loss = float(((train_y - np.where(above, high, low)) ** 2).sum())
            if loss < error:
                best, cut, error = (low, high), float(level), loss
    return np.where(numbers[test] > cut, best[1], best[0]), error


def _by_category(values: NDArray[np.generic], labels: Floats, test: NDArray[np.bool_]) -> tuple[Floats, float]:
    texts = np.array(["" if value is None else f"={value}" for value in values])
    train, train_y = texts[~test], labels[~test]
    mean = float(train_y.mean())
    levels, places = np.unique(train, return_inverse=True)
    counts, sums = np.bincount(places), np.bincount(places, weights=train_y)
    means = (sums + _LEAST * mean) / (counts + _LEAST)
    at = np.minimum(np.searchsorted(levels, texts[test]), len(levels) - 1)
    return np.where(levels[at] == texts[test], means[at], mean), float(((train_y - means[places]) ** 2).sum())
