"""What all rows of a request share, known before any of them is computed; and the record of each row made of it."""

from __future__ import annotations

import importlib.metadata
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats import RowCaveats
from xaisvc.types import (
    AnswerColumns,
    AnswerFrame,
    CaveatTable,
    ExplainedOutput,
    ExplanationRecord,
    PlayerValue,
    Portfolio,
    RecordedAttribution,
    RowAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.engine.batch import ExplanationBatch, Provenance
    from xaisvc.types import Budget, FactDates

ANSWER_VERSION = 12
"""Version of the code's answers: raised whenever the numbers of an unchanged request may change."""

LOCAL_SURROGATE = "local_surrogate"
INTERVENTIONAL = "interventional"

_SOFTWARE = ("xaisvc", "numpy", "numba", "onnxruntime", "onnxruntime-gpu")


def make_frame(source: Provenance, method: str, budget: Budget | None) -> AnswerFrame:
    """The frame of a request.

    Args:
        source: Where its answers come from.
        method: The method that runs.
        budget: How much work is allowed; None for the method's default and for exact methods.
    """
    usual = source.portfolio_mean_abs
    seen = source.background_predictions
    return AnswerFrame(
        bundle=source.description.name,
        bundle_version=source.description.version,
        digests=source.digests,
        device=source.device,
        answer_version=ANSWER_VERSION,
        software=software(),
        output=source.output.id,
        prediction_space=source.output.tensor_space,
        space=source.space,
        method=method,
        value_function=LOCAL_SURROGATE if method.startswith("lime") else INTERVENTIONAL,
        players=source.players,
        seed=source.seed,
        budget=budget,
        budget_text=source.budget,
        portfolio_rows=len(seen),
        portfolio_mean=float(seen.mean()),
        adverse_share=source.adverse_share,
        portfolio_mean_abs=None if usual is None else tuple(usual.tolist()),
    )


@cache
def software() -> Mapping[str, str]:
    """Library to version, of what computes the numbers in this process."""
    found = {}
    for name in _SOFTWARE:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def batch_answers(batch: ExplanationBatch) -> AnswerColumns:
    """What was found for the rows of a batch, column by column."""
    output, attribution = batch.provenance.output, batch.attribution
    seen, predictions = batch.provenance.background_predictions, batch.predictions
    own = attribution.own or ((attribution.exact, attribution.detail),) * len(batch)
    exact = [is_exact for is_exact, _ in own]
    numbers = predictions.tolist()
    bands = [output.band(one) for one in numbers] if output.bands else [None] * len(numbers)
    caveats = batch.caveats
    return AnswerColumns(
        predictions=predictions,
        rank_shares=np.searchsorted(seen, predictions, side="left") / len(seen),
        base_values=attribution.base_values,
        outputs=attribution.outputs,
        values=attribution.values,
        standard_errors=None if all(exact) else attribution.standard_errors,
        exact=exact,
        model_evaluations=attribution.model_evaluations,
        bands=["" if band is None else band.id for band in bands],
        adverse=[output.is_adverse(one) for one in numbers],
        details=[detail for _, detail in own],
        diagnostics=[dict(one) for one in attribution.diagnostics] if attribution.diagnostics else [{}] * len(batch),
        caveats=caveats.table if isinstance(caveats, RowCaveats) else CaveatTable.of(caveats),
    )


def _row_answer(batch: ExplanationBatch, index: int, rank_share: float) -> RowAnswer:
    output, attribution = batch.provenance.output, batch.attribution
    prediction = float(batch.predictions[index])
    exact, detail = attribution.own[index] if attribution.own else (attribution.exact, attribution.detail)
    band = output.band(prediction)
    return RowAnswer(
        prediction=prediction,
        rank_share=rank_share,
        base_value=float(attribution.base_values[index]),
        output=float(attribution.outputs[index]),
        values=attribution.values[index],
        standard_errors=attribution.standard_errors[index],
        exact=exact,
        model_evaluations=int(attribution.model_evaluations[index]),
        band=band.id if band else "",
        adverse=output.is_adverse(prediction),
        detail=detail,
        diagnostics=dict(attribution.diagnostics[index]) if attribution.diagnostics else {},
        caveats=batch.caveats[index],
    )


def make_record(batch: ExplanationBatch, index: int) -> ExplanationRecord:
    """Makes the record of row `index` of a batch."""
    source = batch.provenance
    seen = source.background_predictions
    rank_share = float(np.searchsorted(seen, batch.predictions[index], side="left")) / len(seen)
    return record_of(
        make_frame(source, batch.method, None),
        _row_answer(batch, index, rank_share),
        batch.rows.row(index),
        record_id=batch.ids[index],
        created_at=batch.created_at,
        fact_dates=batch.fact_dates[index] if batch.fact_dates else None,
    )


def record_of(  # noqa: PLR0913 - a record in its parts, most by name
    frame: AnswerFrame,
    answer: RowAnswer,
    row: Mapping[str, float | str | None],
    *,
    record_id: str,
    created_at: str,
    fact_dates: FactDates | None = None,
) -> ExplanationRecord:
    """Puts the record of one row together.

    Args:
        frame: What it shares with the other rows of its request.
        answer: What was found.
        row: Feature id to value as validated.
        record_id: Its id.
        created_at: Time of the answer, ISO 8601 in UTC.
        fact_dates: Feature id to the day that its value is from; None if no day was said.
    """
    usual = frame.portfolio_mean_abs or (None,) * len(frame.players)
    values, errors = answer.values.tolist(), answer.standard_errors.tolist()
    players = tuple(
        PlayerValue(player=name, features=members, value=value, standard_error=error, portfolio_mean_abs=mean)
        for name, members, value, error, mean in zip(
            frame.players.names, frame.players.members, values, errors, usual, strict=True
        )
    )
    return ExplanationRecord(
        id=record_id,
        created_at=created_at,
        bundle=frame.bundle,
        bundle_version=frame.bundle_version,
        digests=frame.digests,
        device=frame.device,
        answer_version=frame.answer_version,
        row=row,
        output=ExplainedOutput(
            id=frame.output,
            prediction=answer.prediction,
            prediction_space=frame.prediction_space,
            band=answer.band,
            adverse=answer.adverse,
        ),
        attribution=RecordedAttribution(
            method=frame.method,
            exact=answer.exact,
            value_function=frame.value_function,
            space=frame.space,
            base_value=answer.base_value,
            output=answer.output,
            players_kind=frame.players.kind,
            players=players,
            model_evaluations=answer.model_evaluations,
            seed=frame.seed,
            budget="" if answer.exact else frame.budget_text,
            detail=answer.detail,
            diagnostics=answer.diagnostics,
        ),
        caveats=answer.caveats,
        portfolio=Portfolio(
            rows=frame.portfolio_rows,
            mean_prediction=frame.portfolio_mean,
            adverse_share=frame.adverse_share,
            rank_share=answer.rank_share,
        ),
        fact_dates=fact_dates or {},
    )
