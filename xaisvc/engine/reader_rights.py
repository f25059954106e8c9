"""What each audience gets of a record, for those who answer for the whole of it."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.types import Gate
from xaisvc.types.overview import ReaderRights
from xaisvc.views import ViewStatus, view_status
from xaisvc.views.audience import Action
from xaisvc.views.kept import Same

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.views import Audience

NOT_CONCERNED = "not_concerned"
"""Status for an audience that the bundle's decisions do not concern."""

MANY_ONLY = "many_only"
"""Status for an audience that reads about many cases, and nothing of one."""

_OF_NO_CASE = frozenset({"text", "model_use"})
"""Types of sections that say the same whatever the case."""


def reader_rights(
    record: ExplanationRecord, description: BundleDescription, audiences: Mapping[str, Audience]
) -> tuple[ReaderRights, ...]:
    """What each of these audiences gets of a record, in their order. No view is built for it."""
    return tuple(_rights(record, description, audience) for audience in audiences.values())


def _rights(record: ExplanationRecord, description: BundleDescription, audience: Audience) -> ReaderRights:
    status = NOT_CONCERNED
    if description.concerns(audience.id):
        status = view_status(record, description, audience).value
    actions, hidden = _actions(Same(description), Same(audience))
    if status == ViewStatus.COMPLETE.value and all(one.builder.type in _OF_NO_CASE for one in audience.sections):
        return ReaderRights(audience=audience.id, labels=audience.labels, status=MANY_ONLY, actions=hidden)
    barred = [
        player
        for caveat in record.caveats
        if Gate.NOT_A_REASON in caveat.gates and Gate.NOT_A_REASON in audience.gates
        for player in caveat.players
    ]
    return ReaderRights(
        audience=audience.id,
        labels=audience.labels,
        status=status,
        actions=actions,
        kept_back=tuple(dict.fromkeys(barred)),
    )


@lru_cache(maxsize=256)
def _actions(
    description: Same[BundleDescription], audience: Same[Audience]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What happens to each feature, and what does where nothing of a case is read. Kept: it is declared, not of a case.

    One object for every record, so that what is told of it is made once.
    """
    features = description.one.features
    return (
        MappingProxyType({feature.id: audience.one.action(feature).value for feature in features}),
        MappingProxyType({feature.id: Action.HIDE.value for feature in features}),
    )
