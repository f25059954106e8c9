"""What goes into the service and what comes out of it, without any transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.errors import FieldViolation
    from xaisvc.types import Budget, BundleDescription, Digests, ExplanationRecord, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLimits:
    """What one request may ask for.

    Attributes:
        max_rows: Most rows in one request.
        max_views: Most views in one request, rows times audiences times formats.
        max_coalitions: Most coalitions in one request that names a budget, rows times coalitions per row.
        max_seconds: Most seconds in one request that names deadlines, rows times seconds per row.
    """

    max_rows: int = 1000
    max_views: int = 1000
    max_coalitions: int = 2_500_000
    max_seconds: float = 300.0


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
    """A request to explain rows; see `Explainer.explain` for the choices."""

    bundle: str
    rows: Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]]
    output: str | None = None
    space: Space | None = None
    method: str = "auto"
    players: str | Mapping[str, Sequence[str]] = "features"
    budget: Budget | None = None
    seed: int = 0
    views: tuple[ViewRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """What became of one row: a record and its views, or an error with the fields that are wrong."""

    index: int
    record: ExplanationRecord | None
    views: tuple[RenderedView, ...] = ()
    violations: tuple[FieldViolation, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What callers may know of a bundle."""

    description: BundleDescription
    digests: Digests
    device: str
    methods: tuple[str, ...]
    exact_methods: tuple[str, ...]
    background_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceInfo:
    """What callers may know of an audience."""

    id: str
    label: str
    purpose: str
    languages: tuple[str, ...]
    formats: tuple[str, ...]
