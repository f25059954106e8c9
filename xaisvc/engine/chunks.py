"""How many rows are worked on at a time, so that a call never takes more memory than it may.

What a call keeps (the validated rows and the answers) and what it works with at any moment (a chunk of rows and the
model rows of one call of the model) are counted before anything is computed. Answers may fill three quarters of the
limit; the rest is for work. Not counted: what the caller handed in, and what the bundle keeps for all calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from xaisvc.errors import FieldViolation, LimitExceededError

DEFAULT_MEMORY_LIMIT_BYTES = 2 * 1024**3
MOST_CHUNK_ROWS = 16384
MOST_MODEL_ROWS = 16384

LANE_ROWS = 64
"""Runtimes compute most rows of a call side by side and the last few another way, which can round differently. Chunks
of a multiple of this many rows leave each row on the side where it is without chunks, so that not even that is seen."""

_NUMBER = 8
_ROW_OVERHEAD = 192
"""Bytes per row and output beside its attributions: base value, output, prediction, evaluations, caveats, id."""
_COLUMNS_PER_FEATURE = 12
"""Numbers per feature while a row is encoded and preprocessed: one-hot columns, their copies, their conditions."""
_MODEL_ROW_OVERHEAD = 2048
"""Bytes per model row inside the runtime: hidden layers, scores."""
_COALITION_OVERHEAD = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a call is made of.

    Attributes:
        rows: Rows of the call, all of which are held as they were validated.
        answers: Rows whose answers are held at the same time.
        features: Features of a row.
        players: Players that share the credit.
        outputs: Outputs explained.
        coalitions: Coalitions per row that a sampling method was told to use; 0 for exact methods.
        sampled: Whether standard errors are kept.
    """

    rows: int
    answers: int
    features: int
    players: int
    outputs: int = 1
    coalitions: int = 0
    sampled: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes that one validated row takes."""
        return _NUMBER * self.features

    @property
    def answer_bytes(self) -> int:
        """Bytes that the answers of one row take."""
        numbers = self.players * (2 if self.sampled else 1)
        return self.outputs * (_NUMBER * numbers + _ROW_OVERHEAD)

    @property
    def kept_bytes(self) -> int:
        """Bytes that are kept until the call ends."""
        return self.rows * self.row_bytes + self.answers * self.answer_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPlan:
    """How a call is cut up.

    Attributes:
        chunk_rows: Most rows worked on at a time.
        model_rows: Most model rows in one call of the model.
    """

    chunk_rows: int
    model_rows: int


@lru_cache(maxsize=256)
def plan_chunks(size: Size, limit_bytes: int) -> ChunkPlan:
    """Cuts a call up so that it stays within its memory.

    Args:
        size: What the call is made of.
        limit_bytes: Most that the call may take.

    Raises:
        LimitExceededError: If the answers alone, or the least work there is, would not fit; names what to change.
    """
    kept = size.kept_bytes
    for_answers = limit_bytes // 4 * 3
    sampling = size.coalitions * (_NUMBER * size.players + _COALITION_OVERHEAD)
    model_row = 6 * _NUMBER * size.features + _MODEL_ROW_OVERHEAD
    chunk_row = _NUMBER * (_COLUMNS_PER_FEATURE * size.features + 6 * size.players * size.outputs) + 256
    one_row = -(-kept // max(1, size.rows))
    if one_row > for_answers:
        needed = 4 * max(sampling + model_row + chunk_row, -(-one_row // 3))
        raise _too_large(
            "rows",
            f"one row does not fit the memory limit of {_in_units(limit_bytes)}; raise memory_limit_bytes to "
            f"{_in_units(needed)} or more",
        )
    if kept > for_answers:
        raise _too_large(
            "rows",
            f"{size.rows:,} rows with {size.features} features and {size.players} players need {_in_units(kept)} for "
            f"rows and answers, and the memory limit of {_in_units(limit_bytes)} leaves {_in_units(for_answers)} for "
            f"them; send at most {for_answers * size.rows // kept:,} rows at a time, take the answers batch by batch "
            "from explain_batches, or raise memory_limit_bytes",
        )
    for_work = limit_bytes - for_answers
    left = for_work - sampling
    if left < model_row + chunk_row:
        needed = 4 * (sampling + model_row + chunk_row)
        raise _too_large(
            "budget" if size.coalitions else "rows",
            f"{size.coalitions:,} coalitions of {size.players} players do not fit the memory limit of "
            f"{_in_units(limit_bytes)}; lower the budget, or raise memory_limit_bytes to {_in_units(needed)}"
            if size.coalitions
            else f"one row does not fit the memory limit of {_in_units(limit_bytes)}; raise memory_limit_bytes to "
            f"{_in_units(needed)} or more",
        )
    model_rows = min(MOST_MODEL_ROWS, max(1, left // 2 // model_row))
    chunk_rows = min(MOST_CHUNK_ROWS, max(1, (left - model_rows * model_row) // chunk_row))
    return ChunkPlan(chunk_rows=evenly(chunk_rows), model_rows=evenly(model_rows))


def evenly(rows: int) -> int:
    """The largest multiple of `LANE_ROWS` up to `rows`, or `rows` if there is none."""
    return rows // LANE_ROWS * LANE_ROWS or rows


def _too_large(field: str, reason: str) -> LimitExceededError:
    return LimitExceededError(f"{field}: {reason}", [FieldViolation(field, "LIMIT_EXCEEDED", reason)])


def _in_units(count: int) -> str:
    gibibyte, mebibyte, kibibyte = 1024**3, 1024**2, 1024
    if count < 10 * kibibyte:
        return f"{count:,} bytes"
    if count >= gibibyte:
        return f"{count / gibibyte:.1f} GiB"
    return f"{count / mebibyte:.1f} MiB" if count >= mebibyte else f"{-(-count // kibibyte)} KiB"
