"""shapiq: first-order Shapley values on the ONNX file, one approximator for each row as its own explainer does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.performance.subject import Answer, Tool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.performance.subject import Explain, Subject

DEFAULT_COALITIONS = 2048


def _open(subject: Subject, *, approximator: str, **options: object) -> Explain:
    import shapiq  # noqa: PLC0415 - heavy: loaded when used

    kind: Any = getattr(shapiq, approximator)
    model = subject.black_box()
    d = subject.background.shape[1]
    imputer = shapiq.MarginalImputer(
        model, subject.background, x=subject.background[:1], sample_size=subject.b, random_state=0
    )

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:
        before = model.rows_scored
        values = np.empty(rows.shape)
        for i, row in enumerate(rows):
            imputer.fit(row[None, :])
            found = kind(n=d, random_state=seed, **options).approximate(budget or DEFAULT_COALITIONS, imputer)
            values[i] = found.get_n_order_values(1)
        return Answer(values=values, evaluations=model.rows_scored - before)

    return explain


TOOLS = (
    Tool(
        name="shapiq-kernel",
        package="shapiq",
        title="shapiq KernelSHAP, paired",
        kind="sampled",
        open=partial(_open, approximator="KernelSHAP", pairing_trick=True),
    ),
    Tool(
        name="shapiq-permutation",
        package="shapiq",
        title="shapiq Permutation",
        kind="sampled",
        open=partial(_open, approximator="PermutationSamplingSV"),
    ),
)
