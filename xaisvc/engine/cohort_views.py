"""Views of many explanations: for callers of a service, and for users of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.engine.cohort_request import BUSINESS_MANAGER
from xaisvc.engine.cohorts import Cohorts, cohort_of, description_of
from xaisvc.engine.commands import RenderedView
from xaisvc.engine.permissions import permitted_audience
from xaisvc.engine.viewing import ExplanationView, audiences, find_audience
from xaisvc.errors import InvalidRequestError
from xaisvc.views import build_cohort_view, check_has_cohorts, media_type, render_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from xaisvc.engine.batch import ExplanationBatch
    from xaisvc.engine.cohort_request import CohortRequest
    from xaisvc.engine.stored import RecordSource
    from xaisvc.types import BundleDescription, Caller, ExplanationRecord


class CohortViews:
    """Finds cohorts and shows them.

    Args:
        source: Where records are read.
        folder: Folder of audiences; those that come with xaisvc if None.
        now: The time of day, in UTC.
        recall: Whether what other processes told counts as told; see `Cohorts`.
    """

    def __init__(
        self, source: RecordSource, folder: Path | None, now: Callable[[], datetime], *, recall: bool = True
    ) -> None:
        self._cohorts = Cohorts(source, folder, now, recall=recall)
        self._folder = folder

    def view(self, request: CohortRequest, language: str, caller: Caller) -> ExplanationView:
        """The view of a cohort.

        Raises:
            NotFoundError: If the audience, the model or an explanation does not exist for this caller.
            NotAllowedError: If the caller names explanations and may not see each of them in full.
            InvalidRequestError: If the audience has no view of many cases or none in this language, the request
                contradicts itself, or the cohort is too small or too close to an earlier one of the same tenant.
            LimitExceededError: If the explanations are too many.
            StoreError: If the store cannot be read.
        """
        known = audiences(self._folder)
        audience = permitted_audience(known, request.audience, caller)
        check_has_cohorts(audience, {name: one for name, one in known.items() if caller.may_read_as(name)})
        audience.catalogue(language)  # before anything is told, which is remembered
        found = self._cohorts.find(request, caller)
        return ExplanationView(build_cohort_view(found.cohort, found.description, audience, language, known=known))

    def render(self, request: CohortRequest, form: str, language: str, caller: Caller) -> RenderedView:
        """The view of a cohort as a service answers it; errors as in `view`.

        Raises:
            InvalidRequestError: If it is to be a PDF, or the audience is not served in this format.
        """
        if form == "pdf":  # refused before anything is told, which is remembered
            raise InvalidRequestError.of(
                "format", "a service makes no PDF; `xaisvc cohort --format pdf` and the library's `cohort_view` do"
            )
        document = self.view(request, language, caller).document
        return RenderedView(
            audience=request.audience,
            format=form,
            language=language,
            media_type=media_type(form),
            content=render_view(document, form),
            status=document.status,
        )


def cohort_view(  # noqa: PLR0913 - the library's front door: two things to read, six named settings
    records: ExplanationBatch | Iterable[ExplanationRecord],
    description: BundleDescription | None = None,
    *,
    against: ExplanationBatch | Iterable[ExplanationRecord] | None = None,
    segment_by: Sequence[str] = (),
    language: str = "en",
    seed: int = 0,
    audience: str = BUSINESS_MANAGER,
    folder: Path | None = None,
) -> ExplanationView:
    """What an audience sees of many explanations, without a service; see `cohort_of`.

    Args:
        records: A batch, or records of one bundle, output, method and players.
        description: Their bundle; needed for records, known for a batch.
        against: Others to compare with.
        segment_by: Ids of features, or `band`.
        language: Language of the view.
        seed: Draws the records that rules are judged on.
        audience: Whose view it is.
        folder: Folder of audiences; those that come with xaisvc if None.

    Example:
        batch = explainer.explain(rows)
        open("review.html", "w").write(xaisvc.cohort_view(batch, segment_by=["purpose"]).to_html())

    Raises:
        NotFoundError: If there is no such audience.
        InvalidRequestError: If the audience has no view of many cases or none in this language, the description is
            missing, or the records are too few or answer different questions.
    """
    reader, known = find_audience(audience, folder), audiences(folder)
    check_has_cohorts(reader, known)
    reader.catalogue(language)
    cohort = cohort_of(
        records, description, against=against, segment_by=segment_by, seed=seed, audience=audience, folder=folder
    )
    bundle = description or description_of(records)
    assert bundle is not None, "a cohort was found, so its bundle is known"  # noqa: S101 - a rule of this code
    return ExplanationView(build_cohort_view(cohort, bundle, reader, language, known=known))
