"""LIME's local linear surrogate: the fit, and what says how far it can be trusted.

The surrogate is a ridge regression of the model's answers on columns that describe the draws, weighted by closeness to
the explained row (Ribeiro, Singh & Guestrin 2016, section 3.4; numbers as in the lime package). In the discretised mode
a column is 1 where a draw agrees with the row; `lime_kernel` computes the same for those, compiled.

Errors and stability come from a bootstrap over 50 blocks of the sample, at no further model evaluation. A resample is
not refitted: with A = Zc'WZc + alpha I (Zc the columns less their weighted means) and g_b = Zc_b'W_b r_b the gradient
of block b at the fit with residuals r, a resample that holds block b n_b times has the weights

    weights + A^-1 sum over b of (n_b - 1) g_b

to first order (one step of Newton's method), and the variance of that over all resamples is known in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

RIDGE_ALPHA = 1.0
N_BLOCKS = 50
# Blocks that the held-out fit uses; the rest of the sample judges it.
N_FIT_BLOCKS = 40
_N_RESAMPLES = 64
_TOP = 3
# Sets of answers in a product. A set alone pays for as many; matrix kernels work on tiles that this is a multiple of.
SETS_TOGETHER = 8


def kernel_width(p: int) -> float:
    """Width of the exponential kernel for p columns: 0.75 sqrt(p)."""
    return 0.75 * float(np.sqrt(p))


def weights_at(squared_distances: NDArray[np.float64], p: int) -> NDArray[np.float64]:
    """Weight of draws: sqrt(exp(-d^2 / width^2)).

    Args:
        squared_distances: d^2, d the Euclidean distance of a draw's columns to the row's; float64.
        p: Columns.

    Returns:
        float64, same shape, in (0, 1].
    """
    return np.asarray(np.exp(-squared_distances / (2.0 * kernel_width(p) ** 2)))


def block_starts(m: int) -> NDArray[np.int64]:
    """Where the blocks of m draws begin, and the end of the last; int64, (N_BLOCKS + 1,)."""
    return np.linspace(0, m, N_BLOCKS + 1).astype(np.int64)


def draw_resamples(generator: np.random.Generator) -> NDArray[np.float64]:
    """Times that each resample holds each block, less 1; float64, (resamples, N_BLOCKS)."""
    counts = generator.multinomial(N_BLOCKS, [1 / N_BLOCKS] * N_BLOCKS, size=_N_RESAMPLES)
    return counts.astype(np.float64) - 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """A fitted surrogate.

    Attributes:
        weights: Coefficient of each column, in output units per unit of the column; float64, (p,).
        intercept: In output units.
        standard_errors: From the bootstrap over blocks of the sample; float64, (p,).
        diagnostics: `fidelity` (weighted R2 on the fifth of the sample that was left out of a fit), `r2` (weighted R2
            on the sample itself, lime's score), `stability_top3_jaccard` (mean overlap of the three largest weights
            between a resample and the fit), `stability_sign_flips` (share of the three largest weights that change
            sign in a resample), `intercept`, `local_prediction` (the surrogate's answer for the row itself).
    """

    weights: NDArray[np.float64]
    intercept: float
    standard_errors: NDArray[np.float64]
    diagnostics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogates:
    """Fitted surrogates of n sets of answers; see `Surrogate`.

    Attributes:
        weights: float64, (n, p).
        intercepts: float64, (n,).
        standard_errors: float64, (n, p).
        diagnostics: float64, (n,) each.
    """

    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    diagnostics: Mapping[str, NDArray[np.float64]]

    def one(self, index: int) -> Surrogate:
        """One of them."""
        return Surrogate(
            weights=self.weights[index],
            intercept=float(self.intercepts[index]),
            standard_errors=self.standard_errors[index],
            diagnostics={name: float(numbers[index]) for name, numbers in self.diagnostics.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedSums:
    """Everything a linear fit needs of a weighted sample, less its weighted means.

    Attributes:
        columns: Zc'WZc; float64, (p, p).
        answers: Zc'Wy; float64, (p,).
        squares: yc'Wyc.
        means: Weighted mean of each column; float64, (p,).
        mean_answer: Weighted mean of the answers.
    """

    columns: NDArray[np.float64]
    answers: NDArray[np.float64]
    squares: float
    means: NDArray[np.float64]
    mean_answer: float

    @classmethod
    def of(
        cls, design: NDArray[np.float64], answers: NDArray[np.float64], sample_weights: NDArray[np.float64]
    ) -> WeightedSums:
        """The sums of m draws: design (m, p), answers (m,), weights (m,)."""
        mass = sample_weights.sum()
        means = sample_weights @ design / mass
        mean_answer = float(sample_weights @ answers / mass)
        centred, relative = design - means, answers - mean_answer
        weighted = centred * sample_weights[:, None]
        return cls(
            columns=weighted.T @ centred,
            answers=weighted.T @ relative,
            squares=float(sample_weights @ relative**2),
            means=means,
            mean_answer=mean_answer,
        )

    def ridge(self, chosen: NDArray[np.int64], alpha: float = RIDGE_ALPHA) -> tuple[NDArray[np.float64], float]:
        """Ridge weights of all p columns, 0 for those not chosen, and the intercept, which is not shrunk."""
        weights = np.zeros(len(self.means))
        kept = self.columns[np.ix_(chosen, chosen)] + alpha * np.eye(len(chosen))
        weights[chosen] = np.linalg.solve(kept, self.answers[chosen])
        return weights, self.mean_answer - float(self.means @ weights)


@dataclass(frozen=True, slots=True)
class _Ridge:
    """What part of a weighted design decides: its sums, and from them its ridge regression on any answers."""

    mass: float
    totals: NDArray[np.float64]
    products: NDArray[np.float64]

    @classmethod
    def of(cls, design: NDArray[np.float64], weighted: NDArray[np.float64], mass: float) -> _Ridge:
        return cls(mass, weighted.sum(axis=0), weighted.T @ design)

    def __add__(self, other: _Ridge) -> _Ridge:
        return _Ridge(self.mass + other.mass, self.totals + other.totals, self.products + other.products)

    @property
    def means(self) -> NDArray[np.float64]:
        return self.totals / self.mass

    def inverse(self) -> NDArray[np.float64]:
        """(Zc'WZc + alpha I)^-1."""
        centred = self.products - self.mass * np.outer(self.means, self.means)
        return np.asarray(np.linalg.inv(centred + RIDGE_ALPHA * np.eye(len(self.totals))), dtype=np.float64)

    def fit(self, inverse: NDArray[np.float64], projected: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights and, last, intercepts from Z'Wy and, last, 1'Wy; (n, p + 1) both."""
        totals = projected[:, -1:]
        found = np.empty_like(projected)
        found[:, :-1] = (projected[:, :-1] - totals * self.means) @ inverse.T
        found[:, -1] = totals[:, 0] / self.mass - (found[:, :-1] * self.means).sum(axis=1)
        return found


class SurrogateFitter:
    """Fits surrogates to samples that share their design and weights, several sets of answers together.

    What the design decides is worked out once: the weights of a surrogate are then a constant matrix times the answers,
    (Zc'WZc + alpha I)^-1 Zc'W. Products always have `SETS_TOGETHER` sets of answers, zeros if need be, so that a set
    gets the same bits alone and in company; and they are cut at the blocks of the bootstrap, which keeps them small
    enough for a thread of its own and for the cache.
    """

    def __init__(
        self, design: NDArray[np.float64], sample_weights: NDArray[np.float64], resamples: NDArray[np.float64]
    ) -> None:
        """Prepares a sample whose first draw is the explained row itself.

        Args:
            design: Columns of each draw; float64, (m, p).
            sample_weights: Closeness of each draw; float64, (m,).
            resamples: See `draw_resamples`.
        """
        self._row = design[0]
        # Columns relative to the row's own: sums of products keep their digits.
        relative = design - self._row
        weighted = relative * sample_weights[:, None]
        self._resamples = resamples
        self._m, p = design.shape
        self._blocks = list(pairwise(block_starts(self._m).tolist()))
        split = self._blocks[N_FIT_BLOCKS][0]
        self._part = _Ridge.of(relative[:split], weighted[:split], float(sample_weights[:split].sum()))
        held_out = _Ridge.of(relative[split:], weighted[split:], float(sample_weights[split:].sum()))
        self._whole = self._part + held_out
        self._part_inverse, self._inverse = self._part.inverse(), self._whole.inverse()
        # Blocks differ by one draw at most; the shorter ones end with zeros, and a last column of ones adds up.
        self._longest = longest = max(stop - start for start, stop in self._blocks)
        self._columns = np.zeros((N_BLOCKS, longest, p + 1))
        self._weights = np.zeros((N_BLOCKS, 1, longest))
        for block, (start, stop) in enumerate(self._blocks):
            self._columns[block, : stop - start, :p] = relative[start:stop]
            self._columns[block, : stop - start, p] = 1.0
            self._weights[block, 0, : stop - start] = sample_weights[start:stop]

    def fit(self, answers: NDArray[np.float64]) -> Surrogates:
        """The surrogates of n sets of answers, float64, (n, m)."""
        n = len(answers)
        parts = [self._fit_few(answers[start : start + SETS_TOGETHER]) for start in range(0, n, SETS_TOGETHER)]
        return Surrogates(
            weights=np.concatenate([part.weights for part in parts])[:n],
            intercepts=np.concatenate([part.intercepts for part in parts])[:n],
            standard_errors=np.concatenate([part.standard_errors for part in parts])[:n],
            diagnostics={
                name: np.concatenate([part.diagnostics[name] for part in parts])[:n] for name in parts[0].diagnostics
            },
        )

    def _fit_few(self, answers: NDArray[np.float64]) -> Surrogates:
        """Up to `SETS_TOGETHER` sets; what lies behind them in the answer is of no use."""
        columns, sample_weights, p = self._columns, self._weights, len(self._row)
        # Answers relative to the row's own, for the same reason; and a constant model gets exact zeros.
        relative = np.zeros((N_BLOCKS, SETS_TOGETHER, self._longest))
        for block, (start, stop) in enumerate(self._blocks):
            np.subtract(answers[:, start:stop], answers[:, :1], out=relative[block, : len(answers), : stop - start])

        projected = (sample_weights * relative) @ columns
        part = self._part.fit(self._part_inverse, projected[:N_FIT_BLOCKS].sum(axis=0))
        held_out = relative[N_FIT_BLOCKS:] - part @ columns[N_FIT_BLOCKS:].transpose(0, 2, 1)
        whole = self._whole.fit(self._inverse, projected.sum(axis=0))
        left = relative - whole @ columns.transpose(0, 2, 1)
        weights = np.ascontiguousarray(whole[:, :p])

        pull = sample_weights * left
        gradients = pull @ columns
        moves = (gradients[:, :, :p] - gradients[:, :, p:] * self._whole.means) @ self._inverse
        offsets = whole[:, p].copy()
        offsets[: len(answers)] += answers[:, 0]
        at_zero = offsets - (weights * self._row).sum(axis=1)
        resampled = weights[:, None, :] + self._resamples @ moves.transpose(1, 0, 2)
        return Surrogates(
            weights=weights,
            intercepts=at_zero,
            standard_errors=bootstrap_errors(moves, self._m),
            diagnostics={
                "fidelity": _weighted_r2(
                    relative[N_FIT_BLOCKS:],
                    projected[N_FIT_BLOCKS:, :, p].sum(axis=0),
                    _total(sample_weights[N_FIT_BLOCKS:] * held_out * held_out),
                    sample_weights[N_FIT_BLOCKS:],
                ),
                "r2": _weighted_r2(relative, projected[:, :, p].sum(axis=0), _total(pull * left), sample_weights),
                **_stability(weights, resampled),
                "intercept": at_zero,
                "local_prediction": offsets,
            },
        )


def fit_surrogate(
    design: NDArray[np.float64],
    answers: NDArray[np.float64],
    sample_weights: NDArray[np.float64],
    resamples: NDArray[np.float64],
    chosen: NDArray[np.int64] | None = None,
) -> Surrogate:
    """Fits the surrogate to a sample whose first draw is the explained row itself.

    Args:
        design: Columns of each draw; float64, (m, p).
        answers: f of each draw; float64, (m,).
        sample_weights: Closeness of each draw; float64, (m,).
        resamples: See `draw_resamples`.
        chosen: Columns that may have a weight; all if None.
    """
    if chosen is None:
        return SurrogateFitter(design, sample_weights, resamples).fit(answers[None]).one(0)
    found = SurrogateFitter(design[:, chosen], sample_weights, resamples).fit(answers[None]).one(0)
    weights, standard_errors = np.zeros(design.shape[1]), np.zeros(design.shape[1])
    weights[chosen], standard_errors[chosen] = found.weights, found.standard_errors
    return replace(found, weights=weights, standard_errors=standard_errors)


def bootstrap_errors(moves: NDArray[np.float64], m: int) -> NDArray[np.float64]:
    """Standard errors from what each block adds to the weights.

    The variance over resamples is that of the blocks, times blocks / (blocks - 1), as their number is small, and
    m / (m - q - 1), as q weights and an intercept have made the residuals of m draws smaller than they are.

    Args:
        moves: A^-1 g_b of each block, for n surrogates; float64, (blocks, n, q).
        m: Draws.

    Returns:
        float64, (n, q).
    """
    blocks, _, q = moves.shape
    scale = blocks / (blocks - 1) * m / (m - q - 1)
    return np.asarray(np.sqrt(scale * ((moves - moves.mean(axis=0)) ** 2).sum(axis=0)))


def _weighted_r2(
    answers: NDArray[np.float64],
    totals: NDArray[np.float64],
    unexplained: NDArray[np.float64],
    sample_weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weighted share of the variance that a fit explains; 1 for a constant that is met, 0 for one that is not.

    Args:
        answers: In blocks; float64, (blocks, n, longest).
        totals: Their weighted sum; float64, (n,).
        unexplained: Weighted sum of squares that the fit leaves; float64, (n,).
        sample_weights: 0 where a block has ended; float64, (blocks, 1, longest).

    Returns:
        float64, (n,).
    """
    centres = totals / float(sample_weights.sum())
    from_centre = answers - centres[:, None]
    squares = sample_weights * from_centre
    squares *= from_centre
    total = _total(squares)
    met = np.where(unexplained == 0.0, 1.0, 0.0)
    return np.where(total == 0.0, met, 1.0 - unexplained / np.where(total == 0.0, 1.0, total))


def _total(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of each set over blocks and draws, (blocks, n, longest) to (n,)."""
    return np.asarray(parts.sum(axis=2).sum(axis=0), dtype=np.float64)


def _stability(weights: NDArray[np.float64], resampled: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Of n surrogates, (n, q), and their resamples, (n, resamples, q)."""
    top, others = _largest(weights), _largest(resampled)
    size = top.shape[1]
    common = (others[:, :, :, None] == top[:, None, None, :]).sum(axis=(2, 3))
    chosen = np.take_along_axis(resampled, top[:, None, :], axis=2)
    flips = np.sign(chosen) != np.sign(np.take_along_axis(weights, top, axis=1))[:, None, :]
    return {
        "stability_top3_jaccard": (common / (2 * size - common)).mean(axis=1),
        "stability_sign_flips": flips.mean(axis=(1, 2)),
    }


def _largest(weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places of the largest weights by size along the last axis; of equals, the first."""
    sizes = np.abs(weights)
    found = []
    for _ in range(min(_TOP, weights.shape[-1])):
        found.append(sizes.argmax(axis=-1))
        np.put_along_axis(sizes, found[-1][..., None], -1.0, axis=-1)
    return np.stack(found, axis=-1)
