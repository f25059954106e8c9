"""What the rest of the code knows of an ONNX runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Tensor: TypeAlias = NDArray[np.generic]

Device: TypeAlias = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """One input or output of a graph.

    Attributes:
        name: Name in the graph.
        element: ONNX element type in lower case: `float`, `double`, `int64`, `int32`, `string`, `bool`; `map` for the
            sequence of maps that ZipMap makes.
        shape: Size of each dimension, None where it is free.
    """

    name: str
    element: str
    shape: tuple[int | None, ...]


class LoadedModel(Protocol):
    """A graph that is ready to run. Safe to call from several threads."""

    @property
    def device(self) -> str:
        """What it runs on: `cpu` or `cuda`."""
        ...

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs of the graph, in its order."""
        ...

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs of the graph, in its order."""
        ...

    def run(self, feeds: Mapping[str, Tensor], outputs: Sequence[str]) -> dict[str, Tensor]:
        """Runs the graph on n rows.

        Args:
            feeds: Every input by name, first dimension n; empty for a graph without inputs, which is constant.
            outputs: Names of the outputs wanted.

        Returns:
            Output name to tensor, first dimension n.

        Raises:
            ModelOutputError: If the graph fails on these rows or answers with another number of rows.
        """
        ...


class Runtime(Protocol):
    """Loads graphs onto a device."""

    def load(self, model: bytes, *, device: Device = "auto") -> LoadedModel:
        """Loads a serialized ONNX model.

        Raises:
            RuntimeUnavailableError: If `device` is `cuda` and the session cannot run there.
        """
        ...
