"""Coalitions of a model whose probability is the logistic function of a weighted sum of columns.

With s_i(x) the part of the log-odds that player i's columns make,

    v(S) = mean over z of 1 / (1 + exp(-(c + sum over i in S of s_i(x) + sum over i not in S of s_i(z))))

The sums over the background form a table that all rows share, so a mixed row costs one addition and one logistic
function. Rows go through the graph one after the other, in a Scan, so that none is computed in another's company.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.emit import PREFIX, Constants, Emitter, made_and_read
from xaisvc.graphs.explainer import MIXED, OUTPUTS, VALUES, assemble, double_output, own_nodes, read_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xaisvc.graphs.mixing import MixingPlan

# A part of the log-odds that is infinite or close to it: its logistic function is 0 or 1, and 0 times it is 0.
_LARGEST_PART = 1e30


def link_graph(
    plan: MixingPlan,
    columns: Mapping[str, NDArray[np.intp]],
    masks: NDArray[np.bool_],
    table: NDArray[np.generic],
) -> bytes:
    """A graph that reads n rows as the model does; outputs are `VALUES`, (n, m), and `OUTPUTS`, (n,).

    Args:
        plan: The model taken apart by `plan_link_mixing`.
        columns: For each cut tensor, the player of each column, -1 for a column that is the same in every row.
        masks: m coalitions, True where a player keeps the row's values; bool, (m, p).
        table: What everything but the explained row makes of the log-odds; (m, d), d background rows of a coalition.
    """
    from onnx import helper  # noqa: PLC0415 (heavy: loaded when used)

    emitter = Emitter(plan.opset, Constants())
    inside = emitter.nested()
    own = own_nodes(plan)
    made, read = made_and_read(own)
    graphs = (plan.front_graph.model.graph, plan.whole.model.graph)
    held = {tensor.name for graph in graphs for tensor in graph.initializer}
    given = {value.name: value for graph in graphs for value in graph.input if value.name not in held}
    rows = {name: value.type.tensor_type.elem_type for name, value in given.items() if name in read}
    entries = {name: emitter.constants.name("row") for name in rows}
    for name, entry in entries.items():
        inside.add("Identity", inside.along("Unsqueeze", entry, [0]), output=f"{MIXED}{name}")
    for node in own:
        inside.copy(node, made | set(rows), MIXED)
    parts = _parts(inside, plan, columns, masks.shape[1])
    dtype = plan.layers[0].weights.dtype
    of_row = inside.add("MatMul", inside.constant(masks, dtype), parts)
    answers = inside.add("Sigmoid", inside.add("Add", of_row, inside.constant(table, dtype)))
    first = inside.add("Gather", answers, inside.constant([0], np.int64), axis=1)
    n_background = table.shape[1]
    share = inside.constant(np.full((n_background, 1), 1.0 / n_background), dtype)
    spread = inside.add("MatMul", inside.add("Sub", answers, first), share)
    means = inside.along("Squeeze", inside.add("Add", first, spread), [1])
    output = read_answer(inside, plan.answer, f"{MIXED}{plan.answer.tensor}")
    double = helper.np_dtype_to_tensor_dtype(np.dtype(np.float64))
    body = helper.make_graph(
        inside.nodes,
        f"{PREFIX}row",
        [helper.make_tensor_value_info(entries[name], element, None) for name, element in rows.items()],
        [
            helper.make_tensor_value_info(means, helper.np_dtype_to_tensor_dtype(dtype), [None]),
            helper.make_tensor_value_info(output, double, [None]),
        ],
    )
    stacked = [emitter.constants.name("rows") for _ in (means, output)]
    emitter.nodes.append(helper.make_node("Scan", list(rows), stacked, num_scan_inputs=len(rows), body=body))
    emitter.add("Cast", stacked[0], output=VALUES, to=double)
    emitter.add("Identity", emitter.along("Squeeze", stacked[1], [1]), output=OUTPUTS)
    outputs = [double_output(VALUES, 2), double_output(OUTPUTS, 1)]
    return assemble(plan, emitter, (), outputs, own=()).SerializeToString()


def _parts(inside: Emitter, plan: MixingPlan, columns: Mapping[str, NDArray[np.intp]], n_players: int) -> str:
    """What each player's columns of the row make of the log-odds: (p, 1)."""
    total = ""
    for layer in plan.layers:
        dtype = layer.weights.dtype
        owners = columns[layer.tensor]
        belongs = np.zeros((n_players, len(owners)))
        belongs[owners[owners >= 0], np.flatnonzero(owners >= 0)] = 1.0
        column = inside.add("Reshape", f"{MIXED}{layer.tensor}", inside.constant([-1, 1], np.int64))
        weighted = inside.add("Mul", column, inside.constants.add(layer.weights))
        limits = [inside.constant(limit, dtype) for limit in (_LARGEST_PART, -_LARGEST_PART)]
        bounded = inside.add("Max", inside.add("Min", weighted, limits[0]), limits[1])
        part = inside.add("MatMul", inside.constant(belongs, dtype), bounded)
        total = inside.add("Add", total, part) if total else part
    return total
