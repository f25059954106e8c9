"""Vector instructions for the look-up, written out: compilers do not find them behind memory that might overlap.

Each is one operation on a fixed number of neighbouring numbers, a constant of the code. Processors without registers
of that width get several narrower ones; the numbers are the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ROWS_AT_ONCE = 32
"""Ranks compared by one call of `test_ranks`."""

BRANCHES_AT_ONCE = 64
"""Branches tested by one call of `test_branches`: the bits of one number."""


_LINE = 16
"""Numbers in a line of the processor's cache."""


def _place(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:  # noqa: ANN401, PLR0913, PLR0917 (numba's and llvmlite's own, untyped)
    """Pointer to a vector that begins at an index of a one-dimensional array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _is_flat(array: Any, element: Any) -> bool:  # noqa: ANN401 (numba's own, untyped)
    return isinstance(array, types.Array) and array.layout == "C" and array.ndim == 1 and array.dtype == element


def _add_entries(typing_context, width, sums, sums_at, table, a, b, c, d):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG001, PLR0913, PLR0917 (numba's own form)
    """Adds entries, `width` float32 each, to sums: sums[sums_at:] = (((sums + a) + b) + c) + d, in this order.

    Args:
        typing_context: Given by numba.
        width: Numbers in an entry, a constant.
        sums: float32, flat.
        sums_at: Where the sums begin; int64.
        table: float32, flat.
        a: Where the first entry begins; int64.
        b: The second.
        c: The third.
        d: The fourth.
    """
    if not isinstance(width, types.IntegerLiteral) or not (
        _is_flat(sums, types.float32) and _is_flat(table, types.float32)
    ):
        return None

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (numba's own form)
        vector = ir.VectorType(ir.FloatType(), width.literal_value)
        _, own, own_at, entries, *starts = arguments
        _, own_type, _, entries_type, *_ = signature.args
        target = _place(context, builder, own_type, own, own_at, vector)
        total = builder.load(target, align=4)
        for start in starts:
            total = builder.fadd(
                total, builder.load(_place(context, builder, entries_type, entries, start, vector), align=4)
            )
        builder.store(total, target, align=4)
        return context.get_dummy_value()

    places = [types.int64] * 4
    return types.void(width, sums, types.int64, table, *places), generate


def _add_entry(typing_context, width, sums, sums_at, table, a):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG001, PLR0913, PLR0917 (numba's own form)
    """Adds one entry; see `add_entries`."""
    if not isinstance(width, types.IntegerLiteral) or not (
        _is_flat(sums, types.float32) and _is_flat(table, types.float32)
    ):
        return None

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (numba's own form)
        vector = ir.VectorType(ir.FloatType(), width.literal_value)
        target = _place(context, builder, signature.args[1], arguments[1], arguments[2], vector)
        entry = builder.load(_place(context, builder, signature.args[3], arguments[3], arguments[4], vector), align=4)
        builder.store(builder.fadd(builder.load(target, align=4), entry), target, align=4)
        return context.get_dummy_value()

    return types.void(width, sums, types.int64, table, types.int64), generate


def _fetch_entries(typing_context, width, table, a, b, c, d):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG001, PLR0913, PLR0917 (numba's own form)
    """Has the processor bring four entries near that are added a little later; changes no number.

    Args:
        typing_context: Given by numba.
        width: Numbers in an entry, a constant.
        table: float32, flat.
        a: Where the first entry begins; int64.
        b: The second.
        c: The third.
        d: The fourth.
    """
    if not isinstance(width, types.IntegerLiteral) or not _is_flat(table, types.float32):
        return None

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (numba's own form)
        flag, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        fetch = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        )
        reading, second_level, data = ir.Constant(flag, 0), ir.Constant(flag, 2), ir.Constant(flag, 1)
        for start in arguments[2:]:
            for line in range(0, width.literal_value, _LINE):
                at = builder.add(start, ir.Constant(start.type, line))
                place = _place(context, builder, signature.args[1], arguments[1], at, ir.IntType(8))
                builder.call(fetch, [place, reading, second_level, data])
        return context.get_dummy_value()

    places = [types.int64] * 4
    return types.void(width, table, *places), generate


def _test_ranks(typing_context, ranks, at, lowest, span, held, held_at):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG001, PLR0913, PLR0917 (numba's own form)
    """Tests `ROWS_AT_ONCE` ranks: held = all bits if (rank - lowest) modulo 2^16 <= span, else none.

    Args:
        typing_context: Given by numba.
        ranks: uint16, flat.
        at: Where the ranks begin; int64.
        lowest: uint16.
        span: uint16.
        held: Written to; uint16, flat.
        held_at: Where the answers begin; int64.
    """
    if not (_is_flat(ranks, types.uint16) and _is_flat(held, types.uint16)):
        return None

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (numba's own form)
        vector = ir.VectorType(ir.IntType(16), ROWS_AT_ONCE)

        def everywhere(number: Any) -> Any:  # noqa: ANN401 (llvmlite's own, untyped)
            one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
            mask = ir.Constant(ir.VectorType(ir.IntType(32), ROWS_AT_ONCE), [0] * ROWS_AT_ONCE)
            return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)

        source = _place(context, builder, signature.args[0], arguments[0], arguments[1], vector)
        target = _place(context, builder, signature.args[4], arguments[4], arguments[5], vector)
        above = builder.sub(builder.load(source, align=2), everywhere(arguments[2]))
        holds = builder.icmp_unsigned("<=", above, everywhere(arguments[3]))
        builder.store(builder.sext(holds, vector), target, align=2)
        return context.get_dummy_value()

    flat = types.int64
    return types.void(ranks, flat, types.uint16, types.uint16, held, flat), generate


def _test_branches(typing_context, ranks, lowest, span, at):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG001 (numba's own form)
    """Tests `BRANCHES_AT_ONCE` branches: bit i is set if (ranks[at + i] - lowest[at + i]) modulo 2^16 <= span[at + i].

    Args:
        typing_context: Given by numba.
        ranks: uint16, flat.
        lowest: uint16, flat.
        span: uint16, flat.
        at: Where the branches begin; int64.
    """
    if not all(_is_flat(array, types.uint16) for array in (ranks, lowest, span)):
        return None

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (numba's own form)
        vector = ir.VectorType(ir.IntType(16), BRANCHES_AT_ONCE)
        own, low, wide = (
            builder.load(_place(context, builder, kind, array, arguments[3], vector), align=2)
            for kind, array in zip(signature.args[:3], arguments[:3], strict=True)
        )
        holds = builder.icmp_unsigned("<=", builder.sub(own, low), wide)
        return builder.bitcast(holds, ir.IntType(BRANCHES_AT_ONCE))

    return types.uint64(ranks, lowest, span, types.int64), generate


def _trailing_zeros(typing_context, word):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG001 (numba's own form)
    """Place of the lowest bit that is set; `word` is a uint32 that is not 0."""
    if word != types.uint32:
        return None

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, ARG001 (numba's own form)
        never_zero = ir.Constant(ir.IntType(1), 1)
        return builder.zext(builder.cttz(arguments[0], never_zero), ir.IntType(64))

    return types.int64(word), generate


# numba's own types know these as functions of one argument less, the typing context that numba gives.
add_entries = cast("Callable[..., None]", intrinsic(prefer_literal=True)(_add_entries))
fetch_entries = cast("Callable[..., None]", intrinsic(prefer_literal=True)(_fetch_entries))
add_entry = cast("Callable[..., None]", intrinsic(prefer_literal=True)(_add_entry))
test_ranks = cast("Callable[..., None]", intrinsic(_test_ranks))
test_branches = cast("Callable[..., int]", intrinsic(_test_branches))
trailing_zeros = cast("Callable[..., int]", intrinsic(_trailing_zeros))
