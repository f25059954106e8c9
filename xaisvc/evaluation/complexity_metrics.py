"""The complexity metrics as the report shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.evaluation.complexity import effective_factors, entropy, first_factors_fidelity, untold_share
from xaisvc.evaluation.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.evaluation.evidence import Evidence
    from xaisvc.evaluation.measures import RowScores

TOLD: Final = (1, 3, 5)
"""Numbers of factors that audiences are told."""


def _fidelity(k: int) -> Callable[[Evidence], RowScores]:
    return lambda evidence: first_factors_fidelity(evidence.values, k)


def _untold(k: int) -> Callable[[Evidence], RowScores]:
    return lambda evidence: untold_share(evidence.values, k)


def _factors(k: int) -> str:
    return "the first factor" if k == 1 else f"the first {k} factors"


COMPLEXITY: Final = (
    Metric(
        id="entropy",
        title="entropy",
        group="complexity",
        part="values",
        better="neither",
        unit="nats",
        lowest=0.0,
        highest=np.inf,
        source="Bhatt, Weller and Moura 2020 (complexity)",
        shows="Over how many factors an explanation spreads.",
        cannot_show="Whether a simpler one would be true: a method that drops factors looks simple.",
        score=lambda e: entropy(e.values),
    ),
    Metric(
        id="effective_factors",
        title="effective number of factors",
        group="complexity",
        part="values",
        better="neither",
        unit="factors",
        lowest=1.0,
        highest=np.inf,
        source="Hill 1973, order 1",
        shows="The same as a number of factors: so many of equal size spread as much.",
        cannot_show="As entropy.",
        score=lambda e: effective_factors(e.values),
    ),
    *(
        Metric(
            id=f"fidelity_of_first_{k}",
            title=f"fidelity of {_factors(k)}",
            group="complexity",
            part="values",
            better="higher",
            unit="",
            lowest=-np.inf,
            highest=1.0,
            source="own definition: a coefficient of determination around the base value",
            shows=f"How well {_factors(k)} alone tell{'s' if k == 1 else ''} what all factors together say: what a "
            "reader who sees no more loses.",
            cannot_show="Whether the factors themselves are right, or add up to the output: LIME's need not.",
            score=_fidelity(k),
        )
        for k in TOLD
    ),
    *(
        Metric(
            id=f"left_out_by_first_{k}",
            title=f"left out by {_factors(k)}",
            group="complexity",
            part="values",
            better="neither",
            unit="",
            lowest=0.0,
            highest=1.0,
            source="own definition",
            shows=f"The share of all credit and blame that a reader of {_factors(k)} does not see.",
            cannot_show="Whether what is left out cancels.",
            score=_untold(k),
        )
        for k in TOLD
    ),
)
