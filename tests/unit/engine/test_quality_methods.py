from __future__ import annotations

import sys
import time
from typing import Any, cast

import numpy as np
import pytest

from xaisvc.bundles import load_bundle
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.quality.methods import GROUPS, METHODS_BY_NAME, choose_methods
from xaisvc.engine.quality.peers import PEERS, MatrixModel, PeerMethod
from xaisvc.engine.quality.subject import Subject, open_subject, with_background, with_copy, with_noise
from xaisvc.errors import AbandonedError, InvalidRequestError, MethodNotApplicableError
from xaisvc.evaluation import copy_asymmetry, unused_credit

ROWS = 3


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def subject() -> Subject:
    """German credit with a background of six rows, so that every way is quick."""
    bundle = with_background(load_bundle(BUNDLES / "german-credit-logistic"), np.arange(6))
    return open_subject(bundle, None, threads=1, device="cpu", clock=time.monotonic)


def test_groups_are_spelt_out_once() -> None:
    assert [method.name for method in choose_methods(["default", "kernel", "auto"])] == ["auto", "lime", "kernel"]
    assert set(GROUPS["all"]) <= set(METHODS_BY_NAME)
    with pytest.raises(InvalidRequestError, match="unknown method 'anchors'; use one or more of: default, ours, peers"):
        choose_methods(["auto", "anchors"])


def test_numbers_for_other_packages_come_back_as_the_rows_they_were(subject: Subject) -> None:
    rows = subject.problem.background
    matrices = MatrixModel(subject, rows, never)

    assert np.array_equal(matrices(matrices.encoded(rows)), subject.problem.model(rows))
    assert matrices.rows_scored == len(rows)
    assert matrices.categories == [
        place for place, name in enumerate(rows.feature_ids) if rows.columns[name].dtype == np.object_
    ]


def test_shap_kernel_agrees_with_exact_values(subject: Subject) -> None:
    rows = subject.problem.background.take(slice(0, ROWS))
    exact = METHODS_BY_NAME["linear"].attribute(subject, rows, None, 0, never)
    found = METHODS_BY_NAME["shap_kernel"].attribute(subject, rows, 500, 0, never)

    # a model that is a sum is solved exactly by any 500 coalitions, up to the rounding of float32 answers
    assert found.values == pytest.approx(exact.values, abs=1e-5)
    assert found.base_values == pytest.approx(exact.base_values, abs=1e-5)
    assert found.evaluations >= 500 * 6
    assert exact.exact
    assert not found.exact


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((ROWS, 2)), f"'mine' gave values of shape .{ROWS}, 2., not .{ROWS}, "),
        (np.full((ROWS, 16), np.nan), f"'mine' gave {ROWS * 16} of {ROWS * 16} values that are NaN or infinite"),
    ],
)
def test_answers_of_another_form_are_refused(subject: Subject, values: np.ndarray, words: str) -> None:
    method = PeerMethod(name="mine", package="mine", run=lambda *_: values)
    rows = subject.problem.background.take(slice(0, ROWS))

    with pytest.raises(MethodNotApplicableError, match=words):
        method.attribute(subject, rows, None, 0, never)


@pytest.mark.parametrize(("answer", "kind"), [([["much"] * 16] * ROWS, "list"), ("much", "str")])
def test_answers_that_are_no_numbers_are_refused(subject: Subject, answer: object, kind: str) -> None:
    method = PeerMethod(name="mine", package="mine", run=lambda *_: cast("np.ndarray", answer))
    rows = subject.problem.background.take(slice(0, ROWS))

    with pytest.raises(MethodNotApplicableError, match=f"'mine' gave {kind}, not a matrix of numbers of shape"):
        method.attribute(subject, rows, None, 0, never)


def test_a_function_that_takes_something_else_is_refused_at_once() -> None:
    def explain(rows: object, *, seed: int) -> None:
        del rows, seed

    words = (
        r"my_methods:explain: takes \(rows, seed\), but is called with four by their places: \(model, rows, budget, "
        r"seed\); let it take these and return a matrix of the shape of the rows"
    )
    with pytest.raises(InvalidRequestError, match=words):
        PeerMethod(name="explain", package="my_methods", run=cast("Any", explain))
    PeerMethod(name="explain", package="my_methods", run=cast("Any", max))  # compiled: it does not say what it takes


def test_other_packages_stop_when_the_time_is_up(subject: Subject) -> None:
    rows = subject.problem.background.take(slice(0, ROWS))

    with pytest.raises(AbandonedError):
        METHODS_BY_NAME["shap_kernel"].attribute(subject, rows, 500, 0, lambda: True)


def test_lime_of_the_package_answers_for_every_feature(subject: Subject) -> None:
    rows = subject.problem.background.take(slice(0, 1))
    found = METHODS_BY_NAME["lime_package"].attribute(subject, rows, 300, 0, never)

    assert found.values.shape == (1, len(subject.problem.players))
    assert np.abs(found.values).max() > 0


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_package_that_is_not_there_is_named(
    peer: PeerMethod, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, peer.package, None)
    monkeypatch.setitem(sys.modules, "lime.lime_tabular", None)
    rows = subject.problem.background.take(slice(0, 1))

    with pytest.raises(MethodNotApplicableError, match=f"needs the package '{peer.package}"):
        peer.attribute(subject, rows, None, 0, never)


def test_appended_noise_never_reaches_the_model(subject: Subject) -> None:
    rows = subject.problem.background.take(slice(0, ROWS))
    changed, more = with_noise(subject, rows, 2, np.random.default_rng(0))
    unused = np.arange(len(changed.problem.players)) >= len(subject.problem.players)

    assert np.array_equal(changed.problem.model(more), subject.problem.model(rows))
    exact = METHODS_BY_NAME["linear"].attribute(changed, more, None, 0, never)
    assert unused_credit(exact.values, unused).value() == 0.0
    lime = METHODS_BY_NAME["lime"].attribute(changed, more, 500, 0, never)
    assert unused_credit(lime.values, unused).value() > 0.0


def test_a_copy_enters_like_its_original(subject: Subject) -> None:
    rows = subject.problem.background.take(slice(0, ROWS))
    name = "duration_months"
    changed, more = with_copy(subject, rows, name)
    original = subject.problem.players.names.index(name)

    assert np.array_equal(changed.problem.model(more), subject.problem.model(rows))
    before = METHODS_BY_NAME["linear"].attribute(subject, rows, None, 0, never).values[:, original]
    found = METHODS_BY_NAME["kernel"].attribute(changed, more, 1000, 0, never).values
    # a sum is solved by any coalitions up to the rounding of float32 answers; the copy takes half of the credit
    assert copy_asymmetry(found, original, found.shape[1] - 1).value() < 1e-3
    assert found[:, original] + found[:, -1] == pytest.approx(before, abs=1e-4)
