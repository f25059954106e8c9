from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numba import njit

from xaisvc.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = "def total(numbers):\n    found = 0.0\n    for number in numbers:\n        found += number\n    return found\n"


@pytest.fixture
def function() -> Callable[..., Any]:
    """A function of no file: there is no place beside it."""
    names: dict[str, Any] = {}
    exec(compile(SOURCE, "<no file>", "exec"), names)  # noqa: S102 (the source stands above)
    return names["total"]


def test_a_function_that_can_be_kept_nowhere_is_compiled_all_the_same(function: Callable[..., Any]) -> None:
    with pytest.raises(RuntimeError, match="no locator available"):
        njit(cache=True)(function)

    total = compiled()(function)

    assert total(np.arange(4.0)) == 6.0
    assert total.signatures
    assert total.targetoptions["nogil"]


def test_numbers_are_added_in_their_order_unless_asked_otherwise(function: Callable[..., Any]) -> None:
    assert not compiled()(function).targetoptions["fastmath"]
    assert compiled(fastmath={"reassoc"})(function).targetoptions["fastmath"] == {"reassoc"}
