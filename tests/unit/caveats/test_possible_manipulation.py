"""Models that answer made-up rows with something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, only
from xaisvc.types import Gate, Severity, reliability_level
from xaisvc.types.record import Level
from xaisvc.types.reliance import Manipulation

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext


def test_a_suspect_model_gives_no_reasons(make_context: MakeContext) -> None:
    suspect = Manipulation(
        suspected=True, distance=0.6, distance_lower=0.4, hidden=("income",), decoys=("job",), swaps=1200
    )
    caveat = only(make_context(manipulation=suspect))

    assert (caveat.kind, caveat.severity) == ("possible_manipulation", Severity.UNRELIABLE)
    assert (caveat.players, caveat.gates) == (("income", "job"), (Gate.NO_REASONS,))
    assert caveat.evidence == {"distance": 0.6, "distance_lower": 0.4, "swaps": 1200.0}
    assert reliability_level([caveat]) is Level.UNRELIABLE
    assert caveat.message == (
        "the model relies on other features in made-up rows, which explanations are computed from, than in real ones, "
        "as a model does that hides something: income matters in real rows and much less there; job matters there and "
        "much less in real rows. Explanations of it cannot be relied on"
    )


def test_a_suspicion_without_single_features_is_one_too(make_context: MakeContext) -> None:
    caveat = only(make_context(manipulation=Manipulation(suspected=True)))

    assert caveat.players == ()
    assert caveat.message.endswith("hides something. Explanations of it cannot be relied on")


@pytest.mark.parametrize("suspected", [False, None])
def test_what_cannot_be_told_is_no_suspicion(make_context: MakeContext, *, suspected: bool | None) -> None:
    assert kinds(make_context(manipulation=Manipulation(suspected=suspected, reason="few rows"))) == []
