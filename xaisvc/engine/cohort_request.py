"""What a caller asks of many explanations."""

from __future__ import annotations

from dataclasses import dataclass

BUSINESS_MANAGER = "business_manager"
"""The audience that cohorts are for, unless another one is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSelection:
    """Which explanations make a cohort: those with these ids, or those of whole days.

    Attributes:
        ids: Ids of explanations; empty for a period.
        since: First day in UTC, ISO 8601; empty for the first record.
        until: Day after the last one, at most today; empty for today, which is not complete and not included.
    """

    ids: tuple[str, ...] = ()
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRequest:
    """What a caller asks of the explanations of a model.

    Attributes:
        model: Name of the bundle.
        selection: Which explanations.
        against: Those to compare with; None for none.
        output: Id of the output; empty for the one most of the explanations are about.
        segment_by: Ids of features, or `band`.
        audience: Whose view it is: one that declares what it is shown of many cases.
    """

    model: str
    selection: CohortSelection = CohortSelection()
    against: CohortSelection | None = None
    output: str = ""
    segment_by: tuple[str, ...] = ()
    audience: str = BUSINESS_MANAGER
