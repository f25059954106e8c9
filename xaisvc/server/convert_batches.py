"""Many answers as one message, packed column by column, so that neither side spends time on single values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.server.convert import figures, row_result, timestamp
from xaisvc.server.convert_caveats import set_caveat, set_form
from xaisvc.server.convert_models import digests
from xaisvc.types import Level
from xaisvc.v1 import explanations_pb2
from xaisvc.wire import LEVEL_TO_WIRE, SPACE_TO_WIRE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.engine.commands import AnswerBatch
    from xaisvc.types import AnswerFrame, CaveatTable


def stream_response(batch: AnswerBatch) -> explanations_pb2.ExplainStreamResponse:
    """One message of a stream.

    Args:
        batch: The rows that it answers.
    """
    found = explanations_pb2.ExplainStreamResponse(
        errors=[row_result(outcome) for outcome in batch.failed], next_row=batch.next_row, rows=batch.rows
    )
    if len(batch.answers):
        _fill(found.batch, batch)
        _add_caveats(found.batch, batch.answers.caveats)
    for caveat in batch.batch_caveats:
        set_caveat(found.batch_caveats.add(), caveat)
    return found


def _fill(message: explanations_pb2.ExplanationBatch, batch: AnswerBatch) -> None:
    """Writes everything but the caveats into a message that is still empty; to copy a made one would cost as much."""
    answers = batch.answers
    message.MergeFrom(_frame(batch))
    message.indices.extend(batch.indices)
    message.ids.extend(batch.ids)
    numbers = {
        "predictions": answers.predictions,
        "rank_shares": answers.rank_shares,
        "base_values": answers.base_values,
        "outputs": answers.outputs,
        "values": answers.values,
    }
    if answers.standard_errors is not None:
        numbers["standard_errors"] = answers.standard_errors
    message.MergeFromString(b"".join([_packed(name, one) for name, one in numbers.items()]))
    message.exact.extend(answers.exact)
    message.model_evaluations.extend(answers.model_evaluations.tolist())
    message.bands.extend(answers.bands)
    if answers.adverse[0] is not None:
        message.adverse.extend(map(bool, answers.adverse))
    message.details.extend(_details(answers.details))
    if any(answers.diagnostics):
        message.diagnostics.extend([explanations_pb2.BatchFigures(figures=figures(one)) for one in answers.diagnostics])


def _packed(name: str, numbers: NDArray[np.float64]) -> bytes:
    """A repeated double of a batch as it goes over the wire, row by row: a tenth of what number by number takes."""
    packed = numbers.astype("<f8", copy=False).tobytes()
    number = explanations_pb2.ExplanationBatch.DESCRIPTOR.fields_by_name[name].number
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(packed)) + packed


def _varint(number: int) -> bytes:
    """A whole number in groups of seven bits, the lowest first; all but the last are marked."""
    groups = []
    while number > _SEVEN_BITS:
        groups.append(number & _SEVEN_BITS | _MORE)
        number >>= 7
    return bytes([*groups, number])


def _frame(batch: AnswerBatch) -> explanations_pb2.ExplanationBatch:
    """What all rows share."""
    frame = batch.frame
    return explanations_pb2.ExplanationBatch(
        created_at=timestamp(batch.created_at),
        model=frame.bundle,
        model_version=frame.bundle_version,
        digests=digests(frame.digests),
        device=frame.device,
        answer_version=frame.answer_version,
        output=frame.output,
        prediction_space=SPACE_TO_WIRE[frame.prediction_space],
        space=SPACE_TO_WIRE[frame.space],
        method=frame.method,
        value_function=frame.value_function,
        players_kind=frame.players.kind,
        players=_players(frame),
        seed=frame.seed,
        budget=frame.budget_text,
        portfolio=explanations_pb2.Portfolio(
            rows=frame.portfolio_rows, mean_prediction=frame.portfolio_mean, adverse_share=frame.adverse_share
        ),
    )


def _players(frame: AnswerFrame) -> list[explanations_pb2.BatchPlayer]:
    usual = frame.portfolio_mean_abs or (None,) * len(frame.players)
    return [
        explanations_pb2.BatchPlayer(player=name, features=members, portfolio_mean_abs=mean)
        for name, members, mean in zip(frame.players.names, frame.players.members, usual, strict=True)
    ]


def _details(details: Sequence[str]) -> list[explanations_pb2.BatchText]:
    if len(set(details)) == 1:
        return [explanations_pb2.BatchText(text=details[0])]
    places: dict[str, list[int]] = {}
    for place, detail in enumerate(details):
        places.setdefault(detail, []).append(place)
    return [explanations_pb2.BatchText(text=text, places=found) for text, found in places.items()]


def _add_caveats(message: explanations_pb2.ExplanationBatch, table: CaveatTable) -> None:
    """Each caveat's words once; for every row its own stand in order. And the level that follows from them."""
    n, counts = len(table), np.diff(table.starts)
    levels = [LEVEL_TO_WIRE[level] for level in _LEVELS]
    orders = np.array([form.severity.rank for form in table.forms], dtype=np.intp)
    # The most severe caveat of a row comes first.
    worst = np.full(n, len(levels) - 1)
    worst[counts > 0] = orders[table.said[table.starts[:-1][counts > 0]]]
    message.reliability.extend([levels[order] for order in worst.tolist()])
    if len(table.said):
        _add_groups(message, table, np.repeat(np.arange(n), counts), counts)


def _add_groups(
    message: explanations_pb2.ExplanationBatch, table: CaveatTable, rows: NDArray[np.intp], counts: NDArray[np.intp]
) -> None:
    """Adds what is said in the same words at the same rank of several rows as one, for a table that says something."""
    ranks = np.arange(len(table.said)) - np.repeat(table.starts[:-1], counts)
    names = ranks * len(table.forms) + table.said
    order = np.argsort(names, kind="stable")
    sizes = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(names[order])) + 1, [len(order)]]))
    firsts = order[np.cumsum(sizes) - sizes]
    # By rank first, so that the order in the message is an order for every row; then by the first row.
    by_rank = np.lexsort((firsts, ranks[firsts]))
    position = np.empty_like(by_rank)
    position[by_rank] = np.arange(len(by_rank))
    order, sizes = order[np.argsort(np.repeat(position, sizes), kind="stable")], sizes[by_rank]
    figures, borders = table.figures_of(order)
    varies = _varying(table, figures, borders, sizes, table.said[order])
    places, numbers, rows_of = borders.tolist(), figures.tolist(), rows[order].tolist()
    start = 0
    for size, said, (evidence_varies, robust_varies) in zip(
        sizes.tolist(), table.said[firsts[by_rank]].tolist(), varies.tolist(), strict=True
    ):
        stop, form = start + size, table.forms[said]
        added = message.caveats.add(places=rows_of[start:stop])
        width, k = form.n_figures, len(form.evidence)
        set_form(added.caveat, form, numbers[places[start] : places[start] + width])
        if evidence_varies or robust_varies:
            by_row = figures[places[start] : places[stop]].reshape(size, width)
        if evidence_varies:
            added.evidence.extend(by_row[:, :k].ravel().tolist())
        if robust_varies:
            added.robust.extend(by_row[:, k:].ravel().tolist())
        start = stop


def _varying(
    table: CaveatTable,
    figures: NDArray[np.float64],
    borders: NDArray[np.intp],
    sizes: NDArray[np.intp],
    said: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Whether the evidence, and whether the robust number, is not the same in all rows of a group; bool, (groups, 2).

    Args:
        table: Where the words are.
        figures: The figures of all groups, one caveat after the other.
        borders: Where those of each caveat begin and the last ends.
        sizes: Number of caveats in each group.
        said: Which words each caveat has.
    """
    groups = np.repeat(np.arange(len(sizes)), sizes)
    widths = np.diff(borders)
    starts = np.cumsum(sizes) - sizes
    within = np.arange(len(figures)) - np.repeat(borders[:-1], widths)
    bits = figures.view(np.int64)
    differs = bits != bits[np.repeat(borders[starts][groups], widths) + within]
    evidence = np.array([len(form.evidence) for form in table.forms], dtype=np.intp)[said]
    cells = 2 * np.repeat(groups, widths) + (within >= np.repeat(evidence, widths))
    return np.bincount(cells[differs], minlength=2 * len(sizes)).reshape(-1, 2) > 0


_LENGTH_DELIMITED = 2  # the wire type of packed fields
_SEVEN_BITS, _MORE = 0x7F, 0x80
_LEVELS = (Level.UNRELIABLE, Level.CARE, Level.NORMAL)
"""What follows from the most severe caveat of a row, in the order of severities."""
