"""Turns descriptions of models and audiences into messages. With `convert`, the only one that knows both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.v1 import audiences_pb2, models_pb2
from xaisvc.wire import ADVERSE_TO_WIRE, DIRECTION_TO_WIRE, KIND_TO_WIRE, SENSITIVITY_TO_WIRE, SPACE_TO_WIRE

if TYPE_CHECKING:
    from xaisvc.engine.commands import AudienceInfo, ModelInfo
    from xaisvc.types import Digests, Feature, Output


def digests(pinned: Digests) -> models_pb2.Digests:
    """What is pinned."""
    return models_pb2.Digests(model=pinned.model, background=pinned.background, schema=pinned.schema)


def model(info: ModelInfo) -> models_pb2.Model:
    """A served model with its whole schema."""
    description = info.description
    return models_pb2.Model(
        name=description.name,
        version=description.version,
        owner=description.owner,
        purpose=description.purpose,
        out_of_scope=description.out_of_scope,
        notes=description.notes,
        languages=description.languages,
        features=[_feature(feature) for feature in description.features],
        outputs=[_output(output) for output in description.outputs],
        concepts=[models_pb2.Concept(id=concept.id, labels=concept.labels) for concept in description.concepts],
        digests=digests(info.digests),
        device=info.device,
        methods=info.methods,
        exact_methods=info.exact_methods,
        background_rows=info.background_rows,
        studies=info.studies,
        audiences=info.audiences,
        texts={language: models_pb2.ModelTexts(**told) for language, told in description.texts.items()},
        row_labels=description.row_labels,
        warnings=info.warnings,
    )


def _feature(feature: Feature) -> models_pb2.Feature:
    found = models_pb2.Feature(
        id=feature.id,
        kind=KIND_TO_WIRE[feature.kind],
        tensor=feature.source.tensor,
        column=feature.source.column,
        unit=feature.unit,
        categories=[
            models_pb2.Category(
                value=value,
                labels={
                    language: labels[value] for language, labels in feature.category_labels.items() if value in labels
                },
            )
            for value in feature.categories
        ],
        allow_missing=feature.allow_missing,
        labels=feature.labels,
        concept=feature.concept,
        sensitivity=SENSITIVITY_TO_WIRE[feature.sensitivity],
    )
    if feature.change is not None:
        change = feature.change
        found.change.CopyFrom(
            models_pb2.Change(
                direction=DIRECTION_TO_WIRE[change.direction],
                minimum=change.minimum,
                maximum=change.maximum,
                step=change.step,
                to=change.to,
            )
        )
    if feature.observed_range is not None:
        minimum, maximum = feature.observed_range
        found.observed_range.CopyFrom(models_pb2.Range(minimum=minimum, maximum=maximum))
    return found


def _output(output: Output) -> models_pb2.Output:
    found = models_pb2.Output(
        id=output.id,
        tensor=output.tensor,
        tensor_space=SPACE_TO_WIRE[output.tensor_space],
        space=SPACE_TO_WIRE[output.space],
        adverse=ADVERSE_TO_WIRE[output.adverse],
        threshold=output.threshold,
        bands=[models_pb2.Band(id=band.id, upper=band.upper, labels=band.labels) for band in output.bands],
        labels=output.labels,
    )
    if isinstance(output.target, str):
        found.target_text = output.target
    elif output.target is not None:
        found.target_integer = output.target
    return found


def audience(info: AudienceInfo) -> audiences_pb2.Audience:
    """A declared audience."""
    return audiences_pb2.Audience(
        id=info.id,
        label=info.label,
        purpose=info.purpose,
        languages=info.languages,
        formats=info.formats,
        reason_codes=info.reason_codes,
    )
