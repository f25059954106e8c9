"""The methods of the protocol: read the request, call the engine in a thread, write the answer. Nothing else."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from xaisvc.engine.answered import Repeated, Underway
from xaisvc.engine.surroundings import usable_cpus
from xaisvc.errors import InvalidRequestError
from xaisvc.server import convert, convert_batches, convert_cohort, convert_comparison, convert_feedback, convert_models
from xaisvc.server.calls import current
from xaisvc.server.convert_templates import Templates
from xaisvc.server.turns import Turns
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
    from collections.abc import AsyncIterator, Callable

    import grpc

    from xaisvc.engine.answered import Answered
    from xaisvc.engine.commands import ServiceLimits
    from xaisvc.engine.reading import Prepared
    from xaisvc.engine.service import ExplanationService
    from xaisvc.server.calls import Call
    from xaisvc.server.workers import Workers


_T = TypeVar("_T")

AHEAD = 2
"""Batches of a stream that are worked on at the same time; the second keeps the CPUs busy while the first is stored."""

AT_WORK_PER_CPU = 4
"""Batches of all streams that are worked on at the same time: enough to compute some while others are written and
stored. Each has a thread that wants the interpreter, and single rows wait for all of them."""


class ExplanationServicer(explanations_pb2_grpc.ExplanationServiceServicer):
    """Explains rows and reads explanations back.

    Args:
        service: The use cases.
        workers: Threads to run them in.
        limits: What one request may bring.
    """

    def __init__(self, service: ExplanationService, workers: Workers, *, limits: ServiceLimits) -> None:
        self._service = service
        self._workers = workers
        self._limits = limits
        self._templates = Templates()
        self._turns = Turns(AT_WORK_PER_CPU * usable_cpus())

    async def Explain(  # noqa: N802 - the protocol's name
        self, request: explanations_pb2.ExplainRequest, context: grpc.ServicerContext
    ) -> explanations_pb2.ExplainResponse:
        """Explains rows; one result for each."""
        del context
        call = current()

        answered: Answered | Repeated
        single = await self._single(request, call)
        if isinstance(single, Repeated):
            response, answered = self._templates.response(single, call.caller), single
        elif single is not None:
            response, answered = convert.explain_response(single.outcomes, call.caller, single.batch_caveats), single
        else:

            def work() -> tuple[explanations_pb2.ExplainResponse, Answered]:
                command = convert.explain_command(request, max_rows=self._limits.max_rows)
                found = self._service.begin(command, caller=call.caller, interest=call.interest)
                if len(found.outcomes) != convert.row_count(request):
                    raise RuntimeError("the engine answered another number of rows than it was asked for")
                return convert.explain_response(found.outcomes, call.caller, found.batch_caveats), found

            response, answered = await self._run(work)
        await self._workers.landed(answered.stored)
        answered.told()
        return response

    async def _single(self, request: explanations_pb2.ExplainRequest, call: Call) -> Answered | Repeated | None:
        """Answers a usual request of one row; None for every other.

        To read it here, and to record its answer, takes less time than to hand it to a thread and back.
        """
        if len(request.rows) != 1 or request.audiences:
            return None
        command = convert.explain_command(request, max_rows=self._limits.max_rows)
        begun = self._service.begin_at_once(command, caller=call.caller, interest=call.interest)
        if not isinstance(begun, Underway):
            return begun
        if begun.single is not None:
            await self._workers.landed(begun.single.found)
        answered = self._service.end(begun, call.caller, call.interest)
        if answered is not None:
            return answered
        return await self._run(lambda: self._service.begin_prepared(begun.prepared, call.caller, call.interest))

    async def ExplainStream(  # noqa: N802 - the protocol's name
        self, request: explanations_pb2.ExplainStreamRequest, context: grpc.ServicerContext
    ) -> AsyncIterator[explanations_pb2.ExplainStreamResponse]:
        """Explains many rows batch by batch. The next batches are begun only as far ahead as the reader keeps up."""
        del context
        call = current()

        prepared = await self._run(partial(self._read_stream, request, call))
        first, size = request.first_row, prepared.batch_rows(request.batch_rows)
        starts = iter(range(first, prepared.count, size))
        del request  # its rows are in the table now, and a stream lives as long as its reader takes

        def begin(start: int) -> asyncio.Task[explanations_pb2.ExplainStreamResponse]:
            def work() -> explanations_pb2.ExplainStreamResponse:
                stop = min(start + size, prepared.count)
                batch = self._service.explain_part(
                    prepared,
                    start,
                    stop,
                    first=start == first,
                    caller=call.caller,
                    interest=call.interest,
                )
                return convert_batches.stream_response(batch)

            async def in_turn() -> explanations_pb2.ExplainStreamResponse:
                async with self._turns.turn(call.caller.id):
                    return await self._run(work)

            return asyncio.create_task(in_turn())

        pending = deque(begin(start) for start in itertools.islice(starts, AHEAD))
        try:
            while pending:
                response = await pending.popleft()
                pending.extend(begin(start) for start in itertools.islice(starts, 1))
                yield response
        finally:
            call.interest.leave()
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _read_stream(self, request: explanations_pb2.ExplainStreamRequest, call: Call) -> Prepared:
        command = convert.stream_command(request, max_rows=self._limits.max_stream_rows)
        return self._service.prepare_stream(command, call.caller)

    async def _run(self, work: Callable[[], _T]) -> _T:
        """Runs work in a thread; if the call is cancelled, the work is told."""
        try:
            return await self._workers.run(work)
        except asyncio.CancelledError:
            current().interest.leave()
            raise

    async def RenderView(  # noqa: N802 - the protocol's name
        self, request: explanations_pb2.RenderViewRequest, context: grpc.ServicerContext
    ) -> explanations_pb2.RenderViewResponse:
        """Writes one view of a stored explanation."""
        del context
        caller = current().caller

        def work() -> explanations_pb2.RenderViewResponse:
            rendered = self._service.render_view(
                convert.record_id(request.id), convert.view_request(request), caller, reader=request.reader
            )
            return explanations_pb2.RenderViewResponse(view=convert.view(rendered))

        return await self._workers.run(work)

    async def RenderCohort(  # noqa: N802 - the protocol's name
        self, request: explanations_pb2.RenderCohortRequest, context: grpc.ServicerContext
    ) -> explanations_pb2.RenderCohortResponse:
        """Writes what many stored explanations say together."""
        del context
        caller = current().caller

        def work() -> explanations_pb2.RenderCohortResponse:
            rendered = self._service.render_cohort(
                convert_cohort.cohort_request(request),
                convert_cohort.view_request(request),
                caller,
                reader=request.reader,
            )
            return explanations_pb2.RenderCohortResponse(view=convert.view(rendered))

        return await self._workers.run(work)

    async def GetExplanation(  # noqa: N802 - the protocol's name
        self, request: explanations_pb2.GetExplanationRequest, context: grpc.ServicerContext
    ) -> explanations_pb2.GetExplanationResponse:
        """Reads a stored explanation."""
        del context
        caller = current().caller

        def work() -> explanations_pb2.GetExplanationResponse:
            record = self._service.get_explanation(convert.record_id(request.id), caller)
            return explanations_pb2.GetExplanationResponse(explanation=convert.explanation(record))

        return await self._workers.run(work)

    async def CompareExplanations(  # noqa: N802 - the protocol's name
        self, request: explanations_pb2.CompareExplanationsRequest, context: grpc.ServicerContext
    ) -> explanations_pb2.CompareExplanationsResponse:
        """Says where stored explanations of one row by several methods disagree."""
        del context
        caller = current().caller

        def work() -> explanations_pb2.CompareExplanationsResponse:
            found = self._service.compare_explanations(list(request.ids), caller)
            return convert_comparison.comparison_response(found)

        return await self._workers.run(work)


class FeedbackServicer(feedback_pb2_grpc.FeedbackServiceServicer):
    """Stores what readers made of explanations.

    Args:
        service: The use cases.
        workers: Threads to run them in.
    """

    def __init__(self, service: ExplanationService, workers: Workers) -> None:
        self._service = service
        self._workers = workers

    async def Submit(  # noqa: N802 - the protocol's name
        self, request: feedback_pb2.SubmitRequest, context: grpc.ServicerContext
    ) -> feedback_pb2.SubmitResponse:
        """Stores one entry."""
        del context
        caller = current().caller

        def work() -> feedback_pb2.SubmitResponse:
            return convert_feedback.submit_response(
                *self._service.submit_feedback(convert_feedback.feedback(request), caller)
            )

        return await self._workers.run(work)

    async def GetUsage(  # noqa: N802 - the protocol's name
        self, request: feedback_pb2.GetUsageRequest, context: grpc.ServicerContext
    ) -> feedback_pb2.GetUsageResponse:
        """Counts how much explanations are used."""
        del context
        caller = current().caller

        def work() -> feedback_pb2.GetUsageResponse:
            since, until = convert_feedback.period(request)
            found = self._service.usage(convert_feedback.model_name(request), caller, since=since, until=until)
            return convert_feedback.usage_response(found)

        return await self._workers.run(work)


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Says which models are served.

    Args:
        service: The use cases.
        workers: Threads to run them in.
    """

    def __init__(self, service: ExplanationService, workers: Workers) -> None:
        self._service = service
        self._workers = workers

    async def ListModels(  # noqa: N802 - the protocol's name
        self, request: models_pb2.ListModelsRequest, context: grpc.ServicerContext
    ) -> models_pb2.ListModelsResponse:
        """Describes every model."""
        del request, context
        caller = current().caller
        infos = await self._workers.run(lambda: self._service.list_models(caller))
        return models_pb2.ListModelsResponse(models=[convert_models.model(info) for info in infos])

    async def GetModel(  # noqa: N802 - the protocol's name
        self, request: models_pb2.GetModelRequest, context: grpc.ServicerContext
    ) -> models_pb2.GetModelResponse:
        """Describes one model."""
        del context
        if not request.name:
            raise InvalidRequestError.of("name", "no model is named; ListModels lists the names", reason="REQUIRED")
        caller = current().caller
        info = await self._workers.run(lambda: self._service.get_model(request.name, caller))
        return models_pb2.GetModelResponse(model=convert_models.model(info))


class AudienceServicer(audiences_pb2_grpc.AudienceServiceServicer):
    """Says which audiences are declared.

    Args:
        service: The use cases.
        workers: Threads to run them in.
    """

    def __init__(self, service: ExplanationService, workers: Workers) -> None:
        self._service = service
        self._workers = workers

    async def ListAudiences(  # noqa: N802 - the protocol's name
        self, request: audiences_pb2.ListAudiencesRequest, context: grpc.ServicerContext
    ) -> audiences_pb2.ListAudiencesResponse:
        """Describes every audience."""
        del request, context
        caller = current().caller
        infos = await self._workers.run(lambda: self._service.list_audiences(caller))
        return audiences_pb2.ListAudiencesResponse(audiences=[convert_models.audience(info) for info in infos])
