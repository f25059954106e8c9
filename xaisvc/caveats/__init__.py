"""Typed, evidenced warnings about attributions: one module per caveat, registered here."""

from xaisvc.caveats.base import CaveatContext, CaveatRule
from xaisvc.caveats.correlated_features import CorrelatedFeatures
from xaisvc.caveats.local_surrogate import LocalSurrogate
from xaisvc.caveats.missing_values import MissingValues
from xaisvc.caveats.near_threshold import NearThreshold
from xaisvc.caveats.not_converged import NotConverged
from xaisvc.caveats.outside_background import OutsideBackground
from xaisvc.caveats.small_background import SmallBackground
from xaisvc.types import Caveat, Severity

CAVEATS: tuple[CaveatRule, ...] = (
    CorrelatedFeatures(),
    OutsideBackground(),
    NotConverged(),
    LocalSurrogate(),
    SmallBackground(),
    NearThreshold(),
    MissingValues(),
)

_ORDER = {Severity.UNRELIABLE: 0, Severity.CARE: 1, Severity.INFO: 2}


def find_caveats(context: CaveatContext) -> tuple[tuple[Caveat, ...], ...]:
    """Asks every registered rule about every row.

    Returns:
        One tuple per row, most severe first, then in the order of the registry.
    """
    by_rule = [rule.find(context) for rule in CAVEATS]
    return tuple(
        tuple(
            sorted((caveat for found in by_rule for caveat in found[row]), key=lambda caveat: _ORDER[caveat.severity])
        )
        for row in range(len(context.rows))
    )


__all__ = ["CAVEATS", "CaveatContext", "CaveatRule", "find_caveats"]
