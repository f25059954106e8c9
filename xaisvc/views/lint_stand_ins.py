"""Visible features that stand in for withheld ones, which can be read from them whatever a view leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.views.audience import Action
from xaisvc.views.lint_catalogues import Finding
from xaisvc.views.selection import is_closed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from xaisvc.types import BundleDescription, Feature
    from xaisvc.types.association import Association
    from xaisvc.views.audience import Audience

MOST_ASSOCIATED = 0.9
"""Strongest association that a visible feature may have with a withheld one; see `Association.effect`."""


def lint_stand_ins(
    description: BundleDescription, association: Association, audiences: Iterable[Audience]
) -> Iterator[Finding]:
    """Which features each audience sees although they nearly are one that it may not see.

    Args:
        description: The bundle.
        association: How its features go together.
        audiences: The audiences.
    """
    for audience in audiences:
        if is_closed(description, audience) or not description.concerns(audience.id):
            continue
        shown = [one for one in description.features if audience.action(one) is Action.SHOW]
        withheld = [one for one in description.features if audience.action(one) is not Action.SHOW]
        for one in shown:
            for other in withheld:
                strength = _strength(association, one, other)
                if strength > MOST_ASSOCIATED:
                    yield Finding(
                        f"bundle {description.name}",
                        f"'{audience.id}' sees '{one.id}', which stands in for the withheld '{other.id}' (association "
                        f"{strength:.2f}); give it the other's class, or a class that is generalised and general words",
                    )


def _strength(association: Association, one: Feature, other: Feature) -> float:
    if one.id not in association.features or other.id not in association.features:
        return 0.0
    i, j = association.features.index(one.id), association.features.index(other.id)
    return float(association.effect[i, j]) if association.linked[i, j] else 0.0
