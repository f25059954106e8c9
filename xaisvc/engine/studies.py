"""The studies of a bundle: made when first asked for, and kept with its plans, on disk too."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from xaisvc.caveats import CaveatContext, Kept, RowScreen
from xaisvc.engine.facts import portfolio_mean_abs, standing
from xaisvc.engine.study_codec import decode_study, encode_study, study_form
from xaisvc.errors import ModelOutputError
from xaisvc.types.association import Association
from xaisvc.types.reliance import Manipulation, Reliance
from xaisvc.types.second_opinion import OpinionPlan
from xaisvc.types.studies import PlayerSpread, Studies
from xaisvc.types.support import Hybrids, Support
from xaisvc.types.units import Units

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from numpy.typing import NDArray

    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.structure.amortised import BackgroundGames
    from xaisvc.types import Attribution, CoalitionDesign, Output, PairValues, Players, Space, Table
    from xaisvc.types.proxies import Proxies
    from xaisvc.types.support import Adequacy

T = TypeVar("T")

_MOST_KNOWN = 64

NO_MIXTURES = "the model does not answer every mixture of background rows with a finite number"

CLUSTER_EFFECT = 0.7
"""Mean effect from which features are one cluster. Above it, hybrid rows mostly mix what does not occur together."""


class BundleStudies:
    """What is studied once for a bundle. Safe to use from several threads; each study is made by one of them.

    Randomness comes from the digests of what is studied, so that a study is the same wherever it is made.

    Args:
        loaded: The bundle on its device.
    """

    def __init__(self, loaded: LoadedBundle) -> None:
        self._loaded = loaded
        self._background = loaded.bundle.background
        self._description = loaded.bundle.description
        self._known: dict[tuple[str, Space, tuple[tuple[str, ...], ...], date], Studies] = {}
        self._kept_facts = Kept()

    def association(self) -> Association:
        """How the features of the background go together."""
        from xaisvc.structure.association import study_association  # noqa: PLC0415 - heavy: loaded when used

        return self._kept(
            Association, "association", lambda rng: study_association(self._background, self._description, rng)
        )

    def clusters(self) -> tuple[tuple[str, ...], ...]:
        """Ids of the features that go together so strongly that they can be explained as one."""
        from xaisvc.structure.clusters import cut  # noqa: PLC0415 - heavy: loaded when used

        found = self.association()
        names = found.features
        sets = cut(found.merges, len(names), CLUSTER_EFFECT)
        return tuple(tuple(names[i] for i in members) for members in sets if len(members) > 1)

    def support(self) -> Support:
        """Which rows and hybrids the background supports."""
        from xaisvc.structure.support import study_support  # noqa: PLC0415 - heavy: loaded when used

        return self._kept(Support, "support", lambda rng: study_support(self._background, self._description, rng))

    def hybrids(self, players: Players) -> Hybrids:
        """Whether rows that mix two background rows player by player could be real.

        Not told of groups that a caller makes up: it takes seconds, and every request could bring others.
        """
        from xaisvc.structure.player_hybrids import study_player_hybrids  # noqa: PLC0415 - heavy: loaded when used

        if all(len(members) == 1 for members in players.members):
            return self.support().hybrids
        if players.kind == "custom":
            return Hybrids.unknown()
        return self._kept(
            Hybrids,
            f"hybrids of {players.members}",
            lambda rng: study_player_hybrids(self._background, players.members, rng),
        )

    def units(self) -> Units:
        """What is known of the features' units."""
        from xaisvc.structure.units import study_units  # noqa: PLC0415 - heavy: loaded when used

        return self._kept(Units, "units", lambda _: study_units(self._background))

    def reliance(self, output: Output, space: Space) -> Reliance:
        """How the model relies on its features.

        Raises:
            ModelOutputError: If a feature that the graph proves unused moves the output: the graph was misread.
        """
        from xaisvc.structure.reliance import study_reliance  # noqa: PLC0415 - heavy: loaded when used

        def make(rng: np.random.Generator) -> Reliance:
            names = self._description.feature_ids
            found = self.association()
            return study_reliance(
                self._background,
                self._loaded.scoring(output, space).whatever,
                self._loaded.inert(output, space),
                rng,
                clusters=[tuple(names[i] for i in cluster) for cluster in found.clusters],
                categories={one.id: one.categories for one in self._description.features if one.categories},
            )

        found = self._kept(Reliance, f"reliance of {output.id} in {space}", make)
        if found.refuted:
            raise ModelOutputError(
                f"the graph was read as if output '{output.id}' could not depend on {', '.join(found.refuted)}, and "
                "yet the output moves when these values change; nothing this model answers is explained. Please report "
                "it with the model"
            )
        return found

    def manipulation(self, output: Output, space: Space) -> Manipulation:
        """Whether the model answers made-up rows with something else."""
        from xaisvc.structure.manipulation import study_manipulation  # noqa: PLC0415 - heavy: loaded when used

        def make(rng: np.random.Generator) -> Manipulation:
            return study_manipulation(self._background, self._loaded.scoring(output, space).whatever, rng)

        return self._kept(Manipulation, f"manipulation of {output.id} in {space}", make)

    def proxies(self, output: Output, space: Space) -> tuple[Proxies, ...]:
        """What tells each protected attribute that the bundle names."""
        from xaisvc.structure.proxies import study_proxies  # noqa: PLC0415 - heavy: loaded when used

        protected = self._loaded.bundle.protected
        if not protected:
            return ()

        def make(rng: np.random.Generator) -> tuple[Proxies, ...]:
            found = self.association()
            features = self._loaded.players("features")
            usual = portfolio_mean_abs(self._loaded, output, space, features, lambda: 0.0)
            return tuple(
                study_proxies(
                    self._background,
                    values,
                    rng,
                    attribute=name,
                    clusters=[tuple(found.features[i] for i in cluster) for cluster in found.clusters],
                    importance=None if usual is None else dict(zip(features.names, usual.tolist(), strict=True)),
                    score=self._outputs(output, space),
                )
                for name, values in protected.items()
            )

        return cast("tuple[Proxies, ...]", self._kept(tuple, f"proxies for {output.id} in {space}", make))

    def opinion(self, output: Output, space: Space, players: Players) -> OpinionPlan:
        """What the second opinion of these players needs."""
        from xaisvc.structure.amortised import study_second_opinion  # noqa: PLC0415 - heavy: loaded when used

        def make(rng: np.random.Generator) -> OpinionPlan:
            linked = linked_players(self.association(), players)
            games = self._games(output, space, players)
            try:
                return study_second_opinion(self._background, players.members, linked, games, rng)
            except ModelOutputError:
                b, p = len(self._background), len(players)
                return OpinionPlan(n_players=p, sets=(), unstudied=linked, reason=NO_MIXTURES, n_background=b)

        return self._kept(OpinionPlan, f"second opinion on {output.id} in {space} of {players.members}", make)

    def spread(self, output: Output, space: Space, players: Players) -> PlayerSpread | None:
        """How values of these players depend on the draw of the background and on each other; None if not known."""
        from xaisvc.structure.spread import study_spread, unknown_spread  # noqa: PLC0415 - heavy: loaded when used

        def make(rng: np.random.Generator) -> PlayerSpread:
            games = self._games(output, space, players)
            try:
                return study_spread(self._background, self._outputs(output, space), len(players), games, rng)
            except ModelOutputError:
                return unknown_spread(len(players))

        found = self._kept(PlayerSpread, f"spread of {output.id} in {space} of {players.members}", make)
        return found if np.isfinite(found.background_errors).all() else None

    def adequacy(self, output: Output, space: Space, today: date) -> Adequacy:
        """Whether the background can carry explanations today."""
        from xaisvc.structure.adequacy import study_adequacy  # noqa: PLC0415 - heavy: loaded when used

        about = self._description
        return study_adequacy(
            self._background,
            today=today,
            as_of=about.background_as_of,
            outputs=self._outputs(output, space),
            max_age_days=about.background_max_age_days,
        )

    def of(self, output: Output, space: Space, players: Players, today: date) -> Studies:
        """Everything for an output in a space and some players; players that a caller made up get no second opinion.

        The same object for the same bundle, output, space, players and day.
        """
        key = (output.id, space, players.members, today)
        known = self._known.get(key)
        if known is not None:
            return known
        own = players.kind != "custom"
        made = Studies(
            association=self.association(),
            support=self.support(),
            hybrids=self.hybrids(players),
            units=self.units(),
            adequacy=self.adequacy(output, space, today),
            reliance=self.reliance(output, space),
            manipulation=self.manipulation(output, space),
            proxies=self.proxies(output, space),
            opinion=self.opinion(output, space, players) if own else None,
            spread=self.spread(output, space, players) if own else None,
        )
        if len(self._known) >= _MOST_KNOWN:
            self._known = {}
        return self._known.setdefault(key, made)

    def context(  # noqa: PLR0913, PLR0917 - one call in its parts
        self,
        rows: Table,
        output: Output,
        space: Space,
        players: Players,
        attribution: Attribution,
        predictions: NDArray[np.float64],
        today: date,
    ) -> CaveatContext:
        """What caveats are found from; see `CaveatContext`."""
        return CaveatContext(
            description=self._description,
            output=output,
            rows=rows,
            background_predictions=standing(self._loaded, output).predictions,
            predictions=predictions,
            players=players,
            attribution=attribution,
            studies=self.of(output, space, players, today),
            screen=self._loaded.once("screen", self._screen),
            kept=self._kept_facts,
        )

    def _screen(self) -> RowScreen:
        return RowScreen.of(self.support())

    def _outputs(self, output: Output, space: Space) -> NDArray[np.float64]:
        """The explained number of each background row; float64, (b,)."""
        loaded = self._loaded
        return loaded.once(("outputs", output.id, space), lambda: loaded.scoring(output, space)(self._background))

    def _games(self, output: Output, space: Space, players: Players) -> BackgroundGames:
        problem = self._loaded.problem(output, space, players)

        def games(rows: Table, design: CoalitionDesign) -> PairValues:
            if problem.games is None:
                raise AssertionError("a loaded bundle always has games")
            return problem.games.evaluate(design)(rows, lambda: None)

        return games

    def _kept(self, kind: type[T], key: str, make: Callable[[np.random.Generator], T]) -> T:
        plans, digests = self._loaded.plans, self._loaded.bundle.digests

        def found() -> T:
            name = f"{digests.model} {digests.background} {digests.schema} {key}"
            rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
            return decode_study(
                kind, plans.keep_arrays(f"study {study_form()} {key}", lambda: encode_study(_undisturbed(make, rng)))
            )

        return cast("T", plans.keep(f"decoded study {key}", found, lambda _: 0))


def _undisturbed(make: Callable[[np.random.Generator], T], rng: np.random.Generator) -> T:
    """A study made on one core, so that its numbers do not depend on how many there are.

    Its matrices are small: threads of numerical libraries only get in their own way, on a busy machine tenfold.
    """
    import scipy.linalg  # noqa: F401, PLC0415 - brings linear algebra of its own: loaded before it is limited
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - heavy: loaded when used

    with threadpool_limits(1):
        return make(rng)


def linked_players(association: Association, players: Players) -> tuple[tuple[int, ...], ...]:
    """Sets of players that depend on each other, also in chains: by linked pairs of features, and by redundancies.

    Returns:
        Places of the players of each set of two or more, ascending.
    """
    from xaisvc.structure.clusters import components  # noqa: PLC0415 - heavy: loaded when used

    joined = association.linked.copy()
    for found in association.redundancies:
        joined[found.feature, list(found.predictors)] = True
    joined |= joined.T
    place = {name: i for i, name in enumerate(association.features)}
    belongs = np.zeros((len(players), len(place)), dtype=np.bool_)
    for i, members in enumerate(players.members):
        belongs[i, [place[name] for name in members]] = True
    between = (belongs.astype(np.int64) @ joined.astype(np.int64) @ belongs.T.astype(np.int64)) > 0
    return tuple(one for one in components(between) if len(one) > 1)
