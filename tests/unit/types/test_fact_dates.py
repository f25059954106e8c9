"""Days of facts in the forms that callers write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from xaisvc.errors import InvalidRequestError
from xaisvc.types.fact_dates import dates_by_row, day_of

DAY = date(2026, 3, 3)


def test_a_day_in_every_form() -> None:
    for value in (
        "2026-03-03",
        DAY,
        datetime(2026, 3, 3, 23, 59, tzinfo=UTC),
        pd.Timestamp("2026-03-03"),
        np.datetime64("2026-03-03"),
        np.datetime64("2026-03-03T12:00", "ns"),
    ):
        assert day_of(value) == DAY


def test_a_day_that_is_not_known() -> None:
    for value in (None, pd.NaT, pd.NA, float("nan"), np.float64("nan"), np.datetime64("NaT")):
        assert day_of(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "3 March 2026",
        "2026-3-3",
        "20260303",
        "2026-W10-2",
        "2026-02-30",
        "2026-03-03T00:00",
        "٢٠٢٦-٠٣-٠٣",
        20516,
        1.5,
        True,
    ],
)
def test_what_is_no_day(value: object) -> None:
    with pytest.raises(ValueError, match=r"not a day|day is out of range"):
        day_of(value)


@pytest.mark.parametrize(
    "given",
    [
        [{"income": DAY, "age": None}, {"income": "2026-01-01", "age": DAY}],
        {"income": [DAY, "2026-01-01"], "age": [None, DAY]},
        pd.DataFrame({"income": [DAY, "2026-01-01"], "age": [None, DAY]}),
    ],
    ids=["mappings", "columns", "frame"],
)
def test_every_form_is_the_same_rows(given: object) -> None:
    assert dates_by_row(given) == [{"income": DAY, "age": None}, {"income": "2026-01-01", "age": DAY}]


def test_no_days_are_no_rows() -> None:
    assert dates_by_row(()) == dates_by_row({}) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("2026-03-03", "fact_dates: must be a list of mappings, a mapping of columns or a DataFrame"),
        (DAY, "fact_dates: must be a list of mappings, a mapping of columns or a DataFrame"),
        (["2026-03-03"], "fact_dates[0]: must be a mapping of feature id to day"),
        ({"income": "2026-03-03"}, "fact_dates: a mapping holds columns, so each needs a list of days; for one row"),
        (
            {"income": DAY},
            "fact_dates: a mapping holds columns, so each needs a list of days; for one row write [{...}]",
        ),
        ({"income": [DAY], "age": [DAY, DAY]}, "fact_dates: columns of different lengths; each needs one day, or None"),
    ],
)
def test_other_forms_are_refused(given: object, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(words)):
        dates_by_row(given)
