"""What goes into the service and what comes out of it, without any transport."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.errors import FieldViolation
    from xaisvc.types import (
        AnswerColumns,
        AnswerFrame,
        Budget,
        BundleDescription,
        Caveat,
        Digests,
        ExplanationRecord,
        Space,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLimits:
    """What one request may ask for.

    Attributes:
        max_rows: Most rows in one request.
        max_views: Most views in one request, rows times audiences times formats.
        max_model_rows: Most model rows that one request may cost: rows times coalitions times background rows.
        max_seconds: Most seconds in one request that names deadlines, rows times seconds per row.
        max_stream_rows: Most rows in one request that is answered as a stream.
        max_stream_model_rows: Most model rows that such a request may cost.
    """

    max_rows: int = 1000
    max_views: int = 1000
    max_model_rows: int = 250_000_000
    max_seconds: float = 300.0
    max_stream_rows: int = 100_000
    max_stream_model_rows: int = 10_000_000_000

    def of_stream(self) -> ServiceLimits:
        """The limits of a request that is answered as a stream."""
        return replace(self, max_rows=self.max_stream_rows, max_model_rows=self.max_stream_model_rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRequest:
    """One view that a caller wants: for whom, in which format (`text`, `markdown`, `html`, `json`) and language."""

    audience: str
    format: str = "html"
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedView:
    """A view as the caller gets it.

    Attributes:
        audience: For whom.
        format: In which format.
        language: In which language.
        media_type: Media type of the content.
        content: The rendered text.
        status: `complete`; `held_for_review` where a person must look before anything is told; `not_available` where
            this audience gets no view of any case of the bundle.
    """

    audience: str
    format: str
    language: str
    media_type: str
    content: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainCommand:
    """A request to explain rows; see `Explainer.explain` for the choices.

    Attributes:
        bundle: Name of the bundle.
        rows: The rows as the caller wrote them.
        output: Id of the output; the bundle's first for None.
        space: Unit to explain it in; the output's own for None.
        method: Name of the method, or `auto`.
        players: `features`, `concepts`, `clusters`, or name to features.
        budget: How much work is allowed; the method's default for None.
        seed: Seed of sampled methods.
        views: Views to render of each row.
        subjects: Who each row is about, one for each row or none at all.
        fact_dates: Feature id to the day that its value is from, as the caller wrote it; one for each row or none at
            all.
    """

    bundle: str
    rows: Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]]
    output: str | None = None
    space: Space | None = None
    method: str = "auto"
    players: str | Mapping[str, Sequence[str]] = "features"
    budget: Budget | None = None
    seed: int = 0
    views: tuple[ViewRequest, ...] = ()
    subjects: tuple[str, ...] = ()
    fact_dates: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """What became of one row: a record and its views, or an error with the fields that are wrong."""

    index: int
    record: ExplanationRecord | None
    views: tuple[RenderedView, ...] = ()
    violations: tuple[FieldViolation, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBatch:
    """Some rows of a stream, answered and recorded.

    Attributes:
        frame: What all answers share.
        created_at: Time of the answers, ISO 8601 in UTC.
        indices: Position of each explained row in the request.
        ids: Id of each explanation.
        answers: What was found for these rows.
        failed: The rows of this batch that were not explained.
        next_row: Position behind the last row of this batch.
        rows: Number of rows in the request.
        batch_caveats: What is the matter with all rows of the request together; told once, with its first batch.
    """

    frame: AnswerFrame
    created_at: str
    indices: Sequence[int]
    ids: Sequence[str]
    answers: AnswerColumns
    failed: Sequence[RowOutcome]
    next_row: int
    rows: int
    batch_caveats: tuple[Caveat, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodComparison:
    """Where one stored explanation of a row and the first one of a comparison disagree, and how far they agree.

    Players are material if they have a twentieth or more of the sum of absolute attributions under one of the two.

    Attributes:
        id: Id of the explanation that is compared with the first.
        method: The method that made it.
        caveats: Caveats of kind `method_disagreement`, as `Explainer.explain_methods` gives them; `first` and `second`
            in their evidence are values of the first explanation and of this one. Empty where nothing material differs.
        material_players: Number of material players.
        kendall_tau: Kendall's tau-b of their absolute attributions, from -1 to 1; None for fewer than two of them, or
            ties only.
        sign_agreement: Share of them whose signs do not conflict, as the caveat counts it; None without any.
        leader_agreement: Of those that are among the three largest under one of the two, the share that is so under
            both; None without any.
    """

    id: str
    method: str
    caveats: tuple[Caveat, ...]
    material_players: int
    kendall_tau: float | None
    sign_agreement: float | None
    leader_agreement: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Stored explanations of one row by several methods, all others compared with the first.

    Attributes:
        id: Id of the first.
        method: The method that made it.
        others: One for each of the others, in the order in which they were named.
    """

    id: str
    method: str
    others: tuple[MethodComparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What one reader made of one explanation.

    Attributes:
        explanation_id: Id of the explanation.
        audience: Audience whose view was read; empty if not said.
        reader: Pseudonym of the reader; empty if not said.
        verdict: `agree`, `deviate`, `not_used`, or empty.
        reason_code: Code of the reason, one of those that the audience declares.
        comment: In their own words.
        first_judgement: Before they saw the model's answer.
        final_judgement: After it.
        outcome: What happened later.
    """

    explanation_id: str
    audience: str = ""
    reader: str = ""
    verdict: str = ""
    reason_code: str = ""
    comment: str = ""
    first_judgement: str = ""
    final_judgement: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What callers may know of a bundle.

    Attributes:
        description: The bundle in its own words.
        digests: SHA-256 of its files.
        device: What it runs on.
        methods: Methods that can be asked for.
        exact_methods: Those of them that are exact for the default output.
        background_rows: Number of background rows.
        studies: What studying it found, as text, where it was asked for.
        audiences: Ids of the audiences that have views of its cases, of those that the caller may have views for.
        warnings: What should be mended before letters about its cases go out.
    """

    description: BundleDescription
    digests: Digests
    device: str
    methods: tuple[str, ...]
    exact_methods: tuple[str, ...]
    background_rows: int
    studies: str = ""
    audiences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceInfo:
    """What callers may know of an audience."""

    id: str
    label: str
    purpose: str
    languages: tuple[str, ...]
    formats: tuple[str, ...]
    reason_codes: tuple[str, ...] = ()
