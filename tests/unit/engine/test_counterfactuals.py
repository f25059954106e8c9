from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import xaisvc
from tests.unit.engine.conftest import log_model
from xaisvc.bundles import load_bundle, write_manifest
from xaisvc.counterfactuals import Effort
from xaisvc.demo.cases import BUNDLES, load_cases
from xaisvc.engine.counterfactuals import find_counterfactuals
from xaisvc.engine.explainer import Explainer
from xaisvc.errors import AbandonedError, BundleChangedError, InvalidRequestError, InvalidRowsError, NotFoundError
from xaisvc.types import Adverse, Change, Direction, Kind, Outcome, RowCounterfactuals, Table

if TYPE_CHECKING:
    from pathlib import Path

BOOSTING, LOGISTIC = "german-credit-boosting", "german-credit-logistic"
MUTABLE = ("checking_account", "duration_months", "amount_dm", "other_instalment_plans", "other_debtors")


@cache
def _explainer(name: str) -> Explainer:
    return Explainer(BUNDLES / name, "cpu", threads=1)


def _with(row: Table, changes: dict[str, object]) -> Table:
    columns = dict(row.columns)
    for name, value in changes.items():
        columns[name] = np.array([value], dtype=columns[name].dtype)
    return Table(columns)


@pytest.mark.parametrize("name", [BOOSTING, LOGISTIC])
def test_the_model_decides_otherwise_all_over_what_is_offered(name: str) -> None:
    explainer = _explainer(name)
    about, background = explainer.bundle.description, explainer.bundle.background
    found = explainer.counterfactuals(background)
    checked = 0
    for i, row in enumerate(found):
        assert row.adverse == about.outputs[0].is_adverse(row.prediction)
        for one in row.candidates:
            assert set(one.features) <= set(MUTABLE)
            assert len(one.features) <= 2
            corners: list[dict[str, object]] = [{}]
            for change in one.changes:
                declared = about.feature(change.feature).change
                if change.targets:
                    assert set(change.targets) <= set(declared.to)
                    ends: tuple[object, ...] = change.targets
                else:
                    low, high = change.region
                    assert declared.minimum <= low <= high <= min(declared.maximum, change.current - 1)
                    assert high == change.nearest
                    assert low % declared.step == high % declared.step == 0
                    ends = (low, high)
                corners = [{**corner, change.feature: end} for corner in corners for end in ends]
            original = background.take([i])
            # Alone, not among thousands of others: an answer must not hang on the rows that are scored with it.
            asked = [float(explainer.predict(_with(original, corner))[0]) for corner in corners]
            assert all(value < 0.3 for value in asked)
            assert one.prediction < 0.3
            checked += len(corners)
    assert checked > 100


@pytest.mark.parametrize("name", [BOOSTING, LOGISTIC])
def test_a_rows_answer_is_its_own(name: str) -> None:
    explainer = _explainer(name)
    background = explainer.bundle.background
    order = np.random.default_rng(0).permutation(len(background))
    together, turned = explainer.counterfactuals(background), explainer.counterfactuals(background.take(order))

    def rounded(row: RowCounterfactuals) -> RowCounterfactuals:
        """Predictions differ in the last bits of float32 among other rows; nothing else may."""
        return replace(
            row,
            prediction=round(row.prediction, 5),
            candidates=tuple(
                replace(one, prediction=round(one.prediction, 5), weakest=round(one.weakest, 5))
                for one in row.candidates
            ),
        )

    for place, row in zip(order, turned, strict=True):
        assert rounded(row) == rounded(together[int(place)])
    for i in range(0, len(background), 9):
        assert rounded(explainer.counterfactuals(background.take([i]))[0]) == rounded(together[i])
    assert explainer.counterfactuals(background) == together


def test_equal_rows_are_searched_once() -> None:
    explainer, row = _explainer(LOGISTIC), load_cases()[0].row
    once, thrice = explainer.counterfactuals([row]), explainer.counterfactuals([row, row, row])

    assert thrice.model_rows == once.model_rows > 1
    assert list(thrice) == [once[0]] * 3
    assert len(thrice) == 3


def test_a_reader_gets_what_a_search_for_them_would_give() -> None:
    explainer = _explainer(LOGISTIC)
    rows = explainer.bundle.background
    whole = explainer.counterfactuals(rows)
    for features in (["amount_dm"], ["other_debtors", "duration_months"], []):
        found = explainer.counterfactuals(rows, features=features)
        assert set(found.offered) == set(features)
        for one, other in zip(whole, found, strict=True):
            assert [a.changes for a in one.shown(features).alternatives] == [a.changes for a in other.alternatives]
            assert one.shown(features).outcome is other.outcome
            assert one.shown(features).searched == other.searched


@pytest.mark.parametrize("name", [BOOSTING, LOGISTIC])
def test_no_effort_goes_to_a_pair_because_of_a_feature_outside_it(name: str) -> None:
    """With fewer features each pair could have more of the row's effort; then a search would tell what is hidden."""
    explainer = _explainer(name)
    rows = explainer.bundle.background
    features = ("duration_months", "amount_dm")
    one = [row.shown(features) for row in explainer.counterfactuals(rows)]
    other = explainer.counterfactuals(rows, features=features)

    assert [(row.candidates, row.tried) for row in one] == [(row.candidates, row.tried) for row in other]
    assert name == BOOSTING or not all(entry.complete for row in other for entry in row.tried)


def test_limit_and_changes_are_kept_to() -> None:
    explainer = _explainer(LOGISTIC)
    found = explainer.counterfactuals(explainer.bundle.background, max_changes=1, limit=1)

    assert max(len(row.alternatives) for row in found) == 1
    assert {len(one.features) for row in found for one in row.candidates} == {1}


def test_trees_are_searched_by_their_cells() -> None:
    explainer = _explainer(BOOSTING)
    rows = explainer.bundle.background
    target = explainer.bundle.description.output(None)
    by_cells = find_counterfactuals(explainer._loaded, rows)
    axes = explainer._loaded.once(("counterfactual axes", target.id), lambda: ())
    assert all(axis.cells[-1] < len(axis.values) - 1 for axis in axes if len(axis.values))

    one_by_one = Explainer(explainer.bundle, "cpu", threads=1)
    plain = tuple(replace(axis, cells=np.arange(len(axis.values))) for axis in axes)
    one_by_one._loaded.once(("counterfactual axes", target.id), lambda: plain)
    value_by_value = find_counterfactuals(one_by_one._loaded, rows, effort=Effort(pairs=2**20))
    assert by_cells.model_rows < value_by_value.model_rows / 2
    for one, other in zip(by_cells, value_by_value, strict=True):
        assert [a.changes for a in one.candidates] == [a.changes for a in other.candidates]
        assert [(t.features, t.combinations, t.responsiveness) for t in one.tried] == [
            (t.features, t.combinations, t.responsiveness) for t in other.tried
        ]


def test_with_little_effort_what_is_offered_still_holds() -> None:
    explainer = _explainer(LOGISTIC)
    rows = explainer.bundle.background
    little = find_counterfactuals(explainer._loaded, rows, effort=Effort(single=6, pair=16, pairs=64, floor=9))
    whole = explainer.counterfactuals(rows)

    assert little.model_rows < whole.model_rows
    assert not all(row.complete for row in little)
    for few, all_ in zip(little, whole, strict=True):
        known = {one.features: one for one in all_.candidates}
        for one in few.candidates:
            if len(one.features) == 1:  # the answer goes one way in each feature, so nothing can be missed
                assert one.changes == known[one.features].changes


def _scored(path: Path, adverse: Adverse, threshold: float, **changes: Change) -> Explainer:
    """The log model with a decision: y = log(a) + 2 b."""
    bundle = load_bundle(path)
    features = tuple(replace(one, kind=Kind.NUMERIC, change=changes.get(one.id)) for one in bundle.description.features)
    output = replace(bundle.description.outputs[0], adverse=adverse, threshold=threshold)
    about = replace(bundle.description, features=features, outputs=(output,))
    (path / "bundle.yaml").write_text(write_manifest(about), encoding="utf-8")
    return Explainer(path, "cpu")


def test_any_graph_is_asked_and_one_without_an_answer_is_no_change(bundle_dir: Path) -> None:
    explainer = _scored(bundle_dir, Adverse.LOWER, 1.0, a=Change(minimum=-1.0, maximum=3.0, step=0.25))
    (row, fine) = explainer.counterfactuals(pd.DataFrame({"a": [1.0, 1.0], "b": [0.25, 3.0]}))

    (one,) = row.alternatives
    assert one.changes[0].region == (1.75, 3.0)  # log a + 0.5 > 1 from 1.6487 on; the log of 0 and less is no answer
    assert one.complete
    assert row.tried[0].combinations == 16
    assert fine.outcome is Outcome.NOT_ADVERSE


def test_an_output_without_a_decision_is_refused(bundle_dir: Path) -> None:
    with pytest.raises(InvalidRequestError, match="output: 'y' has no threshold or no adverse side, so no decision"):
        Explainer(bundle_dir, "cpu").counterfactuals(pd.DataFrame({"a": [1.0], "b": [0.0]}))


def test_a_bundle_that_declares_nothing_offers_nothing(bundle_dir: Path) -> None:
    explainer = _scored(bundle_dir, Adverse.LOWER, 1.0)
    found = explainer.counterfactuals(pd.DataFrame({"a": [1.0], "b": [0.0]}))

    assert (found[0].outcome, found.offered, found.model_rows) == (Outcome.NOTHING_TO_TRY, (), 1)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"max_changes": 3}, InvalidRequestError, "max_changes: must be 1 or 2, got 3: nobody acts on a list"),
        ({"max_changes": True}, InvalidRequestError, "max_changes: must be 1 or 2, got True"),
        ({"max_changes": 0}, InvalidRequestError, "max_changes: must be 1 or 2, got 0"),
        ({"limit": 0}, InvalidRequestError, "limit: must be a whole number of at least 1, got 0"),
        ({"limit": 2.5}, InvalidRequestError, "limit: must be a whole number of at least 1, got 2.5"),
        ({"output": "no"}, NotFoundError, "has no output 'no'"),
        ({"features": ["amount_dm", "job"]}, InvalidRequestError, "other_debtors.; 'job' is not one of them"),
        ({"features": "amount_dm"}, InvalidRequestError, "features: give a list of features that the bundle declares"),
        ({"cancel": 5}, InvalidRequestError, "cancel: must be a function, or left out, got 5"),
        ({"cancel": lambda: True}, AbandonedError, "called off"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        _explainer(LOGISTIC).counterfactuals([load_cases()[0].row], **arguments)


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidRowsError, match="amount_dm"):
        _explainer(LOGISTIC).counterfactuals([{**load_cases()[0].row, "amount_dm": "much"}])


def test_a_changed_bundle_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(BUNDLES / LOGISTIC, folder)
    watched, unwatched = Explainer(folder, "cpu"), Explainer(folder, "cpu", watch=False)
    (folder / "bundle.yaml").write_text("schema: other", encoding="utf-8")

    with pytest.raises(BundleChangedError):
        watched.counterfactuals([load_cases()[0].row])
    assert len(unwatched.counterfactuals([load_cases()[0].row])) == 1


def test_the_drafted_bundle_declares_no_change(tmp_path: Path) -> None:
    background = pd.DataFrame({"a": np.linspace(1, 2, 50, dtype=np.float32), "b": np.zeros(50, np.float32)})
    bundle = xaisvc.create_bundle(model=log_model(), background=background, path=tmp_path / "draft")

    assert [feature.change for feature in bundle.description.features] == [None, None]


def test_the_demonstration_declares_what_a_bank_would() -> None:
    about = _explainer(BOOSTING).bundle.description
    changes = {one.id: one.change for one in about.features if one.change is not None}

    assert tuple(changes) == MUTABLE
    assert changes["amount_dm"] == Change(direction=Direction.DECREASE, minimum=1000.0, maximum=15000.0, step=100.0)
    assert changes["other_debtors"] == Change(to=("co_applicant", "guarantor"))
