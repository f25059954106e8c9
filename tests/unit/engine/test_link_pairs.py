"""The link of a sum taken of sums of weighted columns, against the plain way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.engine.games import assert_alike, load, nothing, random_projection
from tests.unit.engine.mixing_models import linked_sum
from xaisvc.attribution.projecting import project
from xaisvc.engine import games, link_pairs
from xaisvc.engine.graph_pairs import GraphPairs
from xaisvc.engine.link_kernel import ROWS_AT_ONCE, fill_distances, link_means
from xaisvc.engine.link_pairs import LinkPairs, LinkProjected, LinkTable
from xaisvc.errors import ModelOutputError
from xaisvc.types import CoalitionDesign, Space

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("kept", [True, False])
def test_the_link_of_a_sum_is_taken_of_sums(
    own_rows: int | None,
    kept: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_pairs, "BLOCK_MIXED_ROWS", 100)  # several blocks of rows
    case = load(linked_sum(), tmp_path, players={"person": ("age", "home"), "money": ("income",)}, threads=2)
    design = CoalitionDesign(
        masks=np.array([[True, False], [False, True]]),
        background=None if own_rows is None else np.arange(2 * own_rows).reshape(2, own_rows) % 13,
    )
    if not kept:
        monkeypatch.setattr(games, "MOST_KEPT_BYTES", 0)

    pairs = case.games.evaluate(design)

    assert isinstance(pairs, LinkPairs if kept else GraphPairs)
    assert pairs.detail.endswith("inside the model's graph, the link taken of sums of weighted columns.")
    found = pairs(case.rows, nothing)
    assert case.problem.space is Space.PROBABILITY
    assert_alike(found, case.plain.evaluate(design)(case.rows, nothing))
    np.testing.assert_array_equal(found.on[3], pairs(case.rows.take([3]), nothing).on[0])
    np.testing.assert_array_equal(found.outputs[3], pairs(case.rows.take([3]), nothing).outputs[0])


def test_an_infinite_part_of_a_link_stays_out_of_other_coalitions(tmp_path: Path) -> None:
    case = load(linked_sum(), tmp_path)
    far = replace(case.rows, columns={**case.rows.columns, "income": np.array([3e38, -3e38, 0.0, 1e30, -1e30])})
    design = CoalitionDesign(masks=np.array([[True, False, False], [False, True, True], [True, True, False]]))

    found = case.games.evaluate(design)(far, nothing)

    # The weight of the income is 4, and the largest float32 3.4e38: its part of the first two rows is infinite.
    assert (found.outputs[:2] == [1.0, 0.0]).all()
    assert_alike(found, case.plain.evaluate(design)(far, nothing))


def _logistic_means(sums: np.ndarray) -> np.ndarray:
    """The definition, with no exponential that overflows."""
    return np.where(sums >= 0, 1.0 / (1.0 + np.exp(-np.abs(sums))), np.exp(-np.abs(sums)) / (1 + np.exp(-np.abs(sums))))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("block_rows", [2, 16])
def test_rows_projected_in_blocks_have_the_bits_of_all_projected_at_once(
    block_rows: int, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_pairs, "BLOCK_ROWS", block_rows)
    monkeypatch.setattr(link_pairs, "_WORTH_A_THREAD", 0)
    case = load(linked_sum(), tmp_path, threads=threads)
    design = case.design(own_rows=7)
    projection = random_projection(len(case.problem.players), len(design))

    attribute = case.games.attribute(design, projection)

    assert isinstance(attribute, LinkProjected)
    found = attribute(case.rows, nothing)
    pairs = case.games.evaluate(design)
    expected = project(projection, pairs(case.rows, nothing), case.games.none)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.standard_errors, expected.standard_errors)
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    assert attribute.detail == pairs.detail


def test_mixed_rows_without_a_number_are_refused_and_not_projected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = load(linked_sum(), tmp_path)
    design = case.design()
    attribute = case.games.attribute(design, random_projection(len(case.problem.players), len(design)))
    means = LinkTable.means

    def with_a_hole(table: LinkTable, parts: np.ndarray, found: np.ndarray) -> None:
        means(table, parts, found)
        found[3, 2] = np.nan

    monkeypatch.setattr(LinkTable, "means", with_a_hole)
    with pytest.raises(ModelOutputError, match="not finite for rows that mix the explained row"):
        attribute(case.rows, nothing)


@pytest.mark.parametrize("players", [1, 2, 3, 7])
def test_distances_are_sums_player_after_player_cut_off_on_either_side(players: int) -> None:
    rng = np.random.default_rng(players)
    parts, middle = rng.normal(0, 5, (2 * ROWS_AT_ONCE, players)), rng.normal(0, 1, 600)
    masks = (rng.random((players, 600)) < 0.5).astype(np.float64)
    parts[1, 0] = np.nan
    found = np.empty((len(parts), 600))

    fill_distances(parts, masks, middle, 4.0, found)

    expected = np.zeros_like(found)
    for player in range(players):
        expected += masks[player] * parts[:, player, None]
    np.testing.assert_array_equal(found, -np.clip(expected + middle, -4.0, 4.0))
    assert np.isnan(found[1]).all()
    assert (np.abs(found[0]) == 4.0).any()


@pytest.mark.parametrize("n_background", range(1, 10))
def test_fractions_are_brought_together_whatever_their_number(n_background: int) -> None:
    rng = np.random.default_rng(n_background)
    own, factors = np.exp(rng.normal(0, 20, (3, 70))), np.exp(rng.normal(0, 20, (n_background, 70)))
    found = np.empty((3, 70))

    link_means(own, factors, found)

    expected = (1.0 / (1.0 + own[:, None, :] * factors)).mean(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-14)  # a dozen float64 roundings


@pytest.mark.parametrize("spread", [1.0, 10.0, 1000.0])
@pytest.mark.parametrize("far", [0.0, 90.0, 2000.0])
def test_log_odds_far_apart_follow_the_definition(spread: float, far: float, tmp_path: Path) -> None:
    case = load(linked_sum(), tmp_path)
    design = case.design()
    pairs = case.games.evaluate(design)
    assert isinstance(pairs, LinkPairs)
    mixed = pairs.mixed
    background = {name: values * np.float32(spread) for name, values in mixed.background.items()}
    table = LinkTable.of(replace(mixed, background=background), design, case.problem.players)
    parts = np.random.default_rng(0).normal(0, max(far, 1.0), (4, 3))
    found = np.empty((4, 2 * len(design)))

    table.means(parts, found)

    assert bool(table.wide.size) == (spread > 10)
    masks = np.concatenate([design.masks, ~design.masks])
    (columns,), (weights,) = background.values(), [layer.weights[:, 0] for layer in mixed.plan.layers]
    theirs = (columns.astype(np.float64) * weights)[:, np.argsort(table.owners[0])]
    constant = float(mixed.plan.layers[0].bias[0])
    sums = constant + (parts @ masks.T)[:, :, None] + (theirs @ (~masks).T.astype(np.float64)).T
    # 1e-13 of log-odds up to some thousands, as far as the logistic function lets them through
    np.testing.assert_allclose(found, _logistic_means(sums).mean(axis=2), rtol=0, atol=1e-12)
