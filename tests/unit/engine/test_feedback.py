from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.engine.conftest import frozen_surroundings
from xaisvc.engine.commands import ExplainCommand, Feedback, ViewRequest
from xaisvc.engine.loading import make_service
from xaisvc.errors import InvalidRequestError, NotFoundError
from xaisvc.records import EventKind, MemoryRecordStore
from xaisvc.types import LOCAL, Caller

if TYPE_CHECKING:
    from xaisvc.engine.explainer import Explainer
    from xaisvc.engine.service import ExplanationService

ROW = {"a": 1.5, "b": 0.5}


@pytest.fixture
def store() -> MemoryRecordStore:
    return MemoryRecordStore()


@pytest.fixture
def service(explainer: Explainer, store: MemoryRecordStore) -> ExplanationService:
    return make_service([explainer], store, surroundings=frozen_surroundings())


@pytest.fixture
def explained(service: ExplanationService) -> str:
    record = service.explain(ExplainCommand(bundle="log-model", rows=[ROW]))[0].record
    assert record is not None
    return record.id


def test_feedback_is_stored_beside_the_explanation(
    service: ExplanationService, store: MemoryRecordStore, explained: str
) -> None:
    entry, at = service.submit_feedback(
        Feedback(
            explanation_id=explained,
            audience="relationship_manager",
            reader="anna",
            verdict="deviate",
            reason_code="DATA_OUTDATED",
            comment="The income is of last year.",
            first_judgement="accept",
            final_judgement="decline",
        )
    )

    (event,) = store.events(kinds=[EventKind.FEEDBACK])
    assert (event.id, event.at, event.about, event.bundle) == (entry, at, explained, "log-model")
    assert event.head["verdict"] == "deviate"
    assert "anna" not in json.dumps(dict(event.head))
    assert "income" not in json.dumps(dict(event.head))  # free text may hold personal data, so it can be erased
    (part,) = event.parts
    assert part is not None
    assert json.loads(part.content) == {"comment": "The income is of last year."}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "verdict: nothing is said"),
        ({"verdict": "maybe"}, "verdict: 'maybe' is not one of agree, deviate, not_used"),
        ({"comment": "x" * 4001}, "comment: has more than 4000 characters"),
        ({"outcome": "x" * 65}, "outcome: has more than 64 characters"),
    ],
)
def test_feedback_that_says_nothing_or_too_much_is_refused(
    service: ExplanationService, store: MemoryRecordStore, explained: str, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        service.submit_feedback(Feedback(explanation_id=explained, **changes))
    assert list(store.events(kinds=[EventKind.FEEDBACK])) == []


def refusal(service: ExplanationService, feedback: Feedback, caller: Caller = LOCAL) -> str:
    """What is said of a reason code that is refused; nothing was stored then."""
    with pytest.raises(InvalidRequestError) as refused:
        service.submit_feedback(feedback, caller)
    (violation,) = refused.value.violations
    assert (violation.field, violation.reason) == ("reason_code", "UNKNOWN_REASON_CODE")
    return str(refused.value)


def deviating(explained: str, code: str, audience: str = "") -> Feedback:
    return Feedback(explanation_id=explained, audience=audience, verdict="deviate", reason_code=code)


def test_a_reason_code_is_one_of_those_that_the_audience_declares(
    service: ExplanationService, store: MemoryRecordStore, explained: str
) -> None:
    told = refusal(service, deviating(explained, "DATA_OUTDATE", "relationship_manager"))
    other = refusal(service, deviating(explained, "DATA_WRONG", "fraud_analyst"))

    assert list(store.events(kinds=[EventKind.FEEDBACK])) == []
    assert told == (
        "reason_code: 'DATA_OUTDATE' is not one of MISSED_SOMETHING, DATA_WRONG, DATA_OUTDATED, NOT_SUITABLE, OTHER"
    )
    assert other.startswith("reason_code: 'DATA_WRONG' is not one of known-pattern, new-pattern, ")
    service.submit_feedback(deviating(explained, "known-pattern", "fraud_analyst"))


def test_without_an_audience_the_codes_are_those_of_whom_it_was_shown_to(
    service: ExplanationService, explained: str
) -> None:
    for code in ("known-pattern", "DATA_WRONG"):  # nobody has read it yet: the codes of everybody who may
        service.submit_feedback(deviating(explained, code))
    service.render_view(explained, ViewRequest(audience="fraud_analyst", format="text"))

    service.submit_feedback(deviating(explained, "known-pattern"))
    assert "is not one of known-pattern" in refusal(service, deviating(explained, "DATA_WRONG"))


def test_codes_of_audiences_without_rights_are_neither_taken_nor_told(
    service: ExplanationService, explained: str
) -> None:
    service.render_view(explained, ViewRequest(audience="fraud_analyst", format="text"))
    branch = Caller(id="branch", audiences=frozenset({"relationship_manager"}))
    letters = Caller(id="letters", audiences=frozenset({"customer"}))

    assert "known-pattern" not in refusal(service, deviating(explained, "new-pattern"), branch)
    told = refusal(service, deviating(explained, "known-pattern"), letters)
    assert told.startswith("reason_code: no audience of this model that you may read as declares codes")


@pytest.mark.parametrize(
    "caller",
    [Caller(id="x", bundles=frozenset({"other"})), Caller(id="x", tenant="elsewhere")],
    ids=["bundle", "tenant"],
)
def test_an_explanation_of_others_does_not_exist(service: ExplanationService, explained: str, caller: Caller) -> None:
    with pytest.raises(NotFoundError) as forbidden:
        service.submit_feedback(Feedback(explanation_id=explained, verdict="agree"), caller)
    with pytest.raises(NotFoundError) as absent:
        service.submit_feedback(Feedback(explanation_id="nothing-0", verdict="agree"), caller)

    assert str(forbidden.value) == str(absent.value)


def test_usage_counts_views_readers_and_verdicts(service: ExplanationService, explained: str) -> None:
    view = ViewRequest(audience="customer", format="text")
    for reader in ("anna", "anna", "ben"):
        service.render_view(explained, view, reader=reader)
    for verdict in ("agree", "deviate", "deviate"):
        service.submit_feedback(Feedback(explanation_id=explained, audience="customer", verdict=verdict))

    (usage,) = service.usage("log-model")

    assert (usage.audience, usage.opens, usage.readers, usage.repeat_readers) == ("customer", 3, 2, 0)
    assert (usage.agreements, usage.overrides, usage.not_used) == (1, 2, 0)
    assert service.usage("log-model", until="2020-01-01") == ()


def test_the_view_that_was_rendered_can_be_recognised_later(
    service: ExplanationService, store: MemoryRecordStore, explained: str
) -> None:
    import hashlib

    rendered = service.render_view(explained, ViewRequest(audience="customer", format="text"))

    (event,) = store.events(kinds=[EventKind.VIEW])
    assert event.about == explained
    assert event.head["sha256"] == hashlib.sha256(rendered.content.encode()).hexdigest()
    assert rendered.content not in json.dumps(dict(event.head))
