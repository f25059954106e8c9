"""Every known way to make an ONNX file hostile, small, and what real converters write, which must pass."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from xaisvc.bundles import ModelLimits, check_model
from xaisvc.errors import UnsafeModelError

OPSET = helper.make_opsetid("", 17)


def _model(
    nodes: list[onnx.NodeProto],
    initializers: list[onnx.TensorProto] | None = None,
    *,
    opsets: list[onnx.OperatorSetIdProto] | None = None,
    functions: list[onnx.FunctionProto] | None = None,
    shape: tuple[int | str | None, ...] = (None, 4),
) -> onnx.ModelProto:
    """A model with one float input `x`, one output `y` and the given nodes in between."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b"])],
        initializers or [],
    )
    return helper.make_model(graph, opset_imports=opsets or [OPSET], functions=functions or [], ir_version=8)


def _ints(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def _refused(model: onnx.ModelProto | bytes, words: str, limits: ModelLimits | None = None) -> None:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(UnsafeModelError, match=words) as caught:
        check_model(content, **({"limits": limits} if limits else {}))
    assert caught.value.file == "model.onnx"


def _external(tensor: onnx.TensorProto, location: str = "/etc/passwd") -> onnx.TensorProto:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def _weights(name: str = "w") -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones((4, 1), dtype=np.float32), name)


def _constant_in_a_branch(tensor: onnx.TensorProto) -> onnx.NodeProto:
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["inner"], value=tensor)],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, ["d"])],
    )
    return helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner)


def test_a_plain_model_passes() -> None:
    check_model(_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [_weights()]).SerializeToString())


def test_a_model_cut_off_anywhere_is_refused() -> None:
    content = _model([helper.make_node("MatMul", ["x", "w"], ["y"])], [_weights()]).SerializeToString()
    for end in range(len(content) - 1, 0, -7):
        with pytest.raises(UnsafeModelError):
            check_model(content[:end])


def test_a_truncated_model_says_so() -> None:
    content = _model([helper.make_node("MatMul", ["x", "w"], ["y"])], [_weights()]).SerializeToString()
    _refused(content[:-3], r"no ONNX model, or it was cut off or damaged \(\d+ bytes\); copy or export it again")


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_refused(seed: int) -> None:
    content = np.random.default_rng(seed).integers(0, 256, 300, dtype=np.uint8).tobytes()
    with pytest.raises(UnsafeModelError):
        check_model(content)


def test_an_empty_file_is_refused() -> None:
    _refused(b"", "holds no ONNX graph")


def test_too_many_bytes_are_refused_before_anything_is_parsed() -> None:
    _refused(b"\x00" * 101, "has 101 bytes; at most 100", ModelLimits(size_bytes=100))


def test_external_data_of_an_initializer_is_refused() -> None:
    _refused(
        _model([helper.make_node("MatMul", ["x", "w"], ["y"])], [_external(_weights())]),
        "tensor 'w' keeps its data in another file; save the model as one file",
    )


def test_external_data_is_found_wherever_it_hides() -> None:
    constant = helper.make_node("Constant", [], ["y"], value=_external(_weights()))
    _refused(_model([constant]), "keeps its data in another file")

    yes = numpy_helper.from_array(np.array(True), "yes")  # noqa: FBT003  # a tensor's value
    _refused(_model([_constant_in_a_branch(_external(_weights()))], [yes]), "keeps its data in another file")

    sparse = helper.make_sparse_tensor(_external(_weights("s")), _ints("i", 0), [4])
    model = _model([helper.make_node("Identity", ["x"], ["y"])])
    model.graph.sparse_initializer.append(sparse)
    _refused(model, "keeps its data in another file")

    function = helper.make_function("own", "F", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], [OPSET])
    function.node[0].CopyFrom(helper.make_node("Constant", [], ["b"], value=_external(_weights())))
    _refused(
        _model([helper.make_node("F", ["x"], ["y"], domain="own")], opsets=[OPSET, helper.make_opsetid("own", 1)],
               functions=[function]),
        "keeps its data in another file",
    )  # fmt: skip


def test_an_external_location_without_the_flag_is_refused_too() -> None:
    tensor = _weights()
    tensor.external_data.add(key="location", value="*/_ORT_MEM_ADDR_/*")
    _refused(_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor]), "keeps its data in another file")


def test_an_endless_loop_is_refused() -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]), helper.make_node("Identity", ["v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, ["d"]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, ["d"]),
        ],
    )
    loop = helper.make_node("Loop", ["count", "", "x"], ["y"], body=body, name="forever")
    count = numpy_helper.from_array(np.array(2**62, dtype=np.int64), "count")
    _refused(_model([loop], [count]), r"Loop \(node 'forever'\) is refused: a Loop may run without end")


def _scan(name: str, inner: list[onnx.NodeProto] | None = None) -> onnx.NodeProto:
    nodes = inner or [helper.make_node("Identity", ["row"], ["out"])]
    body = helper.make_graph(
        nodes,
        f"{name}_body",
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["d"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["d"])],
    )
    return helper.make_node("Scan", ["x" if inner or name == "a" else "row"], ["y"], body=body, num_scan_inputs=1)


def test_one_scan_passes_and_nested_or_many_do_not() -> None:
    check_model(_model([_scan("a")]).SerializeToString())
    nested = _scan("b")
    nested.output[0] = "out"
    _refused(_model([_scan("a", [nested])]), "stands inside another Scan")
    _refused(_model([_scan("a")]), "more than 0 Scan", ModelLimits(scans=0))


def test_custom_operators_are_refused_by_name() -> None:
    node = helper.make_node("CDist", ["x", "w"], ["y"], domain="com.microsoft", name="distance")
    _refused(
        _model([node], [_weights()], opsets=[OPSET, helper.make_opsetid("com.microsoft", 1)]),
        r"CDist \(node 'distance'\) is a custom operator of 'com.microsoft'; only ai.onnx and ai.onnx.ml are run",
    )


def test_compiled_contexts_and_training_graphs_are_refused() -> None:
    node = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft")
    _refused(_model([node]), "EPContext holds code compiled for one device")

    model = _model([helper.make_node("Identity", ["x"], ["y"])])
    model.training_info.add()
    _refused(model, "carries training graphs")


@pytest.mark.parametrize(
    ("domain", "version", "words"),
    [
        ("", 10_000, "ai.onnx operator set 10000; 1 to"),
        ("", 0, "ai.onnx operator set 0"),
        ("ai.onnx.ml", 6, "ai.onnx.ml operator set 6; 1 to 5"),
    ],
)
def test_operator_sets_out_of_range_are_refused(domain: str, version: int, words: str) -> None:
    opsets = [helper.make_opsetid(domain, version)] + ([OPSET] if domain else [])
    _refused(_model([helper.make_node("Identity", ["x"], ["y"])], opsets=opsets), words)


def test_too_many_nodes_are_refused_in_functions_too() -> None:
    chain = [
        helper.make_node("Identity", ["x" if i == 0 else f"h{i}"], ["y" if i == 9 else f"h{i + 1}"]) for i in range(10)
    ]
    check_model(_model(chain).SerializeToString(), limits=ModelLimits(nodes=10))
    _refused(_model(chain), "more than 9 operators", ModelLimits(nodes=9))


def test_functions_that_call_each_other_a_million_times_are_refused() -> None:
    functions = []
    for i in range(20):  # each calls the one before it twice: 2^20 nodes out of 40
        inner = "Identity" if i == 0 else f"F{i - 1}"
        domain = "" if i == 0 else "own"
        nodes = [
            helper.make_node(inner, ["a"], ["h"], domain=domain),
            helper.make_node(inner, ["h"], ["b"], domain=domain),
        ]
        functions.append(
            helper.make_function("own", f"F{i}", ["a"], ["b"], nodes, [OPSET, helper.make_opsetid("own", 1)])
        )
    model = _model(
        [helper.make_node("F19", ["x"], ["y"], domain="own")],
        opsets=[OPSET, helper.make_opsetid("own", 1)],
        functions=functions,
    )
    _refused(model, "more than 50,000 operators")


def test_a_function_that_calls_itself_is_refused() -> None:
    node = helper.make_node("F", ["a"], ["b"], domain="own")
    function = helper.make_function("own", "F", ["a"], ["b"], [node], [OPSET, helper.make_opsetid("own", 1)])
    model = _model([helper.make_node("F", ["x"], ["y"], domain="own")], opsets=[OPSET, helper.make_opsetid("own", 1)])
    model.functions.append(function)
    _refused(model, "the function 'F' calls itself")


def test_functions_of_their_own_domain_pass() -> None:
    function = helper.make_function("own", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [OPSET])
    model = _model(
        [helper.make_node("F", ["x"], ["y"], domain="own")],
        opsets=[OPSET, helper.make_opsetid("own", 1)],
        functions=[function],
    )
    check_model(model.SerializeToString())


def test_standard_operators_may_not_be_redefined() -> None:
    function = helper.make_function("", "Relu", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], [OPSET])
    model = _model([helper.make_node("Relu", ["x"], ["y"])])
    model.functions.append(function)
    _refused(model, "redefines operators of 'ai.onnx'")


@pytest.mark.parametrize(
    "nodes_and_constants",
    [
        ([helper.make_node("ConstantOfShape", ["s"], ["y"])], [_ints("s", 100_000, 100_000)]),
        ([helper.make_node("ConstantOfShape", ["s"], ["y"])], [_ints("s", 2**62)]),
        ([helper.make_node("Expand", ["x", "s"], ["y"])], [_ints("s", 10**11, 4)]),
        ([helper.make_node("Tile", ["x", "s"], ["y"])], [_ints("s", 2**40, 1)]),
        ([helper.make_node("Tile", ["x", "s"], ["y"])], [_ints("s", 2**62, 1)]),
        ([helper.make_node("Pad", ["x", "s"], ["y"])], [_ints("s", 0, 0, 0, 2**40)]),
        ([helper.make_node("RandomUniform", [], ["y"], shape=[2**40])], []),
        ([helper.make_node("Constant", [], ["s"], value=_ints("s", 2**40)),
          helper.make_node("ConstantOfShape", ["s"], ["y"])], []),
    ],
)  # fmt: skip
def test_tensors_made_huge_by_a_constant_are_refused(
    nodes_and_constants: tuple[list[onnx.NodeProto], list[onnx.TensorProto]],
) -> None:
    nodes, constants = nodes_and_constants
    _refused(_model(nodes, constants), "makes a tensor of [0-9,]+ elements for one row; at most 16,777,216")


def test_a_range_with_a_huge_constant_is_refused() -> None:
    scalars = [
        numpy_helper.from_array(np.array(value, dtype=np.float32), name)
        for name, value in (("a", 0.0), ("b", 1e12), ("c", 1.0))
    ]
    _refused(_model([helper.make_node("Range", ["a", "b", "c"], ["y"])], scalars), "makes a tensor of")


@pytest.mark.parametrize("axis", [0, 1])
def test_a_tensor_that_doubles_itself_forty_times_is_refused(axis: int) -> None:
    nodes = [
        helper.make_node("Concat", ["x" if i == 0 else f"h{i}"] * 2, ["y" if i == 39 else f"h{i + 1}"], axis=axis)
        for i in range(40)
    ]
    _refused(_model(nodes), "makes a tensor of")


def test_many_large_tensors_together_are_refused() -> None:
    nodes = [helper.make_node("ConstantOfShape", ["s"], [f"h{i}"]) for i in range(4)]
    nodes.append(helper.make_node("Sum", [f"h{i}" for i in range(4)], ["y"]))
    limits = ModelLimits(tensor_elements=1000, total_elements=3000)
    _refused(_model(nodes, [_ints("s", 900)]), "elements together for one row; at most 3,000", limits)


def test_a_size_hidden_in_a_branch_is_refused() -> None:
    inner = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["s"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, ["d"])],
    )
    node = helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner)
    yes = numpy_helper.from_array(np.array(True), "yes")  # noqa: FBT003  # a tensor's value
    _refused(_model([node], [yes, _ints("s", 2**33)]), "makes a tensor of")


def test_a_tensor_that_claims_more_than_it_holds_is_refused() -> None:
    tensor = _weights()
    tensor.dims[0] = 2**40
    _refused(_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor]), "claims [0-9,]+ elements, but does not")
    tensor.dims[0] = -4
    _refused(_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor]), "has a negative size")


def test_a_sparse_tensor_that_unpacks_to_gigabytes_is_refused() -> None:
    values = numpy_helper.from_array(np.ones(1, dtype=np.float32), "w")
    sparse = helper.make_sparse_tensor(values, _ints("i", 0), [2**40])
    model = _model([helper.make_node("Identity", ["x"], ["y"])])
    model.graph.sparse_initializer.append(sparse)
    _refused(model, "is sparse and has [0-9,]+ elements when unpacked")


def test_what_the_checker_refuses_is_refused_in_our_words() -> None:
    _refused(_model([helper.make_node("Identity", ["nowhere"], ["y"])]), "breaks the rules of ONNX")


def test_a_model_without_inputs_is_refused() -> None:
    model = _model([helper.make_node("ConstantOfShape", ["s"], ["y"])], [_ints("s", 1)])
    del model.graph.input[:]
    _refused(model, "has no inputs")


def test_a_newer_file_format_is_refused() -> None:
    model = _model([helper.make_node("Identity", ["x"], ["y"])])
    model.ir_version = 1000
    _refused(model, "has ONNX format 1000; this installation reads up to")


def test_what_converters_write_passes() -> None:
    import lightgbm
    import onnxmltools
    import skl2onnx
    from onnxmltools.convert.common.data_types import FloatTensorType
    from sklearn.ensemble import IsolationForest, RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters warn about their own future
        models = [
            skl2onnx.to_onnx(RandomForestClassifier(3, random_state=0).fit(x, y), x[:1]),
            skl2onnx.to_onnx(KNeighborsClassifier(3).fit(x, y), x[:1]),  # finds neighbours with a Scan
            skl2onnx.to_onnx(
                IsolationForest(n_estimators=3, random_state=0).fit(x),
                x[:1],
                target_opset={"": 18, "ai.onnx.ml": 3},
            ),
            onnxmltools.convert_lightgbm(
                lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(x, y),
                initial_types=[("x", FloatTensorType([None, 3]))],
            ),
        ]
    for model in models:
        check_model(model.SerializeToString())
