"""Exact tree values as a graph of standard operators, which every execution provider of ONNX Runtime has.

A Scan goes over blocks of packs (see `tree_blocks`). In each step, for u packs and n rows:

    comparisons  Gather of rows of the transposed matrix, Less, Cast        (u, l, n)   0 or 1
    codes        MatMul with weights, Cast, Add of the first entry          (u, s, n)   int32
    entries      Split into s, Gather of table rows                         s times (u, n, e) float32
    sums         Sum, eight at a time, in a fixed order                     (u, n, e)   float32
    values       Transpose, Cast, MatMul with the players of the numbers    (n, p)      float64, added to the state

Codes are exact whatever the order of the additions, entries are added in one fixed order, and all else is float64, so a
row's values are the same to 1e-15 of their size in any company and on any device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.emit import Constants, Emitter
from xaisvc.graphs.explainer import double_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from onnx import GraphProto

    from xaisvc.graphs.tree_blocks import Block, TreeTables

    Array = NDArray[np.generic]

COLUMNS = "columns"
"""Input of `tree_graph`: the matrix that reaches the trees; float or double, (n, c)."""
TREE_VALUES = "values"
"""Its output: double, (n, k, p)."""

_OPSET = 17
_IR_VERSION = 8
_TOGETHER = 8
"""Tensors in one Sum: as many as the kernel for CUDA adds in one go."""
_SPLIT_BY_INPUT = 13
"""The operator set from which Split takes sizes as an input."""


def tree_graph(tables: TreeTables, n_columns: int, n_players: int) -> bytes:
    """The graph of one tree term.

    Args:
        tables: The term's tables.
        n_columns: Columns c of the matrix.
        n_players: p.

    Returns:
        A serialized model from `COLUMNS` to `TREE_VALUES`.
    """
    from onnx import helper  # noqa: PLC0415 (heavy: loaded when used)

    emitter = Emitter(_OPSET, Constants())
    found = emit_trees(emitter, COLUMNS, tables, n_players)
    outputs = [emitter.along("Unsqueeze", values, [1]) for values in found]
    emitter.add("Concat", *outputs, output=TREE_VALUES, axis=1)
    graph = helper.make_graph(
        emitter.nodes,
        "trees",
        [helper.make_tensor_value_info(COLUMNS, _element(_matrix_dtype(tables)), ["rows", n_columns])],
        [double_output(TREE_VALUES, 3)],
        emitter.constants.tensors,
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="xaisvc")
    return bytes(model.SerializeToString())


def emit_trees(emitter: Emitter, matrix: str, tables: TreeTables, n_players: int) -> list[str]:
    """Adds the nodes that look up one tree term.

    Args:
        emitter: Of the outermost graph.
        matrix: Name of the tensor (n, c); double if `tables.double`, else any other numbers, compared as float.
        tables: The term's tables.
        n_players: p.

    Returns:
        Names of k tensors, one per output; double, (n, p).
    """
    columns = emitter.add("Gather", matrix, emitter.constant(tables.columns, np.int64), axis=1)
    compared = emitter.add("Cast", columns, to=_element(_matrix_dtype(tables)))
    upright = emitter.add("Transpose", compared, perm=[1, 0])
    both = emitter.add("Concat", upright, emitter.add("Neg", upright), axis=0)
    start = emit_zeros(emitter, matrix, n_players)
    totals = [start] * tables.outputs
    names = {lanes: [_large(emitter, part) for part in table] for lanes, table in tables.tables.items()}
    for block in tables.blocks:
        totals = _scan(emitter, both, block, names[block.lanes], totals, n_players)
    return totals


def emit_zeros(emitter: Emitter, matrix: str, n_players: int) -> str:
    """Zeros, one line per row of a matrix; double, (n, p)."""
    from onnx import TensorProto  # noqa: PLC0415 (heavy: loaded when used)

    rows = emitter.add("Gather", emitter.add("Shape", matrix), emitter.constant([0], np.int64), axis=0)
    shape = emitter.add("Concat", rows, emitter.constant([n_players], np.int64), axis=0)
    return emitter.add("Cast", emitter.add("ConstantOfShape", shape), to=TensorProto.DOUBLE)


def _large(emitter: Emitter, value: Array) -> str:
    """A constant that is not compared with the others: tables hold a hundred megabytes."""
    from onnx import numpy_helper  # noqa: PLC0415 (heavy: loaded when used)

    name = emitter.constants.name("table")
    emitter.constants.tensors.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    return name


def _scan(  # noqa: PLR0913, PLR0917 (what one step reads)
    emitter: Emitter,
    both: str,
    block: Block,
    tables: Sequence[str],
    totals: Sequence[str],
    n_players: int,
) -> list[str]:
    """Adds a Scan over the blocks of one shape; returns the new totals."""
    from onnx import TensorProto, helper  # noqa: PLC0415 (heavy: loaded when used)

    inside = emitter.nested()
    parts: dict[str, Array] = {"rows": block.rows, "limits": block.limits, "weights": block.weights}
    if block.joint.shape[2]:
        parts |= {"joint": block.joint, "reached": block.reached, "joint_weights": block.joint_weights}
    parts |= {"entries": block.entries, "players": block.players}
    given = {name: emitter.constants.name(name) for name in parts}
    states = [emitter.constants.name("total") for _ in totals]
    added = _step(inside, both, block, given, tables, n_players)
    results = [inside.add("Add", state, part) for state, part in zip(states, added, strict=True)]
    body: GraphProto = helper.make_graph(
        inside.nodes,
        "packs",
        [
            *(helper.make_tensor_value_info(state, TensorProto.DOUBLE, [None, None]) for state in states),
            *(
                helper.make_tensor_value_info(given[name], _element(part.dtype), part.shape[1:])
                for name, part in parts.items()
            ),
        ],
        [helper.make_tensor_value_info(result, TensorProto.DOUBLE, [None, None]) for result in results],
    )
    found = [emitter.constants.name("totals") for _ in totals]
    inputs = [*totals, *(_large(emitter, part) for part in parts.values())]
    emitter.nodes.append(helper.make_node("Scan", inputs, found, num_scan_inputs=len(parts), body=body))
    return found


def _step(  # noqa: PLR0913, PLR0917 (what one step reads)
    inside: Emitter, both: str, block: Block, given: dict[str, str], tables: Sequence[str], n_players: int
) -> list[str]:
    """What the packs of one block add to the totals; one tensor (n, p) per output."""
    from onnx import TensorProto  # noqa: PLC0415 (heavy: loaded when used)

    def holds(low: str, high: str) -> str:
        return inside.add("Cast", inside.add("Less", low, high), to=TensorProto.FLOAT)

    _, packs, subtrees, _ = block.entries.shape
    comparisons = holds(inside.add("Gather", both, given["rows"], axis=0), given["limits"])
    codes = inside.add("MatMul", given["weights"], comparisons)
    if "joint" in given:
        joint = holds(given["reached"], inside.add("MatMul", given["joint"], comparisons))
        codes = inside.add("Add", codes, inside.add("MatMul", given["joint_weights"], joint))
    places = inside.add("Add", inside.add("Cast", codes, to=TensorProto.INT32), given["entries"])
    single = _split(inside, places, subtrees)
    everybody = inside.constant(np.arange(n_players)[None], np.int32)
    owners = inside.add("Equal", inside.reshape(given["players"], [-1, 1]), everybody)
    shares = inside.add("Cast", owners, to=TensorProto.DOUBLE)
    found: list[str] = []
    for table in tables:
        waiting = [inside.add("Gather", table, place, axis=0) for place in single]
        while len(waiting) > 1:
            waiting = [inside.add("Sum", *waiting[i : i + _TOGETHER]) for i in range(0, len(waiting), _TOGETHER)]
        by_row = inside.add("Transpose", waiting[0], perm=[2, 0, 1, 3])
        flat = inside.reshape(by_row, [-1, packs * block.lanes])
        found.append(inside.add("MatMul", inside.add("Cast", flat, to=TensorProto.DOUBLE), shares))
    return found


def _split(inside: Emitter, tensor: str, parts: int) -> list[str]:
    """The single lines along the second dimension, each with that dimension left."""
    from onnx import helper  # noqa: PLC0415 (heavy: loaded when used)

    names = [inside.constants.name("place") for _ in range(parts)]
    if inside.opset >= _SPLIT_BY_INPUT:
        node = helper.make_node("Split", [tensor, inside.constant([1] * parts, np.int64)], names, axis=1)
    else:
        node = helper.make_node("Split", [tensor], names, axis=1, split=[1] * parts)
    inside.nodes.append(node)
    return names


def _matrix_dtype(tables: TreeTables) -> np.dtype[np.generic]:
    return np.dtype(np.float64 if tables.double else np.float32)


def _element(dtype: np.dtype[np.generic]) -> int:
    from onnx import helper  # noqa: PLC0415 (heavy: loaded when used)

    return int(helper.np_dtype_to_tensor_dtype(dtype))
