"""Backgrounds whose draw decides a good part of the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_players, everywhere
from xaisvc.caveats.wording import listed
from xaisvc.types import Caveat, Severity
from xaisvc.types.association import Power
from xaisvc.types.support import Enough

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding


@dataclass(frozen=True, slots=True)
class BackgroundSensitivity:
    """Speaks when the background is too small, and when another draw of it could give other numbers for a row.

    Values are relative to the background rows that were pinned. Below 100 rows all of them are coarse. Otherwise the
    usual standard error of each value from the draw of the rows is known from the bundle's own explanations. It speaks
    where the largest of them is half of the row's largest absolute value: two standard errors then reach 0, and another
    draw could turn the leading reason. It asks for care where the error is as large as the value.

    A lower limit would speak of rows that are merely near the average, whose values are all small. With 500 rows of
    independent features and additive models (60,000 rows for each of 64 combinations of normal, lognormal,
    Student and rare binary features, equal, random, halving and one dominant weight, 5 to 100 features), a tenth speaks
    of up to 90 % of rows, a quarter of up to 17 %. A half speaks of at most 0.8 % where no feature has ten times the
    weight of all others, and of up to 5 % where one has: such a row has no other reasons.
    """

    kind: str = "background_sensitivity"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """A finding for the bundle, or findings for rows; see `CaveatRule.find`."""
        found = context.studies.adequacy
        if found.enough is Enough.TOO_FEW:
            unseen = _UNSEEN.get(context.studies.association.power, "")
            caveat = Caveat(
                kind=self.kind,
                severity=Severity.CARE,
                message=(
                    f"the background has only {found.rows} rows ({found.distinct_rows} different ones); attributions "
                    f"are relative to it and would differ for another draw. {unseen}Use at least 100, better 500"
                ),
                evidence={"background_rows": float(found.rows), "distinct_rows": float(found.distinct_rows)},
            )
            return everywhere(context, caveat)
        spread, limits = context.studies.spread, context.thresholds
        if spread is None or context.is_surrogate:
            return ()
        largest, error = context.largest, context.facts.background_error
        if error < limits.background_info * largest.min():  # as of almost every row
            return ()
        speaks = (error >= limits.background_info * largest) & (largest > 0)
        if not speaks.any():
            return ()
        errors, care = spread.background_errors, error >= limits.background_care * largest
        chosen = speaks[:, None] & (errors >= limits.background_info * largest[:, None])

        def words(names: tuple[str, ...], variant: int) -> Words:
            return Words(Severity.CARE if variant else Severity.INFO, _say(names))

        def figures(rows: NDArray[np.intp]) -> Figures:
            return Figures({"largest_background_error": error, "largest_absolute_value": largest[rows]})

        return by_players(context, self.kind, np.asarray(chosen), words, figures, care.astype(np.intp))


_UNSEEN = {
    Power.CANNOT_TELL: "Nor can it be told which features go together, so that nothing is said of credit they share. ",
    Power.STRONG_ONLY: "Of features that go together only strong links are seen; weaker ones share credit unsaid. ",
}


def _say(names: tuple[str, ...]) -> str:
    return (
        f"another draw of the background could give other values: the usual error of {listed(names)} from the draw "
        "is large against the largest attribution of the row; use a larger background"
    )
