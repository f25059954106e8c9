"""The compiled product of a constant matrix with the numbers of many rows, whose bits no row's neighbours change."""

from __future__ import annotations

from xaisvc.compiled import compiled

ROWS_AT_ONCE = 4
"""Rows are given in whole blocks of this size."""


@compiled(fastmath={"reassoc", "contract"})
def products(matrix, rows, found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """found[i, j] = sum over k of matrix[j, k] * rows[i, k].

    Every number is a sum of its own, taken in an order that its line alone decides; a library's matrix product takes
    another order for another number of rows. Lines of the matrix are read once for all rows.

    Args:
        matrix: float64, (m, q).
        rows: float64, (n, q), n a multiple of `ROWS_AT_ONCE`: one row alone would be summed in another order.
        found: Written to; float64, (n, m).
    """
    sixes, pairs = matrix.shape[0] // 6 * 6, matrix.shape[0] // 2 * 2
    # Six lines by two rows read eight numbers for twelve products; two by four, as below, six for eight.
    for j in range(0, sixes, 6):
        first, second, third = matrix[j], matrix[j + 1], matrix[j + 2]
        fourth, fifth, sixth = matrix[j + 3], matrix[j + 4], matrix[j + 5]
        for i in range(0, rows.shape[0], 2):
            one, two = rows[i], rows[i + 1]
            a, b, c, d, e, f = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            s, t, u, v, w, x = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(first.size):
                a += first[k] * one[k]
                s += first[k] * two[k]
                b += second[k] * one[k]
                t += second[k] * two[k]
                c += third[k] * one[k]
                u += third[k] * two[k]
                d += fourth[k] * one[k]
                v += fourth[k] * two[k]
                e += fifth[k] * one[k]
                w += fifth[k] * two[k]
                f += sixth[k] * one[k]
                x += sixth[k] * two[k]
            found[i, j], found[i, j + 1], found[i, j + 2] = a, b, c
            found[i, j + 3], found[i, j + 4], found[i, j + 5] = d, e, f
            found[i + 1, j], found[i + 1, j + 1], found[i + 1, j + 2] = s, t, u
            found[i + 1, j + 3], found[i + 1, j + 4], found[i + 1, j + 5] = v, w, x
    for j in range(sixes, pairs, 2):
        line, next_line = matrix[j], matrix[j + 1]
        for i in range(0, rows.shape[0], 4):
            one, two, three, four = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
            a, b, c, d = 0.0, 0.0, 0.0, 0.0
            e, f, g, h = 0.0, 0.0, 0.0, 0.0
            for k in range(line.size):
                a += line[k] * one[k]
                b += line[k] * two[k]
                c += line[k] * three[k]
                d += line[k] * four[k]
                e += next_line[k] * one[k]
                f += next_line[k] * two[k]
                g += next_line[k] * three[k]
                h += next_line[k] * four[k]
            found[i, j], found[i + 1, j], found[i + 2, j], found[i + 3, j] = a, b, c, d
            found[i, j + 1], found[i + 1, j + 1], found[i + 2, j + 1], found[i + 3, j + 1] = e, f, g, h
    for j in range(pairs, matrix.shape[0]):
        line = matrix[j]
        for i in range(rows.shape[0]):
            total = 0.0
            for k in range(line.size):
                total += line[k] * rows[i, k]
            found[i, j] = total
