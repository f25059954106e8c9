"""The compiled search for the largest numbers of a row."""

from __future__ import annotations

from xaisvc.caveats.leading import TOP
from xaisvc.compiled import compiled


@compiled(numpy_errors=True)
def leading(sizes, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Marks the three largest of some sizes; ties go to the first."""
    found[:] = False
    for _ in range(min(TOP, len(sizes))):
        best = -1
        for j in range(len(sizes)):
            if not found[j] and (best < 0 or sizes[j] > sizes[best]):
                best = j
        found[best] = True


@compiled(numpy_errors=True)
def largest_of_rows(sizes, chosen, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """The place of the largest chosen size of each row; ties go to the first, and 0 stands where none is chosen.

    Args:
        sizes: float64, (n, p).
        chosen: bool, (n, p).
        found: Written to: intp, (n,).
    """
    for i in range(len(sizes)):
        best = -1
        for j in range(sizes.shape[1]):
            if chosen[i, j] and (best < 0 or sizes[i, j] > sizes[i, best]):
                best = j
        found[i] = max(best, 0)


@compiled(numpy_errors=True)
def leading_of_rows(sizes, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Marks the three largest sizes of each row; ties go to the first.

    Args:
        sizes: float64, (n, p).
        found: Written to: bool, (n, p).
    """
    for i in range(len(sizes)):
        leading(sizes[i], found[i])
