"""The half of the service that is about explanations given before: read, compared, shown, judged and counted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xaisvc.engine.cohort_views import CohortViews
from xaisvc.engine.feedback import is_judged, opened_by, submit
from xaisvc.engine.permissions import check_numbers, is_of_tenant, permitted_audience
from xaisvc.engine.recorded import Records
from xaisvc.engine.stored import StoredExplanations
from xaisvc.engine.stored_comparison import compare_stored
from xaisvc.records.usage import USAGE_KINDS, usage
from xaisvc.types import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xaisvc.engine.cohort_request import CohortRequest
    from xaisvc.engine.commands import Comparison, Feedback, RenderedView, ViewRequest
    from xaisvc.engine.models import ServedModels
    from xaisvc.engine.stored import RecordSource
    from xaisvc.engine.surroundings import Surroundings
    from xaisvc.engine.views import Views
    from xaisvc.records import RecordStore
    from xaisvc.records.usage import AudienceUsage
    from xaisvc.types import Caller, ExplanationRecord


class StoredService:
    """Answers what is asked about stored explanations; see `ExplanationService`, which also makes them.

    Args:
        models: The models that are served.
        store: Where records are written.
        source: Where they are read.
        views: Checks and renders views.
        audiences_dir: Folder of audiences; those that come with xaisvc if None.
        surroundings: Clocks and identifiers.
    """

    def __init__(  # noqa: PLR0913 - composed from its parts, all by name
        self,
        models: ServedModels,
        *,
        store: RecordStore,
        source: RecordSource,
        views: Views,
        audiences_dir: Path | None,
        surroundings: Surroundings,
    ) -> None:
        self.models = models
        self._store = store
        self._source = source
        self._surroundings = surroundings
        self._records = Records(store, surroundings)
        self._stored = StoredExplanations(source)
        self._views = views
        self._cohorts = CohortViews(source, audiences_dir, surroundings.now)

    def get_explanation(self, record_id: str, caller: Caller = LOCAL) -> ExplanationRecord:
        """The record with this id, exactly as it was answered.

        Raises:
            NotFoundError: If there is none for this caller, or its content was erased.
            NotAllowedError: If the caller may not see attributions.
        """
        check_numbers(caller)
        return self._stored.get(record_id, caller).record

    def compare_explanations(self, ids: Sequence[str], caller: Caller = LOCAL) -> Comparison:
        """Where stored explanations of one row by several methods disagree; see `compare_stored`. Stores nothing.

        Raises:
            NotFoundError: If one of them is none for this caller, or its content was erased; names its place.
            NotAllowedError: If the caller may not see attributions.
            InvalidRequestError: If they cannot be compared; says which and why.
        """
        check_numbers(caller)
        return compare_stored(ids, lambda record_id: self._stored.get(record_id, caller).record)

    def render_view(
        self, record_id: str, view: ViewRequest, caller: Caller = LOCAL, *, reader: str = ""
    ) -> RenderedView:
        """A view of a stored record, made from the record and the bundle as it was described then.

        That it was rendered is stored before it is answered. An audience that is asked for its own judgement first
        reads the facts alone until `submit_feedback` has stored one of this reader, or of anybody if none is named.

        Raises:
            NotFoundError: If the record or the audience is not known to this caller.
            InvalidRequestError: If the audience does not have this format or language, or the bundle has no views for
                it, whatever the case.
        """
        self._views.check(view, caller)
        stored = self._stored.get(record_id, caller)
        served = self.models.served(stored.record.bundle)
        supplier = None if served is None else served.explainer.supplier
        self._views.check_concerned([view], stored.description)
        judged = not self._views.asks_first(view) or is_judged(
            self._source, record_id, audience=view.audience, reader=reader, caller=caller
        )
        ((rendered,),) = self._views.render(
            [stored.record], stored.description, [view], supplier=supplier, judged=judged
        )
        self._records.add_view(stored.record, rendered, caller, reader).result()
        return rendered

    def render_cohort(
        self, request: CohortRequest, view: ViewRequest, caller: Caller = LOCAL, *, reader: str = ""
    ) -> RenderedView:
        """A view of many stored explanations of a model together; see `CohortViews`.

        That it was rendered, and of which explanations, is stored before it is answered.

        Raises:
            NotFoundError: If the model, the audience or an explanation is not known to this caller.
            NotAllowedError: If the caller names explanations and may not see each of them in full.
            InvalidRequestError: If the audience does not have such views, this format or language; if the request
                contradicts itself; or if the cohort is too small or too close to an earlier one of the same tenant.
            LimitExceededError: If the explanations are too many.
        """
        self._views.check(view, caller)
        self._views.check_concerned([view], self.models.find(request.model, caller).description)
        request = replace(request, audience=view.audience)
        rendered = self._cohorts.render(request, view.format, view.language, caller)
        self._records.add_cohort_view(request, rendered, caller, reader).result()
        return rendered

    def submit_feedback(self, feedback: Feedback, caller: Caller = LOCAL) -> tuple[str, str]:
        """Stores what a reader made of an explanation; see `feedback.submit`."""
        if feedback.audience:
            permitted_audience(self._views.audiences(), feedback.audience, caller)

        def read_as() -> tuple[str, ...]:
            named = (feedback.audience,) if feedback.audience else ()
            return named or opened_by(self._source, feedback.explanation_id, caller)

        def reason_codes(bundle: str) -> tuple[str, ...]:
            served = self.models.served(bundle)
            return self._views.reason_codes(None if served is None else served.description, caller, read_as())

        return submit(
            feedback,
            caller,
            store=self._store,
            stored=self._stored,
            surroundings=self._surroundings,
            reason_codes=reason_codes,
            decisions=lambda: self._views.decisions(caller, read_as()),
        )

    def usage(
        self, model: str, caller: Caller = LOCAL, *, since: str = "", until: str = ""
    ) -> tuple[AudienceUsage, ...]:
        """How much the explanations of a model are used, audience by audience.

        Args:
            model: Name of the model.
            caller: Who asks.
            since: Beginning of the period, ISO 8601 in UTC; empty for the first record.
            until: End of the period, not included; empty for now.

        Raises:
            NotFoundError: If there is no such model for this caller.
        """
        self.models.find(model, caller)
        events = self._source.events(kinds=USAGE_KINDS, bundle=model, with_parts=False)
        visible = (event for event in events if is_of_tenant(caller, str(event.head.get("tenant", ""))))
        found = usage(visible, since=since, until=until)
        return tuple(one for one in found if caller.may_read_as(one.audience))
