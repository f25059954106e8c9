from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import xaisvc.bundles.row_reader as module
from xaisvc.bundles import RowReader, parse_each, parse_rows
from xaisvc.errors import InvalidRowsError
from xaisvc.types import BundleDescription, Feature, Kind
from xaisvc.types.schema import TensorColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xaisvc.types import Table


def _feature(name: str, kind: Kind, **more: Any) -> Feature:
    return Feature(id=name, kind=kind, source=TensorColumn(tensor=name), **more)


DESCRIPTION = BundleDescription(
    name="m",
    version="1",
    owner="o",
    purpose="p",
    out_of_scope="",
    features=(
        _feature("amount", Kind.NUMERIC),
        _feature("months", Kind.INTEGER),
        _feature("owner", Kind.BOOLEAN),
        _feature("job", Kind.CATEGORY, categories=("a", "3", "")),
        _feature("house", Kind.CATEGORY, categories=("own", "rent"), allow_missing=True),
        _feature("since", Kind.DATE),
    ),
    outputs=(),
)
ROW: Mapping[str, object] = {
    "amount": 1.5,
    "months": 12,
    "owner": 1,
    "job": "a",
    "house": None,
    "since": "2026-01-31",
}
VALUES: tuple[object, ...] = (
    *(0, 1, 2, -3, 1.0, 0.5, -0.0, 1e300, 2.0**53, 2**53, 10**400, float("nan"), float("inf"), True, False),
    *(None, "", "a", "3", "own", "2026-02-30", "2026-01-31T12:00:00", b"a", [1], {}, np.float64(2.5), np.int64(3)),
)


@pytest.mark.parametrize("name", list(ROW))
@pytest.mark.parametrize("place", range(len(VALUES)))
def test_a_row_alone_is_read_as_it_is_among_others(name: str, place: int) -> None:
    value = VALUES[place]
    row = {**ROW, name: value}

    table, places, violations = RowReader(DESCRIPTION).each([row])
    expected, expected_places, expected_violations = parse_each(DESCRIPTION, [row])

    assert violations == expected_violations
    assert places.tolist() == expected_places.tolist()
    assert list(table.columns) == list(expected.columns)
    for key, column in table.columns.items():
        assert column.dtype == expected.columns[key].dtype
        assert list(map(repr, column.tolist())) == list(map(repr, expected.columns[key].tolist()))  # minus zero too


@pytest.mark.parametrize(
    "row",
    [
        {key: value for key, value in ROW.items() if key != "amount"},
        {key: value for key, value in ROW.items() if key != "house"},
        {**ROW, "unknown": 1.0},
        {**{key: value for key, value in ROW.items() if key != "amount"}, "unknown": 1.0},
    ],
)
def test_absent_and_unknown_names_are_found(row: Mapping[str, object]) -> None:
    found = RowReader(DESCRIPTION).each([dict(row)])
    expected = parse_each(DESCRIPTION, [row])

    assert found[2] == expected[2]
    assert len(found[0]) == len(expected[0])


def test_a_usual_row_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(module, "parse_each", refuse)

    table, places, violations = RowReader(DESCRIPTION).each([dict(ROW)])

    assert (len(table), places.tolist(), violations) == (1, [0], {})


@pytest.mark.parametrize("name", list(ROW))
@pytest.mark.parametrize("place", range(len(VALUES)))
def test_a_row_that_must_be_right_is_read_or_refused_as_by_itself(name: str, place: int) -> None:
    row = {**ROW, name: VALUES[place]}

    assert _outcome(RowReader(DESCRIPTION).all, [row]) == _outcome(partial(parse_rows, DESCRIPTION), [row])


@pytest.mark.parametrize("place", range(len(VALUES)))
@pytest.mark.parametrize("column", range(3))
@pytest.mark.parametrize("count", [1, 2, 65])
@pytest.mark.parametrize("kind", ["<f8", "<f4", ">f4", "<i8"])
def test_a_matrix_is_read_or_refused_as_by_itself(place: int, column: int, count: int, kind: str) -> None:
    numbers = replace(DESCRIPTION, features=DESCRIPTION.features[:3])
    rows: np.ndarray[Any, Any] = np.tile([1.5, 12.0, 1.0], (count, 1)).astype(object)
    rows[-1, column] = VALUES[place]
    with suppress(ValueError, TypeError, OverflowError), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what does not fit a type is one of the values
        rows = rows.astype(kind)

    assert _outcome(RowReader(numbers).all, rows) == _outcome(partial(parse_rows, numbers), rows)


def test_a_matrix_is_copied() -> None:
    numbers = replace(DESCRIPTION, features=DESCRIPTION.features[:3])
    rows = np.array([[1.5, 12.0, 1.0]])

    table = RowReader(numbers).all(rows)
    rows[0, 0] = 7.0

    assert table.row(0) == {"amount": 1.5, "months": 12.0, "owner": 1.0}


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), np.zeros((1, 2)), np.zeros(3), np.zeros((1, 3), dtype=bool)])
def test_other_shapes_are_refused_as_by_themselves(rows: np.ndarray[Any, Any]) -> None:
    numbers = replace(DESCRIPTION, features=DESCRIPTION.features[:3])

    assert _outcome(RowReader(numbers).all, rows) == _outcome(partial(parse_rows, numbers), rows)


def _outcome(read: Callable[..., Table], rows: object) -> object:
    """What became of the rows: every value as text, or what is wrong."""
    try:
        table = read(rows)
    except InvalidRowsError as error:
        return str(error)
    return {name: (values.dtype, list(map(repr, values.tolist()))) for name, values in table.columns.items()}
