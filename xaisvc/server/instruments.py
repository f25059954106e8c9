"""What watches the service from outside of its work: metrics and traces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from xaisvc.server.calls import current_trace
from xaisvc.server.metrics import CallMetrics, StageMetrics

if TYPE_CHECKING:
    from xaisvc.engine.stages import Stage
    from xaisvc.server.traces import Traces


@dataclass(frozen=True, slots=True)
class Instruments:
    """Counts and traces calls. The engine is handed this as its `Stages`.

    Attributes:
        registry: Where the metrics are listed.
        calls: Counts calls.
        stages: Counts stages, computations and reloads.
        traces: Traces calls; None if they are not.
    """

    registry: CollectorRegistry
    calls: CallMetrics
    stages: StageMetrics
    traces: Traces | None = field(default=None)

    @classmethod
    def make(cls, traces: Traces | None = None) -> Instruments:
        """Instruments with a registry of their own."""
        registry = CollectorRegistry()
        return cls(registry, CallMetrics(registry), StageMetrics(registry), traces)

    def spent(self, stage: Stage, bundle: str, method: str, start_s: float, end_s: float) -> None:
        """One request has been through one stage."""
        self.stages.spent(stage, bundle, method, start_s, end_s)
        trace = current_trace()
        if trace is not None:
            trace.spent(stage, bundle, method, start_s, end_s)

    def computed(self, bundle: str, method: str, rows: int, model_rows: int) -> None:
        """A batch has been computed."""
        self.stages.computed(bundle, method, rows, model_rows)
