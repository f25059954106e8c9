from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.attribution.tree_problems import (
    GROUPS,
    linear_term,
    random_trees,
    rows_of,
    sum_problem,
    table,
    tree_term,
)
from xaisvc.bundles import load_bundle
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.quality import tree_hybrids
from xaisvc.engine.quality.subject import open_subject
from xaisvc.engine.quality.tree_hybrids import TreeHybrids
from xaisvc.errors import AbandonedError
from xaisvc.evaluation.removal import mix
from xaisvc.types import AdditiveModel

if TYPE_CHECKING:
    from xaisvc.types import Players, Problem

# Sums of a few dozen leaves in float64, in another order.
CLOSE = 1e-12


def problem_of(seed: int, players: Players | None = None, *, linear: bool = True) -> Problem:
    terms = (tree_term(random_trees(seed)), *((linear_term([0.5, 0.0, -2.0, 1.0]),) if linear else ()))
    return sum_problem(AdditiveModel(constant=0.5, terms=terms), rows_of(seed + 1, 9), players=players)


def nothing() -> None:
    """Nobody calls the work off."""


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("players", [None, GROUPS])
@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_mixed_rows_are_answered_as_the_model_answers_them(
    seed: int,
    players: Players | None,
    linear: bool,  # noqa: FBT001 - a parameter of the test
    threads: int,
) -> None:
    problem = problem_of(seed, players, linear=linear)
    rng = np.random.default_rng(seed)
    rows = table(rows_of(seed + 2, 40))
    p = len(problem.players)
    # 45 sets of 3 draws from 9 rows: 15 mixed rows share a donor, and in the first row all 135 do, which fills words
    places = np.array([0, 5, 39, 5, *range(10, 30)])
    keep = rng.random((len(places), 45, p)) < rng.random((1, 45, 1))
    donors = rng.integers(0, len(problem.background), (len(places), 45, 3))
    donors[0] = 4
    names = problem.background.feature_ids
    members = tuple(tuple(names.index(name) for name in owned) for owned in problem.players.members)

    found = TreeHybrids.of(problem, rows, threads, nothing)
    assert found is not None
    expected = problem.model(mix(rows, problem.background, places, donors, keep, members)).reshape(donors.shape)
    assert found(places, donors, keep) == pytest.approx(expected, rel=CLOSE, abs=CLOSE)
    assert expected.std() > 0


@pytest.mark.parametrize("sets", [1, 16, 42])
@pytest.mark.parametrize("draws", [1, 3, 8])
def test_looking_at_every_node_gives_what_walks_give(sets: int, draws: int) -> None:
    bundle = load_bundle(BUNDLES / "german-credit-boosting")
    problem = open_subject(bundle, None, threads=1, device="cpu", clock=time.monotonic).problem
    rng = np.random.default_rng(draws)
    rows = bundle.background.take(slice(50, 60))
    p = len(problem.players)
    keep = rng.random((10, sets, p)) < 0.5
    donors = rng.integers(0, len(bundle.background), (10, sets, draws))
    donors[9] = 3  # one background row for all: this row is walked, the others have many

    flooded = TreeHybrids.of(problem, rows, 1, nothing)
    assert flooded is not None
    assert flooded.sizes.size == flooded.roots.size
    walked = replace(flooded, sizes=np.zeros(0, dtype=np.int64))
    places = np.arange(10)
    found = flooded(places, donors, keep)

    # every mixed row meets one leaf of each tree, in the same order: not a bit differs
    assert np.array_equal(found, walked(places, donors, keep))
    members = tuple((j,) for j in range(p))
    expected = problem.model(mix(rows, bundle.background, places, donors, keep, members)).reshape(donors.shape)
    # the model adds in float32 and gives probabilities, whose log-odds lose some digits
    assert found == pytest.approx(expected, abs=1e-5)


def test_trees_whose_nodes_are_in_another_order_are_walked() -> None:
    found = TreeHybrids.of(problem_of(0), table(rows_of(2, 3)), 1, nothing)

    assert found is not None
    assert found.sizes.size == 0


def test_large_trees_are_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = load_bundle(BUNDLES / "german-credit-boosting")
    problem = open_subject(bundle, None, threads=1, device="cpu", clock=time.monotonic).problem
    monkeypatch.setattr(tree_hybrids, "MOST_NODES", 2)
    found = TreeHybrids.of(problem, bundle.background.take(slice(0, 2)), 1, nothing)

    assert found is not None
    assert found.sizes.size == 0


def test_encoded_categories_of_a_bundle_go_with_their_feature() -> None:
    bundle = load_bundle(BUNDLES / "german-credit-boosting")
    problem = open_subject(bundle, None, threads=1, device="cpu", clock=time.monotonic).problem
    rng = np.random.default_rng(5)
    rows = bundle.background.take(slice(50, 60))
    p = len(problem.players)
    keep = rng.random((10, 12, p)) < 0.5
    donors = rng.integers(0, len(bundle.background), (10, 12, 4))
    members = tuple((j,) for j in range(p))

    found = TreeHybrids.of(problem, rows, 1, nothing)
    assert found is not None
    expected = problem.model(mix(rows, bundle.background, np.arange(10), donors, keep, members)).reshape(donors.shape)
    # the model adds in float32 and gives probabilities, whose log-odds lose some digits
    assert found(np.arange(10), donors, keep) == pytest.approx(expected, abs=1e-5)


def test_what_is_no_sum_of_trees_is_left_to_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table(rows_of(3, 4))
    linear = sum_problem(AdditiveModel(constant=0.0, terms=(linear_term([1.0, 2.0, 0.0, 1.0]),)), rows_of(1, 5))
    assert TreeHybrids.of(linear, rows, 1, nothing) is None

    some = problem_of(0)
    assert TreeHybrids.of(some, rows, 1, nothing) is not None
    monkeypatch.setattr(tree_hybrids, "MOST_TESTS", 10)
    assert TreeHybrids.of(some, rows, 1, nothing) is None


def test_it_stops_when_nobody_waits() -> None:
    def stop() -> None:
        raise AbandonedError("nobody waits")

    rows = table(rows_of(3, 4))
    found = TreeHybrids.of(problem_of(0), rows, 1, stop)
    assert found is not None
    with pytest.raises(AbandonedError):
        found(np.arange(4), np.zeros((4, 1, 1), dtype=np.intp), np.zeros((4, 1, 4), dtype=np.bool_))
