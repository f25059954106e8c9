"""Predictions close to the decision threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.caveats.spoken import kinds, only
from xaisvc.types import Severity

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext


@pytest.mark.parametrize(("prediction", "speaks"), [(0.52, True), (0.48, True), (0.6, False), (0.4, False)])
def test_it_counts_cases_not_units(make_context: MakeContext, prediction: float, *, speaks: bool) -> None:
    assert ("near_threshold" in kinds(make_context(prediction=prediction))) is speaks


def test_it_is_said_without_the_rows_figures(make_context: MakeContext) -> None:
    caveat = only(make_context(prediction=0.52))

    assert (caveat.severity, caveat.players, caveat.gates) == (Severity.INFO, (), ())
    # Of 500 even steps from 0 to 1, 10 lie between 0.5 and 0.52.
    assert caveat.evidence == pytest.approx({"distance": 0.02, "background_share_between": 0.02})
    assert caveat.message == (
        "the prediction is close to the decision threshold 0.5; a small change of the inputs can change the decision"
    )


def test_where_few_people_are_a_far_prediction_is_not_near(make_context: MakeContext) -> None:
    # As in fraud: nearly everybody at 0, so hardly anybody lies between 0.5 and 0.99.
    context = make_context(prediction=0.99)
    rare = np.concatenate([np.zeros(98), [0.7, 0.8]])

    assert kinds(replace(context, background_predictions=rare)) == []


def test_a_model_that_answers_everybody_alike_is_near_nothing(make_context: MakeContext) -> None:
    # No change of the inputs changes its decision, even where the one answer is the threshold.
    context = make_context(prediction=0.5)

    assert kinds(replace(context, background_predictions=np.full(500, 0.5))) == []
    assert kinds(context) == ["near_threshold"]


def test_no_threshold_no_closeness(make_context: MakeContext) -> None:
    assert kinds(make_context(prediction=0.5, threshold=None)) == []
