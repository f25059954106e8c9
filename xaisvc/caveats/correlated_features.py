"""Credit shared between features that move together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding
from xaisvc.caveats.coverage import LinkedSets
from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.caveats.base import CaveatContext

CARE_ASSOCIATION = 0.7
INFO_ASSOCIATION = 0.5
MATERIAL_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class CorrelatedFeatures:
    """Speaks when two players hold associated features and at least one of them has material credit.

    How the model divides weight between facts that move together is an accident of training as much as a property of
    the world, so what the linked players do together says more than its parts. Players are linked when the strongest
    association between their features reaches `INFO_ASSOCIATION`; linked players, also in a chain, form one caveat.
    """

    kind: str = "correlated_features"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding per set of linked players, for the rows where it has material credit; see `CaveatRule.find`."""
        sets = _kept_sets(context)
        if not sets:
            return ()
        shares = context.shares()
        return tuple(
            Finding(
                shares[:, component].max(axis=1) >= MATERIAL_SHARE,
                self._caveats(context, component, association),
            )
            for component, association in sets
        )

    def _caveats(self, context: CaveatContext, component: list[int], association: float) -> Callable[[int], Caveat]:
        """What is said of a row: the same for all but for its numbers, so that it is put into words once."""
        names = tuple(context.players.names[i] for i in component)
        severity = Severity.CARE if association >= CARE_ASSOCIATION else Severity.INFO
        message = (
            f"{', '.join(names)} are associated in the background (strongest association {association:.2f}), so "
            "how credit is divided between them is not reliable; explain them as one player to see what they do "
            "together"
        )
        sums = context.attribution.values[:, component].sum(axis=1).tolist()

        def caveat(row: int) -> Caveat:
            evidence = {"association": association, "sum_of_values": sums[row]}
            return Caveat(kind=self.kind, severity=severity, players=names, message=message, evidence=evidence)

        return caveat


def _kept_sets(context: CaveatContext) -> tuple[tuple[list[int], float], ...]:
    """The sets of linked players, worked out again only for another bundle or other players."""
    kept, members = context.coverage.linked, context.players.members
    found = kept.get(context.players.kind)
    if found is None or found.association is not context.association or found.members != members:
        found = LinkedSets(association=context.association, members=members, sets=tuple(_linked_sets(context)))
        kept[context.players.kind] = found
    return found.sets


def _linked_sets(context: CaveatContext) -> list[tuple[list[int], float]]:
    """Sets of players linked by association, each in ascending order, with the strongest association inside."""
    where = {feature: i for i, feature in enumerate(context.description.feature_ids)}
    members = [[where[feature] for feature in names] for names in context.players.members]
    starts = np.cumsum([0, *map(len, members[:-1])])
    flat = np.concatenate(members)
    by_feature = context.association[np.ix_(flat, flat)]
    strength = np.maximum.reduceat(np.maximum.reduceat(by_feature, starts, axis=0), starts, axis=1)
    label = list(range(len(members)))
    pairs = np.argwhere(np.triu(strength >= INFO_ASSOCIATION, k=1)).tolist()
    for i, j in pairs:
        low, high = sorted((label[i], label[j]))
        label = [low if mark == high else mark for mark in label]
    sets = []
    for mark in sorted({label[i] for i, _ in pairs}):
        component = [i for i, own in enumerate(label) if own == mark]
        sets.append((component, max(float(strength[i, j]) for i, j in pairs if i in component)))
    return sets
