"""Evidence first and whom a bundle concerns, in the library and in the service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.engine.conftest import frozen_surroundings
from xaisvc.demo.cases import BUNDLES, CARD_MODEL, load_payments
from xaisvc.engine.commands import ExplainCommand, Feedback, ViewRequest
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.loading import make_service
from xaisvc.engine.viewing import check_concerned, find_audience
from xaisvc.errors import InvalidRequestError
from xaisvc.records import MemoryRecordStore
from xaisvc.types.supplements import Supplement

if TYPE_CHECKING:
    from xaisvc.engine.batch import ExplanationBatch
    from xaisvc.engine.service import ExplanationService

ANALYST = ViewRequest(audience="fraud_analyst", format="text")
ROW = {"a": 1.5, "b": 0.5}


@pytest.fixture(scope="module")
def cards() -> tuple[Explainer, ExplanationBatch]:
    explainer = Explainer(BUNDLES / CARD_MODEL, device="cpu", threads=1)
    return explainer, explainer.explain([case.row for case in load_payments()])


@pytest.fixture
def service(explainer: Explainer) -> ExplanationService:
    return make_service([explainer], MemoryRecordStore(), surroundings=frozen_surroundings())


BLANK = "is blank; say what was judged, or leave it out"


def explained(service: ExplanationService) -> str:
    command = ExplainCommand(bundle="log-model", rows=[ROW], views=(ANALYST,))
    outcome = service.explain(command)[0]
    assert outcome.record is not None
    assert [view.status for view in outcome.views] == ["judgement_first"]
    return outcome.record.id


def test_the_library_shows_the_rating_only_to_who_has_judged(cards: tuple[Explainer, ExplanationBatch]) -> None:
    _, batch = cards
    before, after = (batch[0].view("fraud_analyst", judged=judged).to_text() for judged in (False, True))

    assert "Urgent alert" not in before
    assert batch[0].view("fraud_analyst").to_text() == before
    assert "Urgent alert. Of 100 such alerts about 91 were confirmed" in after
    assert "Somebody else was in the account" in after


def test_a_dutch_view_has_the_findings_in_dutch(cards: tuple[Explainer, ExplanationBatch]) -> None:
    _, batch = cards
    text = batch[0].view("fraud_analyst", "nl", judged=True).to_text()

    assert "Iemand anders zat in de rekening" in text
    assert "Somebody else" not in text


def test_only_a_first_judgement_opens_the_view(service: ExplanationService) -> None:
    record_id = explained(service)
    for feedback in (
        Feedback(explanation_id=record_id, audience="fraud_analyst", verdict="agree"),
        Feedback(explanation_id=record_id, audience="fraud_analyst", final_judgement="hold"),
        Feedback(explanation_id=record_id, audience="customer", first_judgement="hold"),
    ):
        service.submit_feedback(feedback)

        assert service.render_view(record_id, ANALYST).status == "judgement_first"
    service.submit_feedback(Feedback(explanation_id=record_id, audience="fraud_analyst", first_judgement="hold"))

    assert service.render_view(record_id, ANALYST).status == "complete"


@pytest.mark.parametrize("audience", ["fraud_analyst", ""])
@pytest.mark.parametrize("judgement", ["maybe", "Hold", "hold ", " "])
def test_a_word_that_is_no_decision_is_refused_and_opens_nothing(
    service: ExplanationService, judgement: str, audience: str
) -> None:
    record_id = explained(service)
    service.render_view(record_id, ANALYST)
    for field in ("first_judgement", "final_judgement"):
        with pytest.raises(InvalidRequestError) as refused:
            service.submit_feedback(Feedback(explanation_id=record_id, audience=audience, **{field: judgement}))

        told = f"{judgement!r} is not one of clear, hold, escalate, report"
        assert str(refused.value) == f"{field}: {told if judgement.strip() else BLANK}"
    assert service.render_view(record_id, ANALYST).status == "judgement_first"


def test_an_audience_without_decisions_takes_any_word(service: ExplanationService) -> None:
    judged = Feedback(explanation_id=explained(service), audience="data_scientist", first_judgement="odd")

    assert service.submit_feedback(judged)


def test_a_judgement_of_another_case_opens_nothing(service: ExplanationService) -> None:
    judged, other = explained(service), explained(service)
    service.submit_feedback(Feedback(explanation_id=judged, first_judgement="hold"))

    assert service.render_view(judged, ANALYST).status == "complete"
    assert service.render_view(other, ANALYST).status == "judgement_first"


def test_a_named_reader_sees_it_after_their_own_judgement(service: ExplanationService) -> None:
    record_id = explained(service)
    service.submit_feedback(Feedback(explanation_id=record_id, reader="anna", first_judgement="hold"))

    status = {reader: service.render_view(record_id, ANALYST, reader=reader).status for reader in ("anna", "bert", "")}
    assert status == {"anna": "complete", "bert": "judgement_first", "": "complete"}


def test_an_audience_that_the_bundle_does_not_name_is_refused_in_one_way(
    cards: tuple[Explainer, ExplanationBatch],
) -> None:
    _, batch = cards
    texts = set()
    for one in batch:
        for language in ("en", "nl"):
            with pytest.raises(InvalidRequestError) as caught:
                one.view("customer", language)
            texts.add(str(caught.value))

    (text,) = texts
    assert text == (
        "audience: model 'card-fraud' has no views for the audience 'customer', whatever the case; bundle.yaml names "
        "those that its decisions concern under 'audiences'"
    )


def test_a_bundle_that_names_no_audience_concerns_all(cards: tuple[Explainer, ExplanationBatch]) -> None:
    description = cards[0].bundle.description

    check_concerned(replace(description, audiences=()), find_audience("customer"))
    with pytest.raises(InvalidRequestError, match="whatever the case"):
        check_concerned(description, find_audience("relationship_manager"))


def test_what_a_reader_may_not_see_does_not_decide_which_cases_are_near(
    cards: tuple[Explainer, ExplanationBatch],
) -> None:
    explainer, batch = cards
    record = batch[0].record
    visible = tuple(name for name in record.row if name not in {"device_new", "amount_eur"})
    players = tuple(
        replace(one, value=50.0) if one.player == "device_new" else one for one in record.attribution.players
    )
    other = replace(
        record,
        row={**record.row, "device_new": 0.0, "amount_eur": 3.0},
        attribution=replace(record.attribution, players=players),
    )
    needs = {Supplement.SIMILAR_CASES}
    ((one,), (two,)) = (explainer.supplier.supply([found], needs, visible=visible) for found in (record, other))

    assert one.similar_cases is not None
    assert one == two
    for case in (*one.similar_cases.confirmed, *one.similar_cases.cleared):
        assert tuple(case.row) == tuple(case.parts) == visible


def test_a_case_beyond_all_closed_ones_is_told_to_be_unlike_them(cards: tuple[Explainer, ExplanationBatch]) -> None:
    explainer, batch = cards
    supplied = explainer.supplier.supply([one.record for one in batch], {Supplement.SIMILAR_CASES})
    names = [case.id for case in load_payments()]
    beyond = {name: one.similar_cases.beyond for name, one in zip(names, supplied, strict=True) if one.similar_cases}

    assert [name for name, features in beyond.items() if features] == ["payment-5-unlike"]
    assert "amount_eur" in beyond["payment-5-unlike"]
    texts = [view.to_text() for view in batch.views("fraud_analyst")]
    unlike = [name for name, text in zip(names, texts, strict=True) if "Unlike past cases" in text]
    assert unlike == ["payment-5-unlike"]


def test_every_declared_audience_exists() -> None:
    for folder in sorted(Path(BUNDLES).iterdir()):
        for name in Explainer(folder, device="cpu", threads=1).bundle.description.audiences:
            assert find_audience(name).id == name
