"""The model of a bundle as a function of raw rows."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from xaisvc.bundles.encode import RowEncoder
from xaisvc.errors import ModelOutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from xaisvc.graphs import Scorer
    from xaisvc.types import BundleDescription, LoadedModel, Table, TensorInfo

Number = TypeVar("Number", bound=np.generic)

MAX_ROWS_PER_CALL = 16384  # bounds the memory of one call; larger batches gain nothing on the CPU


class ScoringModel:
    """Scores raw rows: the `ModelFunction` of one output in one space."""

    def __init__(self, description: BundleDescription, model: LoadedModel, scorer: Scorer) -> None:
        self._model = model
        self._scorer = scorer
        self._encoder = RowEncoder(description, model.inputs)

    @property
    def scorer(self) -> Scorer:
        """The graph behind the function."""
        return self._scorer

    def feeds(self, rows: Table) -> dict[str, NDArray[np.generic]]:
        """The tensors that the graph reads for n rows."""
        return self._encoder.feeds(rows)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The tensors that the graph reads."""
        return self._model.inputs

    def __call__(self, rows: Table) -> NDArray[np.float64]:
        """Scores rows; see `ModelFunction`.

        Raises:
            ModelOutputError: If the model fails, or answers with a number that is not finite or of the wrong shape.
        """
        count = len(rows)
        if count <= MAX_ROWS_PER_CALL:
            return self._score(rows) if count else np.empty(0)
        return np.concatenate(
            [self._score(rows.take(slice(i, i + MAX_ROWS_PER_CALL))) for i in range(0, count, MAX_ROWS_PER_CALL)]
        )

    def whatever(self, rows: Table) -> NDArray[np.float64]:
        """Scores rows that nobody would send, as studies make them: NaN or infinite where the model has no answer."""
        found = np.full(len(rows), np.nan)
        for start in range(0, len(rows), MAX_ROWS_PER_CALL):
            part = rows.take(slice(start, start + MAX_ROWS_PER_CALL))
            with suppress(ModelOutputError):  # it fails as a whole: none of these rows has an answer
                found[start : start + len(part)] = self._numbers(self.feeds(part), len(part))
        return found

    def _score(self, rows: Table) -> NDArray[np.float64]:
        return self.answers(self.feeds(rows), len(rows))

    def answers(self, feeds: Mapping[str, NDArray[np.generic]], n: int) -> NDArray[np.float64]:
        """Scores n rows that are tensors already.

        Raises:
            ModelOutputError: If the model fails, or answers with a number that is not finite or of the wrong shape.
        """
        scores = self._numbers(feeds, n)
        if n == 1 and math.isfinite(scores[0]):  # numpy would cost more than the number does
            return scores
        finite = np.isfinite(scores)
        if not finite.all():
            bad = int(np.count_nonzero(~finite))
            hint = (
                "; a probability of exactly 0 or 1 has no log-odds: explain the output in space 'probability'"
                if self._scorer.transform == "logit"
                else "; check the model with `xaisvc bundle check`"
            )
            kinds = " or ".join(sorted({str(score) for score in scores[~finite]}))
            raise ModelOutputError(
                f"the model answered {bad} of {n} rows with a number that is not finite ({kinds}){hint}"
            )
        return scores

    def _numbers(self, feeds: Mapping[str, NDArray[np.generic]], n: int) -> NDArray[np.float64]:
        """What the model answers, finite or not."""
        tensor = np.asarray(self._model.run(feeds, [self._scorer.tensor])[self._scorer.tensor])
        numbers = _one_per_row(tensor, feeds, n)
        column = self._scorer.column or 0
        if column >= numbers.shape[1]:
            width = numbers.shape[1]
            raise ModelOutputError(
                f"output tensor '{self._scorer.tensor}' has {width} columns, so column {column} does not exist"
            )
        scores = numbers[:, column].astype(np.float64)
        if self._scorer.transform == "logit":
            with np.errstate(divide="ignore", invalid="ignore"):
                scores = np.log(scores) - np.log1p(-scores)
        return scores


class ColumnMatrix:
    """The matrix that reaches a tree ensemble or a linear node: the `ColumnFunction` of one term."""

    def __init__(
        self,
        description: BundleDescription,
        model: LoadedModel,
        tensor: str,
        *,
        copied: str | None = None,
        fix: Callable[[Mapping[str, NDArray[np.generic]]], LoadedModel] | None = None,
    ) -> None:
        """Finds out what enters the graph.

        Args:
            description: The bundle.
            model: The preprocessing.
            tensor: Its output.
            copied: The input that this output is a copy of, if it is: then nothing needs to run. See `copied_input`.
            fix: Makes the preprocessing with some of its inputs as constants; None where none can be made.
        """
        self._description = description
        self._model = model
        self._fix = fix
        self._tensor = tensor
        self._copied = copied
        self._encoder = RowEncoder(description, model.inputs)

    def __call__(self, rows: Table) -> NDArray[np.float32] | NDArray[np.float64]:
        """Runs the preprocessing of the graph, if there is any; see `ColumnFunction`."""
        return self.of_tensors(self._encoder.feeds(rows), len(rows))

    def of_tensors(self, feeds: Mapping[str, NDArray[np.generic]], n: int) -> NDArray[np.float32] | NDArray[np.float64]:
        """As a call, for n rows that are tensors already, this preprocessing's inputs among them."""
        own = {info.name: feeds[info.name] for info in self._model.inputs}
        found = self._model.run(own, [self._tensor])[self._tensor] if self._copied is None else own[self._copied]
        matrix = _one_per_row(np.asarray(found), own, n)
        # Routing must compare in the type the graph computes in: double models stay double, all others are float.
        if matrix.dtype == np.float64:
            return matrix.astype(np.float64, copy=False)
        return matrix.astype(np.float32, copy=False)

    def fixed(self, values: Mapping[str, NDArray[np.generic]]) -> ColumnMatrix | None:
        """The matrix of rows of which some tensors are always the same ones; None where that saves nothing.

        Texts enter a runtime one by one, with Python's lock held; as constants they are gone through once.

        Args:
            values: Tensor name to what it always is, one entry for each row of every later call.
        """
        names = {info.name for info in self._model.inputs}
        own = {name: value for name, value in values.items() if name in names}
        if self._fix is None or self._copied is not None or not own or len(own) == len(names):
            return None
        return ColumnMatrix(self._description, self._fix(own), self._tensor)


def copied_input(model: bytes, tensor: str) -> str | None:
    """The input of a graph that a tensor is a copy of, or None if something is computed.

    Args:
        model: A serialized ONNX model.
        tensor: One of its outputs.
    """
    import onnx  # noqa: PLC0415 - heavy: loaded when used

    graph = onnx.load_from_string(model).graph
    inputs = {one.name for one in graph.input} - {one.name for one in graph.initializer}
    copies = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity" and not node.domain}
    found = tensor
    while found in copies:
        found = copies[found]
    return found if found in inputs else None


def _one_per_row(tensor: NDArray[Number], feeds: Mapping[str, object], n: int) -> NDArray[Number]:
    """The tensor as a matrix, one line per row; where nothing enters the graph, one constant for all rows."""
    if not feeds:
        return np.repeat(tensor.reshape(1, -1), n, axis=0)
    return tensor.reshape(n, -1)
