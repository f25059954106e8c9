"""The model over a sample of its background, against the same figures worked out another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.stats import spearmanr

from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.overview import draw_association, profile
from xaisvc.types import Feature, Kind, TensorColumn
from xaisvc.types.association import Association, Power

if TYPE_CHECKING:
    from xaisvc.types.overview import Overview

ROUNDING = 1e-9
"""Both sides are sums of the same float64 numbers, in another order."""


@pytest.fixture(scope="module")
def cards() -> tuple[Explainer, Overview]:
    explainer = Explainer(BUNDLES / "card-fraud", device="cpu", threads=1)
    found = explainer.overview()
    assert found is not None
    return explainer, found


def _feature(kind: Kind) -> Feature:
    return Feature(id="x", kind=kind, source=TensorColumn(tensor="x"), labels={})


def _study(effect: np.ndarray) -> Association:
    f = len(effect)
    return Association(
        features=tuple(f"f{i}" for i in range(f)),
        effect=effect,
        p_value=np.zeros((f, f)),
        linked=effect > 0.5,
        by_missingness=np.zeros((f, f), dtype=np.bool_),
        redundancies=(),
        clusters=((0, 1),) if f > 1 else (),
        merges=np.zeros((max(f - 1, 0), 4)),
        between=0.0,
        n_rows=100,
        n_complete=100,
        power=Power.FULL,
        detectable=0.3,
    )


def test_importance_is_that_of_two_hundred_evenly_spaced_rows(cards: tuple[Explainer, Overview]) -> None:
    explainer, found = cards
    background = explainer.bundle.background
    sample = background.take(np.linspace(0, len(background) - 1, 200).round().astype(np.intp))
    values = explainer.explain(sample).values
    names = explainer.bundle.description.feature_ids
    expected = dict(zip(names, np.abs(values).mean(axis=0).tolist(), strict=True))

    assert (found.rows, found.background_rows, found.method, found.exact) == (200, len(background), "tree", True)
    assert {one.player: one.mean_abs for one in found.players} == pytest.approx(expected, rel=ROUNDING)
    assert [one.mean_abs for one in found.players] == sorted(expected.values(), reverse=True)
    for one in found.players:
        column = values[:, names.index(one.player)]
        assert [point.value for point in one.points] == pytest.approx(sorted(column.tolist()), rel=ROUNDING)
        assert one.mean_abs_error == pytest.approx(np.abs(column).std(ddof=1) / np.sqrt(200), rel=ROUNDING)
        numbers = sample.columns[one.features[0]]
        if one.trend is not None:
            assert one.trend == pytest.approx(float(spearmanr(numbers, column).statistic), rel=ROUNDING)


def test_points_of_players_do_not_tell_rows(cards: tuple[Explainer, Overview]) -> None:
    """Each player's points are in an order of their own, so that no background row can be put together."""
    for one in cards[1].players:
        values = [point.value for point in one.points]
        assert values == sorted(values)


def test_levels_are_ranks_in_the_sample_from_none_to_all_below(cards: tuple[Explainer, Overview]) -> None:
    known = [
        point.level
        for one in cards[1].players
        for point in one.points
        if one.trend is not None and point.level is not None
    ]

    assert min(known) == 0.0
    assert max(known) == 1.0


def test_dependence_is_of_the_strongest_single_features(cards: tuple[Explainer, Overview]) -> None:
    explainer, found = cards
    kinds = {feature.id: feature.kind for feature in explainer.bundle.description.features}

    assert [one.feature for one in found.dependence] == [one.player for one in found.players[:6]]
    for one in found.dependence:
        if kinds[one.feature] is Kind.CATEGORY:
            assert sum(level.rows for level in one.levels) == found.rows
            assert all(level.low <= level.mean <= level.high for level in one.levels)
            continue
        assert sorted(value for _, value in one.points) == pytest.approx(
            [point.value for player in found.players if player.player == one.feature for point in player.points]
        )
        assert [place for place, _ in one.points] == sorted(place for place, _ in one.points)


def test_a_plain_sum_leaves_nothing_unexplained_by_its_levels() -> None:
    found = Explainer(BUNDLES / "german-credit-logistic", device="cpu", threads=1).overview()
    assert found is not None
    shares = [one.interplay for one in found.dependence if one.levels]

    assert shares
    assert shares == pytest.approx([0.0] * len(shares), abs=1e-12)  # rounding of sums of squares


def test_it_is_made_once_and_not_for_players_of_a_caller(cards: tuple[Explainer, Overview]) -> None:
    explainer, found = cards

    assert explainer.overview() is found
    assert explainer.overview(players={"both": ["amount_eur", "hour"]}) is None
    assert explainer.overview(players="concepts") is not found


def test_a_profile_of_numbers_has_their_quantiles_and_what_is_missing() -> None:
    column = np.array([np.nan, *range(100)], dtype=np.float64)
    found = profile(_feature(Kind.NUMERIC), column)

    assert (found.rows, found.missing, found.shares) == (101, pytest.approx(1 / 101), None)
    assert found.quantiles == pytest.approx([0.99 * i for i in range(101)])


def test_a_profile_of_levels_has_their_shares_among_known_values() -> None:
    column = np.array(["b", None, "a", "b"], dtype=object)
    truth = profile(_feature(Kind.BOOLEAN), np.array([1.0, 0.0, 0.0, np.nan]))
    found = profile(_feature(Kind.CATEGORY), column)

    assert list((found.shares or {}).items()) == [("b", pytest.approx(2 / 3)), ("a", pytest.approx(1 / 3))]
    assert (found.missing, found.quantiles) == (0.25, ())
    assert truth.shares == {"0.0": pytest.approx(2 / 3), "1.0": pytest.approx(1 / 3)}
    assert profile(_feature(Kind.CATEGORY), np.array([None], dtype=object)).shares == {}


def test_the_dendrogram_is_that_of_scipy() -> None:
    rng = np.random.default_rng(5)
    effect = rng.uniform(size=(7, 7))
    effect = (effect + effect.T) / 2
    np.fill_diagonal(effect, 1.0)
    found = draw_association(_study(effect), [f"f{i}" for i in range(7)])
    expected = dendrogram(linkage(1 - effect[np.triu_indices(7, 1)], method="average"), no_plot=True)

    assert sorted(merge.height for merge in found.merges) == pytest.approx(sorted(max(d) for d in expected["dcoord"]))
    places = [int(name[1:]) for name in found.features]
    assert sorted(places) == list(range(7))
    assert found.effect == tuple(map(tuple, effect[np.ix_(places, places)].tolist()))
    for merge in found.merges:  # no branch crosses another: a side hangs within the leaves of its set
        assert merge.first <= merge.left < merge.right
        assert merge.height >= max(merge.left_height, merge.right_height)


def test_only_the_most_important_features_are_drawn() -> None:
    effect = np.eye(40)
    ranked = [f"f{i}" for i in reversed(range(40))]
    found = draw_association(_study(effect), ranked)

    assert set(found.features) == set(ranked[:30])
    assert (found.left_out, found.clusters) == (10, (("f0", "f1"),))


def test_one_feature_has_a_map_without_branches() -> None:
    found = draw_association(_study(np.eye(1)), ["f0"])

    assert (found.features, found.merges) == (("f0",), ())
