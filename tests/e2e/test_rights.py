"""Who gets what from a real service, as its callers see it: codes, texts, bytes and sizes."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.unit.certificates import Authority
from xaisvc.client import Access, Client
from xaisvc.client.requests import explain_request
from xaisvc.engine.permissions import TOO_MUCH_WORK
from xaisvc.errors import NotAuthenticatedError, ServiceUnreachableError
from xaisvc.rights import NOT_AUTHENTICATED, TOKENS_FILE, Grant, TokenFile
from xaisvc.v1 import (
    audiences_pb2,
    audiences_pb2_grpc,
    explanations_pb2,
    explanations_pb2_grpc,
    feedback_pb2,
    feedback_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from google.protobuf.message import Message

MODEL, OTHER = "german-credit-logistic", "german-credit-boosting"
ABSENT = "german-credit-nothings"  # as long as OTHER
ALL = None
REVOKED_WITHIN_S = 60.0  # it takes a second; a minute bounds a machine that stands still for a while

GRANTS: dict[str, dict[str, Any]] = {
    "lab": {"bundles": ALL, "audiences": ALL, "methods": ALL},
    "portal": {"bundles": {MODEL}, "audiences": {"customer"}, "methods": set()},
    "foreign": {"bundles": ALL, "audiences": ALL, "methods": ALL, "tenant": "other"},
    "slow": {"bundles": {MODEL}, "audiences": {"customer"}, "methods": set(), "rows_per_minute": 2},
    "sampler": {"bundles": {MODEL}, "audiences": {"customer"}, "methods": {"kernel"}},
    "office": {"bundles": {MODEL}, "audiences": {"business_manager"}, "methods": set()},
    "brief": {"bundles": {MODEL}, "audiences": {"customer"}, "methods": set()},
}


@dataclass(frozen=True)
class Desk:
    """A service and the tokens of its callers."""

    target: str
    file: TokenFile
    tokens: dict[str, str]
    folder: Path

    def call(self, method: str, request: Message, *, token: str = "") -> Message | tuple[grpc.StatusCode, str, Any]:
        """The answer to one call, or the code, text and details of its refusal; a list's first answer for streams."""
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        with grpc.insecure_channel(self.target) as channel:
            stubs = (
                explanations_pb2_grpc.ExplanationServiceStub(channel),
                models_pb2_grpc.ModelServiceStub(channel),
                audiences_pb2_grpc.AudienceServiceStub(channel),
                feedback_pb2_grpc.FeedbackServiceStub(channel),
            )
            stub = next(stub for stub in stubs if hasattr(stub, method))
            try:
                answer = getattr(stub, method)(request, metadata=metadata, timeout=60)
                found: Message = next(iter(answer)) if method == "ExplainStream" else answer
            except grpc.RpcError as error:
                details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
                return error.code(), error.details(), details
        return found

    def answer(self, method: str, request: Message, name: str) -> Any:
        """The answer to a named caller, who must get one."""
        found = self.call(method, request, token=self.tokens[name])
        assert not isinstance(found, tuple), found

        return found

    def refusal(self, method: str, request: Message, name: str) -> tuple[grpc.StatusCode, str, Any]:
        """The refusal of a named caller, who must get one."""
        found = self.call(method, request, token=self.tokens[name])
        assert isinstance(found, tuple), found

        return found


def make_tokens(folder: Path) -> tuple[TokenFile, dict[str, str]]:
    file, tokens = TokenFile(folder / TOKENS_FILE), {}
    for name, rights in GRANTS.items():
        scopes = {key: frozenset(value) if isinstance(value, set) else value for key, value in rights.items()}
        grant = Grant(name=name, valid_for=timedelta(hours=1), **scopes)
        tokens[name] = file.create(grant, now=datetime.now(UTC), randomness=secrets.token_bytes)[1]
    return file, tokens


@pytest.fixture(scope="module")
def desk(service_process: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("rights")
    file, tokens = make_tokens(folder / "data")
    with service_process(folder, "--reflection") as running:
        yield Desk(running.target, file, tokens, folder)


def ask(model: str, rows: Any, **choices: Any) -> explanations_pb2.ExplainRequest:
    values: dict[str, Any] = {
        "output": None, "space": None, "method": "auto", "players": "features", "budget": None, "seed": 0,
        "audiences": (), "formats": ("text",), "language": "en",
    }  # fmt: skip
    values.update(choices)
    if not values["audiences"]:
        values["formats"] = ()
    return explain_request(model, rows, **values)


def stream(request: explanations_pb2.ExplainRequest) -> explanations_pb2.ExplainStreamRequest:
    return explanations_pb2.ExplainStreamRequest(request=request)


@pytest.fixture(scope="module")
def row(applicants: list[dict[str, object]]) -> dict[str, object]:
    return applicants[0]


@pytest.fixture(scope="module")
def record_id(desk: Desk, row: dict[str, object]) -> str:
    """An explanation that the lab made of the portal's model."""
    found: str = desk.answer("Explain", ask(MODEL, [row]), "lab").results[0].explanation.id
    return found


def every_request(row: dict[str, object], record_id: str, model: str) -> dict[str, Message]:
    return {
        "Explain": ask(model, [row]),
        "ExplainStream": stream(ask(model, [row])),
        "GetExplanation": explanations_pb2.GetExplanationRequest(id=record_id),
        "CompareExplanations": explanations_pb2.CompareExplanationsRequest(ids=[record_id, "0-0"]),
        "RenderView": explanations_pb2.RenderViewRequest(id=record_id, audience="customer", format="text"),
        "RenderCohort": explanations_pb2.RenderCohortRequest(model=model),
        "ListModels": models_pb2.ListModelsRequest(),
        "GetModel": models_pb2.GetModelRequest(name=model),
        "ListAudiences": audiences_pb2.ListAudiencesRequest(),
        "Submit": feedback_pb2.SubmitRequest(explanation_id=record_id, verdict=feedback_pb2.VERDICT_AGREE),
        "GetUsage": feedback_pb2.GetUsageRequest(model=model),
    }


def test_without_a_valid_token_every_call_gets_the_same_answer(
    desk: Desk, row: dict[str, object], record_id: str
) -> None:
    wrong = {
        "none": "",
        "unknown": "xai_" + "0" * 16 + "_" + "A" * 43,
        "cut": desk.tokens["lab"][:-1],
        "words": "hello",
    }
    answers = {
        desk.call(method, request, token=token)
        for method, request in every_request(row, record_id, MODEL).items()
        for token in wrong.values()
    }

    assert len(answers) == 1
    assert answers.pop()[:2] == (grpc.StatusCode.UNAUTHENTICATED, NOT_AUTHENTICATED)


def test_health_is_for_everybody_and_reflection_for_callers_with_a_token(desk: Desk) -> None:
    def services(metadata: tuple[tuple[str, str], ...]) -> list[str]:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = stub.ServerReflectionInfo(iter([request]), metadata=metadata, timeout=60)
        return [service.name for service in answer.list_services_response.service]

    with grpc.insecure_channel(desk.target) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60)
        with pytest.raises(grpc.RpcError) as caught:
            services(())
        seen = services((("authorization", f"Bearer {desk.tokens['portal']}"),))

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined] # an error of a call has one
    assert "xaisvc.v1.ExplanationService" in seen


@pytest.mark.parametrize("method", ["Explain", "ExplainStream", "GetModel", "GetUsage"])
def test_a_forbidden_bundle_answers_byte_for_byte_as_an_absent_one(
    desk: Desk, row: dict[str, object], method: str
) -> None:
    forbidden = desk.refusal(method, every_request(row, "x-0", OTHER)[method], "portal")
    absent = desk.refusal(method, every_request(row, "x-0", ABSENT)[method], "portal")

    assert method == "ExplainStream" or forbidden[0] is grpc.StatusCode.NOT_FOUND
    assert (forbidden[0], forbidden[1].replace(OTHER, ABSENT)) == absent[:2]
    assert forbidden[2].replace(OTHER.encode(), ABSENT.encode()) == absent[2]


def naming(model: str, *ids: str, **choices: Any) -> explanations_pb2.RenderCohortRequest:
    selection = explanations_pb2.CohortSelection(ids=ids)
    return explanations_pb2.RenderCohortRequest(model=model, selection=selection, format="text", **choices)


def test_cohorts_are_for_who_has_the_audience_and_the_model(desk: Desk, row: dict[str, object]) -> None:
    """For all others they answer byte for byte as what does not exist, also where explanations are named."""
    for name, model, absent in (("office", OTHER, ABSENT), ("office", OTHER, "m" * len(OTHER))):
        for ids in ((), ("x-0",)):
            forbidden = desk.refusal("RenderCohort", naming(model, *ids), name)
            missing = desk.refusal("RenderCohort", naming(absent, *ids), name)
            assert forbidden[0] is grpc.StatusCode.NOT_FOUND
            assert (forbidden[1].replace(model, absent), forbidden[2].replace(model.encode(), absent.encode())) == (
                missing[1:]
            )
    code, text, _ = desk.refusal("RenderCohort", every_request(row, "", MODEL)["RenderCohort"], "portal")
    assert code is grpc.StatusCode.NOT_FOUND
    assert text == "there is no audience 'business_manager'; known audiences: customer"
    code, text, _ = desk.refusal("RenderCohort", every_request(row, "", MODEL)["RenderCohort"], "office")
    assert code is grpc.StatusCode.INVALID_ARGUMENT  # it may ask; today is not over
    assert "up to yesterday" in text


def test_only_who_may_see_each_explanation_names_them(desk: Desk, applicants: list[dict[str, object]]) -> None:
    rows = [{**applicants[i % len(applicants)], "amount_dm": 1000 + i} for i in range(30)]
    results = desk.answer("Explain", ask(MODEL, rows), "lab").results
    ids = [result.explanation.id for result in results]

    assert "30 loan applications" in desk.answer("RenderCohort", naming(MODEL, *ids), "lab").view.content
    refused = desk.refusal("RenderCohort", naming(MODEL, *ids), "office")
    assert refused[0] is grpc.StatusCode.PERMISSION_DENIED
    assert refused[1] == (
        "cohorts of named explanations are for callers with the audience 'data_scientist'; this token covers views "
        "for: business_manager"
    )
    assert desk.refusal("RenderCohort", naming(MODEL, "0-0"), "office") == refused  # whatever is named
    foreign = desk.refusal("RenderCohort", naming(MODEL, *ids), "foreign")
    assert foreign[:2] == (grpc.StatusCode.NOT_FOUND, "ids[0]: there is no explanation with this id")


def test_a_forbidden_audience_answers_byte_for_byte_as_an_absent_one(
    desk: Desk, row: dict[str, object], record_id: str
) -> None:
    forbidden, absent = "fraud_analyst", "fraud_analysx"
    for request in (
        lambda audience: ("Explain", ask(MODEL, [row], audiences=(audience,))),
        lambda audience: (
            "RenderView",
            explanations_pb2.RenderViewRequest(id=record_id, audience=audience, format="text"),
        ),
        lambda audience: (
            "Submit",
            feedback_pb2.SubmitRequest(explanation_id=record_id, audience=audience, verdict=feedback_pb2.VERDICT_AGREE),
        ),
    ):
        one, other = (desk.refusal(*request(audience), "portal") for audience in (forbidden, absent))
        assert one[0] is grpc.StatusCode.NOT_FOUND
        assert (one[1].replace(forbidden, absent), one[2].replace(forbidden.encode(), absent.encode())) == other[1:]
        assert "data_scientist" not in one[1]


@pytest.mark.parametrize("method", ["GetExplanation", "CompareExplanations", "RenderView", "Submit"])
def test_a_record_of_another_tenant_answers_as_an_absent_one(
    desk: Desk, row: dict[str, object], record_id: str, method: str
) -> None:
    absent_id = record_id[::-1].replace("-", "0") if "-" not in record_id else "0" * (len(record_id) - 2) + "-0"

    forbidden = desk.refusal(method, every_request(row, record_id, MODEL)[method], "foreign")
    absent = desk.refusal(method, every_request(row, absent_id, MODEL)[method], "foreign")

    assert forbidden == absent
    assert forbidden[0] is grpc.StatusCode.NOT_FOUND


def test_a_record_of_a_forbidden_bundle_answers_as_an_absent_one(desk: Desk, row: dict[str, object]) -> None:
    theirs: str = desk.answer("Explain", ask(OTHER, [row]), "lab").results[0].explanation.id

    for method in ("GetExplanation", "RenderView", "Submit"):
        forbidden = desk.refusal(method, every_request(row, theirs, MODEL)[method], "portal")
        absent = desk.refusal(method, every_request(row, "0" * (len(theirs) - 2) + "-0", MODEL)[method], "portal")
        assert forbidden == absent


def test_lists_hold_what_exists_for_the_caller(desk: Desk) -> None:
    def names(name: str) -> tuple[list[str], list[str]]:
        models = desk.answer("ListModels", models_pb2.ListModelsRequest(), name).models
        audiences = desk.answer("ListAudiences", audiences_pb2.ListAudiencesRequest(), name).audiences
        return [model.name for model in models], sorted(audience.id for audience in audiences)

    assert names("portal") == ([MODEL], ["customer"])
    models, audiences = names("lab")
    assert models == ["card-fraud", OTHER, MODEL]
    assert len(audiences) == 5


def numbers_in(message: Any) -> list[str]:
    """Paths of all fields of a message with fractions in them, wherever they are."""
    found = []
    for field, value in message.ListFields():
        values = value if field.is_repeated and not field.message_type else [value]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                found += [f"{field.name}.{path}" for path in numbers_in(part)]
        elif any(isinstance(one, float) for one in values):
            found.append(field.name)
    return found


def test_callers_who_may_not_see_numbers_get_none(desk: Desk, row: dict[str, object], record_id: str) -> None:
    whole = desk.answer("Explain", ask(MODEL, [row], audiences=("customer",)), "lab")
    bare = desk.answer(
        "Explain", ask(MODEL, [row], audiences=("customer",)), "portal"
    )  # of the cache, that the lab filled
    model = desk.answer("GetModel", models_pb2.GetModelRequest(name=MODEL), "portal").model

    assert {"results.explanation.attribution.base_value", "results.explanation.output.prediction"} <= set(
        numbers_in(whole)
    )
    assert numbers_in(bare) == []
    (found,) = bare.results
    assert {field.name for field, _ in found.explanation.ListFields()} == {"id", "created_at", "model", "views"}
    assert [view.audience for view in found.explanation.views] == ["customer"]
    assert numbers_in(model) == []
    assert not model.HasField("digests") or model.digests == models_pb2.Digests()
    assert (model.background_rows, model.notes, len(model.concepts)) == (0, "", 0)
    assert {feature.sensitivity for feature in model.features} == {models_pb2.SENSITIVITY_UNSPECIFIED}

    for method in ("GetExplanation", "CompareExplanations", "ExplainStream"):
        code, text, _ = desk.refusal(method, every_request(row, record_id, MODEL)[method], "portal")
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert "data_scientist" in text


def comparing(*ids: str) -> explanations_pb2.CompareExplanationsRequest:
    return explanations_pb2.CompareExplanationsRequest(ids=ids)


def test_without_numbers_every_comparison_is_refused_byte_for_byte_as_elsewhere(
    desk: Desk, row: dict[str, object], record_id: str
) -> None:
    other: str = desk.answer("Explain", ask(MODEL, [row], method="lime"), "lab").results[0].explanation.id
    elsewhere = desk.refusal("GetExplanation", explanations_pb2.GetExplanationRequest(id=record_id), "portal")

    assert desk.answer("CompareExplanations", comparing(record_id, other), "lab").method == "linear"
    for ids in ((record_id, other), (record_id, "0-0"), ("0-0", "1-0"), (record_id,), (), ("", ""), ("0-0",) * 9):
        assert desk.refusal("CompareExplanations", comparing(*ids), "portal") == elsewhere


def test_a_comparison_tells_nothing_of_what_does_not_exist_for_the_caller(
    desk: Desk, row: dict[str, object], record_id: str
) -> None:
    own: str = desk.answer("Explain", ask(MODEL, [row], method="lime"), "foreign").results[0].explanation.id
    absent = "0" * (len(record_id) - 2) + "-0"

    for place, ids in enumerate(((record_id, own), (own, record_id))):
        forbidden = desk.refusal("CompareExplanations", comparing(*ids), "foreign")
        instead = [absent if one == record_id else one for one in ids]
        assert forbidden == desk.refusal("CompareExplanations", comparing(*instead), "foreign")
        assert forbidden[:2] == (
            grpc.StatusCode.NOT_FOUND,
            f"ids[{place}]: there is no explanation with this id",
        )


def test_what_is_not_covered_is_refused_with_what_is(desk: Desk, row: dict[str, object]) -> None:
    code, text, _ = desk.refusal("Explain", ask(MODEL, [row], method="kernel"), "portal")
    assert (code, text) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "method: this token does not cover method 'kernel'; it covers: auto",
    )

    code, text, _ = desk.refusal("Explain", ask(MODEL, [row], players={"mine": ["purpose"]}), "portal")
    assert code is grpc.StatusCode.PERMISSION_DENIED


def test_too_much_work_is_refused_without_the_size_of_the_background(desk: Desk, row: dict[str, object]) -> None:
    request = ask(MODEL, [row] * 1000, method="kernel", budget=60_000)

    told = desk.refusal("Explain", request, "lab")
    kept_back = desk.refusal("Explain", request, "sampler")

    assert told[0] is kept_back[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "model rows (coalitions times background rows)" in told[1]
    assert kept_back[1] == f"budget: {TOO_MUCH_WORK}"
    assert b"model rows" not in kept_back[2]


def test_rows_a_minute_are_bounded_and_the_refusal_says_until_when(desk: Desk, row: dict[str, object]) -> None:
    desk.answer("Explain", ask(MODEL, [row] * 2), "slow")

    busy = desk.refusal("Explain", ask(MODEL, [row] * 2), "slow")  # for a minute; one row would be let in sooner
    never = desk.refusal("Explain", ask(MODEL, [row] * 3), "slow")

    assert busy[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "allows 2 rows a minute; try again in" in busy[1]
    assert b"RetryInfo" in busy[2]
    assert never[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert b"RetryInfo" not in never[2]


def test_a_revoked_token_is_refused_by_the_running_service(desk: Desk) -> None:
    def refused() -> str:
        try:
            client.list_models()
        except NotAuthenticatedError as error:
            return str(error)
        return ""

    with Client(desk.target, access=Access(token=desk.tokens["brief"])) as client:
        assert refused() == ""
        desk.file.revoke(desk.tokens["brief"].split("_")[1], now=datetime.now(UTC))
        end_s = time.monotonic() + REVOKED_WITHIN_S
        while not refused() and time.monotonic() < end_s:
            time.sleep(0.05)

        assert refused() == NOT_AUTHENTICATED


def test_no_secret_is_in_the_log_or_in_any_file(desk: Desk, record_id: str) -> None:
    del record_id  # something has been recorded
    files = [path for path in desk.folder.rglob("*") if path.is_file()]

    assert len(files) > 3
    for token in desk.tokens.values():
        secret = token.split("_", 2)[2].encode()
        assert not [path for path in files if secret in path.read_bytes()]


def test_mutual_tls_and_tokens_together(service_process: Callable[..., Any], tmp_path: Path) -> None:
    authority, rogue = Authority(), Authority("rogue")
    authority.issue().write(tmp_path, "server")
    certificate, key = authority.issue("client").write(tmp_path, "client")
    rogue_certificate, rogue_key = rogue.issue("client").write(tmp_path, "rogue")
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.certificate)
    config = tmp_path / "xaisvc.toml"
    config.write_text('tls_certificate = "server.pem"\ntls_key = "server.key"\ntls_client_ca = "ca.pem"\n')
    _, tokens = make_tokens(tmp_path / "data")
    good = Access(token=tokens["portal"], ca=ca, certificate=certificate, key=key)
    bad = {
        "no certificate": Access(token=tokens["portal"], ca=ca),
        "of another authority": Access(token=tokens["portal"], ca=ca, certificate=rogue_certificate, key=rogue_key),
        "plain text": Access(token=tokens["portal"]),
    }

    with service_process(tmp_path, "--config", str(config)) as running:
        with Client(running.target, access=good) as client:
            names = [model.description.name for model in client.list_models()]
        without_token = Access(ca=ca, certificate=certificate, key=key)
        with Client(running.target, access=without_token) as client, pytest.raises(NotAuthenticatedError):
            client.list_models()
        for access in bad.values():
            with Client(running.target, access=access) as client, pytest.raises(ServiceUnreachableError):
                client.list_models()
        events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]

    assert names == [MODEL]
    assert {"tokens_in_use", "tls_in_use", "serving"} <= {event["event"] for event in events}
