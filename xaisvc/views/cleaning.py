"""Texts of a view that are safe beside others: on one line, and nothing in them changes how others are read."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import fields
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_BREAK = "\u00a0"
_WHITE_SPACE = re.compile(r"\s+")
_RUN = re.compile(r"[ \u00a0]{2}")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})

_NO_TEXTS = frozenset({"bool", "int", "float", "float | None", "Cloud", "Cloud | None", "Grid"})


def clean(text: str) -> str:
    """`text` on one line, without characters that change how other text is read.

    Dropped are control, format (bidirectional, zero-width), private, surrogate and unassigned characters; runs of white
    space, line and paragraph separators become one space. A single no-break space stays: it holds an amount together.
    """
    # Nearly every text is of this kind: a printable character is in none of the categories that are dropped, and is no
    # white space but the plain space. With single no-break spaces between them it is the next kind.
    if text.isprintable() and "  " not in text:
        return text.strip()
    if _NO_BREAK in text and text.replace(_NO_BREAK, "").isprintable() and not _RUN.search(text):
        return text.strip()
    spaced = "".join(" " if ch in "\t\n\r\v\f\x85\u2028\u2029" else ch for ch in text)
    kept = "".join(ch for ch in spaced if unicodedata.category(ch) not in _FORBIDDEN_CATEGORIES)
    if _NO_BREAK not in kept:
        return " ".join(kept.split())
    return _WHITE_SPACE.sub(_one_space, kept).strip()


def _one_space(run: re.Match[str]) -> str:
    return _NO_BREAK if run.group() == _NO_BREAK else " "


class Cleaned:
    """Cleans every text field, and every tuple of texts, of a frozen dataclass when it is built."""

    __slots__ = ()

    def __post_init__(self) -> None:
        kind: type = type(self)
        values = _reader(kind)(self)
        # Pages have thousands of these objects, nearly all of them clean as they are: no call is made for each text.
        for value in values:
            if value.__class__ is str:
                if value and (not value.isprintable() or "  " in value or value != value.strip()):
                    break
            elif value.__class__ is not tuple or (value and isinstance(value[0], str)):
                break
        else:
            return
        for name, value in zip(_names(kind), values, strict=True):
            if isinstance(value, str):
                cleaned = value if isinstance(value, StrEnum) else clean(value)
                if cleaned is not value:
                    object.__setattr__(self, name, cleaned)
            elif isinstance(value, tuple) and value and all(isinstance(item, str) for item in value):
                object.__setattr__(self, name, tuple(clean(item) for item in value))


@cache
def _names(kind: type) -> tuple[str, ...]:
    """The fields that can hold texts."""
    return tuple(field.name for field in fields(kind) if str(field.type) not in _NO_TEXTS)


@cache
def _reader(kind: type) -> Callable[[object], tuple[object, ...]]:
    """Reads the fields that can hold texts."""
    names = _names(kind)
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda one: (read(one),)
