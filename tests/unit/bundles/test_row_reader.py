from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import xaisvc.bundles.row_reader as module
from xaisvc.bundles import RowReader, parse_each
from xaisvc.types import BundleDescription, Feature, Kind
from xaisvc.types.schema import TensorColumn

if TYPE_CHECKING:
    from collections.abc import Mapping


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
