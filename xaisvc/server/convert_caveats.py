"""Caveats as messages."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from xaisvc.types import Caveat, CaveatForm, Severity, caveat_figures
from xaisvc.v1 import explanations_pb2
from xaisvc.wire import GATE_TO_WIRE, SEVERITY_TO_WIRE

if TYPE_CHECKING:
    from collections.abc import Sequence


def set_caveat(message: explanations_pb2.Caveat, caveat: Caveat) -> None:
    """Writes one caveat into a message that is still empty."""
    set_form(message, CaveatForm.of(caveat), caveat_figures(caveat))


def set_form(message: explanations_pb2.Caveat, form: CaveatForm, figures: Sequence[float]) -> None:
    """Writes a caveat into a message that is still empty.

    Args:
        message: The message.
        form: Its words.
        figures: Its figures, in the order in which the form names them.
    """
    message.CopyFrom(_words(form))
    for one, value in zip(message.evidence, figures, strict=False):
        one.value = value
    if form.robust is not None:
        robust = message.robust
        robust.value, robust.low, robust.high = figures[len(form.evidence) :]


@lru_cache(maxsize=4096)
def _words(form: CaveatForm) -> explanations_pb2.Caveat:
    """A caveat whose figures are all 0; only ever copied."""
    found = explanations_pb2.Caveat(
        kind=form.kind,
        severity=SEVERITY_TO_WIRE[form.severity],
        message=form.message,
        players=form.players,
        id=Caveat(kind=form.kind, severity=Severity.INFO, players=form.players).id,
        gates=[GATE_TO_WIRE[gate] for gate in form.gates],
        model_rows=form.model_rows,
    )
    for name in form.evidence:
        found.evidence.add(name=name)
    if form.robust is not None:
        found.robust.players.extend(form.robust)
        found.robust.SetInParent()  # numbers that are all 0 are a robust number, too
    return found
