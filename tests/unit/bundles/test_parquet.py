"""Parquet as bytes: what is read is what was written, and no thread is left that outlives the interpreter."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xaisvc.bundles.parquet import read_parquet_frame, read_parquet_table, to_parquet
from xaisvc.demo.cases import BUNDLES

if TYPE_CHECKING:
    from pathlib import Path

BACKGROUND = BUNDLES / "german-credit-boosting" / "background.parquet"
TABLE = pa.table({"age": [41, None, 23], "purpose": ["car", "", None], "amount": [1.5, float("nan"), None]})


def test_a_table_comes_back_as_it_was() -> None:
    assert read_parquet_table(to_parquet(TABLE)).schema == TABLE.schema
    assert read_parquet_table(to_parquet(TABLE)).to_pydict()["purpose"] == ["car", "", None]


def test_arrow_reads_what_we_write_and_we_what_arrow_writes(tmp_path: Path) -> None:
    (tmp_path / "ours").write_bytes(to_parquet(TABLE))
    pq.write_table(TABLE, tmp_path / "theirs", compression="snappy", row_group_size=2)

    assert pq.read_table(tmp_path / "ours").drop("amount").equals(TABLE.drop("amount"))
    assert read_parquet_table((tmp_path / "theirs").read_bytes()).drop("amount").equals(TABLE.drop("amount"))


def test_whole_numbers_with_gaps_stay_whole() -> None:
    frame = read_parquet_frame(to_parquet(TABLE))

    assert frame["age"].tolist() == [41, None, 23]
    assert [type(value) for value in frame["age"][[0, 2]]] == [int, int]
    assert pd.isna(frame["amount"][1])


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(pa.ArrowException):
        read_parquet_table(b"PAR1 no table PAR1")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
def test_reading_starts_no_threads() -> None:
    # One that Arrow starts can abort the process at its end, once in a while: a process of its own shows them all.
    program = (
        "import os, sys, pyarrow.parquet\n"
        "from pathlib import Path\n"
        "from xaisvc.bundles.parquet import read_parquet_frame\n"
        "def threads(): return len(os.listdir('/proc/self/task'))\n"
        "before = threads()\n"
        "rows = len(read_parquet_frame(Path(sys.argv[1]).read_bytes()))\n"
        "print(rows, threads() - before)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(BACKGROUND)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert done.stdout.split() == ["100", "0"]
