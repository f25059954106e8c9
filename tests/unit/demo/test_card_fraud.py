"""The committed card-fraud bundle and payments: simulated and said so, small, and what they were picked for."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from xaisvc.bundles import encode_rows, load_bundle, parse_rows
from xaisvc.bundles.check_outcomes import check_outcomes
from xaisvc.demo.cases import BUNDLES, FOLDER
from xaisvc.engine.explainer import Explainer
from xaisvc.runtimes import OrtRuntime
from xaisvc.structure.similar_cases import CaseIndex
from xaisvc.types import Adverse, Kind, Sensitivity, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.bundles import Bundle
    from xaisvc.types import Table

REPOSITORY = Path(__file__).parents[3]
SOURCE = REPOSITORY / "benchmarks" / "card_fraud"
FOLDER_OF_BUNDLE = BUNDLES / "card-fraud"
MAX_BUNDLE_BYTES = 400_000
THIEVES_KNOW_NOTHING_OF = {
    "n_small_last_day",
    "n_declined_last_day",
    "speed_kmh",
    "device_new",
    "merchant_fraud_7d",
    "merchant_fraud_28d",
}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(FOLDER_OF_BUNDLE)


@pytest.fixture(scope="module")
def payments() -> dict[str, dict[str, Any]]:
    found = json.loads((FOLDER / "transactions.json").read_text(encoding="utf-8"))
    assert found["simulated"] is True
    return {case["id"]: case for case in found["cases"]}


def score(bundle: Bundle, rows: Table) -> NDArray[np.float64]:
    model = OrtRuntime().load(bundle.model, device="cpu")
    encoded = encode_rows(bundle.description, model.inputs, rows)
    return np.asarray(model.run(encoded, ["probabilities"])["probabilities"])[:, 1]


def test_it_says_that_it_is_simulated_wherever_it_is_described(bundle: Bundle) -> None:
    assert bundle.description.purpose.startswith("SIMULATED DATA")
    assert "made up by a program" in bundle.description.out_of_scope
    assert "simulated" in bundle.description.notes
    assert "simulated" in bundle.description.owner
    assert "imulated" in (SOURCE / "README.md").read_text(encoding="utf-8").splitlines()[0]
    assert json.loads((SOURCE / "results.json").read_text())["simulated"] is True


def test_output_and_bands_are_one_decision(bundle: Bundle) -> None:
    (output,) = bundle.description.outputs

    assert output.space is Space.LOG_ODDS
    assert output.adverse is Adverse.HIGHER
    assert output.threshold in [band.upper for band in output.bands]  # a band never lies on both sides of the decision


def test_what_would_help_a_thief_is_a_fraud_signal(bundle: Bundle) -> None:
    signals = {f.id for f in bundle.description.features if f.sensitivity is Sensitivity.FRAUD_SIGNAL}

    assert signals == THIEVES_KNOW_NOTHING_OF
    assert not [f.id for f in bundle.description.features if f.change is not None]  # nothing to advise a thief on


def test_background_is_of_a_known_day_and_holds_every_category(bundle: Bundle) -> None:
    assert len(bundle.background) == 500
    assert bundle.description.background_as_of is not None
    for feature in bundle.description.features:
        if feature.kind is Kind.CATEGORY:
            assert set(feature.categories) == set(bundle.background.columns[feature.id])


def test_graph_agrees_with_the_estimator_on_the_reference(bundle: Bundle) -> None:
    assert bundle.reference is not None

    # float32 against float64 leaves about 1e-7 here; a payment on the wrong side of a split leaves 1e-3
    np.testing.assert_allclose(
        score(bundle, bundle.reference.rows), bundle.reference.predictions["fraud_risk"], rtol=0, atol=1e-6
    )


def test_bands_and_cases_are_enough_and_in_order(bundle: Bundle) -> None:
    assert [finding.level for finding in check_outcomes(bundle)] == ["ok", "ok"]


def test_bands_hold_on_later_payments() -> None:
    """What was counted before is found again later: the share of a later time lies in an interval of both counts."""
    bands = json.loads((SOURCE / "results.json").read_text())["bands"]

    assert [band["band"] for band in bands] == ["usual", "watch", "alert", "urgent"]
    for band in bands:
        before, after = (band[part]["confirmed"] / band[part]["cases"] for part in ("counted", "tested"))
        pooled = (band["counted"]["confirmed"] + band["tested"]["confirmed"]) / (
            band["counted"]["cases"] + band["tested"]["cases"]
        )
        error = np.sqrt(pooled * (1 - pooled) * (1 / band["independent"] + 1 / band["tested_independent"]))
        assert abs(before - after) < 3 * error  # three standard errors: 1 in 90 sets of four bands is off by chance


def test_bands_were_counted_with_this_model(bundle: Bundle) -> None:
    digest = hashlib.sha256((FOLDER_OF_BUNDLE / "model.onnx").read_bytes()).hexdigest()

    assert f"model: {digest}" in (FOLDER_OF_BUNDLE / "bands.yaml").read_text(encoding="utf-8")
    assert set(bundle.bands) == {"fraud_risk"}


def test_bundle_is_small_enough_to_be_committed() -> None:
    assert sum(path.stat().st_size for path in FOLDER_OF_BUNDLE.rglob("*")) < MAX_BUNDLE_BYTES


def test_explanations_are_exact(bundle: Bundle) -> None:
    batch = Explainer(bundle, "cpu").explain_table(bundle.background.take(slice(0, 3)))

    assert batch.method == "tree"
    assert batch.attribution.exact


def test_payments_are_what_they_were_picked_for(bundle: Bundle, payments: dict[str, dict[str, Any]]) -> None:
    rows = parse_rows(bundle.description, [case["row"] for case in payments.values()])
    found = dict(zip(payments, score(bundle, rows).tolist(), strict=True))

    assert list(found) == [
        "payment-1-confirmed",
        "payment-2-missed",
        "payment-3-travel",
        "payment-4-usual",
        "payment-5-unlike",
        "payment-6-testing",
    ]
    assert [case["fraud"] for case in payments.values()] == [True, True, False, False, False, True]
    assert found["payment-1-confirmed"] > 0.5
    assert found["payment-2-missed"] < 0.01
    assert 0.1 < found["payment-3-travel"] < 0.9
    assert found["payment-4-usual"] < 0.001
    assert found["payment-5-unlike"] < 0.1
    assert found["payment-6-testing"] > 0.5
    amount = payments["payment-5-unlike"]["row"]["amount_eur"]
    assert amount > 5 * bundle.background.columns["amount_eur"].max()


def test_payments_are_neither_in_the_background_nor_among_the_cases(
    bundle: Bundle, payments: dict[str, dict[str, Any]]
) -> None:
    assert bundle.cases is not None
    rows = parse_rows(bundle.description, [case["row"] for case in payments.values()])
    known = set(bundle.background.row_digests()) | set(bundle.cases.rows.row_digests())

    assert not set(rows.row_digests()) & known


def test_cleared_cases_like_a_traveller_are_travellers(bundle: Bundle, payments: dict[str, dict[str, Any]]) -> None:
    assert bundle.cases is not None
    rows = parse_rows(bundle.description, [payments["payment-3-travel"]["row"]])
    found = CaseIndex(bundle.description, bundle.cases).nearest(rows)

    assert {bundle.cases.findings[i] for i in found.cleared.places[0]} == {"The customer is travelling"}
    assert found.cleared.distances[0, 0] < found.confirmed.distances[0, 0]


@pytest.mark.slow
def test_training_writes_what_is_committed(tmp_path: Path) -> None:
    figures = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.card_fraud.train", "--out", str(tmp_path), "--results", str(figures)]
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)  # noqa: S603 - our own script

    fresh_figures, shown = (json.loads(path.read_text()) for path in (figures, SOURCE / "results.json"))
    assert fresh_figures["test"]["auc"] == pytest.approx(shown["test"]["auc"], abs=1e-3)
    assert fresh_figures["stories"] == shown["stories"]
    assert (FOLDER / "transactions.json").read_bytes() == (tmp_path / "transactions.json").read_bytes()
    committed, fresh = load_bundle(FOLDER_OF_BUNDLE), load_bundle(tmp_path / "bundles" / "card-fraud")
    assert committed.background.row_digests() == fresh.background.row_digests()
    # Another release of a library may write other bytes; it must not predict anything else (1e-6: see above).
    scores = [score(found, committed.background) for found in (committed, fresh)]
    np.testing.assert_allclose(*scores, rtol=0, atol=1e-6)
