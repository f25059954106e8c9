"""Two methods asked about the same rows, and where they say different things."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.base import Finding, Pieces, RowCaveats
from xaisvc.caveats.conditional import are_top
from xaisvc.caveats.thresholds import CaveatThresholds
from xaisvc.types import Caveat, Gate, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Attribution, Players

KIND = "method_disagreement"


def method_disagreement(
    first: Attribution, second: Attribution, players: Players, thresholds: CaveatThresholds | None = None
) -> RowCaveats:
    """Where two methods, such as SHAP and LIME, disagree about the same rows.

    A sign conflicts where a player has a material share under one of them, at least `Thresholds.sign_share` under both,
    and each value is `CaveatThresholds.sign_errors` standard errors from 0: that asks for care, and the player is no
    reason. Otherwise it is worth a word where a player with a material share is among the three largest under one only.
    Shares are of the row's total under the same method.

    Args:
        first: n rows explained by one method.
        second: The same rows and players explained by another.
        players: The p players.
        thresholds: When to speak; None for the defaults.

    Returns:
        The caveats of each row. Evidence: both values of the player concerned most, how many players it is about, and
        Kendall's tau-b of the absolute values of all players with a material share (Kendall 1945), if there are two.
    """
    limits = thresholds or CaveatThresholds()
    names = (first.method, second.method)
    shares = _shares(first.values), _shares(second.values)
    material = np.maximum(*shares) >= limits.material_share
    safe = [np.abs(one.values) > limits.sign_errors * one.standard_errors for one in (first, second)]
    opposite = np.sign(first.values) * np.sign(second.values) < 0
    told = np.minimum(*shares) >= limits.opinion.sign_share
    sign = np.asarray(material & told & opposite & safe[0] & safe[1])
    tops = [
        are_top(one.values) & (share >= limits.material_share)
        for one, share in zip((first, second), shares, strict=True)
    ]
    others = [~are_top(one.values) for one in (first, second)]
    rank = np.asarray((tops[0] & others[1]) | (tops[1] & others[0]))
    text = _left_out(first, second)

    @cache
    def message(conflict: bool, concerned: tuple[str, ...]) -> str:  # noqa: FBT001 - a key of what was said before
        said = (
            f"give opposite signs to {', '.join(concerned)}"
            if conflict
            else f"differ on whether {', '.join(concerned)} is among the three largest"
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
        tau = _kendall(np.abs(first.values[row, material[row]]), np.abs(second.values[row, material[row]]))
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

    findings = (
        Finding(np.asarray(sign.any(axis=1)), lambda row: caveat(row, sign, conflict=True)),
        Finding(
            np.asarray(rank.any(axis=1) & ~sign.any(axis=1)),
            lambda row: caveat(row, rank, conflict=False),
        ),
    )
    count = len(first.values)
    return RowCaveats(lambda: Pieces(max(count, 1), lambda *_: findings), count)


def _shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = np.abs(values)
    totals = sizes.sum(axis=1, keepdims=True)
    return np.asarray(sizes / np.where(totals > 0, totals, 1.0))


def _left_out(first: Attribution, second: Attribution) -> str:
    """What each of the two leaves out, in words."""
    words = []
    for one in (first, second):
        if one.value_function == "local_surrogate":
            words.append(f"{one.method} fits a line around the row, leaves out what is not linear, and does not add up")
        else:
            words.append(f"{one.method} averages over the background, adds up, and says nothing about small changes")
    return "; ".join(dict.fromkeys(words))


def _kendall(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Kendall's tau-b; None if it means nothing: fewer than two players, or ties only."""
    above = np.triu_indices(len(one), k=1)
    a, b = (np.sign(values[:, None] - values)[above] for values in (one, other))
    size = float(np.sqrt((a != 0).sum() * (b != 0).sum()))
    return float((a * b).sum()) / size if size > 0 else None
