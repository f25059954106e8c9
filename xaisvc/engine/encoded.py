"""Answers as they are kept, with what they were made of for as long as that is at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.records.answers import decode_answers, encode_answers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from xaisvc.types import AnswerColumns


class Encoded(bytes):
    """An encoded answer that was computed just now, so that nobody need read it again.

    Attributes:
        columns: What it was computed with. Equal to what the bytes say, number by number.
        place: Its row among these.
    """

    columns: AnswerColumns
    place: int

    @classmethod
    def each(cls, answers: AnswerColumns) -> list[Self]:
        """Encodes answers.

        Raises:
            StoreError: If one holds a number that is not finite.
        """
        found = []
        for place, raw in enumerate(encode_answers(answers)):
            one = cls(raw)
            one.columns, one.place = answers, place
            found.append(one)
        return found


def columns_of(stored: Sequence[bytes]) -> AnswerColumns:
    """Answers as columns, read only where they were not all computed just now and together.

    Raises:
        StoreError: If one is no answer of a known version, or they have not the same number of players.
    """
    fresh = [one for one in stored if isinstance(one, Encoded)]
    if not fresh or len(fresh) < len(stored):
        return decode_answers(stored)
    columns = fresh[0].columns
    places = [one.place for one in fresh if one.columns is columns]
    if len(places) < len(stored):
        return decode_answers(stored)
    if places == list(range(len(columns))):
        return columns
    return columns.take(np.array(places, dtype=np.intp))
