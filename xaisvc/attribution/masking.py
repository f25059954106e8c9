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
