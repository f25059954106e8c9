"""The lime package: its discretised default, and its continuous mode around the instance."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.performance.subject import Answer, Tool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.performance.subject import Explain, Subject

DEFAULT_SAMPLES = 5000


def _open(subject: Subject, *, discretize: bool) -> Explain:
    from lime.lime_tabular import LimeTabularExplainer  # noqa: PLC0415 - heavy: loaded when used

    model = subject.black_box(both_classes=subject.case.is_classifier)
    d = subject.background.shape[1]
    explainer = LimeTabularExplainer(
        subject.background,
        mode="classification" if subject.case.is_classifier else "regression",
        discretize_continuous=discretize,
        sample_around_instance=not discretize,
        random_state=np.random.RandomState(0),  # noqa: TID251 - the package wants this one
    )

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:
        before = model.rows_scored
        explainer.random_state = np.random.RandomState(seed)  # noqa: TID251 - the package wants this one
        values = np.zeros(rows.shape)
        for i, row in enumerate(rows):
            found = explainer.explain_instance(
                row.astype(np.float64), model, num_features=d, num_samples=budget or DEFAULT_SAMPLES
            )
            for feature, value in next(iter(found.local_exp.values())):
                values[i, feature] = value
        return Answer(values=values, evaluations=model.rows_scored - before)

    return explain


TOOLS = (
    Tool(
        name="lime",
        package="lime",
        title="lime, default",
        kind="lime",
        open=partial(_open, discretize=True),
        value_function="local",
    ),
    Tool(
        name="lime-continuous",
        package="lime",
        title="lime, continuous",
        kind="lime",
        open=partial(_open, discretize=False),
        value_function="local",
    ),
)
