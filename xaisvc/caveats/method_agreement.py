"""How far two methods agree about the same rows: the one place that says what a conflict is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.leading import are_top
from xaisvc.caveats.thresholds import CaveatThresholds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types import Attribution


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodAgreement:
    """How far two methods agree, row by row, by the measures of the caveat `method_disagreement`.

    Attributes:
        material_players: Players with a material share under at least one of the two; int64, (n,).
        kendall_tau: Kendall's tau-b of the absolute values of those players (Kendall 1945), from -1 to 1; float64,
            (n,). NaN for fewer than two of them, or ties only.
        sign_agreement: Share of those players whose signs do not conflict; float64, (n,). NaN where there are none. It
            is below 1 just where the caveat speaks of signs.
        leader_agreement: Of the players with a material share that are among the three largest under at least one of
            the two, the share that is so under both; float64, (n,). NaN where there are none. It is below 1 where the
            caveat speaks of the three largest, or would if it did not speak of signs.
    """

    material_players: NDArray[np.int64]
    kendall_tau: NDArray[np.float64]
    sign_agreement: NDArray[np.float64]
    leader_agreement: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two methods side by side for n rows and p players; every array has the shape (n, p).

    Attributes:
        shares: Share of each player in its row's total of absolute values under either method; float64.
        material: Whether the larger of the two shares is at least `CaveatThresholds.material_share`; bool.
        conflicting: Material players that get opposite signs, with at least `CaveatThresholds.method_sign_share` under
            both methods and each value more than `CaveatThresholds.sign_errors` standard errors from 0; bool.
        leading: Players that are among the three largest with a material share under at least one method; bool.
        disputed: Those of them that are not among the three largest under the other method; bool.
    """

    shares: tuple[NDArray[np.float64], NDArray[np.float64]]
    material: NDArray[np.bool_]
    conflicting: NDArray[np.bool_]
    leading: NDArray[np.bool_]
    disputed: NDArray[np.bool_]


def compare_methods(first: Attribution, second: Attribution, limits: CaveatThresholds) -> Compared:
    """Puts two attributions of the same n rows and p players side by side."""
    shares = _shares(first.values), _shares(second.values)
    material = np.maximum(*shares) >= limits.material_share
    safe = [np.abs(one.values) > limits.sign_errors * one.standard_errors for one in (first, second)]
    opposite = np.sign(first.values) * np.sign(second.values) < 0
    told = np.minimum(*shares) >= limits.method_sign_share
    top = are_top(first.values), are_top(second.values)
    leads = [is_top & (share >= limits.material_share) for is_top, share in zip(top, shares, strict=True)]
    return Compared(
        shares=shares,
        material=material,
        conflicting=np.asarray(material & told & opposite & safe[0] & safe[1]),
        leading=np.asarray(leads[0] | leads[1]),
        disputed=np.asarray((leads[0] & ~top[1]) | (leads[1] & ~top[0])),
    )


def method_agreement(
    first: Attribution, second: Attribution, thresholds: CaveatThresholds | None = None
) -> MethodAgreement:
    """How far two methods, such as SHAP and LIME, agree about the same rows and players.

    Args:
        first: n rows explained by one method.
        second: The same rows and players explained by another.
        thresholds: When a player counts; None for the defaults.
    """
    seen = compare_methods(first, second, thresholds or CaveatThresholds())
    rows = range(len(first.values))
    taus = [kendall_tau(first.values[row], second.values[row], seen.material[row]) for row in rows]
    return MethodAgreement(
        material_players=seen.material.sum(axis=1),
        kendall_tau=np.array([np.nan if tau is None else tau for tau in taus]),
        sign_agreement=_share_left(seen.conflicting, seen.material),
        leader_agreement=_share_left(seen.disputed, seen.leading),
    )


def kendall_tau(first: NDArray[np.float64], second: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float | None:
    """Kendall's tau-b of the absolute values of the chosen players; None if it means nothing: one player, ties only.

    Args:
        first: One row's values; float64, (p,).
        second: The same by another method; float64, (p,).
        chosen: Players that count; bool, (p,).
    """
    sizes = np.abs(first[chosen]), np.abs(second[chosen])
    above = np.triu_indices(len(sizes[0]), k=1)
    a, b = (np.sign(values[:, None] - values)[above] for values in sizes)
    size = float(np.sqrt((a != 0).sum() * (b != 0).sum()))
    return float((a * b).sum()) / size if size > 0 else None


def _shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = np.abs(values)
    totals = sizes.sum(axis=1, keepdims=True)
    return np.asarray(sizes / np.where(totals > 0, totals, 1.0))


def _share_left(taken: NDArray[np.bool_], of: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of the players of each row that are not taken; NaN where there are none."""
    count = of.sum(axis=1)
    return np.asarray(np.where(count > 0, (count - taken.sum(axis=1)) / np.maximum(count, 1), np.nan))
