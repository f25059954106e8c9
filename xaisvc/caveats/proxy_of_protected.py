"""Features that the model leans on and that tell a protected attribute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding
from xaisvc.types import Caveat, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.caveats.facts import TellingPlayers


@dataclass(frozen=True, slots=True)
class ProxyOfProtected:
    """Speaks where a row leans on features that tell a protected attribute which the model was not given.

    That is a property of the data, and no fault of the attribution; so it is context.
    """

    kind: str = "proxy_of_protected"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding per attribute and players that tell it; see `CaveatRule.find`."""
        findings = []
        for told in context.facts.telling:
            together = context.shares.take(told.places, axis=1).sum(axis=1)
            speaks = np.asarray(together >= context.thresholds.material_share)
            if speaks.any():
                findings.append(Finding(speaks, self._caveat(context, told, together)))
        return tuple(findings)

    def _caveat(
        self, context: CaveatContext, told: TellingPlayers, together: NDArray[np.float64]
    ) -> Callable[[int], Caveat]:
        names, proxy = context.named(told.places), told.proxy
        message = (
            f"{', '.join(names)} can stand in for the protected attribute {told.attribute}: it tells group "
            f"{proxy.group} from the others with an area under the curve of {proxy.area:.2f}, although the model was "
            "not given the attribute"
        )

        def caveat(row: int) -> Caveat:
            return Caveat(
                kind=self.kind,
                severity=Severity.INFO,
                players=names,
                message=message,
                evidence={"area": proxy.area, "area_error": proxy.area_error, "share": float(together[row])},
            )

        return caveat
