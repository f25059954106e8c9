"""Everything that was studied once, as one explanation sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.types.association import Association
    from xaisvc.types.proxies import Proxies
    from xaisvc.types.reliance import Manipulation, Reliance
    from xaisvc.types.second_opinion import OpinionPlan
    from xaisvc.types.support import Adequacy, Hybrids, Support
    from xaisvc.types.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerSpread:
    """How the values of p players depend on the draw of the background and on the other players.

    Attributes:
        background_errors: Usual standard error of a player's value from the draw of the background rows, the root mean
            square over background rows; float64, (p,), in output units.
        background_covariance: Mean product of the errors of two players' values from that draw, over the same rows, its
            diagonal the squares of `background_errors`; float64, (p, p), in squared output units.
        interplay: Usual share of a player's value that depends on the other players, mean |last - first| over mean
            (|first| + |last|) with first = v({i}) - v({}) and last = v(all) - v(all but i); float64, (p,), in [0, 1].
        rows: Background rows explained for it.
        model_rows: Model rows scored for it, where coalitions are evaluated on model rows.
    """

    background_errors: NDArray[np.float64]
    background_covariance: NDArray[np.float64]
    interplay: NDArray[np.float64]
    rows: int
    model_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Studies:
    """What was studied once for a bundle, one of its outputs in one space, and some players.

    Attributes:
        association: How the features of the background go together.
        support: Which rows and hybrids the background supports.
        hybrids: Whether rows that mix two background rows player by player could be real, as `support.hybrids` feature
            by feature.
        units: What is known of the features' units.
        adequacy: Whether the background can carry explanations.
        reliance: How the model relies on its features for this output; `PROVEN_UNUSED` comes from the graph.
        manipulation: Whether the model answers made-up rows with something else; None where nobody looked.
        proxies: What tells each protected attribute; empty if the bundle names none.
        opinion: What the second opinion of these players needs; None where there is none: players that a caller made
            up, and LIME.
        spread: How values of these players depend on the draw of the background and on each other; None as `opinion`,
            and where it could not be found out.
    """

    association: Association
    support: Support
    hybrids: Hybrids
    units: Units
    adequacy: Adequacy
    reliance: Reliance
    manipulation: Manipulation | None
    proxies: tuple[Proxies, ...]
    opinion: OpinionPlan | None
    spread: PlayerSpread | None
