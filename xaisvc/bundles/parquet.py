"""Parquet files as bytes, without threads of Arrow's own.

Arrow's threads outlive a read of a Python file object for a moment and let go of it when they please. Where the
interpreter ends just then, the process is aborted with all its work done: 7 of 180 processes that read one small table
and ended. Bytes are read without a Python object and in the caller's thread (0 of 180).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def read_parquet_table(content: bytes) -> pa.Table:
    """The table in a parquet file.

    Args:
        content: The bytes of the file.

    Raises:
        pyarrow.ArrowException: If it is none, or is damaged; OSError, ValueError and TypeError come from damage too.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy: loaded when used
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy: loaded when used

    return pq.ParquetFile(pa.BufferReader(content), pre_buffer=False).read(use_threads=False)


def read_parquet_frame(content: bytes) -> pd.DataFrame:
    """The table in a parquet file as columns of objects and numbers; whole numbers with gaps stay whole.

    Args:
        content: The bytes of the file.

    Raises:
        pyarrow.ArrowException: As `read_parquet_table`.
    """
    table = read_parquet_table(content)
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True, use_threads=False)
    return frame


def to_parquet(table: pa.Table) -> bytes:
    """A table as the bytes of a parquet file, zstd-compressed.

    Args:
        table: The table.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy: loaded when used
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy: loaded when used

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content
