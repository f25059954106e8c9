"""Rows become the tensors that a graph reads, in every element type, and the graph takes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

from xaisvc.bundles import encode_rows
from xaisvc.bundles.encode import RowEncoder, misfit
from xaisvc.errors import BundleError, InvalidRowsError
from xaisvc.types import BundleDescription, Feature, Kind, Table, TensorColumn, TensorInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _rows() -> Table:
    return Table(
        {
            "age": np.array([30.0, 41.0]),
            "income": np.array([1500.5, np.nan]),
            "member": np.array([1.0, 0.0]),
            "job": np.array(["clerk", None], dtype=object),
            "since": np.array([18292.0, -1.5]),
        }
    )


def _one(
    kind: Kind, element: str, values: NDArray[np.generic], *, categories: tuple[str, ...] = (), missing: bool = False
) -> NDArray[np.generic]:
    feature = Feature(id="f", kind=kind, source=TensorColumn(tensor="f"), categories=categories, allow_missing=missing)
    described = _described(feature)
    table = Table({"f": values})  # type: ignore[dict-item]  # float64 or object
    return encode_rows(described, [TensorInfo(name="f", element=element, shape=(None, 1))], table)["f"].ravel()


def _described(*features: Feature) -> BundleDescription:
    return BundleDescription(
        name="d", version="1", owner="o", purpose="p", out_of_scope="o", features=features, outputs=()
    )


def test_one_tensor_per_feature(description: BundleDescription, inputs: tuple[TensorInfo, ...], model: bytes) -> None:
    feeds = encode_rows(description, inputs, _rows())

    assert {name: (str(tensor.dtype), tensor.shape) for name, tensor in feeds.items()} == {
        "age": ("int64", (2, 1)),
        "income": ("float32", (2, 1)),
        "member": ("bool", (2, 1)),
        "job": ("object", (2, 1)),
        "since": ("float64", (2,)),
    }
    assert np.isnan(feeds["income"][1, 0])
    assert feeds["job"].ravel().tolist() == ["clerk", ""]

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], feeds)
    # by hand: sigmoid(-0.02 age - 0.0002 income + 0.5 member + 0.1 [job is clerk]), missing income is 2000
    logit = np.array([-0.6 - 0.3001 + 0.5 + 0.1, -0.82 - 0.4])
    np.testing.assert_allclose(found[:, 1], 1 / (1 + np.exp(-logit)), rtol=1e-6)  # float32 in the graph


def test_one_matrix() -> None:
    """Features may stand in another order than their columns."""
    order = [2, 0, 1]
    described = _described(
        *(Feature(id=f"f{c}", kind=Kind.NUMERIC, source=TensorColumn(tensor="x", column=c)) for c in order)
    )
    table = Table({f"f{c}": np.array([c, c + 0.5]) for c in order})

    for element, dtype in (("float", np.float32), ("double", np.float64), ("float16", np.float16)):
        found = encode_rows(described, [TensorInfo(name="x", element=element, shape=(None, 3))], table)["x"]

        assert found.dtype == dtype
        assert found.flags.c_contiguous
        assert found.tolist() == [[0.0, 1.0, 2.0], [0.5, 1.5, 2.5]]


def test_a_matrix_of_texts() -> None:
    described = _described(
        *(
            Feature(
                id=f"f{c}", kind=Kind.CATEGORY, source=TensorColumn(tensor="x", column=c), categories=("a", "b"),
                allow_missing=True,
            )
            for c in range(2)
        )
    )  # fmt: skip
    table = Table({"f0": np.array(["a", "b"], dtype=object), "f1": np.array([None, "a"], dtype=object)})

    found = encode_rows(described, [TensorInfo(name="x", element="string", shape=(3, None))], table)["x"]

    assert found.tolist() == [["a", ""], ["b", "a"]]


def test_a_category_enters_a_numeric_tensor_as_the_number_it_spells() -> None:
    values = np.array(["10", "-2", None, "10"], dtype=object)

    floats = _one(Kind.CATEGORY, "float", values, categories=("10", "-2"), missing=True)
    integers = _one(Kind.CATEGORY, "int32", values[:2], categories=("10", "-2"))

    np.testing.assert_array_equal(floats, np.array([10, -2, np.nan, 10], dtype=np.float32))
    assert (integers.dtype, integers.tolist()) == (np.int32, [10, -2])


def test_a_date_enters_as_days_or_as_text() -> None:
    days = np.array([18292.0, -0.5, 18292.75])

    assert _one(Kind.DATE, "double", days).tolist() == [18292.0, -0.5, 18292.75]
    assert _one(Kind.DATE, "int64", days).tolist() == [18292, -1, 18292]
    assert _one(Kind.DATE, "string", days).tolist() == ["2020-01-31", "1969-12-31", "2020-01-31"]
    assert _one(Kind.DATE, "string", np.array([np.nan]), missing=True).tolist() == [""]


def test_what_a_tensor_cannot_hold_is_refused_with_the_feature() -> None:
    for kind, element, values, words in (
        (Kind.INTEGER, "int32", [2.0**31], "rows.f: must lie between -2147483648 and 2147483647 for this model"),
        (Kind.INTEGER, "uint8", [-1.0], "rows.f: must lie between 0 and 255"),
        (Kind.NUMERIC, "float16", [70000.0], "rows.f: must lie between -65504 and 65504"),
        (Kind.INTEGER, "int64", [np.nan], "rows.f: must not be missing: the model has no missing value here"),
        (Kind.BOOLEAN, "bool", [np.nan], "rows.f: must not be missing"),
    ):
        with pytest.raises(InvalidRowsError, match=words):
            _one(kind, element, np.array(values))


@pytest.mark.parametrize(
    ("kind", "element", "words"),
    [
        (Kind.NUMERIC, "float", ""),
        (Kind.NUMERIC, "int64", "would lose its decimals in a tensor of int64; declare it as integer"),
        (Kind.NUMERIC, "string", "cannot enter a string tensor; declare it as category"),
        (Kind.INTEGER, "int64", ""),
        (Kind.INTEGER, "bool", "cannot enter a bool tensor; declare it as boolean"),
        (Kind.BOOLEAN, "bool", ""),
        (Kind.BOOLEAN, "float", ""),
        (Kind.BOOLEAN, "string", "cannot enter a string tensor; declare it as category"),
        (Kind.CATEGORY, "string", ""),
        (Kind.CATEGORY, "float", ""),
        (Kind.CATEGORY, "int64", "its category '1.5' spells no whole number; list the codes"),
        (Kind.CATEGORY, "bool", "cannot enter a bool tensor"),
        (Kind.DATE, "string", ""),
        (Kind.DATE, "float16", "does not fit a float16 tensor"),
        (Kind.NUMERIC, "complex64", "tensors of complex64 are not supported"),
    ],
)
def test_kinds_and_element_types_that_fit(kind: Kind, element: str, words: str) -> None:
    categories = ("1", "1.5") if kind is Kind.CATEGORY else ()
    feature = Feature(id="f", kind=kind, source=TensorColumn(tensor="f"), categories=categories)

    found = misfit(feature, element)

    assert words in found
    assert bool(words) == bool(found)
    values = np.array(["1"], dtype=object) if kind is Kind.CATEGORY else np.array([1.0])
    if found:
        with pytest.raises(BundleError, match="feature 'f'"):
            _one(kind, element, values, categories=categories)
    else:
        assert len(_one(kind, element, values, categories=categories)) == 1


def test_a_missing_value_fits_floats_and_texts_only() -> None:
    feature = Feature(id="f", kind=Kind.INTEGER, source=TensorColumn(tensor="f"), allow_missing=True)

    assert misfit(feature, "float") == ""
    assert "it may be missing, but tensors of int64 have no missing value" in misfit(feature, "int64")


def test_an_encoder_reads_any_rows_as_a_new_one_does(
    description: BundleDescription, inputs: tuple[TensorInfo, ...]
) -> None:
    encoder = RowEncoder(description, inputs)
    rows = _rows()

    for some in (rows, rows.take([1]), rows.take([1, 0, 1])):
        once, again, new = encoder.feeds(some), encoder.feeds(some), encode_rows(description, inputs, some)
        assert list(once) == list(new)
        for name, tensor in new.items():
            assert once[name].dtype == again[name].dtype == tensor.dtype
            np.testing.assert_array_equal(once[name], tensor)
            np.testing.assert_array_equal(again[name], tensor)


@pytest.mark.parametrize("element", ["float", "double", "float16", "int64"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_lines_of_a_matrix_become_the_tensor_that_their_columns_do(element: str, order: tuple[int, ...]) -> None:
    features = [
        Feature(id=f"f{i}", kind=Kind.INTEGER, source=TensorColumn(tensor="x", column=column))
        for i, column in enumerate(order)
    ]
    encoder = RowEncoder(_described(*features), [TensorInfo(name="x", element=element, shape=(None, 3))])
    lines = np.array([[1.0, 2.0], [30.0, 40.0], [500.0, 2049.0]])

    found = encoder.feeds(Table.of_lines(("f0", "f1", "f2"), lines))["x"]

    expected = np.empty((2, 3))
    expected[:, list(order)] = lines.T
    np.testing.assert_array_equal(found, expected.astype(found.dtype))
    slow = encoder.feeds(Table({f"f{i}": line.copy() for i, line in enumerate(lines)}))["x"]
    assert (found.dtype, found.flags.c_contiguous, found.tobytes()) == (slow.dtype, True, slow.tobytes())


def test_two_graphs_that_read_the_same_are_fed_once() -> None:
    features = [Feature(id=f"f{i}", kind=Kind.NUMERIC, source=TensorColumn(tensor="x", column=i)) for i in (0, 1)]
    description, turned = _described(*features), _described(*features[::-1])
    single, double = (TensorInfo(name="x", element=element, shape=(None, 2)) for element in ("float", "double"))
    rows = Table({"f0": np.array([1.0]), "f1": np.array([2.0])})
    encoder = RowEncoder(description, [single])

    first = encoder.feeds(rows)

    assert encoder.feeds(rows)["x"] is first["x"]
    assert RowEncoder(description, [single]).feeds(rows)["x"] is first["x"]
    other = RowEncoder(description, [double]).feeds(rows)["x"]
    assert (other.dtype, other.tolist()) == (np.float64, [[1.0, 2.0]])
    assert RowEncoder(turned, [single]).feeds(rows)["x"] is not first["x"]
    first.clear()  # the tensors are shared, who has which of them is not
    assert encoder.feeds(rows)["x"].tolist() == [[1.0, 2.0]]


def test_tensors_of_many_rows_are_not_kept() -> None:
    feature = Feature(id="f", kind=Kind.NUMERIC, source=TensorColumn(tensor="f"))
    encoder = RowEncoder(_described(feature), [TensorInfo(name="f", element="float", shape=(None, 1))])
    few, many = (Table({"f": np.zeros(n)}) for n in (64, 65))

    encoder.feeds(few)
    encoder.feeds(many)

    assert few.fed is not None
    assert many.fed is None


@pytest.mark.parametrize(("element", "value"), [("int8", 128.0), ("float16", 65536.0)])
def test_a_column_of_a_matrix_is_checked_as_a_tensor_of_its_own_is(element: str, value: float) -> None:
    features = [Feature(id=f"f{i}", kind=Kind.INTEGER, source=TensorColumn(tensor="x", column=i)) for i in (0, 1)]
    encoder = RowEncoder(_described(*features), [TensorInfo(name="x", element=element, shape=(None, 2))])

    with pytest.raises(InvalidRowsError, match=r"rows\.f1.*must lie between"):
        encoder.feeds(Table({"f0": np.zeros(1), "f1": np.array([value])}))


def test_an_encoder_of_a_graph_that_does_not_fit_cannot_be_made(
    description: BundleDescription, inputs: tuple[TensorInfo, ...]
) -> None:
    with pytest.raises(BundleError, match="the graph reads an input 'extra', but no feature enters it"):
        RowEncoder(description, (*inputs, TensorInfo(name="extra", element="float", shape=(None, 1))))
    job = _described(replace(description.feature("job"), source=TensorColumn(tensor="x")))
    with pytest.raises(BundleError, match="it enters a float tensor, but its category 'clerk' spells no number"):
        RowEncoder(job, [TensorInfo(name="x", element="float", shape=(None, 1))])


def test_a_graph_that_does_not_fit_the_schema_is_refused(
    description: BundleDescription, inputs: tuple[TensorInfo, ...]
) -> None:
    more = (*inputs, TensorInfo(name="extra", element="float", shape=(None, 1)))
    with pytest.raises(BundleError, match="the graph reads an input 'extra', but no feature enters it"):
        encode_rows(description, more, _rows())

    age, income = description.features[:2]
    gap = _described(
        replace(age, source=TensorColumn(tensor="x")), replace(income, source=TensorColumn(tensor="x", column=2))
    )
    with pytest.raises(BundleError, match=r"the input 'x' has 3 columns, but the features of this tensor name 2"):
        encode_rows(gap, [TensorInfo(name="x", element="double", shape=(None, 3))], _rows())
