"""Attributions that rest on combinations that nobody has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, said
from xaisvc.types import Players, Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

KIND = "off_manifold"
TOGETHER = {(0, 1): 0.9}


def _unreal(fraction: float) -> dict[str, object]:
    return {"unreal": True, "fraction": fraction, "area": 0.8}


@pytest.mark.parametrize(
    ("fraction", "severity"), [(0.049, None), (0.05, Severity.INFO), (0.19, Severity.INFO), (0.2, Severity.CARE)]
)
@pytest.mark.parametrize("lime", [False, True])
def test_the_share_of_implausible_hybrids_decides(
    make_context: MakeContext, fraction: float, severity: Severity | None, *, lime: bool
) -> None:
    found = said(make_context(effects=TOGETHER, hybrids=_unreal(fraction), lime=lime), KIND)

    assert [caveat.severity for caveat in found] == ([] if severity is None else [severity])


def test_it_is_said_in_figures(make_context: MakeContext) -> None:
    (caveat,) = said(make_context(effects=TOGETHER, hybrids=_unreal(0.3)), KIND)

    assert caveat.players == caveat.gates == ()
    assert caveat.evidence == {"fraction": 0.3, "fraction_error": 0.01, "area": 0.8}
    assert caveat.message == (
        "about 30% of the mixed rows that these values average over are implausible: they combine values that do not "
        "occur together in the background, so the values also rest on what the model does where there is no data; "
        "explain features that go together as one player"
    )


@pytest.mark.parametrize("hybrids", [{"unreal": None, "fraction": float("nan")}, {"unreal": False, "fraction": 0.3}])
def test_what_cannot_be_told_is_not_said(make_context: MakeContext, hybrids: dict[str, object]) -> None:
    assert said(make_context(effects=TOGETHER, hybrids=hybrids), KIND) == []


def test_players_that_hold_what_goes_together_mix_nothing(make_context: MakeContext) -> None:
    both = Players(names=("both", "others"), members=(("age", "income"), ("job", "debt")), kind="clusters")
    context = make_context(effects=TOGETHER, hybrids=_unreal(0.3), players=both, has_opinion=False)

    assert kinds(context) == []
