"""Looks into a view that was built."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from xaisvc.views.document import Block

if TYPE_CHECKING:
    from xaisvc.views import View

B = TypeVar("B", bound=Block)


def blocks(view: View, section: str, kind: type[B]) -> list[B]:
    """The blocks of one kind in a section, in order."""
    found = next(s for s in view.sections if s.id == section)
    return [block for block in found.blocks if isinstance(block, kind)]
