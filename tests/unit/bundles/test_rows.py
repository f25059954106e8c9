"""Every form of rows becomes the same table, and everything wrong is named with its path and never repeated."""

from __future__ import annotations

import datetime as dt
import decimal
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from xaisvc.bundles import parse_each, parse_rows
from xaisvc.errors import InvalidRowsError
from xaisvc.types import BundleDescription, Feature, Kind, Table, TensorColumn

if TYPE_CHECKING:
    from collections.abc import Mapping

ROW: dict[str, object] = {"age": 30, "income": 1500.5, "member": True, "job": "clerk", "since": "2020-01-31"}
DAY = 18292.0  # 2020-01-31, by `date -u -d 2020-01-31 +%s` / 86400


def _reasons(description: BundleDescription, rows: object) -> dict[str, str]:
    with pytest.raises(InvalidRowsError) as caught:
        parse_rows(description, rows)  # type: ignore[arg-type]  # wrong on purpose
    return {violation.field: violation.reason for violation in caught.value.violations}


def _text(description: BundleDescription, rows: object) -> str:
    with pytest.raises(InvalidRowsError) as caught:
        parse_rows(description, rows)  # type: ignore[arg-type]  # wrong on purpose
    return str(caught.value)


def _plain(table: Table) -> list[dict[str, float | str | None]]:
    return [table.row(i) for i in range(len(table))]


def test_every_form_gives_the_same_table(description: BundleDescription) -> None:
    rows = [ROW, {**ROW, "age": 41, "income": None, "member": 0, "job": None, "since": dt.date(1970, 1, 2)}]
    frame = pd.DataFrame(rows)
    columns = {name: [row[name] for row in rows] for name in reversed(list(ROW))}

    table = parse_rows(description, rows)

    assert table.feature_ids == description.feature_ids
    assert _plain(table) == [
        {"age": 30.0, "income": 1500.5, "member": 1.0, "job": "clerk", "since": DAY},
        {"age": 41.0, "income": None, "member": 0.0, "job": None, "since": 1.0},
    ]
    for other in (frame, frame[::-1][::-1], columns, table, tuple(rows), frame.convert_dtypes()):
        assert parse_rows(description, other).row_digests() == table.row_digests()
    assert all(table.columns[name].dtype == np.float64 for name in ("age", "income", "member", "since"))


def test_a_table_does_not_share_memory_with_what_the_caller_handed_in(description: BundleDescription) -> None:
    income = np.array([1.0, 2.0])
    only = replace(description, features=(description.features[1],))

    parse_rows(only, {"income": income})
    income[0] = 5.0  # a table locks its arrays: this would raise

    matrix = np.array([[1.0], [2.0]])
    table = parse_rows(only, matrix)
    matrix[0] = 5.0

    assert table.columns["income"].tolist() == [1.0, 2.0]


def test_a_feature_that_may_be_missing_may_be_left_out(description: BundleDescription) -> None:
    short = {name: value for name, value in ROW.items() if name not in {"income", "job"}}

    for rows in ([short], pd.DataFrame([short]), {name: [value] for name, value in short.items()}):
        assert parse_rows(description, rows).row(0) == {
            "age": 30.0, "income": None, "member": 1.0, "job": None, "since": DAY,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("age", np.int32(7), 7.0),
        ("age", 7.0, 7.0),
        ("age", decimal.Decimal(7), 7.0),
        ("age", 2**53, float(2**53)),
        ("income", np.float32(0.5), 0.5),
        ("income", float("nan"), None),
        ("income", pd.NA, None),
        ("income", decimal.Decimal("nan"), None),
        ("member", False, 0.0),
        ("member", np.True_, 1.0),
        ("member", 1, 1.0),
        ("member", 0.0, 0.0),
        ("job", np.str_("clerk"), "clerk"),
        ("job", 3, "3"),
        ("job", 3.0, "3"),
        ("job", np.int64(3), "3"),
        ("job", True, "true"),
        ("job", float("nan"), None),
        ("job", "", None),
        ("since", dt.datetime(1970, 1, 1, 12), 0.5),  # noqa: DTZ001  # a bare time is taken as it stands
        ("since", dt.datetime(1970, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=12))), 0.5),
        ("since", np.datetime64("1970-01-03"), 2.0),
        ("since", pd.Timestamp("1970-01-03"), 2.0),
        ("since", "1970-01-03T06:00:00Z", 2.25),
    ],
)
def test_a_value_is_read(description: BundleDescription, name: str, value: object, expected: object) -> None:
    assert parse_rows(description, [{**ROW, name: value}]).row(0)[name] == expected
    assert parse_rows(description, pd.DataFrame([{**ROW, name: value}] * 2)).row(1)[name] == expected


@pytest.mark.parametrize(
    ("name", "value", "reason", "words"),
    [
        ("age", None, "MISSING_VALUE", r"rows\[0\].age: must not be missing \(null or NaN\); give a whole number"),
        ("age", float("nan"), "MISSING_VALUE", "must not be missing"),
        ("age", 7.5, "NOT_INTEGER", "must be a whole number, but has decimals"),
        ("age", float("inf"), "NOT_FINITE", "must be a finite number, but is infinite"),
        ("income", -float("inf"), "NOT_FINITE", "must be a finite number"),
        ("age", 2**53 + 1, "OUT_OF_DTYPE_RANGE", r"must lie between -2\^53 and 2\^53"),
        ("income", -(2**53) - 1, "OUT_OF_DTYPE_RANGE", r"must lie between"),
        ("income", 10**400, "OUT_OF_DTYPE_RANGE", r"must lie between"),
        ("income", 1e300, "OUT_OF_DTYPE_RANGE", "too large for a 32-bit floating-point number"),
        ("age", "30", "WRONG_TYPE", "must be a whole number, but is text"),
        ("age", True, "WRONG_TYPE", "must be a whole number, but is true or false"),
        ("income", [1], "WRONG_TYPE", "must be a number, but is a list"),
        ("income", {}, "WRONG_TYPE", "must be a number, but is a mapping"),
        ("income", 1j, "WRONG_TYPE", "must be a number, but is something else"),
        ("income", dt.timedelta(1), "WRONG_TYPE", "something else"),
        ("income", dt.date(2020, 1, 1), "WRONG_TYPE", "must be a number, but is a date"),
        ("member", 2, "WRONG_TYPE", r"must be true or false \(or 1 or 0\), but is another number"),
        ("member", "true", "WRONG_TYPE", r"must be true or false \(or 1 or 0\), but is text"),
        ("job", "Clerk", "UNKNOWN_CATEGORY", "is not one of the categories 'clerk', '01', 'true', '3'$"),
        ("job", 3.5, "UNKNOWN_CATEGORY", "is not one of the categories"),
        ("job", float("inf"), "UNKNOWN_CATEGORY", "is not one of the categories"),
        ("job", b"clerk", "WRONG_TYPE", "must be a category as text, but is bytes"),
        ("since", "31.01.2020", "WRONG_TYPE", "must be a date such as 2026-01-31, but is text of another form"),
        ("since", "today", "WRONG_TYPE", "text of another form"),
        ("since", 18292, "WRONG_TYPE", "but is a number"),
        ("since", None, "MISSING_VALUE", "must not be missing"),
    ],
)
def test_a_wrong_value_is_named(
    description: BundleDescription, name: str, value: object, reason: str, words: str
) -> None:
    rows = [{**ROW, name: value}]

    assert _reasons(description, rows) == {f"rows[0].{name}": reason}
    with pytest.raises(InvalidRowsError, match=words):
        parse_rows(description, rows)
    good, _, bad = parse_each(description, rows)
    assert len(good) == 0
    assert [violation.reason for violation in bad[0]] == [reason]


def test_a_value_of_the_caller_is_never_repeated(description: BundleDescription) -> None:
    secret = "NL91ABNA0417164300"  # noqa: S105  # an example, no secret of ours
    rows = [{**ROW, name: secret} for name in ROW]

    assert secret not in _text(description, rows)


def test_long_lists_of_categories_are_cut(description: BundleDescription) -> None:
    job = replace(description.features[3], categories=tuple(f"c{i}" for i in range(33)))
    only = replace(description, features=(job,))

    assert _text(only, [{"job": "x"}]).endswith("'c18', 'c19' and 13 more")


def test_everything_wrong_is_listed_in_the_order_of_the_rows(description: BundleDescription) -> None:
    rows: list[Mapping[str, object]] = [
        {**ROW, "job": "x", "age": "x"},
        ROW,
        {**ROW, "incme": 3},
        {name: value for name, value in ROW.items() if name != "age"},
    ]

    assert list(_reasons(description, rows).items()) == [
        ("rows[0].age", "WRONG_TYPE"),
        ("rows[0].job", "UNKNOWN_CATEGORY"),
        ("rows[2].incme", "UNKNOWN_FIELD"),
        ("rows[3].age", "MISSING_FIELD"),
    ]
    assert "rows[2].incme: is no feature of bundle 'loans'; did you mean 'income'?" in _text(description, rows)


def test_columns_that_are_missing_or_unknown_are_named_once(description: BundleDescription) -> None:
    frame = pd.DataFrame([ROW] * 3).drop(columns="age").assign(agee=1)

    assert _reasons(description, frame) == {"rows.agee": "UNKNOWN_FIELD", "rows.age": "MISSING_FIELD"}
    assert _reasons(description, {name: frame[name].tolist() for name in frame}) == _reasons(description, frame)


def test_a_thousand_violations_are_enough(description: BundleDescription) -> None:
    with pytest.raises(InvalidRowsError) as caught:
        parse_rows(description, {**{name: [value] * 1500 for name, value in ROW.items()}, "age": ["x"] * 1500})

    violations = caught.value.violations
    assert len(violations) == 1001
    assert violations[999].field == "rows[999].age"
    assert (violations[1000].reason, violations[1000].description) == (
        "TOO_MANY_VIOLATIONS",
        "500 more values are wrong",
    )


@pytest.mark.parametrize(
    ("rows", "path", "reason"),
    [
        ([], "rows", "NO_ROWS"),
        ({}, "rows", "NO_ROWS"),
        (pd.DataFrame(columns=list(ROW)), "rows", "NO_ROWS"),
        (None, "rows", "WRONG_TYPE"),
        ("abc", "rows", "WRONG_TYPE"),
        (7, "rows", "WRONG_TYPE"),
        ([1, 2], "rows[0]", "WRONG_TYPE"),
        (ROW, "rows.age", "WRONG_TYPE"),
        ({**{name: [value] for name, value in ROW.items()}, "job": "clerk"}, "rows.job", "WRONG_TYPE"),
        ({**{name: [value] for name, value in ROW.items()}, "job": ["clerk"] * 2}, "rows.job", "WRONG_SHAPE"),
        ({**{name: [value] for name, value in ROW.items()}, "age": np.ones((1, 2))}, "rows.age", "WRONG_SHAPE"),
        (pd.DataFrame([[1, 2]], columns=["age", "age"]), "rows.age", "DUPLICATE_FIELD"),
        (np.ones((2, 5)), "rows", "WRONG_TYPE"),
    ],
)
def test_what_has_no_form_of_rows_is_refused(
    description: BundleDescription, rows: object, path: str, reason: str
) -> None:
    assert _reasons(description, rows) == {path: reason}


def _numeric(*kinds: Kind) -> BundleDescription:
    return BundleDescription(
        name="n", version="1", owner="o", purpose="p", out_of_scope="o", outputs=(),
        features=tuple(
            Feature(id=f"f{i}", kind=kind, source=TensorColumn(tensor="x", column=i)) for i, kind in enumerate(kinds)
        ),
    )  # fmt: skip


def test_an_array_is_read_in_the_order_of_the_schema() -> None:
    described = _numeric(Kind.NUMERIC, Kind.INTEGER, Kind.BOOLEAN)

    table = parse_rows(described, np.array([[0.5, 3, 1], [1.5, 4, 0]]))

    assert [table.columns[f"f{i}"].tolist() for i in range(3)] == [[0.5, 1.5], [3.0, 4.0], [1.0, 0.0]]
    assert parse_rows(described, np.array([[1, 3, 1]])).columns["f0"].tolist() == [1.0]
    assert _reasons(described, np.array([[0.5, 3.5, 2]])) == {"rows[0].f1": "NOT_INTEGER", "rows[0].f2": "WRONG_TYPE"}
    assert _reasons(described, np.array([[2**60, 3, 1]])) == {"rows[0].f0": "OUT_OF_DTYPE_RANGE"}


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
@pytest.mark.parametrize("n_rows", [1, 7, 2000])
def test_an_array_of_numbers_is_read_as_its_columns_are(dtype: str, n_rows: int) -> None:
    described = _numeric(*[Kind.NUMERIC] * 3)
    array = (np.random.default_rng(4).normal(size=(n_rows, 3)) * 50 + 100).astype(dtype)
    by_column = parse_rows(described, {f"f{i}": array[:, i].tolist() for i in range(3)})

    for rows in (array, np.asfortranarray(array), array[::-1][::-1]):
        table = parse_rows(described, rows)
        assert table.row_digests() == by_column.row_digests()
        assert [column.dtype for column in table.columns.values()] == [np.dtype("float64")] * 3


@pytest.mark.parametrize(
    ("value", "reason"), [(np.nan, "MISSING_VALUE"), (np.inf, "NOT_FINITE"), (-(2.0**1000), "OUT_OF_DTYPE_RANGE")]
)
def test_what_is_wrong_in_an_array_of_numbers_is_named(value: float, reason: str) -> None:
    array = np.ones((2, 3))
    array[1, 2] = value

    assert _reasons(_numeric(*[Kind.NUMERIC] * 3), array) == {"rows[1].f2": reason}


def test_an_array_of_another_shape_is_refused_with_the_remedy() -> None:
    described = _numeric(Kind.NUMERIC, Kind.NUMERIC)

    assert "must have shape (n, 2)" in _text(described, np.ones((2, 3)))
    assert "for one row use row.reshape(1, -1)" in _text(described, np.ones(2))
    assert _reasons(described, np.array([["a", "b"]])) == {"rows": "WRONG_TYPE"}


def test_dtypes_of_numpy_and_pandas_that_look_like_numbers_but_are_not() -> None:
    described = _numeric(Kind.NUMERIC)

    for values in (
        np.array(["2020-01-01"], dtype="datetime64[s]"),
        np.array([5], dtype="timedelta64[s]"),
        np.array([True]),
        pd.Series(["1"], dtype="category"),
        np.array([b"1"]),
        np.array([1j]),
    ):
        assert _reasons(described, {"f0": values}) == {"rows[0].f0": "WRONG_TYPE"}
        assert _reasons(described, pd.DataFrame({"f0": values})) == {"rows[0].f0": "WRONG_TYPE"}


def test_a_bad_row_never_harms_the_others(description: BundleDescription) -> None:
    rows = [ROW, {**ROW, "age": "x", "extra": 1}, {**ROW, "age": 50}, {}]

    table, indices, bad = parse_each(description, rows)

    assert indices.tolist() == [0, 2]
    assert table.columns["age"].tolist() == [30.0, 50.0]
    assert {i: [(v.field, v.reason) for v in found] for i, found in bad.items()} == {
        1: [("rows[1].extra", "UNKNOWN_FIELD"), ("rows[1].age", "WRONG_TYPE")],
        3: [("rows[3].age", "MISSING_FIELD"), ("rows[3].member", "MISSING_FIELD"), ("rows[3].since", "MISSING_FIELD")],
    }


def test_each_row_hears_of_columns_that_are_wrong_for_all(description: BundleDescription) -> None:
    columns = {name: [value] * 2 for name, value in ROW.items() if name != "age"} | {"agee": [1, 2]}

    table, indices, bad = parse_each(description, columns, field="request.rows")

    assert (len(table), indices.tolist()) == (0, [])
    assert {i: [(v.field, v.reason) for v in found] for i, found in bad.items()} == {
        i: [(f"request.rows[{i}].agee", "UNKNOWN_FIELD"), (f"request.rows[{i}].age", "MISSING_FIELD")] for i in (0, 1)
    }


def test_a_table_is_checked_too(description: BundleDescription) -> None:
    good = parse_rows(description, [ROW])
    columns = dict(good.columns)

    assert _reasons(description, Table({**columns, "since": np.array([np.nan])})) == {"rows[0].since": "MISSING_VALUE"}
    assert _reasons(description, Table({**columns, "age": np.array([0.5])})) == {"rows[0].age": "NOT_INTEGER"}
    assert _reasons(description, Table({**columns, "job": np.array(["x"], dtype=object)})) == {
        "rows[0].job": "UNKNOWN_CATEGORY"
    }
    assert parse_rows(description, Table(dict(reversed(columns.items())))).feature_ids == description.feature_ids


@pytest.mark.parametrize(
    "jobs",
    [
        ["clerk", "01", "true"],
        ["clerk", None, "3"],
        ["clerk", float("nan"), ""],
        ["clerk", np.nan, pd.NA],
        ["clerk", 3, 3.0],
        ["clerk", True, np.str_("01")],
        ["clerk", ["clerk"], "01"],
        ["clerk", "priest", "01"],
    ],
)
def test_the_fast_way_for_categories_reads_what_the_slow_way_reads(
    description: BundleDescription, jobs: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"age": 30, "member": True, "since": "2020-01-01", "job": job} for job in jobs]

    def read() -> tuple[list[object], object]:
        table, _, violations = parse_each(description, [{k: v for k, v in r.items() if k in known} for r in rows])
        return table.columns["job"].tolist(), violations

    known = set(description.feature_ids)
    fast = read()
    monkeypatch.setattr("xaisvc.bundles.columns._all_known", lambda *_: None)

    assert fast == read()
    assert all(value is None or type(value) is str for value in fast[0])


def test_a_frame_may_have_any_index(description: BundleDescription) -> None:
    rows = pd.DataFrame([ROW, ROW, ROW])
    plain = parse_rows(description, rows).row_digests()

    assert parse_rows(description, rows.set_axis([7, 7, 7])).row_digests() == plain
    levels = pd.MultiIndex.from_product([[1], ["x", "y", "z"]])
    assert parse_rows(description, rows.set_axis(levels)).row_digests() == plain
    with pytest.raises(InvalidRowsError, match="is missing; add it to every row"):
        parse_rows(description, pd.DataFrame(index=[0, 1]))
    with pytest.raises(InvalidRowsError, match="rows: holds no rows; give at least one"):
        parse_rows(description, rows[:0])


@pytest.mark.parametrize("age", [10**400, -(10**30), 2**53 + 1, np.uint64(2**64 - 1)])
def test_a_whole_number_that_no_float_holds_is_refused(description: BundleDescription, age: object) -> None:
    with pytest.raises(InvalidRowsError, match=r"rows\[0\]\.age: must lie between -2\^53 and 2\^53"):
        parse_rows(description, [{**ROW, "age": age}])
