"""Columns of few rows are read together, and come out as each does alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xaisvc.bundles.columns import ABSENT, FEW_ROWS, MAX_NUMBER, MAX_WHOLE, parse_column, parse_plain
from xaisvc.types import Feature, Kind, TensorColumn

NUMBERS = (
    *(0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 1e-300, MAX_WHOLE - 1.0, float(MAX_WHOLE), -float(MAX_WHOLE), 2.0**53 + 2),
    *(MAX_NUMBER, -MAX_NUMBER, MAX_NUMBER * 1.5, math.inf, -math.inf, math.nan),
)
OBJECTS = (*NUMBERS, 3, -7, MAX_WHOLE, MAX_WHOLE + 1, 10**400, True, None, ABSENT, "1", np.float32(0.5), [1])
TYPED = (
    *(np.array([number]) for number in NUMBERS),
    *(np.array([number], dtype=np.float32) for number in (0.1, math.nan, math.inf)),
    *(np.array([number]) for number in (0, 1, -1, MAX_WHOLE - 1, MAX_WHOLE, MAX_WHOLE + 1, -MAX_WHOLE - 1)),
    *(np.array([number], dtype=np.uint64) for number in (0, 1, MAX_WHOLE + 1, 2**64 - 1)),
    *(np.array([number]) for number in (True, False)),
    *(np.array([number], dtype="datetime64[D]") for number in (0, 1)),
)


def _objects(values: list[object]) -> np.ndarray:
    return np.fromiter(values, dtype=np.object_, count=len(values))


@pytest.mark.parametrize("missing", [False, True])
def test_columns_read_together_are_those_read_alone(*, missing: bool) -> None:
    columns = {
        f"{kind}{i}": (kind, values)
        for kind in Kind
        for i, values in enumerate([*TYPED, *(_objects([value]) for value in OBJECTS)])
    }
    features = [
        Feature(id=name, kind=kind, source=TensorColumn(tensor="x", column=i), categories=("1",), allow_missing=missing)
        for i, (name, (kind, _)) in enumerate(columns.items())
    ]

    found = parse_plain(features, {name: values for name, (_, values) in columns.items()})

    kinds = {feature.id: feature.kind for feature in features}
    assert {kinds[name] for name in found} == {Kind.NUMERIC, Kind.INTEGER, Kind.BOOLEAN}
    for feature in features:
        alone, problems = parse_column(feature, columns[feature.id][1])
        together = found.get(feature.id)
        if together is None:
            continue
        assert problems == [], feature.id
        assert together.dtype == alone.dtype
        assert together.tobytes() == alone.tobytes(), feature.id


def test_one_wrong_value_leaves_its_column_to_be_read_alone() -> None:
    features = [Feature(id=name, kind=Kind.INTEGER, source=TensorColumn(tensor=name)) for name in ("a", "b", "c")]
    whole = _objects(list(range(FEW_ROWS)))
    columns = {"a": whole, "b": np.append(np.zeros(FEW_ROWS - 1), 0.5)}

    found = parse_plain(features, columns)

    assert list(found) == ["a"]
    assert found["a"].tolist() == [float(i) for i in range(FEW_ROWS)]
    assert parse_plain(features, {}) == {}


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", [Kind.NUMERIC, Kind.DATE])
def test_a_column_is_searched_for_what_is_wrong_wherever_it_stands(kind: Kind, *, missing: bool) -> None:
    feature = Feature(id="f", kind=kind, source=TensorColumn(tensor="x"), allow_missing=missing)
    count = FEW_ROWS + 9
    if kind is Kind.DATE:
        values = np.zeros(count, dtype="datetime64[D]")
        values[5] = "NaT"
        bad = {5: "MISSING_VALUE"}
    else:
        values = np.linspace(-MAX_NUMBER, MAX_NUMBER, count)
        values[[5, 7, 11, count - 1]] = math.nan, math.inf, -math.inf, MAX_NUMBER * 2
        bad = {5: "MISSING_VALUE", 7: "NOT_FINITE", 11: "NOT_FINITE", count - 1: "OUT_OF_DTYPE_RANGE"}
    if missing:
        del bad[5]

    _, problems = parse_column(feature, values)

    assert {int(row): problem.reason for problem in problems for row in problem.rows} == bad


@pytest.mark.parametrize("value", [math.inf, -math.inf, MAX_NUMBER * 2, -MAX_NUMBER * 2, math.nan])
def test_a_single_wrong_number_is_found_on_either_side(value: float) -> None:
    feature = Feature(id="f", kind=Kind.NUMERIC, source=TensorColumn(tensor="x"))
    values = np.zeros(FEW_ROWS + 1)
    values[3] = value

    column, problems = parse_column(feature, values)

    assert [problem.rows.tolist() for problem in problems] == [[3]]
    assert np.flatnonzero(np.isnan(column)).tolist() == [3]
