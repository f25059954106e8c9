"""Worlds with known conditional laws: blocks of columns, independent of each other, each sampled exactly.

A block draws its columns, and draws those of them that a coalition leaves out given those that it keeps. So both value
functions of a model can be worked out as closely as wanted, whatever the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GRID = 401
"""Points of the grid on which the law of a column without a closed form is inverted."""


class Block(Protocol):
    """Columns that go together; all others are independent of them."""

    @property
    def width(self) -> int:
        """Columns d."""
        ...

    @property
    def levels(self) -> int:
        """Levels of the first column where it is a category; 0 where all columns are numbers."""
        ...

    @property
    def is_dependent(self) -> bool:
        """Whether its columns depend on each other."""
        ...

    def sample(self, uniforms: Floats) -> Floats:
        """Rows from independent uniforms; float64, (n, d) both."""
        ...

    def given(self, row: Floats, known: tuple[int, ...], uniforms: Floats) -> Floats:
        """Rows that keep the row's `known` columns, the others drawn given them; float64, (n, d)."""
        ...


@dataclass(frozen=True, slots=True)
class GaussianBlock:
    """Columns with a Gaussian copula: column j is margin j of a latent normal number.

    Attributes:
        correlation: Of the latent numbers; float64, (d, d).
        margins: Per column "normal", "exponential" (of the latent number), "cubic" (increasing) or "falling".
    """

    correlation: Floats
    margins: tuple[str, ...]

    @property
    def width(self) -> int:
        """Columns d."""
        return len(self.margins)

    @property
    def levels(self) -> int:
        """No category."""
        return 0

    @property
    def is_dependent(self) -> bool:
        """Unless latent numbers are independent."""
        return not np.array_equal(self.correlation, np.eye(self.width))

    def sample(self, uniforms: Floats) -> Floats:
        """See `Block`."""
        return self._made(_normal(uniforms) @ _root(self.correlation).T)

    def given(self, row: Floats, known: tuple[int, ...], uniforms: Floats) -> Floats:
        """See `Block`: the law of normal numbers given some of them."""
        left = [j for j in range(self.width) if j not in known]
        latent = np.empty((len(uniforms), self.width))
        own = np.array([_latent(row[j], self.margins[j]) for j in known])
        latent[:, list(known)] = own
        across = self.correlation[np.ix_(left, known)] @ np.linalg.pinv(self.correlation[np.ix_(known, known)])
        spread = self.correlation[np.ix_(left, left)] - across @ self.correlation[np.ix_(known, left)]
        latent[:, left] = (across @ own) + _normal(uniforms[:, left]) @ _root(spread).T
        found = self._made(latent)
        found[:, list(known)] = row[list(known)]
        return found

    def _made(self, latent: Floats) -> Floats:
        return np.column_stack([_margin(latent[:, j], kind) for j, kind in enumerate(self.margins)])


@dataclass(frozen=True, slots=True)
class CurveBlock:
    """A number u, standard normal, and a number that follows it along a curve: y = (u^2 - 1) / sqrt(2) + noise * e."""

    noise: float

    @property
    def width(self) -> int:
        """Two columns."""
        return 2

    @property
    def levels(self) -> int:
        """No category."""
        return 0

    @property
    def is_dependent(self) -> bool:
        """Always."""
        return True

    def sample(self, uniforms: Floats) -> Floats:
        """See `Block`."""
        drawn = _normal(uniforms)
        return np.column_stack([drawn[:, 0], _curve(drawn[:, 0]) + self.noise * drawn[:, 1]])

    def given(self, row: Floats, known: tuple[int, ...], uniforms: Floats) -> Floats:
        """See `Block`; u given y by its density on a grid."""
        found = np.empty((len(uniforms), 2))
        if known == (0,):
            found[:, 0] = row[0]
            found[:, 1] = _curve(row[0]) + self.noise * _normal(uniforms[:, 1])
            return found
        grid = np.linspace(-4.5, 4.5, GRID * 4)
        log_density = -0.5 * grid**2 - 0.5 * ((row[1] - _curve(grid)) / self.noise) ** 2
        density = np.cumsum(np.exp(log_density - log_density.max()))
        found[:, 0] = np.interp(uniforms[:, 0], density / density[-1], grid)
        found[:, 1] = row[1]
        return found


@dataclass(frozen=True, slots=True)
class CategoryBlock:
    """A category that sets the means of numbers, which are independent of each other within a level.

    Attributes:
        shares: Share of each level; float64, (k,).
        means: float64, (k, numbers).
        noise: Standard deviation of a number within a level.
    """

    shares: Floats
    means: Floats
    noise: float

    @property
    def width(self) -> int:
        """The category and its numbers."""
        return 1 + self.means.shape[1]

    @property
    def levels(self) -> int:
        """Levels k."""
        return len(self.shares)

    @property
    def is_dependent(self) -> bool:
        """Always."""
        return True

    def sample(self, uniforms: Floats) -> Floats:
        """See `Block`."""
        return self._drawn(uniforms, self.shares)

    def given(self, row: Floats, known: tuple[int, ...], uniforms: Floats) -> Floats:
        """See `Block`: the level by Bayes' rule, then the numbers."""
        shares = np.eye(self.levels)[int(row[0])]
        if 0 not in known:
            numbers = [j - 1 for j in known]
            log_density = -0.5 * (((row[list(known)] - self.means[:, numbers]) / self.noise) ** 2).sum(axis=1)
            density = self.shares * np.exp(log_density - log_density.max())
            shares = density / density.sum()
        found = self._drawn(uniforms, shares)
        found[:, list(known)] = row[list(known)]
        return found

    def _drawn(self, uniforms: Floats, shares: Floats) -> Floats:
        edges = np.cumsum(shares)
        level = np.minimum(np.searchsorted(edges / edges[-1], uniforms[:, 0], side="right"), self.levels - 1)
        return np.column_stack([level, self.means[level] + self.noise * _normal(uniforms[:, 1:])])


@dataclass(frozen=True, slots=True)
class World:
    """Independent blocks side by side."""

    blocks: tuple[Block, ...]

    @property
    def width(self) -> int:
        """Columns p."""
        return sum(block.width for block in self.blocks)

    @property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """The columns of each block."""
        starts = np.cumsum([0, *(block.width for block in self.blocks)])
        return tuple(tuple(range(a, b)) for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))

    @property
    def dependent(self) -> tuple[tuple[int, ...], ...]:
        """The columns of each block whose columns depend on each other."""
        return tuple(own for block, own in zip(self.blocks, self.places, strict=True) if block.is_dependent)

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels of each column; 0 for a number."""
        return tuple(n for block in self.blocks for n in (block.levels, *(0,) * (block.width - 1)))

    def sample(self, uniforms: Floats) -> Floats:
        """Rows from independent uniforms; float64, (n, p) both."""
        parts = zip(self.blocks, self.places, strict=True)
        return np.concatenate([block.sample(uniforms[:, list(own)]) for block, own in parts], axis=1)

    def given(self, row: Floats, known: frozenset[int], uniforms: Floats) -> Floats:
        """Rows that keep the row's `known` columns, all others drawn given them; float64, (n, p)."""
        found = np.empty((len(uniforms), self.width))
        for block, own in zip(self.blocks, self.places, strict=True):
            inside = tuple(k for k, j in enumerate(own) if j in known)
            part, drawn = row[list(own)], uniforms[:, list(own)]
            if len(inside) == block.width:
                found[:, list(own)] = part
            else:
                found[:, list(own)] = block.given(part, inside, drawn) if inside else block.sample(drawn)
        return found


def _normal(uniforms: Floats) -> Floats:
    from scipy.special import ndtri  # noqa: PLC0415 (heavy: loaded when used)

    return np.asarray(ndtri(np.clip(uniforms, 1e-9, 1 - 1e-9)))


def _root(matrix: Floats) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _curve(u: Floats) -> Floats:
    return np.asarray((u**2 - 1.0) / np.sqrt(2.0))


def _margin(latent: Floats, kind: str) -> Floats:
    if kind == "exponential":
        return np.exp(0.7 * latent)
    if kind == "cubic":
        return latent + 0.3 * latent**3
    return -latent if kind == "falling" else latent


def _latent(value: float, kind: str) -> float:
    if kind == "exponential":
        return float(np.log(value) / 0.7)
    if kind == "cubic":
        roots = np.roots([0.3, 0.0, 1.0, -value])
        return float(roots[np.abs(roots.imag).argmin()].real)
    return -value if kind == "falling" else value
