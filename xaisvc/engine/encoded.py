"""Answers as they are kept, with what they were made of for as long as that is at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.records.answers import answer_columns, decode_answers, encode_answers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from xaisvc.types import AnswerColumns, RowAnswer


class Encoded(bytes):
    """An encoded answer that was computed just now, so that nobody need read it again.

    Attributes:
        answer: What it was encoded from. Equal to what the bytes say, number by number.
    """

    answer: RowAnswer

    @classmethod
    def each(cls, answers: Sequence[RowAnswer]) -> list[Self]:
        """Encodes answers.

        Raises:
            StoreError: If one holds a number that is not finite.
        """
        found = []
        for raw, answer in zip(encode_answers(answers), answers, strict=True):
            one = cls(raw)
            one.answer = answer
            found.append(one)
        return found


def columns_of(stored: Sequence[bytes]) -> AnswerColumns:
    """Answers as columns, read only where they were not computed just now.

    Raises:
        StoreError: If one is no answer of a known version, or they have not the same number of players.
    """
    known = [one.answer for one in stored if isinstance(one, Encoded)]
    return answer_columns(known) if known and len(known) == len(stored) else decode_answers(stored)
