"""Words that all caveats share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_NAMED = 10


def listed(names: Sequence[str]) -> str:
    """Names for a sentence: all of them, or the first nine and how many more there are. A finding holds them all."""
    if len(names) <= MOST_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: MOST_NAMED - 1])} and {len(names) - MOST_NAMED + 1} more"
