"""Answers become the library's values. The client's half of what `xaisvc/server/convert.py` writes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.engine.commands import AudienceInfo, ModelInfo, RenderedView
from xaisvc.errors import (
    FieldViolation,
    InvalidRowsError,
    ModelOutputError,
    NotAllowedError,
    NotFoundError,
    ServiceError,
    XaisvcError,
)
from xaisvc.types import (
    Band,
    BundleDescription,
    Caveat,
    Change,
    Concept,
    Digests,
    ExplainedOutput,
    ExplanationRecord,
    Feature,
    Output,
    PlayerValue,
    Portfolio,
    RecordedAttribution,
    RobustNumber,
    TensorColumn,
)
from xaisvc.types.schema import PROSE
from xaisvc.wire import (
    ADVERSE_FROM_WIRE,
    DIRECTION_FROM_WIRE,
    GATE_FROM_WIRE,
    KIND_FROM_WIRE,
    SENSITIVITY_FROM_WIRE,
    SEVERITY_FROM_WIRE,
    SPACE_FROM_WIRE,
    VIEW_STATUS_FROM_WIRE,
    value_from_wire,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from xaisvc.v1 import audiences_pb2, explanations_pb2, models_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReply:
    """What became of one row.

    Attributes:
        index: Position of the row in the request, from 0.
        id: Id of the explanation; empty if the row was not explained.
        record: The explanation record; None if the row was not explained, or the caller may not see attributions.
        views: The views asked for, audience by audience, format by format.
        error: Why the row was not explained: InvalidRowsError or ModelOutputError; None if it was.
    """

    index: int
    record: ExplanationRecord | None
    id: str = ""
    views: tuple[RenderedView, ...] = ()
    error: XaisvcError | None = None

    def explained(self) -> ExplanationRecord:
        """The record.

        Raises:
            XaisvcError: The row's error, if it was not explained.
            NotAllowedError: If the service keeps attributions from this caller.
        """
        if self.record is None:
            raise self.error or NotAllowedError(
                "the service gives this caller views and no attributions; use a token for the audience data_scientist"
            )
        return self.record

    def view(self, audience: str, format: str = "html") -> RenderedView:  # noqa: A002 - the protocol's word
        """One of the views.

        Raises:
            XaisvcError: The row's error, if it was not explained.
            NotFoundError: If the request did not ask for this view.
        """
        if self.error is not None:
            raise self.error
        for view in self.views:
            if (view.audience, view.format) == (audience, format):
                return view
        asked = ", ".join(f"{view.audience}/{view.format}" for view in self.views) or "none"
        raise NotFoundError(f"the request did not ask for view {audience}/{format}; it asked for: {asked}")


@dataclass(frozen=True, slots=True)
class ExplainReply:
    """One reply for each row of the request, in its order.

    Attributes:
        rows: The replies.
        batch_caveats: Caveats about the rows of the request as a whole, for example that a feature seems to come in
            another unit; most severe first. Empty for callers who may not see attributions.
    """

    rows: tuple[RowReply, ...]
    batch_caveats: tuple[Caveat, ...] = ()

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def __getitem__(self, index: int) -> RowReply:
        """The reply for one row."""
        return self.rows[index]

    def __iter__(self) -> Iterator[RowReply]:
        """The replies in the order of the rows."""
        return iter(self.rows)

    @property
    def records(self) -> tuple[ExplanationRecord, ...]:
        """The record of every row.

        Raises:
            XaisvcError: The error of the first row that was not explained.
        """
        return tuple(row.explained() for row in self.rows)

    @property
    def errors(self) -> Mapping[int, XaisvcError]:
        """Index to error, for the rows that were not explained."""
        return {row.index: row.error for row in self.rows if row.error is not None}


def reply(response: explanations_pb2.ExplainResponse) -> ExplainReply:
    """One reply for each row, and the caveats about all of them.

    Raises:
        ServiceError: If the message uses words that this client does not know.
    """
    rows = tuple(row_reply(result) for result in response.results)
    try:
        return ExplainReply(rows, tuple(caveat(one) for one in response.batch_caveats))
    except KeyError as error:
        raise unknown_word(error) from error


def row_reply(result: explanations_pb2.RowResult) -> RowReply:
    """What became of one row."""
    if not result.HasField("explanation"):
        return RowReply(index=result.index, record=None, error=row_error(result.error))
    message = result.explanation
    return RowReply(
        index=result.index,
        id=message.id,
        record=record(message) if message.HasField("attribution") else None,
        views=tuple(view(entry) for entry in message.views),
    )


def row_error(error: explanations_pb2.RowError) -> XaisvcError:
    """Why a row was not explained: InvalidRowsError with what to mend, or ModelOutputError."""
    if error.violations:
        return InvalidRowsError([FieldViolation(v.field, v.reason, v.description) for v in error.violations])
    return ModelOutputError(error.message)


def record(message: explanations_pb2.Explanation) -> ExplanationRecord:
    """The explanation record in a message.

    Raises:
        ServiceError: If the message uses words that this client does not know.
    """
    try:
        return _record(message)
    except (KeyError, ValueError) as error:
        raise unknown_word(error) from error


def unknown_word(error: Exception) -> ServiceError:
    """What is raised where a message uses a word that this client does not know."""
    return ServiceError(
        f"the service answered with something this client does not know ({error}); use a client of its version"
    )


def _record(message: explanations_pb2.Explanation) -> ExplanationRecord:
    created_at = message.created_at.ToDatetime(tzinfo=dt.UTC)
    output = message.output
    portfolio = message.portfolio
    return ExplanationRecord(
        id=message.id,
        created_at=created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        bundle=message.model,
        bundle_version=message.model_version,
        digests=digests(message.digests),
        device=message.device,
        answer_version=message.answer_version,
        row={entry.feature: value_from_wire(entry.value) for entry in message.row},
        fact_dates={entry.feature: dt.date.fromisoformat(entry.as_of) for entry in message.row if entry.as_of},
        output=ExplainedOutput(
            id=output.id,
            prediction=output.prediction,
            prediction_space=SPACE_FROM_WIRE[output.prediction_space],
            band=output.band,
            adverse=output.adverse if output.HasField("adverse") else None,
        ),
        attribution=_attribution(message.attribution),
        caveats=tuple(caveat(one) for one in message.caveats),
        portfolio=Portfolio(
            rows=portfolio.rows,
            mean_prediction=portfolio.mean_prediction,
            adverse_share=portfolio.adverse_share if portfolio.HasField("adverse_share") else None,
            rank_share=portfolio.rank_share,
        )
        if message.HasField("portfolio")
        else None,
    )


def caveat(message: explanations_pb2.Caveat) -> Caveat:
    """The caveat in a message.

    Raises:
        KeyError: If its severity or one of its gates is not known to this client.
    """
    robust = message.robust
    return Caveat(
        kind=message.kind,
        severity=SEVERITY_FROM_WIRE[message.severity],
        players=tuple(message.players),
        message=message.message,
        evidence=_figures(message.evidence),
        robust=RobustNumber(players=tuple(robust.players), value=robust.value, low=robust.low, high=robust.high)
        if message.HasField("robust")
        else None,
        gates=tuple(GATE_FROM_WIRE[gate] for gate in message.gates),
        model_rows=message.model_rows,
    )


def _attribution(message: explanations_pb2.Attribution) -> RecordedAttribution:
    return RecordedAttribution(
        method=message.method,
        exact=message.exact,
        value_function=message.value_function,
        space=SPACE_FROM_WIRE[message.space],
        base_value=message.base_value,
        output=message.output,
        players_kind=message.players_kind,
        players=tuple(
            PlayerValue(
                player=share.player,
                features=tuple(share.features),
                value=share.value,
                standard_error=share.standard_error,
                portfolio_mean_abs=share.portfolio_mean_abs if share.HasField("portfolio_mean_abs") else None,
            )
            for share in message.players
        ),
        model_evaluations=message.model_evaluations,
        seed=message.seed,
        budget=message.budget,
        detail=message.detail,
        diagnostics=_figures(message.diagnostics),
    )


def _figures(figures: Iterable[explanations_pb2.Figure]) -> dict[str, float]:
    return {figure.name: figure.value for figure in figures}


def digests(message: models_pb2.Digests) -> Digests:
    """The digests in a message."""
    return Digests(model=message.model, background=message.background, schema=message.schema)


def view(message: explanations_pb2.View) -> RenderedView:
    """The view in a message."""
    return RenderedView(
        audience=message.audience,
        format=message.format,
        language=message.language,
        media_type=message.media_type,
        content=message.content,
        status=VIEW_STATUS_FROM_WIRE.get(message.status, ""),
    )


def model_info(message: models_pb2.Model) -> ModelInfo:
    """The model in a message.

    Raises:
        ServiceError: If the message uses words that this client does not know.
    """
    try:
        description = BundleDescription(
            name=message.name,
            version=message.version,
            owner=message.owner,
            purpose=message.purpose,
            out_of_scope=message.out_of_scope,
            features=tuple(_feature(feature) for feature in message.features),
            outputs=tuple(_output(output) for output in message.outputs),
            concepts=tuple(Concept(id=concept.id, labels=dict(concept.labels)) for concept in message.concepts),
            languages=tuple(message.languages),
            notes=message.notes,
            texts={language: _told(told) for language, told in message.texts.items()},
            row_labels=dict(message.row_labels),
            audiences=tuple(message.audiences),
        )
    except KeyError as error:
        raise unknown_word(error) from error
    return ModelInfo(
        description=description,
        digests=digests(message.digests),
        device=message.device,
        methods=tuple(message.methods),
        exact_methods=tuple(message.exact_methods),
        background_rows=message.background_rows,
        studies=message.studies,
        audiences=tuple(message.audiences),
        warnings=tuple(message.warnings),
    )


def _told(message: models_pb2.ModelTexts) -> dict[str, str]:
    """What a model says of itself in one language, without what it does not say there."""
    return {name: text for name in PROSE if (text := str(getattr(message, name)))}


def _feature(message: models_pb2.Feature) -> Feature:
    category_labels: dict[str, dict[str, str]] = {}
    for category in message.categories:
        for language, label in category.labels.items():
            category_labels.setdefault(language, {})[category.value] = label
    change = message.change
    return Feature(
        id=message.id,
        kind=KIND_FROM_WIRE[message.kind],
        source=TensorColumn(tensor=message.tensor, column=message.column),
        unit=message.unit if message.HasField("unit") else None,
        categories=tuple(category.value for category in message.categories),
        allow_missing=message.allow_missing,
        labels=dict(message.labels),
        category_labels=category_labels,
        concept=message.concept if message.HasField("concept") else None,
        sensitivity=SENSITIVITY_FROM_WIRE[message.sensitivity],
        change=Change(
            direction=DIRECTION_FROM_WIRE[change.direction],
            minimum=change.minimum if change.HasField("minimum") else None,
            maximum=change.maximum if change.HasField("maximum") else None,
            step=change.step if change.HasField("step") else None,
            to=tuple(change.to),
        )
        if message.HasField("change")
        else None,
        observed_range=(message.observed_range.minimum, message.observed_range.maximum)
        if message.HasField("observed_range")
        else None,
    )


def _output(message: models_pb2.Output) -> Output:
    target = message.WhichOneof("target")
    return Output(
        id=message.id,
        tensor=message.tensor,
        target=None if target is None else getattr(message, target),
        tensor_space=SPACE_FROM_WIRE[message.tensor_space],
        space=SPACE_FROM_WIRE[message.space],
        adverse=ADVERSE_FROM_WIRE[message.adverse],
        threshold=message.threshold if message.HasField("threshold") else None,
        bands=tuple(
            Band(id=band.id, upper=band.upper if band.HasField("upper") else None, labels=dict(band.labels))
            for band in message.bands
        ),
        labels=dict(message.labels),
    )


def audience_info(message: audiences_pb2.Audience) -> AudienceInfo:
    """The audience in a message."""
    return AudienceInfo(
        id=message.id,
        label=message.label,
        purpose=message.purpose,
        languages=tuple(message.languages),
        formats=tuple(message.formats),
        reason_codes=tuple(message.reason_codes),
    )
