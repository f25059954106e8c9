"""What every LIME answer says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, only
from xaisvc.types import Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

STABLE = "LIME's weights describe a simple model fitted around the row; they do not sum to the output"
UNSTABLE = f"{STABLE}, and the leading ones change when the sample changes"


@pytest.mark.parametrize(
    ("diagnostics", "severity", "message"),
    [
        (
            {"stability_top3_jaccard": 0.9, "stability_sign_flips": 0.0},
            Severity.INFO,
            STABLE,
        ),
        (
            {"stability_top3_jaccard": 0.6, "stability_sign_flips": 0.0},
            Severity.CARE,
            UNSTABLE,
        ),
        (
            {"stability_top3_jaccard": 0.9, "stability_sign_flips": 0.3},
            Severity.CARE,
            UNSTABLE,
        ),
    ],
)
def test_lime_is_always_named_as_what_it_is(
    make_context: MakeContext, diagnostics: dict[str, float], severity: Severity, message: str
) -> None:
    caveat = only(make_context(lime=True, diagnostics=diagnostics))

    assert (caveat.kind, caveat.severity, caveat.message) == ("low_fidelity_surrogate", severity, message)
    assert caveat.evidence == diagnostics


def test_shapley_values_are_no_surrogate(make_context: MakeContext) -> None:
    assert kinds(make_context(exact=False)) == []
