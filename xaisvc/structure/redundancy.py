"""Features that follow from several others, which no pair shows: sums, ratios, one-hot sets, products, other rules.

Three routes, each judged on rows that it did not see or by a test that counts everything it tried:

- linear: least squares on normal scores and on raw values, all features at once from one inverse, each row's prediction
  with the row left out; and on all levels of one category, however many, where the inverse sees well filled ones only
  (so a category whose levels are all rare can be what a feature follows from, not what follows);
- product: correlation with the product of two centred ranks, all pairs;
- trees: out-of-bag prediction of extremely randomised trees, only for features that the other routes left open.

A feature is redundant if a route predicts at least LEAST_R_SQUARED of its variance, and chance would do so for any
feature of the table in at most 1 of 100 tables.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xaisvc.structure.association_nulls import correlation_tail, paired_sum_tail, spread_of
from xaisvc.structure.ranks import mid_ranks
from xaisvc.structure.redundancy_linear import LIKELY, left_out, strongest_predictors
from xaisvc.types.association import Redundancy, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from xaisvc.structure.ranks import Variable

    Numbers = NDArray[np.float64]
    Places = NDArray[np.intp]

LEAST_R_SQUARED = 0.10
CHANCE = 0.01
N_TREES = 64
N_FIRST_TREES = 24
"""Trees that say whether more are worth growing."""

SMALLEST_LEAF = 5
SETTLED = 0.5
"""R2 of another route from which trees are not grown."""

MOST_TREE_FEATURES = 40
"""Features up to which trees see all others; beyond, only the ones that go with the feature by themselves."""

MOST_TREE_TARGETS = 300
MOST_CANDIDATES = 12
MOST_TREE_ROWS = 500
_ROUTES = 3
_PRODUCTS_AT_ONCE = 4096
_MOST_PRODUCTS = 50_000
_SMALLEST = 1e-300
_FEWEST_ROWS = 50
_NOT_NORMAL = 0.15
_SHARES_OF_EVEN = (1.5, 1.0, 0.5)  # importance against that of equally useless features
_ENOUGH = 0.6  # fewer columns make each tree's random cuts worse, so the same knowledge scores less


class Encoded(NamedTuple):
    """All features as standardised columns, 0 where missing.

    Attributes:
        scores: Normal scores, flags, indicators of levels; mean 0 and mean square 1; float64, (n, q).
        raw: The same with the numbers themselves, standardised, in place of normal scores; float64, (n, q).
        owner: Feature of each column, ascending; intp, (q,).
    """

    scores: Numbers
    raw: Numbers
    owner: Places


def find_redundancies(
    variables: Sequence[Variable],
    raw: Sequence[Numbers | None],
    p_value: Numbers,
    rng: np.random.Generator,
) -> tuple[Redundancy, ...]:
    """Features that follow from others.

    For f features and n rows the linear route costs O(n f^2 + f^3), products O(n f^3 / 2) up to 316 features (beyond,
    only the first 50,000 pairs are multiplied), trees one forest of 24 trees on at most 500 rows for each of at most
    MOST_TREE_TARGETS features, those first that go least with any other.

    Args:
        variables: The values of the f features, no missingness.
        raw: Numbers of each ordered feature, NaN where missing, None for others; float64, (n,).
        p_value: Of every pair by itself; float64, (f, f).
        rng: Seeds the trees.

    Returns:
        At most one per feature, the route with the largest R2, in the order of the features.
    """
    if not variables:
        return ()
    f, n = len(variables), len(variables[0].present)
    encoded = encode(variables, raw)
    if n < _FEWEST_ROWS or len(np.unique(encoded.owner)) <= 2:  # noqa: PLR2004 - a pair is not a matter of several
        return ()
    found: dict[int, Redundancy] = {}
    for one in (*_linear(encoded, p_value, f), *_levels(variables, encoded, p_value), *_products(variables)):
        if one.feature not in found or one.r_squared > found[one.feature].r_squared:
            found[one.feature] = one
    seeds = rng.integers(2**31, size=f)
    varying = np.unique(encoded.owner)
    open_ones = [one for one in varying.tolist() if one not in found or found[one].r_squared < SETTLED]
    alone = np.nanmin(np.where(np.eye(f, dtype=np.bool_), 1.0, p_value), axis=1)
    for feature in sorted(open_ones, key=lambda one: -float(alone[one]))[:MOST_TREE_TARGETS]:
        tree = _trees(variables, encoded, feature, p_value[feature], int(seeds[feature]))
        if tree is not None and (feature not in found or tree.r_squared > found[feature].r_squared):
            found[feature] = tree
    return tuple(found[feature] for feature in sorted(found))


def encode(variables: Sequence[Variable], raw: Sequence[Numbers | None]) -> Encoded:
    """Puts every feature that varies into columns."""
    scores, numbers, owner = [], [], []
    for feature, variable in enumerate(variables):
        columns = variable.linear if variable.kind != "levels" else variable.coarse
        if not columns.shape[1]:
            continue
        columns = _standardised(columns, variable.present)
        scores.append(columns)
        values = raw[feature]
        if variable.kind == "ordered" and values is not None:
            filled = np.where(variable.present, values, 0.0)[:, None]
            if np.isfinite(filled).all():  # infinities have ranks only
                columns = _standardised(filled / max(float(np.abs(filled).max()), _SMALLEST), variable.present)
        numbers.append(columns)
        owner.extend([feature] * columns.shape[1])
    n = len(variables[0].present)
    if not owner:
        return Encoded(np.zeros((n, 0)), np.zeros((n, 0)), np.zeros(0, dtype=np.intp))
    return Encoded(np.concatenate(scores, axis=1), np.concatenate(numbers, axis=1), np.array(owner, dtype=np.intp))


def _standardised(columns: Numbers, present: NDArray[np.bool_]) -> Numbers:
    n = max(int(present.sum()), 1)
    centred = (columns - columns[present].sum(axis=0) / n) * present[:, None]
    scale = np.sqrt((centred**2).sum(axis=0) / len(present))
    return np.where(scale > 0, centred / np.where(scale > 0, scale, 1.0), 0.0)


def _linear(encoded: Encoded, p_value: Numbers, f: int) -> Iterator[Redundancy]:
    n = len(encoded.scores)
    for columns in (encoded.scores, encoded.raw) if encoded.raw is not encoded.scores else (encoded.scores,):
        predicted = left_out(columns, encoded.owner, p_value)
        for feature in np.unique(encoded.owner).tolist():
            own = encoded.owner == feature
            truth, guess = encoded.scores[:, own], predicted[:, own]
            if columns is not encoded.scores:
                guess = _normal_scores(guess)
            r_squared, p = judged(truth, guess, n)
            p = min(p * f * _ROUTES, 1.0)
            if r_squared >= LEAST_R_SQUARED and p <= CHANCE:
                predictors = strongest_predictors(columns, encoded.owner, feature, r_squared)
                if predictors:
                    yield Redundancy(
                        feature=feature, predictors=predictors, r_squared=r_squared, p_value=p, route=Route.LINEAR
                    )


def _levels(variables: Sequence[Variable], encoded: Encoded, p_value: Numbers) -> Iterator[Redundancy]:
    """Features that follow from one category: the mean of the other rows of the same level.

    How a prediction goes with the truth is no test here, for two rows of a level predict each other. The pair's own
    test is, corrected for all pairs.
    """
    f = len(variables)
    corrected = np.nan_to_num(p_value, nan=1.0) * (f * (f - 1) / 2 * _ROUTES)
    for place, category in enumerate(variables):
        if category.kind != "levels":
            continue
        columns = np.flatnonzero((corrected[place][encoded.owner] <= CHANCE) & (encoded.owner != place))
        truth = encoded.scores[:, columns]
        guess = others_of_level(category.codes, truth)
        for feature in np.unique(encoded.owner[columns]).tolist():
            own = encoded.owner[columns] == feature
            left = float(((truth[:, own] - guess[:, own]) ** 2).sum())
            r_squared = 1.0 - left / max(float((truth[:, own] ** 2).sum()), _SMALLEST)
            if r_squared >= LEAST_R_SQUARED:
                p = float(corrected[place, feature])
                yield Redundancy(
                    feature=feature, predictors=(place,), r_squared=r_squared, p_value=p, route=Route.LINEAR
                )


def others_of_level(codes: Places, columns: Numbers) -> Numbers:
    """Mean of each column over the other rows of a row's level; 0 without others or a level; float64, (n, q).

    Args:
        codes: Level of each row, -1 where missing; intp, (n,).
        columns: float64, (n, q).
    """
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    found = np.zeros_like(columns)
    if not len(order):
        return found
    _, starts, at, counts = np.unique(codes[order], return_index=True, return_inverse=True, return_counts=True)
    sums = np.add.reduceat(columns[order], starts, axis=0)
    others = (counts - 1)[at][:, None]
    found[order] = np.where(others > 0, (sums[at] - columns[order]) / np.maximum(others, 1), 0.0)
    return found


def judged(truth: Numbers, guess: Numbers, n: int) -> tuple[float, float]:
    """R2 of predictions for left-out rows, and the chance that independent predictions correlate so well.

    Args:
        truth: Standardised target, one or more columns; float64, (n, t).
        guess: Predictions; float64, (n, t).
        n: Rows.
    """
    left = ((truth - guess) ** 2).sum()
    r_squared = 1.0 - float(left / max(float((truth**2).sum()), _SMALLEST))
    a, b = truth - truth.mean(axis=0), guess - guess.mean(axis=0)
    scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    r = np.where(scale > 0, (a * b).sum(axis=0) / np.where(scale > 0, scale, 1.0), 0.0)
    p = np.where(r > 0, correlation_tail(r, np.full(len(r), float(n))) / 2.0, 1.0)
    best = int(p.argmin())
    smallest = _checked(float(p[best]), a[:, best], b[:, best])
    return min(r_squared, 1.0), min(smallest * len(r), 1.0)


def _checked(p: float, one: Numbers, other: Numbers) -> float:
    """A tail of the correlation of two centred columns, worked out anew where rare large values make it wrong."""
    if p > CHANCE:
        return p
    n = len(one)
    heavy = _excess(one) * _excess(other) / n > _NOT_NORMAL
    skewed = abs(_skew(one) * _skew(other)) / n**0.5 > _NOT_NORMAL
    if not (heavy or skewed):
        return p
    return max(p, paired_sum_tail(float(one @ other), spread_of(one), spread_of(other)))


def _normal_scores(values: Numbers) -> Numbers:
    """Each column by its ranks, standardised: a prediction on the scale of the scores."""
    from scipy.special import ndtri  # noqa: PLC0415 - heavy: loaded when used

    ranks = np.argsort(np.argsort(values, axis=0, kind="stable"), axis=0, kind="stable") + 1.0
    scores = ndtri(ranks / (len(values) + 1.0))
    return np.asarray(scores / np.sqrt((scores**2).mean(axis=0)))


def _products(variables: Sequence[Variable]) -> Iterator[Redundancy]:
    """The best product of two ranks for each feature, if it is good enough."""
    scored = [i for i, variable in enumerate(variables) if variable.kind in {"ordered", "flag"}]
    if len(scored) < 3:  # noqa: PLR2004 - a target and two factors
        return
    n = len(variables[0].present)
    factors = np.stack([_centred_ranks(variables[i]) for i in scored], axis=1)
    targets = np.concatenate([_standardised(variables[i].linear, variables[i].present) for i in scored], axis=1)
    one, other = np.triu_indices(len(scored), 1)
    one, other = one[:_MOST_PRODUCTS], other[:_MOST_PRODUCTS]
    best, which = np.zeros(len(scored)), np.zeros(len(scored), dtype=np.intp)
    for start in range(0, len(one), _PRODUCTS_AT_ONCE):
        a, b = one[start : start + _PRODUCTS_AT_ONCE], other[start : start + _PRODUCTS_AT_ONCE]
        products = factors[:, a] * factors[:, b]
        products -= products.mean(axis=0)
        scale = np.sqrt((products**2).mean(axis=0))
        r = np.abs(targets.T @ products) / n / np.where(scale > 0, scale, np.inf)
        places = np.arange(len(a))
        r[a, places] = r[b, places] = 0.0
        top = r.argmax(axis=1)
        better = r[np.arange(len(scored)), top] > best
        best = np.where(better, r[np.arange(len(scored)), top], best)
        which = np.where(better, top + start, which)
    tried = len(scored) * (len(scored) - 1) * (len(scored) - 2) / 2
    for target, place in enumerate(which):
        squared = 1.0 - (1.0 - min(best[target], 1.0) ** 2) * (n - 1.0) / (n - 2.0)
        if squared < LEAST_R_SQUARED:
            continue
        product = factors[:, one[place]] * factors[:, other[place]]
        p = _product_tail(targets[:, target], product - product.mean(), n)
        p = min(p * tried, 1.0)
        if p <= CHANCE / _ROUTES:
            pair = tuple(sorted((scored[one[place]], scored[other[place]])))
            yield Redundancy(
                feature=scored[target],
                predictors=pair,
                r_squared=float(squared),
                p_value=min(p * _ROUTES, 1.0),
                route=Route.PRODUCT,
            )


def _product_tail(target: Numbers, product: Numbers, n: int) -> float:
    centred = target - target.mean()
    scale = float(np.sqrt((centred**2).sum() * (product**2).sum()))
    r = np.array([float(centred @ product) / scale])
    return _checked(float(correlation_tail(r, np.array([float(n)]))[0]), centred, product)


def _excess(values: Numbers) -> float:
    return float(((values - values.mean()) ** 4).mean() / values.var() ** 2) - 3.0


def _skew(values: Numbers) -> float:
    return float(((values - values.mean()) ** 3).mean() / values.var() ** 1.5)


def _centred_ranks(variable: Variable) -> Numbers:
    """Mid ranks about their middle, 0 where missing; float64, (n,)."""
    counts = np.bincount(variable.codes[variable.present], minlength=variable.n_levels)
    ranks = mid_ranks(counts)
    middle = (counts @ ranks) / counts.sum()
    return np.where(variable.present, ranks[np.maximum(variable.codes, 0)] - middle, 0.0)


def _trees(
    variables: Sequence[Variable], encoded: Encoded, feature: int, p_value: Numbers, seed: int
) -> Redundancy | None:
    f = len(variables)
    rows = np.flatnonzero(variables[feature].present)[:MOST_TREE_ROWS]
    if len(rows) < _FEWEST_ROWS:
        return None
    truth = encoded.scores[np.ix_(rows, encoded.owner == feature)]
    candidates = np.setdiff1d(np.unique(encoded.owner), [feature])
    if f > MOST_TREE_FEATURES:
        likely = np.nan_to_num(p_value[candidates], nan=1.0)
        strongest = np.argsort(likely, kind="stable")[:MOST_CANDIDATES]
        candidates = candidates[strongest[likely[strongest] <= LIKELY]]
    if not len(candidates):
        return None

    def grown(some: Places, n_trees: int) -> tuple[float, float, Numbers]:
        columns = np.flatnonzero(np.isin(encoded.owner, some))
        guess, importance = _forest(encoded.scores[np.ix_(rows, columns)], truth, seed, n_trees)
        r_squared, p = judged(truth, guess, len(rows))
        by_feature = [importance[encoded.owner[columns] == one].sum() for one in some]
        return r_squared, min(p * f * _ROUTES, 1.0), np.array(by_feature)

    if grown(candidates, N_FIRST_TREES)[1] > CHANCE:
        return None
    r_squared, p, importance = grown(candidates, N_TREES)
    if r_squared < LEAST_R_SQUARED or p > CHANCE:
        return None
    kept = _sources(candidates, importance, p_value, lambda some: grown(some, N_TREES)[0] >= _ENOUGH * r_squared)
    return Redundancy(
        feature=feature,
        predictors=tuple(sorted(kept.tolist())),
        r_squared=r_squared,
        p_value=p,
        route=Route.TREES,
    )


def _sources(candidates: Places, importance: Numbers, p_value: Numbers, suffices: Callable[[Places], bool]) -> Places:
    """Those candidates that know what all of them know together.

    Trees split on columns of noise too, most of all on categories with many levels. So a candidate that goes with the
    feature in no pair is a source only if the others cannot do without it, as of parity and products.
    """
    for share in _SHARES_OF_EVEN:
        kept = candidates[importance >= min(share / len(candidates), float(importance.max()))]
        if suffices(kept):
            break
    doubtful = kept[np.nan_to_num(p_value[kept], nan=1.0) > CHANCE]
    weakest_first = np.argsort(importance[np.searchsorted(candidates, doubtful)], kind="stable")
    for one in doubtful[weakest_first]:
        others = np.setdiff1d(kept, [one])
        if len(others) and suffices(others):
            kept = others
    return kept


def _forest(columns: Numbers, truth: Numbers, seed: int, n_trees: int) -> tuple[Numbers, Numbers]:
    """Out-of-bag predictions, float64 like `truth`, and the importance of each column."""
    from sklearn.ensemble import ExtraTreesRegressor  # noqa: PLC0415 - heavy: loaded when used

    forest = ExtraTreesRegressor(
        n_estimators=n_trees,
        min_samples_leaf=SMALLEST_LEAF,
        max_features=1.0,
        bootstrap=True,
        oob_score=_no_score,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # One row in 60,000 is in every one of 24 samples; its prediction is 0, the mean.
        warnings.filterwarnings("ignore", message="Some inputs do not have OOB scores", category=UserWarning)
        forest.fit(columns, truth[:, 0] if truth.shape[1] == 1 else truth)
    guess = np.asarray(forest.oob_prediction_, dtype=np.float64).reshape(truth.shape)
    return guess, np.asarray(forest.feature_importances_, dtype=np.float64)


def _no_score(_truth: Numbers, _guess: Numbers) -> float:
    """Stands in for scikit-learn's own score, which is not used and fails where a target does not vary."""
    return 0.0
