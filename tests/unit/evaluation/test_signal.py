from __future__ import annotations

import numpy as np
import pytest

from xaisvc.evaluation import last_value, losses, one_feature_rule, prior_predictions, skill


def test_losses_by_hand() -> None:
    found = losses(np.array([0.8, 0.8, 0.0]), np.array([1.0, 0.0, 1.0]), "binary")

    assert found == pytest.approx([-np.log(0.8), -np.log(0.2), -np.log(1e-6)])
    assert losses(np.array([3.0]), np.array([1.0]), "number").tolist() == [4.0]


def test_skill_is_one_minus_the_ratio_of_losses() -> None:
    assert skill(np.array([1.0, 1.0]), np.array([3.0, 1.0])).value() == 0.5


def test_the_prior_knows_nothing_of_its_own_row() -> None:
    labels = np.zeros(10)
    labels[3] = 1.0
    found = prior_predictions(labels, np.random.default_rng(0))

    # five folds of two rows: eight others, one of which is the one unless it is in the same fold
    assert found[3] == 0.0
    assert sorted(set(found.tolist())) == [0.0, 1 / 8]


def test_the_rule_finds_the_one_feature_that_matters() -> None:
    rng = np.random.default_rng(1)
    x, noise = rng.normal(size=500), rng.normal(size=500)
    labels = np.where(x > 0.0, 0.9, 0.1)
    found = one_feature_rule([noise, x], labels, rng)

    # cuts are at quantiles, the nearest of which is within 1/16 of the rows of the true cut
    assert np.abs(found - labels).mean() < 0.1


def test_the_rule_reads_categories_and_missing_values() -> None:
    rng = np.random.default_rng(2)
    words = np.array(["a", "b", None] * 100, dtype=object)
    labels = np.array([0.0, 1.0, 0.0] * 100)
    gaps = np.where(rng.random(300) < 0.5, np.nan, rng.normal(size=300))
    found = one_feature_rule([gaps, words], labels, rng)

    # 80 of 240 training rows are b, drawn to the mean of 1/3 with the weight of 20 rows
    assert found[labels == 1].mean() == pytest.approx((80 + 20 / 3) / 100, abs=0.02)
    assert found[labels == 0].max() < 0.1


def test_noise_gives_no_skill() -> None:
    rng = np.random.default_rng(3)
    labels = (rng.random(400) < 0.3).astype(np.float64)
    rule = one_feature_rule([rng.normal(size=400) for _ in range(5)], labels, rng)
    prior = prior_predictions(labels, rng)

    # rules chosen on noise are a little worse than the mean when they are tested on other rows
    assert skill(losses(rule, labels, "binary"), losses(prior, labels, "binary")).value() < 0.02


def test_the_last_value_goes_by_time() -> None:
    found = last_value(np.array([3.0, 1.0, 2.0]), np.array([30.0, 10.0, 20.0]), "number")

    assert np.isnan(found[1])
    assert found[[2, 0]].tolist() == [10.0, 20.0]


def test_the_last_label_gives_the_share_so_far() -> None:
    found = last_value(np.arange(4.0), np.array([1.0, 1.0, 0.0, 1.0]), "binary")

    # after a first 1 nothing is known: 1/2; then 1 of 1 was followed by 1: (1 + 1) / (1 + 2); after a first 0: 1/2
    assert found[1:] == pytest.approx([1 / 2, 2 / 3, 1 / 2])
