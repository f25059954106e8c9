"""Compiled functions, kept on disk between processes where there is a place for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def compiled(
    *, fastmath: Collection[str] = (), inline: Literal["never", "always"] = "never", numpy_errors: bool = False
) -> Callable[[Callable[..., Any]], Any]:
    """Makes a function compiled code that other threads run beside.

    numba keeps what it compiles beside the source, else in the user's cache folder, or where NUMBA_CACHE_DIR says, and
    refuses a function that it can keep nowhere. Such a function is compiled anew by every process: seconds, no failure.

    Args:
        fastmath: What the compiler may assume of floating-point numbers, see `numba.njit`.
        inline: Whether the function becomes part of those that call it before they are compiled.
        numpy_errors: Whether a division by zero gives infinity, as in numpy, and not an exception.
    """

    def compile_(function: Callable[..., Any]) -> Any:  # noqa: ANN401 (each keeps its own types)
        errors = "numpy" if numpy_errors else "python"
        options: dict[str, Any] = {"nogil": True, "inline": inline, "fastmath": set(fastmath), "error_model": errors}
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # numba's "no locator available"
            return njit(**options)(function)

    return compile_
