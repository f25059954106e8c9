"""Rows and choices become a request. The client's half of what `xaisvc/server/convert.py` reads."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from xaisvc.errors import FieldViolation, InvalidRequestError, InvalidRowsError
from xaisvc.types import Deadline, ErrorTarget, Space
from xaisvc.types.fact_dates import dates_by_row, day_of
from xaisvc.v1 import explanations_pb2, feedback_pb2, models_pb2
from xaisvc.wire import SPACE_TO_WIRE, VERDICT_TO_WIRE, value_to_wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from xaisvc.engine.commands import Feedback
    from xaisvc.types import Budget
    from xaisvc.types.fact_dates import DatesGiven

    Rows: TypeAlias = Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]] | pd.DataFrame

_INT64 = range(-(2**63), 2**63)
_NANOS_PER_SECOND = 1_000_000_000
_MAX_SECONDS = 1e9

Plain: TypeAlias = float | str | bool | None


def explain_request(  # noqa: PLR0913 - one parameter for each choice of the call
    model: str,
    rows: Rows,
    *,
    output: str | None,
    space: Space | str | None,
    method: str,
    players: str | Mapping[str, Sequence[str]],
    budget: Budget | None,
    seed: int,
    audiences: Sequence[str],
    formats: Sequence[str],
    language: str,
    subjects: Sequence[str] = (),
    fact_dates: DatesGiven = (),
) -> explanations_pb2.ExplainRequest:
    """A request to explain rows.

    Raises:
        InvalidRowsError: If a value or a day has no form in the protocol; names row and feature.
        InvalidRequestError: If a parameter has none.
    """
    if seed not in _INT64:
        raise InvalidRequestError.of("seed", "must fit into 64 bits")
    request = explanations_pb2.ExplainRequest(
        model=model,
        output=output or "",
        space=_space(space),
        method=method,
        seed=seed,
        audiences=audiences,
        formats=formats if audiences else (),
        language=language,
        subjects=subjects,
    )
    if isinstance(players, str):
        request.players = players
    else:
        request.player_groups.extend(
            explanations_pb2.PlayerGroup(name=name, features=features) for name, features in players.items()
        )
    if budget is not None:
        request.budget.CopyFrom(_budget(budget))
    _add_rows(request, rows)
    request.fact_dates.extend(_fact_dates(fact_dates))
    return request


def stream_request(  # noqa: PLR0913 - as above
    model: str,
    rows: Rows,
    *,
    output: str | None,
    space: Space | str | None,
    method: str,
    players: str | Mapping[str, Sequence[str]],
    budget: Budget | None,
    seed: int,
    subjects: Sequence[str],
    fact_dates: DatesGiven,
    first_row: int,
    batch_rows: int,
) -> explanations_pb2.ExplainStreamRequest:
    """A request to explain many rows; raises as `explain_request`."""
    request = explain_request(
        model,
        rows,
        output=output,
        space=space,
        method=method,
        players=players,
        budget=budget,
        seed=seed,
        audiences=(),
        formats=(),
        language="",
        subjects=subjects,
        fact_dates=fact_dates,
    )
    return explanations_pb2.ExplainStreamRequest(request=request, first_row=first_row, batch_rows=batch_rows)


def feedback_request(feedback: Feedback) -> feedback_pb2.SubmitRequest:
    """What a reader made of an explanation, as a message.

    Raises:
        InvalidRequestError: If the verdict has no form in the protocol.
    """
    if feedback.verdict not in VERDICT_TO_WIRE:
        known = ", ".join(name for name in VERDICT_TO_WIRE if name)
        raise InvalidRequestError.of("verdict", f"{feedback.verdict!r} is not one of {known}")
    return feedback_pb2.SubmitRequest(
        explanation_id=feedback.explanation_id,
        audience=feedback.audience,
        reader=feedback.reader,
        verdict=VERDICT_TO_WIRE[feedback.verdict],
        reason_code=feedback.reason_code,
        comment=feedback.comment,
        first_judgement=feedback.first_judgement,
        final_judgement=feedback.final_judgement,
        outcome=feedback.outcome,
    )


def _space(space: Space | str | None) -> models_pb2.Space.ValueType:
    if space is None:
        return models_pb2.SPACE_UNSPECIFIED
    try:
        return SPACE_TO_WIRE[Space(space)]
    except ValueError:
        known = ", ".join(known.value for known in Space)
        raise InvalidRequestError.of("space", f"'{space}' is not one of {known}") from None


def _budget(budget: Budget) -> explanations_pb2.Budget:
    if isinstance(budget, ErrorTarget):
        return explanations_pb2.Budget(standard_error=budget.standard_error)
    if isinstance(budget, Deadline):
        if not abs(budget.seconds) < _MAX_SECONDS:  # a NaN is not smaller than anything
            raise InvalidRequestError.of("budget", "the deadline must be a finite number of seconds")
        message = explanations_pb2.Budget()
        seconds, nanos = divmod(round(budget.seconds * _NANOS_PER_SECOND), _NANOS_PER_SECOND)
        message.deadline.seconds, message.deadline.nanos = seconds, nanos
        return message
    if budget not in _INT64:
        raise InvalidRequestError.of("budget", "must fit into 64 bits")
    return explanations_pb2.Budget(coalitions=budget)


def _add_rows(request: explanations_pb2.ExplainRequest, rows: object) -> None:
    """Puts rows into a request: packed where every column has one kind of value, else row by row."""
    pandas = sys.modules.get("pandas")  # whoever hands in a frame has loaded pandas
    if pandas is not None and isinstance(rows, pandas.DataFrame):
        rows = {str(name): rows[name].tolist() for name in rows.columns}
    if isinstance(rows, Mapping):
        columns = {_checked(name): _plain_column(name, values) for name, values in rows.items()}
        packed = [_packed(name, values) for name, values in columns.items()]
        if all(column is not None for column in packed):
            request.columns.extend(cast("list[explanations_pb2.Column]", packed))
            return
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            raise InvalidRequestError.of("rows", f"columns of different lengths: {sorted(lengths)}")
        named: Iterable[Mapping[str, object]] = (
            dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
        )
    elif isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)):
        named = rows
    else:
        raise InvalidRequestError.of(
            "rows", "must be a list of mappings, a mapping of columns or a DataFrame", reason="WRONG_TYPE"
        )
    for i, row in enumerate(named):
        if not isinstance(row, Mapping):
            raise InvalidRequestError.of(f"rows[{i}]", "must be a mapping of feature id to value", reason="WRONG_TYPE")
        values = {_checked(name): value_to_wire(_plain(value, i, name)) for name, value in row.items()}
        request.rows.append(explanations_pb2.Row(values=values))


def _fact_dates(given: DatesGiven) -> Iterator[explanations_pb2.FactDates]:
    """Days as messages, one for each row. Texts are the service's to judge, so that one that is wrong costs one row."""
    for i, own in enumerate(dates_by_row(given)):
        days = {}
        for name, value in own.items():
            text = _plain_text(value, i, name, "fact_dates") if isinstance(value, str) else _day_text(value, i, name)
            if text is not None:
                days[_checked(name, "fact_dates")] = text
        yield explanations_pb2.FactDates(days=days)


def _day_text(value: object, row: int, name: str) -> str | None:
    try:
        day = day_of(value)
    except ValueError:
        description = "must be a day such as 2026-01-31, a date, or None if it is not known"
        raise _unfit(row, name, "WRONG_TYPE", description, "fact_dates") from None
    return None if day is None else day.isoformat()


def _checked(name: object, field: str = "rows") -> str:
    if not isinstance(name, str):
        raise InvalidRequestError.of(field, "feature ids must be texts", reason="WRONG_TYPE")
    return name


def _plain_column(name: str, values: Sequence[object]) -> list[Plain]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise InvalidRequestError.of(f"rows.{name}", "must be a list with one value for each row", reason="WRONG_TYPE")
    return [_plain(value, i, name) for i, value in enumerate(values)]


def _plain(value: object, row: int, name: str) -> Plain:
    """A value as Python's own; every kind of missing value becomes None."""
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()  # None for not-a-time
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:  # named, so that pandas need not be loaded
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value not in _INT64:
            raise _unfit(row, name, "OUT_OF_DTYPE_RANGE", "is too large for a 64-bit whole number")
        return value
    if isinstance(value, str):
        return _plain_text(value, row, name)
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    return _plain_number(value, row, name)


def _plain_text(value: str, row: int, name: str, field: str = "rows") -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _unfit(row, name, "WRONG_TYPE", "holds characters that are no valid Unicode", field) from None
    return str(value)


def _plain_number(value: object, row: int, name: str) -> float | None:
    try:
        number = float(cast("float", value)) if hasattr(value, "__float__") else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        raise _unfit(row, name, "WRONG_TYPE", "is no number, text, truth value, date or missing value")
    return None if np.isnan(number) else number


def _unfit(row: int, name: str, reason: str, description: str, field: str = "rows") -> InvalidRowsError:
    return InvalidRowsError((FieldViolation(f"{field}[{row}].{name}", reason, description),))


def _packed(name: str, values: Sequence[Plain]) -> explanations_pb2.Column | None:
    """A column as one packed list; None if its values are of several kinds, or if packing would change one of them."""
    kinds = {type(value) for value in values if value is not None}
    column = explanations_pb2.Column(feature=name, missing=[i for i, value in enumerate(values) if value is None])
    if kinds == {bool}:
        column.booleans.values.extend(bool(value) for value in values)
    elif kinds == {int}:
        column.integers.values.extend(cast("int", value or 0) for value in values)
    elif kinds == {str}:
        column.texts.values.extend(cast("str", value or "") for value in values)
    elif kinds <= {int, float} and all(value is None or float(value) == value for value in values):
        column.doubles.values.extend(0.0 if value is None else float(value) for value in values)
    else:
        return None
    return column
