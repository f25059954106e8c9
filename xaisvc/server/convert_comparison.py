"""Comparisons of stored explanations as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.server.convert_caveats import set_caveat
from xaisvc.v1 import explanations_pb2

if TYPE_CHECKING:
    from xaisvc.engine.commands import Comparison


def comparison_response(comparison: Comparison) -> explanations_pb2.CompareExplanationsResponse:
    """What was found for each explanation that was compared with the first."""
    found = explanations_pb2.CompareExplanationsResponse(id=comparison.id, method=comparison.method)
    for other in comparison.others:
        message = found.others.add(
            id=other.id,
            method=other.method,
            material_players=other.material_players,
            kendall_tau=other.kendall_tau,
            sign_agreement=other.sign_agreement,
            leader_agreement=other.leader_agreement,
        )
        for caveat in other.caveats:
            set_caveat(message.caveats.add(), caveat)
    return found
