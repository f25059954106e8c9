"""Work stops when nobody waits for it any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.errors import AbandonedError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.types import ModelFunction, Table


class Interruptible:
    """A model function for one request. Methods score in small batches, so this is asked many times a second."""

    def __init__(self, model: ModelFunction, is_abandoned: Callable[[], bool]) -> None:
        self._model = model
        self._is_abandoned = is_abandoned

    def __call__(self, rows: Table) -> NDArray[np.float64]:
        """Scores rows; see `ModelFunction`.

        Raises:
            AbandonedError: If nobody waits any more.
        """
        check_wanted(self._is_abandoned)
        return self._model(rows)


def check_wanted(is_abandoned: Callable[[], bool] | None) -> None:
    """Raises AbandonedError if nobody waits any more."""
    if is_abandoned is not None and is_abandoned():
        raise AbandonedError("the caller went away, so the work was stopped and nothing was recorded")
