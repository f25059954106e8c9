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
from xaisvc.records.answer_words import caveat_text, plain_text, read_rest, read_words
from xaisvc.records.codec import decode_json, encode_json
from xaisvc.types import AnswerColumns, AnswerFrame, CaveatTable, RowAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import TypeAdapter

    from xaisvc.types import CaveatForm, Table

FRAME_FORMAT = "xaisvc.frame/v1"
ANSWER_VERSION_BYTE = 2
ROW_VERSION_BYTE = 1

_HEAD = struct.Struct("<BBHHI4dq")
_FIRST = np.zeros(1, dtype=np.intp)
_ROW_HEAD = struct.Struct("<BHI")
_MANY_ROWS = 16
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_EXACT, _ADVERSE_KNOWN, _ADVERSE = 1, 2, 4
_FLAGS_OF = {None: 0, False: _ADVERSE_KNOWN, True: _ADVERSE_KNOWN | _ADVERSE}
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
    return encode_answers(answer_columns((answer,)))[0]


def encode_answers(answers: AnswerColumns) -> list[bytes]:
    """Each answer as `encode_answer` gives it.

    Raises:
        StoreError: If one holds a number that is not finite.
    """
    if len(set(answers.exact)) > 1:  # they have not the same form
        found = [b""] * len(answers)
        for exact in (True, False):
            rows = np.flatnonzero(np.array(answers.exact) == exact)
            for row, stored in zip(rows.tolist(), encode_answers(answers.take(rows)), strict=True):
                found[row] = stored
        return found
    figures, places = _figures_of(answers)
    texts = _texts_of(answers)
    heads = _heads(answers, np.diff(places), [len(text) for text in texts])
    if not (np.isfinite(heads["singles"]).all() and np.isfinite(heads["numbers"]).all() and np.isfinite(figures).all()):
        raise StoreError("a number that is not finite cannot be recorded")
    size, fixed, packed = heads.itemsize, heads.tobytes(), figures.tobytes()
    ends = [8 * place for place in places.tolist()]
    return [fixed[i * size : (i + 1) * size] + packed[ends[i] : ends[i + 1]] + text for i, text in enumerate(texts)]


def _figures_of(answers: AnswerColumns) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The figures of all rows one after the other, and where those of each row begin; diagnostics come first."""
    caveats = answers.caveats
    places = caveats.places[caveats.starts]
    if not any(answers.diagnostics):
        return np.ascontiguousarray(caveats.figures, dtype="<f8"), places
    own = [[one[name] for name in sorted(one)] for one in answers.diagnostics]
    pieces = [
        piece
        for diagnostics, start, stop in zip(own, places[:-1], places[1:], strict=True)
        for piece in (diagnostics, caveats.figures[start:stop])
    ]
    before = np.cumsum([0, *map(len, own)])
    return np.concatenate([np.empty(0), *pieces]).astype("<f8"), places + before


def _texts_of(answers: AnswerColumns) -> list[bytes]:
    """The words of each row: a line of its own, and one for each of its caveats."""
    caveats = answers.caveats
    starts = caveats.starts.tolist()
    # Each line is written once, not once for every row that has it.
    kinds = [caveat_text(form) for form in caveats.forms]
    lines = [kinds[j] for j in caveats.said.tolist()]
    known: dict[tuple[str, str, tuple[str, ...]], bytes] = {}
    found = []
    for i, (band, detail, own) in enumerate(zip(answers.bands, answers.details, answers.diagnostics, strict=True)):
        key = (band, detail, tuple(sorted(own)) if own else ())
        first = known.get(key)
        if first is None:
            first = known[key] = plain_text(*key)
        found.append(b"\n".join([first, *lines[starts[i] : starts[i + 1]]]))
    return found


def _heads(answers: AnswerColumns, figures: NDArray[np.intp], texts: list[int]) -> NDArray[np.void]:
    """The fixed part of each row."""
    n, p = answers.values.shape
    errors = answers.standard_errors
    heads = np.empty(n, dtype=_packed(p if errors is None else 2 * p))
    flags = {
        (exact, adverse): (_EXACT if exact else 0) | _FLAGS_OF[adverse]
        for exact in (True, False)
        for adverse in _FLAGS_OF
    }
    heads["version"] = ANSWER_VERSION_BYTE
    heads["flags"] = [flags[key] for key in zip(answers.exact, answers.adverse, strict=True)]
    heads["p"] = p
    heads["figures"] = figures
    heads["text"] = texts
    for place, one in enumerate((answers.predictions, answers.rank_shares, answers.base_values, answers.outputs)):
        heads["singles"][:, place] = one
    heads["evaluations"] = answers.model_evaluations
    heads["numbers"][:, :p] = answers.values
    if errors is not None:
        heads["numbers"][:, p:] = errors
    return heads


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
        band, detail, diagnostics, caveats = read_rest(stored[end:], m)
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
        words = [read_words(raw[end:], m) for raw, end, m in _rests(stored, found, size)]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _damaged("answer") from error
    bands, details, names, forms = zip(*words, strict=True)
    figures = np.frombuffer(b"".join([raw[size:end] for raw, end, _ in _rests(stored, found, size)]), dtype="<f8")
    diagnostics, caveats = _read_figures(figures, found["figures"], names, forms)
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


def _rests(stored: Sequence[bytes], heads: NDArray[np.void], size: int) -> Iterator[tuple[bytes, int, int]]:
    """Of each row its bytes, where its words begin, and how many figures stand before them."""
    for raw, m in zip(stored, heads["figures"].tolist(), strict=True):
        yield raw, size + 8 * m, m


def _read_figures(
    figures: NDArray[np.float64],
    counts: NDArray[np.uint16],
    names: Sequence[tuple[str, ...]],
    forms: Sequence[tuple[CaveatForm, ...]],
) -> tuple[Sequence[Mapping[str, float]], CaveatTable]:
    """The diagnostics and caveats of rows, from their figures and from what these are called."""
    known: dict[tuple[CaveatForm, ...], NDArray[np.intp]] = {}
    places: dict[CaveatForm, int] = {}
    said = []
    for own in forms:
        found = known.get(own)
        if found is None:
            found = known[own] = np.array([places.setdefault(form, len(places)) for form in own], dtype=np.intp)
        said.append(found)
    ends = np.cumsum(counts, dtype=np.intp)
    diagnostics: list[Mapping[str, float]] = [{}] * len(forms)
    is_caveat = np.ones(len(figures), dtype=np.bool_)
    for i, own_names in enumerate(names):
        if own_names:
            start = int(ends[i]) - int(counts[i])
            diagnostics[i] = dict(zip(own_names, figures[start : start + len(own_names)].tolist(), strict=True))
            is_caveat[start : start + len(own_names)] = False
    all_said = np.concatenate([np.empty(0, dtype=np.intp), *said])
    sizes = np.array([form.n_figures for form in places], dtype=np.intp)
    table = CaveatTable(
        forms=tuple(places),
        starts=np.cumsum([0, *map(len, said)], dtype=np.intp),
        said=all_said,
        places=np.concatenate([[0], np.cumsum(sizes[all_said], dtype=np.intp)]) if len(all_said) else _FIRST,
        figures=figures if is_caveat.all() else figures[is_caveat],
    )
    return diagnostics, table


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
        caveats=CaveatTable.of([answer.caveats for answer in found]),
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
    own = [packed[i * width : (i + 1) * width] for i in range(n)]
    if not texts:
        head = _ROW_HEAD.pack(ROW_VERSION_BYTE, matrix.shape[1], 0)
        return [head + one for one in own]
    # A dictionary finds a text in a third of the time, once it knows the column's.
    code_of = _text_or_null if n < _MANY_ROWS else _Codes().__getitem__
    lines = [b"[%b]" % b",".join(row) for row in zip(*[map(code_of, values.tolist()) for values in texts], strict=True)]
    head_of = _Heads(matrix.shape[1])
    return [head_of[len(line)] + one + line for one, line in zip(own, lines, strict=True)]


class _Codes(dict[str | None, bytes]):
    """Texts as JSON."""

    def __missing__(self, text: str | None) -> bytes:
        self[text] = code = _text_or_null(text)
        return code


class _Heads(dict[int, bytes]):
    """Heads of rows, by the length of their texts."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self._numbers = numbers

    def __missing__(self, length: int) -> bytes:
        self[length] = head = _ROW_HEAD.pack(ROW_VERSION_BYTE, self._numbers, length)
        return head


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
