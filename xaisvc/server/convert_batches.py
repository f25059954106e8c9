"""Many answers as one message, packed column by column, so that neither side spends time on single values."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xaisvc.server.convert import figures, row_result, timestamp
from xaisvc.server.convert_caveats import set_caveat
from xaisvc.server.convert_models import digests
from xaisvc.types import reliability_level
from xaisvc.v1 import explanations_pb2
from xaisvc.wire import LEVEL_TO_WIRE, SPACE_TO_WIRE

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from xaisvc.engine.commands import AnswerBatch
    from xaisvc.types import AnswerFrame, Caveat


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


@dataclass(slots=True)
class _Said:
    """A caveat and the rows that it is said of.

    Attributes:
        caveat: As it is said of the first of them.
        places: Places of the rows.
        evidence: Figures of each row, in alphabetical order of their names.
        robust: Value, low and high of each row's robust number; empty without one.
    """

    caveat: Caveat
    places: list[int] = field(default_factory=list)
    evidence: list[float] = field(default_factory=list)
    robust: list[float] = field(default_factory=list)


def _add_caveats(message: explanations_pb2.ExplanationBatch, caveats: Sequence[tuple[Caveat, ...]]) -> None:
    """Each caveat's words once; for every row its own stand in order. And the level that follows from them."""
    message.reliability.extend([LEVEL_TO_WIRE[reliability_level(own)] for own in caveats])
    found: dict[Hashable, _Said] = {}
    for place, own in enumerate(caveats):
        for rank, caveat in enumerate(own):
            evidence = sorted(caveat.evidence.items())
            robust = caveat.robust
            # The rank is part of the name, so that the order in the message is an order for every row.
            name = (
                rank,
                caveat.kind,
                caveat.severity,
                caveat.message,
                caveat.players,
                caveat.gates,
                caveat.model_rows,
                robust and robust.players,
                *[figure for figure, _ in evidence],
            )
            said = found.get(name)
            if said is None:
                said = found[name] = _Said(caveat)
            said.places.append(place)
            said.evidence += [value for _, value in evidence]
            if robust is not None:
                said.robust += (robust.value, robust.low, robust.high)
    for _, said in sorted(found.items(), key=_rank):
        added = message.caveats.add(places=said.places)
        set_caveat(added.caveat, said.caveat)
        added.evidence.extend(_unless_alike(said.evidence, len(said.places)))
        added.robust.extend(_unless_alike(said.robust, len(said.places)))


def _unless_alike(numbers: list[float], n: int) -> list[float]:
    """The numbers of n rows, or none if they are the same in every row."""
    packed = array("d", numbers).tobytes()
    return [] if packed == packed[: len(packed) // n] * n else numbers


def _rank(item: tuple[Hashable, _Said]) -> int:
    """The rank of a caveat among those of its rows, which its name begins with."""
    rank: int = item[0][0]  # type: ignore[index] # the rank comes first
    return rank
