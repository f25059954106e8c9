"""Whether mixtures of two background rows by players, not by single features, could be real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.copula import Places
from xaisvc.structure.support import MAX_ROWS, MIN_ROWS
from xaisvc.structure.support_density import choose_form
from xaisvc.structure.support_hybrids import Mixed, compare, score_by_classifier, score_by_density
from xaisvc.types.support import Hybrids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.types.table import Table


def study_player_hybrids(table: Table, members: Sequence[Sequence[str]], rng: np.random.Generator) -> Hybrids:
    """As the hybrids of `study_support`, for hybrids that take whole players from either row.

    Values of p players average over such rows, and no others: features that go together and belong to one player stay
    together in all of them.

    Args:
        table: The background, b rows; of more than 2,000, that many drawn at random are studied.
        members: Feature ids of each player; every feature of the table belongs to one.
        rng: Draws folds, hybrids and resamples; the same generator state gives the same result.

    Returns:
        What can be told; `unreal` is None with fewer than 100 rows. One player mixes nothing.
    """
    whole = Places.of(table)
    n = len(whole.values)
    if n > MAX_ROWS:
        kept = np.sort(rng.permutation(n)[:MAX_ROWS])
        whole = Places(whole.values[kept], whole.categories, whole.levels)
    if n < MIN_ROWS:
        return Hybrids.unknown()
    if len(members) < 2:  # noqa: PLR2004 - every hybrid is a real row
        return Hybrids.none()
    place = {name: i for i, name in enumerate(table.feature_ids)}
    owners = np.empty(len(place), dtype=np.intp)
    for player, names in enumerate(members):
        owners[[place[name] for name in names]] = player
    drawn = Mixed.draw(len(whole.values), len(members), rng)
    mixed = Mixed(drawn.fold, drawn.partner, drawn.own[:, :, owners])
    scored = score_by_density(whole, choose_form(whole), mixed)
    return compare(scored, score_by_classifier(whole, mixed, rng), rng)
