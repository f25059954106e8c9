"""Kernel SHAP: Shapley values of any model from sampled coalitions, as a linear map of their values.

Kernel SHAP (Lundberg & Lee 2017) fits an additive game to the values of sampled coalitions under the constraint that
its values sum to v(all) - v(none). Here the fit is generalised least squares: what an additive game leaves over is not
taken as noise but as interactions, whose Shapley values are estimated too (see `projections`). Coalitions are shared by
all rows of a plan (see `designs`), so the fit is a matrix that is worked out once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from xaisvc.attribution.active import active_players, for_all, inert_text, only
from xaisvc.attribution.budgets import LARGEST_COALITIONS, BudgetRange
from xaisvc.attribution.designs import (
    background_sample,
    generator_of,
    group_rows,
    grouped_sequence,
    n_groups_of,
    n_pairs_of,
    pair_sequence,
)
from xaisvc.attribution.pilot import (
    Pilot,
    default_prior,
    from_arrays,
    n_stand_ins,
    noise_of,
    prior_of_errors,
    run_pilot,
    to_arrays,
)
from xaisvc.attribution.plain_games import PlainGames
from xaisvc.attribution.projections import posterior_projection
from xaisvc.attribution.sampling import ONE_PLAYER, Sampled, array_bytes, games_of, sample
from xaisvc.types import Deadline, ErrorTarget
from xaisvc.types.sampling import CoalitionDesign, Projection

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.attribution.projections import Prior
    from xaisvc.types import Attribution, Problem, Settings, Table
    from xaisvc.types.sampling import CoalitionGames

# Pairs beyond one for each player below which a standard error would be guesswork: 3 degrees of freedom.
_MIN_SPARE_PAIRS = 2
# An error target or a deadline stops here: a fit of this size takes longer than its error is worth.
MAX_COALITIONS = 65_536
# Where an error target is first looked at, or at 4 for each player. Rows stop where the standard error is small, and
# from few coalitions it is small by luck too: see `KernelMethod`.
_FIRST_STAGE = 256


def coalition_range(p: int) -> BudgetRange:
    """How many coalitions Kernel SHAP can use for p players."""
    everything = max(2**p - 2, 0)
    minimum = 2 * p + 2 * _MIN_SPARE_PAIRS
    rule = f"2 * {p} players + {2 * _MIN_SPARE_PAIRS}"
    if minimum >= everything:
        minimum, rule = everything, f"all coalitions of {p} player{'s' * (p != 1)}"
    return BudgetRange(
        minimum=minimum,
        minimum_rule=rule,
        default=min(2 * p + 2048, everything),
        cap=min(MAX_COALITIONS, everything),
        largest=LARGEST_COALITIONS if everything > LARGEST_COALITIONS else None,
        first=max(_FIRST_STAGE, 4 * p),
    )


@dataclass(frozen=True, slots=True)
class KernelMethod:
    """Kernel SHAP with shared paired coalitions, exact efficiency and standard errors.

    Exact, and said to be, when the budget covers all 2^p - 2 coalitions.

    An error target is first looked at after max(256, 4 p) coalitions, then at twice as many and so on. Measured for 12
    players, 10 background rows and targets of 0.1, 0.03 and 0.01, 200 rows each of three kinds of model: of the values
    of rows that stopped before enumeration, 96 % (ReLU network), 93 to 94 % (thresholds) and 94 to 95 % (products) lay
    within 1.96 standard errors of the exact ones, the farthest 5.2; where the first look was at 28 coalitions, 92 to
    97 %, 93 to 96 % and 92 to 94 %, the farthest 14.5.
    """

    name: str = field(default="kernel", init=False)
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
        allowed = coalition_range(p)
        allowed.check(settings.budget)
        active = active_players(problem)
        games = only(games_of(problem, settings), active, p)
        sampler = KernelSampler(problem, games, active, settings)
        found = for_all(sample(problem, games, rows, settings, allowed, sampler), active, p)

        def describe(some: Sampled) -> str:
            text = f"Kernel SHAP from {some.coalitions} coalitions per row over {some.background}"
            if len(active) == 1:
                detail = f"Kernel SHAP over {some.background}: {ONE_PLAYER}"
            elif some.exact.all():
                detail = f"{text}; these are all coalitions, so the values are exact."
            else:
                detail = (
                    f"{text}, in complementary pairs that all rows share; values and standard errors are the posterior "
                    "mean and deviation under the odd product kernel."
                )
                if sampler.n_pilot_rows:
                    pilot = f"{sampler.n_pilot_rows:,} model rows once"
                    detail += f" Its scales come from a pilot on background rows, {pilot}."
                if some.exact.any():
                    detail += f" {int(some.exact.sum())} of {len(some.exact)} rows were enumerated and are exact."
            return detail + inert_text(active, p)

        return found.attribution(self.name, describe, allowed)


class KernelSampler:
    """Shared pairs by leverage and their posterior projection; see `Sampler`. Lives for one call."""

    def __init__(self, problem: Problem, games: CoalitionGames, active: NDArray[np.intp], settings: Settings) -> None:
        self._problem = problem
        self._active = active
        # No name of the output is at hand, and a prior depends on it: v0 tells outputs apart.
        about = repr((games.none, str(problem.space), problem.players.members, active.tolist()))
        self._about = hashlib.blake2b(about.encode(), digest_size=16).hexdigest()
        self._settings = settings
        self._seed = settings.plan_seed
        self._p = len(active)
        self._n_background = len(problem.background)
        self._kept: dict[str, object] = {}
        self.n_pilot_rows = 0

    @property
    def p(self) -> int:
        """Number of players that can matter."""
        return self._p

    def design(self, n_coalitions: int) -> CoalitionDesign:
        """The pairs of a budget."""
        n_pairs = min(n_coalitions // 2, n_pairs_of(self._p))
        n_groups = self._n_groups(n_pairs)
        # Where all pairs fit nothing is left to chance, and the background is not sampled either.
        n_background = self._n_background if n_pairs < n_pairs_of(self._p) else 0
        check = self._settings.check

        def make() -> CoalitionDesign:
            if n_groups > 1:
                masks, groups = grouped_sequence(self._p, n_pairs * n_groups, n_groups, self._seed, check)
                return CoalitionDesign(masks=masks, background=group_rows(n_background, n_groups, self._seed)[groups])
            return CoalitionDesign(
                masks=pair_sequence(self._p, n_pairs, self._seed, check),
                background=background_sample(n_background, n_pairs, self._seed, check),
            )

        what = f"design of {n_pairs} times {n_groups} pairs"
        return cast("CoalitionDesign", self._keep(what, make, array_bytes))

    def _n_groups(self, n_pairs: int) -> int:
        in_stages = isinstance(self._settings.budget, ErrorTarget | Deadline)
        return n_groups_of(self._n_background, self._p, n_pairs, in_stages=in_stages)

    def projection(self, n_coalitions: int) -> Projection | None:
        """The map from their values to attributions; None if these are all pairs over the whole background."""
        design = self.design(n_coalitions)
        n_groups = self._n_groups(n_coalitions // 2)
        if len(design) == n_pairs_of(self._p) and n_groups == 1:
            return None
        pilot = self._pilot(design)
        self.n_pilot_rows = pilot.n_model_rows if pilot else 0
        check = self._settings.check
        known = "no pilot" if pilot is None else f"pilot of {pilot.n_model_rows} model rows"

        def make() -> Projection:
            prior = default_prior(self._p) if pilot is None else pilot.prior
            groups = for_errors = None
            if n_groups > 1:
                _, groups = grouped_sequence(self._p, len(design), n_groups, self._seed, check)
                supposed = prior_of_errors(pilot, prior)
                prior = self._of_groups(prior, n_groups)
                for_errors = None if supposed is None else self._of_groups(supposed, n_groups)
            elif design.background is not None:
                prior = replace(prior, noise=noise_of(pilot, self._n_background))
            rng = generator_of(self._seed, 5)
            return posterior_projection(design.masks, prior, rng, groups, check, for_errors)

        what = f"projection of {len(design)} pairs, {n_groups} groups, {known}"
        return cast("Projection", self._keep(what, make, array_bytes))

    def _of_groups(self, prior: Prior, n_groups: int) -> Prior:
        """The prior of groups from that of single background rows: their means scatter less."""
        each = self._n_background // n_groups
        return replace(prior, own=prior.own / each, slopes=prior.slopes / each)

    def _pilot(self, design: CoalitionDesign) -> Pilot | None:
        if isinstance(self._settings.budget, Deadline):
            return None  # its time is for the rows
        each = self._n_background if design.background is None else design.background.shape[1]
        n = n_stand_ins(self._p, self._n_background, 2 * len(design) * each)
        if n == 0:
            return None

        def make() -> Pilot | None:
            # A graph for so few model rows would cost more than it saves.
            plain = PlainGames(self._problem, self._settings.max_batch_rows, self._settings.threads)
            games = only(plain, self._active, len(self._problem.players))
            return run_pilot(games, self._problem.background, self._p, n, self._seed, self._settings.check)

        what = f"pilot of {n} stand-ins"
        if what not in self._kept:
            plans = self._problem.plans
            # Its model rows are worth a file, which a fresh process finds.
            self._kept[what] = (
                make() if plans is None else from_arrays(plans.keep_arrays(self._key(what), lambda: to_arrays(make())))
            )
        return cast("Pilot | None", self._kept[what])

    def _keep(self, what: str, make: Callable[[], object], n_bytes: Callable[[object], int]) -> object:
        if what not in self._kept:
            plans = self._problem.plans
            self._kept[what] = make() if plans is None else plans.keep(self._key(what), make, n_bytes)
        return self._kept[what]

    def _key(self, what: str) -> str:
        return f"kernel 3: {what}; {self._p} players, {self._n_background} rows, {self._about}, {self._seed.hex()}"
