"""Typed, evidenced warnings about attributions: one module per caveat, registered here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.caveats.additivity_failure import AdditivityFailure
from xaisvc.caveats.attributed_but_unused import AttributedButUnused
from xaisvc.caveats.background_sensitivity import BackgroundSensitivity
from xaisvc.caveats.base import CaveatContext, CaveatRule
from xaisvc.caveats.estimator_noise import EstimatorNoise
from xaisvc.caveats.facts import Kept
from xaisvc.caveats.hidden_proxy_use import HiddenProxyUse
from xaisvc.caveats.input_out_of_range import InputOutOfRange
from xaisvc.caveats.interaction_dominates import InteractionDominates
from xaisvc.caveats.low_fidelity_surrogate import LowFidelitySurrogate
from xaisvc.caveats.method_agreement import MethodAgreement, method_agreement
from xaisvc.caveats.method_disagreement import method_disagreement
from xaisvc.caveats.missing_input import MissingInput
from xaisvc.caveats.near_threshold import NearThreshold
from xaisvc.caveats.off_manifold import OffManifold
from xaisvc.caveats.possible_manipulation import PossibleManipulation
from xaisvc.caveats.proxy_of_protected import ProxyOfProtected
from xaisvc.caveats.rare_usage import RareUsage
from xaisvc.caveats.row_caveats import Pieces, RowCaveats
from xaisvc.caveats.shared_credit import SharedCredit
from xaisvc.caveats.stale_background import StaleBackground
from xaisvc.caveats.support_row import RowScreen
from xaisvc.caveats.thresholds import CaveatThresholds
from xaisvc.caveats.unit_caveats import UnitChange, batch_changes
from xaisvc.caveats.value_function_disagreement import ValueFunctionDisagreement

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.types import Finding

CAVEATS: tuple[CaveatRule, ...] = (
    PossibleManipulation(),
    AdditivityFailure(),
    EstimatorNoise(),
    InputOutOfRange(),
    UnitChange(),
    ValueFunctionDisagreement(),
    SharedCredit(),
    AttributedButUnused(),
    HiddenProxyUse(),
    LowFidelitySurrogate(),
    OffManifold(),
    BackgroundSensitivity(),
    StaleBackground(),
    NearThreshold(),
    ProxyOfProtected(),
    RareUsage(),
    InteractionDominates(),
    MissingInput(),
)
"""All rules. Caveats of the same severity stand in this order."""

PIECE_ROWS = 16384
"""Most rows that rules look at together."""

PIECE_NUMBERS = 2**19
"""Most values of rows that rules look at together: while they look, each takes up to 90 bytes."""


def find_caveats(context: Callable[[], CaveatContext], count: int) -> RowCaveats:
    """Asks every registered rule about every row, piece by piece, when a caveat of the piece is read.

    Args:
        context: The rows and everything known about them; asked once a caveat is read, since studies that nobody made
            yet take time.
        count: Number of rows.

    Returns:
        One tuple per row, most severe first, then in the order of the registry.
    """

    def cut() -> Pieces:
        whole = context()
        size = max(1, min(PIECE_ROWS, PIECE_NUMBERS // max(len(whole.rows.columns), 1)))

        def find(start: int, stop: int) -> tuple[Finding, ...]:
            part = whole if count <= size else whole.part(start, stop)
            return tuple(finding for rule in CAVEATS for finding in rule.find(part))

        return Pieces(size, find)

    return RowCaveats(cut, count)


__all__ = [
    "CAVEATS",
    "CaveatContext",
    "CaveatRule",
    "CaveatThresholds",
    "Kept",
    "MethodAgreement",
    "RowCaveats",
    "RowScreen",
    "batch_changes",
    "find_caveats",
    "method_agreement",
    "method_disagreement",
]
