"""lightshap: it takes a tolerance and a number of iterations instead of a number of coalitions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.performance.subject import Answer, Tool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.performance.subject import Explain, Subject

NEVER_EARLY = 1e-12


def _open(subject: Subject, *, method: str) -> Explain:
    import lightshap  # noqa: PLC0415 - heavy: loaded when used

    model = subject.black_box()
    d = subject.background.shape[1]

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:
        before = model.rows_scored
        found = lightshap.explain_any(
            model,
            rows,
            bg_X=subject.background,
            method=method,
            max_iter=max(1, round(budget / (2 * d))) if budget else None,
            tol=NEVER_EARLY if budget else 0.01,
            random_state=seed,
            verbose=False,
        )
        values = np.asarray(found.shap_values, np.float64).reshape(rows.shape)
        errors = found.standard_errors
        return Answer(
            values=values,
            evaluations=model.rows_scored - before,
            standard_errors=None if errors is None else np.asarray(errors, np.float64).reshape(rows.shape),
        )

    return explain


TOOLS = (
    Tool(
        name="lightshap-kernel",
        package="lightshap",
        title="lightshap kernel",
        kind="sampled",
        open=partial(_open, method="kernel"),
    ),
    Tool(
        name="lightshap-permutation",
        package="lightshap",
        title="lightshap permutation",
        kind="sampled",
        open=partial(_open, method="permutation"),
    ),
)
