"""The methods of the protocol: read the request, call the engine in a thread, write the answer. Nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError
from xaisvc.server import convert, convert_models
from xaisvc.v1 import (
    audiences_pb2,
    audiences_pb2_grpc,
    explanations_pb2,
    explanations_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc

    from xaisvc.engine.service import ExplanationService
    from xaisvc.server.workers import Workers


class ExplanationServicer(explanations_pb2_grpc.ExplanationServiceServicer):
    """Explains rows and reads explanations back.

    Args:
        service: The use cases.
        workers: Threads to run them in.
        max_rows: Most rows in one request.
    """

    def __init__(self, service: ExplanationService, workers: Workers, *, max_rows: int) -> None:
        self._service = service
        self._workers = workers
        self._max_rows = max_rows

    async def Explain(  # noqa: N802 - the protocol's name
        self, request: explanations_pb2.ExplainRequest, context: grpc.ServicerContext
    ) -> explanations_pb2.ExplainResponse:
        """Explains rows; one result for each."""
        del context

        def work(is_abandoned: Callable[[], bool]) -> explanations_pb2.ExplainResponse:
            command = convert.explain_command(request, max_rows=self._max_rows)
            outcomes = self._service.explain(command, is_abandoned=is_abandoned)
            if len(outcomes) != convert.row_count(request):
                raise RuntimeError("the engine answered another number of rows than it was asked for")
            return convert.explain_response(outcomes)

        return await self._workers.run_wanted(work)

    async def RenderView(  # noqa: N802 - the protocol's name
        self, request: explanations_pb2.RenderViewRequest, context: grpc.ServicerContext
    ) -> explanations_pb2.RenderViewResponse:
        """Writes one view of a stored explanation."""
        del context

        def work() -> explanations_pb2.RenderViewResponse:
            rendered = self._service.render_view(convert.record_id(request.id), convert.view_request(request))
            return explanations_pb2.RenderViewResponse(view=convert.view(rendered))

        return await self._workers.run(work)

    async def GetExplanation(  # noqa: N802 - the protocol's name
        self, request: explanations_pb2.GetExplanationRequest, context: grpc.ServicerContext
    ) -> explanations_pb2.GetExplanationResponse:
        """Reads a stored explanation."""
        del context

        def work() -> explanations_pb2.GetExplanationResponse:
            record = self._service.get_explanation(convert.record_id(request.id))
            return explanations_pb2.GetExplanationResponse(explanation=convert.explanation(record))

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
        infos = await self._workers.run(self._service.list_models)
        return models_pb2.ListModelsResponse(models=[convert_models.model(info) for info in infos])

    async def GetModel(  # noqa: N802 - the protocol's name
        self, request: models_pb2.GetModelRequest, context: grpc.ServicerContext
    ) -> models_pb2.GetModelResponse:
        """Describes one model."""
        del context
        if not request.name:
            raise InvalidRequestError.of("name", "no model is named; ListModels lists the names", reason="REQUIRED")
        info = await self._workers.run(lambda: self._service.get_model(request.name))
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
        infos = await self._workers.run(self._service.list_audiences)
        return audiences_pb2.ListAudiencesResponse(audiences=[convert_models.audience(info) for info in infos])
