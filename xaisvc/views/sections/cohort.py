"""The types of sections about many cases. A new type is one class and one line in `COHORT_SECTION_TYPES`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.views.sections.cohort_drivers import Changes, Drivers, ShortRules
from xaisvc.views.sections.cohort_people import Alarms, PeopleAndModel
from xaisvc.views.sections.cohort_segments import Segments
from xaisvc.views.sections.cohort_summary import (
    CohortActions,
    CohortConclusion,
    CohortLimits,
    CohortModelUse,
    CohortText,
    SignOff,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.cohort_section import CohortSectionType

COHORT_SECTION_TYPES: Mapping[str, type[CohortSectionType]] = MappingProxyType(
    {
        section.type: section
        for section in (
            Alarms,
            Changes,
            CohortActions,
            CohortConclusion,
            CohortLimits,
            CohortModelUse,
            CohortText,
            Drivers,
            PeopleAndModel,
            Segments,
            ShortRules,
            SignOff,
        )
    }
)

__all__ = ["COHORT_SECTION_TYPES"]
