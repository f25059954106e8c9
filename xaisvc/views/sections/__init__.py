"""The types of sections. A new type is one class here below and one line in `SECTION_TYPES`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.views.sections.alert import AlertBand, Novelty
from xaisvc.views.sections.case_record import CaseRecord
from xaisvc.views.sections.changes import Changes
from xaisvc.views.sections.client import DataCheck, DecisionCapture, MaySay, NextStep
from xaisvc.views.sections.common import FixedText, ReliabilityLine
from xaisvc.views.sections.evidence import Evidence
from xaisvc.views.sections.letter import Decision, OwnInformation, PrincipalReasons
from xaisvc.views.sections.model_use import ModelUse
from xaisvc.views.sections.past_cases import PastCases
from xaisvc.views.sections.reasons import SideReasons
from xaisvc.views.sections.signals import Signals
from xaisvc.views.sections.technical import CaveatList, MethodLimits, Prediction, Reproduction
from xaisvc.views.sections.technical_groups import AssociationHeatMap, Groups
from xaisvc.views.sections.technical_overview import DependencePlots, Importance
from xaisvc.views.sections.technical_readers import Readers
from xaisvc.views.sections.technical_second import Agreement, Interactions
from xaisvc.views.sections.technical_support import InputSupport, Stability
from xaisvc.views.sections.technical_values import AttributionTable, Checks, Waterfall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.audience import SectionType

SECTION_TYPES: Mapping[str, type[SectionType]] = MappingProxyType(
    {
        section.type: section
        for section in (
            Agreement,
            AssociationHeatMap,
            AlertBand,
            AttributionTable,
            CaseRecord,
            CaveatList,
            Changes,
            Checks,
            DataCheck,
            Decision,
            DecisionCapture,
            DependencePlots,
            Evidence,
            FixedText,
            Groups,
            Importance,
            InputSupport,
            Interactions,
            MaySay,
            MethodLimits,
            ModelUse,
            NextStep,
            Novelty,
            OwnInformation,
            PastCases,
            Prediction,
            PrincipalReasons,
            Readers,
            ReliabilityLine,
            Reproduction,
            SideReasons,
            Signals,
            Stability,
            Waterfall,
        )
    }
)

__all__ = ["SECTION_TYPES"]
