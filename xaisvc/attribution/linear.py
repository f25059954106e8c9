"""Exact attributions of linear models, and what all methods that read the model as a sum have in common."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

import numpy as np

from xaisvc.attribution.additive import additive_size
from xaisvc.attribution.observed import LINK_ROUNDING, Answers, link_gaps, sigmoid
from xaisvc.errors import AdditivityError, MethodNotApplicableError, ModelOutputError
from xaisvc.types import Attribution, LinearTerm, Table, TreeTerm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from xaisvc.types import ColumnFunction, Players, Problem, Settings

    Matrix = NDArray[np.float32] | NDArray[np.float64]

Kept = TypeVar("Kept")

_SIZE_ROWS = 16
"""Background rows that tell how large the numbers are that a model adds."""

TOLERANCE = 1e-5
"""How far base value and attributions may be from the model's output, relative to the numbers that were added.

The model adds hundreds of float32 numbers, each rounded to 6e-8 of its size, in an order of its own.
"""

_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class LinearMethod:
    """Exact interventional SHAP values of a sum of weighted columns.

    With weights w and background mean m of the columns c that belong to a player,

        value(player) = sum over its columns of w_c * (x_c - m_c)
        base          = constant + sum over all columns of w_c * m_c

    (Lundberg and Lee, "A unified approach to interpreting model predictions", NeurIPS 2017, corollary 1, which needs no
    independence for interventional values). Exact for groups too, since the values of an additive game add up.
    """

    name: str = field(default="linear", init=False)
    exact: bool = field(default=True, init=False)

    def why_not(self, problem: Problem) -> str:
        """Why the method cannot be used for a problem, one sentence; empty if it can."""
        if problem.additive is None:
            return problem.additive_reason or "the model is no sum of weighted columns"
        if any(isinstance(term, TreeTerm) for term in problem.additive.terms):
            return "the model contains tree ensembles, which are not linear; method 'tree' explains it exactly"
        return why_not_additive(problem)

    def attribute(self, problem: Problem, rows: Table, settings: Settings) -> Attribution:
        """Attributes the outputs of n rows.

        Args:
            problem: A model read as linear terms, and its background.
            rows: n rows of raw features.
            settings: Only `max_batch_rows` matters: the method is exact and takes no budget.

        Returns:
            Values in the problem's space. `model_evaluations` is 1 per row: the row itself. The background goes through
            the preprocessing only, once for all calls if `problem.plans` is there.

        Raises:
            MethodNotApplicableError: If `why_not` is not empty.
            ModelOutputError: If a number is not finite.
            AdditivityError: If values and base value do not sum to the output, or do not give the model's probability;
                see `observed`.
        """
        reason = self.why_not(problem)
        if reason or problem.additive is None:
            raise MethodNotApplicableError.of("method", reason, "METHOD_NOT_APPLICABLE")
        linear = linear_part(problem)
        base = problem.additive.constant + linear.base
        values = np.zeros((len(rows), len(problem.players)))
        answers = Answers(problem, len(rows))
        for chunk in chunks(len(rows), settings.max_batch_rows):
            part = rows.take(chunk)
            matrices = Matrices(part)
            linear.add(matrices, values[chunk])
            answers.fill(chunk, part, base, values[chunk])
        return finished(
            problem,
            method=self.name,
            values=values,
            base=base,
            outputs=answers.outputs,
            predictions=answers.predictions,
            detail=f"closed form of the ONNX graph's linear model over {len(problem.background)} background rows",
        )


class Matrices:
    """The column matrices of some rows; a preprocessing shared by several terms runs once."""

    def __init__(self, rows: Table) -> None:
        self._rows = rows
        self._found: dict[int, Matrix] = {}

    def __call__(self, columns: ColumnFunction, needed: int) -> Matrix:
        """The matrix that a preprocessing makes.

        Args:
            columns: The preprocessing.
            needed: Number of columns that its reader uses.

        Raises:
            ModelOutputError: If the matrix has another number of rows, or fewer columns.
        """
        key = id(columns)
        if key not in self._found:
            self._found[key] = columns(self._rows)
        matrix = self._found[key]
        rows_and_columns = 2
        if matrix.ndim != rows_and_columns or len(matrix) != len(self._rows) or matrix.shape[1] < needed:
            msg = (
                f"the preprocessing gave a matrix of shape {matrix.shape} for {len(self._rows)} rows where the model "
                f"reads {needed} columns; the graph's shapes contradict each other"
            )
            raise ModelOutputError(msg)
        return matrix


class LinearPart:
    """The linear terms of a model, with the background folded into column means.

    Attributes:
        base: Mean of the terms over the background, in output units.
    """

    def __init__(self, terms: Sequence[LinearTerm], problem: Problem) -> None:
        self._terms = tuple(terms)
        self._players = [players_of_columns(term.owners, problem.players) for term in terms]
        self._means: list[NDArray[np.float64]] = []
        self.base = 0.0
        matrices = Matrices(problem.background)
        for term in self._terms:
            used = np.flatnonzero(term.weights)
            matrix = matrices(term.columns, term.weights.size)[:, used].astype(np.float64)
            mean = matrix.mean(axis=0)
            self._means.append(mean)
            self.base += float(mean @ term.weights[used])

    def add(self, matrices: Matrices, values: NDArray[np.float64]) -> None:
        """Adds the attributions of the terms.

        Args:
            matrices: Column matrices of n rows.
            values: Added to in place; float64, (n, p).
        """
        for term, players, mean in zip(self._terms, self._players, self._means, strict=True):
            used = np.flatnonzero(term.weights)
            matrix = matrices(term.columns, term.weights.size)[:, used].astype(np.float64)
            shares = (matrix - mean) * term.weights[used]
            for place, column in enumerate(used):
                if players[column] >= 0:
                    values[:, players[column]] += shares[:, place]


def linear_part(problem: Problem) -> LinearPart:
    """The linear terms of a problem made ready, or what was kept of them; safe to use from several threads."""
    terms = [term for term in (problem.additive.terms if problem.additive else ()) if isinstance(term, LinearTerm)]
    if problem.plans is None or not terms:
        return LinearPart(terms, problem)
    return kept_for((problem,), "linear part", lambda: LinearPart(terms, problem))


def kept_for(
    problems: Sequence[Problem], what: str, make: Callable[[], Kept], n_bytes: Callable[[Kept], int] | None = None
) -> Kept:
    """What additive models, background and players decide, from the problems' store; made anew if there is none.

    Args:
        problems: At least one; all with the same background, players, store and device.
        what: Name of what is kept.
        make: Makes it.
        n_bytes: Size of it; left out if it is small.
    """
    first = problems[0]
    if first.plans is None:
        return make()
    players = first.players
    # A caller's own players are made anew in every call: their members name them. Others are one object.
    custom = players.kind == "custom"
    # What is named by its number is kept with the answer, so that no other object can have got that number meanwhile.
    models = (problem.additive for problem in problems)
    held = (first.background, first.look_up, None if custom else players, *models)
    key = f"{what} {[*map(id, held)]} {_digest(players) if custom else ''}"
    size = (lambda found: n_bytes(cast("tuple[object, Kept]", found)[1])) if n_bytes else _nothing_large
    found = first.plans.keep(key, lambda: (held, make()), size)
    return cast("tuple[object, Kept]", found)[1]


def _nothing_large(_: object) -> int:
    return 0


def _digest(players: Players) -> str:
    return hashlib.sha256(repr(players.members).encode()).hexdigest()[:32]


def players_of_columns(owners: Sequence[frozenset[str]], players: Players) -> NDArray[np.int64]:
    """The player that owns each column.

    Args:
        owners: For each column, the features it depends on.
        players: The players.

    Returns:
        int64, (c,). -1 for a column that depends on no feature; -2 for one that depends on features of several players.
    """
    place = {feature: i for i, members in enumerate(players.members) for feature in members}
    found = np.full(len(owners), -1, dtype=np.int64)
    for column, features in enumerate(owners):
        parties = {place[feature] for feature in features}
        if parties:
            found[column] = parties.pop() if len(parties) == 1 else -2
    return found


def why_not_additive(problem: Problem) -> str:
    """Why exact values cannot be had from a model that is a sum: a column that several players share."""
    if problem.additive is None:
        return problem.additive_reason
    if not len(problem.background):
        return "the background has no rows"
    place = {feature: i for i, members in enumerate(problem.players.members) for feature in members}
    for term in problem.additive.terms:
        if isinstance(term, LinearTerm):
            used = np.flatnonzero(term.weights)
        else:
            tested = term.trees.column
            used = np.unique(tested[tested >= 0])
        for column in used.tolist():
            features = term.owners[column]
            unknown = sorted(features - place.keys())
            if unknown:
                return f"feature '{unknown[0]}' belongs to no player"
            names = sorted({problem.players.names[place[feature]] for feature in features})
            if len(names) > 1:
                listed = ", ".join(f"'{name}'" for name in names[:4]) + (", ..." if len(names) > 4 else "")  # noqa: PLR2004 (enough to recognise)
                return (
                    f"column {column} that reaches the model mixes the players {listed}, so their shares need sampling"
                )
    return ""


def chunks(rows: int, most: int) -> Iterator[slice]:
    """Consecutive slices of at most `most` rows that cover all of them."""
    for start in range(0, rows, most):
        yield slice(start, min(start + most, rows))


def finished(  # noqa: PLR0913 - the parts of an attribution, all by name
    problem: Problem,
    *,
    method: str,
    values: NDArray[np.float64],
    base: float,
    outputs: NDArray[np.float64],
    detail: str,
    predictions: NDArray[np.float64] | None = None,
    size: float | None = None,
) -> Attribution:
    """Checks exact values against the model's outputs and packs them.

    Args:
        problem: The problem.
        method: Name of the method.
        values: float64, (n, p).
        base: Base value of all rows.
        outputs: The explained number of each row; float64, (n,).
        detail: How the values were made.
        predictions: The output tensor of each row, where outputs are log-odds that it checks; float64, (n,).
        size: `sum_size` of the problem, if it is at hand.

    Raises:
        ModelOutputError: If a number is not finite.
        AdditivityError: If values and base value do not sum to the output within `TOLERANCE`, or to log-odds that give
            the predictions, where there are any, within that and `LINK_ROUNDING`.
    """
    least = (sum_size(problem) if size is None else size) + _TINY
    if len(outputs) != 1 or not _clearly_adds_up(values[0], base, outputs[0], predictions, least):
        _check_sums(values, base, outputs, predictions, least)
    return Attribution(
        values=values,
        base_values=np.full(len(outputs), base),
        outputs=outputs,
        standard_errors=np.zeros_like(values),
        method=method,
        exact=True,
        model_evaluations=np.ones(len(outputs), dtype=np.int64),
        detail=detail,
        predictions=predictions,
    )


def _clearly_adds_up(
    values: NDArray[np.float64], base: float, output: float, predictions: NDArray[np.float64] | None, least: float
) -> bool:
    """Whether one row passes with half of what `_check_sums` allows: numpy would cost more than the numbers do."""
    row = values.tolist()
    total = sum(row) + base
    allowed = TOLERANCE * max(sum(map(abs, row)) + abs(base), abs(output), least) / 2
    if not (abs(total - output) <= allowed < np.inf):  # NaN is below nothing
        return False
    if predictions is None:
        return True
    low, high = (0.5 + 0.5 * math.tanh(0.5 * end) for end in (total - allowed, total + allowed))
    return bool(low - LINK_ROUNDING / 2 <= predictions[0] <= high + LINK_ROUNDING / 2)


def _check_sums(
    values: NDArray[np.float64],
    base: float,
    outputs: NDArray[np.float64],
    predictions: NDArray[np.float64] | None,
    least: float,
) -> None:
    """Refuses values that do not add up; see `finished`."""
    with np.errstate(invalid="ignore"):  # of infinite numbers, which are refused below
        totals = values.sum(axis=1) + base
        gap = np.abs(totals - outputs)
        allowed = np.abs(values).sum(axis=1)
        allowed += abs(base)
        allowed = TOLERANCE * np.maximum(np.maximum(allowed, np.abs(outputs)), least)
    # What is not finite makes a gap that is not: NaN is below nothing.
    if not ((gap <= allowed) & (gap < np.inf)).all():
        _refuse(values, base, outputs, gap, allowed)
    if predictions is not None:
        _check_link(totals, allowed, predictions)


def _refuse(
    values: NDArray[np.float64],
    base: float,
    outputs: NDArray[np.float64],
    gap: NDArray[np.float64],
    allowed: NDArray[np.float64],
) -> NoReturn:
    """Says which row's numbers are not finite, or do not sum to its output."""
    finite = np.isfinite(outputs) & np.isfinite(values).all(axis=1)
    if not np.isfinite(base) or not finite.all():
        where = "the background" if not np.isfinite(base) else f"row {int(np.flatnonzero(~finite)[0])}"
        msg = f"the model's number for {where} is not finite; a missing value may reach a model that takes none"
        raise ModelOutputError(msg)
    row = int(np.argmax(gap / allowed))
    total = base + float(values[row].sum())
    msg = (
        f"base value and attributions of row {row} sum to {total:.9g} but the model's output is {outputs[row]:.9g} "
        f"(difference {gap[row]:.3g}, allowed {allowed[row]:.3g}), so the values are not returned; "
        "use method 'permutation' for this model and report it"
    )
    raise AdditivityError(msg)


def sum_size(problem: Problem) -> float:
    """How large the numbers are that the model adds, on the first background rows; 1 for a probability of sums."""
    additive = problem.additive
    if additive is None:
        return 1.0
    rows = problem.background.take(slice(0, _SIZE_ROWS))
    return kept_for((problem,), "size of the terms", lambda: additive_size(additive, rows))


def _check_link(totals: NDArray[np.float64], allowed: NDArray[np.float64], predictions: NDArray[np.float64]) -> None:
    """Refuses log-odds that are not those of the model's probabilities."""
    gaps = link_gaps(totals, allowed, predictions)
    if (gaps > LINK_ROUNDING).any():
        row = int(np.argmax(gaps))
        msg = (
            f"base value and attributions of row {row} sum to log-odds of {totals[row]:.9g}, a probability of "
            f"{sigmoid(totals[row : row + 1])[0]:.9g}, but the model's probability is {predictions[row]:.9g} "
            f"(difference beyond all rounding of the log-odds {gaps[row]:.3g}, allowed {LINK_ROUNDING:.3g}), so the "
            "values are not returned; use method 'permutation' for this model and report it"
        )
        raise AdditivityError(msg)
