"""Values that do not add up to the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, said
from xaisvc.types import Gate, Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

KIND = "additivity_failure"
SUM = 0.1 + 0.75
"""Base value and attributions of the fixture; the absolute numbers sum to 1.85."""


@pytest.mark.parametrize(("gap", "speaks"), [(1.84e-4, False), (1.86e-4, True), (-1.86e-4, True)])
def test_a_gap_beyond_rounding_is_unreliable(make_context: MakeContext, gap: float, *, speaks: bool) -> None:
    found = said(make_context(output=SUM + gap), KIND)

    assert [caveat.severity for caveat in found] == ([Severity.UNRELIABLE] if speaks else [])
    for caveat in found:
        assert caveat.gates == (Gate.NO_REASONS,)
        assert caveat.evidence == pytest.approx({"gap": abs(gap), "output": SUM + gap})
        assert caveat.message == (
            "base value and attributions do not sum to the output, so part of it is explained by nobody; use method "
            "'permutation' for this model and report it"
        )


@pytest.mark.parametrize(("gap", "speaks"), [(0.059, False), (0.061, True)])
def test_sampled_values_may_miss_by_their_error(make_context: MakeContext, gap: float, *, speaks: bool) -> None:
    # Two players with errors of 0.006 and 0.008: their sum errs by 0.01.
    found = said(make_context(output=SUM + gap, exact=False, standard_errors=(0.006, 0.008)), KIND)

    assert bool(found) is speaks


def test_lime_does_not_promise_to_add_up(make_context: MakeContext) -> None:
    assert kinds(make_context(output=5.0, lime=True)) == ["low_fidelity_surrogate"]
