"""Sampled attributions whose error is large against what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import by_players
from xaisvc.types import Caveat, Gate, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext, Finding

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class EstimatorNoise:
    """Speaks when the largest standard error of a row is a tenth or more of its largest absolute attribution.

    From one half on, not even the sign of the leading reason is safe (two standard errors reach zero), so reasons must
    not be given at all. Before that, a player with a material share and a value within two standard errors of 0 is no
    reason. LIME is left to its own rule: its errors come from a bootstrap of the surrogate.
    """

    kind: str = "estimator_noise"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding for whole rows, one for players without a sign; see `CaveatRule.find`."""
        found, limits = context.attribution, context.thresholds
        if found.exact or context.is_surrogate:
            return ()
        errors = found.standard_errors
        largest, error = context.largest, errors.max(axis=1, initial=0.0)
        # Where everything is zero up to rounding there is nothing to converge to.
        real = error > _ROUNDING * np.maximum(1.0, np.abs(found.outputs))
        if not real.any():
            return ()
        ratios = np.divide(error, largest, out=np.full(len(error), np.inf), where=largest > 0)
        bad = real & (ratios >= limits.noise_unreliable)
        noisy = (errors >= limits.noise_care * context.sizes) & (errors > 0)
        unsigned = (context.sizes < limits.sign_errors * errors) & (context.shares >= limits.material_share)

        def whole(names: tuple[str, ...], message: str, row: int) -> Caveat:
            return Caveat(
                kind=self.kind,
                severity=Severity.UNRELIABLE if bad[row] else Severity.CARE,
                players=names,
                message=message,
                evidence={
                    "largest_standard_error": float(error[row]),
                    "largest_absolute_value": float(largest[row]),
                },
                gates=(Gate.NO_REASONS,) if bad[row] else (),
            )

        def single(names: tuple[str, ...], message: str, row: int) -> Caveat:
            at = int(np.where(unsigned[row], context.sizes[row], -1.0).argmax())
            return Caveat(
                kind=self.kind,
                severity=Severity.CARE,
                players=names,
                message=message,
                evidence={"value": float(found.values[row, at]), "standard_error": float(errors[row, at])},
                gates=(Gate.NOT_A_REASON,),
            )

        speaks = real & (ratios >= limits.noise_care)
        return (
            *by_players(context, _rows(noisy, speaks), whole, _say_whole),
            *by_players(context, _rows(unsigned, real & ~bad), single, _say_single),
        )


def _rows(chosen: NDArray[np.bool_], rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(chosen & rows[:, None])


def _say_whole(names: tuple[str, ...]) -> str:
    return (
        f"sampling leaves a standard error of a tenth of the value or more for {', '.join(names)}, and the largest of "
        "them is large against the largest attribution of the row; raise the budget, or give an error target"
    )


def _say_single(names: tuple[str, ...]) -> str:
    return (
        f"sampling leaves the sign of {', '.join(names)} open: the value is within two standard errors of 0; raise the "
        "budget, or give an error target"
    )
