from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import spearmanr

from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation import agreement_matrix, rank_agreement, sign_agreement, top_agreement
from xaisvc.evaluation.agreement import ranks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.evaluation import RowScores

    Agreement = Callable[[NDArray[np.float64], NDArray[np.float64]], RowScores]


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
    assert top_agreement(one, other, 9).numerators.tolist() == [2 / 3]  # values of zero lead nothing: 2 of 3 are shared


def test_the_matrix_uses_rows_that_both_explained() -> None:
    one, other = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[2.0, 1.0]])
    found = agreement_matrix([one, other, None], rank_agreement)

    assert found[:2, :2].tolist() == [[1.0, -1.0], [-1.0, 1.0]]
    assert np.isnan(found[2]).all()


@pytest.mark.parametrize("agreement", [rank_agreement, top_agreement, sign_agreement])
def test_an_attribution_agrees_with_itself_however_few_players_it_names(agreement: Agreement) -> None:
    values = np.array([[2.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0]])

    assert agreement(values, values).numerators == pytest.approx([1.0])


@pytest.mark.parametrize("agreement", [top_agreement, sign_agreement])
def test_naming_more_players_than_the_other_is_no_full_agreement(agreement: Agreement) -> None:
    few, many = np.array([[3.0, 0.0, 0.0, 0.0]]), np.array([[4.0, 3.0, 2.0, 1.0]])

    assert agreement(few, many).numerators.tolist() == agreement(many, few).numerators.tolist() == [0.25]


@pytest.mark.parametrize("agreement", [rank_agreement, top_agreement, sign_agreement])
@pytest.mark.parametrize("gap", [np.nan, np.inf])
def test_values_that_are_not_finite_are_not_sorted_in_silence(agreement: Agreement, gap: float) -> None:
    broken, whole = np.array([[1.0, gap, 3.0], [1.0, 2.0, 3.0]]), np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])

    assert agreement(broken, whole).usable.tolist() == agreement(whole, broken).usable.tolist() == [False, True]


@pytest.mark.parametrize("agreement", [top_agreement, sign_agreement])
def test_nobody_leads_where_all_is_zero(agreement: Agreement) -> None:
    assert np.isnan(agreement(np.zeros((1, 3)), np.zeros((1, 3))).numerators[0])


@pytest.mark.parametrize("agreement", [top_agreement, sign_agreement])
def test_no_leading_players_are_refused(agreement: Callable[..., RowScores]) -> None:
    with pytest.raises(InvalidRequestError, match="k: 0 leading players cannot be compared; ask for at least 1"):
        agreement(np.ones((1, 3)), np.ones((1, 3)), 0)
