"""What is said of the first row of a context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.caveats import find_caveats

if TYPE_CHECKING:
    from xaisvc.caveats import CaveatContext, RowCaveats
    from xaisvc.types import Caveat


def all_caveats(context: CaveatContext) -> RowCaveats:
    """The caveats of all rows."""
    return find_caveats(lambda: context, len(context.rows))


def kinds(context: CaveatContext) -> list[str]:
    """Kinds of the first row's caveats, in order."""
    return [caveat.kind for caveat in all_caveats(context)[0]]


def said(context: CaveatContext, kind: str) -> list[Caveat]:
    """The first row's caveats of a kind."""
    return [caveat for caveat in all_caveats(context)[0] if caveat.kind == kind]


def only(context: CaveatContext) -> Caveat:
    """The first row's only caveat."""
    (found,) = all_caveats(context)[0]
    return found
