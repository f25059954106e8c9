"""The words of an answer: one line of JSON for what is text, and one for each of its caveats.

A line of a caveat holds its words and the names of its figures; the figures are among the answer's packed numbers. So
the lines are the same from row to row, and both ways remember them.
"""

from __future__ import annotations

import math
import struct
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from xaisvc.errors import StoreError
from xaisvc.types import Caveat, Gate, RobustNumber, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xaisvc.types import RowAnswer

_SEVERITIES = tuple(Severity)
_GATES = tuple(Gate)

# Of a caveat: kind, severity, players, message, names of the evidence, players of the robust number, gates, model rows.
_Form: TypeAlias = tuple[
    str, Severity, tuple[str, ...], str, tuple[str, ...], tuple[str, ...] | None, tuple[Gate, ...], int
]


def words_and_figures(answer: RowAnswer) -> tuple[bytes, list[float]]:
    """The words of an answer, and the numbers whose names they hold, in the same order.

    Raises:
        StoreError: If one of the numbers is not finite.
    """
    diagnostics = sorted(answer.diagnostics.items())
    figures = [value for _, value in diagnostics]
    lines = [plain_text(answer.band, answer.detail, tuple(name for name, _ in diagnostics))]
    for caveat in answer.caveats:
        evidence = sorted(caveat.evidence.items())
        figures += [value for _, value in evidence]
        robust = caveat.robust
        if robust is not None:
            figures += (robust.value, robust.low, robust.high)
        lines.append(
            _caveat_text(
                (
                    caveat.kind,
                    caveat.severity,
                    caveat.players,
                    caveat.message,
                    tuple([name for name, _ in evidence]),
                    None if robust is None else robust.players,
                    caveat.gates,
                    caveat.model_rows,
                )
            )
        )
    if not all(map(math.isfinite, figures)):
        raise StoreError("a number that is not finite cannot be recorded")
    return b"\n".join(lines), figures


@lru_cache(maxsize=1024)
def plain_text(band: str, detail: str, diagnostics: tuple[str, ...]) -> bytes:
    """The first line: band, detail and the names of the diagnostics."""
    return _writer()([band, detail, diagnostics])


@lru_cache(maxsize=4096)
def _caveat_text(form: _Form) -> bytes:
    """What a caveat says without its numbers; the players of the robust number only if they are others."""
    kind, severity, players, message, evidence, robust, gates, model_rows = form
    return _writer()(
        [
            kind,
            _SEVERITIES.index(severity),
            players,
            message,
            evidence,
            robust is not None if robust in (None, players) else robust,
            [_GATES.index(gate) for gate in gates],
            model_rows,
        ]
    )


def read_rest(rest: bytes, m: int) -> tuple[str, str, Mapping[str, float], tuple[Caveat, ...]]:
    """Band, detail, diagnostics and caveats of an answer: what follows its attributions, m numbers and the words.

    Raises:
        ValueError, KeyError, TypeError, IndexError, struct.error: If the bytes are something else.
    """
    figures = struct.unpack_from(f"<{m}d", rest)
    band, detail, names, forms, n_figures = _read_text(rest[8 * m :])
    if n_figures != m:
        raise ValueError("the numbers are not those that the words name")
    at = len(names)
    caveats = []
    for kind, severity, players, message, evidence, about, gates, model_rows in forms:
        end = at + len(evidence)
        robust = None
        if about is not None:
            value, low, high = figures[end : end + 3]
            robust = RobustNumber(players=about, value=value, low=low, high=high)
        caveats.append(
            Caveat(
                kind=kind,
                severity=severity,
                players=players,
                message=message,
                evidence=dict(zip(evidence, figures[at:end], strict=True)),
                robust=robust,
                gates=gates,
                model_rows=model_rows,
            )
        )
        at = end if about is None else end + 3
    return band, detail, dict(zip(names, figures, strict=False)), tuple(caveats)


@lru_cache(maxsize=1024)
def read_words(text: bytes) -> tuple[str, str, Mapping[str, float], tuple[Caveat, ...]]:
    """As `read_rest` where there are no figures; such texts are the same for many rows."""
    return read_rest(text, 0)


@lru_cache(maxsize=1024)
def _read_text(text: bytes) -> tuple[str, str, tuple[str, ...], tuple[_Form, ...], int]:
    """Band, detail, names of the diagnostics, caveats without numbers, and how many numbers these texts have."""
    first, *lines = text.split(b"\n")
    band, detail, diagnostics = _parser()(first)
    forms = tuple([_read_caveat(line) for line in lines])
    n_figures = len(diagnostics)
    for *_, evidence, robust, _, _ in forms:
        n_figures += len(evidence) + (0 if robust is None else 3)
    return band, detail, tuple(diagnostics), forms, n_figures


@lru_cache(maxsize=4096)
def _read_caveat(line: bytes) -> _Form:
    kind, severity, players, message, evidence, robust, gates, model_rows = _parser()(line)
    concerned = tuple(players)
    return (
        kind,
        _SEVERITIES[severity],
        concerned,
        message,
        tuple(evidence),
        None if robust is False else concerned if robust is True else tuple(robust),
        tuple(_GATES[gate] for gate in gates),
        model_rows,
    )


@cache
def _writer() -> Callable[[object], bytes]:
    """Writes JSON, in a quarter of the time that the standard library takes."""
    from pydantic_core import to_json  # noqa: PLC0415 - heavy: loaded when used

    return to_json


@cache
def _parser() -> Callable[[bytes], Any]:
    """Reads JSON, in a third of the time that the standard library takes."""
    from pydantic_core import from_json  # noqa: PLC0415 - heavy: loaded when used

    return from_json
