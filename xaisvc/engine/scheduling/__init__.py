"""Who computes what, when, and with whom: batches, fairness, room, and single flight.

It knows no transport, no explainers and no rows: work comes as tasks with a key and a cost, and a function to compute
them.
"""

from xaisvc.engine.scheduling.admission import Bounds
from xaisvc.engine.scheduling.faults import as_exception
from xaisvc.engine.scheduling.flights import Flights, Trip
from xaisvc.engine.scheduling.gauges import BATCH_SIZE_BOUNDS, SchedulerState
from xaisvc.engine.scheduling.limits import SchedulerLimits
from xaisvc.engine.scheduling.scheduler import Scheduler
from xaisvc.engine.scheduling.task import Cancel, Compute, Lane, Rows, Task
from xaisvc.engine.scheduling.waiting import wait_for

__all__ = [
    "BATCH_SIZE_BOUNDS",
    "Bounds",
    "Cancel",
    "Compute",
    "Flights",
    "Lane",
    "Rows",
    "Scheduler",
    "SchedulerLimits",
    "SchedulerState",
    "Task",
    "Trip",
    "as_exception",
    "wait_for",
]
