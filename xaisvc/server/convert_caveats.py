"""Caveats as messages."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from xaisvc.types import Caveat, Severity
from xaisvc.wire import GATE_TO_WIRE, SEVERITY_TO_WIRE

if TYPE_CHECKING:
    from xaisvc.v1 import explanations_pb2


def set_caveat(message: explanations_pb2.Caveat, caveat: Caveat) -> None:
    """Writes one caveat into a message that is still empty."""
    message.kind = caveat.kind
    message.severity = SEVERITY_TO_WIRE[caveat.severity]
    message.message = caveat.message
    message.players.extend(caveat.players)
    message.id = _caveat_id(caveat.kind, caveat.players)
    add = message.evidence.add
    for name, value in sorted(caveat.evidence.items()):
        add(name=name, value=value)
    robust = caveat.robust
    if robust is not None:
        found = message.robust
        found.players.extend(robust.players)
        found.value, found.low, found.high = robust.value, robust.low, robust.high
        found.SetInParent()  # numbers that are all 0 are a robust number, too
    if caveat.gates:
        message.gates.extend([GATE_TO_WIRE[gate] for gate in caveat.gates])
    if caveat.model_rows:
        message.model_rows = caveat.model_rows


@lru_cache(maxsize=1024)
def _caveat_id(kind: str, players: tuple[str, ...]) -> str:
    """`Caveat.id`, a digest that many rows have in common."""
    return Caveat(kind=kind, severity=Severity.INFO, players=players).id
