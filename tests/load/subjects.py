"""What is asked, and what must be answered: rows of a bundle, requests of them, and the library's own attributions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import xaisvc
from tests.load.service import BUNDLES
from xaisvc.types import Kind, Table
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.wire import value_to_wire

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BOOSTING = BUNDLES / "german-credit-boosting"
LOGISTIC = BUNDLES / "german-credit-logistic"

TOLERANCE = 1e-6
"""Largest difference from the library, as a share of the largest output or of 1. Models answer in float32, whose last
bits depend on who else is in a batch: a relative 2^-23 = 1.2e-7 of each output, of which an attribution sums some."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """How rows are to be explained.

    Attributes:
        method: Name of the method.
        budget: Coalitions for each row; None for the method's default.
        seed: The seed.
    """

    method: str = "auto"
    budget: int | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A bundle, and rows of it that are all different.

    Attributes:
        bundle: Its folder.
        name: Its name.
        rows: The rows.
        question: How they are to be explained.
    """

    bundle: Path
    name: str
    rows: Table
    question: Question

    @classmethod
    def of(cls, bundle: Path, count: int, question: Question | None = None, *, seed: int = 1) -> Subject:
        """Makes `count` rows that the bundle takes: those of its background, each number drawn anew from its range."""
        loaded = xaisvc.load_bundle(bundle)
        rng = np.random.default_rng(seed)
        places = rng.integers(0, len(loaded.background), count)
        columns: dict[str, Any] = dict(loaded.background.take(places).columns)
        for feature in loaded.description.features:
            values = columns[feature.id]
            if feature.kind in {Kind.NUMERIC, Kind.INTEGER}:
                known = loaded.background.columns[feature.id].astype(float)
                drawn = rng.uniform(np.nanmin(known), np.nanmax(known), count)
                columns[feature.id] = np.floor(drawn) if feature.kind is Kind.INTEGER else drawn
            else:
                columns[feature.id] = rng.permutation(values)
        if not any(feature.kind in {Kind.NUMERIC, Kind.INTEGER} for feature in loaded.description.features):
            raise ValueError("rows can only be made different where there is a number")
        rows = Table(columns)
        different = np.unique(np.array(rows.row_digests()), return_index=True)[1]
        rows = rows.take(np.sort(different))
        return cls(bundle=bundle, name=loaded.description.name, rows=rows, question=question or Question())

    def take(self, start: int, stop: int) -> Subject:
        """Some of the rows."""
        return replace(self, rows=self.rows.take(slice(start, stop)))

    def expected(self, *, threads: int = 2) -> NDArray[np.float64]:
        """The library's attributions, each behind its base value; float64, (n, 1 + p)."""
        batch = self.explain(threads=threads)
        return np.column_stack((batch.base_values, batch.values))

    def explain(self, *, threads: int = 2) -> xaisvc.ExplanationBatch:
        """What the library makes of the rows."""
        return self.explainer(threads=threads).explain(
            self.rows, method=self.question.method, budget=self.question.budget, seed=self.question.seed
        )

    def explainer(self, *, threads: int = 2) -> xaisvc.Explainer:
        """The library's explainer of the bundle."""
        return xaisvc.Explainer(self.bundle, "cpu", threads=threads)

    def request(self, row: int) -> pb.ExplainRequest:
        """A request for one row, as named values."""
        request = self._empty()
        values = request.rows.add().values
        for name, value in self.rows.row(row).items():
            values[name].CopyFrom(value_to_wire(value))
        return request

    def packed(self, start: int, stop: int) -> pb.ExplainRequest:
        """A request for some rows, as packed columns."""
        request = self._empty()
        for name, values in self.rows.take(slice(start, stop)).columns.items():
            column = request.columns.add(feature=name)
            if values.dtype == object:
                column.texts.values.extend(value or "" for value in values)
            else:
                column.doubles.values.extend(values)
            missing = [i for i, value in enumerate(values) if value is None or value != value]  # noqa: PLR0124 - a NaN
            column.missing.extend(missing)
        return request

    def _empty(self) -> pb.ExplainRequest:
        question = self.question
        request = pb.ExplainRequest(model=self.name, method=question.method, seed=question.seed)
        if question.budget is not None:
            request.budget.coalitions = question.budget
        return request
