"""Two methods asked about the same rows, and where they say different things."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import one_by_one
from xaisvc.caveats.method_agreement import compare_methods, kendall_tau
from xaisvc.caveats.row_caveats import Pieces, RowCaveats
from xaisvc.caveats.thresholds import CaveatThresholds
from xaisvc.caveats.wording import listed
from xaisvc.types import Caveat, Gate, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Attribution, Finding, Players

KIND = "method_disagreement"

_PIECE_ROWS = 64
"""Rows whose caveats are made at once: each costs a rank correlation."""


def method_disagreement(
    first: Attribution, second: Attribution, players: Players, thresholds: CaveatThresholds | None = None
) -> RowCaveats:
    """Where two methods, such as SHAP and LIME, disagree about the same rows.

    A sign conflicts where a player has a material share under one of them, at least
    `CaveatThresholds.method_sign_share` under both, and each value is `sign_errors` standard errors from 0: that asks
    for care, and the player is no reason. Otherwise it is worth a word where a player with a material share is among
    the three largest under one only. Shares are of the row's total under the same method.

    Args:
        first: n rows explained by one method.
        second: The same rows and players explained by another.
        players: The p players.
        thresholds: When to speak; None for the defaults.

    Returns:
        The caveats of each row. Evidence: both values of the player concerned most, how many players it is about, and
        Kendall's tau-b of the absolute values of all players with a material share (Kendall 1945), if there are two.
    """
    names = (first.method, second.method)
    seen = compare_methods(first, second, thresholds or CaveatThresholds())
    shares, sign, rank = seen.shares, seen.conflicting, seen.disputed
    text = _left_out(first, second)

    @cache
    def message(conflict: bool, concerned: tuple[str, ...]) -> str:  # noqa: FBT001 - a key of what was said before
        said = (
            f"give opposite signs to {listed(concerned)}"
            if conflict
            else f"differ on whether {listed(concerned)} is among the three largest"
        )
        return f"{names[0]} and {names[1]} {said}; {text}"

    def caveat(row: int, chosen: NDArray[np.bool_], *, conflict: bool) -> Caveat:
        places = np.flatnonzero(chosen[row])
        concerned = tuple(players.names[i] for i in places)
        strongest = np.maximum(shares[0][row, places], shares[1][row, places])
        at = int(places[int(strongest.argmax())])
        evidence = {
            "first": float(first.values[row, at]),
            "second": float(second.values[row, at]),
            "players": float(len(concerned)),
        }
        tau = kendall_tau(first.values[row], second.values[row], seen.material[row])
        if tau is not None:
            evidence["kendall_tau"] = tau
        return Caveat(
            kind=KIND,
            severity=Severity.CARE if conflict else Severity.INFO,
            players=concerned,
            message=message(conflict, concerned),
            evidence=evidence,
            gates=(Gate.NOT_A_REASON,) if conflict else (),
        )

    def find(start: int, stop: int) -> tuple[Finding, ...]:
        part = slice(start, stop)
        conflicts, disputes = sign[part].any(axis=1), rank[part].any(axis=1)
        return (
            *one_by_one(np.asarray(conflicts), lambda row: caveat(start + row, sign, conflict=True)),
            *one_by_one(np.asarray(disputes & ~conflicts), lambda row: caveat(start + row, rank, conflict=False)),
        )

    count = len(first.values)
    return RowCaveats(lambda: Pieces(_PIECE_ROWS, find), count)


def _left_out(first: Attribution, second: Attribution) -> str:
    """What each of the two leaves out, in words."""
    words = []
    for one in (first, second):
        if one.value_function == "local_surrogate":
            words.append(f"{one.method} fits a line around the row, leaves out what is not linear, and does not add up")
        else:
            words.append(f"{one.method} averages over the background, adds up, and says nothing about small changes")
    return "; ".join(dict.fromkeys(words))
