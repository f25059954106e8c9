"""A model as an explainer graph in a session: prepared once for an output, used for every design and player."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.engine.layout import Layout
from xaisvc.graphs import NotAdditive, UncutError, has_trees, plan_link_mixing, plan_mixing, row_graph
from xaisvc.graphs.explainer import BACKGROUND_ROWS, OUTPUTS, SHAPE, VALUES, mask_input, table_input
from xaisvc.types import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from numpy.typing import NDArray

    from xaisvc.engine.scoring import ScoringModel
    from xaisvc.graphs import AdditiveGraph, MixingPlan, Tables
    from xaisvc.types import CoalitionDesign, Device, LoadedModel, Players, Runtime, Table, TensorColumn

    Array = NDArray[np.generic]


MOST_COPIED_BYTES = 2**22
"""Models up to this size are held twice by a graph, so that f(x) comes out of the same run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedModel:
    """The model taken apart, and the cut tensors of the background.

    Attributes:
        scoring: The model as a function of raw rows.
        plan: The model taken apart.
        background: Cut tensor to its values for the background, (b, layout...).
        front: What comes before the cut tensors, loaded; None where they are inputs of the graph.
    """

    scoring: ScoringModel
    plan: MixingPlan
    background: Mapping[str, Array]
    front: LoadedModel | None

    def columns(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Cut tensor to its values for n rows, from the tensors that the graph reads of them."""
        return _columns(self.plan, self.front, feeds)

    @property
    def detail(self) -> str:
        """How coalitions are evaluated, one sentence."""
        how = self.plan.detail
        return f"Coalitions are evaluated inside the model's graph{', ' + how if how else ''}."

    def layout(self, design: CoalitionDesign, players: Players, *, rows: int | None = None) -> Layout:
        """A design in chunks; `rows` as for `cut_into_chunks`."""
        return Layout(self.plan, self.background, players, design, rows=rows)

    def session(self, runtime: Runtime, device: Device, *, own_rows: bool) -> RowSession:
        """The graph for one row at a time, loaded.

        Raises:
            XaisvcError: If the runtime cannot run it.
        """
        needs_rows = own_rows and bool(self.plan.mixed)
        own_answer = self.plan.whole.model.ByteSize() <= MOST_COPIED_BYTES
        graph = row_graph(self.plan, self.background, own_rows=needs_rows, own_answer=own_answer)
        return RowSession(runtime.load(graph, device=device))


class RowSession:
    """The graph of `row_graph` in a session."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._names = {info.name for info in model.inputs}
        self._outputs = [info.name for info in model.outputs]

    def run(self, row: Mapping[str, Array], tables: Tables) -> tuple[NDArray[np.float64], float | None]:
        """Values of a piece's coalitions, fillers included, float64, (coalitions,); and f(x), None if left out."""
        feeds: dict[str, Array] = {**row, SHAPE: np.array([tables.shape], dtype=np.int64)}
        feeds.update((mask_input(i), mask[None]) for i, mask in enumerate(tables.masks))
        feeds.update((table_input(i), table[None]) for i, table in enumerate(tables.tables))
        if tables.background_rows is not None:
            feeds[BACKGROUND_ROWS] = tables.background_rows[None]
        # The graph drops inputs that it has no use for, such as the rows of coalitions whose tables hold everything.
        used = {name: value for name, value in feeds.items() if name in self._names}
        found = self._model.run(used, self._outputs)
        output = float(np.asarray(found[OUTPUTS]).ravel()[0]) if OUTPUTS in found else None
        return np.asarray(found[VALUES][0], dtype=np.float64), output


def take_apart(  # noqa: PLR0913 (what the graph is made from, by name)
    scoring: ScoringModel,
    background: Table,
    *,
    space: Space,
    sources: Mapping[str, TensorColumn],
    finite: Collection[str] = frozenset(),
    log_odds: Callable[[], AdditiveGraph | NotAdditive | None],
    runtime: Runtime,
    splits: bool = True,
) -> MixedModel:
    """Takes a model apart for mixed rows and runs its front on the background.

    Args:
        scoring: The model.
        background: The rows that stand in.
        space: Unit of the explained number.
        sources: Feature id to the input tensor and column where it enters the graph.
        finite: Features that have a finite number of float32's range in every row; see `finite`.
        log_odds: Reads the output's log-odds as a sum; None if they are known not to be one.
        runtime: Runs the front.
        splits: Whether linear layers may be distributed over the mix, which takes memory for tables.

    Raises:
        UncutError: If the model cannot be taken apart.
        XaisvcError: If its front does not run.
    """
    plan = _link_plan(scoring, space, log_odds) if splits else None
    if plan is None:
        plan = plan_mixing(scoring.scorer, sources, finite=finite, splits=splits)
    front = None if plan.front_model is None else runtime.load(plan.front_model, device="cpu")
    cut = _columns(plan, front, scoring.feeds(background))
    for tensor in plan.tensors:
        known = cut.get(tensor.name)
        if (
            known is None
            or known.shape != (len(background), *tensor.layout)
            or len(tensor.owners) != prod(tensor.layout)
        ):
            msg = f"the tensor '{tensor.name}' has another shape than its nodes suggest"
            raise UncutError(msg)
    return MixedModel(scoring=scoring, plan=plan, background=cut, front=front)


def _columns(plan: MixingPlan, front: LoadedModel | None, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Cut tensor to its values, of those that depend on the rows."""
    cut = {tensor.name: feeds[tensor.name] for tensor in plan.tensors if tensor.name in feeds}
    used = {} if front is None else {info.name: feeds[info.name] for info in front.inputs}
    if front is not None and used:
        found = front.run(used, list(plan.front_outputs.values()))
        cut.update((name, np.asarray(found[output])) for name, output in plan.front_outputs.items() if output in found)
    return cut


def _link_plan(
    scoring: ScoringModel, space: Space, log_odds: Callable[[], AdditiveGraph | NotAdditive | None]
) -> MixingPlan | None:
    """The plan for the logistic function of a weighted sum of columns; None if the output is none."""
    if space is not Space.PROBABILITY or has_trees(scoring.scorer):
        return None
    found = log_odds()
    if found is None or isinstance(found, NotAdditive):
        return None
    try:
        return plan_link_mixing(scoring.scorer, found)
    except UncutError:
        return None
