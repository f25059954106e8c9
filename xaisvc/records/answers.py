"""Frames, answers and rows as bytes: what a record holds and a cache keeps.

A frame is JSON, as it is read by people who never saw this code. Answers are many, so they are packed numbers and a few
lines of words each. Equal values give equal bytes, and every float comes back exactly as it was.
"""

from __future__ import annotations

import json
import struct
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.errors import StoreError
from xaisvc.records.answer_words import plain_text, read_rest, read_words, words_and_figures
from xaisvc.records.codec import decode_json, encode_json
from xaisvc.types import AnswerColumns, AnswerFrame, RowAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import TypeAdapter

    from xaisvc.types import Table

FRAME_FORMAT = "xaisvc.frame/v1"
ANSWER_VERSION_BYTE = 2
ROW_VERSION_BYTE = 1

_HEAD = struct.Struct("<BBHHI4dq")
_ROW_HEAD = struct.Struct("<BHI")
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_EXACT, _ADVERSE_KNOWN, _ADVERSE = 1, 2, 4
_ADVERSE_OF = {0: None, _ADVERSE: None, _ADVERSE_KNOWN: False, _ADVERSE_KNOWN | _ADVERSE: True}


def encode_frame(frame: AnswerFrame) -> bytes:
    """A frame as bytes.

    Raises:
        StoreError: If it holds a number that is not finite.
    """
    return encode_json(FRAME_FORMAT, _frame_adapter(), frame)


def decode_frame(stored: bytes) -> AnswerFrame:
    """The frame in these bytes.

    Raises:
        StoreError: If they are no frame of a known version.
    """
    return decode_json(FRAME_FORMAT, _frame_adapter(), stored)


@cache
def _frame_adapter() -> TypeAdapter[AnswerFrame]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - heavy: loaded when used

    return TypeAdapter(AnswerFrame)


def encode_answer(answer: RowAnswer) -> bytes:
    """An answer as bytes: a head of fixed size, the numbers as little-endian float64, and JSON for what is text.

    Raises:
        StoreError: If it holds a number that is not finite.
    """
    return encode_answers((answer,))[0]


def encode_answers(answers: Sequence[RowAnswer]) -> list[bytes]:
    """Each answer as `encode_answer` gives it; quicker for many.

    Raises:
        StoreError: If one holds a number that is not finite.
    """
    numbers = [
        answer.values if answer.exact else np.concatenate((answer.values, answer.standard_errors)) for answer in answers
    ]
    singles = [(answer.prediction, answer.rank_share, answer.base_value, answer.output) for answer in answers]
    if answers and not (np.isfinite(np.concatenate(numbers)).all() and np.isfinite(singles).all()):
        raise StoreError("a number that is not finite cannot be recorded")
    return [_encoded(*parts) for parts in zip(answers, numbers, singles, strict=True)]


def _encoded(answer: RowAnswer, numbers: NDArray[np.float64], singles: tuple[float, float, float, float]) -> bytes:
    flags = (
        (_EXACT if answer.exact else 0)
        | (0 if answer.adverse is None else _ADVERSE_KNOWN)
        | (_ADVERSE if answer.adverse else 0)
    )
    text, figures = (
        words_and_figures(answer)
        if answer.diagnostics or answer.caveats
        else (plain_text(answer.band, answer.detail, ()), ())
    )
    head = _HEAD.pack(
        ANSWER_VERSION_BYTE, flags, len(answer.values), len(figures), len(text), *singles, answer.model_evaluations
    )
    packed = np.ascontiguousarray(numbers, dtype="<f8").tobytes()
    return head + packed + (struct.pack(f"<{len(figures)}d", *figures) if figures else b"") + text


def decode_answer(stored: bytes) -> RowAnswer:
    """The answer in these bytes.

    Raises:
        StoreError: If they are no answer of a known version.
    """
    try:
        version, flags, p, m, n_text, prediction, rank_share, base_value, output, evaluations = _HEAD.unpack_from(
            stored
        )
        exact = bool(flags & _EXACT)
        end = _HEAD.size + 8 * p * (1 if exact else 2)
        if version != ANSWER_VERSION_BYTE or len(stored) != end + 8 * m + n_text:
            raise _damaged("answer")
        numbers = np.frombuffer(stored, dtype="<f8", count=p if exact else 2 * p, offset=_HEAD.size)
        band, detail, diagnostics, caveats = read_rest(stored[end:], m) if m else read_words(stored[end:])
    except (struct.error, ValueError, KeyError, TypeError, IndexError) as error:
        raise _damaged("answer") from error
    return RowAnswer(
        prediction=prediction,
        rank_share=rank_share,
        base_value=base_value,
        output=output,
        values=numbers[:p],
        standard_errors=_zeros(p) if exact else numbers[p:],
        exact=exact,
        model_evaluations=evaluations,
        band=band,
        adverse=bool(flags & _ADVERSE) if flags & _ADVERSE_KNOWN else None,
        detail=detail,
        diagnostics=diagnostics,
        caveats=caveats,
    )


def decode_answers(stored: Sequence[bytes]) -> AnswerColumns:
    """The answers in these bytes as columns: what `decode_answer` finds in each, in a third of the time.

    Raises:
        StoreError: If one is no answer of a known version, or they have not the same number of players.
    """
    if not stored:
        return _as_columns([])
    _, flags, p, *_ = _HEAD.unpack_from(stored[0]) if len(stored[0]) >= _HEAD.size else (0, 0, 0)
    exact = bool(flags & _EXACT)
    form = _packed(p if exact else 2 * p)
    size = form.itemsize
    heads = b"".join([raw[:size] for raw in stored])
    if len(heads) != size * len(stored):
        return _as_columns(stored)
    found = np.frombuffer(heads, dtype=form)
    is_like = (found["version"] == ANSWER_VERSION_BYTE) & (found["p"] == p) & ((found["flags"] & _EXACT != 0) == exact)
    lengths = size + 8 * found["figures"].astype(np.int64) + found["text"]
    if not is_like.all() or (lengths != [len(raw) for raw in stored]).any():
        return _as_columns(stored)
    try:
        rests = [
            read_rest(raw[size:], m) if m else read_words(raw[size:])
            for raw, m in zip(stored, found["figures"].tolist(), strict=True)
        ]
    except (struct.error, ValueError, KeyError, TypeError, IndexError) as error:
        raise _damaged("answer") from error
    bands, details, diagnostics, caveats = zip(*rests, strict=True)
    singles, numbers = found["singles"], found["numbers"]
    return AnswerColumns(
        predictions=singles[:, 0],
        rank_shares=singles[:, 1],
        base_values=singles[:, 2],
        outputs=singles[:, 3],
        values=numbers[:, :p],
        standard_errors=None if exact else numbers[:, p:],
        exact=[exact] * len(stored),
        model_evaluations=found["evaluations"],
        bands=bands,
        adverse=[_ADVERSE_OF[flag & (_ADVERSE_KNOWN | _ADVERSE)] for flag in found["flags"].tolist()],
        details=details,
        diagnostics=diagnostics,
        caveats=caveats,
    )


def _as_columns(stored: Sequence[bytes]) -> AnswerColumns:
    """The answers in these bytes as columns, one by one: rows of several kinds, or damaged ones."""
    return answer_columns([decode_answer(raw) for raw in stored])


def answer_columns(found: Sequence[RowAnswer]) -> AnswerColumns:
    """Answers as columns.

    Raises:
        StoreError: If they have not the same number of players.
    """
    players = {len(answer.values) for answer in found}
    if len(players) > 1:
        raise _damaged("answer")
    shape = (len(found), players.pop() if players else 0)
    return AnswerColumns(
        predictions=np.array([answer.prediction for answer in found]),
        rank_shares=np.array([answer.rank_share for answer in found]),
        base_values=np.array([answer.base_value for answer in found]),
        outputs=np.array([answer.output for answer in found]),
        values=np.array([answer.values for answer in found]).reshape(shape),
        standard_errors=None
        if all(answer.exact for answer in found)
        else np.array([answer.standard_errors for answer in found]).reshape(shape),
        exact=[answer.exact for answer in found],
        model_evaluations=np.array([answer.model_evaluations for answer in found], dtype=np.int64),
        bands=[answer.band for answer in found],
        adverse=[answer.adverse for answer in found],
        details=[answer.detail for answer in found],
        diagnostics=[answer.diagnostics for answer in found],
        caveats=[answer.caveats for answer in found],
    )


@lru_cache(maxsize=64)
def _packed(numbers: int) -> np.dtype[np.void]:
    """The fixed part of an answer with so many numbers, as `_HEAD` and what follows it."""
    return np.dtype(
        [
            ("version", "u1"),
            ("flags", "u1"),
            ("p", "<u2"),
            ("figures", "<u2"),
            ("text", "<u4"),
            ("singles", "<f8", (4,)),
            ("evaluations", "<i8"),
            ("numbers", "<f8", (numbers,)),
        ]
    )


def encode_rows(rows: Table) -> list[bytes]:
    """Validated rows as bytes: the numbers as little-endian float64 with NaN for missing, and the texts as JSON.

    The names are not in there: they are the features of the bundle, in the order of the description that the frame's
    schema digest names.
    """
    numbers = [values for values in rows.columns.values() if values.dtype != object]
    texts = [values for values in rows.columns.values() if values.dtype == object]
    n = len(rows)
    matrix = np.empty((n, len(numbers)), dtype="<f8")
    for place, values in enumerate(numbers):
        matrix[:, place] = values
    width = matrix.shape[1] * 8
    packed = matrix.tobytes()
    found = []
    for i, row in enumerate(zip(*texts, strict=True) if texts else [()] * n):
        text = _texts(row) if row else b""
        head = _ROW_HEAD.pack(ROW_VERSION_BYTE, matrix.shape[1], len(text))
        found.append(head + packed[i * width : (i + 1) * width] + text)
    return found


def decode_row(stored: bytes, kinds: Mapping[str, bool]) -> tuple[dict[str, float | str | None], bytes]:
    """The row at the beginning of these bytes, and the bytes after it.

    Args:
        stored: What `encode_rows` gave, and possibly more.
        kinds: Feature id to whether its values are texts, in the order of the schema.

    Raises:
        StoreError: If they are no row of these features.
    """
    try:
        version, n_numbers, n_text = _ROW_HEAD.unpack_from(stored)
        start = _ROW_HEAD.size
        numbers = iter(np.frombuffer(stored, dtype="<f8", count=n_numbers, offset=start).tolist())
        middle = start + 8 * n_numbers
        texts = iter(json.loads(stored[middle : middle + n_text]) if n_text else ())
        if version != ROW_VERSION_BYTE or n_numbers != sum(not is_text for is_text in kinds.values()):
            raise _damaged("row")
        row = {name: next(texts) if is_text else _number(next(numbers)) for name, is_text in kinds.items()}
    except (struct.error, ValueError, StopIteration, TypeError) as error:
        raise _damaged("row") from error
    return row, stored[middle + n_text :]


def _number(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124 - only a NaN differs from itself


def _texts(values: Sequence[str | None]) -> bytes:
    return b"[%b]" % b",".join(map(_text_or_null, values))


@lru_cache(maxsize=4096)
def _text_or_null(value: str | None) -> bytes:
    return _JSON.encode(value).encode()


@lru_cache(maxsize=64)
def _zeros(p: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    zeros = np.zeros(p)
    zeros.setflags(write=False)
    return zeros


def _damaged(what: str) -> StoreError:
    return StoreError(f"stored bytes are no {what} of this version: the store is damaged or was written by another one")
