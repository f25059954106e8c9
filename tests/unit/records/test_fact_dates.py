"""Days of facts as bytes in front of a row."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaisvc.errors import StoreError
from xaisvc.records.answers import ROW_VERSION_BYTE, decode_row, encode_rows
from xaisvc.records.fact_dates import DATES_VERSION_BYTE, decode_fact_dates, encode_fact_dates, without_fact_dates
from xaisvc.types import Table

DAYS = {"income": date(2026, 3, 3), "ägé": date(1, 1, 1)}


@given(dates=st.dictionaries(st.text(), st.dates()), rest=st.binary())
def test_days_come_back_with_what_follows_them(dates: dict[str, date], rest: bytes) -> None:
    row = bytes([ROW_VERSION_BYTE]) + rest
    stored = encode_fact_dates(dates) + row

    assert decode_fact_dates(stored) == (dates, row)
    assert without_fact_dates(stored) == row


def test_the_same_days_are_the_same_bytes() -> None:
    assert encode_fact_dates(DAYS) == encode_fact_dates(dict(reversed(DAYS.items())))
    assert json.loads(encode_fact_dates(DAYS)[5:]) == {"income": "2026-03-03", "ägé": "0001-01-01"}


def test_a_row_without_days_is_stored_as_it_always_was() -> None:
    (row,) = encode_rows(Table({"income": np.array([1.0])}))

    assert encode_fact_dates({}) == b""
    assert row[0] == ROW_VERSION_BYTE != DATES_VERSION_BYTE
    assert decode_fact_dates(row) == ({}, row)
    assert decode_row(decode_fact_dates(encode_fact_dates(DAYS) + row)[1], {"income": False})[0] == {"income": 1.0}


@pytest.mark.parametrize(
    "stored",
    [
        b"\x02",
        b"\x02\x00\x00\x00\x00",
        encode_fact_dates(DAYS)[:-1],
        b"\x02\x02\x00\x00\x00[]",
        b"\x02\x01\x00\x00\x00{",
        b'\x02\x0c\x00\x00\x00{"a":"today"}'[:17],
        b'\x02\x07\x00\x00\x00{"a":1}',
    ],
)
def test_damaged_days_are_told(stored: bytes) -> None:
    with pytest.raises(StoreError, match="stored bytes are no days of facts of this version: the store is damaged"):
        decode_fact_dates(stored)
