"""What the clients send and read of comparisons."""

from __future__ import annotations

from typing import Any

import pytest

from xaisvc.client import Comparison, MethodComparison
from xaisvc.client.comparisons import compare_request, comparison
from xaisvc.errors import InvalidRequestError, ServiceError
from xaisvc.server.convert_comparison import comparison_response
from xaisvc.types import Caveat, Gate, Severity
from xaisvc.v1 import explanations_pb2 as pb

CAVEAT = Caveat(
    kind="method_disagreement",
    severity=Severity.CARE,
    players=("age",),
    message="tree and lime give opposite signs to age",
    evidence={"first": -0.5, "kendall_tau": 0.0, "players": 1.0, "second": 0.25},
    gates=(Gate.NOT_A_REASON,),
)
WHOLE = Comparison(
    id="r1",
    method="tree",
    others=(
        MethodComparison(
            id="r2", method="lime", caveats=(CAVEAT,), material_players=3, kendall_tau=0.0, sign_agreement=0.75,
            leader_agreement=0.0,
        ),
        MethodComparison(
            id="r3", method="kernel", caveats=(), material_players=0, kendall_tau=None, sign_agreement=None,
            leader_agreement=None,
        ),
    ),
)  # fmt: skip


def test_a_comparison_comes_back_as_it_was() -> None:
    sent = comparison_response(WHOLE).SerializeToString()

    assert comparison(pb.CompareExplanationsResponse.FromString(sent)) == WHOLE


def test_ids_travel_in_their_order() -> None:
    assert list(compare_request(("b", "a")).ids) == ["b", "a"]
    assert list(compare_request(iter(["b", "a"])).ids) == ["b", "a"]  # type: ignore[arg-type] # whatever can be listed


@pytest.mark.parametrize("ids", ["r1", [1, 2], ["r1", None]])
def test_what_is_no_list_of_ids_is_refused_before_it_is_sent(ids: Any) -> None:
    with pytest.raises(InvalidRequestError, match="ids: must be a list of ids of explanations"):
        compare_request(ids)


def test_the_client_says_so_if_it_does_not_know_a_word() -> None:
    strange = pb.CompareExplanationsResponse(others=[pb.MethodComparison(caveats=[pb.Caveat(severity=99)])])

    with pytest.raises(ServiceError, match="use a client of its version"):
        comparison(strange)
