"""Typed, evidenced warnings about attributions: one module per caveat, registered here."""

from xaisvc.caveats.base import CaveatContext, CaveatRule, Finding, RowCaveats
from xaisvc.caveats.correlated_features import CorrelatedFeatures
from xaisvc.caveats.coverage import Coverage, cover
from xaisvc.caveats.local_surrogate import LocalSurrogate
from xaisvc.caveats.missing_values import MissingValues
from xaisvc.caveats.near_threshold import NearThreshold
from xaisvc.caveats.not_converged import NotConverged
from xaisvc.caveats.outside_background import OutsideBackground
from xaisvc.caveats.small_background import SmallBackground

CAVEATS: tuple[CaveatRule, ...] = (
    CorrelatedFeatures(),
    OutsideBackground(),
    NotConverged(),
    LocalSurrogate(),
    SmallBackground(),
    NearThreshold(),
    MissingValues(),
)

PIECE_ROWS = 16384
"""Rows that rules look at together: their intermediates stay small whatever the number of rows."""


def find_caveats(context: CaveatContext) -> RowCaveats:
    """Asks every registered rule about every row, when the first caveat is read.

    Returns:
        One tuple per row, most severe first, then in the order of the registry.
    """
    count, size = len(context.rows), PIECE_ROWS

    def find() -> list[tuple[Finding, ...]]:
        parts = (
            [context]
            if count <= size
            else [context.part(start, min(start + size, count)) for start in range(0, count, size)]
        )
        return [tuple(finding for rule in CAVEATS for finding in rule.find(part)) for part in parts]

    return RowCaveats(find, size, count)


__all__ = [
    "CAVEATS",
    "CaveatContext",
    "CaveatRule",
    "Coverage",
    "Finding",
    "RowCaveats",
    "cover",
    "find_caveats",
]
