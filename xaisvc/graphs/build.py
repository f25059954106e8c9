"""Makes smaller or slightly extended graphs out of a model: the parts that are needed and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.graph import Graph, node_inputs
from xaisvc.graphs.scores import bare_copy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onnx import ModelProto, NodeProto, TensorProto

    from xaisvc.graphs.affine import Affine, Atom

_PREFIX = "xaisvc_"
SUM = "xaisvc_sum"
"""Name of the output that `with_sum` adds."""


def pruned(
    graph: Graph,
    outputs: Sequence[str],
    extra: Sequence[NodeProto] = (),
    constants: Sequence[TensorProto] = (),
) -> bytes:
    """Keeps only the nodes that some tensors need, and makes these tensors the outputs.

    Args:
        graph: The model.
        outputs: Names of the tensors that become outputs.
        extra: New nodes in topological order, put after the model's own.
        constants: New initializers for the new nodes.

    Returns:
        The serialized model. Its inputs are those of the original that are still needed.
    """
    import onnx  # noqa: PLC0415 (heavy: loaded when used)

    made = {name for node in extra for name in node.output}
    wanted = [name for name in outputs if name not in made]
    wanted.extend(name for node in extra for name in node_inputs(node) if name not in made)
    nodes = [graph.nodes[i] for i in graph.needed_nodes(wanted)] + list(extra)
    used = {name for node in nodes for name in node_inputs(node)} | set(outputs)
    source = graph.model
    model: ModelProto = onnx.ModelProto()
    model.ir_version = source.ir_version
    model.producer_name = source.producer_name
    _copy_opsets(source, model)
    model.functions.extend(source.functions)
    model.graph.name = source.graph.name or "graph"
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensor for tensor in source.graph.initializer if tensor.name in used)
    model.graph.initializer.extend(constants)
    sparse = [tensor for tensor in source.graph.sparse_initializer if tensor.values.name in used]
    model.graph.sparse_initializer.extend(sparse)
    kept = {tensor.name for tensor in model.graph.initializer}
    model.graph.input.extend(value for value in source.graph.input if value.name in used and value.name not in kept)
    for name in outputs:
        value = model.graph.output.add()
        value.name = name
        if name in graph.types and name not in made:
            value.type.CopyFrom(graph.types[name])
    return model.SerializeToString()


def with_sum(graph: Graph, total: Affine) -> tuple[bytes, str, int]:
    """Makes a graph that answers with a weighted sum of columns.

    Args:
        graph: The model.
        total: The sum. A single column is read where it stands, without new nodes.

    Returns:
        The serialized model, its output tensor, and the column of the output that holds the sum.
    """
    names, extra = _bare_nodes(graph, total)
    if not total.constant and list(total.weights.values()) == [1.0]:
        (atom,) = total.weights
        return pruned(graph, (names[atom],), extra), names[atom], atom.column
    added, constants = _sum_nodes(graph, total, names)
    return pruned(graph, (SUM,), (*extra, *added), constants), SUM, 0


def with_matrices(graph: Graph, tensors: Mapping[str, int]) -> tuple[bytes, dict[str, str]]:
    """Makes a graph that answers with matrices: rows by columns, float or double.

    Args:
        graph: The model.
        tensors: Name to number of columns. Tensors with more dimensions are flattened, other numbers become float.

    Returns:
        The serialized model and, for each tensor, the name of the output that holds it.
    """
    from onnx import TensorProto, helper  # noqa: PLC0415 (heavy: loaded when used)

    extra: list[NodeProto] = []
    outputs: dict[str, str] = {}
    for name in tensors:
        shape, element = graph.shape(name), graph.element(name)
        rows_and_columns = 2
        is_matrix = shape is not None and len(shape) == rows_and_columns
        is_float = element in {0, TensorProto.FLOAT, TensorProto.DOUBLE}  # an unknown type is left as it is
        outputs[name] = name
        if not is_matrix:
            extra.append(helper.make_node("Flatten", [outputs[name]], [f"{name}_{_PREFIX}flat"], axis=1))
            outputs[name] = f"{name}_{_PREFIX}flat"
        if not is_float:
            extra.append(helper.make_node("Cast", [outputs[name]], [f"{name}_{_PREFIX}float"], to=TensorProto.FLOAT))
            outputs[name] = f"{name}_{_PREFIX}float"
        if outputs[name] in graph.inputs:
            # An input cannot be an output of the same graph as it stands.
            extra.append(helper.make_node("Identity", [name], [f"{name}_{_PREFIX}copy"]))
            outputs[name] = f"{name}_{_PREFIX}copy"
    return pruned(graph, tuple(outputs.values()), extra), outputs


def _bare_nodes(graph: Graph, total: Affine) -> tuple[dict[Atom, str], list[NodeProto]]:
    """Copies without links of the nodes behind bare atoms, and the tensor that each atom is read from."""
    names: dict[Atom, str] = {}
    copies: dict[str, NodeProto] = {}
    for atom in total.weights:
        node = graph.producer(atom.tensor)
        if not atom.bare or node is None:
            names[atom] = atom.tensor
            continue
        copies.setdefault(atom.tensor, bare_copy(node, f"_{_PREFIX}bare"))
        names[atom] = f"{atom.tensor}_{_PREFIX}bare"
    return names, list(copies.values())


def _sum_nodes(graph: Graph, total: Affine, names: Mapping[Atom, str]) -> tuple[list[NodeProto], list[TensorProto]]:
    """Nodes that gather the columns of a sum, weigh and add them; the result has shape [n, 1]."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 (heavy: loaded when used)

    elements = {graph.element(atom.tensor) for atom in total.weights}
    element = TensorProto.FLOAT if elements <= {TensorProto.FLOAT} else TensorProto.DOUBLE
    dtype = helper.tensor_dtype_to_np_dtype(element)
    nodes: list[NodeProto] = []
    constants: list[TensorProto] = []

    def constant(value: object, kind: type | np.dtype[np.generic]) -> str:
        name = f"{_PREFIX}constant_{len(constants)}"
        constants.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def step(op: str, *inputs: str, output: str | None = None, axis: int | None = None, to: int | None = None) -> str:
        name = output or f"{_PREFIX}step_{len(nodes)}"
        settings = {key: value for key, value in (("axis", axis), ("to", to)) if value is not None}
        node = helper.make_node(op, list(inputs), [name])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in settings.items())
        nodes.append(node)
        return name

    parts = []
    for atom, weight in total.weights.items():
        flat = step("Flatten", names[atom], axis=1)
        part = step("Gather", flat, constant([atom.column], np.int64), axis=1)
        if elements != {element}:
            part = step("Cast", part, to=element)
        parts.append(part if weight == 1.0 else step("Mul", part, constant([weight], dtype)))
    if total.constant or not parts:
        parts.append(constant([[total.constant]], dtype))
    while len(parts) > 1:
        parts = [step("Add", parts[0], parts[1]), *parts[2:]]
    step("Identity", parts[0], output=SUM)
    return nodes, constants


def _copy_opsets(source: ModelProto, model: ModelProto) -> None:
    """Each domain once; graphs of ai.onnx.ml nodes alone may lack the main domain that new nodes need."""
    versions = {("" if opset.domain == "ai.onnx" else opset.domain): opset.version for opset in source.opset_import}
    versions.setdefault("", 9)
    for domain, version in versions.items():
        opset = model.opset_import.add()
        opset.domain, opset.version = domain, version
