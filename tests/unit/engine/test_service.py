from __future__ import annotations

import shutil
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest

from tests.unit.engine.conftest import frozen_surroundings
from xaisvc.engine import views
from xaisvc.engine.commands import ExplainCommand, ServiceLimits, ViewRequest
from xaisvc.engine.loading import build_service
from xaisvc.errors import (
    AbandonedError,
    BundleError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    StoreError,
)
from xaisvc.records import MemoryRecordStore, encode_record
from xaisvc.types import Caller, Deadline, ErrorTarget, Interest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xaisvc.engine.service import ExplanationService
    from xaisvc.records import Event
    from xaisvc.types import Budget
    from xaisvc.views import Audience

GOOD = {"a": 1.5, "b": 0.5}


class BrokenStore(MemoryRecordStore):
    """A store whose disk is full."""

    def append(self, event: Event, descriptions: Mapping[str, bytes] | None = None) -> Future[None]:
        del event, descriptions
        failed: Future[None] = Future()
        failed.set_exception(StoreError("the disk is full"))
        return failed


@pytest.fixture
def service(bundle_dir: Path) -> ExplanationService:
    return build_service(
        [bundle_dir],
        record_store=MemoryRecordStore(),
        device="cpu",
        limits=ServiceLimits(max_rows=4, max_views=2),
        surroundings=frozen_surroundings(),
    )


def command(*rows: Mapping[str, object], **changes: object) -> ExplainCommand:
    return ExplainCommand(bundle="log-model", rows=rows, **changes)  # type: ignore[arg-type]


def test_a_bad_row_gets_its_own_error_and_harms_no_other(service: ExplanationService) -> None:
    outcomes = service.explain(command(GOOD, {"a": "x", "b": 1.0}, {"a": 2.0, "b": 1.0}))

    assert [outcome.index for outcome in outcomes] == [0, 1, 2]
    assert [outcome.record is not None for outcome in outcomes] == [True, False, True]
    assert [violation.field for violation in outcomes[1].violations] == ["rows[1].a"]


def test_a_row_the_model_cannot_answer_harms_no_other(service: ExplanationService) -> None:
    outcomes = service.explain(command(GOOD, {"a": -1.0, "b": 0.0}, GOOD, {"a": 2.0, "b": 1.0}))

    assert [outcome.record is not None for outcome in outcomes] == [True, False, True, True]
    assert "not finite" in outcomes[1].error
    alone = service.explain(command(GOOD))[0].record
    assert alone is not None
    assert outcomes[0].record is not None
    assert outcomes[0].record.attribution == alone.attribution


def test_rows_as_columns(service: ExplanationService) -> None:
    outcomes = service.explain(ExplainCommand(bundle="log-model", rows={"a": [1.5, -1.0], "b": [0.5, 0.0]}))

    assert [outcome.record is not None for outcome in outcomes] == [True, False]


def test_a_record_comes_back_as_it_was_answered(service: ExplanationService) -> None:
    record = service.explain(command(GOOD))[0].record
    assert record is not None

    assert encode_record(service.get_explanation(record.id)) == encode_record(record)


def test_nothing_is_answered_that_was_not_recorded(bundle_dir: Path) -> None:
    service = build_service([bundle_dir], record_store=BrokenStore(), device="cpu")

    with pytest.raises(StoreError, match="the disk is full"):
        service.explain(command(GOOD))


def test_a_stored_record_can_be_rendered_for_another_audience(service: ExplanationService) -> None:
    asked = ViewRequest(audience="data_scientist", format="text")
    outcome = service.explain(command(GOOD, views=(asked,)))[0]
    assert outcome.record is not None

    assert service.render_view(outcome.record.id, asked) == outcome.views[0]
    other = service.render_view(outcome.record.id, ViewRequest(audience="customer", format="text"))
    assert other.content != outcome.views[0].content


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows": ()}, "rows: there are no rows; send at least one"),
        (
            {"views": (ViewRequest(audience="customer", format="doc"),)},
            "format: audience 'customer' has no format 'doc'",
        ),
        (
            {"views": (ViewRequest(audience="customer", language="xx"),)},
            "language: audience 'customer' has no language",
        ),
    ],
)
def test_wrong_parameters_are_named(service: ExplanationService, changes: dict[str, object], words: str) -> None:
    given: dict[str, object] = {"bundle": "log-model", "rows": (GOOD,)} | changes
    with pytest.raises(InvalidRequestError, match=words):
        service.explain(ExplainCommand(**given))  # type: ignore[arg-type]


def test_limits_are_named(service: ExplanationService) -> None:
    with pytest.raises(LimitExceededError, match="rows: 5 rows, but one request may hold 4; split the request"):
        service.explain(command(*[GOOD] * 5))
    view = ViewRequest(audience="customer")
    with pytest.raises(LimitExceededError, match="views: 1 rows times 3 views are 3, but one request may ask for 2"):
        service.explain(command(GOOD, views=(view, view, view)))


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (
            9_000_000,
            r"budget: 3 rows times up to .* model rows .* the 250,000,000 that one request may take; lower the budget",
        ),
        (Deadline(101.0), "budget: 3 rows times 101 seconds are more than the 300 seconds"),
    ],
)
def test_the_cost_of_sampling_is_bounded_before_anything_is_computed(
    service: ExplanationService, budget: Budget, words: str
) -> None:
    with pytest.raises(LimitExceededError, match=words):
        service.explain(command(GOOD, GOOD, GOOD, method="kernel", budget=budget))


def test_an_error_target_costs_what_it_may_cost_at_worst(bundle_dir: Path) -> None:
    limits = ServiceLimits(max_model_rows=100)
    service = build_service([bundle_dir], record_store=MemoryRecordStore(), device="cpu", limits=limits)

    with pytest.raises(LimitExceededError, match=r"send at most \d+ rows at a time|lower the budget"):
        service.explain(command(GOOD, GOOD, method="kernel", budget=ErrorTarget(1e-9)))


def test_a_budget_that_an_exact_method_ignores_costs_nothing(service: ExplanationService) -> None:
    outcomes = service.explain(command(GOOD, GOOD, GOOD, budget=ErrorTarget(1e-300)))

    assert all(outcome.record is not None for outcome in outcomes)


def test_work_that_nobody_waits_for_stops_and_leaves_no_record(bundle_dir: Path) -> None:
    service = build_service([bundle_dir], record_store=BrokenStore(), device="cpu")  # would fail if asked to keep one
    interest = Interest()
    interest.leave()

    with pytest.raises(AbandonedError):
        service.explain(command(GOOD, GOOD, method="lime"), interest=interest)
    assert service.answering.scheduler.state().batches == 0


def test_unknown_names(service: ExplanationService) -> None:
    with pytest.raises(NotFoundError, match="there is no model 'other'"):
        service.explain(ExplainCommand(bundle="other", rows=(GOOD,)))
    with pytest.raises(NotFoundError, match="there is no audience 'king'; known audiences: "):
        service.explain(command(GOOD, views=(ViewRequest(audience="king"),)))
    with pytest.raises(NotFoundError, match="there is no explanation with this id"):
        service.get_explanation("nothing")


def test_a_folder_of_bundles_is_searched(bundle_dir: Path) -> None:
    service = build_service([bundle_dir.parent], record_store=MemoryRecordStore(), device="cpu")

    assert [model.description.name for model in service.list_models()] == ["log-model"]


def test_an_empty_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle and holds none"):
        build_service([tmp_path], record_store=MemoryRecordStore())


def test_two_bundles_of_one_name_are_refused(bundle_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle_dir, tmp_path / "copy")

    with pytest.raises(BundleError, match="two bundles are named 'log-model'"):
        build_service([bundle_dir, tmp_path / "copy"], record_store=MemoryRecordStore(), device="cpu")


def test_what_is_served_can_be_listed(service: ExplanationService) -> None:
    model = service.get_model("log-model")

    assert model.device == "cpu"
    assert model.background_rows == 60
    assert "exact" in model.exact_methods
    assert "features that go together" in model.studies
    reader = Caller(id="letters", audiences=frozenset({"customer"}))
    assert service.get_model("log-model", reader).studies == ""
    assert service.get_model("log-model", reader).audiences == ("customer",)
    assert set(model.audiences) == {audience.id for audience in service.list_audiences()}
    assert {audience.id for audience in service.list_audiences()} == {
        "business_manager",
        "customer",
        "data_scientist",
        "fraud_analyst",
        "relationship_manager",
    }


def test_what_an_audience_reads_is_made_once_for_all_formats(
    service: ExplanationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = views.make_views

    def counted(records: object, description: object, audience: Audience, language: str, **more: object) -> object:
        made.append(audience.id)
        return make(records, description, audience, language, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(views, "make_views", counted)
    asked = tuple(ViewRequest(audience="customer", format=name) for name in ("text", "json"))
    (outcome,) = service.explain(command(GOOD, views=asked))

    assert made == ["customer"]
    assert [view.format for view in outcome.views] == ["text", "json"]
    assert outcome.record is not None
    again = [service.render_view(outcome.record.id, one) for one in asked]
    assert again == list(outcome.views)
