"""Computing one batch so that no task can spoil it for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.engine.scheduling.desk import Desk
    from xaisvc.engine.scheduling.entry import Piece
    from xaisvc.engine.scheduling.task import Answer, RowsT


def compute_batch(
    desk: Desk[RowsT, Answer],
    pieces: Sequence[Piece[RowsT, Answer]],
    *,
    clock: Callable[[], float],
    alike: Callable[[BaseException], bool],
) -> None:
    """Computes pieces together and settles each as soon as its answer is known.

    If the computation fails, the halves are tried, and so on until each piece at fault stands alone. With t pieces that
    is at most 2t - 2 further computations, and at most ceil(log2(t)) for each piece. Whoever left or is late by then is
    left out.

    Args:
        desk: Where answers and errors go.
        pieces: Of tasks with the same key.
        clock: Monotonic, in seconds.
        alike: Whether an error would meet every piece.
    """
    groups = [pieces]
    while groups:
        group = desk.drop_unwanted(groups.pop())
        if not group:
            continue
        started_at = clock()
        try:
            found = _compute(group, clock)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the callers' to know and not this thread's end
            left = desk.drop_unwanted(group)
            if not left:
                continue
            if len(group) == 1 or alike(error):
                desk.settle_error(left, error)
                continue
            middle = len(left) // 2
            halves = [half for half in (left[middle:], left[:middle]) if half]
            desk.count_reruns(len(halves), clock() - started_at)
            groups += halves
        else:
            desk.settle(group, found, clock() - started_at)


def _compute(group: Sequence[Piece[RowsT, Answer]], clock: Callable[[], float]) -> list[list[Answer]]:
    def cancel() -> bool:
        now = clock()
        return not any(piece.entry.wanted(now) for piece in group)

    found = [list(answers) for answers in group[0].entry.compute([piece.rows() for piece in group], cancel)]
    if [len(answers) for answers in found] != [len(piece) for piece in group]:
        raise RuntimeError("a computation did not return one answer for each row of each task")
    return found
