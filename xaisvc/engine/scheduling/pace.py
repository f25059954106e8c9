"""How long work takes, learnt from the work that was done."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

_KEPT = 0.8  # weight of the past at each batch: the last five or so decide
_MAX_KEYS = 1024


class _Figures:
    __slots__ = ("company", "cost", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cost = 0.0
        self.company = 1.0

    def observe(self, cost: int, seconds: float) -> None:
        self.seconds = _KEPT * self.seconds + seconds
        self.cost = _KEPT * self.cost + cost


class Pace:
    """Seconds per model row of each key: sums of seconds and of cost, both fading, and their ratio.

    So large batches weigh more than small ones, whose fixed share of time says little about a full queue. A key that
    was never seen has the pace of all keys together. The least recently used keys are forgotten.

    Args:
        start_s: Seconds per model row before anything was measured.
    """

    def __init__(self, start_s: float) -> None:
        self._start_s = start_s
        self._all = _Figures()
        self._keys: OrderedDict[Hashable, _Figures] = OrderedDict()

    def seconds(self, key: Hashable, cost: int) -> float:
        """Seconds that work of this cost is thought to take on one thread."""
        figures = self._keys.get(key)
        figures = figures if figures is not None and figures.cost else self._all
        return cost * (figures.seconds / figures.cost if figures.cost else self._start_s)

    def company(self, key: Hashable) -> int:
        """How many tasks of this key lately ran at the same time; 1 if that is not known."""
        figures = self._keys.get(key)
        return 1 if figures is None else int(figures.company)

    def meet(self, key: Hashable, tasks: int) -> None:
        """Learns how many tasks of a key run now; a larger number is forgotten batch by batch."""
        figures = self._of(key)
        figures.company = max(float(tasks), _KEPT * figures.company)

    def observe(self, key: Hashable, cost: int, seconds: float) -> None:
        """Learns from one batch."""
        self._of(key).observe(cost, seconds)
        self._all.observe(cost, seconds)

    def _of(self, key: Hashable) -> _Figures:
        """The figures of a key, as the one used last."""
        figures = self._keys.get(key)
        if figures is None:
            figures = self._keys[key] = _Figures()
            if len(self._keys) > _MAX_KEYS:
                self._keys.popitem(last=False)
        else:
            self._keys.move_to_end(key)
        return figures
