"""A draft from graph and data: kinds, categories, ranges, and clear words where the two do not match."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from xaisvc.bundles import draft_description, parse_manifest, write_manifest
from xaisvc.bundles.draft import label_of
from xaisvc.errors import BundleError
from xaisvc.types import Kind, Output, TensorColumn, TensorInfo

if TYPE_CHECKING:
    from xaisvc.types import BundleDescription

OUTPUT = Output(id="risk", tensor="probabilities", target=1)


def _tensor(name: str, element: str = "float", width: int | None = 1) -> TensorInfo:
    return TensorInfo(name=name, element=element, shape=(None, width))


def _draft(inputs: list[TensorInfo], data: dict[str, object], model: bytes | None = None) -> BundleDescription:
    found = draft_description(name="d", inputs=inputs, outputs=[OUTPUT], background=pd.DataFrame(data), model=model)
    assert parse_manifest(write_manifest(found).encode()) == found
    return found


@pytest.mark.parametrize(
    ("element", "values", "kind", "missing"),
    [
        ("float", [1.0, 2.5], Kind.NUMERIC, False),
        ("float", [1.0, 2.0], Kind.INTEGER, False),
        ("float", [1.0, None], Kind.NUMERIC, True),
        ("float", [None, None], Kind.NUMERIC, True),
        ("float", [0, 1], Kind.BOOLEAN, False),
        ("float", [0.0, None, 1.0], Kind.BOOLEAN, True),
        ("float", [1, 1], Kind.INTEGER, False),
        ("int64", [3, 7], Kind.INTEGER, False),
        ("int64", [True, False], Kind.BOOLEAN, False),
        ("bool", [True, True], Kind.BOOLEAN, False),
        ("double", ["2020-01-01", "2021-01-01"], Kind.DATE, False),
        ("float", [dt.date(2020, 1, 1), None], Kind.DATE, True),
        ("int64", pd.to_datetime(["2020-01-01", "2020-01-03"]), Kind.DATE, False),
        ("string", ["b", "a"], Kind.CATEGORY, False),
        ("string", [10, 9], Kind.CATEGORY, False),
        ("string", ["b", None], Kind.CATEGORY, True),
        ("string", pd.Categorical(["b", "a"]), Kind.CATEGORY, False),
    ],
)
def test_kinds_follow_graph_and_data(element: str, values: object, kind: Kind, missing: bool) -> None:  # noqa: FBT001  # a table
    feature = _draft([_tensor("f", element)], {"f": values}).features[0]

    assert (feature.kind, feature.allow_missing) == (kind, missing)


def test_ranges_and_categories_come_from_the_data() -> None:
    found = _draft(
        [_tensor("age"), _tensor("code", "string"), _tensor("day", "double")],
        {"age": [40.5, 18.0, 90.0], "code": [10, 9, 2], "day": ["1970-01-03", "1970-01-02", "1970-01-02"]},
    )

    assert found.feature("age").observed_range == (18.0, 90.0)
    assert found.feature("code").categories == ("2", "9", "10")
    assert found.feature("code").observed_range is None
    assert found.feature("day").observed_range == (1.0, 2.0)


def test_categories_of_the_encoder_are_added(model: bytes, inputs: tuple[TensorInfo, ...]) -> None:
    data = {"age": [1], "income": [1.5], "member": [True], "job": ["clerk"], "since": ["2020-01-01"]}

    assert _draft(list(inputs), data).feature("job").categories == ("clerk",)
    assert set(_draft(list(inputs), data, model).feature("job").categories) == {"clerk", "01", "true", "3"}


def test_texts_say_what_to_fill_in_and_labels_are_readable() -> None:
    found = _draft([_tensor("duration_months")], {"duration_months": [3.0]})

    assert found.owner.startswith("TO FILL")
    assert found.purpose.startswith("TO FILL")
    assert found.out_of_scope.startswith("TO FILL")
    assert found.features[0].labels == {"en": "Duration months"}
    assert found.outputs[0].labels == {"en": "Risk"}
    for name, label in (
        ("duration_months", "Duration months"), ("TotalCharges", "Total charges"), ("PAY_0", "PAY 0"), ("f0", "F0"),
        ("__", "__"), ("sepal length (cm)", "Sepal length (cm)"),
    ):  # fmt: skip
        assert label_of(name) == label


def test_columns_are_matched_by_name_whatever_their_order() -> None:
    found = _draft([_tensor("a"), _tensor("b_x")], {"b x": [1.5], "a": [2.5]})

    assert [(f.id, f.source) for f in found.features] == [
        ("b x", TensorColumn(tensor="b_x")),
        ("a", TensorColumn(tensor="a")),
    ]


def test_a_matrix_takes_the_columns_in_order() -> None:
    for width in (3, None):
        found = _draft([_tensor("X", width=width)], {"c": [1.5], "a": [2.5], "b": [3.5]})

        assert [(f.id, f.source.column) for f in found.features] == [("c", 0), ("a", 1), ("b", 2)]
    assert _draft([_tensor("X")], {"only": [1.5]}).features[0].source == TensorColumn(tensor="X")


def test_matrices_beside_named_columns() -> None:
    inputs = [_tensor("numbers", width=2), _tensor("job", "string"), _tensor("texts", "string", 2)]

    found = _draft(inputs, {"a": [1.5], "job": ["x"], "b": [2.5], "c": ["y"], "d": ["z"]})

    assert [(f.source.tensor, f.source.column) for f in found.features] == [
        ("numbers", 0), ("job", 0), ("numbers", 1), ("texts", 0), ("texts", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "columns", "words"),
    [
        (
            [_tensor("X", width=2)],
            ["a", "b", "target"],
            r"the model reads 2 columns, but the data has 3. The graph reads: X \(2 columns\). The data has: a, b, tar",
        ),
        (
            [_tensor("a"), _tensor("b")],
            ["a", "c"],
            "no data for: b; no input for: c. The graph reads: a .*, b .*drop target",
        ),
        ([_tensor("a")], ["a", "id"], r"no input for: id. The graph reads: a \(1 column\). The data has: a, id"),
        ([_tensor("a"), _tensor("X", width=None)], ["a"], "no data for: X"),
        (
            [TensorInfo(name="image", element="float", shape=(None, 3, 8, 8))],
            ["a"],
            "input 'image' has 4 dimensions; a tabular model reads",
        ),
    ],
)
def test_what_does_not_match_is_listed_on_both_sides(inputs: list[TensorInfo], columns: list[str], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        _draft(inputs, {column: [1.5] for column in columns})


@pytest.mark.parametrize(
    ("element", "values", "words"),
    [
        (
            "float",
            ["a", "b"],
            "column 'f': it holds text, but enters a tensor of float; give the numbers that the model",
        ),
        ("float", ["1", "2"], "it holds text"),
        ("int64", [1.5, 2.5], "it holds decimals, but enters a tensor of int64; check the order of the columns"),
        ("int64", [1, None], "it may be missing, but tensors of int64 have no missing value"),
        ("float", [1.0, float("inf")], "it holds infinite numbers; remove those rows"),
        ("string", [None, None], "every value is missing, so nothing tells what a tensor of string may hold; give"),
        ("bool", [None, None], "every value is missing, so nothing tells what a tensor of bool may hold; give"),
        (
            "string",
            [f"person {i}" for i in range(100)],
            "100 different texts in 100 rows, so it looks like free text or an",
        ),
        ("bool", [1, 2], "a value must be true or false"),
    ],
)
def test_a_column_that_cannot_be_a_feature_says_why(element: str, values: list[object], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        _draft([_tensor("f", element)], {"f": values})


def test_no_rows_no_outputs_and_columns_of_one_name_are_refused() -> None:
    with pytest.raises(BundleError, match="the background has no rows; give 100 to 1,000 typical rows"):
        _draft([_tensor("f")], {"f": []})
    with pytest.raises(BundleError, match="the graph has no output that can be explained"):
        draft_description(name="d", inputs=[_tensor("f")], outputs=[], background=pd.DataFrame({"f": [1.0]}))
    with pytest.raises(BundleError, match="two columns named 'f'; rename one"):
        draft_description(
            name="d",
            inputs=[_tensor("f")],
            outputs=[OUTPUT],
            background=pd.DataFrame(np.ones((1, 2)), columns=["f", "f"]),
        )
