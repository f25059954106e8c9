"""The compiled look at players that are spoken of together."""

from __future__ import annotations

from xaisvc.compiled import compiled


@compiled(numpy_errors=True)
def look_at_parts(numbers, gap, parts, material, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Looks at k parts in n rows of p players.

    Args:
        numbers: Interventional and conditional values, low and high ends of the intervals that hold both, and shares of
            the row's total; float64, (n, p) each.
        gap: Whether the two values differ by enough to speak; bool, (n, p).
        parts: Where each part begins among the members, and the last ends; and the members' places; intp, (k + 1,) and
            (m,).
        material: Share from which on a player is a reason.
        found: Written to: whether a member differs, whether the interval of a material member contains 0, and the
            largest absolute difference; bool, bool and float64, (k, n) each.

    Returns:
        Whether any part speaks in any row.
    """
    values, conditional, low, high, shares = numbers
    starts, members = parts
    speaks, unsafe, gaps = found
    anywhere = False
    for k in range(len(starts) - 1):
        for i in range(len(values)):
            differs, crosses, most = False, False, 0.0
            for at in range(starts[k], starts[k + 1]):
                j = members[at]
                differs |= gap[i, j]
                crosses |= low[i, j] <= 0 and high[i, j] >= 0 and shares[i, j] >= material
                most = max(most, abs(conditional[i, j] - values[i, j]))
            speaks[k, i], unsafe[k, i], gaps[k, i] = differs, crosses, most
            anywhere |= differs
    return anywhere
