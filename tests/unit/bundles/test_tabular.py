"""Rows and data from files."""

from __future__ import annotations

import io
import json
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from xaisvc.bundles import parse_rows, read_data, read_dates, read_rows
from xaisvc.bundles.tabular import write_parquet
from xaisvc.errors import InvalidRequestError, InvalidRowsError
from xaisvc.types.fact_dates import day_of

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.types import BundleDescription

ROW = {"age": 30, "income": 1500.5, "member": True, "job": "01", "since": "2020-01-31"}


def test_the_same_row_from_csv_json_and_parquet(description: BundleDescription, tmp_path: Path) -> None:
    expected = parse_rows(description, [ROW]).row_digests()
    csv = tmp_path / "rows.csv"
    csv.write_text("job,age,income,member,since\n01,30,1500.50,TRUE,2020-01-31\n")
    one = tmp_path / "row.json"
    one.write_text(json.dumps(ROW))
    parquet = tmp_path / "rows.parquet"
    pd.DataFrame([ROW]).to_parquet(parquet)

    assert read_rows(description, csv).row_digests() == expected
    assert read_rows(description, str(one)).row_digests() == expected
    assert read_rows(description, io.BytesIO(json.dumps([ROW]).encode())).row_digests() == expected
    assert read_rows(description, parquet).row_digests() == expected


def test_the_same_days_from_csv_json_and_parquet(tmp_path: Path) -> None:
    csv = tmp_path / "days.csv"
    csv.write_text("age,since\n2026-03-03,\n,NA\n2026-03-03, soon\n")
    lines = tmp_path / "days.json"
    lines.write_text(json.dumps([{"age": "2026-03-03"}, {}, {"age": "2026-03-03", "since": " soon"}]))
    parquet = tmp_path / "days.parquet"
    day = date(2026, 3, 3)
    pd.DataFrame({"age": [day, None, day], "since": [None, None, " soon"]}).to_parquet(parquet)

    assert read_dates(csv) == [
        {"age": "2026-03-03", "since": None},
        {"age": None, "since": None},
        {"age": "2026-03-03", "since": " soon"},
    ]
    assert read_dates(lines) == json.loads(lines.read_text())
    found = read_dates(parquet)
    assert [day_of(one["age"]) for one in found] == [day, None, day]
    assert (day_of(found[0]["since"]), found[2]["since"]) == (None, " soon")
    assert read_dates(str(csv), [2, 0]) == [read_dates(csv)[2], read_dates(csv)[0]]


@pytest.mark.parametrize(
    ("name", "content", "only", "words"),
    [
        ("days.json", "{", None, "dates: this is not valid JSON"),
        ("days.json", '["2026-03-03"]', None, r"dates\[0\]: must be a mapping of feature id to day"),
        ("days.csv", "", None, "dates: the file is empty"),
        ("days.csv", "age\n2026-03-03\n", [1], "dates: there is no row 1; the file has rows 0 to 0"),
        ("gone.csv", None, None, "cannot be read"),
    ],
)
def test_what_is_no_table_of_days_is_refused(
    tmp_path: Path, name: str, content: str | None, only: list[int] | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InvalidRequestError, match=words):
        read_dates(tmp_path / name, only)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.json", "{", "rows: this is not valid JSON; give one object per row"),
        ("rows.json", "[" * 100_000, "this is not valid JSON"),
        ("rows.json", "3", r"the JSON must be one object \(a row\) or a list of objects"),
        ("rows.json", "[]", "rows: holds no rows"),
        ("rows.json", "[3]", r"rows\[0\]: a row must be a mapping"),
        ("rows.json", '{"age": NaN, "member": 1, "since": "2020-01-01"}', r"rows\[0\].age: must not be missing"),
        ("rows.json", '{"age": Infinity, "member": 1, "since": "2020-01-01"}', r"rows\[0\].age: must be a finite"),
        ("rows.csv", "\n\n", "rows: the file is empty; it needs a header line"),
        (
            "rows.csv",
            "age,member,since\n1,2,3\n\n1,2,3,4\n",
            "line 4 has 4 values, but the header has 3; separate values",
        ),
        ("rows.csv", "age,member,since\n1,2\n", "line 2 has 2 values"),
        ("rows.csv", 'age,member,since\n"1,2,3\n', "line 2 is not valid CSV; check its quotes"),
        ("rows.csv", "age;member;since\n1;2;3\n", "separated by semicolons; save the file with commas"),
        ("rows.csv", "age,member,since\nx,1,2020-01-01\n", r"rows\[0\].age: must be a whole number, but is text"),
        ("rows.csv", "age,member,since\n9007199254740993,1,2020-01-01\n", r"rows\[0\].age: must lie between"),
        ("rows.parquet", "PAR1", "the file is no parquet table or is damaged"),
    ],
)
def test_a_file_that_is_wrong_says_how(
    description: BundleDescription, tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises((InvalidRequestError, InvalidRowsError), match=words):
        read_rows(description, tmp_path / name)


def test_chosen_rows_are_read_whatever_is_wrong_with_others(description: BundleDescription, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    head, good, other = (
        "job,age,income,member,since\n",
        "01,30,1500.50,true,2020-01-31\n",
        "clerk,31,1,true,2020-01-31\n",
    )
    path.write_text(head + "01,old,1,true,2020-01-31\n" + good + other)

    both = parse_rows(description, [{**ROW, "job": "clerk", "age": 31, "income": 1}, ROW])
    assert read_rows(description, path, [2, 1]).row_digests() == both.row_digests()
    with pytest.raises(InvalidRowsError, match=r"rows\[0\].age: must be a whole number, but is text"):
        read_rows(description, path, [1, 0])
    for absent in (3, -1):
        with pytest.raises(InvalidRequestError, match=f"row: there is no row {absent}; the file has rows 0 to 2"):
            read_rows(description, path, [1, absent])


def test_a_file_that_is_not_there(description: BundleDescription, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"no.csv' cannot be read \(no such file or directory\); check the path"
    ):
        read_rows(description, tmp_path / "no.csv")


def test_data_gets_types_but_codes_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(
        "whole,number,code,holes,truth,text,big\n1,0.5,007,3,true,a,9007199254740993\n-20,1e3,110,,False,NA,1\n"
    )

    data = read_data(path)

    assert data["whole"].tolist() == [1, -20]
    assert data["whole"].dtype == np.int64
    assert data["number"].tolist() == [0.5, 1000.0]
    assert data["code"].tolist() == ["007", "110"]
    assert data["holes"].isna().tolist() == [False, True]
    assert data["holes"].dtype == np.float64
    assert data["truth"].tolist() == [True, False]
    assert data["text"].tolist() == ["a", "NA"]
    assert data["big"].dtype == np.float64  # more than float64 can hold exactly is no whole number here


def test_data_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.xlsx").touch()

    with pytest.raises(InvalidRequestError, match=r"'data.xlsx' must be a .csv or .parquet file"):
        read_data(tmp_path / "data.xlsx")


def test_parquet_keeps_every_value_and_gives_each_kind_its_type(description: BundleDescription, tmp_path: Path) -> None:
    rows = parse_rows(
        description,
        [
            ROW,
            {**ROW, "income": None, "job": None, "member": False, "since": "1969-12-31"},
            {**ROW, "income": 0.1, "since": "2020-01-31T18:30:00.123456"},
        ],
    )
    for sample in (rows, rows.take([0, 1])):
        path = tmp_path / f"{len(sample)}.parquet"
        path.write_bytes(write_parquet(description, sample, {"prediction:default_risk": np.ones(len(sample))}))
        frame = pd.read_parquet(path)
        kinds = [str(dtype) for dtype in frame.dtypes]

        assert kinds[:3] == ["int64", "float64", "bool"]
        back = parse_rows(description, frame.drop(columns="prediction:default_risk"))
        assert back.row_digests() == sample.row_digests()
