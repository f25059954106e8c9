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
        found.batch.CopyFrom(_batch(batch))
        _add_caveats(found.batch, batch.answers.caveats)
    for caveat in batch.batch_caveats:
        set_caveat(found.batch_caveats.add(), caveat)
    return found


def _batch(batch: AnswerBatch) -> explanations_pb2.ExplanationBatch:
    frame, answers = batch.frame, batch.answers
    return explanations_pb2.ExplanationBatch(
        indices=batch.indices,
        ids=batch.ids,
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
        predictions=answers.predictions.tolist(),
        rank_shares=answers.rank_shares.tolist(),
        base_values=answers.base_values.tolist(),
        outputs=answers.outputs.tolist(),
        values=answers.values.ravel().tolist(),
        standard_errors=None if answers.standard_errors is None else answers.standard_errors.ravel().tolist(),
        exact=answers.exact,
        model_evaluations=answers.model_evaluations.tolist(),
        bands=answers.bands,
        adverse=None if answers.adverse[0] is None else map(bool, answers.adverse),
        details=_details(answers.details),
        diagnostics=[explanations_pb2.BatchFigures(figures=figures(one)) for one in answers.diagnostics]
        if any(answers.diagnostics)
        else None,
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
    ranks = np.arange(len(table.said)) - np.repeat(table.starts[:-1], counts)
    rows = np.repeat(np.arange(n), counts)
    names = ranks * max(len(table.forms), 1) + table.said
    order = np.argsort(names, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(names[order])) + 1) if len(order) else []
    # By rank first, so that the order in the message is an order for every row; then by the first row.
    groups.sort(key=lambda group: (int(ranks[group[0]]), int(group[0])))
    order = np.concatenate([_NOTHING, *groups])
    figures, borders = table.figures_of(order)
    places = borders.tolist()
    places_of_rows, said = rows[order].tolist(), table.said[order].tolist()
    start = 0
    for size in map(len, groups):
        stop, form = start + size, table.forms[said[start]]
        own = figures[places[start] : places[stop]].reshape(size, form.n_figures)
        added = message.caveats.add(places=places_of_rows[start:stop])
        set_form(added.caveat, form, own[0].tolist())
        if size > 1:
            k = len(form.evidence)
            added.evidence.extend(_unless_alike(own[:, :k]))
            added.robust.extend(_unless_alike(own[:, k:]))
        start = stop


def _unless_alike(numbers: NDArray[np.float64]) -> list[float]:
    """The numbers of some rows, row by row, or none if they are the same in every row."""
    packed = np.ascontiguousarray(numbers)
    bits = packed.view(np.int64)
    return [] if (bits == bits[0]).all() else packed.ravel().tolist()


_NOTHING = np.empty(0, dtype=np.intp)
_LEVELS = (Level.UNRELIABLE, Level.CARE, Level.NORMAL)
"""What follows from the most severe caveat of a row, in the order of severities."""
