"""Builds the view of many cases for one audience. A pure function: equal arguments, equal view, on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError
from xaisvc.views.cohort_context import CohortContext, CohortSection
from xaisvc.views.cohort_section import PREFIX
from xaisvc.views.document import Section, View, ViewStatus
from xaisvc.views.language import Language

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import BundleDescription
    from xaisvc.types.cohort import Cohort
    from xaisvc.views.audience import Audience


def build_cohort_view(
    cohort: Cohort,
    description: BundleDescription,
    audience: Audience,
    language: str = "en",
    *,
    known: Mapping[str, Audience],
) -> View:
    """Builds what `audience` sees of many cases.

    Args:
        cohort: What may be told.
        description: The bundle that the explanations were made with.
        audience: The reader; one that declares `cohort_sections`.
        language: Code of the language.
        known: Every audience, by id, for their names.

    Raises:
        InvalidRequestError: If the audience has no view of many cases, or none in `language`.
    """
    check_has_cohorts(audience, known)
    words = Language(audience.catalogue(language))
    names = {one.id: one.labels.get(language) or one.label for one in known.values()}
    context = CohortContext(cohort=cohort, description=description, audience=audience, language=words, names=names)
    days = f"{cohort.period.since}_{cohort.period.until}" if cohort.period.until else "named"
    return View(
        id=f"cohort-{cohort.bundle}-{cohort.output}-{days}/{audience.id}/{language}",
        record_id="",
        audience=audience.id,
        audience_label=audience.labels[language],
        audience_version=audience.version,
        language=language,
        status=ViewStatus.COMPLETE,
        title=words.filled(f"{PREFIX}.view.title", **context.common),
        subtitle=words.filled(f"{PREFIX}.view.subtitle", **context.common),
        layout=audience.layout,
        formats=audience.formats,
        sections=tuple(
            Section(
                id=spec.id,
                type=spec.builder.type,
                title=CohortSection(view=context, spec=spec).say("title"),
                blocks=spec.builder.build(CohortSection(view=context, spec=spec)),
            )
            for spec in audience.cohort_sections
        ),
        tones=(words.word("words.note"), words.word("words.care"), words.word("words.stop")),
    )


def check_has_cohorts(audience: Audience, known: Mapping[str, Audience]) -> None:
    """Refuses an audience that sees single cases only.

    Raises:
        InvalidRequestError: If it declares no `cohort_sections`; names those that do.
    """
    if not audience.cohort_sections:
        others = ", ".join(one.id for one in known.values() if one.cohort_sections) or "none"
        raise InvalidRequestError.of(
            "audience", f"'{audience.id}' has no view of many cases; these audiences have: {others}", "NO_COHORTS"
        )
