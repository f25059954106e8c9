"""The stability and robustness metrics as the report shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.evaluation.measures import RowScores
from xaisvc.evaluation.metric import Metric, given
from xaisvc.evaluation.robustness import copy_asymmetry, randomised_similarity, unused_credit
from xaisvc.evaluation.stability import (
    SMALLEST,
    largest_change,
    max_sensitivity,
    relative_input_stability,
    relative_output_stability,
    spread,
)

if TYPE_CHECKING:
    from xaisvc.evaluation.evidence import Evidence


def _input_stability(evidence: Evidence) -> RowScores:
    near = given(evidence.neighbours)
    return relative_input_stability(evidence.values, near.values, near.rows, near.neighbours)


def _output_stability(evidence: Evidence) -> RowScores:
    near = given(evidence.neighbours)
    return relative_output_stability(evidence.values, near.values, evidence.outputs, near.outputs)


def _company(evidence: Evidence) -> RowScores:
    """The larger change of the two: alone, and in another order."""
    changes = [largest_change(evidence.values, again).numerators for again in given(evidence.again)]
    return RowScores(np.max(changes, axis=0))


def _noise(evidence: Evidence) -> RowScores:
    values = given(evidence.with_noise)
    unused = np.arange(values.shape[1]) >= values.shape[1] - evidence.n_unused
    return unused_credit(values, unused)


STABILITY: Final = (
    Metric(
        id="seed_spread",
        title="spread between seeds",
        group="stability",
        part="seeds",
        better="lower",
        unit="",
        lowest=0.0,
        highest=np.inf,
        source="own definition, a coefficient of variation",
        shows="How much a sampled method would say otherwise with another seed.",
        cannot_show="Errors that all seeds share: a steady method can be steadily wrong.",
        score=lambda e: spread(given(e.seeds)),
    ),
    Metric(
        id="background_spread",
        title="spread between backgrounds",
        group="stability",
        part="backgrounds",
        better="lower",
        unit="",
        lowest=0.0,
        highest=np.inf,
        source="own definition, a coefficient of variation",
        shows="How much hangs on which half of the background rows stands in.",
        cannot_show="Whether the background as a whole is the right one.",
        score=lambda e: spread(given(e.backgrounds)),
    ),
    Metric(
        id="budget_spread",
        title="spread between budgets",
        group="stability",
        part="budgets",
        better="lower",
        unit="",
        lowest=0.0,
        highest=np.inf,
        source="own definition, a coefficient of variation",
        shows="How much values still move when the budget is doubled.",
        cannot_show="Where they would end: see error against budget.",
        score=lambda e: spread(given(e.budgets)),
    ),
    Metric(
        id="max_sensitivity",
        title="max sensitivity",
        group="stability",
        part="neighbours",
        better="lower",
        unit="",
        lowest=0.0,
        highest=np.inf,
        source="Yeh et al. 2019 (max-sensitivity), relative",
        shows="How much the explanation can change among rows nearly alike.",
        cannot_show="Whether the model itself jumps there: a true explanation jumps with it.",
        score=lambda e: max_sensitivity(e.values, given(e.neighbours).values),
    ),
    Metric(
        id="relative_input_stability",
        title="relative input stability (ln)",
        group="stability",
        part="neighbours",
        better="lower",
        unit="ln",
        lowest=float(np.log(SMALLEST)),
        highest=np.inf,
        source="Agarwal et al. 2022 (relative input stability), all neighbours, ln of the largest ratio",
        shows="Change of the explanation against change of the input.",
        cannot_show="Much where values near zero are common: relative changes of small values decide it.",
        score=_input_stability,
    ),
    Metric(
        id="relative_output_stability",
        title="relative output stability (ln)",
        group="stability",
        part="neighbours",
        better="lower",
        unit="ln",
        lowest=float(np.log(SMALLEST)),
        highest=np.inf,
        source="Agarwal et al. 2022 (relative output stability), all neighbours, ln of the largest ratio",
        shows="Change of the explanation against change of the output: no blame for a jump of the model.",
        cannot_show="Much where the output does not change at all between neighbours, as in trees; nor a comparison of "
        "outputs in other units.",
        score=_output_stability,
    ),
    Metric(
        id="batch_dependence",
        title="dependence on the batch",
        group="stability",
        part="again",
        better="lower",
        unit="",
        lowest=0.0,
        highest=np.inf,
        source="own definition",
        shows="Whether a row's answer depends on the rows beside it or on their order.",
        cannot_show="Anything about the answer itself.",
        score=_company,
    ),
)

ROBUSTNESS: Final = (
    Metric(
        id="randomised_similarity",
        title="similarity after randomisation",
        group="robustness",
        part="randomised",
        better="neither",
        unit="",
        lowest=-1.0,
        highest=1.0,
        source="Adebayo et al. 2018 (model-parameter randomisation)",
        shows="Whether the explanation is about the model: near 0 it is, near 1 the model could be anything.",
        cannot_show="Much where few features carry all rows, or some hardly vary or are unused: the same ones may lead "
        "in any model.",
        score=lambda e: randomised_similarity(e.values, given(e.randomised)),
    ),
    Metric(
        id="noise_credit",
        title="credit for ignored columns",
        group="robustness",
        part="with_noise",
        better="lower",
        unit="",
        lowest=0.0,
        highest=1.0,
        source="dummy axiom, Shapley 1953",
        shows="Credit for appended columns that the model cannot see.",
        cannot_show="Whether columns that the model does see deserve theirs.",
        score=_noise,
    ),
    Metric(
        id="copy_asymmetry",
        title="asymmetry of copies",
        group="robustness",
        part="copied",
        better="lower",
        unit="",
        lowest=0.0,
        highest=1.0,
        source="symmetry axiom, Shapley 1953",
        shows="Whether a column and its copy that enter alike are credited alike.",
        cannot_show="Whether half for each is what the reader expects.",
        score=lambda e: copy_asymmetry(given(e.copied), e.original, given(e.copied).shape[1] - 1),
    ),
)
