"""The tools that are compared: one file for each package, one tool for each setting of it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from benchmarks.performance.peers import fasttreeshap, lightshap, lime, own, shap, shapiq, woodelf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.performance.subject import Tool

TOOLS: Final[Mapping[str, Tool]] = MappingProxyType(
    {tool.name: tool for module in (own, shap, shapiq, lightshap, woodelf, fasttreeshap, lime) for tool in module.TOOLS}
)
"""Every tool by its name. A package is imported when one of its tools is made ready."""
