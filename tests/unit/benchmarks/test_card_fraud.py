"""The simulated card payments: what is known when, that no outcome leaks into a feature, and that training fits."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.card_fraud.description import THRESHOLD
from benchmarks.card_fraud.features import FEATURES, make_features
from benchmarks.card_fraud.ledger import CHANNEL, NEVER_S, STORY, Payments
from benchmarks.card_fraud.model import TEXTS
from benchmarks.card_fraud.payments import simulate
from benchmarks.card_fraud.train import later_figures, slices, train
from benchmarks.card_fraud.world import DAY_S
from xaisvc.bundles import load_bundle
from xaisvc.bundles.lock import LOCK
from xaisvc.types import Kind

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from benchmarks.card_fraud.ledger import History
    from xaisvc.bundles import Bundle

HOUR_S = 3600


@pytest.fixture(scope="module")
def history() -> History:
    return simulate(n_customers=80, n_days=100, seed=5)


@pytest.fixture(scope="module")
def rows(history: History) -> pd.DataFrame:
    return make_features(history)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    out = tmp_path_factory.mktemp("card_fraud")
    return out, train(out, n_customers=220, n_days=140, seed=3)


@pytest.fixture(scope="module")
def small(trained: tuple[Path, dict[str, object]]) -> Bundle:
    return load_bundle(trained[0] / "bundles" / "card-fraud")


def test_the_bundle_is_locked(trained: tuple[Path, dict[str, object]]) -> None:
    assert (trained[0] / "bundles" / "card-fraud" / LOCK).is_file()  # and `small` was loaded with it


def cut(history: History, keep: np.ndarray) -> History:
    """The same world with some payments only."""
    kept = {field.name: getattr(history.payments, field.name)[keep] for field in fields(Payments)}
    return replace(history, payments=Payments(**kept))


def test_the_same_seed_gives_the_same_payments_and_another_seed_others(history: History) -> None:
    again, other = (simulate(n_customers=80, n_days=100, seed=seed).payments for seed in (5, 6))

    assert all(np.array_equal(getattr(history.payments, f.name), getattr(again, f.name)) for f in fields(Payments))
    assert not np.array_equal(history.payments.time_s[:100], other.time_s[:100])


def test_payments_are_in_the_order_of_time_and_within_it(history: History) -> None:
    time_s = history.payments.time_s

    assert (np.diff(time_s) >= 0).all()
    assert time_s.max() < 100 * DAY_S


def test_every_story_happens_and_only_frauds_are_reported_later(history: History) -> None:
    paid = history.payments

    assert set(paid.story.tolist()) == set(STORY.values())
    assert (paid.reported_s[paid.fraud] > paid.time_s[paid.fraud]).all()
    assert (paid.reported_s[~paid.fraud] == NEVER_S).all()
    assert 0.002 < paid.fraud.mean() < 0.03


def test_a_device_is_used_at_a_distance_only(history: History) -> None:
    online = history.shops.online[history.payments.shop]
    at_screen = [CHANNEL["online_confirmed"], CHANNEL["online_unconfirmed"]]

    assert ((history.payments.device >= 0) == online).all()
    assert (np.isin(history.payments.channel, at_screen) == online).all()


def test_features_are_those_of_the_schema_without_gaps(rows: pd.DataFrame) -> None:
    assert tuple(rows.columns) == FEATURES
    assert not rows.isna().any().any()


def test_nothing_that_happens_later_changes_a_feature(history: History, rows: pd.DataFrame) -> None:
    now_s = 60 * DAY_S
    before = history.payments.time_s < now_s
    known = {"declined": history.declined[history.declined[:, 1] < now_s]}
    past = make_features(replace(cut(history, before), **known))

    assert before.sum() > 1000
    assert rows[before].reset_index(drop=True).equals(past)


def test_a_fraud_that_is_not_known_yet_changes_no_feature(history: History, rows: pd.DataFrame) -> None:
    now_s = 60 * DAY_S
    paid = history.payments
    secret = paid.fraud & (paid.reported_s >= now_s)
    honest = replace(
        paid, story=np.where(secret, STORY["usual"], paid.story), reported_s=np.where(secret, NEVER_S, paid.reported_s)
    )
    before = paid.time_s < now_s

    assert (secret & before).sum() >= 3
    assert rows[before].equals(make_features(replace(history, payments=honest))[before])


def test_known_frauds_do_count(history: History, rows: pd.DataFrame) -> None:
    paid = history.payments
    honest = replace(paid, story=np.full(len(paid), STORY["usual"]), reported_s=np.full(len(paid), NEVER_S))

    assert rows["merchant_fraud_28d"].max() > 0
    assert make_features(replace(history, payments=honest))["merchant_fraud_28d"].max() == 0


def test_features_are_what_their_names_say(history: History, rows: pd.DataFrame) -> None:
    paid, shops = history.payments, history.shops
    for i in np.random.default_rng(2).choice(np.arange(2000, len(paid)), 60, replace=False):
        now = paid.time_s[i]
        own = (paid.customer == paid.customer[i]) & (np.arange(len(paid)) <= i)
        hour, day, month = (own & (paid.time_s > now - span) for span in (HOUR_S, DAY_S, 30 * DAY_S))
        earlier = month & (np.arange(len(paid)) < i)
        here = (paid.shop == paid.shop[i]) & (np.arange(len(paid)) < i) & (paid.time_s > now - 28 * DAY_S)
        mean = round((paid.amount_eur[earlier].sum() + 3 * 45) / (earlier.sum() + 3), 2)
        tries = history.declined[history.declined[:, 0] == paid.customer[i], 1]
        row = rows.iloc[int(i)]

        assert row["n_last_hour"] == hour.sum()
        assert row["n_last_day"] == day.sum()
        assert row["sum_last_day_eur"] == pytest.approx(paid.amount_eur[day].sum(), abs=0.006)  # rounded to cents
        assert row["n_30d"] == earlier.sum()
        assert row["mean_30d_eur"] == pytest.approx(mean, abs=0.011)  # a sum in another order may round the other way
        ratio = paid.amount_eur[i] / mean
        assert row["amount_to_mean_30d"] == pytest.approx(ratio, rel=1e-3, abs=0.006)  # rounded to hundredths
        assert row["n_small_last_day"] == (paid.amount_eur[day] < 5).sum()
        assert row["n_declined_last_day"] == ((tries < now) & (tries >= now - DAY_S)).sum()
        assert row["merchant_n_28d"] == here.sum()
        assert row["merchant_fraud_28d"] == (here & (paid.reported_s < now)).sum()
        assert row["hour"] == now % DAY_S // HOUR_S
        same_shop = own & (paid.shop == paid.shop[i]) & (paid.time_s > now - 90 * DAY_S)
        assert row["merchant_new"] == (not same_shop[:i].any())
        home = np.hypot(
            shops.x[paid.shop[i]] - history.customers.x[paid.customer[i]],
            shops.y[paid.shop[i]] - history.customers.y[paid.customer[i]],
        )
        assert row["distance_from_home_km"] == (0.0 if shops.online[paid.shop[i]] else round(float(home), 1))


def test_time_is_cut_once_and_in_order() -> None:
    parts = slices(300)

    assert (parts.train, parts.count, parts.test) == ((30, 194), (195, 254), (255, 299))


def test_training_writes_a_graph_that_agrees_with_the_trees(trained: tuple[Path, dict[str, object]]) -> None:
    _, figures = trained

    # float32 against float64 leaves about 1e-7; a payment on the wrong side of a split leaves 1e-3 and more
    assert float(str(figures["max_difference_onnx"])) < 1e-6


def test_bands_count_every_payment_of_their_period(small: Bundle, trained: tuple[Path, dict[str, object]]) -> None:
    figures = json.loads(json.dumps(trained[1]))
    bands = small.bands["fraud_risk"]

    assert sum(band.cases for band in bands.bands) == figures["slices"]["count"]["payments"]
    assert sum(band.confirmed for band in bands.bands) == figures["slices"]["count"]["fraud"]
    assert bands.first.isoformat() == figures["slices"]["count"]["from"]
    assert bands.last.isoformat() < figures["slices"]["test"]["from"]


def test_closed_cases_are_of_both_outcomes_and_of_the_counted_time(small: Bundle) -> None:
    assert small.cases is not None
    cases = small.cases

    assert 0 < cases.confirmed.sum() < len(cases)
    assert set(cases.references) == {f"SIM-{number:04d}" for number in range(1, len(cases) + 1)}
    honest = {finding for finding, confirmed in zip(cases.findings, cases.confirmed, strict=True) if not confirmed}
    assert all(finding.startswith("The customer ") for finding in honest)


def test_no_feature_tells_the_outcome_on_its_own(history: History, rows: pd.DataFrame) -> None:
    from sklearn.metrics import roc_auc_score

    fraud = history.payments.fraud
    for name in rows.columns:
        values = rows[name].astype("category").cat.codes if name in TEXTS else rows[name]
        area = roc_auc_score(fraud, values.astype(float))

        assert 0.1 < area < 0.9, name


def test_background_and_cases_share_no_payment(small: Bundle) -> None:
    assert small.cases is not None

    assert not set(small.background.row_digests()) & set(small.cases.rows.row_digests())


def test_schema_names_every_feature_in_both_languages(small: Bundle) -> None:
    description = small.description

    assert description.feature_ids == FEATURES
    for feature in description.features:
        assert set(feature.labels) == {"en", "nl"}
        assert feature.sensitivity is not None
        assert feature.concept is not None
        if feature.kind is Kind.CATEGORY:
            assert all(set(texts) == set(feature.categories) for texts in feature.category_labels.values())


def test_figures_without_a_fraud_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no fraud among the later payments; simulate more customers"):
        later_figures(np.array([0.1, 0.2]), np.array([False, False]))


def test_figures_are_what_they_say() -> None:
    scores = np.array([0.9, 0.6, 0.3, 0.05, 0.02, 0.001, 0.001, 0.001])
    fraud = np.array([True, True, False, True, False, False, False, False])
    found = later_figures(scores, fraud)

    assert THRESHOLD == 0.1
    assert found["alerts"] == 3 / 8
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["auc"] == pytest.approx(14 / 15)  # of 15 pairs only (0.05, 0.3) is the wrong way round
