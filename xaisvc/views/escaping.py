"""Texts as they stand in HTML. Pages have thousands of them, so they are escaped without an object for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_BETWEEN = "\x00"
"""Stands between texts that are escaped together; a text that holds one is escaped by itself."""


def escaped(text: str) -> str:
    """`text` with `& < > ' "` as entities, whatever it says of itself: no text counts as markup already."""
    if "&" in text or "<" in text or ">" in text or "'" in text or '"' in text:
        return str(escape(str(text)))
    return text


def all_escaped(texts: Sequence[str]) -> list[str]:
    """Each of `texts` as `escaped` writes it, all in one go: escaping looks at one character at a time."""
    found = escaped(_BETWEEN.join(texts)).split(_BETWEEN)
    return found if len(found) == len(texts) else [escaped(text) for text in texts]
