"""Builds the view of one record for one audience. A pure function: equal arguments, equal view, on every machine."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from xaisvc.types import Level
from xaisvc.types.supplements import NO_SUPPLEMENTS
from xaisvc.views.audience import Holding, OnUnreliable, Ruled, Supplied
from xaisvc.views.context import SectionContext, ViewContext
from xaisvc.views.document import Notice, Section, View, ViewStatus
from xaisvc.views.language import Language
from xaisvc.views.sections.letter import HeldForReviewError
from xaisvc.views.selection import is_closed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.types.supplements import Supplement, Supplements
    from xaisvc.views.audience import Audience, SectionSpec
    from xaisvc.views.document import Block


def needed(description: BundleDescription, audience: Audience, *, judged: bool = True) -> frozenset[Supplement]:
    """What the sections of an audience need beside the record; nothing where it gets no view of any case.

    Args:
        description: The bundle.
        audience: The reader.
        judged: As in `build_view`.
    """
    if is_closed(description, audience):
        return frozenset()
    builders = [spec.builder for spec in (audience.sections if judged else audience.before or audience.sections)]
    return frozenset(need for builder in builders if isinstance(builder, Supplied) for need in builder.needs)


def build_view(  # noqa: PLR0913 - what is shown, to whom, and from what
    record: ExplanationRecord,
    description: BundleDescription,
    audience: Audience,
    language: str = "en",
    supplements: Supplements = NO_SUPPLEMENTS,
    *,
    judged: bool = True,
) -> View:
    """Builds what `audience` sees of `record`.

    Args:
        record: The record.
        description: The bundle that the record was made with.
        audience: The reader; see `load_audiences`.
        language: Code of the language.
        supplements: What `needed` asks for, as far as it is to be had.
        judged: Whether the reader's own first judgement of the case is stored. An audience that is asked for one reads
            nothing but the facts before: no byte of the view then follows from the model's answer.

    Raises:
        InvalidRequestError: If the audience has no view in `language`; the message lists those it has.
        NotFoundError: If the record names a feature or an output that the bundle does not have.
    """
    words = Language(audience.catalogue(language))
    context = ViewContext(
        record=record, description=description, audience=audience, language=words, supplements=supplements
    )
    status = _first_status(context, judged=judged)
    try:
        return _view(context, status)
    except HeldForReviewError:
        return _view(context, ViewStatus.HELD_FOR_REVIEW)


def view_status(
    record: ExplanationRecord, description: BundleDescription, audience: Audience, *, judged: bool = True
) -> ViewStatus:
    """The status of the view that `build_view` builds, without what has no part in it; the same in every language.

    Raises:
        NotFoundError: If the record names a feature or an output that the bundle does not have.
    """
    words = Language(audience.catalogue(audience.languages[0]))
    context = ViewContext(record=record, description=description, audience=audience, language=words)
    status = _first_status(context, judged=judged)
    if status is not ViewStatus.COMPLETE:
        return status
    try:
        for spec in audience.sections:
            if isinstance(spec.builder, Holding):
                _blocks(SectionContext(view=context, spec=spec))
    except HeldForReviewError:
        return ViewStatus.HELD_FOR_REVIEW
    return status


def _first_status(context: ViewContext, *, judged: bool) -> ViewStatus:
    """The status of a view, unless a section holds it."""
    audience = context.audience
    if is_closed(context.description, audience):
        return ViewStatus.NOT_AVAILABLE
    if audience.before and not judged:
        return ViewStatus.JUDGEMENT_FIRST
    if audience.on_unreliable is OnUnreliable.HOLD and context.reliability.level is Level.UNRELIABLE:
        return ViewStatus.HELD_FOR_REVIEW
    return ViewStatus.COMPLETE


def _specs(audience: Audience, status: ViewStatus) -> Sequence[SectionSpec]:
    return {
        ViewStatus.COMPLETE: audience.sections,
        ViewStatus.HELD_FOR_REVIEW: audience.held,
        ViewStatus.NOT_AVAILABLE: audience.closed,
        ViewStatus.JUDGEMENT_FIRST: audience.before,
    }[status]


def _view(context: ViewContext, status: ViewStatus) -> View:
    audience, language = context.audience, context.language
    specs = _specs(audience, status)
    complete = status is ViewStatus.COMPLETE
    return View(
        id=f"{context.record.id}/{audience.id}/{language.code}",
        record_id=context.record.id,
        audience=audience.id,
        audience_label=audience.labels[language.code],
        audience_version=audience.version,
        language=language.code,
        status=status,
        title=_header(context, "view.title"),
        subtitle=_header(context, "view.subtitle"),
        layout=audience.layout,
        formats=audience.formats,
        sections=tuple(_section(SectionContext(view=context, spec=spec, complete=complete)) for spec in specs),
        tones=(language.word("words.note"), language.word("words.care"), language.word("words.stop")),
        pack=context.pack.title if context.pack and audience.id in context.pack.texts else "",
        compared_with=context.description.background_drawn_from or "",
    )


def _header(context: ViewContext, key: str) -> str:
    return context.language.filled(key, **context.common)


def _section(context: SectionContext) -> Section:
    spec = context.spec
    blocks = _blocks(context)
    return Section(id=spec.id, type=spec.builder.type, title=context.say("title"), blocks=blocks, rule=_rule(spec))


def _blocks(context: SectionContext) -> tuple[Block, ...]:
    if (
        context.spec.builder.reasons
        and context.is_unreliable
        and context.view.audience.on_unreliable is OnUnreliable.NO_REASONS
    ):
        return (Notice(tone="stop", title=context.say("no_reasons.title"), text=context.say("no_reasons.text")),)
    return context.spec.builder.build(context)


@lru_cache(maxsize=1024)
def _rule(spec: SectionSpec) -> str:
    """The rule of a section; empty for none. Kept: asking a protocol takes as long as building a small section."""
    return spec.builder.rule if isinstance(spec.builder, Ruled) else ""
