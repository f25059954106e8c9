"""Decides which data column enters which input of the graph."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xaisvc.errors import BundleError
from xaisvc.types.schema import TensorColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xaisvc.types.runtime import TensorInfo

_MAX_LISTED = 30
_MATRIX_DIMENSIONS = 2


def match_columns(inputs: Sequence[TensorInfo], columns: Sequence[str]) -> list[tuple[str, TensorColumn, str]]:
    """Gives every data column its place in the graph.

    An input of one column takes the data column of its name (also if the converter replaced spaces and the like by
    `_`). Matrices take the columns that are left, in their order, if the widths add up.

    Returns:
        Name, place and element type of each column, in the order of `columns`.

    Raises:
        BundleError: If something is left over on either side; lists both.
    """
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise BundleError(f"the data has two columns named '{twice[0]}'; rename one", file="background")
    for tensor in inputs:
        if len(tensor.shape) > _MATRIX_DIMENSIONS or not tensor.shape:
            raise BundleError(
                f"input '{tensor.name}' has {len(tensor.shape)} dimensions; a tabular model reads (n, columns) or (n,)",
                file="model.onnx",
            )
    found: dict[str, tuple[TensorColumn, str]] = {}
    matrices = []
    for tensor in inputs:
        column = _named(tensor, columns) if _width(tensor) in {1, None} else None
        if column is not None and column not in found:
            found[column] = (TensorColumn(tensor=tensor.name), tensor.element)
        else:
            matrices.append(tensor)
    rest = [column for column in columns if column not in found]
    for tensor, width in zip(matrices, _widths(matrices, rest, inputs, columns), strict=True):
        for i, column in enumerate(rest[:width]):
            found[column] = (TensorColumn(tensor=tensor.name, column=i), tensor.element)
        rest = rest[width:]
    return [(column, *found[column]) for column in columns]


def _named(tensor: TensorInfo, columns: Sequence[str]) -> str | None:
    if tensor.name in columns:
        return tensor.name
    alike = [column for column in columns if re.sub(r"\W", "_", column) == tensor.name]
    return alike[0] if len(alike) == 1 else None


def _width(tensor: TensorInfo) -> int | None:
    return tensor.shape[1] if len(tensor.shape) == _MATRIX_DIMENSIONS else 1


def _widths(
    matrices: Sequence[TensorInfo], rest: Sequence[str], inputs: Sequence[TensorInfo], columns: Sequence[str]
) -> list[int]:
    """How many of the columns that are left each matrix takes."""
    widths = [_width(tensor) for tensor in matrices]
    if len(matrices) == 1 and rest and (len(inputs) == 1 or widths[0] != 1):
        if widths[0] in {None, len(rest)}:
            return [len(rest)]
    elif all(width is not None and width > 1 for width in widths):
        known = [width for width in widths if width is not None]
        if sum(known) == len(rest):
            return known
    raise BundleError(_mismatch(inputs, columns, matrices, rest), file="background")


def _mismatch(
    inputs: Sequence[TensorInfo], columns: Sequence[str], without: Sequence[TensorInfo], rest: Sequence[str]
) -> str:
    reads = _listed([f"{tensor.name} ({_columns(tensor)})" for tensor in inputs])
    problem = []
    if len(inputs) == 1 and without:
        problem.append(f"the model reads {_columns(inputs[0])}, but the data has {len(columns)}")
    else:
        if without:
            problem.append(f"no data for: {_listed([tensor.name for tensor in without])}")
        if rest:
            problem.append(f"no input for: {_listed(rest)}")
    return (
        f"{'; '.join(problem)}. The graph reads: {reads}. The data has: {_listed(columns)}. Give exactly the columns "
        "that the model reads, named like its inputs (or, for a matrix, in its order); drop target and identifier "
        "columns"
    )


def _columns(tensor: TensorInfo) -> str:
    width = _width(tensor)
    return "any number of columns" if width is None else "1 column" if width == 1 else f"{width} columns"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
