"""From coalitions to model rows: the only place where rows multiply.

A coalition keeps the explained row's values for its players and takes a background row's values for all others. With m
coalitions and b background rows that makes m * b model rows; they are built and scored in chunks, so memory stays
bounded whatever m and b are. Knows nothing of how the values are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.errors import ModelOutputError
from xaisvc.types import Space, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from xaisvc.types import Players, Problem
    from xaisvc.types.table import Column

# Model rows per call beyond which the intermediates of common networks leave the L2 cache and throughput falls by a
# quarter to a third; below it the cost of a call is already spread thin.
PREFERRED_BATCH_ROWS = 4096

HYBRID_ROWS = "rows that mix the explained row with background rows"


def hybrid_rows(
    row: Table,
    background: Table,
    masks: NDArray[np.bool_],
    players: Players,
    picks: NDArray[np.int64] | None = None,
) -> Table:
    """Every coalition mixed with every background row, or with those picked for it.

    Args:
        row: The explained row, one row.
        background: b rows that stand in for absent players.
        masks: Coalitions, True where a player keeps the row's values; bool, (m, p).
        players: The p players.
        picks: Background rows of each coalition; int64, (m, d). None for all b in every coalition.

    Returns:
        m * d rows, d = b without picks; the rows of coalition i are i * d to (i + 1) * d - 1, in the order of the
        background or of its picks.
    """
    columns: dict[str, Column] = {}
    for player, members in enumerate(players.members):
        present = masks[:, player]
        for name in members:
            stand_in = background.columns[name]
            mixed = np.tile(stand_in, (len(masks), 1)) if picks is None else stand_in[picks]
            mixed[present] = row.columns[name][0]
            columns[name] = cast("Column", mixed.reshape(-1))
    return Table({name: columns[name] for name in background.feature_ids})


def score(problem: Problem, rows: Table, what: str) -> NDArray[np.float64]:
    """The model's answers, checked.

    Args:
        problem: Holds the model.
        rows: n model rows.
        what: What the rows are, for the error's text, for example `background rows`.

    Returns:
        float64, (n,), finite, in the problem's space.

    Raises:
        ModelOutputError: If the answers are not finite or not one number per row.
    """
    answers = np.asarray(problem.model(rows), dtype=np.float64)
    if answers.shape != (len(rows),):
        raise ModelOutputError(
            f"the model answered an array of shape {answers.shape} for {len(rows)} {what}; "
            f"an explained output is one number per row, shape ({len(rows)},)"
        )
    finite = np.isfinite(answers)
    if not finite.all():
        n_nan = int(np.isnan(answers).sum())
        n_infinite = len(answers) - int(finite.sum()) - n_nan
        seen = " and ".join(f"{name} for {n}" for name, n in (("NaN", n_nan), ("infinity", n_infinite)) if n)
        remedy = (
            "log-odds of a probability of exactly 0 or 1 are infinite: explain the output in the probability space"
            if n_infinite and problem.space is Space.LOG_ODDS
            else "attributions need finite answers: check how the model treats missing and unusual values"
        )
        raise ModelOutputError(f"the model answered {seen} of {len(answers)} {what}; {remedy}")
    return answers


def score_in_chunks(problem: Problem, rows: Table, what: str, max_batch_rows: int) -> NDArray[np.float64]:
    """As `score`, with at most `max_batch_rows` rows a call."""
    size = min(max_batch_rows, PREFERRED_BATCH_ROWS)
    if len(rows) <= size:
        return score(problem, rows, what)
    return np.concatenate(
        [score(problem, rows.take(slice(start, start + size)), what) for start in range(0, len(rows), size)]
    )


def steady_mean(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the last axis, exact when all numbers are equal.

    A plain sum of equal numbers divided by their count can be off in the last bit, which would give a player that
    changes nothing a value of 1e-17 instead of 0.
    """
    first = answers[..., :1]
    return np.asarray(first[..., 0] + (answers - first).mean(axis=-1))


def base_value(problem: Problem, max_batch_rows: int) -> float:
    """Value of the empty coalition: the mean answer over the background."""
    return float(steady_mean(score_in_chunks(problem, problem.background, "background rows", max_batch_rows)))


class CoalitionValues:
    """The game of one row: v(S) = mean over background rows z of f(row where S, else z).

    Lives for one row of one call and is never shared. Values asked for twice are computed once. Chunks depend on the
    problem and `max_batch_rows` alone, so a row gets the same bits alone and in a batch.

    Attributes:
        none: Value of the empty coalition, the mean output over the background.
        everyone: Value of the coalition of all players, the row's own output.
        n_coalitions: Coalitions between these two that were evaluated so far.
    """

    def __init__(self, problem: Problem, row: Table, max_batch_rows: int, *, none: float, everyone: float) -> None:
        self.none = none
        self.everyone = everyone
        self._problem = problem
        self._row = row
        self._batch_rows = min(max_batch_rows, PREFERRED_BATCH_ROWS)
        self._known: dict[bytes, float] = {}
        self.n_coalitions = 0

    @property
    def n_model_rows(self) -> int:
        """Model rows this row has cost: its coalitions, the background once, and itself."""
        n_background = len(self._problem.background)
        return self.n_coalitions * n_background + n_background + 1

    def matrix(self, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Answers on every coalition and background row; float64, (m, b), for masks bool, (m, p)."""
        n_background = len(self._problem.background)
        answers = np.empty((len(masks), n_background))
        for chunk, slab in self._slabs(masks):
            answers[chunk] = slab
        return answers

    def means(self, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Value v(S) of every coalition; float64, (m,), for masks bool, (m, p)."""
        values = np.empty(len(masks))
        for chunk, slab in self._slabs(masks):
            values[chunk] = steady_mean(slab)
        return values

    def at(self, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        """As `means`, but every coalition is evaluated once in the life of this object."""
        keys = [packed.tobytes() for packed in np.packbits(masks, axis=1)]
        fresh = {key: index for index, key in enumerate(keys) if key not in self._known}
        if fresh:
            found = self.means(masks[list(fresh.values())])
            self._known.update(zip(fresh, found.tolist(), strict=True))
        return np.fromiter((self._known[key] for key in keys), dtype=np.float64, count=len(keys))

    def _slabs(self, masks: NDArray[np.bool_]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """The answers for consecutive coalitions, (coalitions in the slab, b), as few at a time as a batch holds."""
        problem, size = self._problem, self._batch_rows
        n_background = len(problem.background)
        n_together = max(1, size // n_background)
        pieces = (
            [problem.background]
            if n_background <= size
            else [problem.background.take(slice(start, start + size)) for start in range(0, n_background, size)]
        )
        for start in range(0, len(masks), n_together):
            chunk = slice(start, min(start + n_together, len(masks)))
            slab = [
                score(problem, hybrid_rows(self._row, piece, masks[chunk], problem.players), HYBRID_ROWS).reshape(
                    -1, len(piece)
                )
                for piece in pieces
            ]
            self.n_coalitions += chunk.stop - chunk.start
            yield chunk, slab[0] if len(slab) == 1 else np.concatenate(slab, axis=1)
