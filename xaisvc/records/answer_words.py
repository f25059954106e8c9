"""The words of an answer: one line of JSON for what is text, and one for each of its caveats.

A line of a caveat holds its words and the names of its figures; the figures are among the answer's packed numbers. So
the lines are the same from row to row, and both ways remember them.
"""

from __future__ import annotations

import struct
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from xaisvc.types import Caveat, CaveatForm, Gate, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SEVERITIES = tuple(Severity)
_GATES = tuple(Gate)


@lru_cache(maxsize=1024)
def plain_text(band: str, detail: str, diagnostics: tuple[str, ...]) -> bytes:
    """The first line: band, detail and the names of the diagnostics."""
    return _writer()([band, detail, diagnostics])


@lru_cache(maxsize=4096)
def caveat_text(form: CaveatForm) -> bytes:
    """A further line: a caveat without its figures; the players of the robust number only if they are others."""
    players, robust = form.players, form.robust
    return _writer()(
        [
            form.kind,
            _SEVERITIES.index(form.severity),
            players,
            form.message,
            form.evidence,
            robust is not None if robust in (None, players) else robust,
            [_GATES.index(gate) for gate in form.gates],
            form.model_rows,
        ]
    )


def read_rest(rest: bytes, m: int) -> tuple[str, str, Mapping[str, float], tuple[Caveat, ...]]:
    """Band, detail, diagnostics and caveats of an answer: what follows its attributions, m numbers and the words.

    Raises:
        ValueError, KeyError, TypeError, IndexError, struct.error: If the bytes are something else.
    """
    figures = struct.unpack_from(f"<{m}d", rest)
    band, detail, names, forms = read_words(rest[8 * m :], m)
    at = len(names)
    caveats = []
    for form in forms:
        caveats.append(form.caveat(figures[at : at + form.n_figures]))
        at += form.n_figures
    return band, detail, dict(zip(names, figures, strict=False)), tuple(caveats)


@lru_cache(maxsize=4096)
def read_words(text: bytes, m: int) -> tuple[str, str, tuple[str, ...], tuple[CaveatForm, ...]]:
    """Band, detail, names of the diagnostics, and the caveats without their figures.

    Args:
        text: The words.
        m: How many numbers they must name.

    Raises:
        ValueError, KeyError, TypeError, IndexError: If the words are something else.
    """
    first, *lines = text.split(b"\n")
    band, detail, diagnostics = _parser()(first)
    forms = tuple([_read_caveat(line) for line in lines])
    if len(diagnostics) + sum([form.n_figures for form in forms]) != m:
        raise ValueError("the numbers are not those that the words name")
    return band, detail, tuple(diagnostics), forms


@lru_cache(maxsize=4096)
def _read_caveat(line: bytes) -> CaveatForm:
    kind, severity, players, message, evidence, robust, gates, model_rows = _parser()(line)
    concerned = tuple(players)
    return CaveatForm(
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
