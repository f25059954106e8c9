"""The whole explainer as one graph of constants: rows go in, attributions come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from xaisvc.graphs.emit import Constants, Emitter, made_and_read
from xaisvc.graphs.explainer import Found, Mixer, assemble, constant_design, double_output, own_nodes, read_answer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray
    from onnx import ModelProto, ValueInfoProto

    from xaisvc.graphs.explainer import Tables
    from xaisvc.graphs.mixing import MixingPlan
    from xaisvc.types import Projection

    Array = NDArray[np.generic]

RowOrder: TypeAlias = Literal["together", "one by one"]

ON, OFF = "on", "off"
"""Outputs without a projection: v(S_k) and v(not S_k); double, (n, q)."""
OUTPUTS = "outputs"
"""Output: f(x); double, (n,)."""
ATTRIBUTIONS, STANDARD_ERRORS, BASE_VALUES = "values", "standard_errors", "base_values"
"""Outputs with a projection: double, (n, p), (n, p) and (n,)."""
ANSWERS = "answers"
"""Output on request: the answer for each coalition, the S_k first, and background row; double, (n, 2 q, d)."""


def fused_graph(  # noqa: PLR0913 (each is one part of the graph)
    plan: MixingPlan,
    background: Mapping[str, Array],
    tables: Tables,
    *,
    n_pairs: int,
    projection: Projection | None = None,
    none: float = 0.0,
    rows: RowOrder = "together",
    answers: bool = False,
) -> ModelProto:
    """A graph that reads n rows as the model does and answers with what the design and the projection make of them.

    With a projection the outputs are `ATTRIBUTIONS`, `STANDARD_ERRORS`, `BASE_VALUES` and `OUTPUTS`, else `ON`, `OFF`
    and `OUTPUTS`, in this order. A name that a tensor of the model has already gets `explainer_` before it.

    Args:
        plan: The model taken apart.
        background: Cut tensor to its values for the background, (b, layout...).
        tables: The design: coalitions S_1 to S_q, then their complements, then any that fill up the last chunk.
        n_pairs: q.
        projection: Makes attributions of the coalition values; None to give the values themselves.
        none: v0, the value of the empty coalition; used with a projection.
        rows: `together` puts all rows into one pass, for devices that are fast when they are kept busy; `one by one`
            goes over them in a Scan, so that memory does not grow with n.
        answers: Whether `ANSWERS` is wanted.
    """
    emitter = Emitter(plan.opset, Constants())
    write = _together if rows == "together" else _one_by_one
    found = write(plan, emitter, background, tables, answers=answers)
    outputs: list[ValueInfoProto] = []

    taken = made_and_read((*plan.whole.nodes, *plan.front))
    taken_names = taken[0] | taken[1]

    def give(tensor: str, name: str, rank: int) -> None:
        free = free_name(name, taken_names)
        emitter.add("Identity", tensor, output=free)
        outputs.append(double_output(free, rank))

    on, off = (
        emitter.add("Gather", found.values, emitter.constant(np.arange(start, start + n_pairs), np.int64), axis=1)
        for start in (0, n_pairs)
    )
    own = read_answer(emitter, plan.answer, plan.answer.tensor)
    if projection is None:
        give(on, ON, 2)
        give(off, OFF, 2)
    else:
        values, errors, base = _project(emitter, on, off, own, projection, none)
        give(values, ATTRIBUTIONS, 2)
        give(errors, STANDARD_ERRORS, 2)
        give(base, BASE_VALUES, 1)
    give(own, OUTPUTS, 1)
    if found.answers is not None:
        both = emitter.constant(np.arange(2 * n_pairs), np.int64)
        give(emitter.add("Gather", found.answers, both, axis=1), ANSWERS, 3)
    return assemble(plan, emitter, (), outputs, own=own_nodes(plan))


def free_name(name: str, taken: Collection[str]) -> str:
    """The name of an output, with `explainer_` before it as often as a tensor of the model has it already."""
    while name in taken:
        name = f"explainer_{name}"
    return name


def _together(
    plan: MixingPlan, emitter: Emitter, background: Mapping[str, Array], tables: Tables, *, answers: bool
) -> Found:
    mixer = Mixer(plan, background, constant_design(emitter, tables), answers=answers)
    return mixer.values(emitter, {tensor.name: tensor.name for tensor in plan.tensors}, [1, 2])


def _one_by_one(
    plan: MixingPlan, emitter: Emitter, background: Mapping[str, Array], tables: Tables, *, answers: bool
) -> Found:
    """A Scan over the rows around the Scan over the chunks."""
    from onnx import TensorProto, helper  # noqa: PLC0415 (heavy: loaded when used)

    design = constant_design(emitter, tables)
    inside = emitter.nested()
    entries = {tensor.name: emitter.constants.name("row") for tensor in plan.tensors}
    found = Mixer(plan, background, design, answers=answers).values(inside, entries, [0, 1, 2])
    results = [inside.along("Squeeze", name, [0]) for name in (found.values, found.answers) if name is not None]
    body = helper.make_graph(
        inside.nodes,
        "row",
        [
            helper.make_tensor_value_info(
                entries[tensor.name], int(helper.np_dtype_to_tensor_dtype(background[tensor.name].dtype)), None
            )
            for tensor in plan.tensors
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None] * rank)
            for rank, name in enumerate(results, 1)
        ],
    )
    stacked = [emitter.constants.name("rows") for _ in results]
    names = [tensor.name for tensor in plan.tensors]
    emitter.nodes.append(helper.make_node("Scan", names, stacked, num_scan_inputs=len(names), body=body))
    return Found(stacked[0], stacked[1] if answers else None)


def _project(  # noqa: PLR0913, PLR0917 (the terms of one formula)
    emitter: Emitter, on: str, off: str, own: str, projection: Projection, none: float
) -> tuple[str, str, str]:
    """Values, standard errors and base values; the formulas of `Projection`."""
    base = emitter.constant(none, np.float64)
    total = emitter.along("Unsqueeze", emitter.add("Sub", own, base), [1])
    half = emitter.add("Mul", emitter.add("Sub", on, off), emitter.constant(0.5, np.float64))

    def linear(weights: NDArray[np.float64], share: NDArray[np.float64]) -> str:
        part = emitter.add("MatMul", half, emitter.constant(weights.T, np.float64))
        rest = emitter.add("MatMul", total, emitter.constant(share[None, :], np.float64))
        return emitter.add("Add", part, rest)

    values = linear(projection.weights, projection.share)
    replicates, players, pairs = projection.spread.shape
    squares: list[str] = []
    if replicates:
        flat = linear(projection.spread.reshape(-1, pairs), projection.spread_share.reshape(-1))
        moves = emitter.reshape(flat, [-1, replicates, players])
        squares.append(emitter.along("ReduceSum", emitter.add("Mul", moves, moves), [1], keepdims=0))
    if len(projection.energy):
        rest = linear(projection.energy, projection.energy_share)
        energy = emitter.along("ReduceSum", emitter.add("Mul", rest, rest), [1], keepdims=1)
        squares.append(emitter.add("Mul", energy, emitter.constant(projection.scale[None, :] ** 2, np.float64)))
    if not squares:
        squares = [emitter.add("Mul", values, emitter.constant(0.0, np.float64))]
    errors = emitter.add("Sqrt", squares[0] if len(squares) == 1 else emitter.add("Add", *squares))
    return values, errors, emitter.add("Add", emitter.add("Sub", own, own), base)
