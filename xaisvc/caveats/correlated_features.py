"""Credit shared between features that move together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
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

    def find(self, context: CaveatContext) -> list[tuple[Caveat, ...]]:
        """One caveat per set of linked players with material credit; see `CaveatRule.find`."""
        where = {feature: i for i, feature in enumerate(context.description.feature_ids)}
        members = [[where[feature] for feature in names] for names in context.players.members]
        p = len(members)
        links = {}
        for i in range(p):
            for j in range(i + 1, p):
                association = float(context.association[np.ix_(members[i], members[j])].max(initial=0.0))
                if association >= INFO_ASSOCIATION:
                    links[i, j] = association
        sets = [
            (component, max(value for (i, _), value in links.items() if i in component))
            for component in _components(p, links)
            if len(component) > 1
        ]
        shares = context.shares()
        return [
            tuple(
                self._caveat(context, row, component, association)
                for component, association in sets
                if shares[row, component].max() >= MATERIAL_SHARE
            )
            for row in range(len(context.rows))
        ]

    def _caveat(self, context: CaveatContext, row: int, component: list[int], association: float) -> Caveat:
        names = tuple(context.players.names[i] for i in component)
        return Caveat(
            kind=self.kind,
            severity=Severity.CARE if association >= CARE_ASSOCIATION else Severity.INFO,
            players=names,
            message=(
                f"{', '.join(names)} are associated in the background (strongest association {association:.2f}), so "
                "how credit is divided between them is not reliable; explain them as one player to see what they do "
                "together"
            ),
            evidence={
                "association": association,
                "sum_of_values": float(context.attribution.values[row, component].sum()),
            },
        )


def _components(count: int, links: dict[tuple[int, int], float]) -> list[list[int]]:
    """Sets of players connected by links, each in ascending order."""
    label = list(range(count))
    for i, j in links:
        low, high = sorted((label[i], label[j]))
        label = [low if mark == high else mark for mark in label]
    return [[i for i in range(count) if label[i] == mark] for mark in sorted(set(label))]
