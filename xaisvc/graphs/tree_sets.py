"""The sets of BRANCH_MEMBER nodes, as ONNX Runtime takes them.

Found by experiment with ONNX Runtime 1.23 to 1.31, which agree: a set of up to 30 numbers, all from 0 to 30, is a chain
of equality tests, so it may hold fractions and a value has to be one of them. Any other set is kept as whole numbers of
32 bits, and the decimals of a value are cut off before it is looked up: 100.5 is in {0, 100}, and -0.5 too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.forest import MalformedTreesError, UnreadTreesError
from xaisvc.types import TreeMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_TESTS = 30
"""Sets with more numbers, or with one above this, are no chain of equality tests."""

_LAST_WHOLE = 2.0**31 - 1


def read_sets(mode: NDArray[np.int8], values: NDArray[np.float64]) -> dict[int, NDArray[np.float64]]:
    """The set of each BRANCH_MEMBER node.

    Args:
        mode: `TreeMode` of each node.
        values: The node's list of sets; NaN ends a set, the last one may do without.

    Returns:
        For each MEMBER node its numbers, at least one. Sets belong to nodes in the order of nodes.

    Raises:
        MalformedTreesError: If a node has no numbers. Some versions of ONNX Runtime end the process over it.
    """
    nodes = np.flatnonzero(mode == TreeMode.MEMBER).tolist()
    ends = np.flatnonzero(np.isnan(values))
    parts = [part[~np.isnan(part)] for part in np.split(values, ends)]
    if ends.size and not parts[-1].size:
        parts.pop()  # behind the last NaN
    if len(parts) < len(nodes) or not all(part.size for part in parts[: len(nodes)]):
        msg = "it has fewer sets than BRANCH_MEMBER nodes, or an empty one"
        raise MalformedTreesError(msg)
    return dict(zip(nodes, parts, strict=False))


def set_mode(members: NDArray[np.float64]) -> TreeMode:
    """How ONNX Runtime looks values up in a set of at least one number: MEMBER or WHOLE_MEMBER.

    Raises:
        UnreadTreesError: If ONNX Runtime cannot keep the numbers, or takes what is missing or too large for one.
    """
    if members.size <= _MOST_TESTS and members.min() >= 0 and members.max() <= _MOST_TESTS:
        return TreeMode.MEMBER
    # What is missing or beyond 32 bits becomes the first or the last of these numbers, by the machine.
    if (np.abs(members) >= _LAST_WHOLE).any() or (members != np.trunc(members)).any():
        msg = (
            "ONNX Runtime keeps the set of a BRANCH_MEMBER node as whole numbers of 32 bits, and one of its members has"
            " decimals or lies at the end of these or beyond"
        )
        raise UnreadTreesError(msg)
    return TreeMode.WHOLE_MEMBER
