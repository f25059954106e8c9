from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import GraphProto, NodeProto, TensorProto, helper, load_from_string, numpy_helper

from tests.unit.graphs.hand_made import ML, Grove, matrix_graph, stump, version_5
from xaisvc.errors import UnsafeModelError
from xaisvc.graphs import check_trees
from xaisvc.graphs.check import random_node

if TYPE_CHECKING:
    from numpy.typing import NDArray


def two_trees(true: list[int]) -> NodeProto:
    """Two stumps; `true` holds the true children of the roots."""
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["Y"],
        name="boost",
        domain=ML,
        n_targets=1,
        nodes_treeids=[0, 0, 0, 7, 7, 7],
        nodes_nodeids=[0, 1, 2, 0, 1, 2],
        nodes_featureids=[0] * 6,
        nodes_values=[0.0] * 6,
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"] * 2,
        nodes_truenodeids=[true[0], 0, 0, true[1], 0, 0],
        nodes_falsenodeids=[2, 0, 0] * 2,
        target_treeids=[0, 0, 7, 7],
        target_nodeids=[1, 2, 1, 2],
        target_ids=[0] * 4,
        target_weights=[1.0, 2.0, 3.0, 4.0],
    )


def deep(levels: int) -> NodeProto:
    """A chain of `levels` branches whose true children are leaves."""
    size = 2 * levels + 1
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["Y"],
        domain=ML,
        n_targets=1,
        nodes_treeids=[0] * size,
        nodes_nodeids=list(range(size)),
        nodes_featureids=[0] * size,
        nodes_values=[0.0] * size,
        nodes_modes=["BRANCH_LEQ"] * levels + ["LEAF"] * (levels + 1),
        nodes_truenodeids=[*range(levels + 1, size), *[0] * (levels + 1)],
        nodes_falsenodeids=[*range(1, levels + 1), *[0] * (levels + 1)],
        target_treeids=[0],
        target_nodeids=[levels],
        target_ids=[0],
        target_weights=[1.0],
    )


def inside(node: NodeProto) -> NodeProto:
    """An If whose branches hold the node."""
    made = helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 1])
    branches = {key: helper.make_graph([node], key, [], [made]) for key in ("then_branch", "else_branch")}
    return helper.make_node("If", ["switch"], ["Z"], **branches)


@pytest.mark.parametrize(
    "node",
    [two_trees([1, 1]), Grove(0).regressor(), version_5(), version_5(member=True), stump([-0.4, 0.3], [0], 2)],
    ids=["two trees", "grove", "version 5", "version 5 with sets", "classifier"],
)
def test_sound_trees_pass(node: NodeProto) -> None:
    check_trees(matrix_graph([node], 4, [node.output[0]]))


def test_a_tree_that_goes_round_in_circles_is_refused_by_node_and_tree() -> None:
    with pytest.raises(UnsafeModelError, match="in node 'boost': in tree 7 a branch is its own ancestor; convert the"):
        check_trees(matrix_graph([two_trees([1, 0])], 1, ["Y"]))


@pytest.mark.parametrize("child", [5, -1])
def test_a_child_that_does_not_exist_is_refused(child: int) -> None:
    with pytest.raises(
        UnsafeModelError, match="in node 'boost': in tree 7 a branch has a child, or a weight a leaf, that"
    ):
        check_trees(matrix_graph([two_trees([1, child])], 1, ["Y"]))


def test_trees_of_subgraphs_are_checked() -> None:
    check_trees(matrix_graph([inside(two_trees([1, 1]))], 1, ["Z"]))

    with pytest.raises(UnsafeModelError, match="in tree 7 a branch is its own ancestor"):
        check_trees(matrix_graph([inside(inside(two_trees([1, 0])))], 1, ["Z"]))


def test_trees_of_functions_are_checked() -> None:
    model = load_from_string(matrix_graph([helper.make_node("Boost", ["X"], ["Y"], domain="own")], 1, ["Y"]))
    opsets = [helper.make_opsetid(ML, 3)]
    model.functions.append(helper.make_function("own", "Boost", ["X"], ["Y"], [two_trees([1, 0])], opsets))

    with pytest.raises(UnsafeModelError, match="in tree 7 a branch is its own ancestor"):
        check_trees(model.SerializeToString())


def test_a_path_that_would_exhaust_the_stack_is_refused() -> None:
    check_trees(matrix_graph([deep(9_999)], 1, ["Y"]))

    with pytest.raises(UnsafeModelError, match="a path has more than 10000 branches"):
        check_trees(matrix_graph([deep(10_002)], 1, ["Y"]))


def classifier(op: str, labels: list[str]) -> NodeProto:
    more: dict[str, Any] = {"coefficients": [1.0], "intercepts": [0.0]} if op == "LinearClassifier" else {}
    return helper.make_node(op, ["X"], ["label", "Y"], domain=ML, classlabels_strings=labels, **more)


@pytest.mark.parametrize("op", ["LinearClassifier", "SVMClassifier"])
def test_one_class_label_as_text_is_refused(op: str) -> None:
    check_trees(matrix_graph([classifier(op, ["no", "yes"])], 1, ["Y"]))

    with pytest.raises(UnsafeModelError, match=f"holds a {op}, 'label', with 1 class labels as text"):
        check_trees(matrix_graph([classifier(op, ["only"])], 1, ["Y"]))


def test_one_class_label_as_text_of_trees_is_refused() -> None:
    node = stump([-0.4, 0.3], [0], 1)
    node.attribute.remove(next(a for a in node.attribute if a.name == "classlabels_int64s"))
    node.attribute.append(helper.make_attribute("classlabels_strings", ["only"]))

    with pytest.raises(UnsafeModelError, match="holds a TreeEnsembleClassifier, 'label', with 1 class labels as text"):
        check_trees(matrix_graph([node], 1, ["scores"]))


NOISE = helper.make_node("RandomNormalLike", ["X"], ["noise"], name="noise")
MODE: dict[str, NDArray[Any]] = {
    "half": np.asarray(0.5),
    "none": np.asarray(0.0),
    "on": np.asarray([1]) > 0,
    "off": np.asarray([0]) > 0,
}


def body(*nodes: NodeProto, output: str) -> GraphProto:
    return helper.make_graph(list(nodes), "body", [], [helper.make_empty_tensor_value_info(output)])


def branch(then: GraphProto) -> list[NodeProto]:
    plain = body(helper.make_node("Neg", ["X"], ["b"]), output="b")
    return [helper.make_node("If", ["on"], ["Y"], then_branch=then, else_branch=plain)]


@pytest.mark.parametrize(
    "nodes",
    [
        *(
            [helper.make_node(kind, ["X"] if reads else [], ["n"], **more), helper.make_node("Add", ["X", "n"], ["Y"])]
            for kind, reads, more in (
                ("Bernoulli", True, {}),
                ("Multinomial", True, {}),
                ("RandomNormal", False, {"shape": [1]}),
                ("RandomNormalLike", True, {"seed": 1.0}),
                ("RandomUniform", False, {"shape": [1]}),
                ("RandomUniformLike", True, {}),
            )
        ),
        [helper.make_node("Dropout", ["X", "half", "on"], ["Y"])],
        [helper.make_node("Dropout", ["X", "", "on"], ["Y"])],
        branch(body(NOISE, helper.make_node("Add", ["X", "noise"], ["a"]), output="a")),
        branch(body(helper.make_node("Dropout", ["X", "half", "on"], ["a"]), output="a")),
        branch(
            body(
                helper.make_node("Constant", [], ["inner"], value=numpy_helper.from_array(MODE["on"])),
                helper.make_node("Dropout", ["X", "half", "inner"], ["a"]),
                output="a",
            )
        ),
        [NOISE, *branch(body(helper.make_node("Add", ["X", "noise"], ["a"]), output="a"))],
    ],
    ids=[
        *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
        *("Dropout", "Dropout by default", "inside If", "Dropout inside", "mode inside", "captured"),
    ],
)
def test_a_node_that_varies_is_found_wherever_it_is(nodes: list[NodeProto]) -> None:
    assert random_node(matrix_graph(nodes, 2, ["Y"], MODE), "Y")


@pytest.mark.parametrize(
    "nodes",
    [
        [NOISE, helper.make_node("Neg", ["X"], ["Y"])],
        [NOISE, helper.make_node("Shape", ["noise"], ["s"]), helper.make_node("Reshape", ["X", "s"], ["Y"])],
        [helper.make_node("Dropout", ["X"], ["Y"])],
        [helper.make_node("Dropout", ["X", "half"], ["Y"])],
        [helper.make_node("Dropout", ["X", "half", "off"], ["Y"])],
        [helper.make_node("Dropout", ["X", "none", "on"], ["Y"])],
        branch(body(helper.make_node("Dropout", ["X", "half", "off"], ["a"]), output="a")),
    ],
    ids=["not read", "shape only", "no mode", "ratio only", "mode off", "drops none", "off inside"],
)
def test_a_node_that_changes_nothing_is_let_through(nodes: list[NodeProto]) -> None:
    assert random_node(matrix_graph(nodes, 2, ["Y"], MODE), "Y") == ""


@pytest.mark.parametrize(("version", "test", "found"), [(6, 0, True), (6, 1, False), (1, 0, True), (10, 0, False)])
def test_an_old_dropout_says_by_an_attribute_whether_it_drops(version: int, test: int, *, found: bool) -> None:
    mode = {"is_test": test} if version < 7 else {}
    model = load_from_string(matrix_graph([helper.make_node("Dropout", ["X"], ["Y"], **mode)], 2, ["Y"]))
    model.opset_import[0].version = version

    assert bool(random_node(model.SerializeToString(), "Y")) is found


@pytest.mark.parametrize(("mode", "found"), [("on", "Dropout ('d')"), ("off", "")])
def test_a_function_that_varies_is_found_with_what_it_is_given(mode: str, found: str) -> None:
    standard, own = helper.make_opsetid("", 17), helper.make_opsetid("own", 1)
    drops = helper.make_node("Dropout", ["a", "r", "m"], ["b"], name="d")
    function = helper.make_function("own", "Drop", ["a", "r", "m"], ["b"], [drops], [standard])
    call = helper.make_node("Drop", ["X", "half", mode], ["Y"], domain="own")
    model = load_from_string(matrix_graph([call], 2, ["Y"], MODE))
    model.functions.append(function)
    model.opset_import.append(own)

    assert random_node(model.SerializeToString(), "Y") == found


def test_the_node_is_named_by_its_output_if_it_has_no_name() -> None:
    nodes = [helper.make_node("Bernoulli", ["X"], ["coin"]), helper.make_node("Neg", ["coin"], ["Y"])]

    assert random_node(matrix_graph(nodes, 2, ["Y"]), "Y") == "Bernoulli ('coin')"
