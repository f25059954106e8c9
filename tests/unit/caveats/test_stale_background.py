"""Backgrounds that are older than the bank allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, only
from xaisvc.types import Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext


def test_an_old_background_asks_for_care(make_context: MakeContext) -> None:
    caveat = only(make_context(adequacy={"stale": True, "age_days": 800}))

    assert (caveat.kind, caveat.severity, caveat.gates) == ("stale_background", Severity.CARE, ())
    assert caveat.evidence == {"age_days": 800.0}
    assert caveat.message == (
        "the background's rows are from 2025-06-01, which is longer ago than the bank allows; attributions compare the "
        "row with what was usual then; renew the background"
    )


@pytest.mark.parametrize("stale", [False, None])
def test_an_unknown_age_is_not_held_against_it(make_context: MakeContext, *, stale: bool | None) -> None:
    assert kinds(make_context(adequacy={"stale": stale, "age_days": None})) == []
