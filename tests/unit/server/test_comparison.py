"""Stored explanations compared over gRPC: a real server with a real model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from tests.unit.server.calling import failure, violations
from xaisvc.client.comparisons import comparison
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.loading import build_service
from xaisvc.records import MemoryRecordStore
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.v1 import explanations_pb2_grpc
from xaisvc.wire import value_to_wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from xaisvc.engine.service import ExplanationService

BUNDLE = BUNDLES / "german-credit-boosting"


@pytest.fixture(scope="module")
def real() -> ExplanationService:
    return build_service([BUNDLE], record_store=MemoryRecordStore(), device="cpu")


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(BUNDLE, "cpu")


@pytest.fixture
async def stub(serving: Any, real: ExplanationService) -> AsyncIterator[Any]:
    async with serving(real) as served:
        yield explanations_pb2_grpc.ExplanationServiceStub(served.channel)


async def explained(stub: Any, row: Mapping[str, Any], **choices: Any) -> pb.Explanation:
    values = {name: value_to_wire(value) for name, value in row.items()}
    response = await stub.Explain(pb.ExplainRequest(model=BUNDLE.name, rows=[pb.Row(values=values)], **choices))
    found: pb.Explanation = response.results[0].explanation
    return found


async def test_the_answer_holds_what_the_library_tells_of_the_row(stub: Any, explainer: Explainer) -> None:
    rows = explainer.bundle.background.take(slice(0, 4))
    batches = explainer.explain_methods(rows, ["auto", "lime", "kernel"])
    told = 0
    for i in range(len(rows)):
        ids = [(await explained(stub, rows.row(i), method=method)).id for method in batches]

        response = await stub.CompareExplanations(pb.CompareExplanationsRequest(ids=ids))

        assert (response.id, response.method) == (ids[0], "tree")
        assert [(other.id, other.method) for other in response.others] == [(ids[1], "lime"), (ids[2], "kernel")]
        for other in comparison(response).others:
            caveats = batches[other.method].caveats[i]
            assert other.caveats == tuple(one for one in caveats if one.kind == "method_disagreement")
            told += len(other.caveats)
        for message in (caveat for other in response.others for caveat in other.caveats):
            assert message.id.startswith("method_disagreement-")
    assert told > 0


async def test_numbers_that_mean_nothing_are_absent(stub: Any, explainer: Explainer) -> None:
    row = explainer.bundle.background.row(0)
    groups = [pb.PlayerGroup(name="all", features=explainer.bundle.description.feature_ids)]
    ids = [(await explained(stub, row, method=name, player_groups=groups)).id for name in ("exact", "lime")]

    (other,) = (await stub.CompareExplanations(pb.CompareExplanationsRequest(ids=ids))).others

    assert other.material_players == 1
    assert not other.HasField("kendall_tau")
    assert other.HasField("sign_agreement")
    assert other.leader_agreement == 1


async def test_a_refusal_names_each_id_that_does_not_fit(stub: Any, explainer: Explainer) -> None:
    row, another = (explainer.bundle.background.row(i) for i in (0, 1))
    ids = [(await explained(stub, row, method="tree")).id]
    for other, choices in (
        (row, {"method": "lime", "players": "concepts"}),
        (another, {"method": "lime"}),
        (row, {"method": "tree", "seed": 7}),
        (row, {"method": "kernel", "space": 1}),
    ):
        ids.append((await explained(stub, other, **choices)).id)

    error = await failure(stub.CompareExplanations(pb.CompareExplanationsRequest(ids=ids)))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    found = {violation.field: violation.reason for violation in violations(error)}
    assert found == {
        "ids[1]": "OTHER_PLAYERS",
        "ids[2]": "OTHER_ROW",
        "ids[3]": "SAME_METHOD",
        "ids[4]": "OTHER_OUTPUT",
    }


async def test_no_answer_depends_on_the_order_of_the_others(stub: Any, explainer: Explainer) -> None:
    row = explainer.bundle.background.row(2)
    one, two, three = [(await explained(stub, row, method=name)).id for name in ("tree", "lime", "kernel")]

    answers = [
        (await stub.CompareExplanations(pb.CompareExplanationsRequest(ids=ids))).others
        for ids in ([one, two, three], [one, three, two])
    ]

    assert list(answers[0]) == list(answers[1])[::-1]
