"""The accuracy metrics as the report shows them."""

from __future__ import annotations

from typing import Final

import numpy as np

from xaisvc.evaluation.accuracy import largest_error, relative_error, sum_gap
from xaisvc.evaluation.metric import Metric, given

ACCURACY: Final = (
    Metric(
        id="relative_error",
        title="error of the values",
        group="accuracy",
        part="truth",
        better="lower",
        unit="",
        lowest=0.0,
        highest=np.inf,
        source="own definition: root of the mean squared error over that of the true values",
        shows="How far the values are from the true Shapley values of this model and background.",
        cannot_show="Whether Shapley values are what the reader needs; methods that estimate something else, such as "
        "LIME, differ by definition.",
        score=lambda e: relative_error(e.values, given(e.truth)),
    ),
    Metric(
        id="largest_error",
        title="largest error of a row",
        group="accuracy",
        part="truth",
        better="lower",
        unit="output",
        lowest=0.0,
        highest=np.inf,
        source="own definition",
        shows="How wrong the worst value of a typical row is, in the unit of the output.",
        cannot_show="Which feature it is.",
        score=lambda e: largest_error(e.values, given(e.truth)),
    ),
    Metric(
        id="sum_gap",
        title="gap of the sum",
        group="accuracy",
        part="values",
        better="lower",
        unit="output",
        lowest=0.0,
        highest=np.inf,
        source="Sundararajan, Taly and Yan 2017 (completeness)",
        shows="Whether the values add up to the output.",
        cannot_show="Whether each of them is right: random values can be made to add up.",
        score=lambda e: sum_gap(e.values, e.base_values, e.outputs),
    ),
)
