"""Permutation sampling: Shapley values of any model as mean contributions over random orders of the players.

phi_i is the expectation, over a uniform order of the players, of v(those before i, and i) - v(those before i) (Castro,
Gomez & Tejada 2009). Each order is walked forward and backward: the backward walk uses the complements of the forward
one, so the even part of the game cancels (antithetic sampling; Mitchell et al. 2022, section 3). Orders are shared by
all rows of a plan, so the mean over them is a constant map of coalition values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.attribution.active import active_players, for_all, inert_text, only
from xaisvc.attribution.budgets import LARGEST_COALITIONS, BudgetRange
from xaisvc.attribution.designs import (
    FULL_BACKGROUND_ROWS,
    background_sample,
    generator_of,
    n_pairs_of,
    nobody_leaves,
)
from xaisvc.attribution.projections import normal_units
from xaisvc.attribution.sampling import ONE_PLAYER, Sampled, array_bytes, games_of, sample
from xaisvc.types.sampling import CoalitionDesign, Projection

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.types import Attribution, PlanStore, Problem, Settings, Table

# Orders below which their scatter says nothing about the error.
_MIN_ORDERS = 8
# An error target or a deadline stops here.
MAX_COALITIONS = 65_536
# Groups of orders whose scatter gives the errors: 15 degrees of freedom.
_MOST_GROUPS = 16
_FEWEST_GROUPS = 2
# Numbers of the map from values to scatter: 64 MB. Larger designs have fewer groups.
_MOST_SPREAD = 8_000_000
_SPREAD_AT_ONCE = 1_000_000  # numbers of it between two checks: some 20 ms
# What the mean variance of all players counts against the scatter of one, in degrees of freedom. A player whose
# contribution never showed in the orders drawn has no scatter, yet an error.
_SHARED_DEGREES = 8
_ENERGY_ROWS = 64
_BLOCK_ORDERS = 256


def permutation_range(p: int) -> BudgetRange:
    """How many coalitions permutation sampling can use for p players; one order needs 2 (p - 1)."""
    if p <= 2:  # noqa: PLR2004 - one order and its reverse are all orders of two players
        everything = 2 * (p - 1)
        return BudgetRange(
            minimum=everything,
            minimum_rule=f"all coalitions of {p} player{'s' * (p != 1)}",
            default=everything,
            cap=everything,
            largest=None,
        )
    minimum = _MIN_ORDERS * 2 * (p - 1)
    return BudgetRange(
        minimum=minimum,
        minimum_rule=f"{_MIN_ORDERS} orders of {p} players, 2 * ({p} - 1) coalitions each",
        default=max(2 * p + 2048, minimum),
        cap=max(MAX_COALITIONS, minimum),
        largest=max(LARGEST_COALITIONS, minimum),
    )


@dataclass(frozen=True, slots=True)
class PermutationMethod:
    """Antithetic permutation sampling with exact efficiency and standard errors.

    The values of every order sum to v(all) - v(none), so their mean does too. Standard errors come from the scatter
    over groups of orders. The budget counts coalitions in the orders; one that comes up again is not evaluated again.
    Where the orders of few players have met all coalitions, the answer is the Shapley value itself, and exact.
    """

    name: str = field(default="permutation", init=False)
    exact: bool = field(default=False, init=False)

    def why_not(self, problem: Problem) -> str:  # noqa: ARG002 - the protocol's signature; every problem can be sampled
        """Empty: every model can be sampled."""
        return ""

    def attribute(self, problem: Problem, rows: Table, settings: Settings) -> Attribution:
        """Attributes the outputs of n rows.

        Raises:
            InvalidRequestError: If the budget is not a number, an error target or a deadline that makes sense.
            BudgetTooSmallError: If the budget is below the minimum, which the message names.
            LimitExceededError: If the budget is above the limit, which the message names.
            ModelOutputError: If the model's answers are not finite numbers, one per row.
        """
        p = len(problem.players)
        allowed = permutation_range(p)
        allowed.check(settings.budget)
        active = active_players(problem)
        games = only(games_of(problem, settings), active, p)
        sampler = PermutationSampler(
            len(active), len(problem.background), settings.plan_seed, settings.check, problem.plans
        )
        found = for_all(sample(problem, games, rows, settings, allowed, sampler), active, p)

        def describe(some: Sampled) -> str:
            detail = f"Permutation sampling from {some.coalitions} distinct coalitions per row over {some.background}"
            if len(active) == 1:
                detail = f"Permutation sampling over {some.background}: {ONE_PLAYER}"
            elif some.exact.all():
                detail += "; these are all coalitions, so the values are exact and more orders would change nothing."
            else:
                detail += (
                    ", in orders that all rows share, each walked forward and backward; standard errors from the "
                    "scatter over orders."
                )
                everything = 2 * n_pairs_of(len(active))
                if some.model_evaluations.max(initial=0) > (everything + 1) * len(problem.background):
                    detail += (
                        f" All {everything:,} coalitions over the whole background cost less: `kernel` is exact there."
                    )
            return detail + inert_text(active, p)

        return found.attribution(self.name, describe, allowed)


class PermutationSampler:
    """Shared orders, and the mean over them; see `Sampler`. Lives for one call."""

    def __init__(
        self, p: int, n_background: int, seed: bytes, check: Callable[[], None], plans: PlanStore | None = None
    ) -> None:
        self._p = p
        self._check = check
        self._plans = plans
        self._n_background = n_background
        self._seed = seed

    @property
    def p(self) -> int:
        """Number of players that can matter."""
        return self._p

    def design(self, n_coalitions: int) -> CoalitionDesign:
        """The distinct pairs of the orders that a budget pays for."""

        def make() -> CoalitionDesign:
            masks = self._walk(n_coalitions).masks
            if self._p <= 2:  # noqa: PLR2004 - as above
                return CoalitionDesign(masks=masks)
            stand_ins = background_sample(self._n_background, len(masks), self._seed, self._check)
            return CoalitionDesign(masks=masks, background=stand_ins)

        return cast("CoalitionDesign", self._keep(f"design of {self._orders(n_coalitions)} orders", make))

    def projection(self, n_coalitions: int) -> Projection | None:
        """The mean over orders; None where they have met all coalitions over the whole background."""
        if self._p <= 2:  # noqa: PLR2004 - as above
            return None
        if self._n_background <= FULL_BACKGROUND_ROWS and len(self.design(n_coalitions)) == n_pairs_of(self._p):
            return None

        def make() -> Projection:
            return order_projection(self._walk(n_coalitions), generator_of(self._seed, 6), self._check)

        return cast("Projection", self._keep(f"projection of {self._orders(n_coalitions)} orders", make))

    def _keep(self, what: str, make: Callable[[], object]) -> object:
        """What orders alone decide, for any model of as many players; worked out once where there is a store."""
        if self._plans is None:
            return make()
        key = f"permutation 1: {what}; {self._p} players, {self._n_background} rows, {self._seed.hex()}"
        return self._plans.keep(key, make, array_bytes)

    def _orders(self, n_coalitions: int) -> int:
        """Orders that a budget pays for."""
        return n_coalitions // (2 * (self._p - 1)) if self._p > 1 else 0

    def _walk(self, n_coalitions: int) -> Walk:
        n_orders = self._orders(n_coalitions)
        # Where pairs see samples of the background, orders must not share them, or their scatter would miss that error.
        orders = random_orders(self._p, n_orders, self._seed, self._check)
        return walk(orders, merge=self._n_background <= FULL_BACKGROUND_ROWS, check=self._check)


@dataclass(frozen=True, slots=True)
class Walk:
    """Orders, and the coalitions met on the way.

    Attributes:
        orders: int64, (o, p).
        masks: One coalition of each distinct pair, in the order of appearance; bool, (q, p).
        pairs: The pair of the first k + 1 players of each order; int64, (o, p - 1).
        signs: 1 where these players are the pair's coalition, -1 where they are its complement; float64, (o, p - 1).
    """

    orders: NDArray[np.int64]
    masks: NDArray[np.bool_]
    pairs: NDArray[np.int64]
    signs: NDArray[np.float64]


def random_orders(p: int, n_orders: int, seed: bytes, check: Callable[[], None] = nobody_leaves) -> NDArray[np.int64]:
    """The first orders of an endless sequence, with a check before each block; int64, (n_orders, p)."""
    rng = generator_of(seed, p, 7)
    blocks = []
    for _ in range(-(-n_orders // _BLOCK_ORDERS)):
        check()
        blocks.append(rng.permuted(np.tile(np.arange(p, dtype=np.int64), (_BLOCK_ORDERS, 1)), axis=1))
    return np.concatenate([np.empty((0, p), dtype=np.int64), *blocks])[:n_orders]


def walk(orders: NDArray[np.int64], *, merge: bool = True, check: Callable[[], None] = nobody_leaves) -> Walk:
    """The coalitions of orders; with `merge`, those that come up again and complements are one pair.

    Args:
        orders: int64, (o, p).
        merge: Whether pairs are told apart by what they hold and not by where they come up.
        check: Called between pieces of work; raises AbandonedError once nobody waits.
    """
    n_orders, p = orders.shape
    places = np.argsort(orders, axis=1)
    before = (places[:, None, :] <= np.arange(p - 1)[None, :, None]).reshape(-1, p)
    if not merge:
        pairs = np.arange(len(before), dtype=np.int64).reshape(n_orders, p - 1)
        return Walk(orders=orders, masks=before, pairs=pairs, signs=np.ones(pairs.shape))
    check()
    with_first = before[:, 0]
    packed = np.packbits(before ^ ~with_first[:, None], axis=1)
    check()
    if p <= 64:  # noqa: PLR2004 - bits of one number, which sorts several times as fast as a row of bytes
        numbers = np.pad(packed, ((0, 0), (0, 8 - packed.shape[1]))).view(np.uint64)[:, 0]
        _, first, pairs = np.unique(numbers, return_index=True, return_inverse=True)
    else:
        _, first, pairs = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    check()
    by_place = np.argsort(first)
    rank = np.empty_like(by_place)
    rank[by_place] = np.arange(len(by_place))
    pairs = rank[pairs.reshape(-1)].astype(np.int64)
    masks = before[first[by_place]]
    signs = np.where(with_first == masks[pairs, 0], 1.0, -1.0)
    return Walk(orders=orders, masks=masks, pairs=pairs.reshape(n_orders, p - 1), signs=signs.reshape(n_orders, p - 1))


def order_projection(walked: Walk, rng: np.random.Generator, check: Callable[[], None] = nobody_leaves) -> Projection:
    """The mean contribution over orders as a map of y = (v(S) - v(not S)) / 2, and its errors.

    The mean of the forward and the backward contribution of the player at place k is y(first k) - y(first k - 1), where
    y(nobody) = -total / 2 and y(everybody) = total / 2. Orders are put in groups; the scatter of the groups' means
    gives the variance of the mean of all, and the mean of that over players is mixed in.

    Args:
        walked: The orders.
        rng: Draws the sketch of the energy map.
        check: Called between pieces of work; raises AbandonedError once nobody waits.
    """
    check()
    n_orders, p = walked.orders.shape
    q = len(walked.masks)
    n_groups = max(_FEWEST_GROUPS, min(n_orders, _MOST_GROUPS, _MOST_SPREAD // (p * q)))
    group = np.arange(n_orders) % n_groups
    counts = np.bincount(group, minlength=n_groups)
    by_group = np.zeros((n_groups, p, q))
    share = np.zeros((n_groups, p))
    groups = np.repeat(group, p - 1)
    pairs, signs = walked.pairs.reshape(-1), walked.signs.reshape(-1)
    np.add.at(by_group, (groups, walked.orders[:, :-1].reshape(-1), pairs), signs)
    check()
    np.add.at(by_group, (groups, walked.orders[:, 1:].reshape(-1), pairs), -signs)
    np.add.at(share, (group, walked.orders[:, 0]), 0.5)
    np.add.at(share, (group, walked.orders[:, -1]), 0.5)
    check()
    weights, mean_share = by_group.sum(axis=0) / n_orders, share.sum(axis=0) / n_orders
    fraction = (counts / n_orders)[:, None]
    inflate = np.sqrt(n_groups / (n_groups - 1)) * normal_units(n_groups - 1 + _SHARED_DEGREES)
    spread_share = (share / n_orders - fraction * mean_share) * inflate
    check()
    own = (n_groups - 1) / (n_groups - 1 + _SHARED_DEGREES)
    sketch = (rng.integers(2, size=(_ENERGY_ROWS, n_groups * p)) * 2.0 - 1.0) / np.sqrt(_ENERGY_ROWS * p)
    spread, energy = by_group, np.empty((_ENERGY_ROWS, q))  # the sums of groups are not needed any more
    step = max(1, _SPREAD_AT_ONCE // (n_groups * p))
    for start in range(0, q, step):
        check()
        block = slice(start, start + step)
        part = (by_group[..., block] / n_orders - fraction[..., None] * weights[:, block]) * inflate
        energy[:, block] = sketch @ part.reshape(n_groups * p, -1)
        spread[..., block] = part * np.sqrt(own)
    return Projection(
        weights=weights,
        share=mean_share,
        spread=spread,
        spread_share=spread_share * np.sqrt(own),
        scale=np.full(p, np.sqrt(1.0 - own)),
        energy=energy,
        energy_share=sketch @ spread_share.reshape(n_groups * p),
    )
