"""Asks one package for explanations of one set of cases and writes down everything that it says while it does.

Run by `peers.py` with an interpreter in which the package is installed; knows nothing of xaisvc but as one of the
packages. Reads a JSON file of cases, writes JSON to standard output:

    python peer_script.py shap cases.json
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import sys
import tempfile
import warnings
from html import unescape
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

EXPLAINED = 5
"""Rows that are explained of each case."""

SAMPLES = 100
"""Background rows for the methods that are slow."""


def main() -> None:
    """Explains every case of the file with the package."""
    tool, path = sys.argv[1:3]
    cases = json.loads(Path(path).read_text(encoding="utf-8"))
    said = {name: _said(TOOLS[tool], case) for name, case in cases.items()}
    sys.stdout.write("\n" + json.dumps({"version": metadata.version(tool), "said": said}) + "\n")


def _said(tool: Callable[..., list[str]], case: dict[str, Any]) -> list[str]:
    """Warnings, log, printed text and text of results, as lines; whatever was raised too."""
    frame = pd.DataFrame(case["columns"])
    target = np.asarray(case["target"])
    model = _model(case["model"], frame, target, case["ignored"])
    printed, heard = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(heard)
    logging.getLogger().addHandler(handler)
    texts: list[str] = []
    with (
        warnings.catch_warnings(record=True) as warned,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        warnings.simplefilter("always")
        try:
            texts = tool(model, frame, target)
        except Exception as error:  # noqa: BLE001 - whatever a package raises is something that it says
            texts = [f"raised {type(error).__name__}: {error}"]
    logging.getLogger().removeHandler(handler)
    every = [*(str(one.message) for one in warned), printed.getvalue(), heard.getvalue(), *texts]
    return [line.strip() for text in every for line in re.split(r"[\n\r]+", text) if line.strip()]


def _model(kind: str, frame: pd.DataFrame, target: np.ndarray, ignored: str) -> Any:  # noqa: ANN401 - no common type
    """A trained model; it has seen an ignored column as a constant, so it cannot use it."""
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.linear_model import Ridge  # noqa: PLC0415 - heavy: loaded when used

    seen = frame.assign(**{ignored: 0.0}) if ignored else frame
    if kind == "linear":
        return Ridge(1e-3).fit(seen.to_numpy(), target)
    return GradientBoostingRegressor(n_estimators=60, max_depth=3, max_features=0.5, random_state=0).fit(
        seen.to_numpy(), target
    )


def _shap(model: Any, frame: pd.DataFrame, _: np.ndarray) -> list[str]:  # noqa: ANN401 - no common type
    import shap  # noqa: PLC0415 - only where it is asked

    rows = frame.iloc[:EXPLAINED]
    said = [str(shap.Explainer(model.predict, frame.iloc[:SAMPLES])(rows))]
    if hasattr(model, "estimators_"):
        said.append(str(shap.TreeExplainer(model)(rows)))
        said.append(str(shap.TreeExplainer(model, frame.iloc[:SAMPLES])(rows)))
    else:
        said.append(str(shap.LinearExplainer(model, frame)(rows)))
    kernel = shap.KernelExplainer(model.predict, shap.sample(frame, SAMPLES, random_state=0))
    return [*said, str(kernel.shap_values(rows, silent=True))]


def _lime(model: Any, frame: pd.DataFrame, _: np.ndarray) -> list[str]:  # noqa: ANN401 - no common type
    from lime.lime_tabular import LimeTabularExplainer  # noqa: PLC0415 - only where it is asked

    explainer = LimeTabularExplainer(frame.to_numpy(), feature_names=list(frame), mode="regression", random_state=0)
    said = []
    for row in frame.to_numpy()[:EXPLAINED]:
        found = explainer.explain_instance(row, model.predict)
        said += [str(found.as_list()), str(found.score), _visible(found.as_html())]
    return said


def _shapiq(model: Any, frame: pd.DataFrame, _: np.ndarray) -> list[str]:  # noqa: ANN401 - no common type
    import shapiq  # noqa: PLC0415 - only where it is asked

    explainer = shapiq.TabularExplainer(model=model, data=frame.to_numpy(), index="SV", max_order=1, random_state=0)
    return [str(explainer.explain(row, budget=64)) for row in frame.to_numpy()[:EXPLAINED]]


def _dalex(model: Any, frame: pd.DataFrame, target: np.ndarray) -> list[str]:  # noqa: ANN401 - no common type
    import dalex  # noqa: PLC0415 - only where it is asked

    explainer = dalex.Explainer(model, frame, target)
    return [
        explainer.predict_parts(frame.iloc[[k]], type=kind).result.to_string()
        for k in range(EXPLAINED)
        for kind in ("shap", "break_down")
    ]


def _shapash(model: Any, frame: pd.DataFrame, _: np.ndarray) -> list[str]:  # noqa: ANN401 - no common type
    from shapash import SmartExplainer  # noqa: PLC0415 - only where it is asked

    explainer = SmartExplainer(model=model)
    explainer.compile(x=frame.iloc[:SAMPLES])
    return [explainer.to_pandas().iloc[:EXPLAINED].to_string()]


def _explainerdashboard(model: Any, frame: pd.DataFrame, target: np.ndarray) -> list[str]:  # noqa: ANN401 - no common type
    from explainerdashboard import ExplainerDashboard, RegressionExplainer  # noqa: PLC0415 - only where it is asked

    part = frame.iloc[:SAMPLES]
    explainer = RegressionExplainer(model, part, pd.Series(target[:SAMPLES]))
    said = [explainer.get_contrib_df(k).to_string() for k in range(EXPLAINED)]
    return [*said, _visible(ExplainerDashboard(explainer, whatif=False, shap_interaction=False).to_html())]


def _xaisvc(model: Any, frame: pd.DataFrame, _: np.ndarray) -> list[str]:  # noqa: ANN401 - no common type
    from skl2onnx import convert_sklearn  # noqa: PLC0415 - only where it is asked
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415 - only where it is asked

    import xaisvc  # noqa: PLC0415 - only where it is asked

    graph = convert_sklearn(model, initial_types=[("x", FloatTensorType([None, frame.shape[1]]))])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(graph.SerializeToString())
        bundle = xaisvc.create_bundle(model=file, background=frame, path=Path(folder) / "bundle")
        found = xaisvc.Explainer(bundle).explain(frame.iloc[:EXPLAINED])
        return [f"{caveat.kind}: {caveat.message}" for row in found.caveats for caveat in row]


def _visible(html: str) -> str:
    """What a reader of a page sees, an element a line."""
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>", "\n", html)
    return unescape(re.sub(r"(?s)<[^>]*>", "\n", text))


TOOLS: dict[str, Callable[..., list[str]]] = {
    "shap": _shap,
    "lime": _lime,
    "shapiq": _shapiq,
    "dalex": _dalex,
    "shapash": _shapash,
    "explainerdashboard": _explainerdashboard,
    "xaisvc": _xaisvc,
}

if __name__ == "__main__":
    main()
