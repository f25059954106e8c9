"""The time of the same metrics three ways: `xaisvc bench quality`, plain loops on shap, and Quantus.

    python -m benchmarks.quality.side_by_side ours --case lgb
    python -m benchmarks.quality.side_by_side loops --case lgb
    python -m benchmarks.quality.side_by_side quantus --case lgb    # where quantus is installed

Each prints seconds for 1,000 rows of 30 features with 100 background rows. Loops and Quantus are timed on the first
rows only, since they take as long for each row, and scaled up; what is made ready once is not counted for anybody. The
model is the same ONNX file in the same runtime with the same threads. Cases are those of `benchmarks/performance`,
which `make bench` builds.

What is computed: for `ours` and `loops` attributions of all rows; insertion, deletion, gaps, faithfulness correlation
and estimate with both kinds of replacement on 250 rows; and max sensitivity with relative stability over four
neighbours of 64 rows, or of 32 where methods sample. `ours` adds infidelity, complexity and intervals. `report` is all
that `xaisvc bench quality` does beside: LIME, the reference, seeds, halves of the background, a randomised model. For
`quantus`, by shap too: faithfulness correlation over 32 sets and faithfulness estimate with one kind of replacement and
one draw, complexity, and three stabilities over four neighbours.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xaisvc.types import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CASES: Final = Path(__file__).parents[2] / "out" / "benchmarks" / "cases"
ROWS, COALITIONS, SUBSETS, STEPS, DRAWS, NEIGHBOURS, NEAREST = 1000, 512, 32, 10, 8, 4, 5
REMOVAL_ROWS, TREE_NEIGHBOUR_ROWS, SAMPLED_NEIGHBOUR_ROWS = 250, 64, 32


def _now() -> Floats:
    """Wall time and processor time of the process, in seconds; float64, (2,)."""
    return np.array([time.perf_counter(), time.process_time()])


def _data() -> tuple[Floats, Floats]:
    """Background and rows of the cases with 30 features."""
    from benchmarks.performance.data import correlated  # noqa: PLC0415 - not needed to read this file's texts

    found = correlated(30, 30)
    return found.background[:100].astype(np.float64), found.rows[:ROWS].astype(np.float64)


def _model(case: str) -> Callable[[Floats], Floats]:
    """Probability of class 1, by ONNX Runtime with as many threads as it likes; all three ways ask the same file."""
    import onnxruntime as ort  # noqa: PLC0415 - heavy: loaded when used

    session = ort.InferenceSession(str(CASES / f"{case}-v1" / "model.onnx"), providers=["CPUExecutionProvider"])
    name = session.get_outputs()[-1].name

    def predict(rows: Floats) -> Floats:
        return np.asarray(session.run([name], {"x": rows.astype(np.float32)})[0], np.float64)[:, -1]

    return predict


def _explain(case: str, background: Floats, coalitions: int) -> Callable[[Floats], Floats]:
    """The best that shap has for the model: TreeExplainer on the estimator, KernelExplainer on the ONNX file."""
    import shap  # noqa: PLC0415 - heavy: loaded when used

    if _is_tree(case):
        import lightgbm as lgb  # noqa: PLC0415 - heavy: loaded when used

        booster = lgb.Booster(model_file=str(CASES / f"{case}-v1" / "model.txt"))
        masker = shap.maskers.Independent(background, max_samples=len(background))
        trees = shap.TreeExplainer(booster, masker, feature_perturbation="interventional")

        def by_trees(rows: Floats) -> Floats:
            found = np.asarray(trees.shap_values(rows, check_additivity=False), np.float64)
            return found[..., -1] if found.ndim > 2 else found  # noqa: PLR2004 - classes last

        return by_trees
    kernel = shap.KernelExplainer(_model(case), background)

    def by_kernel(rows: Floats) -> Floats:
        return np.asarray(kernel.shap_values(rows, nsamples=coalitions, l1_reg=False, silent=True), np.float64)

    return by_kernel


def ours(case: str) -> Floats:
    """Seconds of what the other two do, for all rows: explanations, features taken away, and neighbours."""
    from xaisvc.bundles import load_bundle  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.measuring import main_step, measures  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.methods import METHODS_BY_NAME  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.subject import open_subject  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.engine.quality.workshop import Workshop  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.evaluation import Evidence, Neighbours  # noqa: PLC0415 - heavy: loaded when used

    bundle, table = load_bundle(CASES / f"{case}-v1" / "b100"), _table()
    from xaisvc.engine.surroundings import usable_cpus  # noqa: PLC0415 - heavy: loaded when used

    threads = usable_cpus()
    subject = open_subject(bundle, None, threads=threads, device="cpu", clock=time.monotonic)
    shop = Workshop(
        bundle=bundle,
        subject=subject,
        rows=table,
        seed=0,
        budget=COALITIONS,
        threads=threads,
        device="cpu",
        clock=time.monotonic,
        cancel=lambda: False,
    )
    auto = METHODS_BY_NAME["auto"]
    n = TREE_NEIGHBOUR_ROWS if _is_tree(case) else SAMPLED_NEIGHBOUR_ROWS
    some = table.take(slice(0, n))

    def explained(rows: Table) -> Floats:
        return auto.attribute(subject, rows, COALITIONS, 0, shop.cancel).values

    explained(some)
    _ = shop.truth
    start = _now()
    main_step(shop, auto)
    near = shop.neighbours(n, NEIGHBOURS)
    evidence = Evidence(
        values=explained(some),
        base_values=np.zeros(n),
        outputs=shop.outputs[:n],
        neighbours=Neighbours(
            values=explained(near).reshape(n, NEIGHBOURS, -1),
            rows=shop.numbers(some),
            neighbours=shop.numbers(near).reshape(n, NEIGHBOURS, -1),
            outputs=subject.problem.model(near).reshape(n, NEIGHBOURS),
        ),
    )
    measures(shop, evidence, ("neighbours",))
    return _now() - start


def report(case: str) -> Floats:
    """Seconds of a whole report, start to end."""
    from xaisvc.engine.quality.measure import QualityRequest, measure_quality  # noqa: PLC0415 - heavy: loaded when used

    start = _now()
    measure_quality(CASES / f"{case}-v1" / "b100", _table(), QualityRequest(methods=("default",)))
    return _now() - start


def _table() -> Table:
    rows = _data()[1]
    return Table({f"f{j}": rows[:, j].copy() for j in range(rows.shape[1])})


def loops(case: str, n_rows: int, coalitions: int = COALITIONS) -> Floats:
    """Seconds for as many rows as a report takes for each part, from some."""
    background, rows = _data()
    model, explain = _model(case), _explain(case, background, coalitions)
    rng = np.random.default_rng(0)
    p = rows.shape[1]
    links = np.corrcoef(background.T) ** 2
    subsets = rng.random((SUBSETS, p)) < rng.random((SUBSETS, 1))
    explain(rows[:1])
    spent = np.zeros((3, 2))
    for row in rows[:n_rows]:
        begin = _now()
        values = explain(row[None, :])[0]
        explained = _now()
        output = model(row[None, :])[0]
        first, largest = np.argsort(-values), np.argsort(-np.abs(values))
        for conditional in (False, True):

            def removed(keep: NDArray[np.bool_], *, near: bool = conditional, own: Floats = row) -> Floats:
                chosen = rng.integers(0, len(background), DRAWS)
                if near and keep.any() and not keep.all():
                    weights = links[~keep].max(axis=0) * keep
                    chosen = rng.choice(np.argsort((weights * (background - own) ** 2).sum(axis=1))[:NEAREST], DRAWS)
                return model(np.where(keep, own, background[chosen]))

            sums, drops = [], []
            for subset in subsets:
                sums.append(values[subset].sum())
                drops.append(output - removed(~subset).mean())
            np.corrcoef(sums, drops)
            np.corrcoef(values, [output - removed(np.arange(p) != j).mean() for j in range(p)])
            for k in np.linspace(1, p - 1, STEPS).astype(int):
                for order in (first, largest):
                    top = np.isin(np.arange(p), order[:k])
                    removed(top)
                    removed(~top)
        taken_away = _now()
        for _ in range(NEIGHBOURS):
            near_by = row + 0.02 * rng.normal(size=p)
            np.linalg.norm(explain(near_by[None, :])[0] - values)
            model(near_by[None, :])
        spent += np.diff([begin, explained, taken_away, _now()], axis=0)
    return np.asarray(_rows_of_parts(case) @ spent / n_rows)


def _rows_of_parts(case: str) -> Floats:
    """Rows that a report explains, takes features away from, and looks for neighbours of."""
    return np.array([ROWS, REMOVAL_ROWS, TREE_NEIGHBOUR_ROWS if _is_tree(case) else SAMPLED_NEIGHBOUR_ROWS], np.float64)


def _is_tree(case: str) -> bool:
    return (CASES / f"{case}-v1" / "model.txt").exists()


def quantus(case: str, n_rows: int, coalitions: int = COALITIONS) -> Floats:
    """Seconds for all rows, from some."""
    import quantus as package  # noqa: PLC0415 - only this way needs it
    from quantus.helpers import utils  # noqa: PLC0415 - as above

    from benchmarks.quality.quantus_numbers import wrapped  # noqa: PLC0415 - as above

    background, rows = _data()
    model, explain = _model(case), _explain(case, background, coalitions)
    utils.get_wrapped_model = lambda model, **_: model
    rng = np.random.default_rng(0)
    some = rows[:n_rows]

    def explained(model: Any, inputs: Any, targets: Any, **_: Any) -> Floats:  # noqa: ANN401, ARG001 - as it calls it
        return explain(np.asarray(inputs, np.float64).reshape(len(inputs), -1))[:, None, :]

    def moved(arr: Floats, indices: Any, **_: Any) -> Floats:  # noqa: ANN401, ARG001 - as it calls it
        return np.asarray(arr + 0.02 * rng.normal(size=arr.shape))

    def replaced(arr: Floats, indices: Any, **_: Any) -> Floats:  # noqa: ANN401 - as it calls it
        found = arr.copy()
        places = np.asarray(indices)
        np.put_along_axis(found, places, background[rng.integers(0, len(background))][places], axis=1)
        return found

    explain(some[:1])
    common: dict[str, Any] = {"normalise": False, "abs": False, "return_aggregate": False, "disable_warnings": True}
    stable = {**common, "nr_samples": NEIGHBOURS, "perturb_func": moved}
    half = rows.shape[1] // 2
    removing = (
        package.FaithfulnessCorrelation(nr_runs=SUBSETS, subset_size=half, perturb_func=replaced, **common),
        package.FaithfulnessEstimate(features_in_step=1, perturb_func=replaced, **common),
        package.Complexity(**{**common, "abs": True}),
    )
    moving = (
        package.MaxSensitivity(**stable),
        package.RelativeInputStability(return_nan_when_prediction_changes=False, **stable),
        package.RelativeOutputStability(return_nan_when_prediction_changes=False, **stable),
    )
    marks = [_now()]
    values = explain(some)[:, None, :]
    marks.append(_now())
    for metrics in (removing, moving):
        for metric in metrics:
            metric(
                model=wrapped(model),
                x_batch=some[:, None, :],
                y_batch=np.zeros(len(some), dtype=int),
                a_batch=values.copy(),
                explain_func=explained,
                softmax=False,
            )
        marks.append(_now())
    return np.asarray(_rows_of_parts(case) @ np.diff(marks, axis=0) / n_rows)


def main() -> None:
    """Reads the command, measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.side_by_side", description=__doc__)
    parser.add_argument("way", choices=("ours", "report", "loops", "quantus"))
    parser.add_argument("--case", choices=("lgb", "mlp30"), default="lgb")
    parser.add_argument("--rows", type=int, default=4, help="rows that loops and Quantus are timed on")
    parser.add_argument(
        "--coalitions", type=int, default=COALITIONS, help="of Kernel SHAP in loops and Quantus; a report takes 512"
    )
    chosen = parser.parse_args()
    ways = {
        "ours": lambda: ours(chosen.case),
        "report": lambda: report(chosen.case),
        "loops": lambda: loops(chosen.case, chosen.rows, chosen.coalitions),
        "quantus": lambda: quantus(chosen.case, chosen.rows, chosen.coalitions),
    }
    wall, cpu = ways[chosen.way]().tolist()
    asked = {"case": chosen.case, "way": chosen.way, "coalitions": chosen.coalitions}
    print(json.dumps({**asked, "wall_s": round(wall, 1), "cpu_s": round(cpu, 1)}))  # noqa: T201 - a script


if __name__ == "__main__":
    main()
