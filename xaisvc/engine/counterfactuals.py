"""What could change decisions: other inputs, of those that a bundle declares, that the model decides otherwise on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.support_row import RowScreen, row_support
from xaisvc.counterfactuals import Effort, Goal, Question, make_axes, search, with_cells
from xaisvc.engine.choices import check_positive
from xaisvc.errors import InvalidRequestError
from xaisvc.types import Space, keep_going

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xaisvc.counterfactuals import Axis
    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.types import AdditiveModel, Output, RowCounterfactuals, Table
    from xaisvc.types.support import RowSupport

MOST_CHANGES = 2
MARGIN = 1e-5
"""Of the threshold (of a raw tensor's spread, if that is larger): answers of one row among others differ by less than a
fiftieth of it, since rounding in another order stays below 2e-7 of an answer; see `guards.RELATIVE_TOLERANCE`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterfactualBatch:
    """What could change the decisions on n rows.

    Attributes:
        rows: One answer per row, in order.
        output: The output whose decision is meant.
        offered: Ids of the features that could be offered, in the order of the schema.
        model_rows: Rows that the model scored for all of it, the n rows themselves included; equal rows count once.
    """

    rows: tuple[RowCounterfactuals, ...]
    output: Output
    offered: tuple[str, ...]
    model_rows: int

    def __len__(self) -> int:
        """Number of rows n."""
        return len(self.rows)

    def __getitem__(self, index: int) -> RowCounterfactuals:
        """The answer for one row."""
        return self.rows[index]

    def __iter__(self) -> Iterator[RowCounterfactuals]:
        """The answers in order."""
        return iter(self.rows)


def find_counterfactuals(  # noqa: PLR0913 - what is asked, each by name
    loaded: LoadedBundle,
    table: Table,
    *,
    output: str | None = None,
    features: Sequence[str] | None = None,
    max_changes: int = MOST_CHANGES,
    limit: int = 3,
    effort: Effort | None = None,
    check: Callable[[], None] = keep_going,
) -> CounterfactualBatch:
    """Finds what could change the decisions on rows; see `Explainer.counterfactuals`.

    Args:
        loaded: The bundle on its device.
        table: n validated rows.
        output: Id of the output; the bundle's first by default.
        features: Ids of the features that may be offered.
        max_changes: Most features that change together.
        limit: Most alternatives for each row.
        effort: How much is scored at most.
        check: Called between pieces of work; raises AbandonedError once nobody waits.

    Raises:
        InvalidRequestError: If an argument does not fit, or the output has no decision; names it.
        NotFoundError: If there is no such output.
        BundleError: If the declared changes of a feature have no finite list of values.
        ModelOutputError: If the model's answers to the rows cannot be explained.
    """
    target = loaded.bundle.description.output(output)
    goal = _goal(loaded, target)
    if isinstance(max_changes, bool) or max_changes not in range(1, MOST_CHANGES + 1):
        raise InvalidRequestError.of(
            "max_changes", f"must be 1 or {MOST_CHANGES}, got {max_changes!r}: nobody acts on a list of conditions"
        )
    check_positive("limit", limit)
    listed = loaded.once(("counterfactual axes", target.id), lambda: _axes(loaded, target))
    axes = _offered(listed, features)
    scoring = loaded.scoring(target, target.tensor_space)
    studied = loaded.studies.support()  # takes seconds once, and must not keep others from what is kept
    screen = loaded.once("screen", lambda: RowScreen.of(studied))

    def support(rows: Table) -> RowSupport:
        return row_support(screen, rows)

    repeats = table.distinct()
    distinct = table if repeats is None else table.take(repeats[0])
    check()
    predictions = scoring(distinct)
    question = Question(
        axes=axes,
        goal=goal,
        score=scoring.whatever,
        support=support,
        max_changes=max_changes,
        limit=limit,
        effort=(effort or Effort()).for_part_of(listed),
    )
    found = search(distinct, predictions, question, check)
    places = range(len(distinct)) if repeats is None else repeats[1].tolist()
    return CounterfactualBatch(
        rows=tuple(found.rows[place] for place in places),
        output=target,
        offered=tuple(axis.feature for axis in axes),
        model_rows=len(distinct) + found.model_rows,
    )


def _goal(loaded: LoadedBundle, output: Output) -> Goal:
    """The favourable side of an output's threshold."""
    if output.threshold is None or output.adverse is None:
        raise InvalidRequestError.of(
            "output",
            f"'{output.id}' has no threshold or no adverse side, so no decision follows from it that could change; "
            "declare both in bundle.yaml",
        )
    size = abs(output.threshold)
    if output.tensor_space is not Space.PROBABILITY:
        size = max(size, float(np.std(loaded.background_predictions(output))))
    smallest = float(np.finfo(np.float32).tiny)
    return Goal(threshold=output.threshold, adverse=output.adverse, margin=max(MARGIN * size, smallest))


def _axes(loaded: LoadedBundle, output: Output) -> tuple[Axis, ...]:
    """What may be offered, with the values joined that the graph proves to have the same answer."""
    bundle = loaded.bundle
    axes = make_axes(bundle.description, bundle.background)
    if not axes:
        return ()
    model, row = _additive(loaded, output), bundle.background.take(slice(0, 1))
    inert = loaded.inert(output, output.tensor_space)
    return tuple(with_cells(axis, model, row, is_inert=axis.feature in inert) for axis in axes)


def _additive(loaded: LoadedBundle, output: Output) -> AdditiveModel | None:
    """The output as a sum in any of its spaces: what no test of it tells apart has one answer in all of them."""
    spaces = [output.space, output.tensor_space]
    if output.tensor_space is Space.PROBABILITY:
        spaces.append(Space.LOG_ODDS)
    found = (loaded.additive(output, space).model for space in dict.fromkeys(spaces))
    return next((model for model in found if model is not None), None)


def _offered(axes: tuple[Axis, ...], features: Sequence[str] | None) -> tuple[Axis, ...]:
    """The axes of the features named."""
    if features is None:
        return axes
    known = [axis.feature for axis in axes]
    unknown = [name for name in features if name not in known]
    if isinstance(features, str) or unknown:
        listed = ", ".join(known) or "none"
        raise InvalidRequestError.of(
            "features",
            f"give a list of features that the bundle declares changes for ({listed})"
            + (f"; {unknown[0]!r} is not one of them" if unknown and not isinstance(features, str) else ""),
        )
    return tuple(axis for axis in axes if axis.feature in features)
