from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from xaisvc.engine.answered import Underway
from xaisvc.engine.commands import ExplainCommand, ViewRequest
from xaisvc.engine.loading import build_service
from xaisvc.engine.stages import NoStages, Stage, Stages
from xaisvc.errors import NotFoundError
from xaisvc.records import MemoryRecordStore
from xaisvc.types import LOCAL, Interest

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.engine.service import ExplanationService

ROW = {"a": 1.5, "b": 0.5}


@dataclass
class Told:
    """Keeps what it is told."""

    stages: list[tuple[Stage, str, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    batches: list[tuple[str, str, int, int]] = field(default_factory=list)

    def spent(self, stage: Stage, bundle: str, method: str, start_s: float, end_s: float) -> None:
        self.stages.append((stage, bundle, method))
        self.seconds.append(end_s - start_s)

    def computed(self, bundle: str, method: str, rows: int, model_rows: int) -> None:
        self.batches.append((bundle, method, rows, model_rows))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def service(bundle_dir: Path, told: Told) -> ExplanationService:
    return build_service([bundle_dir], record_store=MemoryRecordStore(), device="cpu", stages=told)


def command(**changes: object) -> ExplainCommand:
    return ExplainCommand(**{"bundle": "log-model", "rows": [ROW], **changes})  # type: ignore[arg-type]


def test_every_stage_of_a_request_is_told_with_its_bundle(service: ExplanationService, told: Told) -> None:
    service.explain(command(method="kernel", views=(ViewRequest(audience="data_scientist", format="text"),)))

    assert [stage for stage, _, _ in told.stages] == [
        Stage.PARSE,
        Stage.WAIT,
        Stage.COMPUTE,
        Stage.RENDER,
        Stage.RECORD,
    ]
    assert {(bundle, method) for _, bundle, method in told.stages} == {("log-model", "kernel")}
    assert min(told.seconds) >= 0
    ((bundle, method, rows, model_rows),) = told.batches
    assert (bundle, method, rows) == ("log-model", "kernel", 1)
    assert model_rows > 60  # every coalition over 60 background rows


def test_what_comes_from_the_cache_neither_waits_nor_is_computed(service: ExplanationService, told: Told) -> None:
    service.explain(command())
    told.stages.clear()

    service.explain(command())

    assert [stage for stage, _, _ in told.stages] == [Stage.PARSE, Stage.RECORD]
    assert len(told.batches) == 1


def test_a_row_that_no_thread_waits_for_is_told_like_any_other(service: ExplanationService, told: Told) -> None:
    next(iter(service.models)).framed(command(method="kernel"))
    underway = service.begin_at_once(command(method="kernel"))

    assert isinstance(underway, Underway)
    assert underway.single is not None
    underway.single.found.result(30)
    answered = service.end(underway, LOCAL, Interest())
    assert answered is not None
    answered.told()
    assert [stage for stage, _, _ in told.stages] == [Stage.PARSE, Stage.WAIT, Stage.COMPUTE, Stage.RECORD]


def test_parts_of_a_stream_are_told_too(service: ExplanationService, told: Told) -> None:
    prepared = service.prepare_stream(command(rows=[ROW, {**ROW, "a": 2.0}]))
    service.explain_part(prepared, 0, 1)
    service.explain_part(prepared, 1, 2)

    assert [stage for stage, _, _ in told.stages].count(Stage.RECORD) == 2
    assert [rows for _, _, rows, _ in told.batches] == [1, 1]


def test_names_that_a_caller_made_up_are_told_nobody(service: ExplanationService, told: Told) -> None:
    with pytest.raises(NotFoundError):
        service.explain(command(bundle="Q7-invented"))

    assert told.stages == []


def test_nobody_need_listen() -> None:
    assert isinstance(NoStages(), Stages)
