"""From one row to many: chunks, repeats, progress and calling off change no answer."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import xaisvc
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.chunks import ChunkPlan
from xaisvc.engine.computing import Work, cut
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.progress import Ticker
from xaisvc.errors import AbandonedError, InvalidRequestError, LimitExceededError, ModelOutputError
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import Deadline, Settings, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from xaisvc.engine.batch import ExplanationBatch
    from xaisvc.engine.progress import Progress
    from xaisvc.types import Device, LoadedModel, TensorInfo

SMALL = 100 * 1024
"""A memory limit that leaves chunks of a few rows with two features."""


def frame(count: int, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"a": rng.uniform(0.5, 3, count), "b": rng.normal(size=count)})


def assert_same(first: ExplanationBatch, second: ExplanationBatch) -> None:
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.standard_errors, second.standard_errors)
    np.testing.assert_array_equal(first.base_values, second.base_values)
    np.testing.assert_array_equal(first.outputs, second.outputs)
    np.testing.assert_array_equal(first.predictions, second.predictions)
    np.testing.assert_array_equal(first.model_evaluations, second.model_evaluations)
    assert list(first.caveats) == list(second.caveats)
    assert first.attribution.diagnostics == second.attribution.diagnostics


@pytest.mark.parametrize("method", ["linear", "exact", "kernel", "permutation", "lime"])
def test_chunks_and_threads_change_no_bit(bundle_dir: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = frame(150)
    whole = Explainer(bundle_dir, "cpu", threads=1).explain(rows, method=method, seed=2)
    monkeypatch.setattr("xaisvc.engine.chunks.MOST_CHUNK_ROWS", 64)
    chunked = Explainer(bundle_dir, "cpu", threads=3).explain(rows, method=method, seed=2)

    assert_same(chunked, whole)
    assert chunked.detail == whole.detail


def test_chunks_and_threads_change_no_bit_of_trees() -> None:
    folder = BUNDLES / "german-credit-boosting"
    whole = Explainer(folder, "cpu", threads=1)
    rows = whole.bundle.background.take(slice(0, 40))
    in_log_odds = whole.explain_table(rows)
    limit = 300 * 1024  # chunks of a few rows

    assert_same(Explainer(folder, "cpu", threads=2, memory_limit_bytes=limit).explain_table(rows), in_log_odds)
    assert_same(whole.explain_table(rows, progress=lambda _: None), in_log_odds)
    # The space of the values is not that of the tensor, so predictions are scored beside them.
    np.testing.assert_array_equal(in_log_odds.predictions, whole.predict(rows))


@pytest.mark.parametrize("batch_rows", [1, 7, 70, 1000, None])
def test_batch_by_batch_gives_the_same_answers(explainer: Explainer, batch_rows: int | None) -> None:
    rows = frame(70)
    whole = explainer.explain(rows, method="kernel", seed=4)
    batches = list(explainer.explain_batches(rows, batch_rows=batch_rows, method="kernel", seed=4))

    assert sum(map(len, batches)) == 70
    assert max(map(len, batches)) == min(batch_rows or 70, 70)
    np.testing.assert_array_equal(np.concatenate([batch.values for batch in batches]), whole.values)
    assert [caveat for batch in batches for caveat in batch.caveats] == list(whole.caveats)
    assert len({explanation.id for batch in batches for explanation in batch}) == 70


def test_batches_are_computed_when_they_are_asked_for(bundle_dir: Path) -> None:
    counter = CountingRuntime()
    explainer = Explainer(bundle_dir, "cpu", runtime=counter)
    explainer.explain(frame(1), method="exact")
    before = counter.rows
    batches = explainer.explain_batches(frame(30), batch_rows=10, method="exact")

    assert counter.rows == before
    next(batches)
    after_one = counter.rows - before
    list(batches)
    assert counter.rows - before == 3 * after_one


@pytest.mark.parametrize("arguments", [{"batch_rows": 0}, {"batch_rows": True}, {"method": "guess"}, {"seed": 0.5}])
def test_wrong_arguments_are_refused_before_the_first_batch(
    explainer: Explainer, arguments: Mapping[str, object]
) -> None:
    with pytest.raises(InvalidRequestError, match=next(iter(arguments))):
        explainer.explain_batches(frame(3), **arguments)  # type: ignore[arg-type]


@dataclass
class CountingModel:
    model: LoadedModel
    counter: CountingRuntime

    @property
    def device(self) -> str:
        return self.model.device

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return self.model.inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return self.model.outputs

    def run(self, feeds: Mapping[str, NDArray[np.generic]], outputs: Sequence[str]) -> dict[str, NDArray[np.generic]]:
        self.counter.rows += len(next(iter(feeds.values())))
        return self.model.run(feeds, outputs)


@dataclass
class CountingRuntime:
    rows: int = 0
    runtime: OrtRuntime = field(default_factory=OrtRuntime)

    def load(self, model: bytes, *, device: Device = "auto") -> CountingModel:
        return CountingModel(self.runtime.load(model, device=device), self)


@pytest.mark.parametrize("method", ["linear", "exact", "kernel", "permutation", "lime"])
def test_rows_that_repeat_are_computed_once(bundle_dir: Path, method: str) -> None:
    counter = CountingRuntime()
    explainer = Explainer(bundle_dir, "cpu", runtime=counter, memory_limit_bytes=SMALL)
    three = frame(3)
    order = [2, 0, 1, 1, 0, 2, 0] * 10  # more rows than a chunk holds
    explainer.explain(three, method=method)  # what the bundle keeps is made
    before = counter.rows
    once = explainer.explain(three.iloc[list(dict.fromkeys(order))], method=method)
    cost = counter.rows - before
    repeated = explainer.explain(three.iloc[order], method=method)

    assert counter.rows - before == 2 * cost
    places = [list(dict.fromkeys(order)).index(i) for i in order]
    np.testing.assert_array_equal(repeated.values, once.values[places])
    np.testing.assert_array_equal(repeated.predictions, once.predictions[places])
    assert [list(once.caveats)[i] for i in places] == list(repeated.caveats)
    assert len(set(repeated.ids)) == len(order)


def test_progress_ends_with_all_rows(explainer: Explainer) -> None:
    told: list[Progress] = []
    rows = pd.concat([frame(300), frame(20)])

    explainer.explain(rows, progress=told.append)

    done = [progress.rows_done for progress in told]
    assert len(done) > 1
    assert done == sorted(set(done))
    assert done[-1] == 320
    assert {progress.rows for progress in told} == {320}


def test_a_call_that_is_called_off_stops_between_chunks(explainer: Explainer) -> None:
    told: list[Progress] = []

    with pytest.raises(AbandonedError, match="the work was called off or the caller went away, so it was stopped"):
        explainer.explain(frame(5000), progress=told.append, cancel=lambda: len(told) == 2)
    assert len(told) == 2
    assert told[-1].rows_done < 5000


@pytest.mark.parametrize("method", ["exact", "kernel", "permutation", "lime"])
def test_a_call_that_is_called_off_stops_inside_a_chunk(explainer: Explainer, method: str) -> None:
    asked = 0

    def cancel() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    with pytest.raises(AbandonedError):
        explainer.explain(frame(3), method=method, cancel=cancel)
    assert asked == 2


def test_several_outputs_are_as_one_call_each(tmp_path: Path) -> None:
    xaisvc.create_bundle(model=two_targets(), background=frame(60).astype(np.float32), path=tmp_path / "b")
    explainer = Explainer(tmp_path / "b", "cpu")
    names = [output.id for output in explainer.bundle.description.outputs]
    rows = frame(20)

    for method in ("tree", "kernel"):
        found = explainer.explain_outputs(rows, method=method)

        assert list(found) == names
        assert len(names) == 2
        for name in names:
            assert_same(found[name], explainer.explain(rows, output=name, method=method))
            assert found[name].detail.startswith(f"'{method}' was asked for.")
    assert list(explainer.explain_outputs(rows, names[::-1])) == names[::-1]
    assert not np.array_equal(found[names[0]].values, found[names[1]].values)


@pytest.mark.parametrize("outputs", [[], ["y", "y"], "y"])
def test_outputs_are_a_list_with_each_once(explainer: Explainer, outputs: Sequence[str]) -> None:
    with pytest.raises(InvalidRequestError, match="outputs: give a list of output ids, each once"):
        explainer.explain_outputs(frame(2), outputs)


def two_targets() -> bytes:
    """A tree over a and b with two targets."""
    from onnx import TensorProto, helper

    trees = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=2,
        nodes_treeids=[0] * 5,
        nodes_nodeids=[0, 1, 2, 3, 4],
        nodes_featureids=[0, 1, 0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
        nodes_values=[1.5, 0.0, 0.0, 0.0, 0.0],
        nodes_truenodeids=[1, 3, 0, 0, 0],
        nodes_falsenodeids=[2, 4, 0, 0, 0],
        target_treeids=[0] * 6,
        target_nodeids=[2, 2, 3, 3, 4, 4],
        target_ids=[0, 1, 0, 1, 0, 1],
        target_weights=[1.0, -2.0, 3.0, 0.5, -1.0, 4.0],
    )
    graph = helper.make_graph(
        [trees],
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def test_a_deadline_is_for_the_whole_call() -> None:
    now = 0.0
    seconds: list[float] = []

    def clock() -> float:
        return now

    rows = Table({"a": np.arange(100.0)})
    work = Work(
        jobs=(),
        settings=Settings(budget=Deadline(10.0), seed=0, row_seeds=(), clock=clock),
        rows=rows,
        seeds=lambda part: [b""] * len(part),
        chunks=ChunkPlan(chunk_rows=40, model_rows=1),
        ticker=Ticker(100, clock, None),
        end=10.0,
    )
    for _, _, settings in cut(work, rows, np.ones(100, dtype=np.intp)):
        assert isinstance(settings.budget, Deadline)
        seconds.append(settings.budget.seconds)
        now += settings.budget.seconds / 2  # half of the time is left over each time

    # 40 of 100 rows get 4 of 10 seconds; 40 of 60 get two thirds of the 8 left; the last 20 get all that is left.
    np.testing.assert_allclose(seconds, [4.0, 8.0 * 40 / 60, 8.0 - 8.0 / 3], rtol=1e-12)  # rounding of a few sums


def test_answers_larger_than_the_limit_are_refused_before_any_work(bundle_dir: Path) -> None:
    explainer = Explainer(bundle_dir, "cpu", memory_limit_bytes=SMALL)

    with pytest.raises(
        LimitExceededError, match=r"rows: 1,000 rows with 2 features and 2 players need .*explain_batch"
    ):
        explainer.explain(frame(1000))
    assert sum(map(len, explainer.explain_batches(frame(1000), batch_rows=10))) == 1000


def test_a_call_takes_less_memory_than_it_may(bundle_dir: Path) -> None:
    limit = 16 * 1024**2
    explainer = Explainer(bundle_dir, "cpu", memory_limit_bytes=limit)
    rows = frame(40_000)
    explainer.explain(rows[:100])
    tracemalloc.start()
    try:
        batch = explainer.explain(rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(batch) == 40_000
    assert peak < limit


@pytest.mark.parametrize(("name", "number"), [("threads", 0), ("threads", 1.5), ("memory_limit_bytes", True)])
def test_limits_must_be_whole_numbers(bundle_dir: Path, name: str, number: object) -> None:
    with pytest.raises(InvalidRequestError, match=f"{name}: must be a whole number of at least 1, got {number}"):
        Explainer(bundle_dir, "cpu", **{name: number})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["progress", "cancel"])
def test_what_cannot_be_called_is_named(explainer: Explainer, name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{name}: must be a function, or left out, got 3"):
        explainer.explain(frame(2), **{name: 3})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "unit"), [("kernel", "coalitions"), ("lime", "samples"), ("lime_continuous", "samples")]
)
def test_a_budget_is_told_in_the_unit_of_its_method(explainer: Explainer, method: str, unit: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"budget: .* must be positive and finite \({unit}\), got 0"):
        explainer.explain(frame(2), method=method, budget=0)
    with pytest.raises(InvalidRequestError, match=f"budget: must be a whole number of {unit}, an ErrorTarget or"):
        explainer.explain(frame(2), method=method, budget="many")  # type: ignore[arg-type]


def test_rows_that_the_model_cannot_answer_are_named(explainer: Explainer) -> None:
    rows = frame(40)
    rows.loc[[3, 30], "a"] = [0.0, -1.0]

    with pytest.raises(
        ModelOutputError, match=r"2 of 40 rows .*not finite \(-inf or nan\).*; seen at rows\[3\], rows\[30\]$"
    ):
        explainer.explain(rows)
    with pytest.raises(ModelOutputError, match=r"; seen at rows\[30\]$"):
        list(explainer.explain_batches(rows.assign(a=rows["a"].replace(0.0, 1.0)), batch_rows=8))
