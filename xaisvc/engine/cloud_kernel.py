"""The compiled addition behind clouds."""

from __future__ import annotations

from xaisvc.compiled import compiled


@compiled()
def add_rounded(moves, own, tensor):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Writes own + moves into `tensor`, added in float64 and rounded to the tensor's type once.

    numpy takes a second pass for the rounding; measured for 5,000 draws of 30 numbers: 0.07 ms against 0.24 ms.

    Args:
        moves: float64, (m, c).
        own: float64, (c,).
        tensor: Written to; float32 or float64, (m, c).
    """
    for draw in range(moves.shape[0]):
        for column in range(moves.shape[1]):
            tensor[draw, column] = own[column] + moves[draw, column]
