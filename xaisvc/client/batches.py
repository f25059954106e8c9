"""Answers to many rows, column by column, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.client.answers import RowReply, caveat, digests, row_reply, unknown_word
from xaisvc.types import Caveat, RobustNumber
from xaisvc.wire import LEVEL_FROM_WIRE, SPACE_FROM_WIRE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types import Digests, Level, Space
    from xaisvc.v1 import explanations_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedBatch:
    """The explanations of n rows with p players, and the rows of the same stretch that could not be explained.

    Attributes:
        indices: Position of each explained row in the request; int64, (n,).
        ids: Id of each explanation; n texts.
        players: Names of the players; p texts.
        members: Features that each player stands for; p tuples.
        values: Attributions in `space`; float64, (n, p).
        standard_errors: Standard errors of `values`, zeros if exact; float64, (n, p).
        base_values: Mean output over the background, in `space`; float64, (n,).
        outputs: The explained number, in `space`; float64, (n,).
        predictions: Output tensor, in `prediction_space`; float64, (n,).
        model_evaluations: Model rows scored; int64, (n,).
        exact: Whether the values are exact; bool, (n,).
        caveats: Warnings of each row, most severe first; n tuples.
        reliability: How far each row's explanation may be relied on; n levels.
        details: How the method was chosen for each row; n texts.
        diagnostics: Figures of the method about itself; n mappings.
        method: Name of the method that ran; empty if no row was explained, as are the other texts.
        space: Unit of the attributions; None if no row was explained.
        prediction_space: Unit of the predictions; None if no row was explained.
        model_version: The model's version.
        digests: What was pinned; None if no row was explained.
        failed: The rows that were not explained, each with its error.
        next_row: `first_row` of a request that takes up from here.
        rows: Number of rows in the request.
        batch_caveats: Caveats about the rows of the request as a whole, most severe first; in the first batch only.
    """

    indices: NDArray[np.int64]
    ids: tuple[str, ...]
    players: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    base_values: NDArray[np.float64]
    outputs: NDArray[np.float64]
    predictions: NDArray[np.float64]
    model_evaluations: NDArray[np.int64]
    exact: NDArray[np.bool_]
    caveats: tuple[tuple[Caveat, ...], ...]
    reliability: tuple[Level, ...]
    details: tuple[str, ...]
    diagnostics: tuple[Mapping[str, float], ...]
    method: str
    space: Space | None
    prediction_space: Space | None
    model_version: str
    digests: Digests | None
    failed: tuple[RowReply, ...]
    next_row: int
    rows: int
    batch_caveats: tuple[Caveat, ...]

    def __len__(self) -> int:
        """Number of explained rows n."""
        return len(self.ids)


def streamed_batch(message: explanations_pb2.ExplainStreamResponse) -> StreamedBatch:
    """One message of a stream.

    Raises:
        ServiceError: If the message uses words that this client does not know.
    """
    try:
        return _streamed_batch(message)
    except (KeyError, ValueError, IndexError) as error:
        raise unknown_word(error) from error


def _streamed_batch(message: explanations_pb2.ExplainStreamResponse) -> StreamedBatch:
    found = message.batch
    n, p = len(found.ids), len(found.players)
    has_rows = message.HasField("batch")
    values = np.array(found.values, dtype=np.float64).reshape(n, p)
    return StreamedBatch(
        indices=np.array(found.indices, dtype=np.int64),
        ids=tuple(found.ids),
        players=tuple(player.player for player in found.players),
        members=tuple(tuple(player.features) for player in found.players),
        values=values,
        standard_errors=np.array(found.standard_errors, dtype=np.float64).reshape(n, p)
        if found.standard_errors
        else np.zeros((n, p)),
        base_values=np.array(found.base_values, dtype=np.float64),
        outputs=np.array(found.outputs, dtype=np.float64),
        predictions=np.array(found.predictions, dtype=np.float64),
        model_evaluations=np.array(found.model_evaluations, dtype=np.int64),
        exact=np.array(found.exact, dtype=np.bool_),
        caveats=_caveats(found, n),
        reliability=tuple(LEVEL_FROM_WIRE[level] for level in found.reliability),
        details=_details(found, n),
        diagnostics=tuple({figure.name: figure.value for figure in one.figures} for one in found.diagnostics)
        or ({},) * n,
        method=found.method,
        space=SPACE_FROM_WIRE[found.space] if has_rows else None,
        prediction_space=SPACE_FROM_WIRE[found.prediction_space] if has_rows else None,
        model_version=found.model_version,
        digests=digests(found.digests) if has_rows else None,
        failed=tuple(row_reply(result) for result in message.errors),
        next_row=message.next_row,
        rows=message.rows,
        batch_caveats=tuple(caveat(one) for one in message.batch_caveats),
    )


def _caveats(found: explanations_pb2.ExplanationBatch, n: int) -> tuple[tuple[Caveat, ...], ...]:
    of_row: list[list[Caveat]] = [[] for _ in range(n)]
    for one in found.caveats:
        for place, own in zip(one.places, _of_rows(one), strict=True):
            of_row[place].append(own)
    return tuple(map(tuple, of_row))


def _of_rows(message: explanations_pb2.BatchCaveat) -> Sequence[Caveat]:
    """A caveat as it is said of each of its rows."""
    read, n = caveat(message.caveat), len(message.places)
    if not (message.evidence or message.robust):
        return (read,) * n
    evidence = (read.evidence,) * n
    if message.evidence:
        names = tuple(read.evidence)
        evidence = tuple(dict(zip(names, row, strict=True)) for row in _cut(message.evidence, n))
    robust = (read.robust,) * n
    if message.robust and read.robust is not None:
        players = read.robust.players
        robust = tuple(
            RobustNumber(players=players, value=value, low=low, high=high)
            for value, low, high in _cut(message.robust, n)
        )
    return [
        Caveat(
            kind=read.kind,
            severity=read.severity,
            players=read.players,
            message=read.message,
            evidence=figures,
            robust=number,
            gates=read.gates,
            model_rows=read.model_rows,
        )
        for figures, number in zip(evidence, robust, strict=True)
    ]


def _cut(numbers: Iterable[float], n: int) -> list[list[float]]:
    """The numbers of n rows, row by row.

    Raises:
        ValueError: If they are not as many for each row.
    """
    found: list[list[float]] = np.array(list(numbers)).reshape(n, -1).tolist()
    return found


def _details(found: explanations_pb2.ExplanationBatch, n: int) -> tuple[str, ...]:
    of_row = [""] * n
    for one in found.details:
        for place in one.places or range(n):
            of_row[place] = one.text
    return tuple(of_row)
