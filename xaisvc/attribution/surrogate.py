"""LIME's local linear surrogate: the fit, and what says how far it can be trusted.

The surrogate is a ridge regression of the model's answers on binary columns (1: the draw agrees with the explained
row), weighted by closeness to the row (Ribeiro, Singh & Guestrin 2016, section 3.4; numbers as in the lime package).
All fits, the resampled ones too, come from sums over blocks of the sample, so the errors cost no further model
evaluation and hardly any arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

RIDGE_ALPHA = 1.0
N_BLOCKS = 50
_N_RESAMPLES = 64
_HELD_OUT_SHARE = 0.2
_TOP = 3


def kernel_width(p: int) -> float:
    """Width of the exponential kernel for p binary columns: 0.75 sqrt(p)."""
    return 0.75 * float(np.sqrt(p))


def closeness(agreement: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of each draw: sqrt(exp(-d^2 / width^2)), d the Euclidean distance to the row.

    Args:
        agreement: 1 where a draw agrees with the row, else 0; float64, (m, p).

    Returns:
        float64, (m,), in (0, 1].
    """
    p = agreement.shape[1]
    squared_distance = p - agreement.sum(axis=1)
    return np.asarray(np.exp(-squared_distance / (2.0 * kernel_width(p) ** 2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """A fitted surrogate.

    Attributes:
        weights: Coefficient of each column, in output units; float64, (p,).
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


def fit_surrogate(
    agreement: NDArray[np.float64],
    answers: NDArray[np.float64],
    sample_weights: NDArray[np.float64],
    generator: np.random.Generator,
) -> Surrogate:
    """Fits the surrogate to a sample whose first draw is the explained row itself.

    Args:
        agreement: 1 where a draw agrees with the row, else 0; float64, (m, p).
        answers: f of each draw; float64, (m,).
        sample_weights: Closeness of each draw; float64, (m,).
        generator: For the bootstrap.
    """
    # Answers relative to the row's own: sums of squares keep their digits, and a constant model gets exact zeros.
    relative = answers - answers[0]
    starts = np.linspace(0, len(answers), N_BLOCKS + 1).astype(np.intp)
    blocks = np.array(
        [
            _sums(agreement[start:stop], relative[start:stop], sample_weights[start:stop])
            for start, stop in pairwise(starts)
        ]
    )
    weights, intercept = _solve(blocks.sum(axis=0))
    resampled, _ = _solve_many(generator.multinomial(N_BLOCKS, [1 / N_BLOCKS] * N_BLOCKS, size=_N_RESAMPLES), blocks)

    n_fit = round(N_BLOCKS * (1 - _HELD_OUT_SHARE))
    part_weights, part_intercept = _solve(blocks[:n_fit].sum(axis=0))
    held_out = slice(starts[n_fit], None)
    return Surrogate(
        weights=weights,
        intercept=intercept + float(answers[0]),
        standard_errors=resampled.std(axis=0, ddof=1),
        diagnostics={
            "fidelity": _r2(
                relative[held_out], part_intercept + agreement[held_out] @ part_weights, sample_weights[held_out]
            ),
            "r2": _r2(relative, intercept + agreement @ weights, sample_weights),
            **_stability(weights, resampled),
            "intercept": intercept + float(answers[0]),
            "local_prediction": float(agreement[0] @ weights) + intercept + float(answers[0]),
        },
    )


def _sums(
    agreement: NDArray[np.float64], relative: NDArray[np.float64], sample_weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Everything a fit needs of some draws: Z'WZ with Z = [1, columns, answer]; float64, (p + 2, p + 2)."""
    joined = np.column_stack([np.ones(len(relative)), agreement, relative])
    return np.asarray((joined * sample_weights[:, None]).T @ joined)


def _solve_many(
    counts: NDArray[np.int64], blocks: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fits to every resample; weights float64, (resamples, p), and intercepts."""
    sums = np.tensordot(counts.astype(np.float64), blocks, axes=1)
    mass = sums[:, :1, :1]
    centred = sums - sums[:, :, :1] @ sums[:, :1, :] / mass
    p = sums.shape[1] - 2
    weights = np.linalg.solve(centred[:, 1:-1, 1:-1] + RIDGE_ALPHA * np.eye(p), centred[:, 1:-1, -1:])[..., 0]
    means = sums[:, 0, 1:] / mass[:, 0]
    intercepts: NDArray[np.float64] = means[:, -1] - (means[:, :-1] * weights).sum(axis=1)
    return np.asarray(weights, dtype=np.float64), intercepts


def _solve(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Ridge weights and intercept; the intercept is not shrunk, as the columns are centred by their weighted means."""
    weights, intercepts = _solve_many(np.ones((1, 1), dtype=np.int64), sums[None])
    return weights[0], float(intercepts[0])


def _r2(answers: NDArray[np.float64], fitted: NDArray[np.float64], sample_weights: NDArray[np.float64]) -> float:
    """Weighted share of the variance that the fit explains; 1 for a constant that is met, 0 for one that is not."""
    centre = np.average(answers, weights=sample_weights)
    left = float(sample_weights @ (answers - fitted) ** 2)
    total = float(sample_weights @ (answers - centre) ** 2)
    if total == 0.0:
        return 1.0 if left == 0.0 else 0.0
    return 1.0 - left / total


def _stability(weights: NDArray[np.float64], resampled: NDArray[np.float64]) -> dict[str, float]:
    top = _largest(weights)
    overlaps = [len(top & other) / len(top | other) for other in map(_largest, resampled)]
    leading = sorted(top)
    flips = np.sign(resampled[:, leading]) != np.sign(weights[leading])
    return {
        "stability_top3_jaccard": float(np.mean(overlaps)),
        "stability_sign_flips": float(flips.mean()),
    }


def _largest(weights: NDArray[np.float64]) -> set[int]:
    return set(np.argsort(-np.abs(weights), kind="stable")[:_TOP].tolist())
