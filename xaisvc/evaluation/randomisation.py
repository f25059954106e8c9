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
_TESTS: Final = (
    "nodes_featureids",
    "nodes_modes",
    "nodes_values",
    "nodes_values_as_tensor",
    "nodes_splits",
    "nodes_missing_value_tracks_true",
)
"""What a branch tests, in any version of ai.onnx.ml."""
_MEMBER: Final = 6
"""The mode of a set test in ai.onnx.ml 5."""
_LAYER_OPS: Final = frozenset({"MatMul", "Gemm", "Add"})


def randomise_model(model: bytes, rng: np.random.Generator) -> bytes:
    """A model of the same form whose learnt numbers are random.

    Trees: leaf values are shuffled among all leaves of a node, and each branch gets a column drawn from those in use
    with equal chances, with the test of a random branch on that column. Coefficients of linear nodes: shuffled.
    Constants of `MatMul`, `Gemm` and `Add` with floating-point numbers: shuffled within each, also where an `Add` is
    preprocessing. Everything else (other preprocessing, categories, intercepts of linear nodes) stays, so that the
    input is still read in the same way. A shuffle that changes no number is drawn again. After Adebayo et al. 2018
    (model-parameter randomisation), parameters drawn from those learnt.

    Args:
        model: A serialized ONNX model.
        rng: Shuffles.

    Returns:
        The serialized randomised model.

    Raises:
        MethodNotApplicableError: If the graph holds no parameters that are known as learnt, or all of a kind are equal,
            so that shuffling them changes nothing.
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
                changed += _differ(values)
    if not changed:
        raise MethodNotApplicableError.of(
            "model",
            "its graph holds no trees, linear nodes or layers whose parameters could be randomised: at least two that "
            "differ",
        )
    return bytes(proto.SerializeToString())


def _draw_tests(node: onnx.NodeProto, rng: np.random.Generator) -> None:
    """Gives each branch another column and the test of a random branch on that column."""
    stored = {attribute.name: attribute for attribute in node.attribute}
    if not {"nodes_featureids", "nodes_modes"} <= stored.keys():
        return
    modes = _values(stored["nodes_modes"])
    # in `TreeEnsemble` of ai.onnx.ml 5 modes are numbers and leaves are no nodes
    branches = np.flatnonzero([mode != b"LEAF" for mode in modes.tolist()])
    columns = _values(stored["nodes_featureids"])[branches]
    used = np.unique(columns)
    if not len(used):
        return
    wanted = rng.choice(used, len(branches))
    like = np.empty(len(branches), dtype=np.intp)
    for column in used:
        at = wanted == column
        like[at] = rng.choice(branches[columns == column], int(at.sum()))
    for name in _TESTS:
        if name in stored and len(before := _values(stored[name])):
            after = before.copy()
            after[branches] = before[like]
            _store(stored[name], after)
    if "membership_values" in stored:
        _follow_sets(stored["membership_values"], modes, branches, like)


def _follow_sets(attribute: onnx.AttributeProto, modes: np.ndarray, branches: np.ndarray, like: np.ndarray) -> None:
    """Puts the sets of set tests into the order of the branches that now have them; each ends with NaN."""
    values = _values(attribute)
    ends = np.flatnonzero(np.isnan(values)) + 1
    sets = dict(zip(np.flatnonzero(modes == _MEMBER).tolist(), np.split(values, ends), strict=False))
    source = np.arange(len(modes))
    source[branches] = like
    wanted = [sets[place] for place in source.tolist() if place in sets]
    _store(attribute, np.concatenate(wanted) if wanted else values[:0])


def _values(attribute: onnx.AttributeProto) -> np.ndarray:
    """A list of an attribute, whether it is stored as a tensor or not."""
    import onnx  # noqa: PLC0415 - heavy: loaded when used

    if attribute.HasField("t"):
        return np.asarray(onnx.numpy_helper.to_array(attribute.t))
    kind = onnx.AttributeProto
    if attribute.type == kind.STRINGS:
        return np.array(list(attribute.strings), dtype=object)
    return np.array(attribute.ints if attribute.type == kind.INTS else attribute.floats)


def _store(attribute: onnx.AttributeProto, values: np.ndarray) -> None:
    """Puts other values in the place of an attribute's list."""
    import onnx  # noqa: PLC0415 - heavy: loaded when used

    if attribute.HasField("t"):
        attribute.t.CopyFrom(onnx.numpy_helper.from_array(values, attribute.t.name))
        return
    field = {onnx.AttributeProto.STRINGS: "strings", onnx.AttributeProto.INTS: "ints"}.get(attribute.type, "floats")
    attribute.ClearField(field)
    getattr(attribute, field).extend(values.tolist())


def _shuffled(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In another order; again if that is the same numbers, which of two happens every other time."""
    while True:
        found = np.asarray(rng.permutation(values.reshape(-1)).reshape(values.shape))
        if not (_differ(values) and np.array_equal(found, values)):
            return found


def _differ(values: np.ndarray) -> bool:
    """Whether there are two numbers that are not equal."""
    return bool((values != values.reshape(-1)[:1]).any())


def _shuffle_attributes(node: onnx.NodeProto, names: tuple[str, ...], rng: np.random.Generator) -> int:
    changed = 0
    for attribute in node.attribute:
        if attribute.name.removesuffix("_as_tensor") in names:
            values = _values(attribute)
            _store(attribute, _shuffled(values, rng))
            changed += _differ(values)
    return changed
