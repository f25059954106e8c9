"""Small worlds for the search: features that may change, models as plain functions, and supports that say yes or no."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.counterfactuals import Effort, Goal, Question, make_axes, search
from xaisvc.types import (
    Adverse,
    BundleDescription,
    Change,
    Direction,
    Feature,
    Kind,
    Output,
    Table,
    TensorColumn,
)
from xaisvc.types.support import RowSupport

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.counterfactuals import Found

GOAL = Goal(threshold=0.5, adverse=Adverse.HIGHER, margin=1e-9)


def feature(name: str, kind: Kind = Kind.NUMERIC, change: Change | None = None, **more: object) -> Feature:
    return Feature(id=name, kind=kind, source=TensorColumn(tensor=name), change=change, **more)


def described(*features: Feature) -> BundleDescription:
    output = Output(id="risk", tensor="y", adverse=Adverse.HIGHER, threshold=0.5)
    return BundleDescription(
        name="world",
        version="1",
        owner="Tests",
        purpose="Tests",
        out_of_scope="Everything else",
        features=features,
        outputs=(output,),
    )


def decrease(low: float, high: float, step: float = 1.0) -> Change:
    return Change(direction=Direction.DECREASE, minimum=low, maximum=high, step=step)


def either(low: float, high: float, step: float = 1.0) -> Change:
    return Change(minimum=low, maximum=high, step=step)


def rows(**columns: Sequence[float] | Sequence[str | None]) -> Table:
    found = {}
    for name, values in columns.items():
        texts = any(isinstance(value, str) or value is None for value in values)
        found[name] = np.array(values, dtype=np.object_ if texts else np.float64)
    return Table(found)


def supported(table: Table) -> RowSupport:
    """A background that supports every row."""
    n, p = len(table), len(table.columns)
    return RowSupport(
        out_of_range=np.zeros((n, p), np.bool_),
        unknown=np.zeros((n, p), np.bool_),
        surprise=np.zeros(n),
        discord=np.zeros(n),
        implausible=np.zeros(n, np.bool_),
    )


def supported_where(is_plausible: Callable[[Mapping[str, NDArray[np.generic]]], NDArray[np.bool_]]) -> object:
    """A background in which some rows' values do not go together."""

    def support(table: Table) -> RowSupport:
        bad = ~np.asarray(is_plausible(table.columns))
        n, p = len(table), len(table.columns)
        return RowSupport(
            out_of_range=np.zeros((n, p), np.bool_),
            unknown=np.zeros((n, p), np.bool_),
            surprise=bad.astype(np.float64),
            discord=bad.astype(np.float64),
            implausible=bad,
        )

    return support


def find(  # noqa: PLR0913 - everything a search can be told, all but the world by name
    description: BundleDescription,
    table: Table,
    model: Callable[[Mapping[str, NDArray[np.generic]]], NDArray[np.float64]],
    *,
    background: Table | None = None,
    support: object = supported,
    features: Collection[str] | None = None,
    goal: Goal = GOAL,
    max_changes: int = 2,
    limit: int = 3,
    effort: Effort | None = None,
) -> Found:
    def score(asked: Table) -> NDArray[np.float64]:
        return np.asarray(model(asked.columns), dtype=np.float64)

    question = Question(
        axes=make_axes(description, table if background is None else background, features),
        goal=goal,
        score=score,
        support=support,
        max_changes=max_changes,
        limit=limit,
        effort=effort or Effort(),
    )
    return search(table, score(table), question)
