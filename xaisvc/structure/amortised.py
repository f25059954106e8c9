"""The conditional second opinion prepared at registration: what the law of the data moves, as a function of the row.

For players that fall into sets which are independent of each other, and a cut A of the set C, the tower rule gives

    v_c(A) - v_m(A) = E[ v_m(C)(X) - v_m(A)(X) | X_A = x_A ]

where v_m(S)(X) is the interventional coalition value of a random row X: what the background rows say of each other is
all that is needed, and a regression on the columns of A gives the difference for any row. With all players outside the
set at their own values the same holds for v_m(everybody) - v_m(everybody but C without A); coalitions in between are
taken to lie on the line between the two, which is exact where players outside act on the difference one by one.

The regression is the posterior mean of a Gaussian process with a free constant on normal scores of ranks. Errors come
from leaving out groups of background rows (Efron & Stein 1981, the jackknife) and from the posterior variance.

A gap is a weighted sum over cuts. Sets of up to three players keep them; in larger ones each player's sum is learnt in
its turn, as one function of all columns of the set, which a row reads some thirty times faster. What that loses is
measured on background rows that were left out, and part of the error.

Larger sets are studied on some rows and a few orders. A model that adds up and goes with scores by lines needs neither:
what it moves is known from covariances, for many orders and on all picked rows, and for as many stand-ins from means.
Gaps are corrected by the difference of this to the same with the rows, orders and stand-ins studied (control variates;
Glasserman 2003, section 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xaisvc.structure.opinion_columns import compared_columns, uneven
from xaisvc.structure.opinion_cuts import MOST_ENUMERATED, Cuts, Line, cuts_of, linear_orders, order_error
from xaisvc.structure.opinion_fit import Regression, column_parts, likeliest, mixed, regress
from xaisvc.types.sampling import CoalitionDesign
from xaisvc.types.second_opinion import LinkedPlan, OpinionPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.types.sampling import PairValues
    from xaisvc.types.second_opinion import ComparedColumn
    from xaisvc.types.table import Table

    Floats = NDArray[np.float64]

FEWEST_ROWS = 50
"""Background rows below which nothing is told."""

MOST_KEPT = 3
"""Players of a set up to which the functions of its cuts are kept; in larger ones their sums are learnt."""

MOST_ROWS = (500, 300)
"""Background rows that a regression rests on, in sets whose cuts are all taken and in larger ones."""

MOST_STAND_INS = (500, 200)
"""Background rows that a coalition value is averaged over, likewise."""

MOST_LEARNT = 600
"""Background rows on which the sums of larger sets are learnt."""

MOST_PLAYERS = 60
"""Players of a set up to which something is told."""

MOST_UNEVEN = 0.05
"""Share of the outputs' deviation that rare levels may leave to the error of a player's gap, as `uneven` has it: with
more, errors would hide whatever there is to tell."""

UNEVEN = "the model tells rare levels that stand for nearly the same number too far apart for a second opinion"

N_GROUPS = 8
"""Groups of rows that are left out in turn."""

MOST_CENTRES = 150
"""Centres of a regression."""

LEARNT_CENTRES = 96
"""Centres of the functions that sums are learnt as."""

MOST_JUDGES = (150, 100)
"""Centres on which its scales are chosen, likewise."""

_KERNELS = ((1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (1.0, 0.3, 0.3), (1.0, 0.0, 1.0), (0.3, 0.0, 2.0))
_LEARNT_KERNELS = ((1.0, 1.0, 0.0), (1.0, 1.0, 0.3), (1.0, 0.3, 1.0))
_LEARNT_NOISES = (1e-3, 1e-2, 1e-1, 1.0)
_NEIGHBOURS = 5.0
"""In sets of more players than these, neighbouring cuts err so much alike that gaps, which are differences between
them, err less than if each erred alone: by this over the number of players, in development games of 8 to 30."""
_NOTHING = 1e-9  # share of the outputs' deviation below which a response is no response
_SAME = 1e-6  # and below which two responses are the same


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
    rows, a larger one up to 300 * 200 * 2 * (a + 1) for its a cuts, at most 156, and 4 (c - 1) in sets of more than 38
    players, and 600 * 200 * 2 * c for what players add. Memory is for 2 c matrices of 600 x 150 numbers.

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
    reasons: dict[str, None] = {}
    sets, unstudied = [], []
    for one in wanted:
        names = [name for place in one for name in members[place]]
        columns: tuple[ComparedColumn, ...] = ()
        reason = ""
        if b < FEWEST_ROWS:
            reason = f"{b} background rows are fewer than the {FEWEST_ROWS} that a second opinion needs"
        elif len(one) > MOST_PLAYERS:
            reason = f"a set of more than {MOST_PLAYERS} dependent players is too large for a second opinion"
        else:
            columns, unread = compared_columns({name: background.columns[name] for name in names})
            if unread:
                reason = f"too many rows hold rare levels of {', '.join(unread)} for a second opinion"
        made = None if reason else _study(background, members, one, columns, games, rng)
        if made is None:
            reasons[reason or UNEVEN] = None
            unstudied.append(one)
        else:
            sets.append(made)
    return OpinionPlan(
        n_players=p, sets=tuple(sets), unstudied=tuple(unstudied), reason="; ".join(reasons), n_background=b
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

    def added(self, players: tuple[int, ...], rows: Table) -> Floats:
        """What each player adds, the mean of coming first and coming last, but for a constant; float64, (c, n)."""
        masks = np.zeros((len(players), self.p), dtype=np.bool_)
        masks[np.arange(len(players)), list(players)] = True
        picks = None if self.stand_ins is None else np.tile(self.stand_ins, (len(masks), 1))
        pairs = self.games(rows, CoalitionDesign(masks=masks, background=picks))
        return np.ascontiguousarray((pairs.on + pairs.outputs[:, None] - pairs.off).T) / 2


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows and centres of a set as its kernels see them; the first `fitted` rows have coalition values.

    Attributes:
        lines: Sum of t_j over each player's columns; float64, (c, n, u).
        nears: Product of e_j over each player's columns; float64, (c, n, u).
        mean: Mean of t_j and of e_j over all columns; float64, (n, u) each.
        widths: Columns of each player; int64, (c,).
        centres: The rows that are centres; int64, (u,).
        judges: Places of the centres on which scales are chosen; int64.
        groups: Group of each row; int64, (n,).
        fitted: Rows with coalition values.
    """

    lines: Floats
    nears: Floats
    mean: tuple[Floats, Floats]
    widths: NDArray[np.int64]
    centres: NDArray[np.int64]
    judges: NDArray[np.int64]
    groups: NDArray[np.int64]
    fitted: int

    def parts(self, cut: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """The linear part and E between all rows and the centres."""
        players = np.flatnonzero(cut).tolist()
        linear, product = self.lines[players[0]].copy(), self.nears[players[0]].copy()
        for player in players[1:]:
            linear += self.lines[player]
            product *= self.nears[player]
        linear /= self.widths[players].sum()
        return linear, product

    def fit(
        self, parts: tuple[Floats, Floats], responses: Floats, alive: NDArray[np.bool_]
    ) -> tuple[tuple[float, float, float], Floats, list[Regression]]:
        """Kernel, gram matrix of all rows and one regression for each response that is alive; (n, m) responses."""
        at = self.centres[self.judges]
        own = tuple(part[np.ix_(at, self.judges)] for part in parts)
        found = [(*likeliest(mixed(kernel, *own), responses[at], alive), kernel) for kernel in _KERNELS]
        _, noises, kernel = min(found, key=lambda one: one[0])
        gram = mixed(kernel, *parts)
        prior, groups = gram[self.centres], self.groups[: self.fitted]
        return (
            kernel,
            gram,
            [
                regress(gram[: self.fitted], prior, responses[:, [r]], float(noises[r]), groups)
                for r in np.flatnonzero(alive).tolist()
            ],
        )


def _study(  # noqa: PLR0913, PLR0917 - what is studied of one set
    background: Table,
    members: Sequence[Sequence[str]],
    players: tuple[int, ...],
    columns: tuple[ComparedColumn, ...],
    games: BackgroundGames,
    rng: np.random.Generator,
) -> LinkedPlan | None:
    b, c = len(background), len(players)
    large, learns = int(c > MOST_ENUMERATED), c > MOST_KEPT
    picked = rng.permutation(b)[: max(MOST_ROWS[large], MOST_LEARNT if learns else 0)]
    fitted = min(MOST_ROWS[large], b)
    drawn = rng.permutation(len(picked) if large else b)[: MOST_STAND_INS[large]] if b > MOST_STAND_INS[large] else None
    stand_ins = None if drawn is None else np.sort(picked[drawn] if large else drawn)
    evaluate = _Evaluated(games, background.take(picked[:fitted]), stand_ins, len(members))
    owner = np.array([k for k, place in enumerate(players) for _ in members[place]], dtype=np.int64)
    rows = background.take(picked)
    both = [column.compare(rows.columns[column.feature]) for column in columns]
    scores, codes = np.stack([s for s, _ in both]), np.stack([c for _, c in both])
    centres = np.arange(min(MOST_CENTRES, fitted))
    seen = _seen((scores, codes), columns, owner, centres, fitted, MOST_JUDGES[large])
    cuts = cuts_of(c, rng)
    first, last, ends = evaluate(players, cuts.held)
    responses = np.stack([ends[0] - first, ends[1] - last], axis=1)  # (a, 2, rows)
    added = evaluate.added(players, rows) if large else None
    if added is not None and drawn is not None:
        # What a player adds to few stand-ins is off by the same for every row, and so are the cuts that leave it out.
        off = added.mean(axis=1) - added[:, drawn].mean(axis=1)
        responses -= (~cuts.held @ off)[:, None, None]
    scale = max(float(ends[1].std()), 1e-300)
    one_by_one = added
    if one_by_one is None:
        one_by_one = first[
            [int(np.flatnonzero((cuts.held == own).all(axis=1))[0]) for own in np.eye(c, dtype=np.bool_)]
        ]
    n = one_by_one.shape[1]
    rough = uneven(columns, owner, scores[:, :n], codes[:, :n], one_by_one)
    if rough.max() > MOST_UNEVEN * scale:
        return None
    # What players outside the set do to the difference: nothing where both responses are the same.
    change = responses[:, 1] - responses[:, 0]
    bend = cuts.weights[:, :, 1] @ change
    bend -= bend.mean(axis=1, keepdims=True)
    squares = cuts.weights**2  # also where both responses are one: the scales of errors were chosen like this
    if np.abs(change).max() <= _SAME * scale:
        squares = squares.sum(axis=2, keepdims=True)
        responses = responses[:, :1]
        cuts = replace(cuts, weights=cuts.weights.sum(axis=2, keepdims=True), each=cuts.each.sum(axis=3, keepdims=True))
    if learns:
        line = None if added is None else Line.of(scores, owner, added, fitted, cuts.orders, linear_orders(c, rng))
        made = _learnt(seen, cuts, squares, line, responses, _NOTHING * scale)
    else:
        made = _all_cuts(seen, cuts.held, squares, responses, _NOTHING * scale)
    u = made.slopes.shape[3]
    return LinkedPlan(
        players=players,
        columns=columns,
        owner=owner,
        scores=np.ascontiguousarray(scores[:, centres[:u]]),
        codes=np.ascontiguousarray(codes[:, centres[:u]]),
        cuts=np.ones((1, c), dtype=np.bool_) if learns else cuts.held,
        by_product=not learns,
        kernels=made.kernels,
        slopes=made.slopes.astype(np.float32),
        intercepts=made.intercepts,
        weights=np.eye(c)[:, None] if learns else cuts.weights,
        floor=np.hypot(made.floor, rough),
        interplay=np.sqrt((bend**2).mean(axis=1)),
        outside=float(np.sqrt((bend.sum(axis=0) ** 2).mean())),
        studied=len(cuts.held),
    )


def _seen(  # noqa: PLR0913, PLR0917 - what rows are compared by
    compared: tuple[Floats, NDArray[np.int64]],
    columns: Sequence[ComparedColumn],
    owner: NDArray[np.int64],
    centres: NDArray[np.int64],
    fitted: int,
    most_judges: int,
) -> _Rows:
    scores, codes = compared
    n, c = scores.shape[1], int(owner.max()) + 1
    lines, nears = np.zeros((c, n, len(centres))), np.ones((c, n, len(centres)))
    total = np.zeros((n, len(centres)))
    for j, column in enumerate(columns):
        at, at_codes = scores[j, centres], codes[j, centres]
        line, near = column_parts(scores[j], codes[j], at, at_codes, column.by_level)
        lines[owner[j]] += line
        nears[owner[j]] *= near
        total += near
    return _Rows(
        lines=lines,
        nears=nears,
        mean=(lines.sum(axis=0) / len(columns), total / len(columns)),
        widths=np.bincount(owner, minlength=c),
        centres=centres,
        judges=np.arange(min(most_judges, len(centres))),
        groups=np.arange(n) % N_GROUPS,  # rows are in random order
        fitted=fitted,
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """Functions of a plan; see `LinkedPlan`."""

    kernels: Floats
    slopes: Floats
    intercepts: Floats
    floor: Floats


def _all_cuts(seen: _Rows, cuts: NDArray[np.bool_], squares: Floats, responses: Floats, nothing: float) -> _Made:
    a, m, u = len(cuts), responses.shape[1], len(seen.centres)
    made = _Made(
        kernels=np.zeros((a, 3)),
        slopes=np.zeros((a, m, 1 + N_GROUPS, u)),
        intercepts=np.zeros((a, m, 1 + N_GROUPS)),
        floor=np.zeros(len(squares)),
    )
    variance = np.zeros((a, m))
    for k, cut in enumerate(cuts):
        alive = np.abs(responses[k]).max(axis=1) > nothing
        if not alive.any():
            continue  # nothing varies, so nothing moves
        made.kernels[k], _, found = seen.fit(seen.parts(cut), responses[k].T, alive)
        for r, one in zip(np.flatnonzero(alive).tolist(), found, strict=True):
            made.slopes[k, r], made.intercepts[k, r] = one.slopes[0], one.intercepts[0]
            variance[k, r] = one.variance[0]
    made.floor[:] = np.sqrt((squares * variance).sum(axis=(1, 2)))
    return made


def _learnt(  # noqa: PLR0913, PLR0917 - what sums are learnt from
    seen: _Rows, cuts: Cuts, squares: Floats, line: Line | None, responses: Floats, nothing: float
) -> _Made:
    """The sums over cuts at all rows, and one regression that gives them from all columns."""
    weights = cuts.weights
    c, n, u = len(weights), seen.lines.shape[1], min(LEARNT_CENTRES, len(seen.centres))
    sums = np.zeros((c, 1 + N_GROUPS, n))
    moved = np.zeros((*responses.shape[:2], n), dtype=np.float32)
    variance = np.zeros(responses.shape[:2])
    for k, cut in enumerate(cuts.held):
        alive = np.abs(responses[k]).max(axis=1) > nothing
        if not alive.any():
            continue
        _, gram, found = seen.fit(seen.parts(cut), responses[k].T, alive)
        for r, one in zip(np.flatnonzero(alive).tolist(), found, strict=True):
            values = one.slopes[0] @ gram.T + one.intercepts[0][:, None]  # (1 + g, rows)
            counts = np.flatnonzero(weights[:, k, r])
            sums[counts] += weights[counts, k, r][:, None, None] * values
            moved[k, r], variance[k, r] = values[0], one.variance[0]
    by_order, alike = np.zeros(c), 1.0
    if line is not None:
        # The jackknife is that of the rows with coalition values; by the lines of all rows gaps err less.
        sums[:, 1:] = sums[:, :1] + np.sqrt(seen.fitted / n) * (sums[:, 1:] - sums[:, :1])
        sums += line.missed[:, None]
        orders = cuts.each.reshape(len(cuts.each) * c, -1) @ moved.reshape(-1, n)
        by_order = order_error(orders.reshape(len(cuts.each), c, n) - line.each)
        alike = _NEIGHBOURS / c
        squares = weights**2
    targets = sums.reshape(-1, n).T
    best: tuple[float, tuple[float, float, float], Regression] | None = None
    for kernel in _LEARNT_KERNELS:
        gram = mixed(kernel, seen.mean[0][:, :u], seen.mean[1][:, :u])
        for noise in _LEARNT_NOISES:
            found_one = regress(gram, gram[seen.centres[:u]], targets, noise, seen.groups)
            loss = float(np.square(found_one.left_out[:, :: 1 + N_GROUPS]).sum())
            if best is None or loss < best[0]:
                best = (loss, kernel, found_one)
    if best is None:
        raise AssertionError("there are kernels")
    _, kernel, student = best
    lost = np.sqrt(np.square(student.left_out[:, :: 1 + N_GROUPS]).mean(axis=0))
    apart = (squares * variance).sum(axis=(1, 2)) * alike**2
    floor = np.sqrt(apart + by_order**2 + lost**2)
    return _Made(
        kernels=np.array([kernel]),
        slopes=student.slopes[:, 0].reshape(1, c, 1 + N_GROUPS, u),
        intercepts=student.intercepts[:, 0].reshape(1, c, 1 + N_GROUPS),
        floor=floor,
    )
