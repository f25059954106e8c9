"""The asynchronous client."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from xaisvc.client.answers import ExplainReply, audience_info, model_info, record, reply, view
from xaisvc.client.batches import StreamedBatch, streamed_batch
from xaisvc.client.cohorts import cohort_request
from xaisvc.client.comparisons import compare_request, comparison
from xaisvc.client.credentials import Access, open_async_channel
from xaisvc.client.failures import failures_told
from xaisvc.client.requests import explain_request, feedback_request, stream_request
from xaisvc.client.settings import DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_TARGET, DEFAULT_TIMEOUT_S, POLL_S, channel_options
from xaisvc.client.usage import audience_usage, usage_request
from xaisvc.engine.cohort_request import BUSINESS_MANAGER
from xaisvc.engine.commands import ViewRequest
from xaisvc.errors import ServiceUnreachableError
from xaisvc.v1 import (
    audiences_pb2,
    audiences_pb2_grpc,
    explanations_pb2,
    explanations_pb2_grpc,
    feedback_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from xaisvc.client.requests import Rows
    from xaisvc.client.usage import AudienceUsage
    from xaisvc.engine.cohort_request import CohortSelection
    from xaisvc.engine.commands import AudienceInfo, Comparison, Feedback, ModelInfo, RenderedView
    from xaisvc.types import Budget, ExplanationRecord, Space
    from xaisvc.types.fact_dates import DatesGiven


class AsyncClient:
    """An asynchronous client; made and used inside one event loop. The methods are those of `Client`, awaited.

    Args:
        target: Host and port of the service.
        access: Token and certificates; none by default.
        timeout_s: How long each call may take, in seconds; for a stream, all of it.
        max_message_bytes: Largest message that is sent or received.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        access: Access | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
    ) -> None:
        access = access or Access()
        self._target = target
        self._timeout_s = timeout_s
        self._encrypted = access.encrypted
        self._channel = open_async_channel(target, access, channel_options(max_message_bytes))
        self._explanations = explanations_pb2_grpc.ExplanationServiceStub(self._channel)
        self._models = models_pb2_grpc.ModelServiceStub(self._channel)
        self._audiences = audiences_pb2_grpc.AudienceServiceStub(self._channel)
        self._feedback = feedback_pb2_grpc.FeedbackServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection."""
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls after this fail."""
        await self._channel.close()

    async def explain(  # noqa: PLR0913 - as `Client.explain`
        self,
        model: str,
        rows: Rows,
        *,
        output: str | None = None,
        space: Space | str | None = None,
        method: str = "auto",
        players: str | Mapping[str, Sequence[str]] = "features",
        budget: Budget | None = None,
        seed: int = 0,
        audiences: Sequence[str] = (),
        formats: Sequence[str] = ("html",),
        language: str = "en",
        subjects: Sequence[str] = (),
        fact_dates: DatesGiven = (),
    ) -> ExplainReply:
        """Explains rows; see `Client.explain`."""
        request = explain_request(
            model,
            rows,
            output=output,
            space=space,
            method=method,
            players=players,
            budget=budget,
            seed=seed,
            audiences=audiences,
            formats=formats,
            language=language,
            subjects=subjects,
            fact_dates=fact_dates,
        )
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = await self._explanations.Explain(request, timeout=self._timeout_s)
        return reply(response)

    async def explain_stream(  # noqa: PLR0913 - as `explain`
        self,
        model: str,
        rows: Rows,
        *,
        output: str | None = None,
        space: Space | str | None = None,
        method: str = "auto",
        players: str | Mapping[str, Sequence[str]] = "features",
        budget: Budget | None = None,
        seed: int = 0,
        subjects: Sequence[str] = (),
        fact_dates: DatesGiven = (),
        first_row: int = 0,
        batch_rows: int = 0,
    ) -> AsyncIterator[StreamedBatch]:
        """Explains many rows, batch by batch as they are ready, in the order of the rows.

        A stream that broke off is taken up by calling again with `first_row` set to `next_row` of the last batch.

        Args:
            model: Name of the model.
            rows: See `explain`.
            output: See `explain`.
            space: See `explain`.
            method: See `explain`.
            players: See `explain`.
            budget: See `explain`.
            seed: See `explain`.
            subjects: See `explain`.
            fact_dates: See `explain`.
            first_row: Position of the first row to answer, from 0.
            batch_rows: Most rows in one batch; 0 for the service's choice.

        Raises:
            NotAllowedError: If the caller may not see attributions.
            XaisvcError: As `explain`.
        """
        request = stream_request(
            model,
            rows,
            output=output,
            space=space,
            method=method,
            players=players,
            budget=budget,
            seed=seed,
            subjects=subjects,
            fact_dates=fact_dates,
            first_row=first_row,
            batch_rows=batch_rows,
        )
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            async for message in self._explanations.ExplainStream(request, timeout=self._timeout_s):
                yield streamed_batch(message)

    async def submit_feedback(self, feedback: Feedback) -> str:
        """Stores what a reader made of an explanation; returns the id of the entry.

        Raises:
            NotFoundError: If there is no such explanation for this caller.
            InvalidRequestError: If nothing is said, or too much.
        """
        request = feedback_request(feedback)
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = await self._feedback.Submit(request, timeout=self._timeout_s)
        return response.id

    async def get_usage(
        self, model: str, *, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> tuple[AudienceUsage, ...]:
        """How much the explanations of a model are used; see `Client.get_usage`."""
        request = usage_request(model, since, until)
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = await self._feedback.GetUsage(request, timeout=self._timeout_s)
        return tuple(audience_usage(one) for one in response.audiences)

    async def get_explanation(self, record_id: str) -> ExplanationRecord:
        """A stored explanation; see `Client.get_explanation`."""
        request = explanations_pb2.GetExplanationRequest(id=record_id)
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = await self._explanations.GetExplanation(request, timeout=self._timeout_s)
        return record(response.explanation)

    async def compare(self, ids: Sequence[str]) -> Comparison:
        """Where stored explanations of one row by several methods disagree; see `Client.compare`."""
        request = compare_request(ids)
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = await self._explanations.CompareExplanations(request, timeout=self._timeout_s)
        return comparison(response)

    async def render_view(
        self,
        record_id: str,
        audience: str,
        format: str = "html",  # noqa: A002 - the protocol's word
        language: str = "en",
        *,
        reader: str = "",
    ) -> RenderedView:
        """A view of a stored explanation; see `Client.render_view`."""
        request = explanations_pb2.RenderViewRequest(
            id=record_id, audience=audience, format=format, language=language, reader=reader
        )
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = await self._explanations.RenderView(request, timeout=self._timeout_s)
        return view(response.view)

    async def render_cohort(  # noqa: PLR0913 - every choice a caller has, all but the model by name
        self,
        model: str,
        *,
        selection: CohortSelection | None = None,
        against: CohortSelection | None = None,
        output: str | None = None,
        segment_by: Sequence[str] = (),
        audience: str = BUSINESS_MANAGER,
        format: str = "html",  # noqa: A002 - the protocol's word
        language: str = "en",
        reader: str = "",
    ) -> RenderedView:
        """A view of what many stored explanations say together; see `Client.render_cohort`."""
        request = cohort_request(
            model,
            selection=selection,
            against=against,
            output=output,
            segment_by=segment_by,
            view=ViewRequest(audience=audience, format=format, language=language),
            reader=reader,
        )
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = await self._explanations.RenderCohort(request, timeout=self._timeout_s)
        return view(response.view)

    async def list_models(self) -> tuple[ModelInfo, ...]:
        """Every model that is served."""
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = await self._models.ListModels(models_pb2.ListModelsRequest(), timeout=self._timeout_s)
        return tuple(model_info(model) for model in response.models)

    async def get_model(self, name: str) -> ModelInfo:
        """One model; see `Client.get_model`."""
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = await self._models.GetModel(models_pb2.GetModelRequest(name=name), timeout=self._timeout_s)
        return model_info(response.model)

    async def list_audiences(self) -> tuple[AudienceInfo, ...]:
        """Every audience that views can be written for."""
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = await self._audiences.ListAudiences(
                audiences_pb2.ListAudiencesRequest(), timeout=self._timeout_s
            )
        return tuple(audience_info(audience) for audience in response.audiences)

    async def wait_until_ready(self, timeout_s: float = 10.0) -> None:
        """Returns as soon as the service says that it is serving; see `Client.wait_until_ready`."""
        end_s = time.monotonic() + timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                answer = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=left_s, wait_for_ready=True)
            except grpc.RpcError:
                answer = None
            if answer is not None and answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            await asyncio.sleep(min(POLL_S, max(left_s, 0.0)))
        raise ServiceUnreachableError(f"{self._target} was not ready to serve within {timeout_s:g} s")
