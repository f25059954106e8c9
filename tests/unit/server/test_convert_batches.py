"""Numbers of many rows are packed at once, and come out as if each had been written by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.server.test_convert_caveats import a_batch
from xaisvc.server.convert_batches import stream_response
from xaisvc.v1 import explanations_pb2 as pb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.engine.commands import AnswerBatch

SINGLES = ("predictions", "rank_shares", "base_values", "outputs")
MATRICES = ("values", "standard_errors")


def with_numbers(n: int, p: int, make: type[NumbersInOrder | NumbersAcross]) -> AnswerBatch:
    batch = a_batch([()] * n)
    numbers = make(n, p)
    singles = {name: numbers.take(place)[:, 0] for place, name in enumerate(SINGLES)}
    matrices = {name: numbers.take(place) for place, name in enumerate(MATRICES)}
    return replace(batch, answers=replace(batch.answers, **singles, **matrices))


class NumbersInOrder:
    """Matrices whose rows stand one after the other."""

    def __init__(self, n: int, p: int) -> None:
        self._n, self._p = n, p

    def take(self, place: int) -> NDArray[np.float64]:
        found = np.random.default_rng(place).standard_normal((self._n, self._p)) * 10.0**place
        found[0, 0] = -0.0
        found[-1, -1] = np.nextafter(0.0, 1.0)
        return found


class NumbersAcross(NumbersInOrder):
    """Matrices whose columns stand one after the other."""

    def take(self, place: int) -> NDArray[np.float64]:
        return np.asfortranarray(super().take(place))


def number_by_number(batch: AnswerBatch) -> pb.ExplanationBatch:
    """The slow way."""
    found = pb.ExplanationBatch()
    for name in (*SINGLES, *MATRICES):
        for number in np.ravel(getattr(batch.answers, name)).tolist():
            getattr(found, name).append(number)
    return found


@pytest.mark.parametrize("make", [NumbersInOrder, NumbersAcross])
@pytest.mark.parametrize(("n", "p"), [(1, 1), (3, 5), (16, 1), (100, 30), (700, 4)])  # lengths of one, two, three bytes
def test_packed_numbers_are_those_of_the_rows(n: int, p: int, make: type[NumbersInOrder | NumbersAcross]) -> None:
    batch = with_numbers(n, p, make)

    sent = pb.ExplainStreamResponse.FromString(stream_response(batch).SerializeToString()).batch

    expected = number_by_number(batch)
    for name in (*SINGLES, *MATRICES):
        found = np.array(getattr(sent, name))
        assert found.tobytes() == np.array(getattr(expected, name)).tobytes(), name  # minus zero is not zero


def test_the_bytes_are_those_of_a_message_that_was_filled_number_by_number() -> None:
    batch = with_numbers(40, 7, NumbersInOrder)
    sent = stream_response(batch)
    slow = pb.ExplainStreamResponse()
    slow.CopyFrom(sent)
    for name in (*SINGLES, *MATRICES):
        slow.batch.ClearField(name)
    slow.batch.MergeFrom(number_by_number(batch))

    assert sent.SerializeToString(deterministic=True) == slow.SerializeToString(deterministic=True)


def test_exact_answers_carry_no_standard_errors() -> None:
    assert not stream_response(a_batch([(), ()])).batch.standard_errors
