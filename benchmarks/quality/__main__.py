"""Runs the public suite, and writes its table into the page.

    python -m benchmarks.quality run [--only polynomial,german] [--minutes 10] [--again]
    python -m benchmarks.quality table

`run` measures every method whose package is installed and writes `results.json` case by case; a case that is there is
not measured again unless asked. `table` writes README.md beside this file, and the short table in the project's
README.md, from it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.quality.cases import CASES, Case
from benchmarks.quality.table import RESULTS, write_table

WORK: Final = Path(__file__).parents[2] / "out" / "benchmarks" / "quality"
ROWS: Final = 200


def main() -> None:
    """Reads the command and does it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--only", default=",".join(CASES), help="ids of cases, separated by commas")
    parser.add_argument("--minutes", type=float, default=None, help="most minutes for each case")
    parser.add_argument("--methods", default="all", help="as in `xaisvc bench quality`")
    parser.add_argument("--resume", action="store_true", help="go on with steps that were done before")
    parser.add_argument("--again", action="store_true", help="measure what is there again")
    chosen = parser.parse_args()
    if chosen.what == "run":
        found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        for name in chosen.only.split(","):
            if chosen.again or name not in found:
                found[name] = _rounded(
                    _measured(CASES[name], tuple(chosen.methods.split(",")), chosen.minutes, resume=chosen.resume)
                )
                in_order = {known: found[known] for known in CASES if known in found}
                RESULTS.write_text(json.dumps(in_order, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    write_table(json.loads(RESULTS.read_text(encoding="utf-8")))


def _measured(case: Case, methods: tuple[str, ...], minutes: float | None, *, resume: bool) -> dict[str, Any]:
    from xaisvc.bundles import load_bundle, parse_rows  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.measure import Labelled, QualityRequest, measure_quality  # noqa: PLC0415 - heavy: loaded when used

    WORK.mkdir(parents=True, exist_ok=True)
    built = case.build(WORK)
    bundle = load_bundle(built.bundle)
    rows = None if built.rows is None else parse_rows(bundle.description, built.rows)
    labelled = None if built.labels is None else Labelled(labels=built.labels)
    report = measure_quality(
        bundle,
        rows,
        QualityRequest(methods=methods, n_rows=ROWS, minutes=minutes),
        labelled=labelled,
        folder=WORK / f"{case.id}.steps",
        resume=resume,
        tell=lambda told: print(f"{case.id} {told.done + 1}/{told.steps} {told.what}", flush=True),  # noqa: T201 - a script
    )
    found: dict[str, Any] = {"title": case.title, **report.to_json()}
    for method in found["methods"]:
        del method["scores"]  # of single rows: megabytes that no table shows
    if built.truth is not None and rows is not None:
        found["closed_form_error"] = _closed_form_error(built.bundle, rows, built.truth)
    return found


def _rounded(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Numbers with six significant digits, which is more than any interval leaves."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _closed_form_error(folder: Path, rows: Any, truth: Any) -> float:  # noqa: ANN401 - a table and a polynomial
    """Relative error of the planner's choice against the closed form, on 50 rows."""
    from xaisvc.engine.explainer import Explainer  # noqa: PLC0415 - heavy: loaded when used

    explainer = Explainer(folder, "cpu")
    some = rows.take(slice(0, 50))
    values = explainer.explain_table(some).values
    matrix = np.column_stack([some.columns[name] for name in some.feature_ids])
    background = explainer.bundle.background
    expected = truth.shapley_values(matrix, np.column_stack([background.columns[name] for name in some.feature_ids]))
    return float(np.sqrt(((values - expected) ** 2).sum() / (expected**2).sum()))


if __name__ == "__main__":
    main()
