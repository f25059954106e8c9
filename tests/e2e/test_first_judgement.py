"""Evidence first, over the wire: no byte of the model's answer before the reader's own judgement, all of it after."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest

import xaisvc
from xaisvc.bundles import load_bundle, parse_rows
from xaisvc.client import Access, Feedback
from xaisvc.demo.cases import BUNDLES, CARD_MODEL
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.errors import InvalidRequestError
from xaisvc.rights import TOKENS_FILE, Grant, TokenFile
from xaisvc.runtimes import OrtRuntime
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.wire import value_to_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORMATS = ("html", "markdown", "text", "json")
ANALYST = "fraud_analyst"
EXPLAIN = "/xaisvc.v1.ExplanationService/Explain"


@pytest.fixture(scope="module")
def payments() -> list[dict[str, Any]]:
    cases = json.loads((BUNDLES.parent / "transactions.json").read_text(encoding="utf-8"))["cases"]
    return [case["row"] for case in cases]


@pytest.fixture(scope="module")
def desk(service_process: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A service, and a token for whoever judges alerts and writes letters, but sees no numbers."""
    folder = tmp_path_factory.mktemp("first")
    file = TokenFile(folder / "data" / TOKENS_FILE)
    grant = Grant(
        name="desk",
        valid_for=timedelta(hours=1),
        bundles=frozenset({CARD_MODEL}),
        audiences=frozenset({ANALYST, "customer"}),
        methods=frozenset(),
    )
    token = file.create(grant, now=datetime.now(UTC), randomness=secrets.token_bytes)[1]
    with service_process(folder) as running:
        yield {"target": running.target, "token": token}


def client(desk: dict[str, Any]) -> xaisvc.Client:
    return xaisvc.Client(desk["target"], access=Access(token=desk["token"]))


def told(payment: dict[str, Any]) -> list[str]:
    """What a reader could tell the model's answer from: the prediction as it is written, and the name of its band."""
    bundle = load_bundle(BUNDLES / CARD_MODEL)
    output = bundle.description.outputs[0]
    scoring = LoadedBundle(bundle, OrtRuntime(), "cpu", threads=1).scoring(output, output.tensor_space)
    prediction = float(scoring(parse_rows(bundle.description, [payment]))[0])
    band = output.band(prediction)
    assert band is not None
    return [f"{prediction:.4f}", f"{prediction * 100:.0f}%", band.labels["en"], band.labels["nl"], band.id]


def all_views(desk: dict[str, Any], record_id: str, reader: str = "") -> list[Any]:
    with client(desk) as caller:
        return [
            caller.render_view(record_id, ANALYST, form, language, reader=reader)
            for form in FORMATS
            for language in ("en", "nl")
        ]


def test_no_score_before_a_first_judgement_and_all_of_it_after(
    desk: dict[str, Any], payments: list[dict[str, Any]]
) -> None:
    payment = payments[0]
    with client(desk) as caller:
        result = caller.explain(CARD_MODEL, [payment], audiences=[ANALYST], formats=list(FORMATS))[0]
        record_id = result.id
        first = [result.view(ANALYST, form) for form in FORMATS]

    before = [*first, *all_views(desk, record_id)]

    assert {view.status for view in before} == {"judgement_first"}
    for view in before:
        for word in told(payment):
            assert word not in view.content, (view.format, view.language, word)
        assert "Evidence A" not in view.content
        assert "SIM-0" not in view.content

    with client(desk) as caller:
        caller.submit_feedback(Feedback(explanation_id=record_id, audience=ANALYST, verdict="agree"))
        assert caller.render_view(record_id, ANALYST, "text").status == "judgement_first"  # a verdict is no judgement
        caller.submit_feedback(
            Feedback(explanation_id=record_id, audience="customer", first_judgement="hold")
        )  # another audience's
        assert caller.render_view(record_id, ANALYST, "text").status == "judgement_first"
        caller.submit_feedback(Feedback(explanation_id=record_id, audience=ANALYST, first_judgement="hold"))

    after = all_views(desk, record_id)

    assert {view.status for view in after} == {"complete"}
    assert all("SIM-0" in view.content for view in after)
    english = next(view.content for view in after if (view.format, view.language) == ("text", "en"))
    assert "Urgent alert. Of 100 such alerts about 91 were confirmed, between 85 and 95." in english


def test_a_named_reader_must_have_judged_themselves(desk: dict[str, Any], payments: list[dict[str, Any]]) -> None:
    with client(desk) as caller:
        record_id = caller.explain(CARD_MODEL, [payments[2]], audiences=[ANALYST], formats=["text"])[0].id
        caller.submit_feedback(
            Feedback(explanation_id=record_id, audience=ANALYST, reader="p-1", first_judgement="clear")
        )
        status = {
            reader: caller.render_view(record_id, ANALYST, "text", reader=reader).status
            for reader in ("p-1", "p-2", "")
        }

    assert status == {"p-1": "complete", "p-2": "judgement_first", "": "complete"}


def raw_explain(desk: dict[str, Any], payment: dict[str, Any]) -> bytes:
    request = pb.ExplainRequest(model=CARD_MODEL, audiences=[ANALYST], formats=["json"])
    values = request.rows.add().values
    for name, value in payment.items():
        values[name].CopyFrom(value_to_wire(value))
    with grpc.insecure_channel(desk["target"]) as channel:
        metadata = (("authorization", f"Bearer {desk['token']}"),)
        answer: bytes = channel.unary_unary(EXPLAIN)(request.SerializeToString(), metadata=metadata, timeout=60)
        return answer


def test_the_answer_to_explain_holds_no_score_either(desk: dict[str, Any], payments: list[dict[str, Any]]) -> None:
    answer = raw_explain(desk, payments[0])
    result = pb.ExplainResponse.FromString(answer).results[0]

    assert not result.explanation.HasField("output")
    assert not result.explanation.HasField("attribution")
    for word in told(payments[0]):
        assert word.encode() not in answer


def test_an_audience_that_alerts_do_not_concern_is_refused_alike_for_every_payment(
    desk: dict[str, Any], payments: list[dict[str, Any]]
) -> None:
    refusals = set()
    with client(desk) as caller:
        for payment in payments:
            record_id = caller.explain(CARD_MODEL, [payment], audiences=[ANALYST], formats=["text"])[0].id
            for call in (
                lambda payment=payment: caller.explain(CARD_MODEL, [payment], audiences=["customer"], formats=["text"]),
                lambda record_id=record_id: caller.render_view(record_id, "customer", "text"),
            ):
                with pytest.raises(InvalidRequestError) as caught:
                    call()
                refusals.add((str(caught.value), caught.value.violations))

    ((text, violations),) = refusals
    assert "model 'card-fraud' has no views for the audience 'customer', whatever the case" in text
    assert [violation.reason for violation in violations] == ["NOT_CONCERNED"]
