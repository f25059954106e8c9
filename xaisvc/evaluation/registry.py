"""Every metric of the report by its id. To add one: a function in a module of its own, and its line here."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from xaisvc.evaluation.accuracy_metrics import ACCURACY
from xaisvc.evaluation.complexity_metrics import COMPLEXITY
from xaisvc.evaluation.faithfulness_metrics import FAITHFULNESS
from xaisvc.evaluation.stability_metrics import ROBUSTNESS, STABILITY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.evaluation.metric import Metric

METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.id: metric for metrics in (ACCURACY, FAITHFULNESS, STABILITY, ROBUSTNESS, COMPLEXITY) for metric in metrics}
)
"""In the order of the report."""
