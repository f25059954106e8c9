"""The blocking client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from xaisvc.client.answers import ExplainReply, audience_info, model_info, record, reply, view
from xaisvc.client.batches import StreamedBatch, streamed_batch
from xaisvc.client.cohorts import cohort_request
from xaisvc.client.comparisons import compare_request, comparison
from xaisvc.client.credentials import Access, open_channel
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
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from xaisvc.client.requests import Rows
    from xaisvc.client.usage import AudienceUsage
    from xaisvc.engine.cohort_request import CohortSelection
    from xaisvc.engine.commands import AudienceInfo, Comparison, Feedback, ModelInfo, RenderedView
    from xaisvc.types import Budget, ExplanationRecord, Space
    from xaisvc.types.fact_dates import DatesGiven


class Client:
    """A blocking client; safe to use from several threads.

    Args:
        target: Host and port of the service.
        access: Token and certificates; none by default.
        timeout_s: How long each call may take, in seconds; for a stream, all of it.
        max_message_bytes: Largest message that is sent or received.

    Example:
        with Client() as client:
            reply = client.explain("german-credit-boosting", rows, audiences=["customer"])
            print(reply[0].view("customer").content)
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
        self._channel = open_channel(target, access, channel_options(max_message_bytes))
        self._explanations = explanations_pb2_grpc.ExplanationServiceStub(self._channel)
        self._models = models_pb2_grpc.ModelServiceStub(self._channel)
        self._audiences = audiences_pb2_grpc.AudienceServiceStub(self._channel)
        self._feedback = feedback_pb2_grpc.FeedbackServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection."""
        self.close()

    def close(self) -> None:
        """Closes the connection; calls after this fail."""
        self._channel.close()

    def explain(  # noqa: PLR0913 - every choice a caller has, all but model and rows by name
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
        """Explains rows. A row that is wrong gets its own error in the reply and harms no other.

        Args:
            model: Name of the model.
            rows: A list of mappings, a mapping of columns, or a DataFrame (columns travel packed).
            output: Id of the output; the model's default for None.
            space: Unit to explain it in; the output's own for None.
            method: Name of the attribution method.
            players: `features`, `concepts`, `clusters`, or a mapping of name to feature ids.
            budget: Coalitions for each row, `ErrorTarget` or `Deadline`.
            seed: Seed of sampled methods.
            audiences: Audiences to write views for.
            formats: Formats of those views.
            language: Language of those views.
            subjects: Who each row is about, one id for each row, so that their data can be erased later.
            fact_dates: Feature id to the day that its value is from, for each row, in the forms that rows have: a day
                is ISO 8601 text such as `2026-03-03` or a date; None or left out if it is not known.

        Raises:
            NotFoundError: If the model or the output is not known.
            InvalidInputError: If the request is wrong as a whole; its violations name the fields.
            ServiceError: If the service could not be reached, took too long or failed.
        """
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
            response = self._explanations.Explain(request, timeout=self._timeout_s)
        return reply(response)

    def explain_stream(  # noqa: PLR0913 - as `explain`
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
    ) -> Iterator[StreamedBatch]:
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
            for message in self._explanations.ExplainStream(request, timeout=self._timeout_s):
                yield streamed_batch(message)

    def submit_feedback(self, feedback: Feedback) -> str:
        """Stores what a reader made of an explanation; returns the id of the entry.

        Raises:
            NotFoundError: If there is no such explanation for this caller.
            InvalidRequestError: If nothing is said, or too much.
        """
        request = feedback_request(feedback)
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = self._feedback.Submit(request, timeout=self._timeout_s)
        return response.id

    def get_usage(
        self, model: str, *, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> tuple[AudienceUsage, ...]:
        """How much the explanations of a model are used: one entry for each audience, in alphabetical order.

        Args:
            model: Name of the model.
            since: Beginning of the period, with its time zone; None for the first record.
            until: End of the period, not included; None for now.

        Raises:
            NotFoundError: If the model is not served to this caller.
            InvalidRequestError: If a time says no time zone.
        """
        request = usage_request(model, since, until)
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = self._feedback.GetUsage(request, timeout=self._timeout_s)
        return tuple(audience_usage(one) for one in response.audiences)

    def get_explanation(self, record_id: str) -> ExplanationRecord:
        """A stored explanation.

        Raises:
            NotFoundError: If there is none with this id.
        """
        request = explanations_pb2.GetExplanationRequest(id=record_id)
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = self._explanations.GetExplanation(request, timeout=self._timeout_s)
        return record(response.explanation)

    def compare(self, ids: Sequence[str]) -> Comparison:
        """Where stored explanations of one row by several methods, such as SHAP and LIME, disagree.

        No model is run, and nothing is stored: it follows from the explanations.

        Args:
            ids: Ids of two to five explanations, each by another method: the same version of the same model, the same
                row, output, space and players. All others are compared with the first.

        Raises:
            NotFoundError: If there is no such explanation for this caller; names the place of the id.
            NotAllowedError: If the caller may not see attributions.
            InvalidRequestError: If they cannot be compared; its violations name each that does not fit.
        """
        request = compare_request(ids)
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = self._explanations.CompareExplanations(request, timeout=self._timeout_s)
        return comparison(response)

    def render_view(
        self,
        record_id: str,
        audience: str,
        format: str = "html",  # noqa: A002 - the protocol's word
        language: str = "en",
        *,
        reader: str = "",
    ) -> RenderedView:
        """A view of a stored explanation.

        Args:
            record_id: Id of the explanation.
            audience: Whose view.
            format: In which format.
            language: In which language.
            reader: Pseudonym of who reads it, so that repeated use can be counted; never a name.

        Raises:
            NotFoundError: If the explanation or the audience is not known.
            InvalidRequestError: If the audience does not have this format or language.
        """
        request = explanations_pb2.RenderViewRequest(
            id=record_id, audience=audience, format=format, language=language, reader=reader
        )
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = self._explanations.RenderView(request, timeout=self._timeout_s)
        return view(response.view)

    def render_cohort(  # noqa: PLR0913 - every choice a caller has, all but the model by name
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
        """A view of what many stored explanations of a model say together: those of whole days, or named ones.

        Args:
            model: Name of the model.
            selection: Which explanations; all up to yesterday for None. Naming them by their ids is for callers who may
                see attributions.
            against: Those to compare with; None for none.
            output: Id of the output; None for the one that most of the explanations are about.
            segment_by: What to split them by: ids of features, or `band`.
            audience: Whose view.
            format: In which format.
            language: In which language.
            reader: Pseudonym of who reads it, so that repeated use can be counted; never a name.

        Raises:
            NotFoundError: If the model or the audience is not known.
            NotAllowedError: If explanations are named and the caller may not see attributions.
            InvalidRequestError: If the audience does not have such views, this format or language; or if too few
                persons are behind the cohort, or behind what it differs in from one that was told before.
        """
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
            response = self._explanations.RenderCohort(request, timeout=self._timeout_s)
        return view(response.view)

    def list_models(self) -> tuple[ModelInfo, ...]:
        """Every model that is served."""
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = self._models.ListModels(models_pb2.ListModelsRequest(), timeout=self._timeout_s)
        return tuple(model_info(model) for model in response.models)

    def get_model(self, name: str) -> ModelInfo:
        """One model.

        Raises:
            NotFoundError: If it is not served.
        """
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = self._models.GetModel(models_pb2.GetModelRequest(name=name), timeout=self._timeout_s)
        return model_info(response.model)

    def list_audiences(self) -> tuple[AudienceInfo, ...]:
        """Every audience that views can be written for."""
        with failures_told(self._target, self._timeout_s, encrypted=self._encrypted):
            response = self._audiences.ListAudiences(audiences_pb2.ListAudiencesRequest(), timeout=self._timeout_s)
        return tuple(audience_info(audience) for audience in response.audiences)

    def wait_until_ready(self, timeout_s: float = 10.0) -> None:
        """Returns as soon as the service says that it is serving.

        Raises:
            ServiceUnreachableError: If it did not within `timeout_s` seconds.
        """
        end_s = time.monotonic() + timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                answer = self._health.Check(health_pb2.HealthCheckRequest(), timeout=left_s, wait_for_ready=True)
            except grpc.RpcError:
                answer = None
            if answer is not None and answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            time.sleep(min(POLL_S, max(left_s, 0.0)))
        raise ServiceUnreachableError(f"{self._target} was not ready to serve within {timeout_s:g} s")
