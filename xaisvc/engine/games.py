"""Coalition values from explainer graphs: the `CoalitionGames` of a loaded bundle.

On the CPU one session serves all designs: coalitions are inputs of the graph, rows are spread over threads, and each
call of the graph evaluates a piece of a design for one row, so that rows never share a batch and work can be given up
between pieces. On CUDA the design is part of the graph, and all rows of a block go through it together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.attribution.masking import PREFERRED_BATCH_ROWS
from xaisvc.attribution.plain_games import PlainPairs
from xaisvc.attribution.projecting import Projector, project
from xaisvc.attribution.sum_tables import SumTable
from xaisvc.engine.graph_pairs import GraphPairs
from xaisvc.engine.layout import MOST_KEPT_BYTES
from xaisvc.engine.link_pairs import LinkPairs, LinkProjected, LinkTable
from xaisvc.engine.network import NetworkDesign
from xaisvc.engine.network_pairs import NetworkPairs
from xaisvc.engine.score_pairs import MOST_NUMBERS, ScorePairs
from xaisvc.engine.sum_pairs import SumPairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.engine.fused_pairs import FusedMaker
    from xaisvc.engine.keeping import Kept
    from xaisvc.engine.layout import Layout
    from xaisvc.engine.mixed_model import MixedModel, RowSession
    from xaisvc.engine.network import NetworkModel
    from xaisvc.engine.readying import Readied
    from xaisvc.engine.scoring import ScoringModel
    from xaisvc.engine.sum_model import SumModel
    from xaisvc.types import (
        CoalitionDesign,
        PairFunction,
        PairValues,
        Problem,
        Projected,
        ProjectedFunction,
        Projection,
        Table,
    )

MOST_BACKGROUND_ROWS = 65_536
"""A graph runs the model on all background rows of a coalition at once, so their number bounds its memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSource:
    """Where the graphs of an output come from; the same for all players.

    Attributes:
        ready: Makes the graph for one row ready, for designs whose coalitions have background rows of their own or not.
        none: v0.
        is_sum: Whether the model's reading as a sum holds for coalitions too, and designs go through it.
        sums: Tables of designs for models that are sums; None where one is no sum or its table too large.
        network: The network compiled, where the model is one and goes through it on the CPU; else None.
        networks: Designs laid out for it.
        mixing: The model's trees compiled, where mixed rows go through them, else None; and the model itself.
        layouts: Designs laid out for the graph.
        links: Tables of designs for models that are the link of a sum.
        fused: Makes graphs that hold a design and take many rows; None where rows go one at a time.
        threads: Threads that rows are spread over.
    """

    ready: Callable[[bool], Readied]
    none: Callable[[], float]
    is_sum: Callable[[], bool]
    sums: Kept[SumTable | None]
    network: Callable[[], NetworkModel | None]
    networks: Kept[NetworkDesign]
    mixing: Callable[[], tuple[SumModel | None, ScoringModel]]
    layouts: Kept[Layout]
    links: Kept[LinkTable]
    fused: FusedMaker | None
    threads: int


class GraphGames:
    """`CoalitionGames` on graphs, with the plain way as the fall-back. Safe to use from several threads."""

    def __init__(self, problem: Problem, source: GraphSource) -> None:
        """Holds what is needed; graphs are made when a design first needs them.

        Args:
            problem: The problem, without games.
            source: Makes and keeps graphs.
        """
        self._problem = problem
        self._source = source
        self._last: tuple[CoalitionDesign | None, bytes] = (None, b"")

    @property
    def none(self) -> float:
        """v0: the mean output over the background."""
        return self._source.none()

    def evaluate(self, design: CoalitionDesign) -> PairFunction:
        """Makes a design ready; see `CoalitionGames`."""
        source = self._source
        if len(design) and self._problem.additive is not None and source.is_sum():
            problem, most = self._problem, MOST_KEPT_BYTES
            table = source.sums.get(self._key(design), lambda: SumTable.of(problem, design, most))
            if table is not None:
                return SumPairs(problem=problem, design=design, table=table, threads=source.threads)
        if not len(design) or self._each(design) > MOST_BACKGROUND_ROWS:
            return self._in_graph(design)
        network = source.network()
        if network is None:
            return self._mixed(design) or self._in_graph(design)
        laid_out = source.networks.get(self._key(design), lambda: NetworkDesign(network, self._problem.players, design))
        return NetworkPairs(
            model=network, design=laid_out, otherwise=lambda: self._in_graph(design), threads=source.threads
        )

    def _mixed(self, design: CoalitionDesign) -> PairFunction | None:
        """A design evaluated by the model's trees.

        None where they are not compiled, where columns have several players, or are too many for so many rows.
        """
        model, scoring = self._source.mixing()
        player_of = None if model is None else model.players_of_columns(self._problem.players)
        if model is None or player_of is None:
            return None
        if max(map(len, player_of)) * self._each(design) > MOST_NUMBERS:
            return None
        return ScorePairs(
            problem=self._problem,
            design=design,
            model=model,
            scoring=scoring,
            player_of=player_of,
            otherwise=lambda: self._in_graph(design),
            threads=self._source.threads,
        )

    def _in_graph(self, design: CoalitionDesign) -> PairFunction:
        """A design evaluated by ONNX Runtime."""
        problem, source = self._problem, self._source
        found = self._graph(design)
        if isinstance(found, str):
            plain = PlainPairs(problem, design, PREFERRED_BATCH_ROWS, source.threads)
            return _BecauseOf(found, plain)
        mixed, session = found
        key = self._key(design)
        if source.fused is not None:
            return source.fused.pairs(mixed, design, problem, key)
        if mixed.plan.is_link and LinkTable.size(design, len(problem.background)) <= MOST_KEPT_BYTES:
            table = source.links.get(key, lambda: LinkTable.of(mixed, design, problem.players))
            return LinkPairs(problem=problem, design=design, mixed=mixed, table=table, threads=source.threads)
        layout = source.layouts.get(key, lambda: mixed.layout(design, problem.players))
        return GraphPairs(
            problem=problem, design=design, mixed=mixed, session=session, layout=layout, threads=source.threads
        )

    def attribute(self, design: CoalitionDesign, projection: Projection) -> ProjectedFunction:
        """Makes a design and its projection ready; see `CoalitionGames`."""
        fused = self._source.fused
        found = self._graph(design) if fused is not None else ""
        if fused is None or isinstance(found, str):
            pairs = self.evaluate(design)
            if isinstance(pairs, LinkPairs):
                return LinkProjected(pairs=pairs, projector=Projector(projection=projection, none=self.none))
            return _ProjectedPairs(pairs, projection, self.none, self._source.threads)
        key = self._key(design)
        return fused.projected(found[0], design, self._problem, key, projection, self.none)

    def _key(self, design: CoalitionDesign) -> bytes:
        """The name of a design. Calls come with the same design again and again, so the last one's is kept."""
        last, key = self._last
        if last is not design:
            key = _design_key(design, self._problem)
            self._last = (design, key)
        return key

    def _each(self, design: CoalitionDesign) -> int:
        """Background rows of a coalition."""
        return len(self._problem.background) if design.background is None else design.background.shape[1]

    def _graph(self, design: CoalitionDesign) -> tuple[MixedModel, RowSession] | str:
        """The graph for a design, or why there is none, one clause."""
        each = self._each(design)
        if each > MOST_BACKGROUND_ROWS:
            return f"{each:,} background rows of a coalition are more than one pass of a graph takes"
        readied = self._source.ready(design.background is not None)
        if readied.mixed is None or readied.session is None:
            return readied.reason
        return readied.mixed, readied.session


@dataclass(frozen=True, slots=True)
class _BecauseOf:
    """The plain way, with the reason why it is taken."""

    reason: str
    pairs: PairFunction

    @property
    def detail(self) -> str:
        """Why there is no graph."""
        return f"Coalitions are evaluated in plain batches, because {self.reason}."

    def __call__(self, rows: Table, check: Callable[[], None]) -> PairValues:
        """Evaluates n rows; see `PairFunction`."""
        return self.pairs(rows, check)


@dataclass(frozen=True, slots=True)
class _ProjectedPairs:
    """A projection applied to the values of a design on the host, in float64 and row by row.

    A product inside the graph would take as long, and every projection would need a session of its own.
    """

    pairs: PairFunction
    projection: Projection
    none: float
    threads: int

    @property
    def detail(self) -> str:
        """How the design is evaluated."""
        return self.pairs.detail

    def __call__(self, rows: Table, check: Callable[[], None]) -> Projected:
        """Attributes n rows; see `ProjectedFunction`."""
        return project(self.projection, self.pairs(rows, check), self.none, self.threads)


def _design_key(design: CoalitionDesign, problem: Problem) -> bytes:
    digest = hashlib.blake2b(repr((problem.players.members, design.masks.shape)).encode(), digest_size=32)
    digest.update(design.masks.tobytes())
    if design.background is not None:
        digest.update(repr(design.background.shape).encode() + design.background.tobytes())
    return digest.digest()
