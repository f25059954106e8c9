"""What a few background rows say about the interactions of a model, before any row is explained.

Some background rows are explained by some others from a small design, and the prior of the projection is the one that
makes their values most likely: per-player scales, the reach of the kernel and the white part by restricted maximum
likelihood (Patterson & Thompson 1971) over a grid. How much the games against single background rows differ from their
mean follows from their scatter. Explained rows play no part, so the projection stays the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.designs import (
    FULL_BACKGROUND_ROWS,
    ROWS_PER_PAIR,
    generator_of,
    n_pairs_of,
    nobody_leaves,
    pair_sequence,
)
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
# Variances of what the game against one background row has for itself, in units of what all share, where no pilot
# knows. Chosen from a grid of 36 priors on three development models at three small budgets: with 12 and 10 the errors
# are within 1.4 of the smallest in each of the nine cells (1.09 in the mean), and standard errors cover 94 to 96 % for
# the networks and more for the trees; with 6 and 10, 1.2 (1.06) and 91 to 95 %.
_SUPPOSED_OWN = 12.0
_SUPPOSED_SLOPES = 10.0
# The same for errors, of a player where p share the slopes: the variance of all slopes together does not grow with the
# players, as 10 for each would. Chosen on nine development models that no test or benchmark has (networks of 24 to 120
# features, trees of 24 and 60). With 12 and 10 errors covered 86 to 94 % for networks of 45 and more features, fewest
# at 100 and 120; with these 94 to 97 %. For 24 features and for trees it was 94 to 99 % and is 95 to 99 %.
_ERROR_OWN = 24.0
_ERROR_SLOPES = 150.0
_LEAST_SHARED = 0.05  # of the variance of the mean game: the difference of two estimates can fall to nothing
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
        prior: For designs whose pairs see the whole background; `own` and `slopes` are those of one background row.
        sampling_noise: Variance that one background row drawn for a pair adds, in units of the prior's; 0 where every
            pair sees the whole background.
        n_model_rows: Model rows it took.
        sees_rows_apart: Whether it had several stand-ins, so that `own` and `slopes` are found and not supposed.
    """

    prior: Prior
    sampling_noise: float
    n_model_rows: int
    sees_rows_apart: bool


def to_arrays(pilot: Pilot | None) -> dict[str, NDArray[np.generic]]:
    """A pilot as arrays that can be kept in a file."""
    if pilot is None:
        return {"rho": np.empty(0), "slopes": np.empty(0), "numbers": np.empty(0)}
    prior = pilot.prior
    numbers = [prior.white, prior.own, pilot.sampling_noise, pilot.n_model_rows, pilot.sees_rows_apart]
    return {"rho": prior.rho, "slopes": np.asarray(prior.slopes), "numbers": np.array(numbers, dtype=np.float64)}


def from_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> Pilot | None:
    """The pilot of `to_arrays`."""
    if len(arrays["rho"]) == 0:
        return None
    white, own, noise, n_model_rows, sees_rows_apart = np.asarray(arrays["numbers"], dtype=np.float64).tolist()
    rho, slopes = (np.asarray(arrays[name], dtype=np.float64) for name in ("rho", "slopes"))
    prior = Prior(rho, white, own=own, slopes=slopes)
    return Pilot(
        prior=prior, sampling_noise=noise, n_model_rows=int(n_model_rows), sees_rows_apart=bool(sees_rows_apart)
    )


def default_prior(p: int) -> Prior:
    """The prior without a pilot."""
    rho = np.full(p, min(1.0 / p, _LARGEST_RHO))
    return Prior(rho, white=0.1, own=_SUPPOSED_OWN, slopes=_SUPPOSED_SLOPES)


def prior_of_errors(pilot: Pilot | None, prior: Prior) -> Prior | None:
    """What errors are reckoned with; None for `prior` itself, where a pilot has seen background rows apart.

    Otherwise what single background rows have for themselves is supposed. Values hardly depend on it (see
    `_SUPPOSED_OWN`), but errors do.

    Args:
        pilot: What was found, if anything.
        prior: Of values: the pilot's, or the one without a pilot.
    """
    if pilot is not None and pilot.sees_rows_apart:
        return None
    p = len(prior.rho)
    return replace(prior, own=_ERROR_OWN, slopes=np.full(p, min(_SUPPOSED_SLOPES, _ERROR_SLOPES / p)))


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
    each = len(masks) + 1
    found = values(np.tile(np.concatenate([masks, nobody]), (n_stand_ins, 1)), np.repeat(stand_ins, each)[:, None])
    on, off = (side.reshape(N_ROWS, n_stand_ins, each) for side in (found.on, found.off))
    odd, total = (on - off)[..., :-1] / 2.0, found.outputs[:, None] - on[..., -1]
    fitted = fit_prior(masks, odd.mean(axis=1), total.mean(axis=1), check)
    if fitted is None:
        return None
    prior, scale_squared = fitted
    check()
    own, slopes = fit_own(masks, odd, total, prior)
    prior = replace(prior, own=own, slopes=slopes)
    n_model_rows = N_ROWS * (2 * (len(masks) + 1) * n_stand_ins + 1)
    noise = 0.0
    if len(background) > FULL_BACKGROUND_ROWS:
        # Two stand-ins drawn for each pair apart: half their squared difference is the variance of one.
        one, other = (values(masks, picks[:, None]) for picks in rng.integers(len(background), size=(2, len(masks))))
        noise = float(((one.on - one.off - other.on + other.off) ** 2).mean()) / 8.0 / scale_squared
        n_model_rows += _REPEATS * N_ROWS * (2 * len(masks) + 1)
    return Pilot(prior=prior, sampling_noise=noise, n_model_rows=n_model_rows, sees_rows_apart=n_stand_ins > 1)


def fit_prior(
    masks: NDArray[np.bool_],
    odd: NDArray[np.float64],
    total: NDArray[np.float64],
    check: Callable[[], None] = nobody_leaves,
) -> tuple[Prior, float] | None:
    """The prior under which the values of some rows are most likely, each row with a scale of its own.

    Args:
        masks: One coalition of each pair; bool, (q, p).
        odd: y of each row; float64, (r, q).
        total: f(x) - v0 of each; float64, (r,).
        check: Called between pieces of work; raises AbandonedError once nobody waits.

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
        check()
        spectrum, vectors = np.linalg.eigh(rest.T @ OddKernel(rho).between(signs, signs) @ rest)
        squares = (left @ vectors) ** 2
        for white in _WHITES:
            variances = np.maximum(spectrum, 0.0) + white
            scales = (squares / variances).mean(axis=1)
            likelihood = -0.5 * float((np.log(scales) * len(variances) + np.log(variances).sum()).sum())
            if likelihood > best[0]:
                best = (likelihood, Prior(rho, white), float(scales.mean()))
    return best[1], best[2]


def fit_own(
    masks: NDArray[np.bool_], odd: NDArray[np.float64], total: NDArray[np.float64], prior: Prior
) -> tuple[float, NDArray[np.float64]]:
    """What the games against single background rows have for themselves, in units of what they share.

    The mean game of s stand-ins has the variance shared + own / s; deviations from it have own (1 - 1 / s).

    Args:
        masks: One coalition of each pair; bool, (q, p).
        odd: y of each row against each stand-in; float64, (r, s, q).
        total: f(x) - f(stand-in); float64, (r, s).
        prior: What the mean game was fitted with.

    Returns:
        Variance of interactions, and of each player's slope; float64, (p,).
    """
    p, s = masks.shape[1], odd.shape[1]
    if s == 1:
        return _SUPPOSED_OWN, np.full(p, _SUPPOSED_SLOPES)
    signs = np.concatenate([np.where(masks, 1.0, -1.0), np.ones((1, p))])
    data = np.concatenate([odd, total[..., None] / 2.0], axis=2)
    mean = data.mean(axis=1)
    apart = data - mean[:, None]
    rest = np.linalg.qr(signs, mode="complete")[0][:, p:]
    covariance = OddKernel(prior.rho).between(signs, signs) + prior.white * np.eye(len(signs))
    spectrum, vectors = np.linalg.eigh(rest.T @ covariance @ rest)
    whitened = rest @ vectors / np.sqrt(np.maximum(spectrum, prior.white))
    of_mean, of_one = (float(((part @ whitened) ** 2).mean()) for part in (mean, apart))
    own = of_one * s / (s - 1)
    shared = max(of_mean - own / s, _LEAST_SHARED * of_mean)
    slopes = ((apart @ np.linalg.pinv(signs).T) ** 2).mean(axis=(0, 1)) * s / (s - 1)
    return own / shared, np.maximum(slopes, _LEAST_SCALE * slopes.mean()) / shared


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
