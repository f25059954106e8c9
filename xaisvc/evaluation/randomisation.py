"""A model with its learnt numbers destroyed: what the model-parameter randomisation test explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.errors import MethodNotApplicableError

if TYPE_CHECKING:
    import onnx

TREE_OPS: Final = frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble"})
_LINEAR_OPS: Final = frozenset({"LinearClassifier", "LinearRegressor", "SVMClassifier", "SVMRegressor"})
_LEAVES: Final = ("class_weights", "target_weights", "leaf_weights")
_COEFFICIENTS: Final = ("coefficients",)
_LAYER_OPS: Final = frozenset({"MatMul", "Gemm", "Add"})


def randomise_model(model: bytes, rng: np.random.Generator) -> bytes:
    """A model of the same form whose learnt numbers are random.

    Trees: leaf values are shuffled among all leaves of a node, and each branch tests another column, drawn from those
    in use with equal chances, with the test of a random branch on that column (where tests are stored by attribute,
    which is ai.onnx.ml 1 to 4; in `TreeEnsemble` of ai.onnx.ml 5 only leaves change). Coefficients of linear nodes:
    shuffled. Constants of `MatMul`, `Gemm` and `Add` with floating-point numbers: shuffled within each. Everything
    else (preprocessing, categories) stays, so that the input is still read in the same way. After Adebayo et al. 2018
    (model-parameter randomisation), parameters drawn from those learnt.

    Args:
        model: A serialized ONNX model.
        rng: Shuffles.

    Returns:
        The serialized randomised model.

    Raises:
        MethodNotApplicableError: If the graph holds no parameters that are known as learnt.
    """
    import onnx  # noqa: PLC0415 - heavy: loaded when used

    proto = onnx.load_from_string(model)
    graph = proto.graph
    changed = 0
    for node in graph.node:
        if node.op_type in TREE_OPS:
            changed += _shuffle_attributes(node, _LEAVES, rng)
            _draw_tests(node, rng)
        elif node.op_type in _LINEAR_OPS:
            changed += _shuffle_attributes(node, _COEFFICIENTS, rng)
    learnt = {name for node in graph.node if node.op_type in _LAYER_OPS for name in node.input}
    for constant in graph.initializer:
        if constant.name in learnt and constant.data_type in {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE}:
            values = onnx.numpy_helper.to_array(constant)
            if values.size > 1:
                constant.CopyFrom(onnx.numpy_helper.from_array(_shuffled(values, rng), constant.name))
                changed += 1
    if not changed:
        raise MethodNotApplicableError.of(
            "model", "its graph holds no trees, linear nodes or layers whose parameters could be randomised"
        )
    return bytes(proto.SerializeToString())


def _draw_tests(node: onnx.NodeProto, rng: np.random.Generator) -> None:
    """Gives each branch another column and the test of a random branch on that column."""
    by_name = {attribute.name: attribute for attribute in node.attribute}
    if not {"nodes_featureids", "nodes_modes", "nodes_values"} <= by_name.keys():
        return
    branches = np.flatnonzero(np.array([mode != b"LEAF" for mode in by_name["nodes_modes"].strings]))
    columns = np.asarray(by_name["nodes_featureids"].ints)[branches]
    used = np.unique(columns)
    if not len(used):
        return
    wanted = rng.choice(used, len(branches))
    like = np.empty(len(branches), dtype=np.intp)
    for column in used:
        at = wanted == column
        like[at] = rng.choice(branches[columns == column], int(at.sum()))
    for name, field in (
        ("nodes_featureids", "ints"),
        ("nodes_values", "floats"),
        ("nodes_modes", "strings"),
        ("nodes_missing_value_tracks_true", "ints"),
    ):
        if name in by_name:
            stored = getattr(by_name[name], field)
            before = list(stored)
            if before:
                for place, source in zip(branches.tolist(), like.tolist(), strict=True):
                    stored[place] = before[source]


def _shuffled(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(rng.permutation(values.reshape(-1)).reshape(values.shape))


def _shuffle_attributes(node: onnx.NodeProto, names: tuple[str, ...], rng: np.random.Generator) -> int:
    import onnx  # noqa: PLC0415 - heavy: loaded when used

    changed = 0
    for attribute in node.attribute:
        name = attribute.name.removesuffix("_as_tensor")
        if name not in names:
            continue
        if attribute.HasField("t"):
            values = onnx.numpy_helper.to_array(attribute.t)
            attribute.t.CopyFrom(onnx.numpy_helper.from_array(_shuffled(values, rng), attribute.t.name))
            changed += values.size > 1
        else:
            found = np.asarray(attribute.floats)
            del attribute.floats[:]
            attribute.floats.extend(rng.permutation(found).tolist())
            changed += len(found) > 1
    return changed
