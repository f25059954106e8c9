"""Synthetic tables with correlated columns, the same for everybody: seeded, float32, drawn from low-rank factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

N_TRAIN: Final = 8000
N_BACKGROUND: Final = 1000
N_ROWS: Final = 10_000
NOISE: Final = 0.6  # share of a column that the factors do not explain: correlations reach about 0.8
SHARE_USED: Final = 0.7  # of the columns that the linear part of the truth uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One table, cut into what trains, what stands in, and what is explained.

    Attributes:
        train: float32, (8000, d).
        score: The smooth truth behind the target of the training rows; float64, (8000,).
        background: float32, (1000, d); smaller backgrounds are its first rows.
        rows: float32, (10000, d), all different.
    """

    train: Matrix
    score: NDArray[np.float64]
    background: Matrix
    rows: Matrix

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns; xgboost's converter wants exactly these."""
        return tuple(f"f{i}" for i in range(self.train.shape[1]))

    def labels(self) -> NDArray[np.int64]:
        """A binary target: noisy, and 1 for about half of the rows."""
        noise = np.random.default_rng(11).logistic(size=len(self.score))
        return (self.score - np.median(self.score) + noise > 0).astype(np.int64)

    def amounts(self) -> NDArray[np.float64]:
        """A numeric target."""
        return self.score + 0.3 * np.random.default_rng(12).normal(size=len(self.score))


def correlated(n_features: int, seed: int) -> Dataset:
    """Normal columns of variance about 1 that share factors, and a score with pairwise and nonlinear parts."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(max(3, n_features // 5), n_features))
    loadings /= np.linalg.norm(loadings, axis=0)
    x = _draw(rng, loadings)
    score = _score(x, rng)
    return _cut(x, score)


def credit_like(seed: int) -> Dataset:
    """Fourteen columns as in a credit file: amounts with long tails, counts, shares and years."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(4, 14))
    loadings /= np.linalg.norm(loadings, axis=0)
    z = _draw(rng, loadings)
    x = z.copy()
    x[:, :4] = np.exp(7.0 + 0.8 * z[:, :4])  # amounts
    x[:, 4:8] = np.floor(np.exp(1.0 + 0.6 * z[:, 4:8]))  # counts
    x[:, 8:11] = 1.0 / (1.0 + np.exp(-z[:, 8:11]))  # shares
    x[:, 11:] = np.clip(np.round(40 + 12 * z[:, 11:]), 18, 90)  # years
    return _cut(x, _score(z, rng))


def _draw(rng: np.random.Generator, loadings: NDArray[np.float64]) -> NDArray[np.float64]:
    n = N_TRAIN + N_BACKGROUND + N_ROWS
    factors = rng.normal(size=(n, len(loadings)))
    noise: NDArray[np.float64] = rng.normal(size=(n, loadings.shape[1]))
    return np.sqrt(1 - NOISE**2) * factors @ loadings + NOISE * noise


def _score(z: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    n_features = z.shape[1]
    weights = rng.normal(size=n_features) * (rng.random(n_features) < SHARE_USED)
    left, right = rng.permutation(n_features)[: 2 * (n_features // 4)].reshape(2, -1)
    score = z @ weights + (z[:, left] * z[:, right]).sum(axis=1) + np.sin(2 * z[:, :3]).sum(axis=1)
    scaled: NDArray[np.float64] = 2.0 * score / score.std()
    return scaled


def _cut(x: NDArray[np.float64], score: NDArray[np.float64]) -> Dataset:
    table = x.astype(np.float32)
    train, background, rows = np.split(table, [N_TRAIN, N_TRAIN + N_BACKGROUND])
    return Dataset(train=train, score=score[:N_TRAIN], background=background, rows=rows)
