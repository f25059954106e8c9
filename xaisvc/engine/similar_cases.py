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


def similar_cases(
    loaded: LoadedBundle,
    table: Table,
    *,
    k: int = 3,
    values: NDArray[np.float64] | None = None,
    players: Players | None = None,
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

    Returns:
        What was found; None if the bundle brings no closed cases.

    Raises:
        InvalidRequestError: If `k` is out of bounds.
        InvalidInputError: If `values` does not fit the rows.
    """
    bundle = loaded.bundle
    if bundle.cases is None:
        return None
    cases = bundle.cases
    index = loaded.once(("similar_cases",), lambda: CaseIndex(bundle.description, cases))
    weights = None if values is None else feature_weights(bundle.description.feature_ids, values, players)
    return index.nearest(table, k=k, weights=weights)


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
