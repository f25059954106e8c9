"""Names in scripts that run from right to left, beside texts that do not: as plain text, where no markup parts them."""

from __future__ import annotations

import unicodedata
from typing import Final

START: Final = "\u2068"
"""First strong isolate: what follows has the direction of its own first letter."""
END: Final = "\u2069"
"""Pop directional isolate."""

_RIGHT_TO_LEFT = frozenset({"R", "AL"})


def isolated(text: str) -> str:
    """`text` between marks that part it from what stands beside it, if a letter of it runs from right to left.

    Without them a number behind such a name is read before it, and the two ends of an amount can change places (Unicode
    Standard Annex 9). Marks within `text` are those of views: what comes from outside is without, see `clean`.
    """
    if text.isascii() or _RIGHT_TO_LEFT.isdisjoint(map(unicodedata.bidirectional, text)):
        return text
    return f"{START}{text}{END}"
