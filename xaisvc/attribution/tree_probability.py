"""Exact SHAP values of a probability that is the link of a sum of trees and linear terms."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from math import comb
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.attribution.linear import LinearPart, Matrices, chunks, finished, players_of_columns, why_not_additive
from xaisvc.attribution.masking import score
from xaisvc.attribution.parallel import in_threads
from xaisvc.attribution.tree_routing import Routes
from xaisvc.errors import MethodNotApplicableError
from xaisvc.types import LinearTerm

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.types import AdditiveModel, Attribution, LinkedModel, Players, Problem, Settings, Table

    # Which tests hold, and what linear terms add: of one row, (t,) and (sums, q), or of b, (b, t) and (b, sums, q).
    _Tests = tuple[NDArray[np.bool_], NDArray[np.float64]]

MAX_LINKED_PLAYERS = 20
"""Players that the model depends on: 2^20 coalitions hold 48 MB of numbers for each thread."""
MAX_LINKED_CELLS = 2**27
"""Coalitions times background rows times classes for one explained row: two to three seconds of one core."""
AFFORDABLE_LINKED_CELLS = 2**25
"""As `MAX_LINKED_CELLS`, where nobody asked for exact values by name: less than what sampling the model would cost."""
_TESTS_AT_ONCE = 64_000_000
"""Tests of background rows held at once, one byte each."""
_CELLS_AT_ONCE = 2**16
"""Coalitions times background rows worked out together: half a MB stays in the cache between the steps."""
_ROWS_AT_ONCE = 64
"""Explained rows that are prepared and scored together."""


def why_not_linked(problem: Problem) -> str:
    """Why the exact values of a probability cannot be had from its sums, one sentence; empty if they can."""
    if problem.linked is None:
        return "the explained number is no link of sums of trees and linear terms"
    for model in problem.linked.sums:
        if reason := why_not_additive(replace(problem, additive=model)):
            return reason
    q, b = len(_acting(problem.linked, problem.players)), len(problem.background)
    if q > MAX_LINKED_PLAYERS:
        return (
            f"the model depends on {q} players, and 2^{q} coalitions are too many: the exact values of a probability "
            f"stop at {MAX_LINKED_PLAYERS} players; group them, or ask for space 'log_odds'"
        )
    cells = linked_cells(problem)
    if cells > MAX_LINKED_CELLS:
        return (
            f"{q} players that the model depends on and {b} background rows need {cells:,} evaluations of the link for "
            f"each explained row, and the exact values of a probability stop at {MAX_LINKED_CELLS:,}; group players, "
            "or ask for space 'log_odds'"
        )
    return ""


def linked_cells(problem: Problem) -> int:
    """Evaluations of the link that the exact values of one row need at most; 0 if the problem has no link."""
    if problem.linked is None:
        return 0
    q = len(_acting(problem.linked, problem.players))
    return (1 << q) * len(problem.background) * len(problem.linked.sums)


def explain_linked(problem: Problem, rows: Table, settings: Settings, *, method: str) -> Attribution:
    """Attributes n probabilities exactly.

    With m the sum before the link and z_1 to z_b the background,

        v(S)  = mean over j of link(m(x on S, z_j elsewhere))
        phi_i = sum over S without i of |S|! (q - |S| - 1)! / q! * (v(S + i) - v(S))

    over the q players that the model depends on; all others get exactly 0. m of all 2^q coalitions comes from one walk
    of the trees and one transform for each pair of rows (see `tree_probability_kernel`), not from scoring the model.

    Cost for each row: at most b 2^q (2 q additions and one link), over only those players in which the row and the
    background row differ for the model. Memory: six arrays of 2^q numbers for each thread.

    Args:
        problem: Its `linked` is read.
        rows: n rows of raw features.
        settings: `threads` and `check` are used; no budget and no seed.
        method: Name of the method in the answer.

    Returns:
        Values in the problem's space. `model_evaluations` is 1 per row: the row itself.

    Raises:
        MethodNotApplicableError: If `why_not_linked` is not empty.
        ModelOutputError: If a number is not finite.
        AdditivityError: If values and base value do not sum to the output.
    """
    reason = why_not_linked(problem)
    if reason or problem.linked is None:
        raise MethodNotApplicableError.of("method", reason, "NOT_APPLICABLE")
    games = _games(problem.linked, problem)
    distinct = rows.distinct()
    unique = rows if distinct is None else rows.take(distinct[0])
    values = np.zeros((len(unique), len(problem.players)))
    outputs = np.zeros(len(unique))

    def fill(chunk: slice) -> None:
        part = unique.take(chunk)
        outputs[chunk] = score(problem, part, "explained rows")
        games.add(part, values[chunk], settings)

    size = min(_ROWS_AT_ONCE, settings.max_batch_rows, max(1, -(-len(unique) // max(1, settings.threads))))
    in_threads(fill, list(chunks(len(unique), size)), settings.threads)
    if distinct is not None:
        values, outputs = values[distinct[1]], outputs[distinct[1]]
    b, q = len(problem.background), len(games.acting)
    return finished(
        problem,
        method=method,
        values=values,
        base=games.base,
        outputs=outputs,
        detail=(
            f"all 2^{q} coalitions of the {q} players that the model depends on over {b} background rows, read from "
            f"{games.source} under the {games.link} link instead of from model rows"
        ),
    )


def _games(linked: LinkedModel, problem: Problem) -> _LinkedGames:
    """What does not depend on the rows, from the problem's store if there is one."""
    if problem.plans is None:
        return _LinkedGames(linked, problem)
    key = "linked games " + hashlib.sha256(repr(problem.players.members).encode()).hexdigest()
    kept = problem.plans.keep(
        key, lambda: _LinkedGames(linked, problem), lambda made: cast("_LinkedGames", made).n_bytes
    )
    return cast("_LinkedGames", kept)


def _acting(linked: LinkedModel, players: Players) -> list[int]:
    """Players that the sums depend on, ascending."""
    found: set[int] = set()
    for model in linked.sums:
        for term in model.terms:
            owner = players_of_columns(term.owners, players)
            if isinstance(term, LinearTerm):
                used = np.flatnonzero(term.weights)
            else:
                used = np.unique(term.trees.column[term.trees.column >= 0])
            found.update(owner[used].tolist())
    return sorted(found - {-1})


class _LinkedGames:
    """Sums under a link, with everything worked out that does not depend on the explained rows.

    Attributes:
        acting: The q players that the sums depend on.
        base: Mean probability over the background.
        source: What the sums are made of, in words.
        n_bytes: Memory that the arrays take.
        link: Name of the link.
    """

    def __init__(self, linked: LinkedModel, problem: Problem) -> None:
        self._sums = linked.sums
        self._p, self._count = len(problem.players), len(problem.background)
        self.acting = _acting(linked, problem.players)
        self.link = "logistic" if len(linked.sums) == 1 else "softmax"
        self._routes = routes = Routes(linked.sums, problem.players)
        trees = f"{routes.roots.size} trees" if routes.roots.size else ""
        lines = "linear terms" if any(isinstance(t, LinearTerm) for model in linked.sums for t in model.terms) else ""
        self.source = " and ".join(filter(None, (trees, lines)))
        self._first_tree = np.searchsorted(routes.sum_of, np.arange(len(linked.sums) + 1)).astype(np.int64)
        place = np.full(self._p + 1, -1, dtype=np.int64)
        place[self.acting] = np.arange(len(self.acting))
        self._player = place[routes.player]
        self._nodes = np.argsort(self._player, kind="stable")
        ends = np.arange(len(self.acting) + 1)
        self._starts = np.searchsorted(self._player[self._nodes], ends).astype(np.int64)
        self._linear = [_linear_part(model, problem) for model in linked.sums]
        self._constant = np.array(
            [model.constant + part.base for model, part in zip(linked.sums, self._linear, strict=True)]
        )
        self._weights = _shapley_weights(len(self.acting))
        self._sizes = np.bitwise_count(np.arange(2 ** len(self.acting), dtype=np.uint32))
        self._background = Matrices(problem.background)
        self._back_linear = self._linear_shares(self._background, self._count)
        self._pieces = list(chunks(self._count, max(1, _TESTS_AT_ONCE // max(1, routes.player.size))))
        self._only = self._tests(self._pieces[0]) if len(self._pieces) == 1 else None
        total = 0.0
        for piece in self._pieces:
            sums = routes.sums(self._back_true(piece).T, len(linked.sums)) + self._constant[:, None]
            sums += self._back_linear[piece].sum(axis=2).T
            total += float(_linked(sums).sum())
        self.base = total / self._count
        nodes = self._player.nbytes + self._nodes.nbytes + self._sizes.nbytes + routes.n_bytes
        self.n_bytes = nodes + self._back_linear.nbytes + (0 if self._only is None else self._only.nbytes)

    def _tests(self, piece: slice) -> NDArray[np.bool_]:
        return np.ascontiguousarray(self._routes.truth(self._background, piece).T)

    def _back_true(self, piece: slice) -> NDArray[np.bool_]:
        return self._tests(piece) if self._only is None else self._only

    def _linear_shares(self, matrices: Matrices, n: int) -> NDArray[np.float64]:
        """What each acting player adds to each sum through linear terms, less its mean; float64, (n, sums, q)."""
        found = np.zeros((n, len(self._sums), len(self.acting)))
        for which, part in enumerate(self._linear):
            shares = np.zeros((n, self._p))
            part.add(matrices, shares)
            found[:, which] = shares[:, self.acting]
        return found

    def add(self, rows: Table, values: NDArray[np.float64], settings: Settings) -> None:
        """Adds the attributions of n rows to `values`, float64, (n, p)."""
        from xaisvc.attribution.tree_probability_kernel import differing  # noqa: PLC0415 (heavy: loaded when used)

        matrices, n = Matrices(rows), len(rows)
        row_true = np.ascontiguousarray(self._routes.truth(matrices, slice(0, n)).T)
        row_linear = self._linear_shares(matrices, n)
        for piece in self._pieces:
            back = (self._back_true(piece), self._back_linear[piece])
            for row in range(n):
                own = (row_true[row], row_linear[row])
                masks = differing(own[0], back[0], own[1], back[1], self._nodes, self._starts)
                order = np.argsort(masks, kind="stable")
                # Background rows that differ from the row in the same players share one game: they are added up.
                cuts = np.flatnonzero(np.diff(masks[order])) + 1
                found = np.zeros(len(self.acting))
                for pairs in np.split(order, cuts):
                    self._add_game(own, back, pairs, int(masks[pairs[0]]), found, settings.check)
                values[row, self.acting] += found / self._count

    def _add_game(  # noqa: PLR0913, PLR0917 - one pair of sides, what they share, and the answer
        self,
        own: _Tests,
        back: _Tests,
        pairs: NDArray[np.int64],
        mask: int,
        found: NDArray[np.float64],
        check: Callable[[], None],
    ) -> None:
        """Adds the Shapley values over some background rows that differ from the row in the players of `mask`."""
        from xaisvc.attribution.tree_probability_kernel import add_shapley  # noqa: PLC0415 (heavy: loaded when used)

        players = np.array([who for who in range(len(self.acting)) if mask >> who & 1], dtype=np.int64)
        if not players.size:
            return
        size = 2**players.size
        values = np.zeros(size)
        at_once = max(1, _CELLS_AT_ONCE // size)
        for chunk in chunks(len(pairs), at_once):
            check()
            some = pairs[chunk]
            explained = self._fill(0, own, back, some, players)
            with np.errstate(over="ignore"):  # exp overflows to infinity where the probability is 0
                if len(self._sums) == 1:
                    others = np.exp(np.negative(explained, out=explained), out=explained)
                else:
                    others = np.zeros_like(explained)
                    for which in range(1, len(self._sums)):
                        sums = self._fill(which, own, back, some, players)
                        others += np.exp(np.subtract(sums, explained, out=sums), out=sums)
            others += 1.0
            values += np.reciprocal(others, out=others).sum(axis=0)
        add_shapley(values, players, self._weights[players.size], self._sizes, found)

    def _fill(
        self, which: int, own: _Tests, back: _Tests, pairs: NDArray[np.int64], players: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """One sum for every coalition of `players` and every background row of `pairs`; float64, (pairs, 2^k)."""
        from xaisvc.attribution.tree_probability_kernel import fill_sums  # noqa: PLC0415 (heavy: loaded when used)

        routes = self._routes
        sums = np.empty((len(pairs), 2**players.size))
        fill_sums(
            pairs,
            players,
            own[0],
            back[0],
            own[1][which],
            np.ascontiguousarray(back[1][:, which]),
            self._constant[which],
            self._first_tree[which],
            self._first_tree[which + 1],
            routes.roots,
            self._player,
            routes.is_leaf,
            routes.true_child,
            routes.false_child,
            routes.value,
            routes.depth,
            sums,
        )
        return sums


def _linear_part(model: AdditiveModel, problem: Problem) -> LinearPart:
    return LinearPart([term for term in model.terms if isinstance(term, LinearTerm)], problem)


def _linked(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The link of sums, (sums, n): the probability of the first class; float64, (n,)."""
    with np.errstate(over="ignore"):  # exp overflows to infinity where the probability is 0
        others = np.exp(-sums[0]) if len(sums) == 1 else np.exp(sums[1:] - sums[0]).sum(axis=0)
    return np.asarray(1.0 / (1.0 + others))


def _shapley_weights(most: int) -> NDArray[np.float64]:
    """`[k, s] = s! (k - s - 1)! / k!`, the weight of a coalition of s of k players; float64, (most + 1, most + 1)."""
    found = np.zeros((most + 1, most + 1))
    for k in range(1, most + 1):
        for s in range(k):
            found[k, s] = 1.0 / (k * comb(k - 1, s))
    return found
