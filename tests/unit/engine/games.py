"""A loaded model, rows to explain, and coalitions of them evaluated by its graph and the plain way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import xaisvc
from xaisvc.attribution.plain_games import PlainGames
from xaisvc.bundles import parse_rows
from xaisvc.engine.games import GraphGames
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import CoalitionDesign, Players, Projection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from xaisvc.types import PairValues, Problem, Table

BACKGROUND_ROWS = 20
# Of the largest answer: float32 sums in another order. Seen up to 6e-7, where a logit magnifies them.
TOLERANCE = 2e-6


@dataclass(frozen=True)
class Case:
    """A loaded model with rows to explain and the plain way to evaluate them."""

    loaded: LoadedBundle
    problem: Problem
    rows: Table

    @property
    def games(self) -> GraphGames:
        """What evaluates coalitions inside the model's graph."""
        assert isinstance(self.problem.games, GraphGames)

        return self.problem.games

    @property
    def plain(self) -> PlainGames:
        """What evaluates them as plain batches of the model."""
        return PlainGames(self.problem, 16_384, 1)

    def design(self, *, q: int = 9, own_rows: int | None = None) -> CoalitionDesign:
        """`q` random coalitions, over all background rows or `own_rows` random ones each."""
        rng = np.random.default_rng(q)
        p, b = len(self.problem.players), len(self.problem.background)
        background = None if own_rows is None else rng.integers(b, size=(q, own_rows))
        return CoalitionDesign(masks=rng.random((q, p)) < 0.5, background=background)


def load(
    made: tuple[bytes, pd.DataFrame],
    folder: Path,
    *,
    threads: int = 1,
    players: Mapping[str, tuple[str, ...]] | None = None,
) -> Case:
    """A bundle made of a model and rows, the first of them its background; five later rows are explained."""
    serialized, data = made
    bundle = xaisvc.create_bundle(model=serialized, background=data[:BACKGROUND_ROWS], path=folder / "bundle")
    loaded = LoadedBundle(bundle, OrtRuntime(), "cpu", threads=threads)
    output = bundle.description.outputs[0]
    ids = bundle.description.feature_ids
    members = players or {name: (name,) for name in ids}
    parties = Players(names=tuple(members), members=tuple(members.values()))
    problem = loaded.problem(output, output.tensor_space, parties)
    rows = parse_rows(bundle.description, data[30:35].reset_index(drop=True))
    return Case(loaded, problem, rows)


def nothing() -> None:
    """A check that lets everything go on."""


def assert_alike(found: PairValues, expected: PairValues, tolerance: float = TOLERANCE) -> None:
    """Fails if numbers differ by more than `tolerance` of the largest."""
    scale = max(float(np.abs(expected.on).max()), float(np.abs(expected.outputs).max()))
    for one, other in ((found.on, expected.on), (found.off, expected.off), (found.outputs, expected.outputs)):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale)


def random_projection(p: int, q: int) -> Projection:
    """A projection of games of p players and q pairs of coalitions; its numbers mean nothing."""
    rng = np.random.default_rng(p)
    weights = rng.normal(size=(p, q))
    return Projection(
        weights=weights - weights.mean(axis=0),
        share=np.full(p, 1 / p),
        spread=rng.normal(size=(3, p, q)),
        spread_share=rng.normal(size=(3, p)),
        scale=rng.random(p),
        energy=rng.normal(size=(2, q)),
        energy_share=rng.normal(size=2),
    )
