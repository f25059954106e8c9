"""The innermost product of dense layers, written out for the processor's vectors.

A block of rows times a panel of columns stays in registers from the first to the last term of its sums: compilers do
not find that behind a loop. Numbers of a row are added in the order of the layer's inputs, whatever rows are beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Any, Final, cast

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

# 32 registers of 16 numbers hold 12 rows by 2 vectors, the 2 vectors of weights, and room for a row's number. With 16
# registers of 8 numbers it is 6 by 2. Measured on one core for 128 by 128 weights: 163 GFLOP/s, and 87 with the second.
_HAS_LONG_VECTORS: Final = bool(binding.get_host_cpu_features().get("avx512f", False))
_LANES: Final = 16 if _HAS_LONG_VECTORS else 8
_VECTORS: Final = 2
_VECTOR: Final = ir.VectorType(ir.FloatType(), _LANES)
_PLACE: Final = ir.IntType(64)

_STEEPEST: Final = 87.0
_LOG2_E: Final = 1.4426950408889634
_LN2_HIGH: Final = 0.693145751953125
_LN2_LOW: Final = 1.428606765330187e-06
_SERIES: Final = tuple(1.0 / factorial(k) for k in range(7, -1, -1))
"""Taylor coefficients of exp; the next term is 5e-9 at most where |r| <= ln(2) / 2."""

BLOCK_ROWS: Final = 12 if _HAS_LONG_VECTORS else 6
"""Rows of a block."""
_ROWS_OF_ONE: Final = 3
"""Rows reached from one pointer, by an index of one or two steps. There are 16 registers for addresses: with a pointer
for each of 12 rows most of them were read from memory at every term (92 GFLOP/s where this reaches 180)."""
PANEL: Final = _LANES * _VECTORS
"""Columns of a panel; layers are filled up to whole panels."""
LANES: Final = _LANES
"""Numbers changed by one call of `bend`."""


def _multiply(  # type: ignore[no-untyped-def] # noqa: ANN202, PLR0913, PLR0917 (numba's own form)
    typing_context,  # noqa: ANN001, ARG001 (numba's own form)
    rows,  # noqa: ANN001 (numba's own form)
    rows_at,  # noqa: ANN001, ARG001 (numba's own form)
    rows_step,  # noqa: ANN001, ARG001 (numba's own form)
    weights,  # noqa: ANN001 (numba's own form)
    weights_at,  # noqa: ANN001, ARG001 (numba's own form)
    terms,  # noqa: ANN001, ARG001 (numba's own form)
    bias,  # noqa: ANN001 (numba's own form)
    bias_at,  # noqa: ANN001, ARG001 (numba's own form)
    least,  # noqa: ANN001, ARG001 (numba's own form)
    found,  # noqa: ANN001 (numba's own form)
    found_at,  # noqa: ANN001, ARG001 (numba's own form)
    found_step,  # noqa: ANN001, ARG001 (numba's own form)
):
    """Writes max(least, bias + rows @ weights) for `BLOCK_ROWS` rows and `PANEL` columns; NaN stays NaN.

    Args:
        typing_context: Given by numba.
        rows: float32, flat.
        rows_at: Where the first row begins; int64.
        rows_step: From one row to the next; int64.
        weights: float32, flat: for each term, `PANEL` numbers.
        weights_at: Where the panel begins; int64.
        terms: Numbers of a row that are added up, at least 1; int64.
        bias: float32, flat.
        bias_at: Where the panel's biases begin; int64.
        least: float32.
        found: Written to; float32, flat.
        found_at: Where the first row's answer begins; int64.
        found_step: From one row's answer to the next; int64.
    """
    if not all(_is_flat(array) for array in (rows, weights, bias, found)):
        return None
    place, number = types.int64, types.float32
    signature = types.void(rows, place, place, weights, place, place, bias, place, number, found, place, place)
    return signature, _generate_product


def _is_flat(array: Any) -> bool:  # noqa: ANN401 (numba's own, untyped)
    return isinstance(array, types.Array) and array.layout == "C" and array.ndim == 1 and array.dtype == types.float32


@dataclass(frozen=True)
class _Writer:
    """Writes instructions on vectors of `_LANES` float32."""

    context: Any
    builder: Any
    signature: Any

    def pointer(self, argument: int, array: Any, at: Any) -> Any:  # noqa: ANN401 (llvmlite's own, untyped)
        """Where an array's number at an index lies; `argument` is the array's place in the signature."""
        made = self.context.make_array(self.signature.args[argument])(self.context, self.builder, array)
        return self.builder.gep(made.data, [at])

    def ahead(self, start: Any, steps: Any) -> Any:  # noqa: ANN401 (llvmlite's own, untyped)
        """A pointer moved on by some numbers."""
        return self.builder.gep(start, [_PLACE(steps) if isinstance(steps, int) else steps])

    def load(self, start: Any) -> Any:  # noqa: ANN401 (llvmlite's own, untyped)
        """The vector at a pointer."""
        return self.builder.load(self.builder.bitcast(start, _VECTOR.as_pointer()), align=4)

    def store(self, vector: Any, start: Any) -> None:  # noqa: ANN401 (llvmlite's own, untyped)
        """Writes a vector to a pointer."""
        self.builder.store(vector, self.builder.bitcast(start, _VECTOR.as_pointer()), align=4)

    def everywhere(self, value: Any) -> Any:  # noqa: ANN401 (llvmlite's own, untyped)
        """A vector of one number."""
        if isinstance(value, float):
            return ir.Constant(_VECTOR, [value] * _LANES)
        one = self.builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.IntType(32)(0))
        first = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)
        return self.builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), first)

    def call(self, name: str, *vectors: Any) -> Any:  # noqa: ANN401 (llvmlite's own, untyped)
        """An instruction of LLVM's own, such as `fma`."""
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(vectors))
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{_LANES}f32")  # type: ignore[no-untyped-call]
        return self.builder.call(function, vectors)

    def opaque(self, pointer: Any) -> Any:  # noqa: ANN401 (llvmlite's own, untyped)
        """The pointer itself, of which the compiler no longer knows where it comes from: it can make no others of it.

        Nor does it unroll a loop with this (`convergent`), which would not leave room in the registers for the sums.
        """
        same = self.builder.asm(ir.FunctionType(pointer.type, [pointer.type]), "", "=r,0", [pointer], side_effect=False)
        same.attributes.add("convergent")
        return same

    def at_least(self, vector: Any, least: Any) -> Any:  # noqa: ANN401 (llvmlite's own, untyped)
        """The larger numbers of two vectors; NaN of the first stays NaN."""
        return self.builder.select(self.builder.fcmp_ordered("<", vector, least), least, vector)


def _generate_product(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 (numba's and llvmlite's own, untyped)
    rows, rows_at, rows_step, weights, weights_at, terms, bias, bias_at, least, found, found_at, found_step = arguments
    write = _Writer(context, builder, signature)
    first_row, panel = write.pointer(0, rows, rows_at), write.pointer(3, weights, weights_at)
    biases, target = write.pointer(6, bias, bias_at), write.pointer(9, found, found_at)
    groups = [write.ahead(first_row, builder.mul(rows_step, _PLACE(row))) for row in range(0, BLOCK_ROWS, _ROWS_OF_ONE)]
    steps = [builder.mul(rows_step, _PLACE(row)) for row in range(_ROWS_OF_ONE)]
    begin = [write.load(write.ahead(biases, i * _LANES)) for i in range(_VECTORS)]

    before, loop, after = builder.block, builder.append_basic_block("terms"), builder.append_basic_block("added")
    builder.branch(loop)
    builder.position_at_end(loop)
    term = builder.phi(_PLACE)
    places = [builder.phi(group.type) for group in groups]
    sums = [[builder.phi(_VECTOR) for _ in range(_VECTORS)] for _ in range(BLOCK_ROWS)]
    own = [write.opaque(group) for group in places]
    line = write.ahead(panel, builder.mul(term, _PLACE(PANEL)))
    factors = [write.load(write.ahead(line, i * _LANES)) for i in range(_VECTORS)]
    added = []
    for row, totals in enumerate(sums):
        of, place = divmod(row, _ROWS_OF_ONE)
        value = write.everywhere(builder.load(write.ahead(own[of], steps[place]), align=4))
        added.append([write.call("fma", value, factor, total) for factor, total in zip(factors, totals, strict=True)])
    following, moved = builder.add(term, _PLACE(1)), [write.ahead(group, 1) for group in own]
    builder.cbranch(builder.icmp_signed("<", following, terms), loop, after)
    term.add_incoming(_PLACE(0), before)
    term.add_incoming(following, loop)
    for group, start, then in zip(places, groups, moved, strict=True):
        group.add_incoming(start, before)
        group.add_incoming(then, loop)
    for totals, more in zip(sums, added, strict=True):
        for total, first, then in zip(totals, begin, more, strict=True):
            total.add_incoming(first, before)
            total.add_incoming(then, loop)

    builder.position_at_end(after)
    floor = write.everywhere(least)
    for row, totals in enumerate(added):
        line = write.ahead(target, builder.mul(found_step, _PLACE(row)))
        for i, total in enumerate(totals):
            write.store(write.at_least(total, floor), write.ahead(line, i * _LANES))
    return context.get_dummy_value()


def _add(typing_context, rows, rows_at, others, others_at, panels, least, found, found_at):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG001, PLR0913, PLR0917 (numba's own form)
    """Writes max(least, rows + others) for `panels` times `PANEL` numbers; NaN stays NaN.

    Args:
        typing_context: Given by numba.
        rows: float32, flat.
        rows_at: Where the numbers begin; int64.
        others: float32, flat.
        others_at: Where the others begin; int64.
        panels: At least 1; int64.
        least: float32.
        found: Written to; float32, flat.
        found_at: Where the sums begin; int64.
    """
    if not all(_is_flat(array) for array in (rows, others, found)):
        return None
    place, number = types.int64, types.float32
    return types.void(rows, place, others, place, place, number, found, place), _generate_addition


def _generate_addition(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 (numba's and llvmlite's own, untyped)
    rows, rows_at, others, others_at, panels, least, found, found_at = arguments
    write = _Writer(context, builder, signature)
    own, other = write.pointer(0, rows, rows_at), write.pointer(2, others, others_at)
    target, floor = write.pointer(6, found, found_at), write.everywhere(least)
    with cgutils.for_range(builder, panels, intp=_PLACE) as loop:
        start = builder.mul(loop.index, _PLACE(PANEL))
        for i in range(_VECTORS):
            at = builder.add(start, _PLACE(i * _LANES))
            total = builder.fadd(write.load(write.ahead(own, at)), write.load(write.ahead(other, at)))
            write.store(write.at_least(total, floor), write.ahead(target, at))
    return context.get_dummy_value()


def _weigh(typing_context, rows, rows_at, weights, weights_at, panels):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG001, PLR0913, PLR0917 (numba's own form)
    """The sum of `panels` times `PANEL` numbers, each times its weight; float32.

    Args:
        typing_context: Given by numba.
        rows: float32, flat.
        rows_at: Where the numbers begin; int64.
        weights: float32, flat.
        weights_at: Where the weights begin; int64.
        panels: At least 1; int64.
    """
    if not (_is_flat(rows) and _is_flat(weights)):
        return None
    return types.float32(rows, types.int64, weights, types.int64, types.int64), _generate_weighing


def _generate_weighing(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 (numba's and llvmlite's own, untyped)
    rows, rows_at, weights, weights_at, panels = arguments
    write = _Writer(context, builder, signature)
    own, factors = write.pointer(0, rows, rows_at), write.pointer(2, weights, weights_at)
    before, loop, after = builder.block, builder.append_basic_block("panels"), builder.append_basic_block("weighed")
    builder.branch(loop)
    builder.position_at_end(loop)
    panel = builder.phi(_PLACE)
    sums = [builder.phi(_VECTOR) for _ in range(_VECTORS)]
    start = builder.mul(panel, _PLACE(PANEL))
    added = []
    for i, total in enumerate(sums):
        at = builder.add(start, _PLACE(i * _LANES))
        added.append(write.call("fma", write.load(write.ahead(own, at)), write.load(write.ahead(factors, at)), total))
    following = builder.add(panel, _PLACE(1))
    builder.cbranch(builder.icmp_signed("<", following, panels), loop, after)
    panel.add_incoming(_PLACE(0), before)
    panel.add_incoming(following, loop)
    for total, more in zip(sums, added, strict=True):
        total.add_incoming(write.everywhere(0.0), before)
        total.add_incoming(more, loop)
    builder.position_at_end(after)
    rest = added[0]
    for other in added[1:]:
        rest = builder.fadd(rest, other)
    step = _LANES // 2
    while step:  # halves are added to halves, until one number is left
        turned = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [(i + step) % _LANES for i in range(_LANES)])
        rest = builder.fadd(rest, builder.shuffle_vector(rest, rest, turned))
        step //= 2
    return builder.extract_element(rest, ir.IntType(32)(0))


def _bend(typing_context, numbers, at, steep):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG001 (numba's own form)
    """Replaces `LANES` numbers x by steep / (1 + exp(-steep x)) - (steep - 1): logistic for 1, tanh for 2.

    Args:
        typing_context: Given by numba.
        numbers: Changed in place; float32, flat.
        at: Where they begin; int64.
        steep: float32.
    """
    return (types.void(numbers, types.int64, types.float32), _generate_bend) if _is_flat(numbers) else None


def _generate_bend(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 (numba's and llvmlite's own, untyped)
    numbers, at, steep_number = arguments
    write = _Writer(context, builder, signature)
    place, steep = write.pointer(0, numbers, at), write.everywhere(steep_number)
    x = builder.fmul(builder.fsub(write.everywhere(0.0), steep), write.load(place))
    # exp(x) = 2^n exp(r) with |r| <= ln(2) / 2; beyond 87 the power would leave float32, and 1 / (1 + it) is 0 or 1.
    x = write.at_least(x, write.everywhere(-_STEEPEST))
    x = builder.select(builder.fcmp_ordered(">", x, write.everywhere(_STEEPEST)), write.everywhere(_STEEPEST), x)
    n = write.call("rint", builder.fmul(x, write.everywhere(_LOG2_E)))
    r = write.call("fma", n, write.everywhere(-_LN2_HIGH), x)
    r = write.call("fma", n, write.everywhere(-_LN2_LOW), r)
    series = write.everywhere(_SERIES[0])
    for coefficient in _SERIES[1:]:
        series = write.call("fma", series, r, write.everywhere(coefficient))
    whole = ir.VectorType(ir.IntType(32), _LANES)
    # A NaN has no whole number: 0 stands in, and the NaN comes back through the series.
    n = builder.select(builder.fcmp_unordered("uno", n, n), write.everywhere(0.0), n)
    exponent = builder.add(builder.fptosi(n, whole), ir.Constant(whole, [127] * _LANES))
    power = builder.bitcast(builder.shl(exponent, ir.Constant(whole, [23] * _LANES)), _VECTOR)
    one = write.everywhere(1.0)
    logistic = builder.fdiv(one, write.call("fma", series, power, one))
    write.store(write.call("fma", steep, logistic, builder.fsub(one, steep)), place)
    return context.get_dummy_value()


# numba's own types know these as functions of one argument less, the typing context that numba gives.
multiply = cast("Callable[..., None]", intrinsic(_multiply))
add = cast("Callable[..., None]", intrinsic(_add))
weigh = cast("Callable[..., float]", intrinsic(_weigh))
bend = cast("Callable[..., None]", intrinsic(_bend))
