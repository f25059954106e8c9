"""Features that tell a protected attribute."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.caveats.spoken import kinds, only, said
from xaisvc.types import Players, Severity
from xaisvc.types.proxies import Proxies, Proxy

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

AGE = Proxy(
    source="age",
    features=("age",),
    group="women",
    area=0.82,
    area_error=0.03,
    p_value=0.0,
    share=0.4,
    tells=True,
    matters=True,
)
JOB = replace(AGE, source="job", features=("job",), area=0.51, tells=False, matters=False)
TOGETHER = replace(AGE, source="set", features=("age", "income"), area=0.85)


def _study(*features: Proxy, clusters: tuple[Proxy, ...] = ()) -> tuple[Proxies, ...]:
    return (
        Proxies(
            attribute="gender",
            rows=500,
            groups=(("women", 250), ("men", 250)),
            too_small=(),
            features=features,
            clusters=clusters,
            together=None,
            score=None,
            refusal="",
        ),
    )


def test_a_row_that_leans_on_a_proxy_names_the_attribute(make_context: MakeContext) -> None:
    caveat = only(make_context(proxies=_study(AGE, JOB)))

    assert (caveat.kind, caveat.severity) == ("proxy_of_protected", Severity.INFO)
    assert (caveat.players, caveat.gates) == (("age",), ())
    assert caveat.evidence == pytest.approx({"area": 0.82, "area_error": 0.03, "share": 1 / 1.75})
    assert caveat.message == (
        "age can stand in for the protected attribute gender: it tells group women from the others with an area under "
        "the curve of 0.82, although the model was not given the attribute"
    )


def test_a_row_that_does_not_lean_on_it_is_not_spoken_of(make_context: MakeContext) -> None:
    assert kinds(make_context(proxies=_study(AGE), values=(0.04, 0.5, 0.5))) == []


def test_the_strongest_of_the_same_players_is_said(make_context: MakeContext) -> None:
    groups = Players(names=("numbers", "job"), members=(("age", "income", "debt"), ("job",)), kind="custom")
    context = make_context(proxies=_study(AGE, clusters=(TOGETHER,)), players=groups, has_opinion=False)

    assert only(context).evidence["area"] == 0.85
    found = said(make_context(proxies=_study(AGE, clusters=(TOGETHER,))), "proxy_of_protected")
    assert [caveat.players for caveat in found] == [("age", "income"), ("age",)]
