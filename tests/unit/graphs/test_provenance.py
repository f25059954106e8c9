from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import NodeProto, TensorProto, helper

from tests.unit.graphs.hand_made import ML, Grove, graph, run, stump
from xaisvc.errors import BundleError
from xaisvc.graphs import features_behind, trace_columns
from xaisvc.types import TensorColumn

FLOAT, STRING, INT64 = TensorProto.FLOAT, TensorProto.STRING, TensorProto.INT64
INPUTS = {"X": (FLOAT, [None, 3]), "Z": (FLOAT, [None, 1]), "S": (STRING, [None, 1]), "V": (FLOAT, [None])}
SOURCES = {
    "a": TensorColumn(tensor="X", column=0),
    "b": TensorColumn(tensor="X", column=1),
    "c": TensorColumn(tensor="X", column=2),
    "z": TensorColumn(tensor="Z"),
    "s": TensorColumn(tensor="S"),
    "v": TensorColumn(tensor="V"),
}


def node(op: str, inputs: list[str], outputs: list[str] | None = None, *, ml: bool = False, **more: Any) -> NodeProto:
    return helper.make_node(op, inputs, outputs or ["Y"], domain=ML if ml else "", **more)


def ml(op: str, inputs: list[str], outputs: list[str] | None = None, **more: Any) -> NodeProto:
    return node(op, inputs, outputs, ml=True, **more)


ONE_HOT = ml("OneHotEncoder", ["S"], ["hot"], cats_strings=["x", "y"], zeros=1)
GROVE = Grove(0, width=3, targets=2)
ALL = "abc"

# Name to (nodes, constants, the features behind each column of Y). "abc" means all three.
CASES: dict[str, tuple[list[NodeProto], dict[str, Any], list[str]]] = {
    "identity": ([node("Identity", ["X"])], {}, ["a", "b", "c"]),
    "cast": ([node("Cast", ["X"], to=TensorProto.DOUBLE)], {}, ["a", "b", "c"]),
    "concat": ([node("Concat", ["Z", "X"], axis=1)], {}, ["z", "a", "b", "c"]),
    "concat from the back": ([node("Concat", ["X", "Z"], axis=-1)], {}, ["a", "b", "c", "z"]),
    "feature vectorizer": ([ml("FeatureVectorizer", ["X", "Z"], inputdimensions=[3, 1])], {}, ["a", "b", "c", "z"]),
    "one-hot with one dimension more, then flat": (
        [ONE_HOT, node("Reshape", ["hot", "shape"], ["flat"]), node("Concat", ["Z", "flat"], axis=1)],
        {"shape": [-1, 2]},
        ["z", "s", "s"],
    ),
    "two one-hots joined on their last axis": (
        [
            ONE_HOT,
            ml("OneHotEncoder", ["Z"], ["cold"], cats_int64s=[0, 1, 2], zeros=1),
            node("Concat", ["hot", "cold"], ["both"], axis=-1),
            node("Reshape", ["both", "shape"]),
        ],
        {"shape": [-1, 5]},
        ["s", "s", "z", "z", "z"],
    ),
    "scaler": ([ml("Scaler", ["X"], offset=[1.0, 2.0, 3.0], scale=[1.0, 1.0, 2.0])], {}, ["a", "b", "c"]),
    "imputer": (
        [ml("Imputer", ["X"], imputed_value_floats=[0.0, 1.0, 2.0], replaced_value_float=float("nan"))],
        {},
        ["a", "b", "c"],
    ),
    "label encoder": (
        [ml("LabelEncoder", ["S"], keys_strings=["x", "y"], values_floats=[0.5, 1.5])],
        {},
        ["s"],
    ),
    "binarizer": ([ml("Binarizer", ["X"], threshold=0.5)], {}, ["a", "b", "c"]),
    "reshape that keeps columns": ([node("Reshape", ["X", "shape"])], {"shape": [0, 3]}, ["a", "b", "c"]),
    "reshape that keeps what is left": ([node("Reshape", ["X", "shape"])], {"shape": [0, -1]}, ["a", "b", "c"]),
    "reshape that mixes rows": ([node("Reshape", ["X", "shape"])], {"shape": [-1, 1]}, [ALL]),
    "reshape to one row": ([node("Reshape", ["Z", "shape"])], {"shape": [-1, 2]}, ["z", "z"]),
    "flat and back": (
        [node("Reshape", ["Z", "flat"], ["w"]), node("Unsqueeze", ["w", "one"])],
        {"flat": [-1], "one": [1]},
        ["z"],
    ),
    "squeeze and flatten": ([node("Squeeze", ["Z", "one"], ["w"]), node("Flatten", ["w"])], {"one": [1]}, ["z"]),
    "gather": ([node("Gather", ["X", "at"], axis=1)], {"at": [2, 0]}, ["c", "a"]),
    "gather one": (
        [node("Gather", ["X", "at"], ["w"], axis=1), node("Add", ["w", "V"], ["t"]), node("Unsqueeze", ["t", "one"])],
        {"at": 1, "one": [1]},
        ["bv"],
    ),
    "gather rows": ([node("Gather", ["X", "at"], axis=0)], {"at": [0]}, [ALL, ALL, ALL]),
    "table look-up": (
        [node("Cast", ["V"], ["i"], to=INT64), node("Clip", ["i", "low", "high"], ["j"]), node("Gather", ["T", "j"])],
        {"T": np.ones((3, 2), np.float32), "low": np.int64(0), "high": np.int64(2)},
        ["v", "v"],
    ),
    "feature extractor": ([ml("ArrayFeatureExtractor", ["X", "at"])], {"at": [1, 1, 0]}, ["b", "b", "a"]),
    "slice": (
        [node("Slice", ["X", "from", "to", "axes"])],
        {"from": [1], "to": [3], "axes": [1]},
        ["b", "c"],
    ),
    "slice backwards": (
        [node("Slice", ["X", "from", "to", "axes", "steps"])],
        {"from": [2], "to": [-99], "axes": [1], "steps": [-1]},
        ["c", "b", "a"],
    ),
    "slice of rows": ([node("Slice", ["X", "from", "to"])], {"from": [0], "to": [2]}, [ALL, ALL, ALL]),
    "split": (
        [node("Split", ["X", "sizes"], ["one", "Y"], axis=1)],
        {"sizes": [1, 2]},
        ["b", "c"],
    ),
    "transpose and back": (
        [node("Transpose", ["X"], ["t"], perm=[1, 0]), node("Transpose", ["t"], perm=[1, 0])],
        {},
        [ALL, ALL, ALL],
    ),
    "arithmetic with constants": (
        [node("Sub", ["X", "m"], ["u"]), node("Div", ["u", "d"], ["w"]), node("Pow", ["w", "two"])],
        {"m": np.ones(3, np.float32), "d": np.float32(2), "two": np.float32(2)},
        ["a", "b", "c"],
    ),
    "comparison with bin edges": (
        [node("Less", ["Z", "edges"], ["w"]), node("Cast", ["w"], to=FLOAT)],
        {"edges": np.array([[0.0, 1.0, 2.0]], np.float32)},
        ["z", "z", "z"],
    ),
    "product of two tensors": ([node("Mul", ["X", "Z"])], {}, ["az", "bz", "cz"]),
    "choice": (
        [node("IsNaN", ["X"], ["w"]), node("Where", ["w", "Z", "X"])],
        {},
        ["az", "bz", "cz"],
    ),
    "bin number": ([node("ArgMax", ["X"], ["i"], axis=1, keepdims=1), node("Cast", ["i"], to=FLOAT)], {}, [ALL]),
    "sum over columns": ([node("ReduceSum", ["X", "one"], keepdims=1)], {"one": [1]}, [ALL]),
    "sum over rows": ([node("ReduceSum", ["X", "zero"], keepdims=1)], {"zero": [0]}, [ALL, ALL, ALL]),
    "sparse weights": (
        [node("MatMul", ["X", "W"])],
        {"W": np.array([[1, 0], [0, 1], [0, 2]], np.float32)},
        ["a", "bc"],
    ),
    "weights in a plain vector": (
        [node("MatMul", ["X", "w"], ["t"]), node("Unsqueeze", ["t", "one"])],
        {"w": np.array([1, 0, 2], np.float32), "one": [1]},
        ["ac"],
    ),
    "dense layer, transposed": (
        [node("Gemm", ["X", "W", "B"], transB=1)],
        {"W": np.array([[1, 0, 0], [0, 0, 0]], np.float32), "B": np.ones(2, np.float32)},
        ["a", ""],
    ),
    "normalizer": ([ml("Normalizer", ["X"], norm="L2")], {}, [ALL, ALL, ALL]),
    "softmax": ([node("Softmax", ["X"], axis=1)], {}, [ALL, ALL, ALL]),
    "trees": ([GROVE.regressor()], {}, [ALL, ALL]),
    "unknown to the rules": ([node("CumSum", ["X", "one"])], {"one": np.int64(1)}, [ALL, ALL, ALL]),
}


def case(name: str) -> tuple[bytes, list[str]]:
    nodes, constants, expected = CASES[name]
    return graph(nodes, INPUTS, ["Y"], constants), expected


@pytest.mark.parametrize("name", CASES)
def test_each_column_names_its_features(name: str) -> None:
    model, expected = case(name)

    assert trace_columns(model, "Y", SOURCES) == tuple(frozenset(features) for features in expected)


def _feeds(rng: np.random.Generator) -> dict[str, Any]:
    rows = 4
    return {
        "X": (rng.normal(size=(rows, 3)) * 2).astype(np.float32),
        "Z": rng.integers(0, 3, size=(rows, 1)).astype(np.float32),
        "S": rng.choice(["x", "y", "w"], size=(rows, 1)).astype(object),
        "V": rng.integers(0, 3, size=rows).astype(np.float32),
    }


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_column_that_changes_with_a_feature_names_it(name: str, seed: int) -> None:
    model, _ = case(name)
    traced = trace_columns(model, "Y", SOURCES)
    rng = np.random.default_rng(seed)
    before, other = _feeds(rng), _feeds(rng)
    feeds_used = _used(model)
    answer = run(model, {name_: before[name_] for name_ in feeds_used}, "Y")

    for feature, source in SOURCES.items():
        changed = {name_: values.copy() for name_, values in before.items()}
        place = (slice(None), source.column) if source.tensor != "V" else slice(None)
        changed[source.tensor][place] = other[source.tensor][place]
        after = run(model, {name_: changed[name_] for name_ in feeds_used}, "Y")
        assert answer.ndim == 2
        assert answer.shape[1] == len(traced)
        moved = np.flatnonzero((answer != after).any(axis=0))
        assert all(feature in traced[column] for column in moved)


def _used(model: bytes) -> list[str]:
    from onnx import load_from_string

    return [entry.name for entry in load_from_string(model).graph.input]


def test_a_free_width_is_what_the_features_say() -> None:
    model = graph([node("Identity", ["X"])], {"X": (FLOAT, [None, None])}, ["Y"])

    assert trace_columns(model, "Y", {"q": TensorColumn(tensor="X", column=1)}) == (frozenset(), frozenset({"q"}))


def test_a_branch_reads_what_its_graphs_capture() -> None:
    made = helper.make_tensor_value_info("taken", FLOAT, [None, 3])
    branches = {
        "then_branch": helper.make_graph([node("Identity", ["X"], ["taken"])], "yes", [], [made]),
        "else_branch": helper.make_graph([node("Mul", ["X", "Z"], ["taken"])], "no", [], [made]),
    }
    model = graph([node("If", ["switch"], **branches)], INPUTS, ["Y"], {"switch": np.array(True)})  # noqa: FBT003  a tensor

    assert set(trace_columns(model, "Y", SOURCES)) == {frozenset("abcz")}


def test_columns_that_multiply_are_not_told_apart_for_ever() -> None:
    # Each node doubles the columns: 2 ** 40 of them in the end, which must cost neither time nor memory.
    nodes = [node("Identity", ["Z"], ["t0"])]
    nodes.extend(node("Concat", [f"t{i}", f"t{i}"], [f"t{i + 1}"], axis=1) for i in range(40))
    nodes.append(node("ReduceMax", ["t40"], axes=[1], keepdims=1))
    model = graph(nodes, INPUTS, ["Y"])

    assert trace_columns(model, "Y", SOURCES) == (frozenset("z"),)


def test_an_unknown_width_is_refused() -> None:
    nodes = [node("Shape", ["X"], ["size"]), node("Reshape", ["X", "size"], ["w"]), node("NonZero", ["w"])]
    model = graph(nodes, INPUTS, ["Y"])

    with pytest.raises(BundleError, match="the number of columns of tensor 'Y' cannot be told"):
        trace_columns(model, "Y", SOURCES)


def test_an_unknown_tensor_is_refused() -> None:
    with pytest.raises(BundleError, match="has no tensor 'W'"):
        trace_columns(case("identity")[0], "W", SOURCES)


# Two hidden units: b has no weight at all, c only one into the second unit, which the output does not use.
LAYER = np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 3.0]], dtype=np.float32)
NETWORK = [
    node("MatMul", ["X", "first"], ["hidden"]),
    node("Relu", ["hidden"], ["active"]),
    node("Gemm", ["active", "last"], ["both"]),
]


@pytest.mark.parametrize(
    ("column", "expected"),
    [(0, {"a"}), (1, {"a", "c"}), (None, {"a", "c"})],
    ids=["a unit of one feature", "a unit of two", "any column"],
)
def test_features_without_weight_are_not_behind_the_output(column: int | None, expected: set[str]) -> None:
    last = np.array([[1.0, 1.0], [0.0, 1.0]], dtype=np.float32)
    model = graph(NETWORK, {"X": INPUTS["X"]}, ["both"], {"first": LAYER, "last": last})

    assert features_behind(model, "both", column, SOURCES) == expected


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (ml("LinearRegressor", ["X"], coefficients=[0.5, 0.0, 1.0], intercepts=[0.0], targets=1), {"a", "c"}),
        (
            ml(
                "LinearClassifier", ["X"], ["label", "Y"],
                coefficients=[0.5, 0.0, 0.0, -0.5, 0.0, 0.0], intercepts=[0.0, 0.0], classlabels_ints=[0, 1],
            ),
            {"a"},
        ),
        (stump([0.1, 0.2], [0, 0], 1), {"a"}),
    ],
    ids=["a regressor without one coefficient", "a classifier with one coefficient", "a tree that tests one column"],
)  # fmt: skip
def test_models_depend_on_the_columns_they_read(made: NodeProto, expected: set[str]) -> None:
    model = graph([made], {"X": INPUTS["X"]}, [made.output[-1]])

    assert features_behind(model, made.output[-1], 0, SOURCES) == expected
