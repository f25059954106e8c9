"""Explains the decisions of ONNX models: exact attributions, caveats, and one view per audience.

The names below are the library's public interface. They load when first used, so that `import xaisvc` costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xaisvc.bundles import Bundle, load_bundle
    from xaisvc.client import AsyncClient, Client
    from xaisvc.engine.authoring import create_bundle
    from xaisvc.engine.batch import Explanation, ExplanationBatch
    from xaisvc.engine.cohort_views import cohort_view
    from xaisvc.engine.explainer import Explainer
    from xaisvc.engine.interactions import InteractionBatch
    from xaisvc.engine.progress import Progress
    from xaisvc.types import Deadline, ErrorTarget

__version__ = "0.1.0"

_HOME = {
    "AsyncClient": "xaisvc.client",
    "Bundle": "xaisvc.bundles",
    "Client": "xaisvc.client",
    "Deadline": "xaisvc.types",
    "ErrorTarget": "xaisvc.types",
    "Explainer": "xaisvc.engine.explainer",
    "Explanation": "xaisvc.engine.batch",
    "ExplanationBatch": "xaisvc.engine.batch",
    "InteractionBatch": "xaisvc.engine.interactions",
    "Progress": "xaisvc.engine.progress",
    "cohort_view": "xaisvc.engine.cohort_views",
    "create_bundle": "xaisvc.engine.authoring",
    "load_bundle": "xaisvc.bundles",
}

__all__ = [
    "AsyncClient",
    "Bundle",
    "Client",
    "Deadline",
    "ErrorTarget",
    "Explainer",
    "Explanation",
    "ExplanationBatch",
    "InteractionBatch",
    "Progress",
    "cohort_view",
    "create_bundle",
    "load_bundle",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'xaisvc' has no attribute '{name}'; it has: {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
