"""The registry of attribution methods. A new method is one file, one line here and one conformance run."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.attribution.exact import ExactMethod
from xaisvc.attribution.kernel import KernelMethod
from xaisvc.attribution.lime import LimeMethod
from xaisvc.attribution.lime_continuous import LimeContinuousMethod
from xaisvc.attribution.lime_reference import LimeReferenceMethod
from xaisvc.attribution.linear import LinearMethod
from xaisvc.attribution.permutation import PermutationMethod
from xaisvc.attribution.tree import TreeMethod

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import AttributionMethod

_INSTANCES: tuple[AttributionMethod, ...] = (
    LinearMethod(),
    TreeMethod(),
    ExactMethod(),
    KernelMethod(),
    PermutationMethod(),
    LimeMethod(),
    LimeMethod(name="lime_selected", selection="auto"),
    LimeContinuousMethod(),
    LimeReferenceMethod(),
)

METHODS: Mapping[str, AttributionMethod] = MappingProxyType({method.name: method for method in _INSTANCES})
