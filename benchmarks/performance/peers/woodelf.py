"""woodelf: exact interventional values; it works the background out anew in every call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.performance.subject import Answer, Tool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.performance.subject import Explain, Subject


def _open(subject: Subject) -> Explain:
    import pandas as pd  # noqa: PLC0415 - heavy: loaded when used
    import woodelf  # noqa: PLC0415 - heavy: loaded when used

    names = list(subject.data.names)
    background = pd.DataFrame(subject.background, columns=names)
    explainer = woodelf.WoodelfExplainer(subject.estimator(), data=background, feature_perturbation="interventional")
    # On a binary forest it explains class 0, whose values are those of class 1 with the other sign.
    sign = -1.0 if subject.case.space == "probability" else 1.0

    def explain(rows: NDArray[np.float32], budget: int, seed: int) -> Answer:  # noqa: ARG001 - exact
        found = explainer.shap_values(pd.DataFrame(rows, columns=names), verbose=False)
        return Answer(values=sign * np.asarray(found, np.float64), evaluations=0)

    return explain


TOOLS = (Tool(name="woodelf", package="woodelf-explainer", title="woodelf", kind="trees", open=_open),)
