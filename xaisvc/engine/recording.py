"""Makes the explanation record of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types import ExplainedOutput, ExplanationRecord, PlayerValue, Portfolio, RecordedAttribution

if TYPE_CHECKING:
    from xaisvc.engine.batch import ExplanationBatch

ANSWER_VERSION = 2
"""Version of the code's answers: raised whenever the numbers of an unchanged request may change."""


def make_record(batch: ExplanationBatch, index: int) -> ExplanationRecord:
    """Makes the record of row `index` of a batch."""
    source = batch.provenance
    attribution = batch.attribution
    prediction = float(batch.predictions[index])
    band = source.output.band(prediction)
    usual = source.portfolio_mean_abs
    players = tuple(
        PlayerValue(
            player=name,
            features=members,
            value=float(attribution.values[index, j]),
            standard_error=float(attribution.standard_errors[index, j]),
            portfolio_mean_abs=None if usual is None else float(usual[j]),
        )
        for j, (name, members) in enumerate(zip(batch.players.names, batch.players.members, strict=True))
    )
    return ExplanationRecord(
        id=batch.ids[index],
        created_at=batch.created_at,
        bundle=source.description.name,
        bundle_version=source.description.version,
        digests=source.digests,
        device=source.device,
        answer_version=ANSWER_VERSION,
        row=batch.rows.row(index),
        output=ExplainedOutput(
            id=source.output.id,
            prediction=prediction,
            prediction_space=source.output.tensor_space,
            band=band.id if band else "",
            adverse=source.output.is_adverse(prediction),
        ),
        attribution=RecordedAttribution(
            method=attribution.method,
            exact=attribution.exact,
            value_function=attribution.value_function,
            space=source.space,
            base_value=float(attribution.base_values[index]),
            output=float(attribution.outputs[index]),
            players_kind=batch.players.kind,
            players=players,
            model_evaluations=int(attribution.model_evaluations[index]),
            seed=source.seed,
            budget=source.budget,
            detail=attribution.detail,
            diagnostics=dict(attribution.diagnostics[index]) if attribution.diagnostics else {},
        ),
        caveats=batch.caveats[index],
        portfolio=_portfolio(batch, prediction),
    )


def _portfolio(batch: ExplanationBatch, prediction: float) -> Portfolio:
    source = batch.provenance
    seen = source.background_predictions
    return Portfolio(
        rows=len(seen),
        mean_prediction=float(seen.mean()),
        adverse_share=source.adverse_share,
        rank_share=float(np.searchsorted(seen, prediction, side="left")) / len(seen),
    )
