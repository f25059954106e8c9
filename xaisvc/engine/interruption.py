"""Work stops when nobody waits for it any more."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from xaisvc.errors import AbandonedError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.types import Interest, ModelFunction, Table


class Wanted:
    """Asks whether the work of one call is still wanted, from any thread. After the first no, nobody is asked again.

    Args:
        cancel: Says yes once nobody wants the answer any more; None if nobody can call the work off.
    """

    def __init__(self, cancel: Callable[[], bool] | None) -> None:
        self._cancel = cancel
        self._lock = threading.Lock()
        self._is_cancelled = False

    def __call__(self) -> None:
        """Raises AbandonedError if nobody waits any more."""
        if self._cancel is None:
            return
        with self._lock:
            self._is_cancelled = self._is_cancelled or self._cancel()
            if self._is_cancelled:
                raise _abandoned()


class Interruptible:
    """A model function that asks before every call whether its answer is still wanted.

    Methods ask between pieces of work by `Settings.check`; this asks inside pieces that score the model many times.
    """

    def __init__(self, model: ModelFunction, check: Callable[[], None]) -> None:
        self._model = model
        self._check = check

    def __call__(self, rows: Table) -> NDArray[np.float64]:
        """Scores rows; see `ModelFunction`.

        Raises:
            AbandonedError: If nobody waits any more.
        """
        self._check()
        return self._model(rows)


def check_wanted(interest: Interest) -> None:
    """Raises AbandonedError if the caller has left."""
    if interest.gone:
        raise _abandoned()


def _abandoned() -> AbandonedError:
    return AbandonedError("the work was called off or the caller went away, so it was stopped; nothing was recorded")
