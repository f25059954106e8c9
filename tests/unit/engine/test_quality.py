from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

import xaisvc
from xaisvc.bundles import load_bundle
from xaisvc.engine.quality.donors import ConditionalReplacement
from xaisvc.engine.quality.html import render_html
from xaisvc.engine.quality.markdown import markdown
from xaisvc.engine.quality.measure import Labelled, QualityRequest, Told, measure_quality
from xaisvc.engine.quality.method import Attributed, Kind
from xaisvc.engine.quality.signal import check_labels, read_labels
from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation import METRICS, Measure
from xaisvc.types import Output, Space, Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xaisvc.engine.quality.result import QualityReport
    from xaisvc.engine.quality.subject import Subject

WEIGHTS = np.array([[1.5, -0.5], [-1.0, 0.2], [0.3, 1.0], [0.0, 0.4], [0.0, 0.0]], dtype=np.float32)


def network() -> bytes:
    """y = tanh(x W) u over five columns, the last of which is not used."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("Tanh", ["h"], ["t"]),
            helper.make_node("MatMul", ["t", "u"], ["y"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [
            numpy_helper.from_array(WEIGHTS, "w"),
            numpy_helper.from_array(np.array([[2.0], [-1.0]], dtype=np.float32), "u"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def background() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    common = rng.normal(size=(60, 1))
    columns = (0.8 * common + 0.6 * rng.normal(size=(60, 5))).astype(np.float32)
    return pd.DataFrame(columns, columns=list("abcde"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("quality") / "network"
    xaisvc.create_bundle(model=network(), background=background(), path=path)
    return path


REQUEST = QualityRequest(methods=("auto", "permutation", "lime"), n_rows=24, threads=1)


@pytest.fixture(scope="module")
def report(folder: Path) -> QualityReport:
    return measure_quality(folder, None, REQUEST)


def numbers(report: QualityReport) -> dict[str, object]:
    """What a report found, without what a clock or a machine decides."""
    timed = {"seconds", "rows_per_s", "ready_s", "peak_memory_mib"}
    methods = [
        {name: value for name, value in method.items() if name not in timed}
        for method in report.to_json()["methods"]  # type: ignore[attr-defined]
    ]
    return {"methods": methods, "errors": report.to_json()["errors"], "agreement": report.to_json()["agreement"]}


def test_every_metric_is_measured_for_a_sampled_method(report: QualityReport) -> None:
    measured = {key.partition("@")[0] for method in report.methods for key in method.measures}

    assert report.complete
    # the first needs labels; of the second, five players have too few coalitions
    assert set(METRICS) - measured == {"remove_and_retrain", "budget_spread"}


def test_the_planner_is_exact_and_what_means_nothing_is_not(report: QualityReport) -> None:
    by_name = {method.name: method for method in report.methods}
    exact, random = by_name["auto"].measures, by_name["random"].measures

    assert report.reference is not None
    assert report.reference.exact
    assert by_name["auto"].exact
    assert exact["relative_error"].value < 1e-6  # float32 model
    assert random["relative_error"].value > 0.5
    for name in ("faithfulness_correlation", "faithfulness_estimate", "insertion_area", "prediction_gap_important"):
        for replacement in ("background", "conditional"):
            assert exact[f"{name}@{replacement}"].value > random[f"{name}@{replacement}"].value
    for name in ("deletion_area", "infidelity_share", "prediction_gap_unimportant"):
        for replacement in ("background", "conditional"):
            assert exact[f"{name}@{replacement}"].value < random[f"{name}@{replacement}"].value


def test_what_errors_are_measured_against_stands_beside_the_methods(report: QualityReport) -> None:
    by_name = {method.name: method for method in report.methods}
    reference, auto = by_name["reference"], by_name["auto"]

    assert [method.name for method in report.methods[-2:]] == ["reference", "random"]
    assert reference.kind == "reference"
    assert reference.exact
    assert "relative_error" not in reference.measures  # it is the measure
    key = "insertion_area@conditional"
    assert reference.measures[key].value == pytest.approx(auto.measures[key].value, rel=1e-6)  # float32 model


def test_each_measure_comes_with_the_scores_of_its_rows(report: QualityReport) -> None:
    for method in report.methods:
        assert set(method.scores) == set(method.measures)
    own = report.methods[0]
    for key, kept in own.scores.items():
        # five significant digits are kept, and `one_minus` loses some more
        assert kept.row_scores().value() == pytest.approx(own.measures[key].value, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("players", ["clusters", {"one": ("a", "b"), "other": ("c", "d", "e")}])
def test_players_can_be_groups(folder: Path, players: str | dict[str, tuple[str, ...]]) -> None:
    request = QualityRequest(methods=("auto", "shap_kernel"), n_rows=6, threads=1, players=players)
    found = measure_quality(folder, None, request)
    auto, peer = found.methods[:2]

    assert found.complete
    assert found.players == ("clusters" if players == "clusters" else "custom")
    assert found.features < 5
    assert f" {found.features} {'clusters' if players == 'clusters' else 'groups of features'}, 60 " in markdown(found)
    assert auto.outcome == "measured"
    assert auto.measures["effective_factors"].value <= found.features
    assert "background_spread" in auto.measures  # halves of the background have the same players
    assert "insertion_area@conditional" in auto.measures
    assert (peer.outcome, peer.why) == ("not applicable", "method: 'shap_kernel' explains single features only")


def test_ignored_columns_get_nothing_from_shapley_values_and_something_from_lime(report: QualityReport) -> None:
    by_name = {method.name: method.measures["noise_credit"].value for method in report.methods if method.kind == "ours"}

    assert by_name["auto"] < 1e-6  # float32 model
    assert by_name["lime"] > 1e-4


def test_numbers_depend_on_the_seed_alone(folder: Path, report: QualityReport) -> None:
    again = measure_quality(folder, None, REQUEST)
    other = measure_quality(folder, None, replace(REQUEST, seed=1))

    assert numbers(again) == numbers(report)
    assert numbers(other) != numbers(report)


def test_a_report_that_ran_out_of_time_goes_on_where_it_stopped(
    folder: Path, report: QualityReport, tmp_path: Path
) -> None:
    now = [0.0]

    def late(told: Told) -> None:
        if told.what == "method lime":
            now[0] = 1000.0

    first = measure_quality(
        folder, None, replace(REQUEST, minutes=1.0), folder=tmp_path / "steps", clock=lambda: now[0], tell=late
    )
    assert not first.complete
    assert [method.outcome for method in first.methods[:3]] == ["measured", "measured", "out of time"]
    for text in (markdown(first), render_html(first)):
        assert "Go on with --resume; a step that was stopped begins anew, so give more --minutes where nothing" in text

    done: list[str] = []
    second = measure_quality(
        folder, None, REQUEST, folder=tmp_path / "steps", resume=True, tell=lambda told: done.append(told.what)
    )
    assert second.complete
    assert numbers(second) == numbers(report)
    assert (tmp_path / "steps" / "method-auto.json").exists()


def test_another_question_does_not_go_on(folder: Path, tmp_path: Path) -> None:
    small = QualityRequest(methods=("auto",), n_rows=4, threads=1, minutes=1.0)
    now = iter(range(0, 10_000_000, 1000))
    measure_quality(folder, None, small, folder=tmp_path / "steps", clock=lambda: float(next(now)))

    with pytest.raises(InvalidRequestError, match="differs in budget and seed"):
        measure_quality(folder, None, replace(small, seed=5, budget=300), folder=tmp_path / "steps", resume=True)
    with pytest.raises(InvalidRequestError, match="holds no measurement that was broken off"):
        measure_quality(folder, None, small, folder=tmp_path / "nothing", resume=True)
    with pytest.raises(InvalidRequestError, match="name the report with --out"):
        measure_quality(folder, None, small, resume=True)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (QualityRequest(methods=("shapley",)), "unknown method 'shapley'; use one or more of: default, ours"),
        (QualityRequest(methods=()), "names no method"),
        (QualityRequest(minutes=0.0), "minutes: must be positive, got 0.0"),
    ],
)
def test_what_cannot_be_measured_is_refused(folder: Path, request_: QualityRequest, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        measure_quality(folder, None, request_)


@dataclass(frozen=True)
class Alike:
    """A method of one's own: the same for every feature."""

    name: str = "alike"
    kind: Kind = "peer"
    package: str = "mine"
    is_shapley: bool = True
    is_sampled: bool = False
    most_rows: int | None = None

    def attribute(
        self,
        subject: Subject,
        rows: Table,
        budget: int | None,  # noqa: ARG002 - as every method is asked
        seed: int,  # noqa: ARG002 - as every method is asked
        cancel: Callable[[], bool],  # noqa: ARG002 - as every method is asked
    ) -> Attributed:
        outputs = subject.problem.model(rows)
        p = len(subject.problem.players)
        values = np.repeat(outputs[:, None] / p, p, axis=1)
        return Attributed(values=values, base_values=np.zeros(len(rows)), evaluations=1.0, exact=False, detail="alike")


def test_a_method_of_ones_own_stands_in_the_same_table(folder: Path) -> None:
    request = QualityRequest(methods=("auto", "alike"), n_rows=8, threads=1)
    auto, alike, *_ = measure_quality(folder, None, request, more=[Alike()]).methods

    assert alike.outcome == "measured"
    assert alike.measures["effective_factors"].value == pytest.approx(5.0)
    assert alike.measures["sum_gap"].value < 1e-12  # a fifth, five times
    assert alike.measures["relative_error"].value > auto.measures["relative_error"].value


class Noisy(Alike):
    """As `Alike`, and something random that hangs on the seed."""

    def attribute(
        self, subject: Subject, rows: Table, budget: int | None, seed: int, cancel: Callable[[], bool]
    ) -> Attributed:
        found = Alike.attribute(self, subject, rows, budget, seed, cancel)
        noise = np.random.default_rng(seed).normal(size=found.values.shape)
        return found._replace(values=found.values + noise, evaluations=10.0)


def test_errors_are_those_of_several_seeds(folder: Path) -> None:
    request = QualityRequest(methods=("auto", "noisy"), n_rows=8, threads=1)
    points = measure_quality(folder, None, request, more=[Noisy(name="noisy")]).errors
    noisy = [one for one in points if one.method == "noisy"]

    assert noisy
    for point in noisy:
        assert len(set(point.seeds)) == 3
        # squares are averaged over seeds, and the rows below the ratio are the same
        assert point.error.value == pytest.approx(np.sqrt(np.mean(np.square(point.seeds))), rel=1e-9)
    assert {len(one.seeds) for one in points if one.method == "auto"} == {1}


def test_methods_that_do_not_apply_say_why(folder: Path) -> None:
    found = measure_quality(folder, None, QualityRequest(methods=("tree",), n_rows=4, threads=1)).methods[0]

    assert found.outcome == "not applicable"
    assert "does not apply" in found.why


def test_a_model_without_signal_gets_a_loud_statement(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = Table({name: rng.normal(size=80).astype(np.float32).astype(np.float64) for name in "abcde"})
    bundle = load_bundle(folder)
    request = QualityRequest(methods=("auto",), n_rows=4, threads=1)
    hidden = np.tanh(np.column_stack([rows.columns[name] for name in "abcde"]).astype(np.float64) @ WEIGHTS)
    truth = hidden @ np.array([2.0, -1.0])

    nothing = measure_quality(bundle, rows, request, labelled=Labelled(labels=rng.normal(size=80) - 5.0)).signal
    assert nothing is not None
    assert nothing.strength == "none"
    assert nothing.statement.startswith("NO SIGNAL")

    times = np.arange(80.0)
    good = measure_quality(bundle, rows, request, labelled=Labelled(labels=truth, times=times)).signal
    assert good is not None
    assert good.strength == "strong"
    assert set(good.skills) == {"prior", "one feature", "last value"}
    assert good.skills["prior"].value == pytest.approx(1.0, abs=1e-6)  # the labels are the model's own answers


def test_retraining_needs_labels_and_rows(folder: Path) -> None:
    rng = np.random.default_rng(1)
    rows = Table({name: rng.normal(size=260).astype(np.float32).astype(np.float64) for name in "abcde"})
    hidden = np.tanh(np.column_stack([rows.columns[name] for name in "abcde"]).astype(np.float64) @ WEIGHTS)
    labelled = Labelled(labels=hidden @ np.array([2.0, -1.0]))
    request = QualityRequest(methods=("auto", "lime"), threads=1)
    auto, lime, *_ = measure_quality(folder, rows, request, labelled=labelled).methods

    # without its two leading players of five, little of the label can be learnt
    assert auto.measures["remove_and_retrain"].low > 1.0
    assert auto.measures["remove_and_retrain@conditional"].low > 1.0
    assert "remove_and_retrain" not in lime.measures
    assert any("100 explained rows are too few to train on; 200 are needed" in note for note in lime.notes)


def test_a_player_that_leads_in_every_row_can_be_taken_away(tmp_path: Path) -> None:
    signs = np.random.default_rng(2).choice([-1.0, 1.0], size=(300, 2))
    small = np.random.default_rng(3).normal(size=(300, 3))
    rows = pd.DataFrame(np.column_stack([5.0 * signs, small]).astype(np.float32), columns=list("abcde"))
    xaisvc.create_bundle(model=network(), background=rows[:40], path=tmp_path / "b")
    model = xaisvc.Explainer(load_bundle(tmp_path / "b"))
    table = Table({name: rows[name].to_numpy(dtype=np.float64)[40:] for name in "abcde"})
    labels = np.array([explanation.prediction for explanation in model.explain(table)])
    request = QualityRequest(methods=("auto",), threads=1)
    auto, *_ = measure_quality(tmp_path / "b", table, request, labelled=Labelled(labels=labels)).methods

    # a and b are gone from every row that is trained on, so that only the mean of the labels is left to learn
    assert auto.measures["remove_and_retrain"].value > 1.0


def test_the_page_needs_nothing_from_outside_and_says_what_metrics_cannot_show(report: QualityReport) -> None:
    page = render_html(replace(report, bundle="<script>alert(1)</script>"))

    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("<svg") >= 8
    assert page.count("It cannot show:") == len(METRICS) - 2  # see the first test


def errors_of(page: str) -> str:
    return page.partition("<h2>Error against budget</h2>")[2].partition("<h2>")[0]


def test_why_a_method_has_no_error_against_budget_is_said(report: QualityReport) -> None:
    no_truth = "lime (it does not estimate the Shapley values that errors are measured against)"
    point = replace(report.errors[0], method="permutation", error=Measure(value=0.2, low=0.1, high=0.3, n_rows=9))
    found = errors_of(render_html(replace(report, errors=(*report.errors, point))))
    assert "<svg" in found
    assert f"Not drawn: auto (exact at every budget); {no_truth}." in found

    errors = tuple(one for one in report.errors if one.method == "auto")
    exact = replace(report, errors=errors, methods=tuple(one for one in report.methods if one.name != "permutation"))
    found = errors_of(render_html(exact))
    assert "<svg" not in found
    assert f"Nothing to draw: auto (exact at every budget); {no_truth}." in found

    none = replace(report, errors=())
    assert "permutation (it gave no answer at any of the budgets)" in errors_of(render_html(none))
    assert "the time was up before it was asked at" in errors_of(render_html(replace(none, complete=False)))
    assert "Nothing to draw: no method was measured." in errors_of(render_html(replace(none, methods=())))


def test_what_is_wider_than_the_page_can_be_reached_without_a_mouse(report: QualityReport) -> None:
    page = render_html(report)

    # the summary, and each metric but the two that the first test names
    assert page.count("<table>") == page.count('<div class="wide" tabindex="0"><table>') == len(METRICS) - 1
    assert '<pre tabindex="0">' in page
    assert page.count("<main>") == page.count("</main>") == 1


def test_the_summary_has_every_method_and_the_null(report: QualityReport) -> None:
    text = markdown(report)

    for name in ("auto (exact)", "permutation", "lime", "random"):
        assert f"| {name} |" in text
    assert "It cannot show:" in text


def test_the_report_is_strict_json(report: QualityReport) -> None:
    text = json.dumps(report.to_json(), allow_nan=False)

    assert json.loads(text)["kind"] == "xaisvc quality report"


def test_conditional_donors_fit_what_is_kept() -> None:
    rng = np.random.default_rng(4)
    shared = rng.normal(size=400)
    background_ = Table({"a": shared, "b": shared + 0.05 * rng.normal(size=400), "c": rng.normal(size=400)})
    rows = background_.take(slice(0, 50))
    found = ConditionalReplacement.of(rows, background_, ((0,), (1,), (2,)), 4, rng)
    keep = np.tile(np.array([[True, False, True], [False, False, True]]), (50, 1, 1))
    donors = found.donors(np.arange(50), keep)
    gap = np.abs(background_.columns["b"][donors] - rows.columns["b"][:, None, None])

    # a is kept: b of a donor among the nearest 2 % of 400 rows is off by about their width; nothing kept that is
    # linked: any row, off by the mean distance of two normal numbers, 1.13
    assert gap[:, 0].mean() < 0.2
    assert gap[:, 1].mean() > 0.8
    assert np.array_equal(donors, found.donors(np.arange(50), keep))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(59), "there are 59 labels for 60 rows; give one for each row"),
        (np.append(np.arange(59.0), np.nan), "1 labels are no finite numbers; leave their rows out"),
        (np.full(60, 3.0), "every label is 3, so that nothing tells whether the model has any signal"),
    ],
)
def test_labels_that_tell_nothing_are_refused_before_anything_is_measured(
    folder: Path, labels: np.ndarray, words: str
) -> None:
    told: list[Told] = []
    with pytest.raises(InvalidRequestError, match=words):
        measure_quality(folder, None, REQUEST, labelled=Labelled(labels=labels), tell=told.append)

    assert not told


def test_few_labels_and_labels_of_no_class_are_refused() -> None:
    output = Output(id="risk", tensor="p", target=1, tensor_space=Space.PROBABILITY, space=Space.LOG_ODDS)

    with pytest.raises(InvalidRequestError, match="12 rows tell nothing about signal; give 50 or more, or leave"):
        check_labels(np.tile([0.0, 1.0], 6), 12, output)
    with pytest.raises(InvalidRequestError, match=r"output 'risk' is a probability, so labels must be 0 or 1.*4 is n"):
        check_labels(np.tile([0.0, 1.0, 4.0], 20), 60, output)
    check_labels(np.tile([0.0, 1.0], 30), 60, output)


@pytest.mark.parametrize(
    ("column", "target", "expected"),
    [
        ([0, 1, 1], 1, [0.0, 1.0, 1.0]),
        ([0, 1, 1], 0, [1.0, 0.0, 0.0]),
        ([0, 1, 2], 2, [0.0, 0.0, 1.0]),
        ([False, True, True], 0, [0.0, 1.0, 1.0]),  # it happened or not: no class has this name
        (["good", "bad", "bad"], "bad", [0.0, 1.0, 1.0]),
        ([0.5, 1.0, 1.0], 1, [0.5, 1.0, 1.0]),
    ],
)
def test_labels_are_the_class_of_the_output_or_not(
    column: list[object], target: str | int, expected: list[float]
) -> None:
    output = Output(id="o", tensor="p", target=target, tensor_space=Space.PROBABILITY, space=Space.LOG_ODDS)

    assert read_labels(pd.Series(column), output).tolist() == expected


def test_a_damaged_step_is_done_again(folder: Path, report: QualityReport, tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    measure_quality(folder, None, REQUEST, folder=steps)
    damaged = steps / "stability-lime.json"
    damaged.write_text(damaged.read_text(encoding="utf-8")[:40], encoding="utf-8")
    again = measure_quality(folder, None, REQUEST, folder=steps, resume=True)

    assert numbers(again) == numbers(report)
    assert json.loads(damaged.read_text(encoding="utf-8"))["outcome"] == "measured"


class Broken(Alike):
    """A method that breaks off."""

    def attribute(
        self, subject: Subject, rows: Table, budget: int | None, seed: int, cancel: Callable[[], bool]
    ) -> Attributed:
        raise ValueError(subject.output, len(rows), budget, seed, cancel())


def test_a_method_that_breaks_off_says_where_and_takes_nobody_along(folder: Path) -> None:
    request = QualityRequest(methods=("auto", "broken"), n_rows=4, threads=1)
    auto, broken, *_ = measure_quality(folder, None, request, more=[Broken(name="broken")]).methods

    assert auto.outcome == "measured"
    assert broken.outcome == "failed"
    assert re.fullmatch(r"it broke off with an error of its own \(ValueError, test_quality\.py line \d+\)", broken.why)


@pytest.mark.parametrize("name", ["kernel", "default", "random"])
def test_a_method_of_ones_own_needs_a_name_of_its_own(folder: Path, name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"'{name}' is the name of something else in the report; give your"):
        measure_quality(folder, None, REQUEST, more=[Alike(name=name)])


def test_two_methods_of_ones_own_need_two_names(folder: Path) -> None:
    with pytest.raises(InvalidRequestError, match="'alike' is the name of something else"):
        measure_quality(folder, None, REQUEST, more=[Alike(), Alike()])


def test_the_page_says_that_labels_were_not_reached(report: QualityReport) -> None:
    assert "No labels were given" in render_html(report)
    assert "before the labels were looked at" in render_html(
        replace(report, digests={**report.digests, "labels": "0"}, complete=False)
    )
