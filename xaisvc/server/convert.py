"""Turns requests into the engine's commands and its answers into messages.

The only module of the server that knows both protobuf and the library's values. What is checked here is what the
library cannot see: messages that are empty, contradictory or packed wrongly. Everything about the model, the methods
and the values of a row is the engine's to judge.
"""

from __future__ import annotations

import datetime as dt
import itertools
from functools import lru_cache
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from xaisvc.engine.commands import ExplainCommand, ViewRequest
from xaisvc.errors import FieldViolation, InvalidRequestError, LimitExceededError
from xaisvc.server.convert_caveats import set_caveat
from xaisvc.server.convert_models import digests
from xaisvc.types import Deadline, ErrorTarget
from xaisvc.v1 import explanations_pb2, models_pb2
from xaisvc.wire import (
    LEVEL_TO_WIRE,
    SPACE_FROM_WIRE,
    SPACE_TO_WIRE,
    VIEW_STATUS_TO_WIRE,
    is_missing_number,
    value_from_wire,
    value_to_wire,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xaisvc.engine.commands import RenderedView, RowOutcome
    from xaisvc.types import (
        Budget,
        Caller,
        Caveat,
        ExplanationRecord,
        RecordedAttribution,
        Space,
    )

MAX_SUBJECT_LENGTH = 256
DEFAULT_FORMAT = "html"
DEFAULT_LANGUAGE = "en"
DEFAULT_METHOD = "auto"
DEFAULT_PLAYERS = "features"


def row_count(request: explanations_pb2.ExplainRequest) -> int:
    """Number of rows that a request brings, without reading their values."""
    if request.rows:
        return len(request.rows)
    return max((_column_length(column) for column in request.columns), default=0)


def explain_command(request: explanations_pb2.ExplainRequest, *, max_rows: int) -> ExplainCommand:
    """Reads a request.

    Args:
        request: The message.
        max_rows: Largest number of rows in one request.

    Raises:
        InvalidRequestError: If the message is empty or contradicts itself; names the field.
        LimitExceededError: If it brings more than `max_rows` rows.
    """
    if not request.model:
        raise InvalidRequestError.of(
            "model", "no model is named; ModelService.ListModels lists the names", reason="REQUIRED"
        )
    if request.rows and request.columns:
        raise InvalidRequestError.of("columns", "rows are given as well; give either rows or columns")
    n_rows = row_count(request)
    if n_rows == 0:
        raise InvalidRequestError.of("rows", "there is no row to explain; send at least one", reason="REQUIRED")
    if n_rows > max_rows:
        text = f"{n_rows} rows are more than the {max_rows} that one request may bring; split the request"
        raise LimitExceededError(f"rows: {text}", (FieldViolation("rows", "TOO_MANY_ROWS", text),))
    return ExplainCommand(
        bundle=request.model,
        rows=_named_rows(request.rows) if request.rows else _packed_columns(request.columns, n_rows),
        output=request.output or None,
        space=_space(request.space),
        method=request.method or DEFAULT_METHOD,
        players=_players(request),
        budget=_budget(request.budget) if request.HasField("budget") else None,
        seed=request.seed,
        views=_views(request),
        subjects=_subjects(request, n_rows),
        fact_dates=tuple(dict(one.days) for one in request.fact_dates),
    )


def stream_command(request: explanations_pb2.ExplainStreamRequest, *, max_rows: int) -> ExplainCommand:
    """Reads the request inside a request for many rows.

    Raises:
        InvalidRequestError: If the message is empty or contradicts itself; names the field.
        LimitExceededError: If it brings more than `max_rows` rows.
    """
    inner = request.request
    if inner.audiences or inner.formats:
        raise InvalidRequestError.of(
            "request.audiences", "a stream carries no views; leave it empty and fetch views by RenderView"
        )
    command = explain_command(inner, max_rows=max_rows)
    if not 0 <= request.first_row < row_count(inner):
        raise InvalidRequestError.of(
            "first_row",
            f"must be from 0 to {row_count(inner) - 1}, got {request.first_row}",
        )
    if request.batch_rows < 0:
        raise InvalidRequestError.of("batch_rows", f"must not be negative, got {request.batch_rows}")
    return command


def _subjects(request: explanations_pb2.ExplainRequest, n_rows: int) -> tuple[str, ...]:
    if request.subjects and len(request.subjects) != n_rows:
        raise InvalidRequestError.of(
            "subjects", f"{len(request.subjects)} subjects for {n_rows} rows; give one for each row, or none"
        )
    for i, subject in enumerate(request.subjects):
        if len(subject) > MAX_SUBJECT_LENGTH:
            raise InvalidRequestError.of(
                f"subjects[{i}]", f"has {len(subject)} characters; an id has {MAX_SUBJECT_LENGTH} at most"
            )
    return tuple(request.subjects)


def view_request(request: explanations_pb2.RenderViewRequest) -> ViewRequest:
    """Reads which view of a stored explanation is asked for.

    Raises:
        InvalidRequestError: If no explanation or no audience is named.
    """
    record_id(request.id)
    if not request.audience:
        raise InvalidRequestError.of(
            "audience", "no audience is named; AudienceService.ListAudiences lists the names", reason="REQUIRED"
        )
    return ViewRequest(
        audience=request.audience,
        format=request.format or DEFAULT_FORMAT,
        language=request.language or DEFAULT_LANGUAGE,
    )


def record_id(text: str) -> str:
    """The id of an explanation as it stands in a request.

    Raises:
        InvalidRequestError: If it is empty.
    """
    if not text:
        raise InvalidRequestError.of(
            "id", "no explanation is named; use the id that Explain answered", reason="REQUIRED"
        )
    return text


def _named_rows(rows: Iterable[explanations_pb2.Row]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for i, row in enumerate(rows):
        values: dict[str, object] = {}
        for name, value in row.values.items():
            try:
                values[name] = value_from_wire(value)
            except ValueError:
                raise InvalidRequestError.of(
                    f"rows[{i}].{name}",
                    "the value is empty; set number, integer, text, boolean or missing",
                    reason="EMPTY_VALUE",
                ) from None
        found.append(values)
    return found


def _column_length(column: explanations_pb2.Column) -> int:
    kind = column.WhichOneof("values")
    return 0 if kind is None else len(getattr(column, kind).values)


def _packed_columns(columns: Iterable[explanations_pb2.Column], n_rows: int) -> dict[str, Sequence[object]]:
    found: dict[str, Sequence[object]] = {}
    for i, column in enumerate(columns):
        kind = column.WhichOneof("values")
        if kind is None:
            raise InvalidRequestError.of(
                f"columns[{i}].values",
                f"column '{column.feature}' is empty; set doubles, integers, texts or booleans",
                reason="EMPTY_VALUE",
            )
        if column.feature in found:
            raise InvalidRequestError.of(f"columns[{i}].feature", f"'{column.feature}' is given twice")
        values: list[object] = list(getattr(column, kind).values)
        if len(values) != n_rows:
            raise InvalidRequestError.of(
                f"columns[{i}].{kind}",
                f"column '{column.feature}' has {len(values)} values where the longest column has {n_rows}; "
                "all columns need one value for each row",
            )
        for index in column.missing:
            if not 0 <= index < n_rows:
                raise InvalidRequestError.of(
                    f"columns[{i}].missing", f"there is no row {index}; rows are counted from 0 to {n_rows - 1}"
                )
            values[index] = None
        found[column.feature] = values
    return found


def _space(space: models_pb2.Space.ValueType) -> Space | None:
    if space == models_pb2.SPACE_UNSPECIFIED:
        return None
    if space not in SPACE_FROM_WIRE:
        raise InvalidRequestError.of(
            "space", f"{int(space)} is no space; use SPACE_PROBABILITY, SPACE_LOG_ODDS or SPACE_RAW"
        )
    return SPACE_FROM_WIRE[space]


def _players(request: explanations_pb2.ExplainRequest) -> str | Mapping[str, Sequence[str]]:
    if not request.player_groups:
        if request.players == "custom":
            raise InvalidRequestError.of("player_groups", "players is 'custom' but no group is given")
        return request.players or DEFAULT_PLAYERS
    if request.players not in {"", "custom"}:
        raise InvalidRequestError.of("players", f"'{request.players}' contradicts player_groups; give one of the two")
    groups: dict[str, tuple[str, ...]] = {}
    for i, group in enumerate(request.player_groups):
        if group.name in groups:
            raise InvalidRequestError.of(f"player_groups[{i}].name", f"'{group.name}' is given twice")
        groups[group.name] = tuple(group.features)
    return groups


def _budget(budget: explanations_pb2.Budget) -> Budget:
    limit = budget.WhichOneof("limit")
    if limit == "coalitions":
        return budget.coalitions
    if limit == "standard_error":
        return ErrorTarget(budget.standard_error)
    if limit == "deadline":
        return Deadline(budget.deadline.seconds + budget.deadline.nanos / 1e9)
    raise InvalidRequestError.of(
        "budget", "the budget is empty; set coalitions, standard_error or deadline", reason="EMPTY_VALUE"
    )


def _views(request: explanations_pb2.ExplainRequest) -> tuple[ViewRequest, ...]:
    if request.formats and not request.audiences:
        raise InvalidRequestError.of("audiences", "formats are given but no audience to write for", reason="REQUIRED")
    language = request.language or DEFAULT_LANGUAGE
    formats = request.formats or (DEFAULT_FORMAT,)
    pairs = itertools.product(dict.fromkeys(request.audiences), dict.fromkeys(formats))
    return tuple(ViewRequest(audience=audience, format=name, language=language) for audience, name in pairs)


def explain_response(
    outcomes: Sequence[RowOutcome], caller: Caller, batch_caveats: Sequence[Caveat] = ()
) -> explanations_pb2.ExplainResponse:
    """One result for each outcome, in the same order.

    Args:
        outcomes: What became of each row.
        caller: Who reads it; the caveats are for callers who may see attributions.
        batch_caveats: Caveats about the rows as a whole, most severe first.
    """
    found = explanations_pb2.ExplainResponse(
        results=[row_result(outcome, numbers=caller.sees_numbers) for outcome in outcomes]
    )
    if caller.sees_numbers:
        for caveat in batch_caveats:
            set_caveat(found.batch_caveats.add(), caveat)
    return found


def row_result(outcome: RowOutcome, *, numbers: bool = True) -> explanations_pb2.RowResult:
    """What became of one row.

    Args:
        outcome: What did.
        numbers: Whether the reader may see attributions; else they get the id and the views alone.
    """
    if outcome.record is not None:
        whole = explanation if numbers else bare_explanation
        found = whole(outcome.record, outcome.views)
        return explanations_pb2.RowResult(index=outcome.index, explanation=found)
    violations = [
        explanations_pb2.FieldViolation(field=v.field, reason=v.reason, description=v.description)
        for v in outcome.violations
    ]
    message = outcome.error or "; ".join(f"{v.field}: {v.description}" for v in outcome.violations)
    return explanations_pb2.RowResult(
        index=outcome.index, error=explanations_pb2.RowError(message=message, violations=violations)
    )


def timestamp(text: str) -> Timestamp:
    """A recorded time, ISO 8601 in UTC, as a message."""
    found = Timestamp()
    found.FromDatetime(dt.datetime.fromisoformat(text))
    return found


def bare_explanation(record: ExplanationRecord, views: Sequence[RenderedView] = ()) -> explanations_pb2.Explanation:
    """What of a record is for callers who may not see attributions: which one it is, and its views."""
    return explanations_pb2.Explanation(
        id=record.id,
        created_at=timestamp(record.created_at),
        model=record.bundle,
        views=[view(rendered) for rendered in views],
    )


def explanation(record: ExplanationRecord, views: Sequence[RenderedView] = ()) -> explanations_pb2.Explanation:
    """A whole record, with the views made of it."""
    output = record.output
    found = explanations_pb2.Explanation(
        id=record.id,
        created_at=timestamp(record.created_at),
        model=record.bundle,
        model_version=record.bundle_version,
        digests=digests(record.digests),
        device=record.device,
        answer_version=record.answer_version,
        output=explanations_pb2.ExplainedOutput(
            id=output.id,
            prediction=output.prediction,
            prediction_space=SPACE_TO_WIRE[output.prediction_space],
            band=output.band,
            adverse=output.adverse,
        ),
        reliability=LEVEL_TO_WIRE[record.reliability],
        views=[view(rendered) for rendered in views],
    )
    # Messages that are added where they belong are never copied, which takes half of the time.
    _set_attribution(found.attribution, record.attribution)
    for name, value in sorted(record.row.items()):
        _set_value(found.row.add(feature=name).value, value)
    if record.fact_dates:
        for entry in found.row:
            if entry.feature in record.fact_dates:
                entry.as_of = record.fact_dates[entry.feature].isoformat()
    for caveat in record.caveats:
        set_caveat(found.caveats.add(), caveat)
    if record.portfolio is not None:
        found.portfolio.CopyFrom(
            explanations_pb2.Portfolio(
                rows=record.portfolio.rows,
                mean_prediction=record.portfolio.mean_prediction,
                adverse_share=record.portfolio.adverse_share,
                rank_share=record.portfolio.rank_share,
            )
        )
    return found


def _set_value(message: explanations_pb2.Value, value: float | str | bool | None) -> None:  # noqa: FBT001 - a value, not a switch
    """One value of a row; see `value_to_wire`. A number that is none is a missing value."""
    if isinstance(value, str):
        message.text = value
    elif type(value) is float and value == value:  # noqa: PLR0124 - only a NaN differs from itself
        message.number = value
    else:
        message.CopyFrom(value_to_wire(None if is_missing_number(value) else value))


def _set_attribution(found: explanations_pb2.Attribution, attribution: RecordedAttribution) -> None:
    """Writes an attribution into a message that is still empty."""
    # What the players of every row are called is written once and copied, which takes a quarter of the time.
    named = tuple([(share.player, share.features, share.portfolio_mean_abs) for share in attribution.players])
    found.CopyFrom(_named_players(named))
    found.method = attribution.method
    found.exact = attribution.exact
    found.value_function = attribution.value_function
    found.space = SPACE_TO_WIRE[attribution.space]
    found.base_value = attribution.base_value
    found.output = attribution.output
    found.players_kind = attribution.players_kind
    found.model_evaluations = attribution.model_evaluations
    found.seed = attribution.seed
    found.budget = attribution.budget
    found.detail = attribution.detail
    found.diagnostics.extend(figures(attribution.diagnostics))
    for player, share in zip(found.players, attribution.players, strict=True):
        player.value = share.value
        player.standard_error = share.standard_error


@lru_cache(maxsize=64)
def _named_players(named: tuple[tuple[str, tuple[str, ...], float | None], ...]) -> explanations_pb2.Attribution:
    """Players without numbers; only ever copied."""
    found = explanations_pb2.Attribution()
    for player, features, portfolio_mean_abs in named:
        found.players.add(player=player, features=features, portfolio_mean_abs=portfolio_mean_abs)
    return found


def figures(numbers: Mapping[str, float]) -> list[explanations_pb2.Figure]:
    """Numbers with names, in alphabetical order."""
    return [explanations_pb2.Figure(name=name, value=value) for name, value in sorted(numbers.items())]


def view(rendered: RenderedView) -> explanations_pb2.View:
    """One rendered view."""
    return explanations_pb2.View(
        audience=rendered.audience,
        format=rendered.format,
        language=rendered.language,
        media_type=rendered.media_type,
        content=rendered.content,
        status=VIEW_STATUS_TO_WIRE[rendered.status],
    )
