from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from xaisvc.client.requests import explain_request
from xaisvc.errors import InvalidInputError, InvalidRequestError, InvalidRowsError
from xaisvc.types import Deadline, ErrorTarget
from xaisvc.wire import value_from_wire

if TYPE_CHECKING:
    from xaisvc.v1 import explanations_pb2 as pb


def build(rows: object, **changes: object) -> pb.ExplainRequest:
    choices: dict[str, object] = {
        "output": None,
        "space": None,
        "method": "auto",
        "players": "features",
        "budget": None,
        "seed": 0,
        "audiences": (),
        "formats": ("html",),
        "language": "en",
    }
    return explain_request("loans", rows, **{**choices, **changes})  # type: ignore[arg-type]


def sent(request: pb.ExplainRequest) -> list[dict[str, object]]:
    return [{name: value_from_wire(value) for name, value in row.values.items()} for row in request.rows]


def test_mappings_travel_row_by_row() -> None:
    request = build([{"age": 41, "amount": 1.5}, {"age": None, "owner": True, "purpose": "car"}])

    assert sent(request) == [{"age": 41, "amount": 1.5}, {"age": None, "owner": True, "purpose": "car"}]
    assert not request.columns


def test_columns_travel_packed_with_their_gaps() -> None:
    request = build(
        {"age": [41, None], "amount": [1, 2.5], "purpose": [None, "car"], "owner": [True, False], "none": [None, None]}
    )

    found = {column.feature: column for column in request.columns}
    assert list(found["age"].integers.values) == [41, 0]
    assert list(found["age"].missing) == [1]
    assert list(found["amount"].doubles.values) == [1.0, 2.5]
    assert list(found["purpose"].texts.values) == ["", "car"]
    assert list(found["purpose"].missing) == [0]
    assert list(found["owner"].booleans.values) == [True, False]
    assert list(found["none"].doubles.values) == [0.0, 0.0]
    assert list(found["none"].missing) == [0, 1]
    assert not request.rows


@pytest.mark.parametrize(
    "given",
    [
        [{"age": date(2026, 3, 3), "amount": None}, {"amount": "soon"}],
        {"age": [datetime(2026, 3, 3, 9, tzinfo=UTC), None], "amount": [None, "soon"]},
        pd.DataFrame({"age": pd.to_datetime(["2026-03-03", None]), "amount": [None, "soon"]}),
    ],
    ids=["mappings", "columns", "frame"],
)
def test_days_travel_row_by_row_and_texts_are_the_services_to_judge(given: object) -> None:
    request = build([{"age": 41}, {"age": 42}], fact_dates=given)

    assert [dict(one.days) for one in request.fact_dates] == [{"age": "2026-03-03"}, {"amount": "soon"}]
    assert not build([{"age": 41}]).fact_dates


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([{"age": 41}], "fact_dates[0].age: must be a day such as 2026-01-31, a date, or None if it is not known"),
        ([{}, {"age": "\ud800"}], "fact_dates[1].age: holds characters that are no valid Unicode"),
        ([{7: date(2026, 3, 3)}], "fact_dates: feature ids must be texts"),
        ("2026-03-03", "fact_dates: must be a list of mappings, a mapping of columns or a DataFrame"),
    ],
)
def test_days_without_a_form_are_refused(given: object, words: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(words)):
        build([{"age": 41}], fact_dates=given)


def test_a_frame_travels_packed() -> None:
    frame = pd.DataFrame(
        {
            "age": pd.array([41, None], dtype="Int64"),
            "amount": [np.nan, 2.5],
            "purpose": pd.Categorical(["car", None]),
            "since": pd.to_datetime(["2020-01-31", None]),
        }
    )

    found = {column.feature: column for column in build(frame).columns}

    assert list(found["age"].integers.values) == [41, 0]
    assert list(found["amount"].doubles.values) == [0.0, 2.5]
    assert list(found["purpose"].texts.values) == ["car", ""]
    assert list(found["since"].texts.values) == ["2020-01-31T00:00:00", ""]
    assert [list(found[name].missing) for name in ("age", "amount", "purpose", "since")] == [[1], [0], [1], [1]]


def test_columns_of_mixed_values_travel_row_by_row() -> None:
    request = build({"purpose": ["car", 3], "age": [41, 42]})

    assert sent(request) == [{"purpose": "car", "age": 41}, {"purpose": 3, "age": 42}]


def test_whole_numbers_that_no_float_holds_are_not_packed_as_floats() -> None:
    request = build({"age": [2**53 + 1, 0.5]})

    assert sent(request) == [{"age": 2**53 + 1}, {"age": 0.5}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),  # noqa: FBT003 - a value
        (np.str_("car"), "car"),
        (Decimal("1.25"), 1.25),
        (date(2020, 1, 31), "2020-01-31"),
        (datetime(2020, 1, 31, 12, tzinfo=UTC), "2020-01-31T12:00:00+00:00"),
        (np.datetime64("2020-01-31"), "2020-01-31T00:00:00"),
        (np.datetime64("NaT", "s"), None),
        (float("nan"), None),
        (pd.NA, None),
        (pd.NaT, None),
        (float("inf"), float("inf")),
    ],
)
def test_values_of_libraries_become_plain(value: object, expected: object) -> None:
    (row,) = sent(build([{"x": value}]))

    assert row["x"] == expected
    assert type(row["x"]) is type(expected)


@pytest.mark.parametrize(
    ("rows", "field", "words"),
    [
        ([{"age": 2**63}], "rows[0].age", "too large for a 64-bit whole number"),
        ([{"age": 1}, {"age": [1]}], "rows[1].age", "is no number, text"),
        ([{"age": "\ud800"}], "rows[0].age", "no valid Unicode"),
        ({"age": [1, b"x"]}, "rows[1].age", "is no number, text"),
    ],
)
def test_values_without_a_form_are_refused_by_field(rows: object, field: str, words: str) -> None:
    with pytest.raises(InvalidRowsError, match=words) as caught:
        build(rows)

    assert caught.value.violations[0].field == field


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("age", "must be a list of mappings"),
        (3, "must be a list of mappings"),
        ([3], r"rows\[0\]: must be a mapping"),
        ([{3: 1}], "feature ids must be texts"),
        ({"age": "41"}, r"rows.age: must be a list"),
        ({"age": 41}, r"rows.age: must be a list"),
        ({"a": [1, "x"], "b": [1]}, r"columns of different lengths: \[1, 2\]"),
    ],
)
def test_rows_without_a_form_are_refused(rows: object, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        build(rows)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": "log-odds"}, "'log-odds' is not one of probability, log_odds, raw"),
        ({"seed": 2**63}, "seed: must fit into 64 bits"),
        ({"budget": 2**63}, "budget: must fit into 64 bits"),
        ({"budget": Deadline(float("nan"))}, "finite number of seconds"),
    ],
)
def test_choices_without_a_form_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        build([{"age": 1}], **changes)


def test_choices_arrive() -> None:
    request = build(
        [{"age": 1}],
        players={"all": ["age"]},
        budget=ErrorTarget(0.01),
        audiences=("customer",),
        formats=("text",),
        language="nl",
    )

    assert [(group.name, list(group.features)) for group in request.player_groups] == [("all", ["age"])]
    assert request.budget.standard_error == 0.01
    assert (list(request.audiences), list(request.formats), request.language) == (["customer"], ["text"], "nl")
    assert not build([{"age": 1}]).formats  # without an audience a format would mean nothing
