"""Writes the explainer of an output as an ONNX file that runs without xaisvc."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution import METHODS
from xaisvc.attribution.active import active_players, projection_for_all
from xaisvc.bundles import Bundle, load_bundle
from xaisvc.engine.choices import check_seed, parse_space
from xaisvc.engine.layout import MOST_KEPT_BYTES
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.engine.readying import taken_apart
from xaisvc.engine.seeds import plan_seed
from xaisvc.engine.tree_export import exact_explainer_graph
from xaisvc.errors import BundleError, InvalidRequestError, MethodNotApplicableError
from xaisvc.graphs import UncutError, fused_graph
from xaisvc.graphs.fused import ATTRIBUTIONS, BASE_VALUES, OUTPUTS, STANDARD_ERRORS
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import Projection, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from onnx import ModelProto

    from xaisvc.engine.mixed_model import MixedModel
    from xaisvc.types import (
        CoalitionDesign,
        CoalitionGames,
        Output,
        PairFunction,
        Players,
        Problem,
        ProjectedFunction,
        Space,
    )

SCHEMA_VERSION = "1"
"""Of the metadata of an exported file."""

SAMPLED_METHODS = ("kernel", "permutation")
EXACT_METHODS = ("linear", "tree")
AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedExplainer:
    """An explainer as a file.

    Attributes:
        model: The serialized ONNX model.
        metadata: What its metadata say, name to text.
        inputs: Names of its inputs: those of the bundle's model.
        outputs: What is given to the name of the output that holds it: `values`, `standard_errors`, `outputs` and
            `base_values`, each under its own name unless a tensor of the model has it already.
    """

    model: bytes
    metadata: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]


def export_explainer(  # noqa: PLR0913 - one parameter for each choice
    bundle: Bundle | str | Path,
    *,
    output: str | None = None,
    space: Space | str | None = None,
    players: str | Mapping[str, Sequence[str]] = "features",
    method: str = AUTO,
    budget: int | None = None,
    seed: int = 0,
) -> ExportedExplainer:
    """Makes one ONNX graph of a model, its background, and what a method does with them.

    For a sampled method these are its coalitions and its solve; for trees the tables of their exact values; for linear
    models weights and means. The graph reads n rows as the model does. It answers with `values` (n, p),
    `standard_errors` (n, p), `outputs` (n,) and `base_values` (n,), all double, equal to those of `Explainer.explain`
    with the same choices up to 1e-6 of the output's scale. Sampled methods take rows one by one,
    so that memory does not grow with n.

    Args:
        bundle: A loaded bundle, or the path of its folder.
        output: Id of the output; the bundle's first by default.
        space: `probability`, `log_odds` or `raw`; the output's own by default.
        players: `features`, `concepts`, `clusters`, or a mapping of name to features.
        method: `linear`, `tree`, `kernel`, `permutation`, or `auto` for the first of the first three that applies.
        budget: Coalitions per row of a sampled method; the method's default if left out.
        seed: Seed of the coalitions.

    Raises:
        InvalidRequestError: If an argument does not fit; names it.
        BudgetTooSmallError: If the budget cannot give an attribution.
        BundleError: If the bundle cannot be loaded, or its model cannot be taken apart; says why.
    """
    known = (AUTO, *EXACT_METHODS, *SAMPLED_METHODS)
    if method not in known:
        raise InvalidRequestError.of("method", f"{method!r} cannot be exported; choose one of {', '.join(known)}")
    check_seed(seed)
    opened = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    loaded = LoadedBundle(opened, OrtRuntime(), "cpu", threads=1)
    target = loaded.bundle.description.output(output)
    unit = parse_space(space) or target.space
    parties = loaded.players(players)
    problem = loaded.problem(target, unit, parties)
    if method in EXACT_METHODS and (reason := METHODS[method].why_not(problem)):
        raise MethodNotApplicableError.of(
            "method", f"{method!r} does not apply here: {reason}; use {AUTO!r}", "NOT_APPLICABLE"
        )
    exact = method
    if method == AUTO:
        exact = next((name for name in EXACT_METHODS if not METHODS[name].why_not(problem)), "")
        method = SAMPLED_METHODS[0]
    if exact in EXACT_METHODS:
        try:
            graph = exact_explainer_graph(loaded, target, unit, parties)
        except InvalidRequestError:
            if exact == method:
                raise
        else:
            how = f"exact SHAP values by method '{exact}'"
            return _with_metadata(graph, _metadata(loaded, target, unit, parties, exact), parties, how)
    seeds = plan_seed(seed, loaded.bundle.digests.model)
    design, projection = _plan(problem, method, budget, seed, seeds)
    sampled = {"xaisvc.budget": str(2 * len(design)), "xaisvc.seed": str(seed)}
    metadata = {**_metadata(loaded, target, unit, parties, method), **sampled}
    graph = _graph(loaded, target, unit, problem, design, projection)
    how = f"{method} SHAP from {2 * len(design)} coalitions"
    return _with_metadata(graph, metadata, parties, how)


def _metadata(loaded: LoadedBundle, output: Output, space: Space, players: Players, method: str) -> dict[str, str]:
    """What a reader of the file must know, whatever the method."""
    description, digests = loaded.bundle.description, loaded.bundle.digests
    return {
        "xaisvc.schema_version": SCHEMA_VERSION,
        "xaisvc.bundle": description.name,
        "xaisvc.bundle_version": description.version,
        "xaisvc.output": output.id,
        "xaisvc.space": space.value,
        "xaisvc.players": json.dumps(list(players.names)),
        "xaisvc.members": json.dumps([list(members) for members in players.members]),
        "xaisvc.method": method,
        "xaisvc.value_function": "interventional",
        "xaisvc.background_rows": str(len(loaded.bundle.background)),
        "xaisvc.model_digest": digests.model,
        "xaisvc.background_digest": digests.background,
        "xaisvc.schema_digest": digests.schema,
    }


def _plan(
    problem: Problem, method: str, budget: int | None, seed: int, seeds: bytes
) -> tuple[CoalitionDesign, Projection]:
    """The design and projection of a method: what it asks its games for when it explains a row."""
    games = problem.games
    if games is None:
        msg = "a loaded bundle's problem has games"
        raise TypeError(msg)
    asked = _Asked(games)
    settings = Settings(budget=budget, seed=seed, row_seeds=(bytes(32),), clock=_no_clock, plan_seed=seeds)
    METHODS[method].attribute(replace(problem, games=asked), problem.background.take(slice(0, 1)), settings)
    if asked.design is None:
        msg = f"the method {method} evaluates no coalitions"
        raise TypeError(msg)
    if asked.projection is not None:
        return asked.design, asked.projection
    active = active_players(problem)
    own = replace(asked.design, masks=asked.design.masks[:, active])
    return asked.design, projection_for_all(shapley_projection(own), active, len(problem.players))


class _Asked:
    """Games that remember the last design they were asked for, and its projection."""

    def __init__(self, games: CoalitionGames) -> None:
        self._games = games
        self.design: CoalitionDesign | None = None
        self.projection: Projection | None = None

    @property
    def none(self) -> float:
        """v0."""
        return self._games.none

    def evaluate(self, design: CoalitionDesign) -> PairFunction:
        """See `CoalitionGames`."""
        self.design, self.projection = design, None
        return self._games.evaluate(design)

    def attribute(self, design: CoalitionDesign, projection: Projection) -> ProjectedFunction:
        """See `CoalitionGames`."""
        found = self._games.attribute(design, projection)
        self.design, self.projection = design, projection
        return found


def _no_clock() -> float:
    """The clock of work without a deadline."""
    return 0.0


def shapley_projection(design: CoalitionDesign) -> Projection:
    """The Shapley value itself, for a design of all pairs.

    phi_i = sum over S with i of (|S| - 1)! (p - |S|)! / p! v(S) - sum over S without i of |S|! (p - |S| - 1)! / p! v(S)
    (Shapley 1953). The two coalitions of a pair have opposite weights.
    """
    q, p = design.masks.shape
    sizes = design.masks.sum(axis=1)
    joined = np.array([0.0, *(factorial(s - 1) * factorial(p - s) / factorial(p) for s in range(1, p + 1))])
    left = np.array([factorial(s) * factorial(p - s - 1) / factorial(p) for s in range(p)] + [0.0])
    weights = np.where(design.masks.T, joined[sizes], -left[sizes])
    return Projection(
        weights=2.0 * weights,
        share=np.full(p, 1.0 / p),
        spread=np.zeros((0, p, q)),
        spread_share=np.zeros((0, p)),
        scale=np.zeros(p),
        energy=np.zeros((0, q)),
        energy_share=np.zeros(0),
    )


def _graph(  # noqa: PLR0913, PLR0917 - what the graph holds
    loaded: LoadedBundle,
    output: Output,
    space: Space,
    problem: Problem,
    design: CoalitionDesign,
    projection: Projection,
) -> ModelProto:
    readied = loaded.ready(output, space, own_rows=design.background is not None)
    if readied.mixed is None:
        raise BundleError(f"no explainer graph can be made of this model: {readied.reason}", file="model.onnx")
    mixed: MixedModel = readied.mixed
    layout = mixed.layout(design, problem.players)
    if layout.n_bytes > MOST_KEPT_BYTES:
        # Tables of this size would have to be in the file.
        try:
            mixed = taken_apart(loaded.bundle, output, space, loaded.scoring(output, space), OrtRuntime(), splits=False)
        except UncutError as error:
            raise BundleError(f"no explainer graph can be made of this model: {error}", file="model.onnx") from None
        layout = mixed.layout(design, problem.players)
    return fused_graph(
        mixed.plan,
        mixed.background,
        layout.whole(),
        n_pairs=layout.n_pairs,
        projection=projection,
        none=loaded.none(output, space),
        rows="one by one",
    )


def _with_metadata(graph: ModelProto, metadata: Mapping[str, str], players: Players, how: str) -> ExportedExplainer:
    """Adds what a reader of the file must know, and checks the file."""
    import onnx  # noqa: PLC0415 - heavy: loaded when used

    names = dict(
        zip((ATTRIBUTIONS, STANDARD_ERRORS, BASE_VALUES, OUTPUTS), (o.name for o in graph.graph.output), strict=True)
    )
    inputs = tuple(value.name for value in graph.graph.input)
    metadata = {**metadata, "xaisvc.outputs": json.dumps(names)}
    graph.doc_string = (
        f"Explains output '{metadata['xaisvc.output']}' of '{metadata['xaisvc.bundle']}' in "
        f"{metadata['xaisvc.space']}: {how} "
        f"over {metadata['xaisvc.background_rows']} background rows. Give n rows as to the model itself "
        f"({', '.join(inputs)}). '{names[ATTRIBUTIONS]}' (n, {len(players)}) holds the attributions of the players in "
        f"the metadata entry xaisvc.players, '{names[STANDARD_ERRORS]}' their standard errors, '{names[OUTPUTS]}' (n) "
        f"the model's answers and '{names[BASE_VALUES]}' (n) the mean answer over the background; attributions and "
        "base value add up to the answer."
    )
    for key, value in metadata.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    serialized = graph.SerializeToString()
    onnx.checker.check_model(serialized)
    return ExportedExplainer(model=serialized, metadata=metadata, inputs=inputs, outputs=names)
