"""Reads requests: which model, what it comes to, what it costs, and its rows. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.engine.commands import RowOutcome
from xaisvc.engine.costs import check_cost
from xaisvc.engine.fact_dates import latest_day, read_fact_dates
from xaisvc.engine.permissions import check_command
from xaisvc.engine.stages import Stage
from xaisvc.errors import InvalidRequestError, LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.engine.commands import ExplainCommand, ServiceLimits
    from xaisvc.engine.models import Framed, ServedModel, ServedModels
    from xaisvc.engine.stages import Stages
    from xaisvc.engine.surroundings import Surroundings
    from xaisvc.errors import FieldViolation
    from xaisvc.rights import Rates
    from xaisvc.types import Caller, FactDates, Table

STREAM_BATCH_ROWS = 1024
STREAM_BATCH_MODEL_ROWS = 1_000_000
"""About a second of work: results come as they come, and nobody else waits longer than that for a turn."""
LEAST_STREAM_ROWS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request whose rows have been read and whose cost is known and allowed.

    Attributes:
        command: What was asked for. Its rows are in `table` and its days in `fact_dates`, not here.
        model: The version of the model that answers.
        framed: What all answers share.
        table: The rows that fit the schema.
        indices: Their positions among the rows of the request; intp.
        failed: What became of the other rows, by position.
        count: Number of rows in the request.
        fact_dates: What days the facts of each row of the request are from; empty if not said.
    """

    command: ExplainCommand
    model: ServedModel
    framed: Framed
    table: Table
    indices: NDArray[np.intp]
    failed: Mapping[int, RowOutcome]
    count: int
    fact_dates: Sequence[FactDates] = ()

    def batch_rows(self, wanted: int) -> int:
        """How many rows a batch holds when the request is answered as a stream.

        Args:
            wanted: What the caller asks for; 0 for the service's choice.
        """
        affordable = max(LEAST_STREAM_ROWS, STREAM_BATCH_MODEL_ROWS // self.framed.model_rows)
        return min(wanted or STREAM_BATCH_ROWS, STREAM_BATCH_ROWS, affordable)


class Requests:
    """Reads requests.

    Args:
        models: The models.
        rates: Takes rows from what a caller may send in a minute.
        surroundings: Clocks.
        stages: Told how long it takes.
    """

    def __init__(self, models: ServedModels, rates: Rates, surroundings: Surroundings, stages: Stages) -> None:
        self._models = models
        self._rates = rates
        self._clock = surroundings.clock
        self._now = surroundings.now
        self._stages = stages

    def read(self, command: ExplainCommand, caller: Caller, limits: ServiceLimits) -> Prepared:
        """Reads a request.

        Args:
            command: What to explain, and how.
            caller: Who asks.
            limits: What it may ask for.

        Raises:
            NotFoundError: If the bundle or the output is not known to this caller.
            NotAllowedError: If the caller may not have what they ask for.
            InvalidRequestError: If a parameter is wrong.
            LimitExceededError: If the request costs more than allowed.
        """
        began = self._clock()
        model = self._models.find(command.bundle, caller)
        check_command(command, caller)
        count = _count_rows(command.rows)
        if count == 0:
            raise InvalidRequestError.of("rows", "there are no rows; send at least one", "NO_ROWS")
        if count > limits.max_rows:
            raise LimitExceededError(
                f"rows: {count} rows, but one request may hold {limits.max_rows}; split the request"
            )
        self.take(caller, count)
        framed = model.framed(command)
        check_cost(limits, command, framed, count)
        fact_dates, misdated = read_fact_dates(model.description, command.fact_dates, count, latest_day(self._now()))
        table, indices, violations = model.rows.each(command.rows)
        failed = {
            index: _unfit(
                index, (*violations.get(index, ()), *misdated.get(index, ())), dates_only=index not in violations
            )
            for index in sorted(violations.keys() | misdated.keys())
        }
        if misdated:
            good = [place for place, index in enumerate(indices.tolist()) if index not in misdated]
            table, indices = table.take(good), indices[good]
        self._stages.spent(Stage.PARSE, model.name, command.method, began, self._clock())
        return Prepared(
            command=replace(
                command, rows=(), fact_dates=()
            ),  # as they were written they take several times the memory of the table
            model=model,
            framed=framed,
            table=table,
            indices=indices,
            failed=failed,
            count=count,
            fact_dates=fact_dates,
        )

    def glance(self, command: ExplainCommand, caller: Caller, limits: ServiceLimits) -> Prepared | None:
        """Reads a usual request of one row that is right, of a kind that was read before; None for every other.

        Nothing is taken from the caller's rows: `take` does that. Raises as `read` does.
        """
        rows = command.rows
        if isinstance(rows, Mapping) or len(rows) != 1:
            return None
        began = self._clock()
        model = self._models.find(command.bundle, caller)
        check_command(command, caller)
        framed = model.known(command)
        if framed is None:
            return None
        check_cost(limits, command, framed, 1)
        table = model.rows.plain(rows[0])
        if table is None:
            return None
        self._stages.spent(Stage.PARSE, model.name, command.method, began, self._clock())
        return Prepared(command=command, model=model, framed=framed, table=table, indices=_FIRST, failed={}, count=1)

    def take(self, caller: Caller, rows: int) -> None:
        """Takes rows from what a caller may send in a minute.

        Raises:
            BusyError: If there are too few left; says when to come back.
        """
        self._rates.take(caller, rows)


_FIRST = np.zeros(1, dtype=np.intp)


def _unfit(index: int, violations: tuple[FieldViolation, ...], *, dates_only: bool) -> RowOutcome:
    """A row that is not explained, as its values or their days cannot be."""
    error = (
        "the days given for its facts do not fit" if dates_only else "the row does not fit the model's feature schema"
    )
    return RowOutcome(index=index, record=None, violations=violations, error=error)


def _count_rows(rows: Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]]) -> int:
    if isinstance(rows, Mapping):
        return max((len(column) for column in rows.values()), default=0)
    return len(rows)
