"""A bundle on a device: its graph in a runtime, and what is worked out once per bundle."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from xaisvc.attribution import METHODS, make_players
from xaisvc.attribution.masking import base_value
from xaisvc.attribution.observed import LINK_ROUNDING
from xaisvc.engine.clouds import GraphClouds
from xaisvc.engine.fused_pairs import FusedMaker
from xaisvc.engine.games import GraphGames, GraphSource
from xaisvc.engine.guards import check_rows_apart, probe_rows, why_misread
from xaisvc.engine.keeping import Kept
from xaisvc.engine.layout import KEPT_LAYOUT_BYTES
from xaisvc.engine.linked import read_linked
from xaisvc.engine.plan_store import BundlePlans, default_folder
from xaisvc.engine.readying import Readied, can_mix, is_sum, make_ready, ready_network, taken_apart
from xaisvc.engine.scoring import MAX_ROWS_PER_CALL, ColumnMatrix, ScoringModel, copied_input
from xaisvc.engine.studies import BundleStudies
from xaisvc.engine.sum_model import SumModel, compile_sums
from xaisvc.engine.surroundings import usable_cpus
from xaisvc.engine.tree_graph import TreeGraphs
from xaisvc.errors import ModelOutputError
from xaisvc.graphs import NotAdditive, check_trees, features_behind, fix_inputs, plan_scorer, read_additive
from xaisvc.types import AdditiveModel, LinearTerm, Observed, Players, Problem, Space, TreeTerm

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.bundles import Bundle
    from xaisvc.engine.mixed_model import MixedModel
    from xaisvc.engine.network import NetworkModel
    from xaisvc.types import Device, LinkedModel, LoadedModel, Output, Runtime

T = TypeVar("T")

BUNDLE_PLAYERS = ("features", "concepts", "clusters")

LINK_TOLERANCE = 1e-5
"""Largest difference of a probability that float32 rounding of the link explains (seen: 1e-7), with room."""


@dataclass(frozen=True, slots=True)
class AdditiveReading:
    """What reading the graph gave: an additive model, or the reason why there is none."""

    model: AdditiveModel | None
    reason: str


class LoadedBundle:
    """A bundle whose graph runs on a device. Trees that a runtime would walk for ever are refused before it sees them.

    Graph readings, sessions and background figures are made when first needed and kept; nothing of a request is.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime, device: Device, *, threads: int | None = None) -> None:
        """Loads the whole graph.

        Args:
            bundle: The bundle.
            runtime: Runs the graphs.
            device: Where to run them.
            threads: Threads that explained rows are spread over; as many as processors may be used if left out.

        Raises:
            RuntimeUnavailableError: If `device` is `cuda` and not there.
            BundleError: If the runtime cannot run the graph.
        """
        self.bundle = bundle
        self._threads = threads or usable_cpus()
        self._runtime = runtime
        self._wanted_device = device
        self._lock = threading.RLock()
        self._kept: dict[Hashable, object] = {}
        digests = (bundle.digests.model, bundle.digests.background, bundle.digests.schema)
        self.plans = BundlePlans(default_folder(os.environ), digests)
        self._probes = probe_rows(bundle.background)
        check_trees(bundle.model)
        # The whole graph is loaded at once, so that a graph or device that does not work is known before any request.
        self.device = runtime.load(bundle.model, device=device).device
        self.studies = BundleStudies(self)
        self._look_up = TreeGraphs(runtime, "cuda") if self.device == "cuda" else None

    def scoring(self, output: Output, space: Space) -> ScoringModel:
        """The explained number of an output in a space, as a function of raw rows."""

        def make() -> ScoringModel:
            scorer = plan_scorer(self.bundle.model, output, space)
            model = self._runtime.load(scorer.model, device=self._wanted_device)
            scoring = ScoringModel(self.bundle.description, model, scorer)
            check_rows_apart(scoring, self._probes)
            if space is Space.LOG_ODDS and scorer.transform == "none":
                self._check_link(output, scoring)
            return scoring

        return self._once(("scoring", output.id, space), make)

    def _check_link(self, output: Output, log_odds: ScoringModel) -> None:
        """Log-odds are read by taking the link off the graph; runtimes have differed in what that link is."""
        gap = self._link_gap(output, log_odds)
        if gap > LINK_TOLERANCE:
            raise ModelOutputError(
                f"the log-odds of output '{output.id}' do not give its probabilities on the background (largest "
                f"difference {gap:.3g}); explain it in space 'probability'"
            )

    def _link_gap(self, output: Output, log_odds: ScoringModel) -> float:
        """Largest difference on the background between the logistic function of log-odds and the probability."""
        scores = log_odds(self.bundle.background)
        return float(np.abs(1.0 / (1.0 + np.exp(-scores)) - self.background_predictions(output)).max())

    def observed(self, output: Output, space: Space) -> Observed | None:
        """The probability that checks log-odds, where the graph has both with the link between them; else None."""
        if space is not Space.LOG_ODDS or output.tensor_space is not Space.PROBABILITY:
            return None

        def make() -> Observed | None:
            scoring = self.scoring(output, space)
            if scoring.scorer.transform != "none" or self._link_gap(output, scoring) > LINK_ROUNDING / 2:
                return None
            return Observed(model=self.scoring(output, output.tensor_space))

        return self._once(("observed", output.id), make)

    def additive(self, output: Output, space: Space) -> AdditiveReading:
        """The output as a sum of trees and linear terms, if the graph is one."""
        return self._once(("additive", output.id, space), lambda: self._read_additive(output, space))

    def _read_additive(self, output: Output, space: Space) -> AdditiveReading:
        description = self.bundle.description
        graph = read_additive(self.bundle.model, output, space, description.sources, finite=description.finite)
        if isinstance(graph, NotAdditive):
            return AdditiveReading(None, graph.reason)
        # Tree ensembles have no CUDA kernel, and the columns are needed on the host.
        model = self._runtime.load(graph.columns_model, device="cpu")
        terms: list[LinearTerm | TreeTerm] = []

        def fix(values: Mapping[str, NDArray[np.generic]]) -> LoadedModel:
            return self._runtime.load(fix_inputs(graph.columns_model, values), device="cpu")

        for term in graph.terms:
            copied = copied_input(graph.columns_model, term.tensor)
            columns = ColumnMatrix(description, model, term.tensor, copied=copied, fix=fix)
            if term.trees is not None:
                terms.append(TreeTerm(columns=columns, owners=term.owners, trees=term.trees))
            elif term.weights is not None:
                terms.append(LinearTerm(columns=columns, owners=term.owners, weights=term.weights))
        found = AdditiveModel(constant=graph.constant, terms=tuple(terms))
        reason = why_misread(self.scoring(output, space), found, self._probes)
        return AdditiveReading(None if reason else found, reason)

    def problem(self, output: Output, space: Space, players: Players) -> Problem:
        """The problem that attribution methods solve for this output, space and players."""
        reading = self.additive(output, space)
        scoring = self.scoring(output, space)
        problem = Problem(
            model=scoring,
            clouds=GraphClouds(self.bundle.description, scoring, lambda: self.compiled(output, space)),
            background=self.bundle.background,
            players=players,
            space=space,
            additive=reading.model,
            additive_reason=reading.reason,
            inert=self.inert(output, space),
            linked=self._linked(output) if reading.model is None and space is Space.PROBABILITY else None,
            plans=self.plans.scoped(f"{output.id} in {space}"),
            look_up=self._look_up,
            observed=self.observed(output, space) if reading.model is not None else None,
        )
        return replace(problem, games=GraphGames(problem, self._graph_source(output, space)))

    def inert(self, output: Output, space: Space) -> frozenset[str]:
        """The features that the graph proves to have no influence on an output."""

        def make() -> frozenset[str]:
            description, scorer = self.bundle.description, self.scoring(output, space).scorer
            behind = features_behind(
                scorer.model, scorer.tensor, scorer.column, description.sources, finite=description.finite
            )
            return frozenset(description.feature_ids) - behind

        return self._once(("inert", output.id, space), make)

    def _linked(self, output: Output) -> LinkedModel | None:
        """The output's probability as the link of sums, if it is one."""
        return self._once(("linked", output.id), lambda: read_linked(self, output, self._probes))

    def ready(self, output: Output, space: Space, *, own_rows: bool) -> Readied:
        """The graph that evaluates coalitions, or why there is none; see `make_ready`."""
        scoring = self.scoring(output, space)
        return self._once(
            ("explainer graph", output.id, space, own_rows),
            lambda: make_ready(self.bundle, output, space, scoring, self._runtime, own_rows=own_rows),
        )

    def network(self, output: Output, space: Space) -> NetworkModel | None:
        """The output's network compiled, where it is one and runs on the CPU; see `ready_network`."""
        if self.device == "cuda":
            return None
        scoring = self.scoring(output, space)
        return self._once(
            ("network", output.id, space), lambda: ready_network(self.bundle, space, scoring, self._runtime)
        )

    def compiled(self, output: Output, space: Space) -> NetworkModel | SumModel | None:
        """The output compiled to score tensors, where it is a network or holds trees that can be; None otherwise."""
        return self.network(output, space) or self._sum_model(output, space)

    def mixing(self, output: Output, space: Space) -> SumModel | None:
        """The output compiled to score mixed rows, where it holds trees that can be and runs on the CPU."""
        if self.device == "cuda":
            return None
        model, scoring = self._sum_model(output, space), self.scoring(output, space)
        mixes = model is not None and self._once(
            ("mixes", output.id, space), lambda: can_mix(self.bundle, space, scoring, model)
        )
        return model if mixes else None

    def _sum_model(self, output: Output, space: Space) -> SumModel | None:
        def make() -> SumModel | None:
            additive = self.additive(output, space).model
            linked = self._linked(output) if additive is None and space is Space.PROBABILITY else None
            sums = (additive,) if additive is not None else () if linked is None else linked.sums
            return compile_sums(sums, self.scoring(output, space), self._probes, is_link=linked is not None)

        return self._once(("sums", output.id, space), make)

    def is_sum(self, output: Output, space: Space) -> bool:
        """Whether coalitions of an output are those of its reading as a sum; see `readying.is_sum`."""
        additive = self.additive(output, space).model
        if additive is None or self.device == "cuda":
            return False
        scoring = self.scoring(output, space)
        return self._once(("sum", output.id, space), lambda: is_sum(self.bundle, space, scoring, additive))

    def none(self, output: Output, space: Space) -> float:
        """v0: the mean of the explained number over the background."""
        scoring = self.scoring(output, space)

        def make() -> float:
            nobody = Players(names=(), members=())
            problem = Problem(model=scoring, background=self.bundle.background, players=nobody, space=space)
            return base_value(problem, MAX_ROWS_PER_CALL)

        return self._once(("none", output.id, space), make)

    def _graph_source(self, output: Output, space: Space) -> GraphSource:
        """What evaluates coalitions of an output; graphs are made when a design first needs them."""
        bundle, scoring, runtime = self.bundle, self.scoring(output, space), self._runtime

        def unsplit() -> MixedModel:
            return taken_apart(bundle, output, space, scoring, runtime, splits=False)

        def make() -> GraphSource:
            return GraphSource(
                ready=lambda own_rows: self.ready(output, space, own_rows=own_rows),
                none=lambda: self.none(output, space),
                is_sum=lambda: self.is_sum(output, space),
                sums=Kept(KEPT_LAYOUT_BYTES, lambda table: 0 if table is None else table.n_bytes),
                network=lambda: self.network(output, space),
                mixing=lambda: (self.mixing(output, space), scoring),
                networks=Kept(KEPT_LAYOUT_BYTES, lambda design: design.held_bytes),
                layouts=Kept(KEPT_LAYOUT_BYTES, lambda layout: layout.held_bytes),
                links=Kept(KEPT_LAYOUT_BYTES, lambda link: link.n_bytes),
                fused=FusedMaker(runtime, self._wanted_device, unsplit) if self.device == "cuda" else None,
                threads=self._threads,
            )

        return self._once(("graph source", output.id, space), make)

    def background_predictions(self, output: Output) -> NDArray[np.float64]:
        """The output tensor for the background, in the tensor's unit; float64, (b,)."""
        return self._once(
            ("predictions", output.id),
            lambda: self.scoring(output, output.tensor_space)(self.bundle.background),
        )

    def players(self, players: str | Mapping[str, Sequence[str]]) -> Players:
        """The players asked for; those that the bundle alone decides are made once.

        Raises:
            InvalidRequestError: If they do not fit the bundle.
        """
        if players == "clusters":
            self.studies.association()  # takes seconds once, and must not keep others from what is kept here
        description, clusters = self.bundle.description, self.studies.clusters
        if players not in BUNDLE_PLAYERS:
            return make_players(description, players, clusters)
        return self._once(("players", players), lambda: make_players(description, players, clusters))

    def exact_methods(self, output: Output, players: Players) -> tuple[str, ...]:
        """Names of the exact methods that work for an output in its own explained space."""
        problem = self.problem(output, output.space, players)
        return tuple(name for name, method in METHODS.items() if method.exact and not method.why_not(problem))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """The kept value for `key`, made when first asked for. Keys come from the bundle, never from a request."""
        return self._once(("engine", key), make)

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            return cast("T", self._kept[key])
