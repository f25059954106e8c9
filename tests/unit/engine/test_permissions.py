from __future__ import annotations

import itertools
from dataclasses import fields, replace
from typing import Any

import pytest

from xaisvc import errors
from xaisvc.attribution import METHODS
from xaisvc.engine import permissions
from xaisvc.engine.commands import ExplainCommand, ModelInfo
from xaisvc.engine.permissions import (
    NO_NUMBERS_ERROR,
    NOT_USABLE_ERROR,
    check_command,
    check_method,
    check_numbers,
    check_record,
    no_such_audience,
    no_such_bundle,
    no_such_record,
    permitted_audience,
    permitted_bundle,
    safe_error,
    visible_audiences,
    visible_bundles,
    visible_model,
)
from xaisvc.engine.viewing import audiences as shipped_audiences
from xaisvc.engine.viewing import find_audience
from xaisvc.errors import (
    AbandonedError,
    AdditivityError,
    AudienceError,
    BundleError,
    BusyError,
    FieldViolation,
    InvalidRequestError,
    LimitExceededError,
    ModelOutputError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    RuntimeUnavailableError,
    StoreError,
    TooLateError,
    UnsafeModelError,
    XaisvcError,
)
from xaisvc.types import (
    LOCAL,
    Adverse,
    Band,
    BundleDescription,
    Caller,
    Change,
    Concept,
    Digests,
    Feature,
    Kind,
    Output,
    Sensitivity,
    TensorColumn,
)

BUNDLES = {"cards": 1, "loans": 2}
AUDIENCES = {"customer": "c", "data_scientist": "d", "fraud_analyst": "f"}
RPCS = (
    "Explain", "ExplainStream", "RenderView", "GetExplanation", "CompareExplanations", "GetModel", "ListModels",
    "ListAudiences", "Submit", "RenderCohort", "RenderCohort of named explanations",
)  # fmt: skip

CUSTOMER = Caller(
    id="portal", bundles=frozenset({"loans"}), audiences=frozenset({"customer"}), methods=frozenset({"tree"})
)
SCIENTIST = Caller(id="lab", bundles=frozenset({"loans"}), audiences=frozenset({"data_scientist"}))


def outcome(rpc: str, caller: Caller, bundle: str, audience: str, method: str, tenant: str) -> str:  # noqa: C901, PLR0913, PLR0917 - as below
    """What a caller gets, `given`, `absent` or `refused`, by the decisions that this method of the protocol asks."""
    try:
        match rpc:
            case "Explain" | "ExplainStream":
                permitted_bundle(BUNDLES, bundle, caller)
                check_command(ExplainCommand(bundle=bundle, rows=[{}], method=method), caller)
                if rpc == "ExplainStream":
                    check_numbers(caller)
                else:
                    permitted_audience(AUDIENCES, audience, caller)
            case "RenderView" | "Submit":
                check_record(caller, bundle=bundle, tenant=tenant)
                permitted_audience(AUDIENCES, audience, caller)
            case "GetExplanation" | "CompareExplanations":
                check_record(caller, bundle=bundle, tenant=tenant)
                check_numbers(caller)
            case "RenderCohort" | "RenderCohort of named explanations":
                permitted_audience(AUDIENCES, audience, caller)
                permitted_bundle(BUNDLES, bundle, caller)
                if "named" in rpc:
                    check_numbers(caller)
            case "GetModel":
                permitted_bundle(BUNDLES, bundle, caller)
            case "ListModels":
                return "given" if bundle in visible_bundles(BUNDLES, caller) else "absent"
            case _:
                return "given" if audience in visible_audiences(AUDIENCES, caller) else "absent"
    except NotFoundError:
        return "absent"
    except NotAllowedError:
        return "refused"
    return "given"


def expected(rpc: str, caller: Caller, bundle: str, audience: str, method: str, tenant: str) -> str:  # noqa: PLR0911, PLR0913, PLR0917 - a table in words
    """The same, said once more from the rights alone."""
    bundle_covered = caller.bundles is None or bundle in caller.bundles
    bundle_there = bundle in BUNDLES and bundle_covered
    audience_there = audience in AUDIENCES and (caller.audiences is None or audience in caller.audiences)
    record_there = bundle_covered and tenant == caller.tenant  # a record outlives the bundle it was made with
    method_covered = method == "auto" or caller.methods is None or method in caller.methods
    numbers = caller.audiences is None or "data_scientist" in caller.audiences
    match rpc:
        case "Explain":
            if not bundle_there:
                return "absent"
            return "refused" if not method_covered else "given" if audience_there else "absent"
        case "ExplainStream":
            return "absent" if not bundle_there else "given" if method_covered and numbers else "refused"
        case "RenderView" | "Submit":
            return "given" if record_there and audience_there else "absent"
        case "GetExplanation" | "CompareExplanations":
            return "absent" if not record_there else "given" if numbers else "refused"
        case "RenderCohort" | "RenderCohort of named explanations":
            if not (audience_there and bundle_there):
                return "absent"
            return "given" if numbers or "named" not in rpc else "refused"
        case "GetModel" | "ListModels":
            return "given" if bundle_there else "absent"
        case _:
            return "given" if audience_there else "absent"


def scopes(names: tuple[str, ...]) -> list[frozenset[str] | None]:
    """Every set of these names, and all names (None)."""
    return [None, *(frozenset(some) for size in range(len(names) + 1) for some in itertools.combinations(names, size))]


def test_every_token_gets_what_it_covers_and_nothing_else() -> None:
    seen = {"given": 0, "absent": 0, "refused": 0}
    for bundles, audiences, methods, tenant in itertools.product(
        scopes(("cards", "loans")), scopes(tuple(AUDIENCES)), scopes(("tree", "kernel")), ("", "retail")
    ):
        caller = Caller(id="x", tenant=tenant, bundles=bundles, audiences=audiences, methods=methods)
        for asked in itertools.product(
            RPCS,
            ("cards", "loans", "nothing"),
            (*AUDIENCES, "nobody"),
            ("auto", "tree", "kernel", "linear"),
            ("", "retail"),
        ):
            rpc, bundle, audience, method, theirs = asked
            got = outcome(rpc, caller, bundle, audience, method, theirs)
            assert got == expected(rpc, caller, bundle, audience, method, theirs), (caller, asked)
            seen[got] += 1
    assert sum(seen.values()) == 5 * 9 * 5 * 2 * len(RPCS) * 3 * 4 * 4 * 2
    assert min(seen.values()) > 1000  # all three answers are common, so that a rule that is not asked would show


def test_a_caller_without_any_scope_gets_nothing_at_all() -> None:
    nobody = Caller(id="x", bundles=frozenset(), audiences=frozenset(), methods=frozenset())

    for asked in itertools.product(RPCS, BUNDLES, AUDIENCES, METHODS, ("", "retail")):
        assert outcome(asked[0], nobody, *asked[1:]) != "given", asked


def the_error(call: Any) -> XaisvcError:
    with pytest.raises(XaisvcError) as caught:
        call()
    return caught.value


class Counted(dict[str, object]):
    """A mapping that counts how often somebody looks something up in it."""

    looks = 0

    def get(self, key: str, default: object = None) -> object:
        self.looks += 1
        return super().get(key, default)


def test_a_forbidden_bundle_answers_as_an_absent_one_after_the_same_steps() -> None:
    answers = []
    for served in ({"loans": 1, "cards": 1}, {"loans": 1}):
        bundles = Counted(served)
        error = the_error(lambda bundles=bundles: permitted_bundle(bundles, "cards", CUSTOMER))
        answers.append((type(error), error.args, vars(error), bundles.looks))

    assert answers[0] == answers[1]
    assert answers[0][0] is NotFoundError
    assert str(no_such_bundle("cards")) == "there is no model 'cards'; ask ModelService.ListModels for the known ones"


def test_a_forbidden_audience_answers_as_an_absent_one_after_the_same_steps() -> None:
    answers = []
    for declared in (AUDIENCES, {"customer": "c"}):
        audiences = Counted(declared)
        error = the_error(lambda audiences=audiences: permitted_audience(audiences, "fraud_analyst", CUSTOMER))
        answers.append((type(error), error.args, vars(error), audiences.looks))

    assert answers[0] == answers[1]
    assert answers[0][1] == ("there is no audience 'fraud_analyst'; known audiences: customer",)


def test_the_texts_are_those_of_callers_who_may_do_everything() -> None:
    known = shipped_audiences()

    assert the_error(lambda: find_audience("nobody")).args == no_such_audience("nobody", known).args
    assert the_error(lambda: permitted_audience(known, "nobody", LOCAL)).args == no_such_audience("nobody", known).args


@pytest.mark.parametrize(("bundle", "tenant"), [("cards", ""), ("loans", "retail"), ("cards", "retail")])
def test_a_forbidden_record_answers_as_an_absent_one(bundle: str, tenant: str) -> None:
    error = the_error(lambda: check_record(CUSTOMER, bundle=bundle, tenant=tenant))

    assert (type(error), error.args) == (NotFoundError, no_such_record().args)


def test_without_tokens_records_of_every_tenant_can_be_read() -> None:
    check_record(LOCAL, bundle="loans", tenant="retail")
    with pytest.raises(NotFoundError):
        check_record(Caller(id="other"), bundle="loans", tenant="retail")


def test_a_method_that_is_not_covered_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        NotAllowedError, match=r"method: this token does not cover method 'kernel'; it covers: auto, tree$"
    ):
        check_method("kernel", CUSTOMER)
    check_method("auto", CUSTOMER)
    check_method("tree", CUSTOMER)
    check_method("kernel", SCIENTIST)


def test_groups_of_the_callers_own_making_are_for_those_who_see_numbers() -> None:
    command = ExplainCommand(bundle="loans", rows=[{}], players={"mine": ["age"]})

    with pytest.raises(NotAllowedError, match=r"players of the caller's own making .* views for: customer"):
        check_command(command, CUSTOMER)
    check_command(command, SCIENTIST)
    check_command(replace(command, players="concepts"), CUSTOMER)


SECRETS = (
    "0.3125",
    "aml",
    "proxy",
    "tensor-of-a",
    "income follows from",
    "tensor-of-b",
    "-17.5",
    "42.25",
    "4711",
    "abcdef",
    "sold",
    "wealth",
)
INFO = ModelInfo(
    description=BundleDescription(
        name="loans",
        version="1.0",
        owner="Credit",
        purpose="Decides",
        out_of_scope="Nothing else",
        features=(
            Feature(
                id="income",
                kind=Kind.NUMERIC,
                source=TensorColumn(tensor="tensor-of-a", column=3),
                unit="EUR",
                allow_missing=True,
                labels={"en": "Income"},
                concept="wealth",
                sensitivity=Sensitivity.AML,
                change=Change(minimum=-17.5),
                observed_range=(-17.5, 42.25),
            ),
            Feature(
                id="purpose",
                kind=Kind.CATEGORY,
                source=TensorColumn(tensor="tensor-of-b"),
                categories=("car", "boat"),
                category_labels={"en": {"car": "Car"}},
                sensitivity=Sensitivity.PROXY,
            ),
        ),
        outputs=(
            Output(
                id="default",
                tensor="tensor-of-a",
                target=1,
                adverse=Adverse.HIGHER,
                threshold=0.3125,
                bands=(Band(id="low", upper=0.3125), Band(id="high")),
                labels={"en": "Default"},
            ),
        ),
        concepts=(Concept(id="wealth"),),
        languages=("en", "nl"),
        notes="sold in 2011",
    ),
    digests=Digests(model="abcdef", background="abcdef", schema="abcdef"),
    device="cpu",
    methods=("tree", "kernel"),
    exact_methods=("tree",),
    studies="82% of income follows from wealth",
    background_rows=4711,
)


def test_a_model_without_numbers_keeps_what_it_takes_to_send_rows() -> None:
    seen = visible_model(INFO, CUSTOMER)

    first, second = seen.description.features
    assert (first.id, first.kind, first.unit, first.allow_missing, first.labels) == (
        "income", Kind.NUMERIC, "EUR", True, {"en": "Income"},
    )  # fmt: skip
    assert (second.categories, second.category_labels) == (("car", "boat"), {"en": {"car": "Car"}})
    assert [(output.id, output.space, output.labels) for output in seen.description.outputs] == [
        ("default", INFO.description.outputs[0].space, {"en": "Default"})
    ]
    assert (seen.description.name, seen.description.version, seen.description.purpose) == ("loans", "1.0", "Decides")
    assert seen.methods == seen.exact_methods == ("tree",)


def test_a_model_names_the_audiences_that_a_caller_has_rights_to_and_no_other() -> None:
    told = replace(
        INFO,
        description=replace(INFO.description, audiences=("fraud_analyst", "customer")),
        audiences=("customer", "fraud_analyst"),
        warnings=("the pack is overdue",),
    )
    seen = visible_model(told, CUSTOMER)

    assert seen.warnings == ()
    assert (seen.audiences, seen.description.audiences) == (("customer",), ("customer",))
    assert visible_model(told, LOCAL) is told
    assert visible_model(told, SCIENTIST).audiences == ()


def test_a_model_without_numbers_says_what_it_is_for_in_every_language() -> None:
    texts = {"nl": {"owner": "Krediet", "purpose": "Beslist"}}
    told = replace(INFO, description=replace(INFO.description, texts=texts, row_labels={"nl": "leningen"}))
    seen = visible_model(told, CUSTOMER).description

    assert (seen.text("purpose", "nl"), seen.text("owner", "en"), seen.row_label("nl")) == (
        "Beslist", "Credit", "leningen",
    )  # fmt: skip


def test_a_model_without_numbers_shows_none_of_its_facts() -> None:
    assert not [secret for secret in SECRETS if secret in str(visible_model(INFO, CUSTOMER))]
    assert not [secret for secret in SECRETS if secret not in str(INFO)]  # all of them could be seen


@pytest.mark.parametrize("kind", [Feature, Output])
def test_every_field_of_a_model_has_been_thought_of(kind: type) -> None:
    """A field that is added is kept back until somebody decides here."""
    known = {
        Feature: "id kind source unit categories allow_missing labels category_labels concept sensitivity generalised "
        "origins stale_after_days change observed_range",
        Output: "id tensor target tensor_space space adverse threshold bands labels",
    }

    assert [field.name for field in fields(kind)] == known[kind].split()


def test_who_sees_numbers_sees_the_whole_model() -> None:
    assert visible_model(INFO, LOCAL) is INFO
    assert visible_model(INFO, SCIENTIST) == INFO
    assert visible_model(INFO, replace(SCIENTIST, methods=frozenset({"kernel"}))) == replace(
        INFO, methods=("kernel",), exact_methods=()
    )


@pytest.mark.parametrize(
    "error",
    [
        ModelOutputError("row 3 got 0.731 and then 0.732"),
        AdditivityError("the values sum to 0.731, the output is 0.732"),
    ],
)
def test_numbers_of_the_model_leave_no_error(error: ModelOutputError) -> None:
    seen = safe_error(error, CUSTOMER)

    assert (type(seen), seen.args) == (ModelOutputError, (NO_NUMBERS_ERROR,))
    assert safe_error(error, SCIENTIST) is error
    assert safe_error(error, LOCAL) is error


@pytest.mark.parametrize("reason", ["TOO_MUCH_WORK", "LIMIT_EXCEEDED"])
def test_the_size_of_the_background_leaves_no_error(reason: str) -> None:
    text = "5 rows times up to 4711 model rows are too many; send at most 3 rows"
    error = LimitExceededError(f"budget: {text}", (FieldViolation("budget", reason, text),))

    seen = safe_error(error, CUSTOMER)

    assert isinstance(seen, LimitExceededError)
    assert str(seen) == f"budget: {permissions.TOO_MUCH_WORK}"
    assert seen.violations == (FieldViolation("budget", reason, permissions.TOO_MUCH_WORK),)
    assert safe_error(error, SCIENTIST) is error


@pytest.mark.parametrize(
    "error",
    [
        BundleError("threshold: 0.3125", file="bundle.yaml"),
        UnsafeModelError("node 7"),
        AudienceError("max_for: 3"),
        RuntimeUnavailableError("no CUDA 12.4"),
        XaisvcError("0.3125"),
    ],
)
def test_facts_of_files_leave_no_error(error: XaisvcError) -> None:
    seen = safe_error(error, CUSTOMER)

    assert (type(seen), seen.args) == (BundleError, (NOT_USABLE_ERROR,))
    assert safe_error(error, SCIENTIST) is error


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequestError.of("method", "unknown"),
        LimitExceededError("rows"),
        LimitExceededError("rows: 3", (FieldViolation("rows", "TOO_MANY_ROWS", "3"),)),
        NotFoundError("x"),
        NotAllowedError("x"),
        NotAuthenticatedError("x"),
        BusyError("x", 1.0),
        TooLateError("x"),
        AbandonedError("x"),
        StoreError("x"),
    ],
)
def test_errors_about_the_request_stay_as_they_are(error: XaisvcError) -> None:
    assert safe_error(error, CUSTOMER) is error


def test_every_class_of_error_is_open_or_kept_back_on_purpose() -> None:
    declared = {cls for cls in XaisvcError.__subclasses__() if cls.__module__ == errors.__name__}
    kept_back = {BundleError, AudienceError, ModelOutputError, RuntimeUnavailableError}

    assert declared - kept_back - {errors.ServiceError} == set(permissions._OPEN_ERRORS)  # that one is the client's
