"""The types of sections. A new type is one class here below and one line in `SECTION_TYPES`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.views.sections.alert import Evidence
from xaisvc.views.sections.client import DataCheck, MaySay, NextStep
from xaisvc.views.sections.common import FixedText, ReliabilityLine
from xaisvc.views.sections.letter import Decision, OwnInformation, PrincipalReasons
from xaisvc.views.sections.portfolio import Conclusion, Fairness, Influence, ModelUse, Standing
from xaisvc.views.sections.reasons import SideReasons
from xaisvc.views.sections.technical import (
    AttributionTable,
    CaveatList,
    Checks,
    MethodLimits,
    Prediction,
    Reproduction,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.audience import SectionType

SECTION_TYPES: Mapping[str, type[SectionType]] = MappingProxyType(
    {
        section.type: section
        for section in (
            AttributionTable,
            CaveatList,
            Checks,
            Conclusion,
            DataCheck,
            Decision,
            Evidence,
            Fairness,
            FixedText,
            Influence,
            MaySay,
            MethodLimits,
            ModelUse,
            NextStep,
            OwnInformation,
            Prediction,
            PrincipalReasons,
            ReliabilityLine,
            Reproduction,
            SideReasons,
            Standing,
        )
    }
)

__all__ = ["SECTION_TYPES"]
