"""Makes the explainer graph of an output ready: taken apart, loaded, and compared with the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from xaisvc.attribution.masking import PREFERRED_BATCH_ROWS
from xaisvc.attribution.plain_games import PlainPairs
from xaisvc.attribution.sum_tables import SumTable
from xaisvc.engine.graph_pairs import GraphPairs
from xaisvc.engine.guards import check_repeats, probe_design, why_unlike
from xaisvc.engine.layout import MOST_KEPT_BYTES
from xaisvc.engine.link_pairs import LinkPairs, LinkTable
from xaisvc.engine.mixed_model import take_apart
from xaisvc.engine.network import NetworkDesign, compile_network
from xaisvc.engine.network_pairs import NetworkPairs
from xaisvc.engine.score_pairs import ScorePairs
from xaisvc.engine.sum_pairs import SumPairs
from xaisvc.errors import ModelOutputError, XaisvcError
from xaisvc.graphs import UncutError, read_additive
from xaisvc.types import Players, Problem, Space

if TYPE_CHECKING:
    from xaisvc.bundles import Bundle
    from xaisvc.engine.mixed_model import MixedModel, RowSession
    from xaisvc.engine.network import NetworkModel
    from xaisvc.engine.scoring import ScoringModel
    from xaisvc.engine.sum_model import SumModel
    from xaisvc.graphs import AdditiveGraph, NotAdditive
    from xaisvc.types import AdditiveModel, Output, PairFunction, Runtime


@dataclass(frozen=True, slots=True)
class Readied:
    """A graph that was made ready, or the reason why there is none.

    Attributes:
        mixed: The model taken apart; None if there is no graph.
        session: Its graph for one row at a time; None if there is none.
        reason: Why there is none, one clause; empty otherwise.
    """

    mixed: MixedModel | None
    session: RowSession | None
    reason: str


def taken_apart(  # noqa: PLR0913 - what the graph is made from, by name
    bundle: Bundle, output: Output, space: Space, scoring: ScoringModel, runtime: Runtime, *, splits: bool = True
) -> MixedModel:
    """The model of an output taken apart for mixed rows; see `take_apart`."""
    sources, finite = bundle.description.sources, bundle.description.finite

    def log_odds() -> AdditiveGraph | NotAdditive:
        return read_additive(bundle.model, output, Space.LOG_ODDS, sources, finite=finite)

    return take_apart(
        scoring,
        bundle.background,
        space=space,
        sources=sources,
        finite=finite,
        log_odds=log_odds,
        runtime=runtime,
        splits=splits,
    )


def make_ready(  # noqa: PLR0913 - what the graph is made from, by name
    bundle: Bundle, output: Output, space: Space, scoring: ScoringModel, runtime: Runtime, *, own_rows: bool
) -> Readied:
    """Makes the graph for one explained row at a time and checks it against the plain way on a few coalitions.

    Args:
        bundle: The bundle.
        output: The output.
        space: Unit of the explained number.
        scoring: The model in this space.
        runtime: Runs the graph.
        own_rows: Whether each coalition has background rows of its own.

    Raises:
        ModelOutputError: If the graph disagrees with the model because the model disagrees with itself.
    """
    ids = bundle.description.feature_ids
    try:
        mixed = taken_apart(bundle, output, space, scoring, runtime)
        session = mixed.session(runtime, "cpu", own_rows=own_rows)
        players = Players(names=ids, members=tuple((name,) for name in ids))
        problem = Problem(model=scoring, background=bundle.background, players=players, space=space)
        design = probe_design(len(ids), len(bundle.background), own_rows=own_rows)
        layout = mixed.layout(design, players)
        fast: list[PairFunction] = [
            GraphPairs(problem=problem, design=design, mixed=mixed, session=session, layout=layout)
        ]
        if mixed.plan.is_link:
            table = LinkTable.of(mixed, design, players)
            fast.append(LinkPairs(problem=problem, design=design, mixed=mixed, table=table))
        size, unit = len(bundle.background), 0.0 if space is Space.RAW else 1.0
        rows = bundle.background.take(sorted({0, size // 2, size - 1}))
        plain = PlainPairs(problem, design, PREFERRED_BATCH_ROWS, 1)
        reason = next(filter(None, (why_unlike(pairs, plain, rows, unit=unit) for pairs in fast)), "")
        if reason:
            check_repeats(plain, rows)
    except UncutError as error:
        reason = str(error)
    except XaisvcError as error:
        if isinstance(error, ModelOutputError) and error.whatever_rows:
            raise
        reason = "the graph made for them does not run on mixed rows"
    except (ValueError, KeyError, IndexError, TypeError, OverflowError):
        # A graph that contradicts itself must not stop an explanation that needs no reading of it.
        reason = "the model's graph contradicts itself in shapes or types"
    if reason:
        return Readied(None, None, reason)
    return Readied(mixed, session, "")


def ready_network(bundle: Bundle, space: Space, scoring: ScoringModel, runtime: Runtime) -> NetworkModel | None:
    """Compiles the network of an output and checks it against the plain way on a few coalitions.

    Args:
        bundle: The bundle.
        space: Unit of the explained number.
        scoring: The model in this space.
        runtime: Runs the preprocessing.

    Returns:
        The network; None where the model is none, or the compiled one differs from it.
    """
    description = bundle.description
    ids = description.feature_ids
    try:
        network = compile_network(
            scoring, bundle.background, sources=description.sources, finite=description.finite, runtime=runtime
        )
        if network is None:
            return None
        players = Players(names=ids, members=tuple((name,) for name in ids))
        problem = Problem(model=scoring, background=bundle.background, players=players, space=space)
        size, unit = len(bundle.background), 0.0 if space is Space.RAW else 1.0
        rows = bundle.background.take(sorted({0, size // 2, size - 1}))
        for own_rows in (False, True):
            design = probe_design(len(ids), size, own_rows=own_rows)
            plain = PlainPairs(problem, design, PREFERRED_BATCH_ROWS, 1)
            laid_out = NetworkDesign(network, players, design)
            pairs = NetworkPairs(model=network, design=laid_out, otherwise=partial(_as_is, plain))
            if why_unlike(pairs, plain, rows, unit=unit):
                return None
    except (XaisvcError, ValueError, KeyError, IndexError, TypeError, OverflowError):
        # As for graphs: what cannot be read must not stop an explanation that needs no reading of it.
        return None
    return network


def can_mix(bundle: Bundle, space: Space, scoring: ScoringModel, model: SumModel) -> bool:
    """Checks mixed rows scored by a compiled sum against the plain way on a few coalitions.

    Args:
        bundle: The bundle.
        space: Unit of the explained number.
        scoring: The model in this space.
        model: The model compiled.

    Returns:
        Whether all numbers are the same; not where a column depends on several features.
    """
    ids = bundle.description.feature_ids
    players = Players(names=ids, members=tuple((name,) for name in ids))
    problem = Problem(model=scoring, background=bundle.background, players=players, space=space)
    player_of = model.players_of_columns(players)
    if player_of is None:
        return False
    size, unit = len(bundle.background), 0.0 if space is Space.RAW else 1.0
    rows = bundle.background.take(sorted({0, size // 2, size - 1}))
    try:
        for own_rows in (False, True):
            design = probe_design(len(ids), size, own_rows=own_rows)
            plain = PlainPairs(problem, design, PREFERRED_BATCH_ROWS, 1)
            pairs = ScorePairs(
                problem=problem,
                design=design,
                model=model,
                scoring=scoring,
                player_of=player_of,
                otherwise=partial(_as_is, plain),
            )
            if why_unlike(pairs, plain, rows, unit=unit):
                return False
    except XaisvcError:
        return False
    return True


def is_sum(bundle: Bundle, space: Space, scoring: ScoringModel, additive: AdditiveModel) -> bool:
    """Checks coalitions of a model that was read as a sum against the plain way on a few of them.

    Args:
        bundle: The bundle.
        space: Unit of the explained number.
        scoring: The model in this space.
        additive: The model read as a sum.

    Returns:
        Whether all numbers are the same; not where the sum cannot be taken apart by features.
    """
    ids = bundle.description.feature_ids
    players = Players(names=ids, members=tuple((name,) for name in ids))
    problem = Problem(model=scoring, background=bundle.background, players=players, space=space, additive=additive)
    size, unit = len(bundle.background), 0.0 if space is Space.RAW else 1.0
    rows = bundle.background.take(sorted({0, size // 2, size - 1}))
    try:
        for own_rows in (False, True):
            design = probe_design(len(ids), size, own_rows=own_rows)
            table = SumTable.of(problem, design, MOST_KEPT_BYTES)
            if table is None:
                return False
            plain = PlainPairs(problem, design, PREFERRED_BATCH_ROWS, 1)
            if why_unlike(SumPairs(problem=problem, design=design, table=table), plain, rows, unit=unit):
                return False
    except (XaisvcError, ValueError, KeyError, IndexError, TypeError, OverflowError):
        # As for graphs: what cannot be read must not stop an explanation that needs no reading of it.
        return False
    return True


def _as_is(pairs: PairFunction) -> PairFunction:
    return pairs
