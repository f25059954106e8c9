"""An answer as the demonstration's page shows it, made without a service; shared by the tests of the page."""

from __future__ import annotations

from xaisvc.bundles import load_bundle
from xaisvc.demo.cases import BUNDLES, MAIN_MODEL, Case
from xaisvc.demo.page import Answer, ViewLink
from xaisvc.types import (
    Caveat,
    Digests,
    ExplainedOutput,
    ExplanationRecord,
    PlayerValue,
    RecordedAttribution,
    Severity,
    Space,
)


def make_answer(
    case: Case,
    model: str = MAIN_MODEL,
    prediction: float = 0.4,
    *,
    held: bool = False,
    views: tuple[str, ...] = ("customer",),
) -> Answer:
    """An answer of one of the demonstration's models, with attributions that fall in the order of the schema."""
    description = load_bundle(BUNDLES / model).description
    players = tuple(
        PlayerValue(player=feature.id, features=(feature.id,), value=(-1) ** rank / (1 + rank))
        for rank, feature in enumerate(description.features)
    )
    attribution = RecordedAttribution(
        method="tree",
        exact=True,
        value_function="interventional",
        space=Space.LOG_ODDS,
        base_value=0.0,
        output=0.0,
        players_kind="features",
        players=players,
        model_evaluations=0,
        seed=0,
    )
    output = description.outputs[0]
    band = output.band(prediction)
    record = ExplanationRecord(
        id="record-1",
        created_at="2026-01-01T00:00:00Z",
        bundle=model,
        bundle_version="1.0.0",
        digests=Digests(model="a" * 64, background="b" * 64, schema="c" * 64),
        device="cpu",
        answer_version=1,
        row={name: float(value) if isinstance(value, bool) else value for name, value in case.row.items()},
        output=ExplainedOutput(
            id=output.id,
            prediction=prediction,
            prediction_space=Space.PROBABILITY,
            band=band.id if band else "",
            adverse=output.is_adverse(prediction),
        ),
        attribution=attribution,
        caveats=(Caveat(kind="near_threshold", severity=Severity.CARE, message="close & near"),),
    )
    links = tuple(
        ViewLink(label=name.capitalize(), purpose="Reads a letter.", href=f"{case.id}/{name}.html", held=held)
        for name in views
    )
    return Answer(description=description, record=record, record_href=f"{case.id}/record.json", views=links)
