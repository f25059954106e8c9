from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.quality.cases import CASES, POLYNOMIAL, polynomial_graph
from benchmarks.quality.table import BEGIN, END, PAGE, RESULTS, section, short_section, whole


def test_the_graph_is_the_polynomial() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 12))
    session = ort.InferenceSession(polynomial_graph(POLYNOMIAL, 12), providers=["CPUExecutionProvider"])

    # products of three numbers near 1, in float64 on both sides
    assert np.allclose(session.run(None, {"x": rows})[0][:, 0], POLYNOMIAL(rows), rtol=1e-12, atol=1e-12)


def test_columns_that_are_not_used_have_no_value() -> None:
    rng = np.random.default_rng(1)
    values = POLYNOMIAL.shapley_values(rng.normal(size=(5, 12)), rng.normal(size=(9, 12)))

    assert (values[:, 10:] == 0).all()


def test_the_page_shows_what_is_stored() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = page.partition(BEGIN)[2].partition(END)[0].strip()

    assert shown == whole(json.loads(RESULTS.read_text(encoding="utf-8"))).strip()


def test_stored_results_are_of_cases_that_exist_and_name_their_machine() -> None:
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))

    assert stored
    assert set(stored) <= set(CASES)
    for report in stored.values():
        assert report["machine"]["processor"]
        assert report["versions"]["onnxruntime"]


def report(advantage: float) -> dict[str, Any]:
    def measure(value: float, half: float = 0.1) -> dict[str, float | int]:
        return {"value": value, "low": value - half, "high": value + half, "n_rows": 5}

    def method(name: str, kind: str, error: float) -> dict[str, Any]:
        return {
            "name": name,
            "kind": kind,
            "outcome": "measured",
            "detail": "kernel",
            "exact": False,
            "n_rows": 5,
            "evaluations_per_row": 25601.0,
            "measures": {"relative_error": measure(error), "faithfulness_correlation@background": measure(0.5)},
        }

    refused = {"name": "x", "outcome": "refused", "kind": "peer"}
    half = 1e-7 if abs(advantage) < 1e-6 else 0.1
    return {
        "title": "a case",
        "methods": [method("auto", "ours", 0.25), method("a peer", "peer", 0.5), method("b", "peer", 0.4), refused],
        "contests": [{"advantage": measure(advantage, half)}],
        "machine": {"processor": "p", "cpus": 2},
        "versions": {"shap": "1", "xaisvc": "0"},
    }


def test_the_section_shows_every_method_with_its_interval() -> None:
    text = section({"one": report(0.5)})

    assert "| a case | auto (kernel) | 5 | 25,601 | 0.25 [0.15, 0.35] |" in text
    assert "|  | a peer | 5 | 25,601 | 0.5 [0.4, 0.6] |" in text


def test_the_short_section_takes_the_best_peer_and_counts_contests() -> None:
    text = short_section({"one": report(0.5), "two": report(-0.5), "three": report(1e-8), "four": report(0.01)})

    assert "| a case | kernel | 0.25 [0.15, 0.35] | b | 0.4 [0.3, 0.5] | 0.5 |" in text
    assert "4 contests. alike up to rounding: 1; not told apart: 1; ours is more accurate: 1; the peer is more " in text
    assert text.rstrip().endswith("p, 2 cores. shap 1.")
