"""Backgrounds whose draw decides a good part of the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, only, said
from xaisvc.types import Severity
from xaisvc.types.support import Enough

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

KIND = "background_sensitivity"


def test_too_few_rows_ask_for_care(make_context: MakeContext) -> None:
    caveat = only(make_context(adequacy={"enough": Enough.TOO_FEW, "rows": 60, "distinct_rows": 58}))

    assert (caveat.kind, caveat.severity, caveat.players, caveat.gates) == (KIND, Severity.CARE, (), ())
    assert caveat.evidence == {"background_rows": 60.0, "distinct_rows": 58.0}
    assert caveat.message == (
        "the background has only 60 rows (58 different ones); attributions are relative to it and would differ for "
        "another draw. Use at least 100, better 500"
    )


def test_a_reduced_background_is_enough(make_context: MakeContext) -> None:
    assert kinds(make_context(adequacy={"enough": Enough.REDUCED, "rows": 200})) == []


@pytest.mark.parametrize(
    ("error", "severity"), [(0.49, None), (0.5, Severity.INFO), (0.99, Severity.INFO), (1.0, Severity.CARE)]
)
def test_the_error_against_the_largest_value_decides(
    make_context: MakeContext, error: float, severity: Severity | None
) -> None:
    found = said(make_context(background_errors=(0.01, error, 0.01, 0.01)), KIND)

    assert [caveat.severity for caveat in found] == ([] if severity is None else [severity])
    for caveat in found:
        assert caveat.players == ("income",)
        assert caveat.evidence == {"largest_background_error": error, "largest_absolute_value": 1.0}
        assert caveat.message == (
            "another draw of the background could give other values: the usual error of income from the draw is large "
            "against the largest attribution of the row; use a larger background"
        )


def test_a_row_of_zeros_has_nothing_to_be_sensitive_about(make_context: MakeContext) -> None:
    assert kinds(make_context(values=(0.0,), background_errors=(1.0, 1.0, 1.0, 1.0))) == []


def test_without_a_spread_only_the_rows_count(make_context: MakeContext) -> None:
    assert kinds(make_context(has_opinion=False)) == []


def test_lime_rests_on_its_own_sample(make_context: MakeContext) -> None:
    assert said(make_context(lime=True, background_errors=(1.0, 1.0, 1.0, 1.0)), KIND) == []
