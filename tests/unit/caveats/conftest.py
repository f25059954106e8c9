from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from xaisvc.caveats import CaveatContext, cover
from xaisvc.types import (
    Adverse,
    Attribution,
    BundleDescription,
    Feature,
    Kind,
    Output,
    Players,
    Table,
    TensorColumn,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MakeContext(Protocol):
    def __call__(self, **changes: object) -> CaveatContext: ...


def _feature(name: str, kind: Kind) -> Feature:
    return Feature(id=name, kind=kind, source=TensorColumn(tensor=name), allow_missing=True)


@pytest.fixture
def make_context() -> MakeContext:
    """One row, two numeric features and a category, 100 background rows: nothing is the matter unless changed."""

    def make(  # noqa: PLR0913 - one argument per thing that a test may put wrong
        *,
        row: Mapping[str, float | str | None] | None = None,
        values: Sequence[float] = (1.0, -0.5, 0.25),
        standard_errors: Sequence[float] = (0.0, 0.0, 0.0),
        exact: bool = True,
        value_function: str = "interventional",
        diagnostics: Mapping[str, float] | None = None,
        association: Mapping[tuple[int, int], float] | None = None,
        prediction: float = 0.9,
        threshold: float | None = 0.5,
        background_rows: int = 100,
    ) -> CaveatContext:
        given = row or {"age": 40.0, "income": 50.0, "job": "clerk"}
        numbers = np.linspace(0.0, 100.0, background_rows)
        background = Table(
            {
                "age": numbers,
                "income": numbers[::-1].copy(),
                "job": np.array(["clerk", "manager"] * background_rows, dtype=object)[:background_rows],
            }
        )
        columns = {
            name: np.array([value], dtype=object if name == "job" else np.float64) for name, value in given.items()
        }
        links = np.eye(3)
        for (i, j), strength in (association or {}).items():
            links[i, j] = links[j, i] = strength
        output = Output(
            id="risk", tensor="p", adverse=Adverse.HIGHER if threshold is not None else None, threshold=threshold
        )
        description = BundleDescription(
            name="m",
            version="1",
            owner="o",
            purpose="p",
            out_of_scope="n",
            features=(
                _feature("age", Kind.NUMERIC),
                _feature("income", Kind.NUMERIC),
                _feature("job", Kind.CATEGORY),
            ),
            outputs=(output,),
        )
        total = np.array([0.1 + sum(values)])
        return CaveatContext(
            description=description,
            output=output,
            rows=Table(columns),
            coverage=cover(description, background),
            background_predictions=np.linspace(0.0, 1.0, background_rows),
            predictions=np.array([prediction]),
            players=Players(names=("age", "income", "job"), members=(("age",), ("income",), ("job",))),
            attribution=Attribution(
                values=np.array([values]),
                base_values=np.array([0.1]),
                outputs=total,
                standard_errors=np.array([standard_errors]),
                method="tree" if exact else "kernel",
                exact=exact,
                model_evaluations=np.array([1]),
                diagnostics=(diagnostics,) if diagnostics is not None else (),
                value_function=value_function,
            ),
            association=links,
        )

    return make
