"""Turns rows into the tensors that the graph reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from xaisvc.errors import BundleError, FieldViolation, InvalidRowsError
from xaisvc.types.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types.runtime import TensorInfo
    from xaisvc.types.schema import BundleDescription, Feature
    from xaisvc.types.table import Column, Table

FLOATS: Mapping[str, type[np.floating]] = {"float": np.float32, "double": np.float64, "float16": np.float16}
INTEGERS: Mapping[str, type[np.integer]] = {
    "int64": np.int64,
    "int32": np.int32,
    "int16": np.int16,
    "int8": np.int8,
    "uint64": np.uint64,
    "uint32": np.uint32,
    "uint16": np.uint16,
    "uint8": np.uint8,
}
_MATRIX_DIMENSIONS = 2
_LARGEST_FLOAT16 = 65504
_FED_ROWS = 64
"""Up to so many rows their tensors are kept beside them: a call of few rows is mostly what is done twice."""

_FEW_ROWS = 4096
"""Up to so many rows it is quicker to stack columns and turn them: for 30 columns in half of the time."""


def encode_rows(
    description: BundleDescription, inputs: Sequence[TensorInfo], rows: Table
) -> dict[str, NDArray[np.generic]]:
    """Builds the feeds of the graph.

    Columns are cast to the element type of their tensor. A missing value is NaN in a floating-point tensor and the
    empty text in a string tensor. A category enters a numeric tensor as the number its text spells; a date enters a
    numeric tensor as days since 1970-01-01 and a string tensor as ISO text.

    Args:
        description: Says which feature enters where.
        inputs: Inputs of the graph.
        rows: n rows in the order of the schema.

    Returns:
        Input name to tensor, (n, c), or (n,) where the graph declares one dimension.

    Raises:
        BundleError: If the graph and the schema do not fit; see `check_inputs`.
        InvalidRowsError: If a whole number does not fit the integer type of its tensor, or a missing value meets a
            tensor that has none.
    """
    return RowEncoder(description, inputs).feeds(rows)


@dataclass(frozen=True, slots=True)
class _Entry:
    """How a feature enters its tensor.

    Attributes:
        feature: The feature.
        element: Element type of the tensor.
        codes: The number of each category, and of None; None for a feature that does not enter as codes.
        direct: Whether its values need nothing but a cast.
    """

    feature: Feature
    element: str
    codes: Mapping[object, float] | None
    direct: bool


@dataclass(frozen=True, slots=True)
class _Tensor:
    """What enters one tensor.

    Attributes:
        info: The tensor.
        entries: The features, in the order of its columns.
        single: Whether it holds one feature alone.
        direct: Whether all of them need nothing but a cast.
        whole: Whether they are all features of the schema, in its order.
    """

    info: TensorInfo
    entries: tuple[_Entry, ...]
    single: bool
    direct: bool
    whole: bool


class RowEncoder:
    """Builds the feeds of one graph, see `encode_rows`: that graph and schema fit is checked once, when it is made."""

    def __init__(self, description: BundleDescription, inputs: Sequence[TensorInfo]) -> None:
        """Finds out what enters where.

        Raises:
            BundleError: If the graph and the schema do not fit; see `check_inputs`.
        """
        self._description, self._inputs = description, tuple(inputs)
        members: dict[str, list[Feature]] = {}
        for feature in description.features:
            members.setdefault(feature.source.tensor, []).append(feature)
        self._tensors: list[_Tensor] = []
        for tensor in inputs:
            features = members.get(tensor.name)
            if not features:
                raise BundleError(
                    f"the graph reads an input '{tensor.name}', but no feature enters it; add one with 'tensor: "
                    f"{tensor.name}'",
                    file="bundle.yaml",
                    field="features",
                )
            if not _is_single(features):
                _check_width(tensor, features)
            in_order = sorted(features, key=lambda feature: feature.source.column)
            entries = tuple(_entry(feature, tensor.element) for feature in in_order)
            self._tensors.append(
                _Tensor(
                    tensor,
                    entries,
                    single=_is_single(features),
                    direct=all(entry.direct for entry in entries),
                    whole=tuple(in_order) == description.features,
                )
            )

    def feeds(self, rows: Table) -> dict[str, NDArray[np.generic]]:
        """The feeds for n rows: input name to tensor, (n, c), or (n,) where the graph declares one dimension.

        Tensors may be those of an earlier call for the same table: they are read, never written to.

        Raises:
            InvalidRowsError: If a whole number does not fit the integer type of its tensor, or a missing value meets a
                tensor that has none.
        """
        if rows.fed is not None:
            made_by, feeds = rows.fed
            if made_by is self or (isinstance(made_by, RowEncoder) and made_by.feeds_like(self)):
                return dict(feeds)
        feeds = self._feeds(rows)
        if len(rows) <= _FED_ROWS:
            rows.keep_fed(self, feeds)
        return dict(feeds)

    def feeds_like(self, other: RowEncoder) -> bool:
        """Whether another encoder makes the same tensors of the same rows."""
        return self._description is other._description and self._inputs == other._inputs

    def _feeds(self, rows: Table) -> dict[str, NDArray[np.generic]]:
        feeds: dict[str, NDArray[np.generic]] = {}
        for tensor in self._tensors:
            info, entries = tensor.info, tensor.entries
            if tensor.single:
                only = _column(entries[0], rows.columns[entries[0].feature.id])
                feeds[info.name] = only if len(info.shape) == 1 else only.reshape(-1, 1)
            elif tensor.direct and len(rows) <= _FEW_ROWS:
                feeds[info.name] = _stacked(tensor, rows)
            else:
                feeds[info.name] = _matrix(info, entries, rows)
        return feeds


def _is_single(features: Sequence[Feature]) -> bool:
    return len(features) == 1 and features[0].source.column == 0


def _check_width(tensor: TensorInfo, features: Sequence[Feature]) -> None:
    width = max(feature.source.column for feature in features) + 1
    declared = tensor.shape[1] if len(tensor.shape) == _MATRIX_DIMENSIONS else None
    if len(features) != width or (declared is not None and declared != width):
        raise BundleError(
            f"the input '{tensor.name}' has {declared or width} columns, but the features of this tensor name "
            f"{len(features)} of them (0 to {width - 1}); give each column one feature",
            file="bundle.yaml",
            field="features",
        )


def _entry(feature: Feature, element: str) -> _Entry:
    """How a feature enters a tensor of this element type; refuses one that cannot."""
    if feature.kind is Kind.CATEGORY:
        codes = None if element == "string" else _codes(feature, element)
        return _Entry(feature, element, codes, direct=False)
    reason = misfit(feature, element)
    if reason:
        raise BundleError(reason, file="bundle.yaml", field=f"feature '{feature.id}'")
    return _Entry(feature, element, None, direct=element in {"float", "double"})


def misfit(feature: Feature, element: str) -> str:
    """Why a feature cannot enter a tensor of this element type, one sentence; empty if it can."""
    if element not in FLOATS and element not in INTEGERS and element not in {"string", "bool"}:
        return f"tensors of {element} are not supported; export the model with float, double, int64 or string inputs"
    reason = {
        Kind.NUMERIC: _numeric_misfit,
        Kind.INTEGER: _numeric_misfit,
        Kind.BOOLEAN: _boolean_misfit,
        Kind.CATEGORY: _category_misfit,
        Kind.DATE: _date_misfit,
    }[feature.kind](feature, element)
    if reason:
        return reason
    if feature.allow_missing and element not in FLOATS and element != "string":
        return f"it may be missing, but tensors of {element} have no missing value; set allow_missing: false"
    return ""


def _numeric_misfit(feature: Feature, element: str) -> str:
    if element == "string":
        return f"a {feature.kind} feature cannot enter a string tensor; declare it as category"
    if element == "bool":
        return f"a {feature.kind} feature cannot enter a bool tensor; declare it as boolean"
    if feature.kind is Kind.NUMERIC and element in INTEGERS:
        return f"a numeric feature would lose its decimals in a tensor of {element}; declare it as integer"
    return ""


def _boolean_misfit(_feature: Feature, element: str) -> str:
    return "a boolean feature cannot enter a string tensor; declare it as category" if element == "string" else ""


def _category_misfit(feature: Feature, element: str) -> str:
    if element == "string":
        return ""
    if element == "bool":
        return "a category cannot enter a bool tensor; declare it as boolean"
    for value in feature.categories:
        number = _spelled(value)
        if number is None or (element in INTEGERS and not number.is_integer()):
            return (
                f"it enters a {element} tensor, but its category '{value}' spells no "
                f"{'whole number' if element in INTEGERS else 'number'}; list the codes that the model was trained on"
            )
    return ""


def _date_misfit(_feature: Feature, element: str) -> str:
    if element in {"bool", "float16", "int16", "int8", "uint64", "uint32", "uint16", "uint8"}:
        return f"a date (days since 1970-01-01) does not fit a {element} tensor"
    return ""


def _stacked(tensor: _Tensor, rows: Table) -> NDArray[np.generic]:
    """As `_matrix` for columns that need nothing but a cast: one copy for all instead of one for each."""
    if tensor.whole and rows.lines is not None:
        return rows.lines.T.astype(_dtype(tensor.info.element), order="C", casting="unsafe")
    columns = [rows.columns[entry.feature.id] for entry in tensor.entries]
    flat = np.concatenate(columns, dtype=_dtype(tensor.info.element), casting="unsafe")
    return np.ascontiguousarray(flat.reshape(len(columns), -1).T)


def _matrix(tensor: TensorInfo, entries: Sequence[_Entry], rows: Table) -> NDArray[np.generic]:
    matrix = np.empty((len(rows), len(entries)), dtype=_dtype(tensor.element))
    for entry in entries:
        values = rows.columns[entry.feature.id]
        matrix[:, entry.feature.source.column] = values if entry.direct else _column(entry, values)
    return matrix


def _dtype(element: str) -> type[np.generic]:
    return FLOATS.get(element) or INTEGERS.get(element) or (np.bool_ if element == "bool" else np.object_)


def _column(entry: _Entry, values: Column) -> NDArray[np.generic]:
    """One feature's values in the element type of its tensor, (n,)."""
    feature, element, codes = entry.feature, entry.element, entry.codes
    if element == "string":
        return _texts(feature, values)
    numbers = cast("NDArray[np.float64]", values)
    if codes is not None:
        numbers = np.fromiter(map(codes.__getitem__, values), dtype=np.float64, count=len(values))
    if element in FLOATS:
        if element == "float16" and (np.abs(numbers) > _LARGEST_FLOAT16).any():
            raise _unfit(feature, "OUT_OF_DTYPE_RANGE", f"must lie between -{_LARGEST_FLOAT16} and {_LARGEST_FLOAT16}")
        floats: NDArray[np.generic] = numbers.astype(FLOATS[element], copy=False)
        return floats
    if np.isnan(numbers).any():
        raise _unfit(feature, "MISSING_VALUE", "must not be missing: the model has no missing value here")
    if element == "bool":
        truths: NDArray[np.generic] = numbers != 0
        return truths
    whole = np.floor(numbers)
    limits = np.iinfo(INTEGERS[element])
    if ((whole < limits.min) | (whole > limits.max)).any():
        raise _unfit(feature, "OUT_OF_DTYPE_RANGE", f"must lie between {limits.min} and {limits.max} for this model")
    integers: NDArray[np.generic] = whole.astype(INTEGERS[element])
    return integers


def _texts(feature: Feature, values: Column) -> NDArray[np.object_]:
    if feature.kind is Kind.DATE:
        days = cast("NDArray[np.float64]", values)
        texts = np.floor(days).astype("datetime64[D]").astype(str).astype(np.object_)
        texts[np.isnan(days)] = ""
        return texts
    texts = cast("NDArray[np.object_]", values)
    if feature.allow_missing:
        absent = np.asarray(texts == np.array(None))  # compared value by value
        if absent.any():
            texts = texts.copy()
            texts[absent] = ""
    return texts


def _codes(feature: Feature, element: str) -> Mapping[object, float]:
    codes: dict[object, float] = {None: np.nan}
    for value in feature.categories:
        number = _spelled(value)
        if number is None or (element not in FLOATS and not number.is_integer()):
            raise BundleError(misfit(feature, element), file="bundle.yaml", field=f"feature '{feature.id}'")
        codes[value] = number
    return codes


def _spelled(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _unfit(feature: Feature, reason: str, description: str) -> InvalidRowsError:
    return InvalidRowsError([FieldViolation(f"rows.{feature.id}", reason, description)])
