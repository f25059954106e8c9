"""What a few background rows say about the interactions of a model, before any row is explained.

Some background rows are explained by some others from a small design, and the prior of the projection is the one that
makes their values most likely: per-player scales, the reach of the kernel and the white part by restricted maximum
likelihood (Patterson & Thompson 1971) over a grid. Explained rows play no part, so the projection stays the same for
all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.designs import FULL_BACKGROUND_ROWS, ROWS_PER_PAIR, generator_of, n_pairs_of, pair_sequence
from xaisvc.attribution.odd_kernel import OddKernel
from xaisvc.attribution.projections import Prior, posterior_projection
from xaisvc.types.sampling import CoalitionDesign

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types import Table
    from xaisvc.types.sampling import CoalitionGames, PairValues

N_ROWS = 8
_MIN_PAIRS = 96  # and two for each player: enough to tell interactions from slopes
# Few numbers of stand-ins, so that growing budgets share their pilots. Few stand-ins make interactions look large; that
# does no harm to scales, but to their ratio to what sampling the background adds.
_STAND_INS = (10, 3, 1)
_STAND_INS_SAMPLED = (10, 5)
# Variance that sampling the background adds, in units of the prior's, where no pilot knows it. Meant to be too large:
# that costs next to no accuracy, while one that is too small makes errors too small.
_SUPPOSED_NOISE = 4.0
_REPEATS = 2  # more of them, where the background is sampled, to see how values scatter
_FEWEST_BACKGROUND_ROWS = 16
_MOST_PLAYERS = 256  # the work grows with the cube of their number
# A pilot may cost this share of the model rows of one explanation.
_SHARE = 0.5

_REACHES = (0.5, 1.0, 2.0, 4.0)  # rho times p
_POWERS = (0.0, 0.5, 1.0)  # of a player's effect in its rho
_WHITES = (1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0)
_LEAST_SCALE = 0.02  # of the mean: a player without effect in the pilot may have one in an explained row
_LARGEST_RHO = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What a pilot found.

    Attributes:
        prior: For designs whose pairs see the whole background.
        sampling_noise: Variance that one background row drawn for a pair adds, in units of the prior's; 0 where every
            pair sees the whole background.
        n_model_rows: Model rows it took.
    """

    prior: Prior
    sampling_noise: float
    n_model_rows: int


def to_arrays(pilot: Pilot | None) -> dict[str, NDArray[np.generic]]:
    """A pilot as arrays that can be kept in a file."""
    if pilot is None:
        return {"rho": np.empty(0), "numbers": np.empty(0)}
    numbers = [pilot.prior.white, pilot.sampling_noise, float(pilot.n_model_rows)]
    return {"rho": pilot.prior.rho, "numbers": np.array(numbers)}


def from_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> Pilot | None:
    """The pilot of `to_arrays`."""
    if len(arrays["rho"]) == 0:
        return None
    white, noise, n_model_rows = np.asarray(arrays["numbers"], dtype=np.float64).tolist()
    prior = Prior(np.asarray(arrays["rho"], dtype=np.float64), white)
    return Pilot(prior=prior, sampling_noise=noise, n_model_rows=int(n_model_rows))


def default_prior(p: int) -> Prior:
    """The prior without a pilot."""
    return Prior(np.full(p, min(1.0 / p, _LARGEST_RHO)), white=0.1)


def n_stand_ins(p: int, n_background: int, n_model_rows: int) -> int:
    """Background rows that stand in for absent players in the pilot; 0 if there should be none.

    Args:
        p: Number of players.
        n_background: Rows of the background.
        n_model_rows: What one explanation costs.
    """
    if n_background < _FEWEST_BACKGROUND_ROWS or p > _MOST_PLAYERS or n_pairs_of(p) < _MIN_PAIRS:
        return 0
    affordable = int(_SHARE * n_model_rows / (2 * N_ROWS * _n_pairs(p)))
    if n_background <= FULL_BACKGROUND_ROWS:
        return next((n for n in _STAND_INS if n <= affordable), 0)
    return next((n for n in _STAND_INS_SAMPLED if n + _REPEATS <= affordable), 0)


def run_pilot(  # noqa: PLR0913, PLR0917 - all that a pilot depends on
    games: CoalitionGames,
    background: Table,
    p: int,
    n_stand_ins: int,
    seed: bytes,
    check: Callable[[], None],
) -> Pilot | None:
    """Explains `N_ROWS` background rows by `n_stand_ins` others and fits the prior; None if no output changes."""
    rng = generator_of(seed, p, 8)
    chosen = rng.permutation(len(background))
    rows, stand_ins = background.take(chosen[:N_ROWS]), chosen[-n_stand_ins:]
    masks = pair_sequence(p, _n_pairs(p), seed)

    def values(masks: NDArray[np.bool_], picks: NDArray[np.int64]) -> PairValues:
        return games.evaluate(CoalitionDesign(masks=masks, background=picks))(rows, check)

    nobody = np.zeros((1, p), dtype=np.bool_)
    found = values(np.concatenate([masks, nobody]), np.tile(stand_ins, (len(masks) + 1, 1)))
    odd = (found.on - found.off)[:, :-1] / 2.0
    fitted = fit_prior(masks, odd, found.outputs - found.on[:, -1])
    if fitted is None:
        return None
    prior, scale_squared = fitted
    n_model_rows = N_ROWS * (2 * (len(masks) + 1) * n_stand_ins + 1)
    noise = 0.0
    if len(background) > FULL_BACKGROUND_ROWS:
        # Two stand-ins drawn for each pair apart: half their squared difference is the variance of one.
        one, other = (values(masks, picks[:, None]) for picks in rng.integers(len(background), size=(2, len(masks))))
        noise = float(((one.on - one.off - other.on + other.off) ** 2).mean()) / 8.0 / scale_squared
        n_model_rows += _REPEATS * N_ROWS * (2 * len(masks) + 1)
    return Pilot(prior=prior, sampling_noise=noise, n_model_rows=n_model_rows)


def fit_prior(
    masks: NDArray[np.bool_], odd: NDArray[np.float64], total: NDArray[np.float64]
) -> tuple[Prior, float] | None:
    """The prior under which the values of some rows are most likely, each row with a scale of its own.

    Args:
        masks: One coalition of each pair; bool, (q, p).
        odd: y of each row; float64, (r, q).
        total: f(x) - v0 of each; float64, (r,).

    Returns:
        The prior, and the mean squared scale of the rows; None if there is nothing to fit.
    """
    p = masks.shape[1]
    signs = np.concatenate([np.where(masks, 1.0, -1.0), np.ones((1, p))])
    data = np.column_stack([odd, total / 2.0])
    # What an additive game cannot explain: the data on the vectors orthogonal to all slopes.
    rest = np.linalg.qr(signs, mode="complete")[0][:, p:]
    left = data @ rest
    # Models in float32 leave 1e-7 of rounding.
    some = np.abs(left).max(axis=1) > 1e-6 * np.abs(data).max()
    if not some.any():
        return None
    left = left[some]

    start = posterior_projection(masks, default_prior(p), np.random.default_rng(0))
    effects = np.sqrt(((odd @ start.weights.T + total[:, None] * start.share) ** 2).mean(axis=0))
    best = (-np.inf, default_prior(p), 1.0)
    for rho in _candidates(effects):
        spectrum, vectors = np.linalg.eigh(rest.T @ OddKernel(rho).between(signs, signs) @ rest)
        squares = (left @ vectors) ** 2
        for white in _WHITES:
            variances = np.maximum(spectrum, 0.0) + white
            scales = (squares / variances).mean(axis=1)
            likelihood = -0.5 * float((np.log(scales) * len(variances) + np.log(variances).sum()).sum())
            if likelihood > best[0]:
                best = (likelihood, Prior(rho, white), float(scales.mean()))
    return best[1], best[2]


def _candidates(effects: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
    p = len(effects)
    relative = np.maximum(effects / effects.mean(), _LEAST_SCALE) if effects.any() else np.ones(p)
    found = []
    for power in _POWERS:
        scale = relative**power
        found += [np.minimum(reach / p * scale / scale.mean(), _LARGEST_RHO) for reach in _REACHES]
    return found


def _n_pairs(p: int) -> int:
    return min(max(_MIN_PAIRS, 2 * p), n_pairs_of(p))


def noise_of(pilot: Pilot | None, n_background: int) -> float:
    """Variance that sampling the background adds to the values of a pair, in units of the prior's."""
    if pilot is None:
        return _SUPPOSED_NOISE
    return pilot.sampling_noise / ROWS_PER_PAIR * (1.0 - ROWS_PER_PAIR / n_background)
