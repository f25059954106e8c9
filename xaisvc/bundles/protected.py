"""Attributes that the model is not given, beside the background rows: they show which features stand in for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.bundles.parquet import to_parquet
from xaisvc.bundles.tabular import guess_types
from xaisvc.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from xaisvc.types.schema import BundleDescription
    from xaisvc.types.table import Column

_LONGEST_NAME = 200


def parse_protected(
    description: BundleDescription, frame: pd.DataFrame, n_rows: int, file: str
) -> Mapping[str, Column]:
    """Reads protected attributes.

    Args:
        description: The schema.
        frame: One column per attribute, one row per background row, in the same order.
        n_rows: Rows of the background.
        file: Name used in errors.

    Returns:
        Name to values: numbers as float64 with NaN for unknown, anything else as texts with None for unknown.

    Raises:
        BundleError: If a column or the number of rows does not fit.
    """
    if not len(frame.columns):
        raise BundleError("there is no column; give one for each protected attribute, or remove the file", file=file)
    if len(frame) != n_rows:
        raise BundleError(
            f"there are {len(frame):,} rows, but the background has {n_rows:,}; give one for each of them, in the same "
            "order",
            file=file,
        )
    typed = guess_types(frame) if file.endswith(".csv") else frame
    return {name: _column(typed.iloc[:, i]) for i, name in enumerate(_names(description, frame, file))}


def write_protected(protected: Mapping[str, Column]) -> bytes:
    """Protected attributes as a parquet file, zstd-compressed."""
    import pyarrow as pa  # noqa: PLC0415 - heavy: loaded when used

    columns = {name: pa.array(values, from_pandas=True) for name, values in protected.items()}
    return to_parquet(pa.table(columns))


def _names(description: BundleDescription, frame: pd.DataFrame, file: str) -> list[str]:
    names = [str(name) for name in frame.columns]
    for name in names:
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise BundleError(
                f"an attribute needs a name of 1 to {_LONGEST_NAME} characters that can be printed", file=file
            )
        if name in description.feature_ids:
            raise BundleError(
                f"'{name}' is a feature of the model; this file is for attributes that the model is not given",
                file=file,
                field=name,
            )
    return names


def _column(values: pd.Series) -> Column:
    import pandas as pd  # noqa: PLC0415 - heavy: loaded when used

    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    found = np.empty(len(values), dtype=object)
    found[:] = [None if pd.isna(value) else str(value) for value in values]
    return found
