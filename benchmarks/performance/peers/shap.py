"""shap: its exact tree and linear explainers on the estimator, its samplers on the ONNX file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.performance.subject import Answer, Tool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.performance.subject import Explain, Subject


def _trees(subject: Subject, *, perturbation: str) -> Explain:
    import shap  # noqa: PLC0415 - heavy: loaded when used

    background = None
    if perturbation == "interventional":
        # An array given as it is would be cut to 100 rows.
        background = shap.maskers.Independent(subject.background, max_samples=len(subject.background))
    explainer = shap.TreeExplainer(subject.estimator(), background, feature_perturbation=perturbation)

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:  # noqa: ARG001 - exact
        values = np.asarray(explainer.shap_values(rows, check_additivity=False), np.float64)
        return Answer(values=values[..., -1] if values.ndim > 2 else values, evaluations=0)  # noqa: PLR2004 - classes last

    return explain


def _linear(subject: Subject) -> Explain:
    import shap  # noqa: PLC0415 - heavy: loaded when used

    scaler, model = (step for _, step in subject.estimator().steps)
    explainer = shap.LinearExplainer(model, scaler.transform(subject.background))

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:  # noqa: ARG001 - exact
        return Answer(values=np.asarray(explainer.shap_values(scaler.transform(rows)), np.float64), evaluations=0)

    return explain


def _kernel(subject: Subject, *, l1_reg: str | bool) -> Explain:
    import shap  # noqa: PLC0415 - heavy: loaded when used

    model = subject.black_box()
    explainer = shap.KernelExplainer(model, subject.background)

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:
        before = model.rows_scored
        np.random.seed(seed)  # noqa: NPY002, TID251 - the package draws from numpy's global state
        samples: Any = budget or "auto"
        values = explainer.shap_values(rows, nsamples=samples, l1_reg=l1_reg, silent=True)
        return Answer(values=np.asarray(values, np.float64), evaluations=model.rows_scored - before)

    return explain


def _permutation(subject: Subject) -> Explain:
    import shap  # noqa: PLC0415 - heavy: loaded when used

    model = subject.black_box()
    masker = shap.maskers.Independent(subject.background, max_samples=subject.b)
    explainer = shap.PermutationExplainer(model, masker, seed=0)
    d = subject.background.shape[1]

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:
        before = model.rows_scored
        np.random.seed(seed)  # noqa: NPY002, TID251 - the package draws from numpy's global state
        # One run through all features and back is the least it can do, and the unit in which it can do more.
        found = explainer(rows, max_evals=max(budget or 500, 2 * d + 1), silent=True)
        return Answer(values=np.asarray(found.values, np.float64), evaluations=model.rows_scored - before)

    return explain


TOOLS = (
    Tool(
        name="shap-tree",
        package="shap",
        title="shap TreeExplainer",
        kind="trees",
        open=partial(_trees, perturbation="interventional"),
    ),
    Tool(
        name="shap-tree-path",
        package="shap",
        title="shap TreeExplainer, path dependent",
        kind="trees",
        open=partial(_trees, perturbation="tree_path_dependent"),
        value_function="path_dependent",
    ),
    Tool(name="shap-linear", package="shap", title="shap LinearExplainer", kind="linear", open=_linear),
    Tool(
        name="shap-kernel",
        package="shap",
        title="shap Kernel, l1_reg=False",
        kind="sampled",
        open=partial(_kernel, l1_reg=False),
    ),
    Tool(
        name="shap-kernel-default",
        package="shap",
        title="shap Kernel, default",
        kind="sampled",
        open=partial(_kernel, l1_reg="num_features(10)"),
    ),
    Tool(name="shap-permutation", package="shap", title="shap Permutation", kind="sampled", open=_permutation),
)
