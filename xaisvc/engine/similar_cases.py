"""The closed cases of a bundle that are most like the rows being explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.similar_cases import CaseIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.types import Players, Table
    from xaisvc.types.outcomes import SimilarCases


def similar_cases(  # noqa: PLR0913 - what is near, to what, and by which features, each by name
    loaded: LoadedBundle,
    table: Table,
    *,
    k: int = 3,
    values: NDArray[np.float64] | None = None,
    players: Players | None = None,
    features: tuple[str, ...] | None = None,
) -> SimilarCases | None:
    """Finds the k nearest closed cases of either outcome for each row; `CaseIndex` says what near means.

    Args:
        loaded: The bundle on its device.
        table: n validated rows.
        k: Cases of each outcome for each row.
        values: Attributions of the rows; float64, (n, number of players). With them a feature counts as much as the
            size of its attribution, so that the cases found are alike in what moved the model; without them all
            features count the same.
        players: Whose attributions these are; a group's share is split evenly among its features.
        features: Ids of the features that count, in the order of the schema: those that a reader may see. A group that
            holds others too counts for none of them. All features if None.

    Returns:
        What was found, with parts and weights of the features that count; None if the bundle brings no closed cases, or
        no feature counts.

    Raises:
        InvalidRequestError: If `k` is out of bounds.
        InvalidInputError: If `values` does not fit the rows.
    """
    bundle = loaded.bundle
    names = bundle.description.feature_ids if features is None else features
    if bundle.cases is None or not names:
        return None
    cases = bundle.cases
    index = loaded.once(("similar_cases", names), lambda: CaseIndex(bundle.description, cases, names))
    weights = None
    if values is not None:
        weights = feature_weights(bundle.description.feature_ids, _known(values, players, names), players)
        places = [bundle.description.feature_ids.index(name) for name in names]
        weights = np.ascontiguousarray(weights[:, places])  # sums must not depend on how the numbers lie in memory
    return index.nearest(table, k=k, weights=weights)


def _known(values: NDArray[np.float64], players: Players | None, names: tuple[str, ...]) -> NDArray[np.float64]:
    """The attributions, without those of groups that hold a feature that does not count."""
    if players is None:
        return values
    counting = set(names)
    return values * np.array([counting.issuperset(members) for members in players.members], dtype=np.float64)


def feature_weights(
    feature_ids: tuple[str, ...], values: NDArray[np.float64], players: Players | None
) -> NDArray[np.float64]:
    """Sizes of attributions, feature by feature.

    Args:
        feature_ids: The p features in the order of the schema.
        values: Attributions; float64, (n, number of players).
        players: Whose they are; features in the order of the schema if None.

    Returns:
        |attribution| of the feature's player, divided by how many features that player has; float64, (n, p).
    """
    if players is None:
        return np.abs(values)
    owners = np.array([players.owner(feature_id) for feature_id in feature_ids])
    sizes = np.array([len(players.members[owner]) for owner in owners], dtype=np.float64)
    return np.asarray(np.abs(values)[:, owners] / sizes, dtype=np.float64)
