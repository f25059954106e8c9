"""Features that the model leans on and that tell a protected attribute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_rows
from xaisvc.caveats.wording import listed
from xaisvc.types import Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.caveats.facts import TellingPlayers
    from xaisvc.types import Finding


@dataclass(frozen=True, slots=True)
class ProxyOfProtected:
    """Speaks where a row leans on features that tell a protected attribute which the model was not given.

    That is a property of the data, and no fault of the attribution; so it is context.
    """

    kind: str = "proxy_of_protected"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding per attribute and players that tell it; see `CaveatRule.find`."""
        findings: list[Finding] = []
        for told in context.facts.telling:
            together = context.shares.take(told.places, axis=1).sum(axis=1)
            speaks = np.asarray(together >= context.thresholds.material_share)
            if speaks.any():
                findings += self._found(context, told, together, speaks)
        return tuple(findings)

    def _found(
        self,
        context: CaveatContext,
        told: TellingPlayers,
        together: NDArray[np.float64],
        speaks: NDArray[np.bool_],
    ) -> tuple[Finding, ...]:
        names, proxy = context.named(told.places), told.proxy
        message = (
            f"{listed(names)} can stand in for the protected attribute {told.attribute}: it tells group "
            f"{proxy.group} from the others with an area under the curve of {proxy.area:.2f}, although the model was "
            "not given the attribute"
        )
        return by_rows(
            self.kind,
            speaks,
            lambda _: Words(Severity.INFO, message),
            lambda rows: Figures({"area": proxy.area, "area_error": proxy.area_error, "share": together[rows]}),
            players=names,
        )
