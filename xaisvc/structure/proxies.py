"""Proxies: which features tell a protected attribute that the model was not given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import InvalidInputError
from xaisvc.structure.copula import Places, fit_margins, scores_of
from xaisvc.types.proxies import Proxies, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types.table import Table

MIN_ROWS = 200
MIN_GROUP = 20
MAX_ROWS = 5000
MAX_GROUPS = 12
MAX_VALUES = 10
"""A protected number with more different values is cut at its terciles."""
FOLDS = 5
LEVEL = 0.005
"""Chance of any proxy at all where nothing tells the attribute, by design: the target is 0.01."""
WIDER = 1.15
"""Spread of cross-fitted areas over that of Mann and Whitney."""
MIN_AREA = 0.55
MIN_SHARE = 0.05
BINS = 8
PRODUCTS = 3
RIDGE = 0.05
TREES, MOST_TRIED = 60, 20


def study_proxies(  # noqa: PLR0913 - what is known besides the rows differs from bank to bank
    table: Table,
    protected: NDArray[np.float64] | NDArray[np.object_],
    rng: np.random.Generator,
    *,
    attribute: str = "protected",
    clusters: Sequence[tuple[str, ...]] = (),
    importance: Mapping[str, float] | None = None,
    score: NDArray[np.float64] | None = None,
) -> Proxies:
    """How well each feature, each cluster, all features and the score tell a protected attribute.

    Each is asked in several ways, five-fold cross-fitted, and the area under the ROC curve is averaged over folds. A
    feature: a linear discriminant on its normal score z and z^2, and smoothed rates in eight bins or for each level. A
    set: a ridge discriminant on all z and z^2, one on the three products z_j z_k that go best with the group, and
    extremely randomised trees (Geurts, Ernst and Wehenkel 2006). An area counts if its Mann-Whitney p-value, with a
    standard error 1.15 times as large, is below 0.005 over all ways, sources and groups together, and the area is at
    least 0.55.

    Of more than 5,000 rows, 5,000 drawn at random are used. About 0.6 s per group with 300 rows and 20 features; trees
    are grown once for each set and group. O(p^2) memory for products.

    Args:
        table: n rows of p features.
        protected: The attribute for the same rows: texts with None for unknown, or numbers with NaN; (n,). Numbers with
            more than ten different values are cut at their terciles.
        rng: Draws folds and trees.
        attribute: Name of the attribute.
        clusters: Sets of features to ask together.
        importance: Feature id to mean absolute attribution; None if not known.
        score: The model's output for the rows; float64, (n,).

    Returns:
        What tells the attribute. With fewer than 200 known rows, or fewer than two groups of at least 20, nothing but a
        `refusal` that says why.

    Raises:
        InvalidInputError: If `protected` or `score` has not one value for each row, or a cluster names an unknown
            feature.
    """
    _check(table, protected, clusters, score)
    known, group = _groups(protected)
    rows = np.flatnonzero(known)
    counts = {name: int((group[rows] == name).sum()) for name in sorted(set(group[rows].tolist()))}
    small = tuple(name for name, count in counts.items() if count < MIN_GROUP)
    large = sorted((name for name in counts if name not in small), key=lambda name: (-counts[name], name))[:MAX_GROUPS]
    refusal = ""
    if len(rows) < MIN_ROWS:
        refusal = f"{attribute} is known for {len(rows)} rows; at least {MIN_ROWS} are needed to find proxies of it"
    elif len(large) < 2:  # noqa: PLR2004 - nothing to tell apart
        refusal = f"{attribute} needs at least two groups of {MIN_GROUP} rows each to find proxies of it"
    if refusal:
        return _nothing(attribute, len(rows), counts, small, refusal)
    if len(rows) > MAX_ROWS:
        rows = np.sort(rows[rng.permutation(len(rows))[:MAX_ROWS]])
    labels = {name: group[rows] == name for name in (large[:1] if len(counts) == 2 else large)}  # noqa: PLR2004 - who tells one tells both
    study = _Study.of(
        table.take(rows), labels, rng, len(labels) * (2 * len(table.feature_ids) + 3 * (len(clusters) + 1) + 1)
    )
    share = _shares(table.feature_ids, importance)
    features = [
        study.proxy(name, (name,), [study.discriminant((j,)), study.rates(j)], share)
        for j, name in enumerate(table.feature_ids)
    ]
    place = {name: j for j, name in enumerate(table.feature_ids)}
    sets = [
        study.proxy(", ".join(cluster), tuple(cluster), study.ways(tuple(place[name] for name in cluster), rng), share)
        for cluster in clusters
    ]
    everything = tuple(range(len(place)))
    together = study.proxy("all features", table.feature_ids, study.ways(everything, rng), share) if place else None
    by_score = None
    if score is not None:
        by_score = study.proxy("score", (), [study.given(np.asarray(score, dtype=np.float64)[rows])], {})
    return Proxies(
        attribute=attribute,
        rows=int(known.sum()),
        groups=tuple((name, counts[name]) for name in large),
        too_small=small,
        features=tuple(sorted(features, key=lambda one: (-one.area, one.source))),
        clusters=tuple(sorted(sets, key=lambda one: (-one.area, one.source))),
        together=together,
        score=by_score,
        refusal="",
    )


def _check(
    table: Table,
    protected: NDArray[np.float64] | NDArray[np.object_],
    clusters: Sequence[tuple[str, ...]],
    score: NDArray[np.float64] | None,
) -> None:
    if len(protected) != len(table):
        raise InvalidInputError(
            f"{len(protected)} values of the protected attribute for {len(table)} rows: give one for each row"
        )
    if score is not None and len(score) != len(table):
        raise InvalidInputError(f"{len(score)} scores for {len(table)} rows: give one for each row")
    unknown = sorted({name for cluster in clusters for name in cluster} - set(table.feature_ids))
    if unknown:
        raise InvalidInputError(f"clusters name features that the table has not: {', '.join(unknown)}")


def _groups(protected: NDArray[np.float64] | NDArray[np.object_]) -> tuple[NDArray[np.bool_], NDArray[np.object_]]:
    """Which rows are known, and the group of each."""
    if protected.dtype == np.object_:
        texts = protected.tolist()
        known = np.array([isinstance(text, str) for text in texts], dtype=bool)
        return known, np.array([str(text) for text in texts], dtype=object)
    numbers = protected.astype(np.float64)
    known = np.isfinite(numbers)
    own = numbers[known]
    if len(np.unique(own)) <= MAX_VALUES:
        return known, np.array([f"{value:g}" for value in numbers.tolist()], dtype=object)
    low, high = np.quantile(own, [1 / 3, 2 / 3])
    names = [
        f"up to {low:g}" if value <= low else f"above {high:g}" if value > high else f"above {low:g} to {high:g}"
        for value in numbers.tolist()
    ]
    return known, np.array(names, dtype=object)


def _nothing(attribute: str, rows: int, counts: Mapping[str, int], small: tuple[str, ...], refusal: str) -> Proxies:
    return Proxies(
        attribute=attribute,
        rows=rows,
        groups=tuple((name, count) for name, count in counts.items() if name not in small),
        too_small=small,
        features=(),
        clusters=(),
        together=None,
        score=None,
        refusal=refusal,
    )


def _shares(features: tuple[str, ...], importance: Mapping[str, float] | None) -> dict[str, float]:
    if importance is None:
        return {}
    size = {name: abs(importance.get(name, 0.0)) for name in features}
    total = sum(size.values())
    return {name: value / total if total > 0 else 0.0 for name, value in size.items()}


@dataclass(frozen=True, slots=True)
class _Study:
    """Rows, groups and folds.

    Attributes:
        places: The rows as numbers.
        scores: Their normal scores; float64, (n, p).
        labels: Group to which rows are of it; bool, (n,).
        folds: Fold of each row, alike in each group; intp, (n,).
        tests: Number of areas that are looked at.
    """

    places: Places
    scores: NDArray[np.float64]
    labels: dict[str, NDArray[np.bool_]]
    folds: NDArray[np.intp]
    tests: int

    @classmethod
    def of(cls, table: Table, labels: dict[str, NDArray[np.bool_]], rng: np.random.Generator, tests: int) -> _Study:
        places = Places.of(table)
        order = rng.permutation(len(table))
        code = np.zeros(len(table), dtype=np.intp)
        for i, label in enumerate(labels.values()):
            code[label] = i + 1
        folds = np.empty(len(table), dtype=np.intp)
        folds[order[np.argsort(code[order], kind="stable")]] = np.arange(len(table)) % FOLDS
        return cls(places, scores_of(fit_margins(places), places.values), labels, folds, tests)

    def proxy(
        self, source: str, features: tuple[str, ...], ways: list[dict[str, float]], share: Mapping[str, float]
    ) -> Proxy:
        """The strongest of some ways to tell any group."""
        from scipy.special import ndtr  # noqa: PLC0415 - heavy: loaded when used

        best = ("", 0.0, 1.0, -np.inf)
        for areas in ways:
            for name, area in areas.items():
                label = self.labels[name]
                own, others = int(label.sum()), int((~label).sum())
                error = WIDER * float(np.sqrt((own + others + 1) / (12 * own * others)))
                best = max(best, (name, area, error, (area - 0.5) / error), key=lambda one: one[3])
        name, area, error, strength = best
        p_value = min(1.0, float(ndtr(-strength)) * len(ways) * len(self.labels))
        part = float(sum(share[feature] for feature in features)) if share and features else float("nan")
        tells = float(ndtr(-strength)) * self.tests < LEVEL and area >= MIN_AREA
        return Proxy(
            source=source,
            features=features,
            group=name,
            area=area,
            area_error=error,
            p_value=p_value,
            share=part,
            tells=tells,
            matters=tells and not part < MIN_SHARE,
        )

    def ways(self, members: tuple[int, ...], rng: np.random.Generator) -> list[dict[str, float]]:
        """The ways in which a set of features is asked."""
        return [self.discriminant(members), self.products(members), self.trees(members, rng)]

    def given(self, score: NDArray[np.float64]) -> dict[str, float]:
        """Areas of a score as it is, in whichever direction is larger."""
        return {name: max(_area(score, label), _area(-score, label)) for name, label in self.labels.items()}

    def discriminant(self, members: tuple[int, ...]) -> dict[str, float]:
        """Areas of a ridge discriminant on scores, their squares and what is missing."""
        z = self.scores[:, members]
        missing = np.isnan(self.places.values[:, members])
        gaps = missing[:, missing.any(axis=0) & ~missing.all(axis=0)].astype(np.float64)
        design = np.column_stack([z, z**2, gaps])
        return {
            name: self._mean_area(label, lambda fit, test, own: _discriminant(design[fit], own, design[test]))
            for name, label in self.labels.items()
        }

    def products(self, members: tuple[int, ...]) -> dict[str, float]:
        """Areas of a ridge discriminant on the products of two scores that go best with the group."""
        z = self.scores[:, members]
        one, other = np.triu_indices(len(members), 1)
        if not len(one):
            return {}

        def score(fit: NDArray[np.bool_], test: NDArray[np.bool_], own: NDArray[np.bool_]) -> NDArray[np.float64]:
            strength = np.abs((z[fit] * (own - own.mean())[:, None]).T @ z[fit])[one, other]
            top = np.argsort(-strength, kind="stable")[:PRODUCTS]
            design = z[:, one[top]] * z[:, other[top]]
            return _discriminant(design[fit], own, design[test])

        return {name: self._mean_area(label, score) for name, label in self.labels.items()}

    def _mean_area(
        self,
        label: NDArray[np.bool_],
        score: Callable[[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.float64]],
    ) -> float:
        """Area of a score that is fitted to the other folds, averaged over folds.

        Args:
            label: Which rows are of the group; bool, (n,).
            score: Scores of the rows under test, from the rows to fit, those under test, and the labels of the former.
        """
        areas = []
        for k in range(FOLDS):
            test = self.folds == k
            areas.append(_area(score(~test, test, label[~test]), label[test]))
        return float(np.mean(areas))

    def rates(self, member: int) -> dict[str, float]:
        """Areas of the smoothed rate of a group in bins of one feature, or at its levels."""
        values = self.places.values[:, member]
        code = np.zeros(len(values), dtype=np.intp)
        known = ~np.isnan(values)
        if self.places.categories[member]:
            code[known] = 1 + values[known].astype(np.intp)
        elif known.any():
            edges = np.unique(np.quantile(values[known], np.arange(1, BINS) / BINS))
            code[known] = 1 + np.searchsorted(edges, values[known], "right")
        size = int(code.max()) + 1

        def score(fit: NDArray[np.bool_], test: NDArray[np.bool_], own: NDArray[np.bool_]) -> NDArray[np.float64]:
            count = np.bincount(code[fit], minlength=size)
            hits = np.bincount(code[fit], own, minlength=size)
            return np.asarray(((hits + 2 * own.mean()) / (count + 2))[code[test]])

        return {name: self._mean_area(label, score) for name, label in self.labels.items()}

    def trees(self, members: tuple[int, ...], rng: np.random.Generator) -> dict[str, float]:
        """Areas of extremely randomised trees on scores."""
        from sklearn.ensemble import ExtraTreesClassifier  # noqa: PLC0415 - heavy: loaded when used

        z = self.scores[:, members]
        seed = int(rng.integers(2**31))
        tried = max(1, min(len(members) // 2, MOST_TRIED))

        def score(fit: NDArray[np.bool_], test: NDArray[np.bool_], own: NDArray[np.bool_]) -> NDArray[np.float64]:
            model = ExtraTreesClassifier(TREES, min_samples_leaf=5, max_features=tried, random_state=seed, n_jobs=1)
            return np.asarray(model.fit(z[fit], own).predict_proba(z[test])[:, 1])

        return {name: self._mean_area(label, score) for name, label in self.labels.items()}


def _discriminant(fit: NDArray[np.float64], label: NDArray[np.bool_], test: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores of a linear discriminant with a ridge; float64, (t,)."""
    mean, spread = fit.mean(axis=0), fit.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    centred = (fit - mean) / scale
    difference = centred[label].mean(axis=0) - centred[~label].mean(axis=0)
    covariance = centred.T @ centred / len(centred)
    strength = RIDGE + covariance.shape[0] / len(centred)  # as many columns as rows: as much ridge as variance
    covariance[np.diag_indices(len(covariance))] += strength
    return np.asarray((test - mean) / scale @ np.linalg.solve(covariance, difference))


def _area(score: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    """Probability that a row of the group scores higher than one of the others, ties counted half."""
    others = np.sort(score[~label])
    own = score[label]
    if not len(own) or not len(others):
        return 0.5
    below = np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")
    return float(below.mean() / (2 * len(others)))
