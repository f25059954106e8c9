"""Reads the rows of requests for one model: what can be prepared once for it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.bundles.columns import FEW_ROWS, MAX_WHOLE, NUMBERS, parse_column
from xaisvc.bundles.rows import parse_each, parse_rows
from xaisvc.types.schema import Kind
from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xaisvc.bundles.rows import Rows
    from xaisvc.errors import FieldViolation
    from xaisvc.types.schema import BundleDescription, Feature
    from xaisvc.types.table import Column

_MATRIX = 2
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


class RowReader:
    """Reads rows as one bundle's schema wants them.

    Args:
        description: The schema.
    """

    def __init__(self, description: BundleDescription) -> None:
        self._description = description
        self._meanings = {feature.id: _meanings(feature) for feature in description.features}
        kinds = np.array([feature.kind for feature in description.features])
        self._takes_arrays = bool(np.isin(kinds, [*NUMBERS]).all())
        self._boolean = kinds == Kind.BOOLEAN
        self._whole = self._boolean | (kinds == Kind.INTEGER)
        self._has_whole = bool(self._whole.any())
        self._names = description.feature_ids

    def all(self, rows: Rows) -> Table:
        """Reads rows that must all be right; see `parse_rows`, whose answer this is, sooner for few rows.

        Raises:
            InvalidRowsError: Lists everything that is wrong.
        """
        table = None
        if type(rows) is list and len(rows) == 1 and type(rows[0]) is dict:
            table = self.plain(rows[0])
        elif type(rows) is np.ndarray:
            table = self._plain_array(rows)
        return parse_rows(self._description, rows) if table is None else table

    def each(self, rows: Rows) -> tuple[Table, NDArray[np.intp], dict[int, tuple[FieldViolation, ...]]]:
        """Reads rows one by one in effect; see `parse_each`, whose answer this is, sooner for a row alone.

        Raises:
            InvalidRowsError: If there are no rows, or `rows` has no form that rows can have.
        """
        if type(rows) is list and len(rows) == 1 and type(rows[0]) is dict:
            table = self.plain(rows[0])
            if table is not None:
                return table, np.zeros(1, dtype=np.intp), {}
        return parse_each(self._description, rows)

    def plain(self, row: Mapping[str, object]) -> Table | None:
        """The table of a row in which nothing is wrong and nothing unusual; None for every other row."""
        features = self._description.features
        if len(row) != len(features):
            return None
        columns: dict[str, Column] = {}
        for feature in features:
            value = row.get(feature.id, self)
            if feature.kind is Kind.CATEGORY:
                meanings = self._meanings[feature.id]
                if (type(value) is not str and value is not None) or value not in meanings:
                    return None
                columns[feature.id] = np.array([meanings[value]], dtype=np.object_)
            elif feature.kind is Kind.DATE:
                column, problems = parse_column(feature, np.fromiter((value,), dtype=np.object_, count=1))
                if problems or value is self:
                    return None
                columns[feature.id] = column
            else:
                if not _is_plain(feature.kind, value):
                    return None
                columns[feature.id] = np.array([value], dtype=np.float64)
        return Table(columns)

    def _plain_array(self, rows: NDArray[np.generic]) -> Table | None:
        """The table of a small matrix of numbers in which nothing is wrong or missing; None for every other array."""
        names, shape = self._names, rows.shape
        if not self._takes_arrays or rows.dtype not in _FLOATS or len(shape) != _MATRIX or shape[1] != len(names):
            return None
        if not 0 < shape[0] <= FEW_ROWS:
            return None
        columns = np.array(rows.T, dtype=np.float64, order="C")
        if not np.maximum.reduce(np.abs(columns), axis=None) < MAX_WHOLE:  # no NaN either
            return None
        if self._has_whole:
            whole, truth = columns[self._whole], columns[self._boolean]
            if (whole != np.floor(whole)).any() or ((truth != 0) & (truth != 1)).any():
                return None
        return Table.of_lines(names, columns)


def _meanings(feature: Feature) -> Mapping[str | None, str | None]:
    """What a text, or its absence, means."""
    found: dict[str | None, str | None] = {None: None, "": None} if feature.allow_missing else {}
    return found | {category: category for category in feature.categories}


def _is_plain(kind: Kind, value: object) -> bool:
    """Whether a value is a number that a feature of this kind can have."""
    if type(value) is not float and type(value) is not int:
        return False
    if not -MAX_WHOLE < value < MAX_WHOLE:  # no NaN either
        return False
    if kind is Kind.NUMERIC:
        return True
    return value in {0, 1} if kind is Kind.BOOLEAN else value == int(value)
