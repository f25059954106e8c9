"""How long work takes, learnt from the work that was done."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

_KEPT = 0.8  # weight of the past at each batch: the last five or so decide
_MAX_KEYS = 1024


class _Figures:
    __slots__ = ("company", "cost", "is_warm", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cost = 0.0
        self.company = 1.0
        self.is_warm = False


class Pace:
    """Seconds per model row of each key: sums of seconds and of cost, both fading, and their ratio.

    So large batches weigh more than small ones, whose fixed share of time says little about a full queue. A key that
    was never measured has the start value, whatever others take: an exact method's model row may cost a thousand times
    as much as a sampled one's, and work that is thought to take minutes would be refused without ever being measured.
    For the same reason nothing is learnt from the first batch of a key: it may have compiled code or read a file, which
    no later one does. The least recently used keys are forgotten.

    Args:
        start_s: Seconds per model row of a key of which nothing is known.
    """

    def __init__(self, start_s: float) -> None:
        self._start_s = start_s
        self._keys: OrderedDict[Hashable, _Figures] = OrderedDict()

    def seconds(self, key: Hashable, cost: int) -> float:
        """Seconds that work of this cost is thought to take on one thread."""
        figures = self._keys.get(key)
        return cost * (figures.seconds / figures.cost if figures is not None and figures.cost else self._start_s)

    def company(self, key: Hashable) -> int:
        """How many tasks of this key lately ran at the same time; 1 if that is not known."""
        figures = self._keys.get(key)
        return 1 if figures is None else int(figures.company)

    def meet(self, key: Hashable, tasks: int) -> None:
        """Learns how many tasks of a key run now; a larger number is forgotten batch by batch."""
        figures = self._of(key)
        figures.company = max(float(tasks), _KEPT * figures.company)

    def observe(self, key: Hashable, cost: int, seconds: float) -> None:
        """Learns from one batch, unless it is the key's first."""
        figures = self._of(key)
        if not figures.is_warm:
            figures.is_warm = True
            return
        figures.seconds = _KEPT * figures.seconds + seconds
        figures.cost = _KEPT * figures.cost + cost

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
