"""The conditional second opinion prepared at registration: what the law of the data moves, as a function of the row.

For players that fall into sets which are independent of each other, and a cut A of the set C, the tower rule gives

    v_c(A) - v_m(A) = E[ v_m(C)(X) - v_m(A)(X) | X_A = x_A ]

where v_m(S)(X) is the interventional coalition value of a random row X: what the background rows say of each other is
all that is needed, and a regression on the columns of A gives the difference for any row. With all players outside the
set at their own values the same holds for v_m(everybody) - v_m(everybody but C without A); coalitions in between are
taken to lie on the line between the two, which is exact where players outside act on the difference one by one.

The regression is the posterior mean of a Gaussian process with a free constant (Rasmussen & Williams 2006, section
2.7) on normal scores of ranks; its scales are those of the largest restricted likelihood. Errors come from leaving out
groups of background rows (Efron & Stein 1981, the jackknife) and from the posterior variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from xaisvc.types.sampling import CoalitionDesign
from xaisvc.types.second_opinion import MISMATCH, SMOOTH_LENGTH, ComparedColumn, LinkedPlan, OpinionPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.types.sampling import PairValues
    from xaisvc.types.table import Column, Table

    Floats = NDArray[np.float64]

FEWEST_ROWS = 50
"""Background rows below which nothing is told."""

MOST_ENUMERATED = 5
"""Players of a set up to which all its cuts are taken."""

MOST_ROWS = (500, 300)
"""Background rows that a regression rests on, in sets whose cuts are all taken and in larger ones."""

MOST_STAND_INS = (500, 200)
"""Background rows that a coalition value is averaged over, likewise."""

MOST_PLAYERS = 24
"""Players of a set up to which something is told."""

MOST_ORDERS, FEWEST_ORDERS = 6, 2
"""Pairs of orders that give the cuts of larger sets."""

SAMPLED_CUTS = 144
"""Cuts of larger sets, about."""

N_GROUPS = 8
"""Groups of rows that are left out in turn."""

MOST_LEVELS = 64
"""Levels of a category with a code of their own: the most frequent that come at least `FEWEST_OF_LEVEL` times."""

FEWEST_OF_LEVEL = 5

MOST_CENTRES = 150
"""Centres of a regression; its scales are chosen on these rows too."""

_KERNELS = ((1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (1.0, 0.3, 0.3), (1.0, 0.0, 1.0), (0.3, 0.0, 2.0))
_NOISES = tuple(float(v) for v in 10.0 ** np.arange(-1.5, 3.6, 0.5))
_JITTER = 1e-10
_NOTHING = 1e-9  # share of the outputs' deviation below which a response is no response


class BackgroundGames(Protocol):
    """Interventional coalition values of background rows."""

    def __call__(self, rows: Table, design: CoalitionDesign) -> PairValues:
        """Evaluates a design on some rows of the background."""
        ...


def study_second_opinion(
    background: Table,
    members: Sequence[Sequence[str]],
    linked: Sequence[Sequence[int]],
    games: BackgroundGames,
    rng: np.random.Generator,
) -> OpinionPlan:
    """Prepares the second opinion of a bundle for some players.

    Where coalitions are evaluated on mixed rows, a set of c <= 5 players takes up to 500 * 500 * (2^(c + 1) - 2) model
    rows, a larger one up to 300 * 200 * 2 * (a + 1) for its a <= 150 cuts. Beside the model's, a cut takes below
    0.2 s of one core and memory for 20 matrices of 500 x 150 numbers.

    Args:
        background: b rows.
        members: Features of each of the p players.
        linked: Sets of dependent players by their places, not overlapping.
        games: Coalition values of background rows, over the whole background or the rows that a design names.
        rng: Picks rows and orders; seeded from the background's digest.

    Returns:
        The plan; sets that nothing can be told of are listed with the reason.
    """
    b, p = len(background), len(members)
    wanted = [tuple(sorted(int(i) for i in one)) for one in linked if len(one) > 1]
    too_few = b < FEWEST_ROWS
    studied = [] if too_few else [one for one in wanted if len(one) <= MOST_PLAYERS]
    reason = ""
    if too_few and wanted:
        reason = f"{b} background rows are fewer than the {FEWEST_ROWS} that a second opinion needs"
    elif len(studied) < len(wanted):
        reason = f"a set of more than {MOST_PLAYERS} dependent players is too large for a second opinion"
    sets = [_study(background, members, one, games, rng) for one in studied]
    return OpinionPlan(
        n_players=p,
        sets=tuple(sets),
        unstudied=tuple(one for one in wanted if one not in studied),
        reason=reason,
        n_background=b,
    )


def compared_column(feature: str, values: Column) -> ComparedColumn:
    """How the values of a column are compared, from the background's."""
    if values.dtype == np.object_:
        names, counts = np.unique(np.array([str(v) for v in values if v is not None]), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
        kept = tuple(str(names[k]) for k in order if counts[k] >= FEWEST_OF_LEVEL)
        nothing = np.empty(0)
        return ComparedColumn(
            feature=feature, knots=nothing, scores=nothing, levels=kept, is_number=False, by_level=1.0
        )
    from scipy.special import ndtri  # noqa: PLC0415 (heavy: loaded when used)

    numbers = np.asarray(values, dtype=np.float64)
    present = numbers[~np.isnan(numbers)]
    knots, counts = np.unique(present, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / max(len(present), 1)
    return ComparedColumn(
        feature=feature,
        knots=knots,
        scores=np.asarray(ndtri(middle), dtype=np.float64),
        levels=(),
        is_number=True,
        by_level=float(len(present) < len(numbers)),
    )


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """Coalition values of the picked background rows."""

    games: BackgroundGames
    rows: Table
    stand_ins: NDArray[np.int64] | None
    p: int

    def __call__(self, players: tuple[int, ...], cuts: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
        """For cuts that hold each one's complement too: v(A), v(A and all outside), and [v(C), f]; (a, u), (2, u)."""
        others = len(players) < self.p  # else the set itself is the coalition of everybody, which no design holds
        wanted = np.concatenate([cuts, np.ones((int(others), len(players)), dtype=np.bool_)])
        masks = np.zeros((len(wanted), self.p), dtype=np.bool_)
        masks[:, list(players)] = wanted
        picks = None if self.stand_ins is None else np.tile(self.stand_ins, (len(masks), 1))
        pairs = self.games(self.rows, CoalitionDesign(masks=masks, background=picks))
        first = np.ascontiguousarray(pairs.on.T)
        place = {cut.tobytes(): k for k, cut in enumerate(cuts)}
        turned = [place[(~cut).tobytes()] for cut in cuts]
        last = np.ascontiguousarray(pairs.off.T)[turned]
        return first[: len(cuts)], last, np.stack([first[-1] if others else pairs.outputs, pairs.outputs])


def _study(
    background: Table,
    members: Sequence[Sequence[str]],
    players: tuple[int, ...],
    games: BackgroundGames,
    rng: np.random.Generator,
) -> LinkedPlan:
    b, large = len(background), int(len(players) > MOST_ENUMERATED)
    rows = background.take(_some(b, MOST_ROWS[large], rng))
    stand_ins = _some(b, MOST_STAND_INS[large], rng) if b > MOST_STAND_INS[large] else None
    evaluate = _Evaluated(games, rows, stand_ins, len(members))
    named = [(name, k) for k, place in enumerate(players) for name in members[place]]
    columns = tuple(compared_column(name, background.columns[name]) for name, _ in named)
    owner = np.array([k for _, k in named], dtype=np.int64)
    both = [column.compare(rows.columns[column.feature]) for column in columns]
    scores, codes = np.stack([s for s, _ in both]), np.stack([c for _, c in both])
    cuts, weights, spread = cuts_of(len(players), rng)
    first, last, ends = evaluate(players, cuts)
    responses = np.stack([ends[0] - first, ends[1] - last], axis=1)  # (a, 2, u)
    scale = float(ends[1].std())
    groups = rng.permutation(len(rows)) % N_GROUPS
    by_level = np.array([column.by_level for column in columns])
    kernels = np.zeros((len(cuts), 3))
    centres = rng.permutation(len(rows))[:MOST_CENTRES]
    slopes = np.zeros((len(cuts), 2 * (1 + N_GROUPS), len(centres)))
    intercepts = np.zeros((len(cuts), 2 * (1 + N_GROUPS)))
    variance = np.zeros((len(cuts), 2))
    for k, cut in enumerate(cuts):
        inside = np.flatnonzero(cut[owner])
        at = np.ix_(inside, centres)
        parts = kernel_parts(scores[inside], codes[inside], scores[at], codes[at], by_level[inside])
        alive = np.abs(responses[k]).max(axis=1) > _NOTHING * max(scale, 1e-300)
        if not alive.any():
            continue  # nothing varies, so nothing moves
        found = _fitted(parts, responses[k].T, alive, groups, centres)
        kernels[k], slopes[k], intercepts[k], variance[k] = found
    floor = np.sqrt((weights**2 * variance).sum(axis=(1, 2)))
    if spread is not None:
        floor = np.hypot(floor, _order_error(spread, responses))
    # What players outside the set do to the difference: nothing where both responses are the same.
    bend = np.einsum("ca,au->cu", weights[:, :, 1], responses[:, 1] - responses[:, 0])
    bend -= bend.mean(axis=1, keepdims=True)
    return LinkedPlan(
        players=players,
        columns=columns,
        owner=owner,
        scores=np.ascontiguousarray(scores[:, centres]),
        codes=np.ascontiguousarray(codes[:, centres]),
        cuts=cuts,
        kernels=kernels,
        slopes=slopes,
        intercepts=intercepts,
        weights=weights,
        floor=floor,
        interplay=np.sqrt((bend**2).mean(axis=1)),
        outside=float(np.sqrt((bend.sum(axis=0) ** 2).mean())),
    )


def _some(b: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.choice(b, size=min(b, most), replace=False))


def kernel_parts(
    scores: Floats, codes: NDArray[np.int64], at: Floats, at_codes: NDArray[np.int64], by_level: Floats
) -> tuple[Floats, Floats]:
    """The linear part and E of the kernel between n rows and u centres; see `LinkedPlan`.

    Args:
        scores: Of the rows; float64, (columns, n).
        codes: Of the rows; int64, (columns, n).
        at: Scores of the centres; float64, (columns, u).
        at_codes: Codes of the centres; int64, (columns, u).
        by_level: As `ComparedColumn.by_level`; float64, (columns,).

    Returns:
        Mean over columns of t_j, and the product of e_j; float64, (n, u) each.
    """
    linear, product = np.zeros((scores.shape[1], at.shape[1])), np.ones((scores.shape[1], at.shape[1]))
    for own, code, centre, centre_code, level in zip(scores, codes, at, at_codes, by_level, strict=True):
        same = (code[:, None] == centre_code) & (code[:, None] >= 0)
        linear += np.where(same, own[:, None] * centre + level, 0.0)
        near = 1.0 / (1.0 + ((own[:, None] - centre) / SMOOTH_LENGTH) ** 2)
        product *= np.where(same, near, MISMATCH)
    return linear / len(scores), product


def mixed(kernel: Sequence[float], linear: Floats, product: Floats) -> Floats:
    """The kernel from its parts."""
    return kernel[0] * linear + kernel[1] * product + kernel[2] * product**4


def cuts_of(c: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], Floats, Floats | None]:
    """The cuts of a set of c players, and how the gaps of its players follow from theirs.

    With all cuts, the weight of D(A) for a player in A is a Beta integral, B(a, c - a + 1), for one outside it
    -B(a + 1, c - a); a share of a / (c + 1), or (a + 1) / (c + 1), of the players outside the set is there on average.
    For larger sets the cuts are the beginnings of random orders and of the same orders turned round.

    Returns:
        Cuts, bool, (a, c), with each one's complement; weights, float64, (c, a, 2); and the weights of each pair of
        orders where cuts are sampled, float64, (orders, c, a, 2).
    """
    if c <= MOST_ENUMERATED:
        cuts = (np.arange(1, 2**c - 1)[:, None] >> np.arange(c) & 1).astype(np.bool_)
        weights = np.empty((c, len(cuts), 2))
        for k, cut in enumerate(cuts):
            a = int(cut.sum())
            inside = factorial(a - 1) * factorial(c - a) / factorial(c)
            outside = -factorial(a) * factorial(c - a - 1) / factorial(c)
            weights[:, k] = np.where(cut[:, None], inside * _share(a, c), outside * _share(a + 1, c))
        return cuts, weights, None
    n_orders = int(np.clip(round(SAMPLED_CUTS / 2 / (c - 1)), FEWEST_ORDERS, MOST_ORDERS))
    order = [rng.permutation(c) for _ in range(n_orders)]
    place: dict[bytes, int] = {}
    found: list[NDArray[np.bool_]] = []
    entries: list[tuple[int, int, int, Floats]] = []
    for which, one in enumerate(order):
        for way in (one, one[::-1]):
            held = np.zeros(c, dtype=np.bool_)
            for a, player in enumerate(way[:-1].tolist(), start=1):
                held[player] = True
                k = place.setdefault(held.tobytes(), len(found))
                if k == len(found):
                    found.append(held.copy())
                entries.append((which, player, k, 0.5 * _share(a, c)))
                entries.append((which, int(way[a]), k, -0.5 * _share(a + 1, c)))
    each = np.zeros((n_orders, c, len(found), 2))
    for which, player, k, weight in entries:
        each[which, player, k] += weight
    return np.array(found), each.mean(axis=0), each


def _share(a: int, c: int) -> Floats:
    later = a / (c + 1)
    return np.array([1.0 - later, later])


def _order_error(each: Floats, responses: Floats) -> Floats:
    """Standard error of gaps that comes from few orders; root mean square over rows, (c,).

    Responses vary more than what is regressed on, so it is a bound.
    """
    found = np.einsum("ocar,aru->ocu", each, responses)
    return np.asarray(np.sqrt((found.std(axis=0, ddof=1) ** 2).mean(axis=1) / len(each)))


def _fitted(
    parts: tuple[Floats, Floats],
    responses: Floats,
    alive: NDArray[np.bool_],
    groups: NDArray[np.int64],
    centres: NDArray[np.int64],
) -> tuple[Floats, Floats, Floats, Floats]:
    """Kernel, slopes and intercepts with and without each group, and mean posterior variance of both responses.

    Args:
        parts: Of the kernel between the rows and the centres; float64, (rows, u) each.
        responses: float64, (rows, 2).
        alive: Responses that vary; bool, (2,).
        groups: Group of each row; int64, (rows,).
        centres: The rows that are centres; int64, (u,).
    """
    own = tuple(part[centres] for part in parts)
    best: tuple[float, tuple[float, float, float], Floats] | None = None
    for kernel in _KERNELS:
        losses = _losses(mixed(kernel, own[0], own[1]), responses[centres])
        loss = float(losses.min(axis=0)[alive].sum())
        if best is None or loss < best[0]:
            best = (loss, kernel, np.array(_NOISES)[losses.argmin(axis=0)])
    if best is None:
        raise AssertionError("there are kernels")
    _, kernel, noises = best
    gram, prior = mixed(kernel, *parts), mixed(kernel, own[0], own[1])
    slopes, intercepts = np.zeros((2 * (1 + N_GROUPS), len(centres))), np.zeros(2 * (1 + N_GROUPS))
    variance = np.zeros(2)
    for r in np.flatnonzero(alive).tolist():
        slopes[r], intercepts[r], variance[r] = regress(gram, prior, responses[:, r], float(noises[r]))
        for g in range(N_GROUPS):
            kept, place = groups != g, 2 * (1 + g) + r
            slopes[place], intercepts[place], _ = regress(gram[kept], prior, responses[kept, r], float(noises[r]))
    return np.array(kernel), slopes, intercepts, variance


def regress(gram: Floats, prior: Floats, response: Floats, noise: float) -> tuple[Floats, float, float]:
    """Posterior mean of a Gaussian process with a free constant, seen through u centres.

    With G the kernel between n rows and the centres and K that of the centres, f = constant + G s, s drawn with the
    covariance K^-1 (subset of regressors; Rasmussen & Williams 2006, section 8.3.1); with all rows as centres it is the
    process itself.

    Args:
        gram: G; float64, (n, u).
        prior: K; float64, (u, u).
        response: float64, (n,).
        noise: Variance of the noise in units of the kernel's.

    Returns:
        s, float64, (u,); the constant; and the mean posterior variance of f at the rows.
    """
    from scipy.linalg import cho_factor, cho_solve  # noqa: PLC0415 (heavy: loaded when used)

    n = len(gram)
    matrix = noise * prior + gram.T @ gram
    # Smooth kernels make K all but singular: this much of its trace is far below the noise.
    matrix[np.diag_indices_from(matrix)] += _JITTER * (np.trace(matrix) + noise)
    factor = cho_factor(matrix, lower=True, check_finite=False)
    ones = gram.sum(axis=0)
    weights = 1.0 - gram @ cho_solve(factor, ones, check_finite=False)
    constant = float(weights @ response) / float(weights.sum())
    centred = response - constant
    slopes = cho_solve(factor, gram.T @ centred, check_finite=False)
    scale = max(float(centred @ (centred - gram @ slopes)) / noise / (n - 1), 0.0)
    spread = float((gram * cho_solve(factor, gram.T, check_finite=False).T).sum()) / n
    return np.asarray(slopes, dtype=np.float64), constant, scale * noise * spread


def _losses(gram: Floats, responses: Floats) -> Floats:
    """Negative restricted log likelihood, its scale profiled out, for every noise; float64, (noises, 2)."""
    u = len(gram)
    values, vectors = np.linalg.eigh(gram)
    ones, turned = vectors.sum(axis=0), vectors.T @ responses
    found = []
    for noise in _NOISES:
        inverse = 1.0 / (np.maximum(values, 0.0) + noise)
        total = float(ones**2 @ inverse)
        squares = (turned**2).T @ inverse - ((turned.T @ (ones * inverse)) ** 2) / total
        found.append(0.5 * ((u - 1) * np.log(np.maximum(squares, 1e-300)) - np.log(inverse).sum() + np.log(total)))
    return cast("Floats", np.array(found))
