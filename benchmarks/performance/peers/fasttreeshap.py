"""fasttreeshap: path-dependent values only, another question than ours, shown for its speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.performance.subject import Answer, Tool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.performance.subject import Explain, Subject


def _open(subject: Subject) -> Explain:
    import fasttreeshap_fixed  # noqa: PLC0415 - heavy: loaded when used

    explainer = fasttreeshap_fixed.TreeExplainer(
        subject.estimator(), feature_perturbation="tree_path_dependent", algorithm="v2", n_jobs=subject.threads
    )

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:  # noqa: ARG001 - exact
        values = np.asarray(explainer.shap_values(rows, check_additivity=False), np.float64)
        return Answer(values=values[..., -1] if values.ndim > 2 else values, evaluations=0)  # noqa: PLR2004 - classes last

    return explain


TOOLS = (
    Tool(
        name="fasttreeshap",
        package="fasttreeshap-fixed",
        title="fasttreeshap v2, path dependent",
        kind="trees",
        open=_open,
        value_function="path_dependent",
    ),
)
