from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from xaisvc.evaluation import agreement_matrix, rank_agreement, sign_agreement, top_agreement
from xaisvc.evaluation.agreement import ranks


def test_ranks_share_ties() -> None:
    assert ranks(np.array([[2.0, 1.0, 2.0, 5.0]])).tolist() == [[1.5, 0.0, 1.5, 3.0]]


def test_rank_agreement_is_spearmans_of_sizes() -> None:
    rng = np.random.default_rng(2)
    one, other = np.round(rng.normal(size=(2, 20, 9)), 1)  # rounded: ties
    expected = [spearmanr(np.abs(a), np.abs(b)).statistic for a, b in zip(one, other, strict=True)]

    assert rank_agreement(one, other).numerators == pytest.approx(expected)


def test_top_and_sign_by_hand() -> None:
    one, other = np.array([[5.0, -4.0, 1.0, 0.0]]), np.array([[5.0, 4.0, 0.0, 1.0]])

    assert top_agreement(one, other, 2).numerators.tolist() == [1.0]
    assert top_agreement(one, other, 3).numerators.tolist() == [2 / 3]
    assert sign_agreement(one, other, 2).numerators.tolist() == [0.5]
    assert top_agreement(one, other, 9).numerators.tolist() == [0.5]  # values of zero lead nothing


def test_the_matrix_uses_rows_that_both_explained() -> None:
    one, other = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[2.0, 1.0]])
    found = agreement_matrix([one, other, None], rank_agreement)

    assert found[:2, :2].tolist() == [[1.0, -1.0], [-1.0, 1.0]]
    assert np.isnan(found[2]).all()
