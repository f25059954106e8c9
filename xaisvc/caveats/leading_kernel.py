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
def leading_of_rows(sizes, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Marks the three largest sizes of each row; ties go to the first.

    Args:
        sizes: float64, (n, p).
        found: Written to: bool, (n, p).
    """
    for i in range(len(sizes)):
        leading(sizes[i], found[i])
