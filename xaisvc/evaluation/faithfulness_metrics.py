"""The faithfulness metrics as the report shows them, for one kind of replacement at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.evaluation.faithfulness import (
    curve_area,
    faithfulness_correlation,
    faithfulness_estimate,
    infidelity,
    infidelity_share,
    prediction_gap,
)
from xaisvc.evaluation.metric import Metric, given
from xaisvc.evaluation.retraining import remove_and_retrain

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.evaluation.evidence import Evidence, Removed
    from xaisvc.evaluation.measures import RowScores


def _of(score: Callable[[Evidence, Removed], RowScores]) -> Callable[[Evidence], RowScores]:
    """A metric of the evidence and of what the model answers when players are taken away."""
    return lambda evidence: score(evidence, given(evidence.removed))


_ARTEFACTS: Final = (
    "Whether rows with replaced values could exist: compare both kinds of replacement, and both with a random order."
)

FAITHFULNESS: Final = (
    Metric(
        id="insertion_area",
        title="insertion, area",
        group="faithfulness",
        part="removed",
        better="higher",
        unit="",
        lowest=-np.inf,
        highest=np.inf,
        source="Petsiuk, Das and Saenko 2018, signed",
        shows="How soon the row's own answer is reached when its most supporting features come first.",
        cannot_show=f"How large each value is, only its place in the order. {_ARTEFACTS}",
        score=_of(lambda e, r: curve_area(r.inserted, e.outputs, r.empty, r.shares, inserting=True)),
    ),
    Metric(
        id="deletion_area",
        title="deletion, area",
        group="faithfulness",
        part="removed",
        better="lower",
        unit="",
        lowest=-np.inf,
        highest=np.inf,
        source="Petsiuk, Das and Saenko 2018, signed",
        shows="How soon the answer goes when the most supporting features are taken away first.",
        cannot_show=f"How large each value is, only its place in the order. {_ARTEFACTS}",
        score=_of(lambda e, r: curve_area(r.deleted, e.outputs, r.empty, r.shares, inserting=False)),
    ),
    Metric(
        id="faithfulness_correlation",
        title="faithfulness correlation",
        group="faithfulness",
        part="removed",
        better="higher",
        unit="",
        lowest=-1.0,
        highest=1.0,
        source="Bhatt, Weller and Moura 2020 (faithfulness), sets of all sizes",
        shows="Whether sets of features with large sums also change the answer much.",
        cannot_show=f"The scale of the values. {_ARTEFACTS}",
        score=_of(lambda e, r: faithfulness_correlation(e.values, r.removed, r.drops)),
    ),
    Metric(
        id="faithfulness_estimate",
        title="faithfulness estimate",
        group="faithfulness",
        part="removed",
        better="higher",
        unit="",
        lowest=-1.0,
        highest=1.0,
        source="Alvarez-Melis and Jaakkola 2018 (faithfulness)",
        shows="Whether single features with large values also change the answer much.",
        cannot_show="Features that stand in for each other: taking one away then changes little.",
        score=_of(lambda e, r: faithfulness_estimate(e.values, r.single_drops)),
    ),
    Metric(
        id="infidelity",
        title="infidelity",
        group="faithfulness",
        part="removed",
        better="lower",
        unit="output^2",
        lowest=0.0,
        highest=np.inf,
        source="Yeh et al. 2019 (infidelity), sets taken away",
        shows="How far sums of values are from what taking their features away changes.",
        cannot_show="Methods apart below what interactions and the draws of what stands in leave over for all: true "
        "values have it too.",
        score=_of(lambda e, r: infidelity(e.values, r.removed, r.drops)),
    ),
    Metric(
        id="infidelity_share",
        title="infidelity, as a share",
        group="faithfulness",
        part="removed",
        better="lower",
        unit="",
        lowest=0.0,
        highest=np.inf,
        source="Yeh et al. 2019, over what values of zero reach",
        shows="The same without a unit: 0 tells all that the sets change, 1 no more than values of zero do.",
        cannot_show="As infidelity.",
        score=_of(lambda e, r: infidelity_share(e.values, r.removed, r.drops)),
    ),
    Metric(
        id="prediction_gap_important",
        title="gap on important features (PGI)",
        group="faithfulness",
        part="removed",
        better="higher",
        unit="output",
        lowest=0.0,
        highest=np.inf,
        source="Agarwal et al. 2022 (OpenXAI), replacement instead of noise",
        shows="How much the answer moves when the leading features get other values.",
        cannot_show=f"Signs and sizes. {_ARTEFACTS}",
        score=_of(lambda e, r: prediction_gap(r.important, e.outputs)),
    ),
    Metric(
        id="prediction_gap_unimportant",
        title="gap on unimportant features (PGU)",
        group="faithfulness",
        part="removed",
        better="lower",
        unit="output",
        lowest=0.0,
        highest=np.inf,
        source="Agarwal et al. 2022 (OpenXAI), replacement instead of noise",
        shows="How much the answer still moves when all but the leading features get other values.",
        cannot_show=f"Signs and sizes. {_ARTEFACTS}",
        score=_of(lambda e, r: prediction_gap(r.unimportant, e.outputs)),
    ),
    Metric(
        id="remove_and_retrain",
        title="remove and retrain",
        group="faithfulness",
        part="retrained",
        better="higher",
        unit="",
        lowest=0.0,
        highest=np.inf,
        source="Hooker et al. 2019 (ROAR), values set to missing or conditional, over random features",
        shows="Whether the leading features carry what can be learnt: above 1, more than random ones.",
        cannot_show="What this model does: others are trained. Which values are missing can itself tell the label; the "
        "conditional variant hides it.",
        score=lambda e: remove_and_retrain(*given(e.retrained)),
    ),
)
