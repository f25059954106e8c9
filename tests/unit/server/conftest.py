from __future__ import annotations

import io
import json
import threading
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc.aio
import pytest

from xaisvc.config import Settings
from xaisvc.engine.answered import Answered, Underway
from xaisvc.engine.commands import AudienceInfo, ModelInfo, RenderedView, RowOutcome, ServiceLimits
from xaisvc.engine.stored_comparison import compare_stored
from xaisvc.errors import NotFoundError
from xaisvc.server.app import start
from xaisvc.server.entrance import open_entrance
from xaisvc.telemetry import make_logger
from xaisvc.types import (
    LOCAL,
    BundleDescription,
    Caller,
    Digests,
    ExplainedOutput,
    ExplanationRecord,
    Feature,
    Interest,
    Kind,
    Output,
    PlayerValue,
    RecordedAttribution,
    Space,
    TensorColumn,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from xaisvc.engine.cohort_request import CohortRequest
    from xaisvc.engine.commands import Comparison, ExplainCommand, ViewRequest
    from xaisvc.server.app import RunningServer
    from xaisvc.server.instruments import Instruments


def a_record(record_id: str = "r1", **changes: object) -> ExplanationRecord:
    values: dict[str, object] = {
        "id": record_id,
        "created_at": "2026-03-01T12:00:00.250Z",
        "bundle": "loans",
        "bundle_version": "1.0.0",
        "digests": Digests(model="aa", background="bb", schema="cc"),
        "device": "cpu",
        "answer_version": 1,
        "row": {"age": 41.0, "purpose": "car", "savings": None},
        "output": ExplainedOutput(
            id="default", prediction=0.25, prediction_space=Space.PROBABILITY, band="low", adverse=False
        ),
        "attribution": RecordedAttribution(
            method="tree",
            exact=True,
            value_function="interventional",
            space=Space.LOG_ODDS,
            base_value=-1.0,
            output=-1.1,
            players_kind="features",
            players=(PlayerValue(player="age", features=("age",), value=-0.1, portfolio_mean_abs=0.2),),
            model_evaluations=0,
            seed=0,
        ),
    }
    return ExplanationRecord(**{**values, **changes})  # type: ignore[arg-type]


A_MODEL = ModelInfo(
    description=BundleDescription(
        name="loans",
        version="1.0.0",
        owner="Credit",
        purpose="Decides",
        out_of_scope="Nothing else",
        features=(Feature(id="age", kind=Kind.INTEGER, source=TensorColumn(tensor="age")),),
        outputs=(Output(id="default", tensor="probabilities", target=1),),
    ),
    digests=Digests(model="aa", background="bb", schema="cc"),
    device="cpu",
    methods=("tree", "kernel"),
    exact_methods=("tree",),
    background_rows=100,
)
AN_AUDIENCE = AudienceInfo(
    id="customer", label="Customer", purpose="Understands", languages=("en", "nl"), formats=("text", "html")
)


@dataclass
class FakeService:
    """Stands in for the engine: explains every row by the same record, or does what a test tells it."""

    commands: list[ExplainCommand] = field(default_factory=list)
    on_explain: Callable[[ExplainCommand], tuple[RowOutcome, ...]] | None = None
    at_once: Callable[[ExplainCommand, Caller], Answered | Underway | None] | None = None
    interest: Interest | None = None
    caller: Caller | None = None
    limits: ServiceLimits = field(default_factory=ServiceLimits)

    def begin(self, command: ExplainCommand, *, caller: Caller, interest: Interest) -> Answered:
        self.commands.append(command)
        self.interest, self.caller = interest, caller
        stored: Future[None] = Future()
        stored.set_result(None)
        return Answered((self.on_explain or self.answers)(command), stored, lambda: None)

    def begin_at_once(
        self, command: ExplainCommand, *, caller: Caller, interest: Interest
    ) -> Answered | Underway | None:
        self.interest = interest
        return None if self.at_once is None else self.at_once(command, caller)

    def answers(self, command: ExplainCommand) -> tuple[RowOutcome, ...]:
        count = len(command.rows) if isinstance(command.rows, list) else len(next(iter(command.rows.values())))
        return tuple(
            RowOutcome(index=i, record=a_record(f"r{i}"), views=tuple(map(self._view, command.views)))
            for i in range(count)
        )

    def get_explanation(self, record_id: str, caller: Caller) -> ExplanationRecord:
        self.caller = caller
        if record_id != "r1":
            raise NotFoundError("there is no explanation with this id")
        return a_record()

    def compare_explanations(self, ids: Sequence[str], caller: Caller) -> Comparison:
        return compare_stored(ids, lambda record_id: self.get_explanation(record_id, caller))

    def render_view(self, record_id: str, view: ViewRequest, caller: Caller, *, reader: str) -> RenderedView:
        del reader
        self.get_explanation(record_id, caller)
        return self._view(view)

    def render_cohort(self, request: CohortRequest, view: ViewRequest, caller: Caller, *, reader: str) -> RenderedView:
        del request, reader
        self.caller = caller
        return self._view(view)

    def list_models(self, caller: Caller = LOCAL) -> tuple[ModelInfo, ...]:
        self.caller = caller
        return (A_MODEL,)

    def get_model(self, name: str, caller: Caller) -> ModelInfo:
        self.caller = caller
        if name != "loans":
            raise NotFoundError(f"there is no model '{name}'")
        return A_MODEL

    def list_audiences(self, caller: Caller) -> tuple[AudienceInfo, ...]:
        self.caller = caller
        return (AN_AUDIENCE,)

    @staticmethod
    def _view(view: ViewRequest) -> RenderedView:
        return RenderedView(
            audience=view.audience,
            format=view.format,
            language=view.language,
            media_type="text/html",
            content=f"for {view.audience}",
            status="complete",
        )


@dataclass
class Served:
    """A running server on a free port, a channel to it, and what it logged."""

    running: RunningServer
    channel: grpc.aio.Channel
    stream: io.StringIO

    @property
    def target(self) -> str:
        return self.running.address

    def events(self, name: str) -> list[dict[str, object]]:
        found = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [event for event in found if event["event"] == name]


@pytest.fixture
def record() -> Callable[..., ExplanationRecord]:
    return a_record


@pytest.fixture
def model_info() -> ModelInfo:
    return A_MODEL


@pytest.fixture
def audience_info() -> AudienceInfo:
    return AN_AUDIENCE


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., object]:
    """An asynchronous context manager: `async with serving(service, max_rows=5) as served`."""

    @asynccontextmanager
    async def serve(
        service: FakeService, instruments: Instruments | None = None, **changes: object
    ) -> AsyncIterator[Served]:
        stream = io.StringIO()
        settings = Settings(**{"port": 0, "data_dir": tmp_path, "reflection": True, **changes})  # type: ignore[arg-type]
        logger = make_logger("json", settings.log_level, stream)
        entrance = open_entrance(settings, logger)
        running = await start(settings, service, logger, entrance, instruments=instruments)  # type: ignore[arg-type]
        async with grpc.aio.insecure_channel(running.address) as channel:
            try:
                yield Served(running, channel, stream)
            finally:
                await running.stop(1.0)

    return serve


@pytest.fixture
def gate() -> AsyncIterator[threading.Event]:
    """Work can wait for this event; it is set at the end of the test at the latest, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()
