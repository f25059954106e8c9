"""Graphs that evaluate coalitions: mixing rows, the model, and the mean over the background in one.

For a coalition S, an explained row x and background rows z_1 to z_d, v(S) is the mean of f over the rows that take the
columns of S from x and the others from z. A Scan goes over chunks of coalitions, so that what the model makes of a
chunk stays in the cache. The answers of one coalition are averaged as first + mean(answer - first), so that equal
answers give exactly that number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.graphs.emit import PREFIX, Constants, Emitter, made_and_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, ValueInfoProto

    from xaisvc.graphs.mixing import Answer, MixingPlan

    Array = NDArray[np.generic]

VALUES = f"{PREFIX}values"
"""Output: v of each coalition; double, (n, coalitions)."""
OUTPUTS = f"{PREFIX}outputs"
"""Output: f(x); double, (n,)."""
SHAPE = f"{PREFIX}shape"
"""Input: -1, coalitions in a chunk, background rows of a coalition; int64, (1, 3)."""
BACKGROUND_ROWS = f"{PREFIX}background_rows"
"""Input where each coalition has background rows of its own: their numbers; int64, (1, chunks, in a chunk, d)."""
MIXED = f"{PREFIX}mixed_"
"""Before the names of a model's tensors where they stand in a nested graph."""
_DOUBLE = 11
"""ONNX's number for the element type double."""

_MIXED_AS: Mapping[str, type[np.generic]] = {
    "bool": np.uint8,
    "int16": np.int32,
    "uint16": np.int32,
    "uint64": np.int64,
}
"""Element types that ONNX Runtime cannot choose between, and a type that holds the same values and that it can."""


def mask_input(index: int) -> str:
    """Input: for the cut tensor of this number, True where a coalition takes the row's columns.

    bool, (1, chunks, 1, in a chunk, 1, layout...).
    """
    return f"{PREFIX}mask_{index}"


def table_input(index: int) -> str:
    """Input: for the layer output of this number, what background rows contribute to it, and its bias.

    In the layer's dtype, (1, chunks, in a chunk, d, h).
    """
    return f"{PREFIX}table_{index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """One design laid out in chunks, as the graph reads it.

    Attributes:
        masks: Per cut tensor, bool, (chunks, 1, in a chunk, 1, layout...).
        tables: Per layer output, (chunks, in a chunk, d, h): what background rows contribute, and the bias.
        background_rows: int64, (chunks, in a chunk, d); None if all rows stand in for every coalition.
        shape: -1, coalitions in a chunk, d.
    """

    masks: tuple[Array, ...]
    tables: tuple[Array, ...]
    background_rows: NDArray[np.int64] | None
    shape: tuple[int, int, int]


def layer_outputs(plan: MixingPlan) -> tuple[str, ...]:
    """The tensors that the distributed layers make, each once."""
    return tuple(dict.fromkeys(layer.output for layer in plan.layers))


def row_graph(
    plan: MixingPlan,
    background: Mapping[str, Array],
    *,
    own_rows: bool,
    own_answer: bool = True,
) -> bytes:
    """A graph for one explained row at a time and any coalitions, which are inputs.

    Inputs are the model's own, (1, ...), and with a first dimension of 1 those of the design: `SHAPE`, `mask_input` for
    each cut tensor, `table_input` for each layer output and, with `own_rows`, `BACKGROUND_ROWS`. Outputs are `VALUES`
    and `OUTPUTS`.

    Args:
        plan: The model taken apart.
        background: Cut tensor to its values for the background, (b, layout...).
        own_rows: Whether each coalition has background rows of its own.
        own_answer: Whether `OUTPUTS` is wanted. It takes a second copy of the model's nodes.
    """
    from onnx import TensorProto, helper  # noqa: PLC0415 (heavy: loaded when used)

    emitter = Emitter(plan.opset, Constants())
    inputs: list[ValueInfoProto] = []

    def take(name: str, element: int, rank: int) -> str:
        inputs.append(helper.make_tensor_value_info(name, element, [None] * rank))
        return emitter.along("Squeeze", name, [0])

    design = Design(
        masks=[take(mask_input(i), TensorProto.BOOL, 5 + len(tensor.layout)) for i, tensor in enumerate(plan.tensors)],
        tables=[take(table_input(i), _element(_dtype_of(plan, name)), 5) for i, name in enumerate(layer_outputs(plan))],
        background_rows=take(BACKGROUND_ROWS, TensorProto.INT64, 4) if own_rows else None,
        shape=take(SHAPE, TensorProto.INT64, 2),
    )
    mixer = Mixer(plan, background, design, answers=False)
    found = mixer.values(emitter, {tensor.name: tensor.name for tensor in plan.tensors}, [1, 2])
    emitter.add("Identity", found.values, output=VALUES)
    outputs = [double_output(VALUES, 2)]
    if own_answer:
        emitter.add("Identity", read_answer(emitter, plan.answer, plan.answer.tensor), output=OUTPUTS)
        outputs.append(double_output(OUTPUTS, 1))
    own = own_nodes(plan) if own_answer else plan.front
    return assemble(plan, emitter, inputs, outputs, own=own).SerializeToString()


@dataclass(frozen=True, slots=True)
class Design:
    """Names of the tensors that hold a design, without the leading dimension of 1."""

    masks: Sequence[str]
    tables: Sequence[str]
    background_rows: str | None
    shape: str


@dataclass(frozen=True, slots=True)
class Found:
    """Names of what coalitions came to: values, (r, coalitions), and answers, (r, coalitions, d), or None."""

    values: str
    answers: str | None


def constant_design(emitter: Emitter, tables: Tables) -> Design:
    """A design as constants of the graph."""
    return Design(
        masks=[emitter.constants.add(mask) for mask in tables.masks],
        tables=[emitter.constants.add(table) for table in tables.tables],
        background_rows=None if tables.background_rows is None else emitter.constants.add(tables.background_rows),
        shape=emitter.constant(tables.shape, np.int64),
    )


class Mixer:
    """Writes mixing, model and mean."""

    def __init__(self, plan: MixingPlan, background: Mapping[str, Array], design: Design, *, answers: bool) -> None:
        self._plan = plan
        self._background = background
        self._design = design
        self._answers = answers

    def values(self, emitter: Emitter, rows: Mapping[str, str], new_axes: Sequence[int]) -> Found:
        """Nodes from the cut tensors of r rows to the values of the coalitions."""
        from onnx import TensorProto, helper  # noqa: PLC0415 (heavy: loaded when used)

        plan, design = self._plan, self._design
        wide = {name: emitter.along("Unsqueeze", tensor, new_axes) for name, tensor in rows.items()}
        scanned: list[tuple[str, str, int]] = []

        def scan(tensor: str, element: int) -> str:
            inside = emitter.constants.name("chunk")
            scanned.append((tensor, inside, element))
            return inside

        sums = self._layer_sums(emitter, wide)
        body = emitter.nested()
        for name, own, table in zip(layer_outputs(plan), sums, design.tables, strict=True):
            element = _element(_dtype_of(plan, name))
            mixed = body.add("Add", scan(own, element), scan(table, element))
            width = next(layer.weights.shape[1] for layer in plan.layers if layer.output == name)
            body.add("Reshape", mixed, emitter.constant([-1, width], np.int64), output=f"{MIXED}{name}")
        chosen = None
        if design.background_rows is not None and plan.mixed:
            chosen = scan(design.background_rows, TensorProto.INT64)
        for i, tensor in enumerate(plan.mixed):
            self._mix(body, tensor.name, tensor.layout, scan(design.masks[i], TensorProto.BOOL), wide, chosen)
        self._copy_body(body)
        found, element = self._answers_of_chunk(body)
        graph = helper.make_graph(
            body.nodes,
            f"{PREFIX}chunk",
            [helper.make_tensor_value_info(inside, element, None) for _, inside, element in scanned],
            [helper.make_tensor_value_info(found, element, [None] * 3)],
        )
        stacked = emitter.constants.name("stacked")
        emitter.nodes.append(
            helper.make_node(
                "Scan", [tensor for tensor, _, _ in scanned], [stacked], num_scan_inputs=len(scanned), body=graph
            )
        )
        return self._means(emitter, stacked)

    def _layer_sums(self, emitter: Emitter, wide: Mapping[str, str]) -> list[str]:
        """For each layer output, what the explained rows contribute: (chunks, r, in a chunk, 1, h)."""
        plan = self._plan
        masks = dict(zip((tensor.name for tensor in plan.tensors), self._design.masks, strict=True))
        sums: dict[str, str] = {}
        for layer in plan.layers:
            zero = emitter.constant(0, layer.weights.dtype)
            own = emitter.add("Where", masks[layer.tensor], wide[layer.tensor], zero)
            product = emitter.add("MatMul", own, emitter.constants.add(layer.weights))
            sums[layer.output] = emitter.add("Add", sums[layer.output], product) if layer.output in sums else product
        return list(sums.values())

    def _mix(  # noqa: PLR0913, PLR0917 (each names one part of the mix)
        self, body: Emitter, name: str, layout: tuple[int, ...], mask: str, wide: Mapping[str, str], chosen: str | None
    ) -> None:
        """The rows of a chunk: (r, in a chunk, d, layout...), then one mixed row after the other."""
        stand_in = self._background[name]
        kind = stand_in.dtype
        between = _MIXED_AS.get(kind.name)
        row = wide[name]
        if between is not None:
            row = body.add("Cast", row, to=_element(np.dtype(between)))
            stand_in = stand_in.astype(between)
        others = body.constants.add(stand_in)
        if chosen is not None:
            others = body.add("Gather", others, chosen, axis=0)
        mixed = body.add("Where", mask, row, others)
        flat = body.reshape(mixed, [-1, *layout])
        if between is not None:
            body.add("Cast", flat, output=f"{MIXED}{name}", to=_element(kind))
        else:
            body.nodes[-1].output[0] = f"{MIXED}{name}"

    def _copy_body(self, body: Emitter) -> None:
        plan = self._plan
        made, _ = made_and_read(plan.body)
        renamed = made | {tensor.name for tensor in plan.mixed} | set(layer_outputs(plan))
        for node in plan.body:
            body.copy(node, renamed, MIXED)

    def _answers_of_chunk(self, body: Emitter) -> tuple[str, int]:
        """The answers of a chunk, (r, in a chunk, d), and their element type."""
        answer = self._plan.body_answer
        tensor, element = f"{MIXED}{answer.tensor}", answer.element
        if not answer.is_alone:
            tensor = body.add("Flatten", tensor, axis=1)
            tensor = body.add("Gather", tensor, body.constant(answer.column, np.int64), axis=1)
        if not element:
            element = _DOUBLE
            tensor = body.add("Cast", tensor, to=element)
        return body.add("Reshape", tensor, self._design.shape), element

    def _means(self, emitter: Emitter, stacked: str) -> Found:
        """Values of the coalitions from the answers, (chunks, r, in a chunk, d)."""
        answers = _exact(emitter, self._plan.body_answer, stacked)
        first = emitter.add("Gather", answers, emitter.constant([0], np.int64), axis=3)
        spread = emitter.along("ReduceMean", emitter.add("Sub", answers, first), [3], keepdims=1)
        means = emitter.add("Transpose", emitter.add("Add", first, spread), perm=[1, 0, 2, 3])
        values = emitter.reshape(means, [0, -1])
        return Found(values, self._answer_matrix(emitter, answers) if self._answers else None)

    def _answer_matrix(self, emitter: Emitter, stacked: str) -> str:
        """(chunks, r, in a chunk, d) as (r, coalitions, d)."""
        turned = emitter.add("Transpose", stacked, perm=[1, 0, 2, 3])
        rows = emitter.add("Gather", emitter.add("Shape", turned), emitter.constant([0], np.int64), axis=0)
        last = emitter.add("Gather", self._design.shape, emitter.constant([2], np.int64), axis=0)
        shape = emitter.add("Concat", rows, emitter.constant([-1], np.int64), last, axis=0)
        return emitter.add("Reshape", turned, shape)


def read_answer(emitter: Emitter, answer: Answer, tensor: str) -> str:
    """Nodes that take the explained number out of a tensor: double, (rows,)."""
    flat = emitter.add("Flatten", tensor, axis=1)
    numbers = emitter.add("Gather", flat, emitter.constant(answer.column, np.int64), axis=1)
    return _exact(emitter, answer, numbers)


def _exact(emitter: Emitter, answer: Answer, numbers: str) -> str:
    """Numbers as double, and in the explained unit."""
    exact = emitter.add("Cast", numbers, to=_DOUBLE)
    if not answer.is_logit:
        return exact
    rest = emitter.add("Sub", emitter.constant(1.0, np.float64), exact)
    return emitter.add("Sub", emitter.add("Log", exact), emitter.add("Log", rest))


def assemble(
    plan: MixingPlan,
    emitter: Emitter,
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    *,
    own: Sequence[NodeProto],
) -> ModelProto:
    """Puts nodes of the model's own, then the new nodes, and the constants into one model."""
    import onnx  # noqa: PLC0415 (heavy: loaded when used)

    source = plan.whole.model
    sources = (plan.front_graph.model.graph, source.graph)
    nodes = [*own, *emitter.nodes]
    used = made_and_read(nodes)[1]
    model: ModelProto = onnx.ModelProto()
    model.ir_version = max(source.ir_version, 8)  # constants that are no inputs, and functions
    model.producer_name = "xaisvc"
    versions = {entry.domain: entry.version for entry in source.opset_import if entry.domain not in {"", "ai.onnx"}}
    for domain, version in {**versions, "": plan.opset}.items():
        entry = model.opset_import.add()
        entry.domain, entry.version = domain, version
    model.functions.extend(source.functions)
    model.graph.name = "explainer"
    model.graph.node.extend(nodes)
    constants = {tensor.name: tensor for graph in sources for tensor in graph.initializer if tensor.name in used}
    model.graph.initializer.extend(constants.values())
    sparse = {tensor.values.name: tensor for graph in sources for tensor in graph.sparse_initializer}
    model.graph.sparse_initializer.extend(tensor for name, tensor in sparse.items() if name in used)
    model.graph.initializer.extend(tensor for tensor in emitter.constants.tensors if tensor.name in used)
    read = {value.name: value for graph in sources for value in graph.input}
    model.graph.input.extend(
        _with_free_rows(value) for name, value in read.items() if name in used and name not in constants
    )
    model.graph.input.extend(value for value in inputs if value.name in used)
    model.graph.output.extend(outputs)
    return model


def own_nodes(plan: MixingPlan) -> list[NodeProto]:
    """The model's own nodes: the front, and what the model needs beside it for f(x); in order."""
    made = made_and_read(plan.front)[0]
    return [*plan.front, *(node for node in plan.whole.nodes if made.isdisjoint(node.output))]


def _with_free_rows(value: ValueInfoProto) -> ValueInfoProto:
    import onnx  # noqa: PLC0415 (heavy: loaded when used)

    freed = onnx.ValueInfoProto()
    freed.CopyFrom(value)
    shape = freed.type.tensor_type.shape
    if shape.dim:
        shape.dim[0].ClearField("dim_value")
        shape.dim[0].dim_param = "rows"
    return freed


def double_output(name: str, rank: int) -> ValueInfoProto:
    """An output of double numbers, its first dimension the rows."""
    from onnx import TensorProto, helper  # noqa: PLC0415 (heavy: loaded when used)

    return helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["rows", *([None] * (rank - 1))])


def _dtype_of(plan: MixingPlan, layer_output: str) -> np.dtype[np.generic]:
    return next(layer.weights.dtype for layer in plan.layers if layer.output == layer_output)


def _element(dtype: np.dtype[np.generic]) -> int:
    from onnx import helper  # noqa: PLC0415 (heavy: loaded when used)

    return int(helper.np_dtype_to_tensor_dtype(dtype))
