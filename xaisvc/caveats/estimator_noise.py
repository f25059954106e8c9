"""Sampled attributions whose error is large against what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_players
from xaisvc.caveats.leading import most_of
from xaisvc.caveats.wording import listed
from xaisvc.types import Gate, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding

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
        """Findings for whole rows, and for players without a sign; see `CaveatRule.find`."""
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

        def whole(names: tuple[str, ...], variant: int) -> Words:
            severity = Severity.UNRELIABLE if variant else Severity.CARE
            return Words(severity, _say_whole(names), (Gate.NO_REASONS,) if variant else ())

        def figures(rows: NDArray[np.intp]) -> Figures:
            return Figures({"largest_standard_error": error[rows], "largest_absolute_value": largest[rows]})

        def single(rows: NDArray[np.intp]) -> Figures:
            at = most_of(context.sizes[rows], unsigned[rows])
            return Figures({"value": found.values[rows, at], "standard_error": errors[rows, at]})

        speaks = real & (ratios >= limits.noise_care)
        return (
            *by_players(context, self.kind, _rows(noisy, speaks), whole, figures, bad.astype(np.intp)),
            *by_players(
                context,
                self.kind,
                _rows(unsigned, real & ~bad),
                lambda names, _: Words(Severity.CARE, _say_single(names), (Gate.NOT_A_REASON,)),
                single,
            ),
        )


def _rows(chosen: NDArray[np.bool_], rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(chosen & rows[:, None])


def _say_whole(names: tuple[str, ...]) -> str:
    return (
        f"sampling leaves a standard error of a tenth of the value or more for {listed(names)}, and the largest of "
        "them is large against the largest attribution of the row; raise the budget, or give an error target"
    )


def _say_single(names: tuple[str, ...]) -> str:
    return (
        f"sampling leaves the sign of {listed(names)} open: the value is within two standard errors of 0; raise the "
        "budget, or give an error target"
    )
