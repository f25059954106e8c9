"""The study of association: which features go together, how strongly, and in which sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.structure.association_pairs import FEWEST_ROWS, LINEAR_WEIGHT, screen
from xaisvc.structure.clusters import average_linkage, linked_sets
from xaisvc.structure.ranks import variables_of
from xaisvc.structure.redundancy import find_redundancies
from xaisvc.types.association import Association, Power
from xaisvc.types.schema import BundleDescription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.structure.association_pairs import Screened
    from xaisvc.types.schema import Feature
    from xaisvc.types.table import Table

FAMILY_ERROR = 0.01
"""Chance that any pair of an independent table is linked."""

LEAST_EFFECT = 0.05
"""Strength below which dependence is too weak to matter, however many rows prove it."""

FULL_ROWS = 500
STRONG_ONLY_ROWS = 150

MOST_ROWS = 5000
MOST_CELLS = 400_000
"""Rows times features that are studied: what is beyond is left out, evenly over the table."""

_POWER_QUANTILE = 1.6449  # 95 of 100 normal values are above minus this


def study_association(
    table: Table, description: BundleDescription | Sequence[Feature] | Sequence[str], rng: np.random.Generator
) -> Association:
    """How the features of a background go together.

    Every pair is tested for any dependence (values and where they are missing), every feature for being determined by
    several others; what belongs together forms sets. Rows beyond MOST_ROWS, or beyond MOST_CELLS / f, are left out
    evenly. Cost for n rows and f features: the pairs O(n (7 f)^2), for 300 features and 1,000 rows below one second;
    redundancy see `find_redundancies`.

    Args:
        table: The background.
        description: Features in the order of the result; columns of the table beyond them are not studied.
        rng: Seeds what is random (trees, which rows are left out); the same generator state gives the same result.

    Returns:
        The association; with fewer than 50 rows it says that it cannot tell.
    """
    if isinstance(description, BundleDescription):
        names = description.feature_ids
    else:
        names = tuple(one if isinstance(one, str) else one.id for one in description)
    f = len(names)
    seed_rng = np.random.default_rng(rng.integers(2**63))
    most = int(min(MOST_ROWS, max(MOST_CELLS // max(f, 1), FULL_ROWS)))
    if len(table) > most:
        table = table.take(np.sort(seed_rng.permutation(len(table))[:most]))
    n = len(table)
    variables = variables_of(table, names)
    present = np.ones(n, dtype=np.bool_)
    for variable in variables[:f]:
        present &= variable.present
    pairs = screen(variables, f)
    p_value, linked = link(pairs)
    apart = pairs.n[np.triu_indices(f, 1)]
    typical = int(np.median(apart)) if len(apart) else n
    raw = [_numbers(table, name) for name in names]
    redundancies = find_redundancies(variables[:f], raw, pairs.p_value, seed_rng)
    edges = [(found.feature, other) for found in redundancies for other in found.predictors]
    clusters, between = linked_sets(linked, pairs.effect, edges)
    return Association(
        features=names,
        effect=pairs.effect,
        p_value=p_value,
        linked=linked,
        by_missingness=pairs.by_missingness & linked,
        redundancies=redundancies,
        clusters=clusters,
        merges=average_linkage(pairs.effect),
        between=between,
        n_rows=n,
        n_complete=int(present.sum()),
        power=power_of(typical),
        detectable=detectable(typical, f),
    )


def link(pairs: Screened) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Corrected p-values and which pairs are linked, itself included; float64 and bool, symmetric (f, f)."""
    p_value = holm(pairs.p_value)
    linked = (p_value <= FAMILY_ERROR) & (pairs.effect >= LEAST_EFFECT)
    np.fill_diagonal(linked, val=True)
    return p_value, linked


def holm(p_value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's correction of the p-values of all pairs.

        p_(i) -> max_{j <= i} min(1, (m - j + 1) p_(j))

    Args:
        p_value: NaN for pairs that were not tested, they do not count; float64, symmetric (f, f).

    Returns:
        Symmetric, 0 on the diagonal; float64, (f, f).

    Source: Holm, S. (1979), A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6, 65-70.
    """
    f = len(p_value)
    one, other = np.triu_indices(f, 1)
    alone = p_value[one, other]
    tested = np.flatnonzero(~np.isnan(alone))
    order = tested[np.argsort(alone[tested], kind="stable")]
    m = len(order)
    corrected = np.full(len(alone), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(alone[order] * (m - np.arange(m))), 1.0)
    found = np.zeros((f, f))
    found[one, other] = found[other, one] = corrected
    return found


def power_of(n: int) -> Power:
    """What n rows let the study see."""
    if n >= FULL_ROWS:
        return Power.FULL
    if n >= STRONG_ONLY_ROWS:
        return Power.REDUCED
    return Power.STRONG_ONLY if n >= FEWEST_ROWS else Power.CANNOT_TELL


def detectable(n: int, f: int) -> float:
    """Smallest correlation of normal columns found in 95 of 100 tables, by Fisher's z; 1 with fewer than 50 rows."""
    from scipy.special import ndtri  # noqa: PLC0415 - heavy: loaded when used

    pairs = max(f * (f - 1) / 2, 1)
    if n < FEWEST_ROWS:
        return 1.0
    threshold = -float(ndtri(FAMILY_ERROR * LINEAR_WEIGHT / pairs / 2))
    return float(np.tanh((threshold + _POWER_QUANTILE) / np.sqrt(n - 3)))


def _numbers(table: Table, name: str) -> NDArray[np.float64] | None:
    values = table.columns[name]
    return None if values.dtype == np.object_ else cast("NDArray[np.float64]", values)
