"""What a caller is told of the models that are served."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xaisvc.attribution import METHODS
from xaisvc.engine.commands import ModelInfo
from xaisvc.engine.permissions import visible_model
from xaisvc.engine.studies_text import describe_studies

if TYPE_CHECKING:
    from datetime import date

    from xaisvc.engine.models import ServedModel
    from xaisvc.engine.views import Views
    from xaisvc.types import Caller


def model_info(model: ServedModel, caller: Caller, views: Views, today: date) -> ModelInfo:
    """What this caller may know of a model at once.

    Args:
        model: The model.
        caller: Who asks.
        views: Knows the audiences.
        today: The day to look for what is overdue.
    """
    explainer = model.explainer
    info = ModelInfo(
        description=model.description,
        digests=explainer.bundle.digests,
        device=explainer.device,
        methods=tuple(METHODS),
        exact_methods=explainer.exact_methods(),
        background_rows=len(explainer.bundle.background),
        audiences=views.of_bundle(model.description, caller),
        warnings=tuple(found.text for found in views.letter_warnings(model.description, today)),
    )
    return visible_model(info, caller)


def studied_model_info(model: ServedModel, caller: Caller, views: Views, today: date) -> ModelInfo:
    """As `model_info`, with what was studied of it for callers who see numbers; studies it if nobody has yet."""
    info = model_info(model, caller, views, today)
    if not caller.sees_numbers:
        return info
    found = [(output, model.explainer.studies(output.id)) for output in model.description.outputs]
    return replace(info, studies=describe_studies(found))
