"""xaisvc through its public interface, as anybody would call it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.performance.subject import Answer, Tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.performance.subject import Explain, Subject


def _open(subject: Subject, *, method: str, space: str | None = None) -> Explain:
    import xaisvc  # noqa: PLC0415 - only this adapter needs it

    explainer = xaisvc.Explainer(xaisvc.load_bundle(subject.bundle), device="cpu", threads=subject.threads)
    unit = space or subject.case.space
    if method.startswith("lime") and subject.case.is_classifier:
        unit = "probability"  # what the lime package explains

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:
        batch = explainer.explain(rows, method=method, space=unit, budget=budget or None, seed=seed)
        return Answer(
            values=batch.values,
            evaluations=int(batch.model_evaluations.sum()),
            standard_errors=None if batch.exact else batch.standard_errors,
        )

    return explain


def _open_target(subject: Subject) -> Explain:
    """The budget is an error target: one of the outputs' standard deviation over the background in `budget` parts."""
    import xaisvc  # noqa: PLC0415 - only this adapter needs it

    explainer = xaisvc.Explainer(xaisvc.load_bundle(subject.bundle), device="cpu", threads=subject.threads)
    spread = float(subject.black_box()(subject.background).std())

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:
        target = xaisvc.ErrorTarget(spread / budget)
        batch = explainer.explain(rows, method="kernel", space=subject.case.space, budget=target, seed=seed)
        return Answer(
            values=batch.values,
            evaluations=int(batch.model_evaluations.sum()),
            standard_errors=None if batch.exact else batch.standard_errors,
        )

    return explain


TOOLS = (
    Tool(name="xaisvc-tree", package="xaisvc", title="xaisvc tree", kind="trees", open=partial(_open, method="tree")),
    Tool(
        name="xaisvc-kernel",
        package="xaisvc",
        title="xaisvc kernel",
        kind="sampled",
        open=partial(_open, method="kernel"),
    ),
    Tool(
        name="xaisvc-target",
        package="xaisvc",
        title="xaisvc kernel, error target",
        kind="target",
        open=_open_target,
    ),
    Tool(
        name="xaisvc-permutation",
        package="xaisvc",
        title="xaisvc permutation",
        kind="sampled",
        open=partial(_open, method="permutation"),
    ),
    Tool(
        name="xaisvc-linear",
        package="xaisvc",
        title="xaisvc linear",
        kind="linear",
        open=partial(_open, method="linear", space="log_odds"),
    ),
    Tool(
        name="xaisvc-lime",
        package="xaisvc",
        title="xaisvc LIME",
        kind="lime",
        open=partial(_open, method="lime"),
        value_function="local",
    ),
    Tool(
        name="xaisvc-lime-continuous",
        package="xaisvc",
        title="xaisvc LIME, continuous",
        kind="lime",
        open=partial(_open, method="lime_continuous"),
        value_function="local",
    ),
    Tool(name="xaisvc-auto", package="xaisvc", title="xaisvc auto", kind="whole", open=partial(_open, method="auto")),
)
